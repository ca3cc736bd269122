"""What the tests of failures share: a path that must be left alone, and processes of their own."""

import os
import subprocess
import sys
import textwrap

import oracle
import pytest

import hashlith

OLD = {"old": "record"}
TEXT, JSON = oracle.TEXT, oracle.JSON


@pytest.fixture
def target(tmp_path):
    """A path to build at. It holds an index already, which must still be there in the end, and nothing else."""
    folder = tmp_path / "target"
    folder.mkdir()
    path = folder / "x.hlith"
    hashlith.build(path, OLD)
    before = path.read_bytes()
    yield path
    assert path.read_bytes() == before
    assert os.listdir(folder) == ["x.hlith"]


def run(script, **options):
    """Runs Python code in a process of its own; what fails there fails here, and so does waiting for too long."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
