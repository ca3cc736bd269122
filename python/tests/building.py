"""What the tests of builds share: a path with an old index, and columns of many records."""

import os

import numpy
import pyarrow
import pyarrow.compute
import pytest

import hashlith

PHASES = ["reading", "building", "sealing"]
OLD = {"old": "record"}


@pytest.fixture
def target(tmp_path):
    """A path in a folder of its own, for an index that is there already."""
    folder = tmp_path / "target"
    folder.mkdir()
    hashlith.build(folder / "x.hlith", OLD)
    return folder / "x.hlith"


def check_old(target):
    """Nothing has changed, and there is nothing else."""
    assert os.listdir(target.parent) == [target.name]
    with hashlith.open(target) as index:
        assert index == OLD


def columns(count, width=0):
    """Arrow columns of distinct keys and of values of about that width: quicker than Python objects."""
    numbers = pyarrow.array(numpy.arange(count))
    keys = numbers.cast(pyarrow.string())
    values = pyarrow.compute.binary_join_element_wise(keys, "x" * width, "-") if width else keys
    return keys, values
