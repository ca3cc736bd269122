"""What the tests share: indexes of some records, and where the files of the project are."""

import itertools
import mmap
import os
import pathlib
import sys
import tempfile
import time

import hypothesis
import numpy
import pyarrow
import pytest

import hashlith
from building import OLD

PROJECT = pathlib.Path(__file__).resolve().parents[2]
# What was written from spec.md alone: oracle.py, craft.py, faults.py, ...
sys.path.insert(0, str(PROJECT / "tests"))

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "hashlith-hypothesis"))
hypothesis.settings.register_profile("hashlith", deadline=None, max_examples=60, database=None)
hypothesis.settings.load_profile("hashlith")


@pytest.fixture
def records():
    """Some hundred records."""
    return {f"key {n}": f"value {n * n}" for n in range(300)}


@pytest.fixture
def make(tmp_path):
    """A function that builds an index of records in the test's folder and returns its path."""
    numbers = itertools.count()

    def make(records, **options):
        path = tmp_path / f"index-{next(numbers)}.hlith"
        hashlith.build(path, records, **options)
        return path

    return make


@pytest.fixture
def write(tmp_path):
    """A function that writes bytes to a file in the test's folder and returns its path."""
    numbers = itertools.count()

    def write(data, name="file"):
        path = tmp_path / f"{name}-{next(numbers)}.hlith"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def path(make, records):
    """The path of an index of `records`."""
    return make(records)


@pytest.fixture
def index(path):
    """An open index of `records`."""
    with hashlith.open(path) as index:
        yield index


@pytest.fixture
def target(tmp_path):
    """The path of an index, in its own folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    hashlith.build(folder / "x.hlith", OLD)
    return folder / "x.hlith"


@pytest.fixture
def untouched(target):
    """The same. At the end the index must be unchanged, and nothing else in the folder."""
    before = target.read_bytes()
    yield target
    assert target.read_bytes() == before
    assert os.listdir(target.parent) == [target.name]


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    """The path of an index that takes `verify` some tenths of a second on any machine: time for several checks for
    signals and several calls of a callback. At the end it finds that the last value is not UTF-8 (V8).
    """
    import oracle

    path = tmp_path_factory.mktemp("large") / "large.hlith"

    def build(count):
        keys = pyarrow.array(numpy.arange(count)).cast(pyarrow.string())
        with hashlith.Builder(path) as builder:
            builder.add_many(keys, keys)

    count = 4_000_000
    build(count)
    began = time.perf_counter()
    hashlith.verify(path, threads=1)
    build(int(count * max(1, 0.5 / (time.perf_counter() - began))))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        header = oracle.Index(memoryview(data)).header
        pool, sums = header.sections[oracle.POOL], header.sections[oracle.SUMS]
        last, sums_at, sums_end = sum(pool) - 1, sums[0], sum(sums)
        data[last] = 0xFF
        chunk = (last - oracle.PAGE) // oracle.CHUNK
        begin = oracle.PAGE + chunk * oracle.CHUNK
        end = min(begin + oracle.CHUNK, sums_at)
        sum_at = sums_at + 8 * chunk
        data[sum_at : sum_at + 8] = oracle.xxh64(data[begin:end], chunk).to_bytes(8, "little")
        data[208:216] = oracle.xxh64(data[sums_at:sums_end]).to_bytes(8, "little")
        data[4088:4096] = oracle.xxh64(data[:4088]).to_bytes(8, "little")
    return path
