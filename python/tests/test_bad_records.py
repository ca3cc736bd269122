"""A build that meets a duplicate or a bad record reports it and leaves nothing behind: no file, no temporary file, and
an old file at that path unchanged.
"""

import random

import pyarrow
import pytest

import hashlith


def feed(path, parts, how, **options):
    """Builds with the records of all parts, in order."""
    if how == "build":
        return hashlith.build(path, [record for part in parts for record in part], **options)
    with hashlith.Builder(path, **options) as builder:
        for number, part in enumerate(parts):
            if how == "add" or how == "mixed" and number % 2:
                for key, value in part:
                    builder.add(key, value)
            elif how == "columns":
                builder.add_many(pyarrow.array([key for key, _ in part]), pyarrow.array([value for _, value in part]))
            else:
                builder.add_many(part)
    return builder.report


WAYS = ["build", "add", "add_many", "mixed", "columns"]
each_way = pytest.mark.parametrize("how", WAYS)


@each_way
def test_a_key_that_occurs_twice(how, untouched):
    for as_key, key in (str, "7"), (lambda n: str(n).encode(), b"7"):
        parts = [[(as_key(n), str(n)) for n in range(10)], [(as_key(n), str(n)) for n in (20, 7, 21)]]
        message = "occurs twice.*record 8 and record 12.*on_duplicate"
        with pytest.raises(hashlith.DuplicateKeyError, match=message) as caught:
            feed(untouched, parts, how)
        error = caught.value
        assert error.key == key and type(error.key) is type(key)
        assert (error.first, error.second) == ("record 8", "record 12")
        assert isinstance(error, ValueError) and isinstance(error, hashlith.Error)


@each_way
def test_first_and_last_follow_the_order_of_the_input(how, tmp_path):
    rng = random.Random(4)
    parts = [[(f"key {rng.randrange(3000)}", f"{part} {n}") for n in range(1500)] for part in range(6)]
    records = [record for part in parts for record in part]
    expected = {"last": dict(records), "first": dict(reversed(records))}
    for policy in expected:
        report = feed(tmp_path / policy, parts, how, on_duplicate=policy, threads=2)
        with hashlith.open(tmp_path / policy) as index:
            assert index == expected[policy]
        assert (report.records, report.keys) == (9000, len(expected[policy]))
        assert report.duplicates == 9000 - len(expected[policy]) > 0


def test_duplicates_in_files(untouched, tmp_path):
    (tmp_path / "words.tsv").write_text("a\t1\nb\t2\na\t3\n")
    with pytest.raises(hashlith.DuplicateKeyError) as caught:
        hashlith.build_from_files(untouched, tmp_path / "words.tsv")
    name = tmp_path / "words.tsv"
    assert (caught.value.key, caught.value.first, caught.value.second) == ("a", f"{name}, line 1", f"{name}, line 3")
    with pytest.raises(hashlith.DuplicateKeyError) as caught:
        hashlith.build_from_files(untouched, tmp_path / "words.tsv", keys="bytes")
    assert caught.value.key == b"a"
    for policy, value in ("first", "1"), ("last", "3"):
        hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "words.tsv", on_duplicate=policy)
        with hashlith.open(tmp_path / "x.hlith") as index:
            assert index == {"a": value, "b": "2"}


def test_records_that_are_not_pairs(untouched):
    good = [("a", "1"), ["b", "2"]]
    for bad in ("c", "3", "x"), ("c",), (), "cd", b"cd", 3, None, {"c", "3"}, {"c": "3"}, ["c", "3", "x"], 1.5:
        for records in [*good, bad], iter([*good, bad]), (record for record in [*good, bad]):
            with pytest.raises(hashlith.InputError, match=r"record 3 is not a pair") as caught:
                hashlith.build(untouched, records)
            assert (caught.value.path, caught.value.line, caught.value.offset) == (None, None, None)
            assert type(bad).__name__ in str(caught.value)
    with pytest.raises(hashlith.InputError, match="tuple of length 3"):
        hashlith.build(untouched, [("c", "3", "x")])


def test_the_number_of_a_record_counts_all_records_before_it(untouched):
    with pytest.raises(hashlith.InputError, match="record 6005 "):
        with hashlith.Builder(untouched) as builder:
            builder.add("a", "1")
            builder.add_many({"b": "2", "c": "3"})
            builder.add_many(pyarrow.array(["d"]), pyarrow.array(["4"]))
            builder.add_many([*((str(n), "") for n in range(6000)), 3])


def test_records_that_are_not_iterable(untouched):
    for records in 3, None, object(), 1.5:
        with pytest.raises(TypeError, match="not iterable"):
            hashlith.build(untouched, records)


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_an_iterable_that_raises(count, untouched):
    """The same exception passes through."""
    raised = LookupError("of the iterable")

    def records():
        yield from ((str(n), "v" * 100) for n in range(count))
        raise raised

    for build in (
        lambda: hashlith.build(untouched, records()),
        lambda: hashlith.build(untouched, records(), memory="48M", threads=2),
        lambda: feed(untouched, [records()], "add_many"),
        lambda: feed(untouched, [records()], "add"),
    ):
        with pytest.raises(LookupError) as caught:
            build()
        assert caught.value is raised


def test_a_mapping_that_raises(untouched):
    class Bad:
        def items(self):
            raise LookupError("of items")

    with pytest.raises(LookupError, match="of items"):
        hashlith.build(untouched, Bad())


def test_values_of_another_type_name_the_key_and_the_type(untouched):
    for value, name in (1, "int"), (None, "NoneType"), (b"x", "bytes"), (["x"], "list"), (bytearray(b"x"), "bytearray"):
        with pytest.raises(TypeError, match=f"the value of key 'good key' is {name}, not str.*values=\"json\""):
            hashlith.build(untouched, [("first", "text"), ("good key", value)])
    with pytest.raises(TypeError, match="the value of key 'k' is str, not bytes"):
        hashlith.build(untouched, {"first": b"", "k": "text"})
    with pytest.raises(TypeError, match="the value of key 'k' is int"):
        hashlith.build(untouched, {"k": 1})
    with pytest.raises(TypeError) as caught:
        hashlith.build(untouched, {"k" * 10_000: 1})
    assert len(str(caught.value)) < 400


def test_keys_of_another_type_name_the_key_and_the_type(untouched):
    for key, name in (1, "int"), (None, "NoneType"), (b"x", "bytes"), (("x",), "tuple"):
        with pytest.raises(TypeError, match=f"keys of this index are str, but .* is {name}"):
            hashlith.build(untouched, [("first", "text"), (key, "text")])
    with pytest.raises(TypeError, match="keys of this index are bytes, but 'k' is str"):
        hashlith.build(untouched, {b"first": "", "k": ""})
    with pytest.raises(TypeError, match="keys of this index are str, bytes or int, but 1.5 is float"):
        hashlith.build(untouched, {1.5: "text"})
    with pytest.raises(TypeError, match="keys of this index are bytes"):
        hashlith.build(untouched, {"k": "v"}, keys="bytes")


def test_lone_surrogates(untouched):
    bad = "a\ud800b"
    for first, record, options in (
        (("first", ""), (bad, "v"), {}),
        (("first", ""), ("k", bad), {}),
        (("first", ""), ("k", bad), {"values": "json"}),
        (("first", ""), ("k", [{"x": bad}]), {"values": "json"}),
        (("first", b""), (bad, b"v"), {"values": "bytes"}),
    ):
        for how in "build", "add", "add_many":
            with pytest.raises(UnicodeEncodeError, match="lone surrogate cannot be stored as text"):
                feed(untouched, [[first], [record]], how, **options)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, {"a": float("-inf")}]])
def test_values_that_json_does_not_have(value, untouched):
    with pytest.raises(hashlith.InputError, match="the value of key 'k'.*JSON"):
        hashlith.build(untouched, {"k": value}, values="json")


@pytest.mark.parametrize("value", [object(), b"x", {1, 2}, {("a",): 1}, [lambda: 1]])
def test_values_that_json_cannot_take(value, untouched):
    with pytest.raises(TypeError, match="the value of key 'k'"):
        hashlith.build(untouched, {"k": value}, values="json")


def test_values_that_contain_themselves(untouched):
    value = []
    value.append(value)
    with pytest.raises(ValueError, match="Circular"):
        hashlith.build(untouched, {"k": value}, values="json")


def test_nulls_in_columns(untouched):
    for keys, values, what in (["a", None], ["1", "2"], "key"), (["a", "b"], ["1", None], "value"):
        with pytest.raises(hashlith.InputError, match=f"the {what} of record 3 is null"):
            with hashlith.Builder(untouched) as builder:
                builder.add("first", "0")
                builder.add_many(pyarrow.array(keys), pyarrow.array(values))


def as_text(rows, layout="string"):
    """A column of strings with these bytes, UTF-8 or not: nothing checks them on the way."""
    if layout == "dictionary":
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(range(len(rows))), as_text(rows))
    binary = getattr(pyarrow, layout.replace("string", "binary"))()
    return pyarrow.array(rows, binary).view(getattr(pyarrow, layout)())


@pytest.mark.parametrize("layout", ["string", "large_string", "string_view", "dictionary"])
def test_strings_in_columns_that_are_not_utf8(layout, untouched):
    """Otherwise only `verify` and readers would find them."""
    good = [b"a", "\N{SNOWMAN}".encode(), b"c"]
    for bad in ([b"a", b"b", b"\xff"], [b"a", b"b", b"\xed\xa0\x80"], [b"a", b"b", b"\xe2\x98", b"\x83"]):
        rows = [*good, *(b"%d" % n for n in range(len(bad) - 3))]
        for keys, values, what in (bad, rows, "key"), (rows, bad, "value"):
            message = f"the {what} of record 4 is not valid UTF-8: cast the column to binary"
            with pytest.raises(hashlith.InputError, match=message):
                with hashlith.Builder(untouched) as builder:
                    builder.add("first", "0")
                    builder.add_many(as_text(keys, layout), as_text(values, layout))
            with pytest.raises(hashlith.InputError, match=message):
                with hashlith.Builder(untouched) as builder:
                    builder.add("first", "0")
                    chunks = [as_text(values[:2], layout), as_text(values[2:], layout)]
                    builder.add_many(as_text(keys, layout), pyarrow.chunked_array(chunks))


def test_only_the_rows_of_a_column_must_be_utf8(tmp_path):
    """Bytes outside a slice do not count, and binary columns need not be text."""
    rows = ["\N{SNOWMAN}" * n for n in range(1, 9)]
    column = as_text([b"\xff", *(row.encode() for row in rows), b"\xff\xff"])
    feed_two(tmp_path / "x.hlith", column[1:-1], column[1:-1])
    with hashlith.open(tmp_path / "x.hlith") as index:
        assert index == {row: row for row in rows}
    feed_two(tmp_path / "y.hlith", pyarrow.array([b"\xff"]), pyarrow.array([b"\xfe"]))
    with hashlith.open(tmp_path / "y.hlith") as index:
        assert index == {b"\xff": b"\xfe"}


def test_the_rows_before_a_bad_row_are_in(tmp_path):
    """A builder used further after a bad row of a column has the rows before it, and counts on from there."""
    path = tmp_path / "x.hlith"
    with hashlith.Builder(path) as builder:
        for number, bad in enumerate(["null", "text"]):
            good = [f"{number}-{n}".encode() for n in range(5)]
            values = as_text([*good, None if bad == "null" else b"\xff", b"never seen"])
            with pytest.raises(hashlith.InputError, match=f"the value of record {6 + 5 * number} is n"):
                builder.add_many(as_text([*good, b"bad", b"never"]), values)
    with hashlith.open(path) as index:
        assert index == {key: key for number in range(2) for n in range(5) for key in [f"{number}-{n}"]}


def feed_two(path, keys_of_all, values_of_all, **options):
    with hashlith.Builder(path, **options) as builder:
        builder.add_many(keys_of_all, values_of_all)


def test_columns_and_lists_of_other_lengths(untouched):
    for keys, values in (["a", "b"], ["1"]), (["a"], ["1", "2"]), ([], ["1"]), (["a"], []):
        with pytest.raises(ValueError, match="longer|shorter"):
            feed_two(untouched, keys, values)
        with pytest.raises(ValueError, match=f"{len(keys)} keys and {len(values)} values"):
            feed_two(untouched, pyarrow.array(keys, pyarrow.string()), pyarrow.array(values, pyarrow.string()))


def test_columns_of_other_types(untouched):
    text, raw, dates = pyarrow.array(["a"]), pyarrow.array([b"a"]), pyarrow.array([1], pyarrow.date32())
    floats = pyarrow.array([1.5])
    for keys, values, options in (
        (text, ["a"], {}),
        (["a"], text, {}),
        (dates, text, {}),
        (text, dates, {}),
        (floats, text, {}),
        (text, floats, {"values": "float32"}),
        (raw, text, {"keys": "text"}),
        (text, text, {"values": "bytes"}),
        (text, text, {"values": "json"}),
        (pyarrow.table({"a": text}), text, {}),
    ):
        with pytest.raises(TypeError, match="column"):
            feed_two(untouched, keys, values, **options)
    with pytest.raises(TypeError, match="columns have other types"):
        with hashlith.Builder(untouched) as builder:
            builder.add("a", "1")
            builder.add_many(raw, raw)


def test_an_empty_column_without_a_type_says_nothing(tmp_path):
    """`pyarrow.array([])` has the type null, which fits keys and values of any type."""
    for options in {}, {"keys": "bytes", "values": "bytes"}:
        with hashlith.Builder(tmp_path / "x.hlith", **options) as builder:
            builder.add_many(pyarrow.array([]), pyarrow.array([]))
            builder.add_many(pyarrow.array([b"k"]), pyarrow.array([b"v"]))
        with hashlith.open(tmp_path / "x.hlith") as index:
            assert index == {b"k": b"v"}


def test_the_records_before_a_bad_record_are_in(tmp_path):
    """A builder used further after a bad record has all records before it, like a dict after `update`."""
    path = tmp_path / "x.hlith"
    expected = {}
    with hashlith.Builder(path) as builder:
        for number, bad in enumerate([3, ("a", 1), ("\ud800", "v"), ("a", "b", "c")]):
            good = {f"{number}-{n}": str(n) for n in range(5)}
            with pytest.raises((TypeError, ValueError)):
                builder.add_many([*good.items(), bad, ("never", "seen")])
            expected.update(good)
        assert builder.is_open
    with hashlith.open(path) as index:
        assert index == expected
