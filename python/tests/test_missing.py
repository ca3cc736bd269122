"""Keys that are missing: None and NaN in batches of objects, nulls in Arrow columns of any type."""

import decimal
import math

import numpy
import pandas
import polars
import pyarrow
import pytest

import hashlith

RECORDS = {
    "text": {"a": "b", "": "empty"},
    "bytes": {b"a": "b", b"": "empty"},
    "int": {1: "b", 0: "zero"},
    "none": {"a": "b", "": "empty"},
    "numbers": {"a": 1.5, "": 0.5},
}


@pytest.fixture(params=RECORDS)
def kind(request, tmp_path):
    records = RECORDS[request.param]
    options = {"keys": request.param} if request.param == "none" else {}
    values = "float64" if request.param == "numbers" else "text"
    hashlith.build(tmp_path / "x", records, values=values, **options)
    with hashlith.open(tmp_path / "x") as index:
        yield index, records


@pytest.mark.parametrize("missing", [
    None, math.nan, numpy.float64("nan"), numpy.float32("nan"), numpy.float16("nan"), pandas.NA, pandas.NaT, numpy.datetime64("NaT", "ns"),
    decimal.Decimal("NaN"),
])
def test_missing_keys_of_a_batch(kind, missing):
    index, records = kind
    first, *others = records
    keys = [missing, first, missing, *others, missing]
    with pytest.raises(TypeError, match="keys of this index are .*missing=\"none\""):
        index.get_many(keys)
    default = -1 if index.value_type == "float64" else None
    expected = [records.get(key, default) for key in keys]
    assert list(index.get_many(keys, default, missing="none")) == expected
    if default is not None:
        with pytest.raises(KeyError):
            index.get_many(keys, missing="none")
    # More than a run.
    assert list(index.get_many(keys * 1000, default, missing="none")) == expected * 1000
    assert list(index.get_many(iter(keys), default, missing="none")) == expected


def test_missing_keys_of_ids(kind):
    index, records = kind
    keys = [*records, None, math.nan, pandas.NA]
    for missing in keys[2:]:
        with pytest.raises(TypeError, match=r"leave it out, or pass pyarrow.array\(keys, from_pandas=True\)") as caught:
            index.ids([*records, missing])
        assert "missing=" not in str(caught.value)
        assert index.ids(pyarrow.array([*records, missing], from_pandas=True)).tolist() == [*index.ids(records), -1]


def test_an_arrow_column_for_get_many(tmp_path):
    hashlith.build(tmp_path / "x", {"a": "b"})
    with hashlith.open(tmp_path / "x") as index:
        for column in pyarrow.array(["a"]), pyarrow.chunked_array([["a"]]):
            for missing in "error", "none":
                with pytest.raises(TypeError, match="not StringScalar: get_many_arrow takes Arrow columns"):
                    index.get_many(column, missing=missing)
            assert index.get_many_arrow(column).to_pyarrow().to_pylist() == ["b"]


def test_other_wrong_keys_stay_errors(kind):
    index, records = kind
    for wrong in object(), 1.5, [1]:
        with pytest.raises(TypeError, match="keys of this index are") as caught:
            index.get_many([wrong], missing="none")
        assert "missing=" not in str(caught.value)
    for wrong in "None", "", "null":
        with pytest.raises(ValueError, match="missing must be \"error\" or \"none\""):
            index.get_many([], missing=wrong)
    with pytest.raises(TypeError):
        index.get_many(list(records), None, "none")


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.nulls(3),
        pyarrow.nulls(0),
        pyarrow.chunked_array([], type=pyarrow.string()),
        pyarrow.chunked_array([], type=pyarrow.null()),
        pyarrow.chunked_array([pyarrow.nulls(2), pyarrow.nulls(1)]),
        *(pyarrow.array([None] * count, kind) for count in (0, 2) for kind in [
            pyarrow.string(), pyarrow.binary(), pyarrow.int64(), pyarrow.uint8(), pyarrow.float64(), pyarrow.bool_(),
            pyarrow.timestamp("us"), pyarrow.list_(pyarrow.int8()), pyarrow.list_(pyarrow.int8(), 2),
            pyarrow.struct([("a", pyarrow.int8())]), pyarrow.string_view(),
        ]),
        pyarrow.array([None, None], pyarrow.string()).dictionary_encode(),
        pyarrow.array(["a", None, None], pyarrow.string()).slice(1),
        pyarrow.array([1, None, None], pyarrow.int64()).slice(1),
        polars.Series([]),
        polars.Series([None, None]),
        polars.Series([], dtype=polars.String),
        polars.Series([None, None], dtype=polars.Int64),
        polars.Series([None, None], dtype=polars.Categorical),
        pandas.Series([None, None], dtype="string"),
        pandas.Series([], dtype="Int64"),
    ],
)
def test_columns_of_nulls(kind, column):
    index, _ = kind
    assert index.get_many_arrow(column).to_pyarrow().to_pylist() == [None] * len(column)
    assert index.ids(column).tolist() == [-1] * len(column)


def test_columns_of_another_type_are_refused(kind):
    index, _ = kind
    wrong = [[None, True], [None, [1]]]
    wrong.append([None, "a"] if index.key_type == "int" else [None, 1])
    for values in wrong:
        for call in index.get_many_arrow, index.ids:
            with pytest.raises(TypeError, match="a column of .* is needed"):
                call(pyarrow.array(values))
    # In the list there are nulls, but it is none.
    with pytest.raises(ValueError, match="has a null in it"):
        index.ids(pyarrow.array([[None, None]], pyarrow.list_(pyarrow.int8(), 2)))


def test_series_of_integers(tmp_path):
    """Whose data types are not those of numpy."""
    hashlith.build(tmp_path / "x", {1: "one", 2: "two"})
    with hashlith.open(tmp_path / "x") as index:
        assert index.get_many(polars.Series([2, 3])) == ["two", None]
        assert index.get_many(polars.Series([2, None]), missing="none") == ["two", None]
