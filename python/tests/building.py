"""What the tests of builds share: the old index at their path, and columns of many records."""

import os

import numpy
import pyarrow
import pyarrow.compute

import hashlith

PHASES = ["reading", "building", "sealing"]
OLD = {"old": "record"}


def check_old(target):
    """The old index is unchanged, and nothing else is in the folder."""
    assert os.listdir(target.parent) == [target.name]
    with hashlith.open(target) as index:
        assert index == OLD


def columns(count, width=0):
    """Arrow columns of distinct keys and of values of about that width: faster than Python objects."""
    numbers = pyarrow.array(numpy.arange(count))
    keys = numbers.cast(pyarrow.string())
    values = pyarrow.compute.binary_join_element_wise(keys, "x" * width, "-") if width else keys
    return keys, values
