"""An index answers as the dict it was built from: whatever a dict of str or bytes says to a reader, its index says too,
and batches, Arrow columns and dense ids agree with single lookups. All ways to build give the same bytes.
"""

import collections
import contextlib
import copy
import json
import pathlib
import pickle
import random
import tempfile
import types

import numpy
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hashlith

TEXT = st.text(max_size=12)
BYTES = st.binary(max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)

Kind = collections.namedtuple("Kind", "keys values options")
KINDS = {
    "str-str": Kind(TEXT, TEXT, {"keys": "text", "values": "text"}),
    "bytes-bytes": Kind(BYTES, BYTES, {"keys": "bytes", "values": "bytes"}),
    "str-bytes": Kind(TEXT, BYTES, {"keys": "text", "values": "bytes"}),
    "bytes-str": Kind(BYTES, TEXT, {"keys": "bytes", "values": "text"}),
    "str-json": Kind(TEXT, JSON, {"keys": "text", "values": "json"}),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
DATA = st.data()


def dicts(kind):
    return st.dictionaries(kind.keys, kind.values, max_size=30)


def keys_of(model, kind):
    """Lists of keys, some of which are there."""
    own = st.sampled_from(list(model)) if model else st.nothing()
    return st.lists(own | kind.keys, max_size=40)


@contextlib.contextmanager
def indexed(records, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.hlith"
        hashlith.build(path, records, **options)
        with hashlith.open(path) as index:
            yield index


def exact(value):
    """A value such that 1, 1.0 and True differ."""
    return repr(value)


def unlike(model, value):
    """A value that is not the one given, of the same type."""
    if isinstance(value, str):
        return value + "x"
    return value + b"x" if isinstance(value, bytes) else [value]


@each_kind
@given(data=DATA)
def test_reading_is_that_of_the_dict(kind, data):
    model = data.draw(dicts(kind))
    default = object()
    with indexed(model, **kind.options) as index:
        assert len(index) == len(model) and bool(index) == bool(model)
        for key in data.draw(keys_of(model, kind)):
            assert (key in index) == (key in model)
            assert exact(index.get(key)) == exact(model.get(key))
            assert index.get(key, default) is default or key in model
            if key in model:
                assert exact(index[key]) == exact(model[key])
            else:
                with pytest.raises(KeyError):
                    index[key]
        assert all(exact(index[key]) == exact(value) for key, value in model.items())
        keys, values, items = list(index), list(index.values()), list(index.items())
        assert keys == list(index.keys()) and list(zip(keys, values)) == items
        assert len(items) == len(model)
        assert {key: exact(value) for key, value in items} == {key: exact(value) for key, value in model.items()}
        assert len(index.keys()) == len(index.values()) == len(index.items()) == len(model)


@each_kind
@given(data=DATA)
def test_views_are_those_of_the_dict(kind, data):
    model = data.draw(dicts(kind))
    others = data.draw(keys_of(model, kind))
    with indexed(model, **kind.options) as index:
        check_sets(index.keys(), model.keys(), set(others))
        check_sets(index.keys(), model.keys(), set(model))
        assert all(value in index.values() for value in model.values())
        assert object() not in index.values()
        pairs = {(key, unlike(model, model.get(key))) for key in others if not isinstance(model.get(key), (list, dict))}
        if kind.values is not JSON:
            pairs = {pair for pair in pairs if type(pair[1]) is type(data.draw(kind.values))}
            check_sets(index.items(), model.items(), pairs | set(list(model.items())[::2]))
            check_sets(index.items(), model.items(), set(model.items()))
        for key, value in model.items():
            assert (key, value) in index.items()
            assert (key, unlike(model, value)) not in index.items()
            assert key not in index.items()


def check_sets(view, model, other):
    for left, right in (view, model), (other, other):
        assert type(left & other) is set or left is other
    assert view & other == model & other and other & view == other & model
    assert view | other == model | other and other | view == other | model
    assert view - other == model - other and other - view == other - model
    assert view ^ other == model ^ other and other ^ view == other ^ model
    assert (view <= other) == (model <= other) and (view >= other) == (model >= other)
    assert (view < other) == (model < other) and (view > other) == (model > other)
    assert (view == other) == (model == other) and (other == view) == (other == model)
    assert (view != other) == (model != other)
    assert view.isdisjoint(other) == model.isdisjoint(other)
    assert view == model and model == view and not view != model
    assert view & model == set(model) and view - model == set() and view ^ model == set()


@each_kind
@given(data=DATA)
def test_batches_are_single_lookups(kind, data):
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
        assert exact(index.get_many(dict.fromkeys(asked))) == exact([model.get(key) for key in dict.fromkeys(asked)])


@each_kind
@given(data=DATA)
def test_ids_number_the_keys(kind, data):
    model = data.draw(dicts(kind))
    asked = data.draw(keys_of(model, kind))
    with indexed(model, **kind.options) as index:
        ids = index.ids(list(model))
        assert ids.dtype == numpy.int64 and sorted(ids.tolist()) == list(range(len(model)))
        by_key = dict(zip(model, ids.tolist()))
        assert index.ids(asked).tolist() == [by_key.get(key, -1) for key in asked]
        assert index.ids(iter(asked)).tolist() == index.ids(tuple(asked)).tolist() == index.ids(asked).tolist()
        for key, number in by_key.items():
            assert exact(index.by_id(number)) == exact((key, model[key]))
        assert [index.by_id(number)[0] for number in range(len(model))] == list(index)
        for wrong in -1, len(model), -(2**63), 2**63 - 1:
            with pytest.raises(IndexError):
                index.by_id(wrong)


def arrow_columns(keys, text):
    """Columns of these keys, and of nulls for None, in every layout of Arrow that holds them."""
    small, large, view = (
        (pyarrow.string(), pyarrow.large_string(), pyarrow.string_view())
        if text
        else (pyarrow.binary(), pyarrow.large_binary(), pyarrow.binary_view())
    )
    plain = pyarrow.array(keys, small)
    yield plain
    yield pyarrow.array(keys, large)
    yield pyarrow.array(keys, view)
    yield plain.dictionary_encode()
    yield pyarrow.array(keys, large).dictionary_encode()
    yield pyarrow.array([None, *keys, None], large)[1:-1]
    half = len(keys) // 2
    yield pyarrow.chunked_array([plain[:half], plain[:0], plain[half:]])
    yield pyarrow.chunked_array([plain.dictionary_encode()])
    if not text and len({len(key) for key in keys if key}) == 1 and b"" not in keys:
        yield pyarrow.array(keys, pyarrow.binary(next(len(key) for key in keys if key)))
    if set(keys) <= {None}:
        yield pyarrow.nulls(len(keys))


@each_kind
@given(data=DATA)
def test_arrow_columns_are_single_lookups(kind, data):
    model = data.draw(dicts(kind))
    asked = data.draw(st.lists(st.none() | st.sampled_from(list(model)) if model else st.none(), max_size=9))
    asked += data.draw(keys_of(model, kind))
    data.draw(st.randoms(use_true_random=False)).shuffle(asked)
    text = kind.options["keys"] == "text"
    with indexed(model, **kind.options) as index:
        ids = [-1 if key is None else number for key, number in zip(asked, index.ids([key or next(iter(model), b"" if not text else "") for key in asked]).tolist())]
        for column in arrow_columns(asked, text):
            found = index.get_many_arrow(column)
            values = found.to_pyarrow()
            assert values.type == (
                pyarrow.large_binary() if kind.options["values"] == "bytes" else pyarrow.large_string()
            )
            values.validate(full=True)
            got = values.to_pylist()
            if kind.values is JSON:
                got = [value if value is None else json.loads(value) for value in got]
            assert exact(got) == exact([None if key is None else model.get(key) for key in asked])
            absent = sum(key is None or key not in model for key in asked)
            assert len(found) == len(asked) and found.null_count == values.null_count == absent
            assert index.ids(column).tolist() == ids
