"""An open index is a read-only `collections.abc.Mapping`: its types, errors, order, views and iterators."""

import collections.abc
import gc
import inspect
import operator

import pyarrow
import pytest

import hashlith

WRONG_FOR_STR = [1, None, 1.5, b"key 1", ["key 1"], object(), bytearray(b"key 1")]
WRONG_FOR_BYTES = [1, None, "key 1", bytearray(b"key 1"), memoryview(b"key 1")]
LONE = "key \ud800"

CALLS = {
    "[]": lambda index, key: index[key],
    "in": lambda index, key: key in index,
    "not in": lambda index, key: key not in index,
    "get": lambda index, key: index.get(key),
    "get with a default": lambda index, key: index.get(key, 1),
    "get_many of a list": lambda index, key: index.get_many([key]),
    "get_many of a tuple": lambda index, key: index.get_many((key,)),
    "get_many of a generator": lambda index, key: index.get_many(each for each in [key]),
    "get_many after good keys": lambda index, key: index.get_many([*list(index), key]),
    "ids": lambda index, key: index.ids([key]),
    "in keys": lambda index, key: key in index.keys(),
    "in items": lambda index, key: (key, "value") in index.items(),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_it_is_a_mapping(index):
    assert isinstance(index, collections.abc.Mapping) and issubclass(hashlith.Index, collections.abc.Mapping)
    assert not isinstance(index, collections.abc.MutableMapping)
    assert isinstance(index.keys(), collections.abc.KeysView) and isinstance(index.keys(), collections.abc.Set)
    assert isinstance(index.items(), collections.abc.ItemsView) and isinstance(index.items(), collections.abc.Set)
    assert isinstance(index.values(), collections.abc.ValuesView)
    assert type(index) is hashlith.Index
    for name in "__setitem__", "__delitem__", "pop", "popitem", "clear", "update", "setdefault":
        assert not hasattr(index, name)


def test_it_matches_patterns(make):
    with hashlith.open(make({"k": "v", "l": "w"})) as index:
        match index:
            case {"absent": _}:
                pytest.fail("an absent key matches")
            case {"k": "other"}:
                pytest.fail("another value matches")
            case {"k": value, **rest}:
                assert value == "v" and rest == {"l": "w"}
            case _:
                pytest.fail("nothing matches")


def test_it_works_where_mappings_do(index, records):
    assert dict(index) == {**index} == dict(index.items()) == records
    assert {} | dict(index) == records and collections.ChainMap({}, index)["key 3"] == "value 9"
    assert "%(key 3)s" % index == "{key 3}".format_map(index) == "value 9"


def test_a_key_error_holds_the_key_itself(index):
    class Key(str):
        pass

    for key in "absent", "", "another absent key " * 100, Key("absent"):
        with pytest.raises(KeyError) as caught:
            index[key]
        assert caught.value.args[0] is key and len(caught.value.args) == 1


def test_keys_of_subclasses_are_found(make, index):
    class Text(str):
        pass

    class Raw(bytes):
        pass

    assert index[Text("key 3")] == index.get(Text("key 3")) == index.get_many([Text("key 3")])[0] == "value 9"
    assert Text("key 3") in index
    with hashlith.open(make({b"k": b"v"})) as raw:
        assert raw[Raw(b"k")] == b"v" and Raw(b"k") in raw


@each_call
def test_a_key_of_another_type_is_a_type_error(call, index, make):
    for wrong in WRONG_FOR_STR:
        with pytest.raises(TypeError, match=f"keys of this index are str, not {type(wrong).__name__}"):
            call(index, wrong)
    with hashlith.open(make({b"key 1": "value"})) as raw:
        for wrong in WRONG_FOR_BYTES:
            with pytest.raises(TypeError, match=f"keys of this index are bytes, not {type(wrong).__name__}"):
                call(raw, wrong)


@each_call
def test_a_lone_surrogate_is_a_unicode_error_that_says_what_to_do(call, index):
    with pytest.raises(UnicodeEncodeError, match="use bytes, or encode with errors") as caught:
        call(index, LONE)
    assert caught.value.object == LONE and (caught.value.start, caught.value.end) == (4, 5)


def test_operations_on_keys_meet_wrong_types(index):
    for operation in (
        lambda: index.keys() & {1},
        lambda: {1} & index.keys(),
        lambda: index.keys() & {LONE},
        lambda: index.keys().isdisjoint([1]),
        lambda: index.keys() >= {1},
    ):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            operation()


def test_one_key_is_not_a_list_of_keys(index):
    for one in "key 1", b"key 1":
        for call in index.get_many, index.ids:
            with pytest.raises(TypeError, match=r"write \[key\]"):
                call(one)
    for wrong in 1, None:
        for call in index.get_many, index.ids, index.get_many_arrow:
            with pytest.raises(TypeError):
                call(wrong)


def test_an_iterable_of_keys_that_raises_ends_the_batch_with_its_exception(index):
    def keys():
        yield "key 1"
        raise LookupError("of the iterable")

    for call in index.get_many, index.ids:
        with pytest.raises(LookupError, match="of the iterable"):
            call(keys())


def test_a_column_of_something_else_is_a_type_error(index):
    wrong = [["key 1"], "key 1", pyarrow.array([1, 2]), pyarrow.array([b"key 1"]), pyarrow.table({"a": ["key 1"]})]
    for column in wrong:
        with pytest.raises(TypeError):
            index.get_many_arrow(column)
    for column in wrong[2:]:
        with pytest.raises(TypeError):
            index.ids(column)


def test_signatures_are_those_of_a_mapping(index):
    assert index.get("absent", default=7) == 7 and index.get("key 1", default=7) == "value 1"
    assert str(inspect.signature(index.get)) == "(key, /, default=None)"
    for call in (
        lambda: index.get(),
        lambda: index.get("key 1", None, None),
        lambda: index.get(key="key 1"),
        lambda: index.get(default=1),
        lambda: index.get_many(),
        lambda: index.keys(1),
        lambda: index.by_id(),
        lambda: index.by_id("0"),
        lambda: index.by_id(0.0),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("number", [-1, 300, -(2**63), 2**63 - 1, 2**64, -(2**64), 10**30])
def test_an_id_out_of_range_is_an_index_error(index, number):
    with pytest.raises(IndexError):
        index.by_id(number)


def test_only_pairs_are_items(index):
    """As with a dict, something that is not a pair is not an item, and not an error."""
    for no_pair in 1, None, "", "key 1", ("key 1",), ("key 1", "value 1", "more"), ["key 1", "value 1"]:
        assert no_pair not in index.items()
    assert not index.items() & {"key 1", 2}
    assert index.items().isdisjoint(["key 1", 2])


def test_a_string_of_two_letters_is_not_an_item(make):
    records = {"a": "b"}
    assert "ab" not in records.items()
    with hashlith.open(make(records)) as index:
        assert ("a", "b") in index.items()
        assert "ab" not in index.items()


def test_it_has_no_hash(index):
    with pytest.raises(TypeError, match="unhashable"):
        hash(index)
    with pytest.raises(TypeError, match="unhashable"):
        {index}


def test_it_has_no_reverse(index):
    with pytest.raises(TypeError, match="not reversible"):
        reversed(index)


def test_views_do_not_print_their_records(index):
    for view in index.keys(), index.values(), index.items():
        assert len(repr(view)) < len(index.path) + 100


def test_the_order_is_always_that_of_the_ids(path, records):
    with hashlith.open(path) as index, hashlith.open(path, in_memory=True) as again:
        keys = list(index)
        assert keys == list(index.keys()) == [key for key, _ in index.items()] == list(again)
        assert [records[key] for key in keys] == list(index.values()) == [value for _, value in index.items()]
        assert [index.by_id(number) for number in range(len(index))] == list(index.items())
        assert index.ids(keys).tolist() == list(range(len(index)))
        assert keys != list(records)


def test_iterators_are_iterators_and_independent(index):
    for view in index, index.keys(), index.values(), index.items():
        first, second = iter(view), iter(view)
        assert iter(first) is first and isinstance(first, collections.abc.Iterator)
        head = [next(first), next(first)]
        assert [next(second), next(second)] == head
        assert head + list(first) == list(view)
        for _ in range(2):
            with pytest.raises(StopIteration):
                next(first)
        assert list(first) == []


def test_iterators_know_how_much_is_left(index):
    for iterator in iter(index), iter(index.values()), iter(index.items()):
        for left in range(300, 0, -1):
            assert operator.length_hint(iterator) == left
            next(iterator)
        assert operator.length_hint(iterator) == 0
        assert list(iterator) == [] and operator.length_hint(iterator) == 0


def test_views_and_iterators_keep_the_index(path, records):
    keys, items = hashlith.open(path).keys(), iter(hashlith.open(path).items())
    gc.collect()
    assert set(keys) == set(records) and dict(items) == records


def test_what_is_among_the_values(make):
    with hashlith.open(make({"a": 1.5, "b": [1], "c": None}, values="json")) as index:
        for value in 1.5, [1], None:
            assert value in index.values()
        assert ("a", 1.5) in index.items()
        for value in 2, [2], "", "a", False:
            assert value not in index.values() and ("a", value) not in index.items()


def test_views_and_indexes_take_no_attributes(index):
    for one in index.items(), index.values(), hashlith.open(index.path):
        with pytest.raises(AttributeError):
            one.note = "x"
    with pytest.raises(TypeError):
        hash(index)


def test_batches_have_so_many_rows(make):
    with hashlith.open(make({str(n): "v" for n in range(10)})) as index:
        lengths = lambda *rows, **span: [len(keys) for keys, _ in index.batches(*rows, **span)]
        assert lengths(1) == [1] * 10 and lengths(4) == [4, 4, 2] and lengths() == lengths(2**70) == [10]
        assert lengths(4, start=1) == [4, 4, 1] and lengths(4, stop=5) == [4, 1] and lengths(4, start=2, stop=6) == [4]
        assert lengths(4, start=9) == [1] and lengths(4, stop=11) == lengths(4) and lengths(stop=0) == lengths(start=10) == []
        for rows in 0, -1:
            with pytest.raises(ValueError, match=f"^rows must be at least 1, not {rows}$"):
                next(index.batches(rows))
    assert inspect.signature(hashlith.Index.batches).parameters["rows"].default == 65_536
