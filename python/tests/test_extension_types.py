"""Columns whose type says more than what is stored: UUIDs, and Python objects of Polars, of which only addresses are there."""

import json
import pathlib
import uuid

import pandas
import polars
import pyarrow
import pytest
from pyarrow import feather, ipc, parquet

import hashlith

# Of the first one, the 16 bytes are valid UTF-8.
IDS = [uuid.UUID(int=5), uuid.UUID("12345678-9abc-def0-1234-56789abcdef0"), uuid.UUID(int=2**128 - 1)]
TEXTS = [str(one) for one in IDS]


def uuids(ids=IDS):
    return pyarrow.array([one and one.bytes for one in ids], pyarrow.uuid())


def built(path, table, **options):
    hashlith.build(path, table, **options)
    return dict(hashlith.open(path))


@pytest.mark.parametrize("objects", [IDS[:2], [pathlib.Path("a"), pathlib.Path("b")], [object(), None]])
def test_objects_of_polars_are_refused(tmp_path, objects):
    table = polars.DataFrame({"id": polars.Series(objects, dtype=polars.Object), "name": ["x", "y"]})
    for options in {"key": "id"}, {"key": ["name", "id"], "values": "none"}, {"key": "name", "value": "id"}, {"key": "name"}:
        for types in {}, {"keys": "text"}, {"keys": "json", "values": "json"}, {"values": "bytes"}:
            with pytest.raises(TypeError, match='the column "id" holds Python objects.*make text of them'):
                hashlith.build(tmp_path / "x", table, **{**types, **options})
    with hashlith.Builder(tmp_path / "x") as builder:
        for columns in (table["id"], table["name"]), (table["name"], table["id"]):
            with pytest.raises(TypeError, match="a column of Python objects .*make text of them"):
                builder.add_many(*columns)
        builder.add("a", "b")
    for keys in b"12345678", "a":
        hashlith.build(tmp_path / "y", {keys: "v"})
        with hashlith.open(tmp_path / "y") as index:
            for call in index.get_many_arrow, index.ids:
                with pytest.raises(TypeError, match="a column of Python objects .*make text of them"):
                    call(table["id"])
    # What is advised, and columns that are not used.
    advised = table.with_columns(polars.Series("id", [str(one) for one in table["id"]]))
    assert built(tmp_path / "x", advised, key="id", value="name") == dict(zip(map(str, objects), "xy"))
    assert built(tmp_path / "x", table, key="name", values="none") == {"x": True, "y": True}


def test_eight_bytes_of_others_are_taken(tmp_path):
    table = pyarrow.table({"id": pyarrow.array([b"12345678", b"abcdefgh"], pyarrow.binary(8)), "n": ["x", "y"]})
    assert built(tmp_path / "x", table, key="id", value="n") == {b"12345678": "x", b"abcdefgh": "y"}
    assert built(tmp_path / "x", table, key="id", value="n", keys="text") == {"12345678": "x", "abcdefgh": "y"}
    assert built(tmp_path / "x", table, key="n", value="id") == {"x": b"12345678", "y": b"abcdefgh"}
    bad = pyarrow.table({"id": pyarrow.array([b"1234567\xff"], pyarrow.binary(8)), "n": ["x"]})
    for keys in "text", "json":
        with pytest.raises(hashlith.InputError, match="UTF-8"):
            hashlith.build(tmp_path / "x", bad, key="id", value="n", keys=keys)


def test_uuids_as_text_and_as_bytes(tmp_path):
    table = pyarrow.table({"id": uuids(), "n": [1, 2, 3]})
    frame = pandas.DataFrame({"id": IDS, "n": [1, 2, 3]})
    sources = table, frame, table.slice(1), pyarrow.Table.from_batches(table.to_batches(max_chunksize=1))
    for source in sources:
        count = len(source)
        numbers = {"text": dict(zip(TEXTS, [1, 2, 3])), "bytes": dict(zip([one.bytes for one in IDS], [1, 2, 3]))}
        for keys, wanted in ("text", numbers["text"]), ("json", numbers["text"]), ("bytes", numbers["bytes"]), (None, numbers["bytes"]):
            assert built(tmp_path / "x", source, key="id", value="n", keys=keys) == dict(list(wanted.items())[-count:])
        for values, wanted in ("text", TEXTS), ("json", TEXTS), ("bytes", [one.bytes for one in IDS]), (None, [one.bytes for one in IDS]):
            assert built(tmp_path / "x", source, key="n", value="id", values=values) == dict(list(zip([1, 2, 3], wanted))[-count:])
    pairs = {json.dumps([text, n], separators=(",", ":")): {"id": text} for text, n in zip(TEXTS, [1, 2, 3])}
    assert built(tmp_path / "x", table, key=["id", "n"], value=["id"], values="json") == dict(zip(pairs, TEXTS))
    objects = built(tmp_path / "x", table, key="n", value=["id", "n"], values="json")
    assert objects == {n: {"id": text, "n": n} for text, n in zip(TEXTS, [1, 2, 3])}
    # The same column as text and as bytes.
    assert built(tmp_path / "x", table, key="id", value="id", keys="bytes", values="json") == {one.bytes: str(one) for one in IDS}


def test_uuids_that_are_null_or_of_a_dictionary(tmp_path):
    table = pyarrow.table({"id": uuids([IDS[0], None]), "n": [1, 2]})
    with pytest.raises(hashlith.InputError, match="record 2: the key is null"):
        hashlith.build(tmp_path / "x", table, key="id", value="n", keys="text")
    assert built(tmp_path / "x", table, key="n", value="id", values="json") == {1: TEXTS[0], 2: None}
    stored = pyarrow.array([one.bytes for one in [IDS[1], IDS[0], IDS[1]]], pyarrow.binary(16)).dictionary_encode()
    field = pyarrow.field("id", stored.type, metadata={"ARROW:extension:name": "arrow.uuid"})
    table = pyarrow.Table.from_arrays([stored, pyarrow.array([1, 2, 3])], schema=pyarrow.schema([field, ("n", pyarrow.int64())]))
    assert built(tmp_path / "x", table, key="n", value="id", values="text") == {1: TEXTS[1], 2: TEXTS[0], 3: TEXTS[1]}


def test_uuids_in_files(tmp_path):
    table = pyarrow.table({"id": uuids(), "n": ["x", "y", "z"]})
    parquet.write_table(table, tmp_path / "x.parquet")
    parquet.write_table(table, tmp_path / "y.parquet", store_schema=False)
    feather.write_feather(table, tmp_path / "x.feather")
    with ipc.new_stream(tmp_path / "x.arrows", table.schema) as writer:
        writer.write_table(table)
    for name in "x.parquet", "y.parquet", "x.feather", "x.arrows":
        for options, wanted in ({}, TEXTS), ({"keys": "json"}, TEXTS), ({"keys": "bytes"}, [one.bytes for one in IDS]):
            hashlith.build_from_files(tmp_path / "i", tmp_path / name, **options)
            assert dict(hashlith.open(tmp_path / "i")) == dict(zip(wanted, "xyz"))
        assert hashlith.verify(tmp_path / "i").keys == 3


def test_lookups_of_uuids(tmp_path):
    hashlith.build(tmp_path / "x", pyarrow.table({"id": uuids(), "n": ["x", "y", "z"]}), key="id")
    with hashlith.open(tmp_path / "x") as index:
        assert index.get_many_arrow(uuids([IDS[1], None])).to_pyarrow().to_pylist() == ["y", None]
    hashlith.build(tmp_path / "x", dict(zip(TEXTS, "xyz")))
    with hashlith.open(tmp_path / "x") as index, pytest.raises(TypeError, match="a column of strings is needed"):
        index.get_many_arrow(uuids())


def test_periods_are_refused(tmp_path):
    """Their numbers alone mean nothing."""
    table = pandas.DataFrame({"day": pandas.period_range("2020", periods=2, freq="D"), "n": ["x", "y"]})
    for options in {"key": "day"}, {"key": "n"}, {"key": "n", "values": "json"}, {"key": "day", "keys": "json"}, {"key": "day", "values": "none"}:
        with pytest.raises(TypeError, match='the column "day" holds periods of pandas'):
            hashlith.build(tmp_path / "x", table, **options)
    table["day"] = table["day"].astype(str)
    assert built(tmp_path / "x", table, key="day") == {"2020-01-01": "x", "2020-01-02": "y"}


def test_other_types_are_what_they_are_stored_as(tmp_path):
    table = pyarrow.table({"j": pyarrow.array(['{"a":1}'], pyarrow.json_()), "n": ["x"]})
    assert built(tmp_path / "x", table, key="n") == {"x": '{"a":1}'}
    shapes = pyarrow.ExtensionArray.from_storage(
        pyarrow.fixed_shape_tensor(pyarrow.float32(), [2, 2]), pyarrow.array([[1, 2, 3, 4]], pyarrow.list_(pyarrow.float32(), 4)))
    assert built(tmp_path / "x", pyarrow.table({"n": ["x"], "t": shapes}), key="n")["x"].tolist() == [1, 2, 3, 4]
