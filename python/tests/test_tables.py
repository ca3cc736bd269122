"""Tables, and Parquet and Arrow files, compared with what pyarrow says about them."""

import decimal
import json
import random

import hashlith
import pandas
import polars
import pyarrow
import pytest
from pyarrow import feather, ipc, parquet

ROWS = 3000


def random_text(rng):
    return "".join(rng.choice("ab\"\\\n\tß😀 ") for _ in range(rng.choice((0, 1, 5, 20, 300))))


def column(rng, kind, rows):
    """A column of this type, a tenth of it null."""
    make = {
        pyarrow.string(): lambda: random_text(rng),
        pyarrow.large_string(): lambda: random_text(rng),
        pyarrow.string_view(): lambda: random_text(rng),
        pyarrow.bool_(): lambda: rng.random() < 0.5,
        pyarrow.int8(): lambda: rng.randint(-128, 127),
        pyarrow.uint64(): lambda: rng.randint(0, 2**64 - 1),
        pyarrow.int64(): lambda: rng.randint(-(2**63), 2**63 - 1),
        pyarrow.float32(): lambda: rng.randint(-(2**20), 2**20) / 64,
        pyarrow.float64(): lambda: rng.uniform(-1e300, 1e300) * 10.0 ** rng.randint(-300, 0),
        pyarrow.decimal128(12, 3): lambda: decimal.Decimal(rng.randint(-(10**9), 10**9)).scaleb(-3),
        pyarrow.list_(pyarrow.int32()): lambda: [rng.choice((None, rng.randint(-9, 9))) for _ in range(rng.randint(0, 4))],
        pyarrow.struct([("a", pyarrow.string()), ("b", pyarrow.list_(pyarrow.float64()))]): lambda: {
            "a": rng.choice((None, random_text(rng))), "b": [rng.random() for _ in range(rng.randint(0, 2))]},
        pyarrow.map_(pyarrow.string(), pyarrow.int64()): lambda: list({random_text(rng): n for n in range(rng.randint(0, 2))}.items()),
        pyarrow.null(): lambda: None,
    }[kind]
    return pyarrow.array([None if rng.random() < 0.1 else make() for _ in range(rows)], kind)


KINDS = [
    pyarrow.string(), pyarrow.large_string(), pyarrow.string_view(), pyarrow.bool_(), pyarrow.int8(), pyarrow.uint64(),
    pyarrow.int64(), pyarrow.float32(), pyarrow.float64(), pyarrow.decimal128(12, 3), pyarrow.list_(pyarrow.int32()),
    pyarrow.struct([("a", pyarrow.string()), ("b", pyarrow.list_(pyarrow.float64()))]),
    pyarrow.map_(pyarrow.string(), pyarrow.int64()), pyarrow.null(),
]


def random_table(seed, rows=ROWS):
    rng = random.Random(seed)
    columns = {"id": pyarrow.array([f"key {n}" for n in range(rows)])}
    for number, kind in enumerate(KINDS):
        columns[f"c{number}"] = column(rng, kind, rows)
    words = pyarrow.array([rng.choice(("one", "two", None)) for _ in range(rows)])
    columns["words"] = words.dictionary_encode()
    return pyarrow.table(columns)


def as_json(value):
    """What JSON has for a value of pyarrow."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return dict(value)
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return value


def expected(table):
    maps = {field.name for field in table.schema if pyarrow.types.is_map(field.type)}
    rows = table.to_pylist()
    for row in rows:
        for name in maps:
            row[name] = None if row[name] is None else dict(row[name])
    return {row.pop("id"): {name: as_json(item) for name, item in row.items()} for row in rows}


def same(index, wanted):
    found = dict(index.items())
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key] == value, key
    # The text is JSON, which any reader takes, and numbers stay numbers.
    assert json.loads(json.dumps(found)) == wanted


@pytest.fixture
def built(tmp_path):
    def build(make, *args, **keywords):
        path = tmp_path / "x.hlith"
        make(path, *args, **keywords)
        return hashlith.open(path)

    return build


def write_files(table, folder):
    """The table in files of all kinds."""
    no_views = table.drop_columns([f"c{KINDS.index(pyarrow.string_view())}"])
    for compression in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        for dictionary, version in ((True, "1.0"), (False, "2.0")):
            path = folder / f"{compression}{version}.parquet"
            parquet.write_table(no_views, path, row_group_size=700, compression=compression, use_dictionary=dictionary,
                                data_page_version=version, data_page_size=2000, write_page_checksum=dictionary)
            yield no_views, path
    for compression in ("uncompressed", "lz4", "zstd"):
        options = ipc.IpcWriteOptions(compression=None if compression == "uncompressed" else compression)
        for new, suffix in ((ipc.new_file, "arrow"), (ipc.new_stream, "arrows")):
            path = folder / f"{compression}.{suffix}"
            with new(path, table.schema, options=options) as writer:
                writer.write_table(table, max_chunksize=700)
            yield table, path
        path = folder / f"{compression}.feather"
        feather.write_feather(no_views, path, compression=compression)
        yield no_views, path


def test_files(built, tmp_path):
    table = random_table(1)
    for written, path in write_files(table, tmp_path):
        names = [name for name in written.column_names if name != "id"]
        index = built(hashlith.build_from_files, path, value_column=names, key_column="id", values="json")
        same(index, expected(written))


@pytest.mark.parametrize("seed", range(3))
def test_tables(built, seed):
    table = random_table(seed)
    chunked = pyarrow.Table.from_batches(table.to_batches(max_chunksize=311))
    # With an offset into its buffers.
    for source in (table, chunked, chunked.slice(5, 1000), table.to_reader()):
        wanted = expected(table.slice(5, 1000) if source.__class__ is pyarrow.Table and source.num_rows == 1000 else table)
        same(built(hashlith.build, source, key="id", values="json"), wanted)


def test_other_libraries(built):
    plain = {"id": ["a", "b"], "n": [1, 2], "x": [0.5, None]}
    wanted = {"a": {"n": 1, "x": 0.5}, "b": {"n": 2, "x": None}}
    for table in (polars.DataFrame(plain), pandas.DataFrame(plain), pyarrow.table(plain)):
        assert dict(built(hashlith.build, table, key="id", values="json").items()) == wanted
        assert dict(built(hashlith.build, table, key="n", value="id").items()) == {1: "a", 2: "b"}
        assert dict(built(hashlith.build, table, key="id", value="n").items()) == {"a": 1, "b": 2}
        assert dict(built(hashlith.build, table, key=["id", "n"], value="id").items()) == {'["a",1]': "a", '["b",2]': "b"}


def test_vectors(built):
    vectors = pyarrow.array([[1.0, 2.0], [3.0, 4.0]], pyarrow.list_(pyarrow.float32(), 2))
    index = built(hashlith.build, pyarrow.table({"id": [1, 2], "v": vectors}), key="id")
    assert [list(index[key]) for key in (1, 2)] == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("keywords, error, words", [
    ({}, TypeError, "name the column of its keys with key="),
    ({"value": "n"}, TypeError, "with key="),
    ({"key": "x"}, ValueError, "the values are several columns"),
    ({"key": "no", "value": "n"}, TypeError, 'there is no column "no"; the columns are: "id", "n", "x"'),
    ({"key": "id", "value": "x"}, hashlith.InputError, "record 2: the value of key \"b\" is null"),
    ({"key": "x", "value": "n"}, TypeError, "makes no keys"),
    ({"key": "id", "value": "n", "values": "text"}, TypeError, 'use values="json"'),
    ({"key": 5}, TypeError, "key must be the name of a column"),
    ({"key": []}, TypeError, "key must be the name of a column"),
])
def test_what_is_refused(built, keywords, error, words):
    table = pyarrow.table({"id": ["a", "b"], "n": [1, 2], "x": [0.5, None]})
    with pytest.raises(error) as caught:
        built(hashlith.build, table, **keywords)
    assert words in str(caught.value)
    with pytest.raises(TypeError, match="a table is needed"):
        built(hashlith.build, [("a", "b")], key="id")


def test_a_bad_row_has_its_number(built, tmp_path):
    """In the table, whatever was added before."""
    table = pyarrow.table({"id": ["a", "b", "c", None], "n": [1, 2, 3, 4]})
    batches = pyarrow.Table.from_batches(table.to_batches(max_chunksize=3))
    for source in table, batches:
        with hashlith.Builder(tmp_path / "x.hlith", keys="text", values="int64") as builder:
            builder.add("z", 0)
            with pytest.raises(hashlith.InputError, match="record 5: the key is null") as caught:
                builder.add_table(source, "id", "n")
            error = caught.value
            assert (error.path, error.line, error.offset, error.row) == (None, None, None, 4)
            builder.abort()
    for name, write in ("x.parquet", parquet.write_table), ("x.arrow", feather.write_feather):
        write(table, tmp_path / name)
        with pytest.raises(hashlith.InputError, match="row 4: the key is null") as caught:
            hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / name, values="int64")
        error = caught.value
        assert (error.path, error.line, error.offset, error.row) == (str(tmp_path / name), None, None, 4)


def test_keys_as_json_text(built, tmp_path):
    """What a pickle of the same keys gives."""
    for keys in [1, -2, 2**63 - 1], [0.5, 1e300, 0.1], [True, False], [["a", "b"], [], [None]], ["a", "\"", "ß"]:
        table = pyarrow.table({"id": keys, "n": ["x", "y", "z"][: len(keys)]})
        wanted = {key if isinstance(key, str) else json.dumps(key, separators=(",", ":")): n for key, n in zip(keys, "xyz")}
        assert dict(built(hashlith.build, table, key="id", value="n", keys="json")) == wanted
        parquet.write_table(table, tmp_path / "x.parquet")
        (tmp_path / "x.jsonl").write_text("".join(json.dumps({"key": key, "value": n}) + "\n" for key, n in zip(keys, "xyz")))
        for name in "x.parquet", "x.jsonl":
            assert dict(built(hashlith.build_from_files, tmp_path / name, keys="json")) == wanted
    dates = pyarrow.table({"id": pyarrow.array([0, 1], pyarrow.date32()), "n": ["x", "y"]})
    assert dict(built(hashlith.build, dates, key="id", value="n", keys="json")) == {"1970-01-01": "x", "1970-01-02": "y"}
    with pytest.raises(hashlith.InputError, match="record 2: the key is null"):
        built(hashlith.build, pyarrow.table({"id": [1, None], "n": ["x", "y"]}), key="id", value="n", keys="json")


def test_columns_of_nulls(built):
    """Some libraries give them a buffer."""
    plain = {"id": ["a", "b", "c"], "n": [None, None, None], "l": [[None], [], [None, None]], "s": [{"x": None}] * 3}
    for table in (polars.DataFrame(plain), polars.DataFrame(plain).slice(1, 2), pyarrow.table(plain), pandas.DataFrame(plain)):
        found = dict(built(hashlith.build, table, key="id", values="json").items())
        assert found["b"] == {"n": None, "l": [], "s": {"x": None}} and found["c"]["l"] == [None, None]
