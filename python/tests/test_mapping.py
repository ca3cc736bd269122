"""An open index is a read-only `collections.abc.Mapping`: what it promises beyond the answers themselves, in types,
errors, order, equality and ways to open it.
"""

import collections.abc
import contextlib
import gc
import operator
import os
import pathlib
import pickle
import weakref

import pyarrow
import pytest

import hashlith

WRONG_FOR_STR = [1, None, 1.5, b"key 1", ("key 1",), object(), bytearray(b"key 1")]
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
    "get_many behind good keys": lambda index, key: index.get_many([*list(index), key]),
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


def test_it_goes_where_mappings_go(index, records):
    assert dict(index) == {**index} == dict(index.items()) == records
    assert {} | dict(index) == records and collections.ChainMap({}, index)["key 3"] == "value 9"
    assert "%(key 3)s" % index == "{key 3}".format_map(index) == "value 9"


def test_a_key_error_holds_the_very_key(index):
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
def test_a_lone_surrogate_is_a_unicode_error_that_tells_what_to_do(call, index):
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


def test_one_key_is_no_list_of_keys(index):
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
    for call in (
        lambda: index.get(),
        lambda: index.get("key 1", None, None),
        lambda: index.get(key="key 1"),
        lambda: index.get_many(),
        lambda: index.keys(1),
        lambda: index.by_id(),
        lambda: index.by_id("0"),
        lambda: index.by_id(0.0),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("number", [-1, 300, -(2**63), 2**63 - 1, 2**64, -(2**64), 10**30])
def test_an_id_outside_is_an_index_error(index, number):
    with pytest.raises(IndexError):
        index.by_id(number)


def test_only_pairs_are_items(index):
    """As with a dict, what is no pair is no item, and not an error."""
    for no_pair in 1, None, "", "key 1", ("key 1",), ("key 1", "value 1", "more"), ["key 1", "value 1"]:
        assert no_pair not in index.items()
    assert not index.items() & {"key 1", 2}
    assert index.items().isdisjoint(["key 1", 2])


def test_a_string_of_two_letters_is_no_item(make):
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


def test_repr_is_short_and_tells_path_count_and_size(make):
    path = make({str(n): "x" * 100 for n in range(1200)})
    index = hashlith.open(path)
    assert repr(index) == f'<hashlith.Index "{path}": 1,200 keys, {path.stat().st_size / 1024:.0f} KiB>'
    assert len(str(index)) < len(str(path)) + 60
    index.close()
    assert repr(index) == f'<hashlith.Index "{path}": closed>'


def test_views_do_not_print_their_records(index):
    for view in index.keys(), index.values(), index.items():
        assert len(repr(view)) < len(index.path) + 100


def test_only_reading_is_a_flag(path):
    hashlith.open(path, "r").close()
    hashlith.open(path, flag="r").close()
    for flag in "w", "c", "n", "a", "rb", "", "R":
        with pytest.raises(ValueError, match="flag must be \"r\".*hashlith.build"):
            hashlith.open(path, flag)
    with pytest.raises(TypeError):
        hashlith.open(path, None)
    with pytest.raises(TypeError):
        hashlith.open(path, "r", True)


def test_options_are_keywords(path):
    for name in "in_memory", "huge_pages", "preload", "random", "decode_json":
        for value in False, True:
            with hashlith.open(path, **{name: value}) as index:
                assert index["key 3"] == "value 9" and index.get("absent") is None
        with pytest.raises(TypeError, match="bool"):
            hashlith.open(path, **{name: "yes"})
    with pytest.raises(TypeError, match="unexpected keyword"):
        hashlith.open(path, mode="r")


def test_locked_pages(path):
    """`lock` counts against RLIMIT_MEMLOCK: it works, or is an OSError."""
    try:
        index = hashlith.open(path, lock=True)
    except OSError as error:
        assert error.filename == str(path)
    else:
        with index:
            assert index["key 3"] == "value 9"


def test_paths_are_str_or_path_like(path):
    class Named:
        def __fspath__(self):
            return str(path)

    for named in str(path), path, Named(), os.fspath(path):
        with hashlith.open(named) as index:
            assert index.path == str(path) and type(index.path) is str
        assert hashlith.info(named)["keys"] == hashlith.verify(named).keys == 300
    for wrong in 1, None, [str(path)]:
        for call in hashlith.open, hashlith.info, hashlith.verify, lambda wrong: hashlith.build(wrong, {}):
            with pytest.raises(TypeError):
                call(wrong)


def test_a_relative_path_becomes_absolute(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with hashlith.open(path.name) as index:
        monkeypatch.chdir("/")
        assert index.path == str(path)
        with pickle.loads(pickle.dumps(index)) as again:
            assert again.path == str(path) and again["key 3"] == "value 9"


def test_a_path_that_is_no_utf_8(make, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.hlith")
    report = hashlith.build(name, {"k": "v"})
    with hashlith.open(name) as index:
        assert index.path == report.path == name and index["k"] == "v" and "hashlith.Index" in repr(index)
    assert hashlith.verify(name).keys == 1


def test_a_path_with_a_zero_byte_is_a_value_error():
    """As for `open` itself."""
    with pytest.raises(ValueError, match="(?i)nul"):
        hashlith.open("a\0b")


def test_the_order_is_that_of_the_ids_always(path, records):
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


def test_iterators_tell_how_much_is_left(index):
    for iterator in iter(index), iter(index.values()), iter(index.items()):
        for left in range(300, 0, -1):
            assert operator.length_hint(iterator) == left
            next(iterator)
        assert operator.length_hint(iterator) == 0
        assert list(iterator) == [] and operator.length_hint(iterator) == 0


class Blind(hashlith.Index):
    """An index of which no record can be read."""

    def no(self, *_):
        raise AssertionError("a record was read")

    __getitem__ = __contains__ = __iter__ = get = get_many = get_many_arrow = by_id = ids = no
    keys = values = items = _items = _values = _ids = no


def test_indexes_are_compared_without_reading(make):
    records = {str(n): str(n) for n in range(50_000)}
    one, same, other = make(records), make(records), make({**records, "7": "8"})
    shorter = make(dict(list(records.items())[1:]))
    with contextlib.ExitStack() as stack:
        first, second, third, fourth = (stack.enter_context(Blind(path)) for path in (one, same, other, shorter))
        assert first == first and first == second and not first != second
        assert first != third and first != fourth and not first == third and not first == fourth
        assert first == stack.enter_context(hashlith.open(same, in_memory=True, random=False))
        assert first.digest == second.digest and len(first.digest) == 32 and int(first.digest, 16) >= 0
        assert len({first.digest, third.digest, fourth.digest}) == 3


def test_an_index_is_compared_with_a_mapping_of_another_length_without_reading(path, records):
    class Unread(collections.abc.Mapping):
        def __init__(self, length):
            self.length = length

        def __len__(self):
            return self.length

        def no(self, *_):
            raise AssertionError("a record was read")

        __getitem__ = __iter__ = keys = values = items = no

    with Blind(path) as index:
        for length in 0, 299, 301:
            assert index != Unread(length) and not index == Unread(length)
        assert index != {} and index != dict(list(records.items())[1:]) and index != {**records, "more": ""}
        with pytest.raises(AssertionError, match="a record was read"):
            index == Unread(300)


def test_the_comparison_stops_at_the_first_difference(make):
    records = {str(n): str(n) for n in range(20_000)}
    read = []

    class Counted(collections.abc.Mapping):
        def __len__(self):
            return len(records)

        def __iter__(self):
            return iter(records)

        def __getitem__(self, key):
            read.append(key)
            return "other"

    with hashlith.open(make(records)) as index:
        assert index != Counted()
        assert len(read) <= 1024


def test_other_options_make_another_index(make, records):
    """Equality of two indexes is that of their bytes; `dict` tells whether the records are the same."""
    with hashlith.open(make(records)) as index, hashlith.open(make(records, fingerprint_bits=9)) as other:
        assert index != other and dict(index) == dict(other) == index == dict(other)


def test_types_are_told(make):
    for records, options, types in (
        ({"k": "v"}, {}, ("str", "str")),
        ({b"k": b"v"}, {}, ("bytes", "bytes")),
        ({"k": b"v"}, {}, ("str", "bytes")),
        ({b"k": "v"}, {}, ("bytes", "str")),
        ({"k": 1}, {"values": "json"}, ("str", "json")),
        ({b"k": 1}, {"values": "json"}, ("bytes", "json")),
        ({}, {}, ("str", "str")),
        ({}, {"keys": "bytes", "values": "json"}, ("bytes", "json")),
    ):
        path = make(records, **options)
        with hashlith.open(path) as index:
            assert (index.key_type, index.value_type) == types and dict(index) == records
            assert index.nbytes == path.stat().st_size


def test_metadata_are_the_dict_that_was_given(make):
    metadata = {"source": "a test", "n": [1, 2.5, None, True], "nested": {"\u00e9\U0001f600": "\ud800"}, "": ""}
    with hashlith.open(make({}, metadata=metadata)) as index:
        assert index.metadata == metadata and index.metadata is not index.metadata
    for none in {}, {"metadata": None}:
        with hashlith.open(make({}, **none)) as index:
            assert index.metadata is None
    with hashlith.open(make({}, metadata={})) as index:
        assert index.metadata == {}


def test_attributes_cannot_be_set(index):
    for name in "path", "digest", "closed", "metadata", "key_type", "value_type", "nbytes":
        with pytest.raises(AttributeError):
            setattr(index, name, 1)


def test_json_values_are_objects_or_their_text(make):
    path = make({"k": {"a": [1, None]}, "s": "text"}, values="json")
    with hashlith.open(path) as index, hashlith.open(path, decode_json=False) as text:
        assert index["k"] == {"a": [1, None]} and index["k"] is not index["k"]
        assert text["k"] == text.get("k") == '{"a":[1,null]}' and text["s"] == '"text"'
        assert text.get_many(["k", "s", "absent"]) == ['{"a":[1,null]}', '"text"', None]
        assert dict(text) == dict(zip(text, text.values())) == {"k": '{"a":[1,null]}', "s": '"text"'}
        assert text.value_type == "json"
        with pickle.loads(pickle.dumps(text)) as again:
            assert again["s"] == '"text"'
        for either in index, text:
            found = either.get_many_arrow(pyarrow.array(["k", "s"])).to_pyarrow()
            assert found.to_pylist() == ['{"a":[1,null]}', '"text"']


def test_an_index_in_memory_does_not_need_its_file(path, records):
    with hashlith.open(path, in_memory=True) as index:
        os.truncate(path, 0)
        assert dict(index) == records == index
        path.write_bytes(b"something else")
        assert dict(index) == records
        path.unlink()
        assert dict(index) == records and index.get_many(["key 3"]) == ["value 9"]


def test_a_mapped_index_does_not_need_its_name(path, records):
    with hashlith.open(path) as index:
        path.unlink()
        assert dict(index) == records and index.get_many(["key 3"]) == ["value 9"]


def test_weak_references(path):
    index = hashlith.open(path)
    reference = weakref.ref(index)
    assert reference() is index
    del index
    gc.collect()
    assert reference() is None


def test_views_and_iterators_keep_the_index(path, records):
    keys, items = hashlith.open(path).keys(), iter(hashlith.open(path).items())
    gc.collect()
    assert set(keys) == set(records) and dict(items) == records


def test_subclasses(path, records):
    class Lengths(hashlith.Index):
        def __getitem__(self, key):
            return len(super().__getitem__(key))

        def __missing__(self, key):
            pytest.fail("__missing__ is of dict")

    with Lengths(path) as index:
        index.note = "a subclass has a __dict__"
        assert index["key 3"] == 7 and index.get("key 3") == "value 9" and isinstance(index, hashlith.Index)
        assert index == hashlith.open(path) and index == records
        with pytest.raises(KeyError):
            index["absent"]


def test_an_index_of_a_class_that_is_imported_is_pickled_as_such(path):
    with Blind(path) as index, pickle.loads(pickle.dumps(index)) as again:
        assert type(again) is Blind and again == index


def test_the_class_is_generic():
    assert hashlith.Index[str, bytes].__origin__ is hashlith.Index


def test_all_names_are_there():
    assert all(hasattr(hashlith, name) for name in hashlith.__all__)
    assert pathlib.Path(hashlith.__file__).with_name("py.typed").is_file()
