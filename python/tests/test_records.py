"""What may be a record: pairs of all kinds, keys without values, one column; and what the messages advise."""

import sqlite3
from collections import deque

import numpy
import pandas
import polars
import pyarrow
import pytest

import hashlith

PAIRS = [("a", 1), ("b", 2)]
JSON = {'["a",1]', '["b",2]'}


def keys_of(path, records, **options):
    hashlith.build(path, records, **{"values": "none", **options})
    with hashlith.open(path) as index:
        assert set(index.values()) <= {True}
        return set(index)


def built(path, records, **options):
    hashlith.build(path, records, **options)
    return dict(hashlith.open(path))


@pytest.mark.parametrize("make", [set, frozenset, lambda pairs: dict.fromkeys(pairs).keys(), dict.fromkeys])
def test_each_element_of_a_set_is_a_key(tmp_path, make):
    assert keys_of(tmp_path / "x", make(PAIRS), keys="json") == JSON
    assert keys_of(tmp_path / "x", make(["a", "b"])) == {"a", "b"}
    with hashlith.Builder(tmp_path / "x", keys="json", values="none") as builder:
        builder.add_many(make(PAIRS))
    assert set(hashlith.open(tmp_path / "x")) == JSON
    if make is not dict.fromkeys:
        with pytest.raises(TypeError, match="is tuple: build with keys=\"json\""):
            keys_of(tmp_path / "x", make(PAIRS))


@pytest.mark.parametrize("make", [list, iter, tuple, deque, pandas.MultiIndex.from_tuples])
def test_tuples_of_two_that_may_be_keys_or_pairs_are_refused(untouched, make):
    with pytest.raises(hashlith.InputError, match=r"record 1 is a tuple of two.* as a set or as dict.fromkeys\(keys\), pairs as dict\(pairs\)"):
        hashlith.build(untouched, make(PAIRS), keys="json", values="none")


def test_pairs_without_their_values(tmp_path):
    pairs = [(("a", 1), "x"), (("b", 2), "y")]
    for records in dict(pairs), dict(pairs).items(), [list(pair) for pair in pairs], dict.fromkeys(dict(pairs)):
        assert keys_of(tmp_path / "x", records, keys="json") == JSON
    for records in [("a", 1), "b"], [["a", 1], "b"], iter([("a", None), "b"]):
        assert keys_of(tmp_path / "x", records) == {"a", "b"}
    # Only a tuple of two may be both.
    assert keys_of(tmp_path / "x", [("a", 1, 2), "b"], keys="json") == {'["a",1,2]', "b"}
    with hashlith.Builder(tmp_path / "x", keys="json", values="none") as builder:
        builder.add_many([key for key, _ in pairs], [None, None])
    assert set(hashlith.open(tmp_path / "x")) == JSON


@pytest.mark.parametrize("column", [
    pandas.Series(["a", "b"]), pandas.Series(["a", "b", "a"], dtype="category")[:2], polars.Series(["a", "b"]), pyarrow.array(["a", "b"]),
    pyarrow.chunked_array([["a"], ["b"]]), pandas.Index(["a", "b"]), numpy.array(["a", "b"]),
    pandas.Series(["a", "b"], index=["columns", "schema"]),
])
def test_a_column_of_keys(tmp_path, column):
    assert keys_of(tmp_path / "x", column) == {"a", "b"}
    with hashlith.Builder(tmp_path / "x", values="none") as builder:
        builder.add_many(column)
    assert set(hashlith.open(tmp_path / "x")) == {"a", "b"}
    if hasattr(column, "__arrow_c_stream__") or hasattr(column, "__arrow_c_array__"):
        with pytest.raises(TypeError, match="records is one column: .*values=\"none\""):
            hashlith.build(tmp_path / "x", column)


def test_columns_of_other_keys(tmp_path):
    assert keys_of(tmp_path / "x", pandas.Series([1, 2], dtype="int32")) == {1, 2}
    assert keys_of(tmp_path / "x", polars.Series([b"a", b"b"])) == {b"a", b"b"}
    with pytest.raises(hashlith.InputError, match="the key of record 2 is null"):
        keys_of(tmp_path / "x", pandas.Series(["a", None]))
    with pytest.raises(TypeError, match="a column of strings, binary or integers is needed"):
        keys_of(tmp_path / "x", polars.Series([1.5]))
    for table in polars.DataFrame({"a": ["x"]}), pandas.DataFrame({"a": ["x"]}), pyarrow.table({"a": ["x"]}), pyarrow.table({"a": ["x"]}).to_batches()[0]:
        with pytest.raises(TypeError, match="records is a table: name the column of its keys with key="):
            keys_of(tmp_path / "x", table)
        assert keys_of(tmp_path / "x", table, key="a") == {"x"}


def test_what_is_advised_for_a_column(tmp_path):
    series = pandas.Series(["x", "y"], index=["a", "b"])
    with pytest.raises(TypeError, match=r"pass records.items\(\)"):
        hashlith.build(tmp_path / "x", series)
    assert built(tmp_path / "x", series.items()) == {"a": "x", "b": "y"}
    with pytest.raises(TypeError, match=r"Builder.add_many"):
        hashlith.build(tmp_path / "x", polars.Series(["a"]))
    for column in series, polars.Series(["a"]):
        with pytest.raises(TypeError, match="a table is needed, not a column of .*leave key= out.*values=\"none\""):
            hashlith.build(tmp_path / "x", column, key="a")


def test_keys_without_the_keyword(untouched):
    for records in {"a", "b"}, ["a", "b"], "ab":
        with pytest.raises(hashlith.InputError, match="is not a pair: .*values=\"none\""):
            hashlith.build(untouched, records)


def test_rows_of_two(tmp_path):
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    rows = "SELECT 'a' AS k, 'x' AS v UNION SELECT 'b', 'y'"
    assert built(tmp_path / "x", connection.execute(rows)) == {"a": "x", "b": "y"}
    assert built(tmp_path / "x", numpy.array([["a", "x"], ["b", "y"]])) == {"a": "x", "b": "y"}
    assert built(tmp_path / "x", numpy.array([[1, 10], [2, 20]])) == {1: 10, 2: 20}
    assert built(tmp_path / "x", [deque(["a", "x"])]) == {"a": "x"}
    assert keys_of(tmp_path / "x", connection.execute(rows)) == {"a", "b"}
    for wrong in bytearray(b"ab"), memoryview(b"ab"), numpy.array(["a", "b", "c"]), numpy.array("a"), deque(["a"]), {"a", "b"}, {"a": 1, "b": 2}:
        with pytest.raises(hashlith.InputError, match="record 1 is not a pair"):
            hashlith.build(tmp_path / "y", [wrong])
    connection.close()


@pytest.mark.parametrize("value, dtype, shape", [
    (numpy.zeros((2, 2)), "float64", r"\(2, 2\)"), (numpy.array([True]), "bool", r"\(1,\)"), (numpy.array(["x"]), "<U1", r"\(1,\)"),
    (numpy.array(["x", None], object), "object", r"\(2,\)"), (numpy.zeros(0), "float64", r"\(0,\)"), (numpy.bool_(True), "bool", r"\(\)"),
])
def test_arrays_that_are_no_vectors(tmp_path, value, dtype, shape):
    message = rf"the value of key 'a' is an array of {dtype} with the shape {shape}, not .*tolist.*values=\"json\""
    for options in {}, {"values": "text"}, {"values": "bytes"}:
        with pytest.raises(TypeError, match=message):
            hashlith.build(tmp_path / "x", {"a": value}, **options)
    with pytest.raises(TypeError, match=r"the value of key 'a': .*tolist\(\)"):
        hashlith.build(tmp_path / "x", {"a": value}, values="json")
    assert built(tmp_path / "x", {"a": value.tolist()}, values="json") == {"a": value.tolist()}
    if value.dtype == float and value.size or value.dtype == bool and value.shape:
        wanted = value.ravel().astype("int8")
        assert built(tmp_path / "x", {"a": wanted})["a"].tolist() == wanted.tolist()


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float32", "float64"])
def test_arrays_without_dimensions_are_numbers(tmp_path, dtype):
    for values in None, dtype:
        found = built(tmp_path / "x", {"a": numpy.array(5, dtype), "b": numpy.array(7, dtype)}, values=values)
        assert found == {"a": 5, "b": 7} and hashlith.open(tmp_path / "x").value_type == dtype
    assert built(tmp_path / "x", {"a": numpy.array(5.0)}, values="float64") == {"a": 5.0}
    with pytest.raises(hashlith.InputError, match="the value of key 'a' .*5.5"):
        hashlith.build(tmp_path / "x", {"a": numpy.array(5.5)}, values="int8")


def test_tables_with_numbers_as_names(tmp_path):
    table = pandas.DataFrame([["x", "p"]])
    for options in {"key": 0, "value": 1}, {"key": "0", "value": 1}, {"key": [0]}:
        with pytest.raises(TypeError, match='must be the name of a column as text .*"0"'):
            hashlith.build(tmp_path / "x", table, **options)
    assert built(tmp_path / "x", table, key="0", value="1") == {"x": "p"}


def test_scalars_of_numpy_in_tuples(tmp_path):
    for key, same in ("a", numpy.int64(1)), ("a", 1), (numpy.float64(0.5), numpy.bool_(True)), (0.5, True), (numpy.float32(0.5), numpy.str_("a")), (0.5, "a"):
        hashlith.build(tmp_path / "x", {(key, same): "x"}, keys="json")
        with hashlith.open(tmp_path / "x") as index:
            assert index[key, same] == "x" and index.get_many([(key, same)]) == ["x"]
            assert (key, same) in index
    hashlith.build(tmp_path / "x", {("a", numpy.int64(1)): "x"}, keys="json")
    with hashlith.open(tmp_path / "x") as index:
        assert index["a", 1] == "x"
        for wrong in ("a", object()), ("a", b"x"), ("a", numpy.array([1])), ("a", numpy.datetime64("2020")):
            with pytest.raises(TypeError, match=r"the key \('a', .* is not JSON serializable"):
                index[wrong]
        with pytest.raises(TypeError, match=r"the key \('a', 1j\): Object of type complex is not JSON serializable"):
            hashlith.build(tmp_path / "y", {("a", 1j): "x"}, keys="json")


class Labelled(list):
    """As a series of pandas 2: iterating gives the values, `items` the labels with them, and there is no Arrow column."""

    def items(self):
        return zip("xyz", self)

    def to_numpy(self):
        return numpy.array(self)


def test_keys_of_a_series_are_not_its_labels(tmp_path):
    hashlith.build(tmp_path / "x", Labelled(["a", "b"]), values="none")
    assert set(hashlith.open(tmp_path / "x")) == {"a", "b"}


@pytest.mark.parametrize("text", ["words.txt", b"words"])
def test_one_text_is_no_iterable_of_keys(tmp_path, text):
    with pytest.raises(TypeError, match="the keys are one str or bytes object: give an iterable of keys"):
        hashlith.build(tmp_path / "x", text, values="none", on_duplicate="first")


@pytest.mark.parametrize("scalar", [numpy.longdouble(1.5), numpy.clongdouble(1), numpy.datetime64("2020-01-01", "ns"), numpy.timedelta64(1, "s")])
def test_scalars_that_json_does_not_have(tmp_path, scalar):
    with pytest.raises(TypeError, match="is not JSON serializable"):
        hashlith.build(tmp_path / "x", {("a", scalar): "x"}, keys="json")
