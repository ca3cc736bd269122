"""Pickles and tables, compared with Python's `pickle` and with pyarrow."""

import io
import json
import pickle

import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hashlith


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A function that builds an index of a file with these bytes and returns its records."""
    folder = tmp_path_factory.mktemp("inputs")

    def read(name, data, **options):
        (folder / name).write_bytes(data)
        hashlith.build_from_files(folder / "x.hlith", folder / name, threads=2, on_duplicate="last", **options)
        with hashlith.open(folder / "x.hlith") as index:
            return dict(index)

    return read


# Pickles. NaN, infinities and halves of surrogate pairs have no JSON text in hashlith, so there are none.

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
floats = st.floats(allow_nan=False, allow_infinity=False)
plain = st.none() | st.booleans() | st.integers() | st.integers(-(2**80), 2**80) | floats | texts
objects = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
)
keys = st.recursive(plain, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
protocols = st.integers(0, pickle.HIGHEST_PROTOCOL)


def text_of(key):
    """A string stands for itself, any other key for its JSON text."""
    return key if isinstance(key, str) else json.dumps(key, separators=(",", ":"), ensure_ascii=False)


def by_json(found):
    return {text_of(key): json.loads(json.dumps(value)) for key, value in found.items()}


@settings(max_examples=300)
@given(st.dictionaries(keys, objects, max_size=5), protocols)
def test_pickled_dicts(read, records, protocol):
    data = pickle.dumps(records, protocol)
    assert read("x.pkl", data, keys="json", values="json") == by_json(pickle.loads(data))


@given(st.dictionaries(texts, objects, max_size=4), objects, protocols)
def test_pickles_of_shared_objects(read, records, shared, protocol):
    """An object that occurs more than once is a reference to the first one."""
    again = {key: [value, shared, {"x": shared}] for key, value in records.items()}
    data = pickle.dumps({**again, "all": list(records.values()), "itself": shared}, protocol)
    assert read("x.pkl", data, values="json") == by_json(pickle.loads(data))


@given(st.dictionaries(texts, objects, max_size=5), protocols, protocols)
def test_other_shapes_of_pickles(read, records, protocol, other):
    options = {"values": "json"}
    pairs = list(records.items())
    wanted = by_json(records)
    assert read("x.pkl", pickle.dumps([list(pair) for pair in pairs], protocol), **options) == wanted
    rows = [{"n": value, "w": key, "x": []} for key, value in pairs]
    assert read("x.pkl", pickle.dumps(rows, protocol), key_field="w", value_field="n", **options) == wanted
    both = pickle.dumps({"first": 7, "wanted": records, "last": {"a": {}}}, protocol)
    assert read("x.pkl", both, pick="wanted", **options) == wanted
    halves = dict(pairs[::2]), dict(pairs[1::2])
    assert read("x.pkl", pickle.dumps(halves[0], protocol) + pickle.dumps(halves[1], other), **options) == wanted
    if pairs:
        dumps = b"".join(pickle.dumps(pair, protocol) for pair in pairs)
        assert read("x.pkl", dumps, **options) == wanted


# Tables. Their rows as pyarrow reads them back.

numbers = {
    pyarrow.int8(): st.integers(-128, 127), pyarrow.int64(): st.integers(-(2**63), 2**63 - 1), pyarrow.uint16(): st.integers(0, 2**16 - 1),
    pyarrow.uint64(): st.integers(0, 2**64 - 1), pyarrow.float64(): floats,
    pyarrow.float32(): st.floats(width=32, allow_nan=False, allow_infinity=False),
}
strings = {pyarrow.string(): texts, pyarrow.large_string(): texts}
scalars = {**numbers, **strings, pyarrow.bool_(): st.booleans()}
types = st.recursive(
    st.sampled_from(list(scalars)),
    lambda inner: st.builds(pyarrow.list_, inner) | st.builds(lambda a, b: pyarrow.struct({"a": a, "b": b}), inner, inner),
    max_leaves=3,
)


def values_of(type_):
    if type_ in scalars:
        return st.none() | scalars[type_]
    if pyarrow.types.is_list(type_):
        return st.none() | st.lists(values_of(type_.value_type), max_size=3)
    return st.none() | st.fixed_dictionaries({field.name: values_of(field.type) for field in type_})


@st.composite
def tables(draw):
    """A table of ids, texts, and two columns of any types, with the rows of some of them in several pieces."""
    count = draw(st.integers(0, 40))
    columns = {"id": pyarrow.array(range(count)), "text": pyarrow.array(draw(lists(strings[pyarrow.string()], count)), pyarrow.string())}
    for name in "x", "y":
        type_ = draw(types)
        columns[name] = pyarrow.array(draw(lists(values_of(type_), count)), type_)
        if pyarrow.types.is_string(type_) and draw(st.booleans()):
            columns[name] = columns[name].dictionary_encode()
    table = pyarrow.table(columns)
    at = draw(st.integers(0, count))
    return pyarrow.concat_tables([table[:at], table[at:]]) if draw(st.booleans()) else table


def lists(strategy, count):
    return st.lists(strategy, min_size=count, max_size=count)


def check(read, name, data, table):
    """Numbers of 32 bits become JSON as Python writes them, which has doubles."""
    rows = table.to_pylist()
    wanted = {row["id"]: {"x": row["x"], "y": row["y"]} for row in rows}
    options = {"key_column": "id", "keys": "int"}
    assert read(name, data, value_column=["x", "y"], values="json", **options) == wanted
    assert read(name, data, value_column="text", **options) == {row["id"]: row["text"] for row in rows}
    joined = {f"{row['text']}/{row['id']}": row["id"] for row in rows}
    assert read(name, data, key_column=["text", "id"], join="/", value_column="id", values="int64") == joined


PARQUET = st.fixed_dictionaries({
    "compression": st.sampled_from(["none", "snappy", "gzip", "brotli", "zstd", "lz4"]),
    "row_group_size": st.sampled_from([1, 7, 1000]),
    "data_page_size": st.sampled_from([100, 1000, 1 << 20]),
    "data_page_version": st.sampled_from(["1.0", "2.0"]),
    "version": st.sampled_from(["1.0", "2.4", "2.6"]),
    "use_dictionary": st.booleans(),
    "dictionary_pagesize_limit": st.sampled_from([1, 1 << 20]),
    "write_statistics": st.booleans(),
    "store_schema": st.booleans(),
    "write_page_checksum": st.booleans(),
})
ENCODINGS = {
    "id": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"], "text": ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"],
}



@settings(max_examples=100)
@given(tables(), PARQUET, st.data())
def test_parquet(read, table, options, data):
    if not options["use_dictionary"]:
        options["column_encoding"] = {name: data.draw(st.sampled_from(choices)) for name, choices in ENCODINGS.items()}
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, **options)
    # Version 1.0 has no unsigned integers of 32 bits, and no dictionaries without the schema: what the file holds counts.
    check(read, "x.parquet", file.getvalue(), pyarrow.parquet.read_table(io.BytesIO(file.getvalue())))


@given(tables(), st.booleans(), st.sampled_from([None, "lz4", "zstd"]), st.sampled_from([1, 7, None]))
def test_arrow(read, table, is_file, compression, rows):
    file = io.BytesIO()
    options = pyarrow.ipc.IpcWriteOptions(compression=compression, unify_dictionaries=is_file, emit_dictionary_deltas=False)
    with (pyarrow.ipc.new_file if is_file else pyarrow.ipc.new_stream)(file, table.schema, options=options) as writer:
        writer.write_table(table, rows)
    open_ = pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream
    check(read, "x.arrow", file.getvalue(), open_(io.BytesIO(file.getvalue())).read_all())


@given(tables(), st.sampled_from(["uncompressed", "lz4", "zstd"]), st.sampled_from([1, 7, None]))
def test_feather(read, table, compression, rows):
    file = io.BytesIO()
    pyarrow.feather.write_feather(table, file, compression=compression, chunksize=rows)
    check(read, "x.feather", file.getvalue(), pyarrow.feather.read_table(io.BytesIO(file.getvalue())))
