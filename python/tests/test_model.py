"""An index answers like the dict it was built from, for every way to read a dict, and batches, Arrow columns and dense
ids agree with single lookups. All ways to build give the same bytes.
"""

import collections
import collections.abc
import contextlib
import copy
import json
import pathlib
import pickle
import tempfile
import types

import numpy
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hashlith

TEXT = st.text(max_size=12)
BYTES = st.binary(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)

Kind = collections.namedtuple("Kind", "keys values options other_key other_value")
KINDS = {
    "str-str": Kind(TEXT, TEXT, {"keys": "text", "values": "text"}, "other key of some length", "other"),
    "bytes-bytes": Kind(BYTES, BYTES, {"keys": "bytes", "values": "bytes"}, b"other key of some length", b"other"),
    "str-bytes": Kind(TEXT, BYTES, {"keys": "text", "values": "bytes"}, "other key of some length", b"other"),
    "bytes-str": Kind(BYTES, TEXT, {"keys": "bytes", "values": "text"}, b"other key of some length", "other"),
    "str-json": Kind(TEXT, JSON, {"keys": "text", "values": "json"}, "other key of some length", ["other", {}]),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
DATA = st.data()


def dicts(kind):
    return st.dictionaries(kind.keys, kind.values, max_size=30)


def keys_of(model, kind):
    """Lists of keys, some of them in the dict."""
    return st.lists(st.sampled_from([*model, kind.other_key]) | kind.keys, max_size=40)


@contextlib.contextmanager
def indexed(records, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.hlith"
        hashlith.build(path, records, **options)
        with hashlith.open(path) as index:
            yield index


def exact(value):
    """Tells 1, 1.0 and True apart, which `==` does not."""
    return repr(value)


@each_kind
@given(data=DATA)
def test_reading_is_like_reading_the_dict(kind, data):
    model = data.draw(dicts(kind))
    default = object()
    with indexed(model, **kind.options) as index:
        assert len(index) == len(model) and bool(index) == bool(model)
        for key in data.draw(keys_of(model, kind)):
            assert (key in index) == (key in model)
            assert exact(index.get(key)) == exact(model.get(key))
            assert (index.get(key, default) is default) == (key not in model)
            if key not in model:
                with pytest.raises(KeyError):
                    index[key]
        assert exact({key: index[key] for key in model}) == exact(model)
        keys, values, items = list(index), list(index.values()), list(index.items())
        assert keys == list(index.keys()) and exact(list(zip(keys, values))) == exact(items)
        assert sorted(map(exact, items)) == sorted(map(exact, model.items()))
        assert len(index.keys()) == len(index.values()) == len(index.items()) == len(model)


def check_sets(view, model, other):
    """Compares the view with that of the dict, in every set operation with another set."""
    assert view & other == model & other and other & view == other & model
    assert view | other == model | other and other | view == other | model
    assert view - other == model - other and other - view == other - model
    assert view ^ other == model ^ other and other ^ view == other ^ model
    assert (view <= other) == (model <= other) and (view >= other) == (model >= other)
    assert (other <= view) == (other <= model) and (other >= view) == (other >= model)
    assert (view < other) == (model < other) and (view > other) == (model > other)
    assert (view == other) == (model == other) and (other == view) == (other == model)
    assert (view != other) == (model != other)
    assert view.isdisjoint(other) == model.isdisjoint(other)
    assert view == model and model == view and not view != model and not model != view
    assert view & model == set(model) and view - model == set() == view ^ model and view | model == set(model)


@each_kind
@given(data=DATA)
def test_views_are_like_those_of_the_dict(kind, data):
    model = data.draw(dicts(kind))
    asked = data.draw(keys_of(model, kind))
    with indexed(model, **kind.options) as index:
        for other in set(asked), set(model), set(list(model)[1:]), set():
            check_sets(index.keys(), model.keys(), other)
            if kind.values is not JSON:
                pairs = {(key, model.get(key, kind.other_value)) for key in other}
                check_sets(index.items(), model.items(), pairs)
                check_sets(index.items(), model.items(), pairs | {(key, kind.other_value) for key in other})
        assert all(value in index.values() for value in model.values())
        assert object() not in index.values()
        for key, value in model.items():
            assert (key, value) in index.items()
            assert ((key, kind.other_value) in index.items()) == (value == kind.other_value)
        assert (kind.other_key, kind.other_value) not in index.items()


@each_kind
@given(data=DATA)
def test_batches_agree_with_single_lookups(kind, data):
    model = data.draw(dicts(kind))
    asked = data.draw(keys_of(model, kind))
    default = object()
    with indexed(model, **kind.options) as index:
        expected = exact([model.get(key) for key in asked])
        for given_as in asked, tuple(asked), (key for key in asked), iter(asked), collections.deque(asked):
            found = index.get_many(given_as)
            assert type(found) is list and exact(found) == expected
        expected = exact([model.get(key, default) for key in asked])
        assert exact(index.get_many(asked, default)) == expected
        assert exact(index.get_many(asked, default=default)) == expected
        assert exact(index.get_many(set(asked))) == exact([model.get(key) for key in set(asked)])
        assert exact(index.get_many(model.keys())) == exact(list(model.values()))


@each_kind
@given(data=DATA)
def test_ids_number_the_keys(kind, data):
    model = data.draw(dicts(kind))
    asked = data.draw(keys_of(model, kind))
    with indexed(model, **kind.options) as index:
        ids = index.ids(list(model))
        assert ids.dtype == numpy.int64 and sorted(ids.tolist()) == list(range(len(model)))
        number_of = dict(zip(model, ids.tolist()))
        for given_as in asked, tuple(asked), (key for key in asked):
            assert index.ids(given_as).tolist() == [number_of.get(key, -1) for key in asked]
        for key, number in number_of.items():
            assert exact(index.by_id(number)) == exact((key, model[key]))
        assert [index.by_id(number)[0] for number in range(len(model))] == list(index)
        for wrong in -1, len(model), -(2**63), 2**63 - 1:
            with pytest.raises(IndexError):
                index.by_id(wrong)


def arrow_columns(keys, text):
    """These keys, with None as null, in every layout of Arrow that can hold them."""
    small, large, view = (
        (pyarrow.string(), pyarrow.large_string(), pyarrow.string_view())
        if text
        else (pyarrow.binary(), pyarrow.large_binary(), pyarrow.binary_view())
    )
    plain = pyarrow.array(keys, small)
    half = len(keys) // 2
    yield plain
    yield pyarrow.array(keys, large)
    yield pyarrow.array(keys, view)
    yield plain.dictionary_encode()
    yield pyarrow.array(keys, large).dictionary_encode()
    yield pyarrow.array([None, *keys, None], large)[1:-1]
    yield pyarrow.array([*keys, *keys], view)[len(keys) :]
    yield pyarrow.chunked_array([plain[:half], plain[:0], plain[half:]])
    yield pyarrow.chunked_array([plain.dictionary_encode()])
    lengths = {len(key) for key in keys if key is not None}
    if not text and len(lengths) == 1 and lengths != {0}:
        yield pyarrow.array(keys, pyarrow.binary(*lengths))


@each_kind
@given(data=DATA)
def test_arrow_columns_agree_with_single_lookups(kind, data):
    model = data.draw(dicts(kind))
    asked = data.draw(st.lists(st.none() | st.sampled_from([*model, kind.other_key]) | kind.keys, max_size=40))
    values_type = pyarrow.large_binary() if kind.options["values"] == "bytes" else pyarrow.large_string()
    with indexed(model, **kind.options) as index:
        number_of = dict(zip(model, index.ids(list(model)).tolist()))
        columns = list(arrow_columns(asked, kind.options["keys"] == "text"))
        for column in [*columns, pyarrow.nulls(len(asked))] if set(asked) <= {None} else columns:
            found = index.get_many_arrow(column)
            values = found.to_pyarrow()
            values.validate(full=True)
            assert values.type == values_type
            got = values.to_pylist()
            if kind.values is JSON:
                got = [value if value is None else json.loads(value) for value in got]
            assert exact(got) == exact([None if key is None else model.get(key) for key in asked])
            absent = sum(key is None or key not in model for key in asked)
            assert len(found) == len(asked) and found.null_count == values.null_count == absent
            assert index.ids(column).tolist() == [number_of.get(key, -1) for key in asked]


class Wrapped(collections.abc.Mapping):
    """A mapping that is not a dict."""

    def __init__(self, records):
        self.records = records

    def __getitem__(self, key):
        return self.records[key]

    def __iter__(self):
        return iter(self.records)

    def __len__(self):
        return len(self.records)


def check_equal(left, right):
    assert left == right and right == left and not left != right and not right != left


def check_unequal(left, right):
    assert left != right and right != left and not left == right and not right == left


@each_kind
@given(data=DATA)
def test_equal_to_the_same_records(kind, data):
    model = data.draw(dicts(kind))
    other_order = dict(data.draw(st.permutations(list(model.items()))))
    with indexed(model, **kind.options) as index, indexed(other_order, **kind.options) as again:
        others = [other_order, types.MappingProxyType(model), collections.UserDict(model), Wrapped(model)]
        others += [collections.ChainMap(model), collections.OrderedDict(model)]
        others += [again, copy.copy(index), copy.deepcopy(index), pickle.loads(pickle.dumps(index))]
        for other in [*others, index]:
            check_equal(index, other)


@each_kind
@settings(max_examples=20)
@given(data=DATA)
def test_never_equal_to_other_records(kind, data):
    model = data.draw(dicts(kind))
    others = [{**model, kind.other_key: kind.other_value}]
    strange = [{**model, 1: 2}, {**model, None: None}]
    for key in data.draw(st.lists(st.sampled_from(list(model)), max_size=3)) if model else ():
        rest = {own: value for own, value in model.items() if own != key}
        others += [rest, {**rest, kind.other_key: model[key]}]
        if model[key] != kind.other_value:
            others.append({**model, key: kind.other_value})
        strange += [{**rest, wrong: model[key]} for wrong in (7, None, ("a",), "other\ud800", b"\xff")]
        strange.append({**model, key: object()})
    with indexed(model, **kind.options) as index:
        for other in others:
            check_unequal(index, other)
            check_unequal(index, Wrapped(other))
            with indexed(other, **kind.options) as other_index:
                check_unequal(index, other_index)
        for other in strange:
            check_unequal(index, other)
            check_unequal(index, Wrapped(other))
        for no_mapping in list(model.items()), set(model), None, 0, "", b"", object(), list(model):
            check_unequal(index, no_mapping)


@each_kind
@settings(max_examples=12)
@given(data=DATA)
def test_all_ways_to_build_give_the_same_bytes(kind, data):
    model = data.draw(dicts(kind))
    protocol = data.draw(st.integers(0, pickle.HIGHEST_PROTOCOL))
    cut = data.draw(st.integers(0, len(model)))
    check_ways_to_build(model, kind, protocol, cut)


def check_ways_to_build(model, kind, protocol, cut):
    options = {**kind.options, "metadata": {"made": "by a test"}}
    pairs, keys, values = list(model.items()), list(model), list(model.values())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        hashlith.build(folder / "dict", model, **options)
        hashlith.build(folder / "mapping", types.MappingProxyType(model), **options)
        hashlith.build(folder / "list", pairs, **options)
        hashlith.build(folder / "backwards", pairs[::-1], **options)
        hashlith.build(folder / "generator", (pair for pair in pairs), **options)
        hashlith.build(folder / "lists", [list(pair) for pair in pairs], **options)
        with hashlith.open(folder / "dict") as index:
            hashlith.build(folder / "index", index, **options)
        with hashlith.Builder(folder / "add", **options) as builder:
            for key, value in pairs:
                builder.add(key, value)
        with hashlith.Builder(folder / "add_many", **options) as builder:
            builder.add_many(pairs[:cut])
            builder.add_many(keys[cut:], values[cut:])
        with hashlith.Builder(folder / "mixed", **options) as builder:
            builder.add_many(iter(keys[:cut]), iter(values[:cut]))
            for key, value in pairs[cut : cut + 1]:
                builder.add(key, value)
            builder.add_many(dict(pairs[cut + 1 :]))
        if kind.values is not JSON:
            text_keys, text_values = kind.options["keys"] == "text", kind.options["values"] == "text"
            key_columns, value_columns = arrow_columns(keys[cut:], text_keys), arrow_columns(values[cut:], text_values)
            for number, columns in enumerate(zip(key_columns, list(value_columns)[::-1])):
                with hashlith.Builder(folder / f"arrow {number}", **options) as builder:
                    builder.add_many(dict(pairs[:cut]))
                    builder.add_many(*columns)
        with tempfile.TemporaryDirectory() as inputs:
            (pathlib.Path(inputs) / "1.pkl").write_bytes(pickle.dumps(dict(pairs[:cut]), protocol))
            (pathlib.Path(inputs) / "2.pkl").write_bytes(pickle.dumps(dict(pairs[cut:]), protocol))
            hashlith.build_from_files(folder / "pickle", inputs, **options)
        made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [name for name, data in made.items() if data != made["dict"]] == []
    assert len(made) >= 11


MANY = {f"key {n}": f"value {n % 13}" for n in range(10_000)}


def test_all_ways_to_build_many_records_give_the_same_bytes():
    """Enough to go to the builder in several batches."""
    check_ways_to_build(MANY, KINDS["str-str"], 5, 4999)
    raw = {key.encode(): value.encode() * 50 for key, value in MANY.items()}
    check_ways_to_build(raw, KINDS["bytes-bytes"], 4, 5000)


def test_batches_longer_than_a_run():
    """Batches go through in runs of 1,024 keys; lengths around that and nulls at its ends change nothing."""
    with indexed(MANY) as index:
        assert index.get_many(list(MANY)) == list(MANY.values())
        number_of = dict(zip(MANY, index.ids(list(MANY)).tolist()))
        assert sorted(number_of.values()) == list(range(len(MANY)))
        for length in 1, 1023, 1024, 1025, 2047, 2048, 2049, 3000:
            asked = [f"key {n}" for n in range(9000, 9000 + length)]
            expected = [MANY.get(key) for key in asked]
            assert index.get_many(asked) == index.get_many(tuple(asked)) == expected
            assert index.get_many(iter(asked)) == expected
            assert index.ids(asked).tolist() == [number_of.get(key, -1) for key in asked]
            for null in range(0, length, 1023):
                asked[null] = None
            expected = [MANY.get(key) for key in asked]
            for column in arrow_columns(asked, True):
                assert index.get_many_arrow(column).to_pyarrow().to_pylist() == expected
                assert index.ids(column).tolist() == [number_of.get(key, -1) for key in asked]


def test_columns_of_pandas_and_polars():
    """Everything with `__arrow_c_array__` or `__arrow_c_stream__` is a column, and so is the answer."""
    model = {"a": "1", "b": "2"}
    asked = ["b", "absent", None, "a"]
    with indexed(model) as index:
        number_of = {index.by_id(number)[0]: number for number in range(2)}
        columns = [polars.Series(asked), polars.Series(asked, dtype=polars.Categorical)]
        columns += [pandas.Series(asked, dtype=pandas.ArrowDtype(pyarrow.string()))]
        columns += [pandas.Series(asked, dtype="category"), pandas.Series(asked, dtype="string[pyarrow]")]
        for column in columns:
            found = index.get_many_arrow(column)
            assert found.to_pyarrow().to_pylist() == ["2", None, None, "1"]
            assert polars.Series(found).to_list() == ["2", None, None, "1"]
            assert pyarrow.array(found).to_pylist() == ["2", None, None, "1"]
            assert index.ids(column).tolist() == [number_of["b"], -1, -1, number_of["a"]]
        frame = pandas.DataFrame({"value": pandas.Series(found.to_pyarrow(), dtype="string[pyarrow]")})
        assert frame["value"].isna().tolist() == [False, True, True, False]
    with indexed({b"a": b"1", b"b": b"2"}) as index:
        found = index.get_many_arrow(polars.Series([b"b", b"absent", None, b"a"]))
        assert polars.Series(found).to_list() == [b"2", None, None, b"1"]


def test_a_column_of_values_outlives_the_index():
    with indexed(MANY) as index:
        found = index.get_many_arrow(pyarrow.array(list(MANY)))
    assert found.to_pyarrow().to_pylist() == list(MANY.values())
    assert repr(found) == "<hashlith.ArrowArray of 10000 large_string values, 0 of them null>"
