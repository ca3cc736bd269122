"""An open index is a `collections.abc.Mapping`: CPython's own tests of mappings (`test.mapping_tests`) pass, except those
that write.
"""

import pathlib
import tempfile
import unittest

import pytest

import hashlith

try:
    from test import mapping_tests
except ImportError:
    raise ModuleNotFoundError(
        "this Python comes without CPython's own tests: install libpython3-testsuite (Debian, Ubuntu), or use a "
        "Python from python.org"
    ) from None

BASIC_READING = {
    "test_bool",
    "test_constructor",
    "test_get",
    "test_getitem",
    "test_items",
    "test_keys",
    "test_len",
    "test_read",
    "test_values",
}
BASIC_WRITING = {"test_pop", "test_popitem", "test_setdefault", "test_update", "test_write"}
FULL_READING = {"test_bool", "test_constructor", "test_contains", "test_get", "test_keys", "test_len", "test_read"}
FULL_WRITING = BASIC_WRITING | {"test_clear", "test_copy", "test_fromkeys", "test_getitem"}
# Their keys are ints.
FULL_OTHER_KEYS = {"test_items", "test_values"}


def index_of(records=(), **more):
    """What `dict(records, **more)` is, as an index."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cpython.hlith"
        hashlith.build(path, dict(records, **more), keys="text", values="json")
        return hashlith.open(path)


class TestBasic(mapping_tests.BasicTestMappingProtocol):
    type2test = staticmethod(index_of)
    _full_mapping = staticmethod(index_of)
    vars().update(dict.fromkeys(BASIC_WRITING))


class TestFull(mapping_tests.TestMappingProtocol):
    type2test = staticmethod(index_of)
    _full_mapping = staticmethod(index_of)
    vars().update(dict.fromkeys(FULL_WRITING | FULL_OTHER_KEYS))


@pytest.mark.parametrize(
    "own, run, left_out",
    [(TestBasic, BASIC_READING, BASIC_WRITING), (TestFull, FULL_READING, FULL_WRITING | FULL_OTHER_KEYS)],
)
def test_each_case_is_run_or_left_out_by_name(own, run, left_out):
    """A case that a new Python adds is on neither list, and fails here."""
    cases = unittest.TestLoader().getTestCaseNames
    assert set(cases(own.__base__)) == run | left_out
    assert set(cases(own)) == run
    assert not run & left_out


def test_the_adapter_gives_an_index():
    index = index_of({"a": 1}, b=[2])
    assert type(index) is hashlith.Index and dict(index) == {"a": 1, "b": [2]}
