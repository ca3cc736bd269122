"""Indexes are compared by their digests, an index and a mapping record by record, and neither reads more than it must."""

import collections.abc
import contextlib
import pickle

import pytest

import hashlith


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


def test_a_comparison_is_true_or_false(make):
    """Also of what is no mapping, and of keys and values of other types."""
    with hashlith.open(make({"a": "b"})) as index:
        assert (index == index) is (index == {"a": "b"}) is True
        for other in {}, {"a": "c"}, {"c": "b"}, {1: "b"}, {"\ud800": "b"}, {b"a": "b"}, [("a", "b")], None, 1:
            assert (index == other) is False and (index != other) is True
        assert index.__eq__([("a", "b")]) is NotImplemented


def test_other_options_make_another_index(make, records):
    """Two indexes are equal if their bytes are; compare dicts to compare the records."""
    with hashlith.open(make(records)) as index, hashlith.open(make(records, fingerprint_bits=9)) as other:
        assert index != other and dict(index) == dict(other) == index == dict(other)


def test_an_index_of_a_subclass_is_pickled_as_one(path):
    with Blind(path) as index, pickle.loads(pickle.dumps(index)) as again:
        assert type(again) is Blind and again == index
