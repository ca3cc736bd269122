"""A build takes records in bounded memory, one by one or in batches, and puts its file in place in one step. A build that
fails leaves nothing behind.
"""

import collections
import gzip
import json
import os
import pathlib
import pickle
import threading

import pyarrow
import pyarrow.compute
import pytest

import hashlith
from building import OLD, check_old, columns


def test_the_block_builds_when_it_ends(target):
    with hashlith.Builder(target) as builder:
        assert type(builder) is hashlith.Builder and builder.is_open
        assert builder.add("a", "1") is None and builder.add_many({"b": "2"}) is None
        with hashlith.open(target) as index:
            assert index == OLD
        assert not hasattr(builder, "report")
    assert not builder.is_open and builder.report.keys == 2
    with hashlith.open(target) as index:
        assert index == {"a": "1", "b": "2"}
    assert os.listdir(target.parent) == [target.name]


def test_an_exception_in_the_block_leaves_nothing(target):
    for error in LookupError("of the block"), KeyboardInterrupt(), SystemExit(3), GeneratorExit():
        with pytest.raises(type(error)) as caught:
            with hashlith.Builder(target) as builder:
                builder.add_many((str(n), str(n)) for n in range(10_000))
                raise error
        assert caught.value is error and not builder.is_open
        check_old(target)


def test_without_a_block(target):
    builder = hashlith.Builder(target)
    builder.add("a", "1")
    report = builder.finish()
    assert type(report) is hashlith.BuildReport and builder.report is report
    with hashlith.open(target) as index:
        assert index == {"a": "1"}


def test_a_builder_that_is_aborted_or_forgotten_leaves_nothing(target):
    builder = hashlith.Builder(target)
    builder.add("a", "1")
    assert builder.abort() is None and builder.abort() is None and not builder.is_open
    check_old(target)
    builder = hashlith.Builder(target)
    builder.add_many((str(n), str(n)) for n in range(10_000))
    del builder
    check_old(target)
    hashlith.Builder(target)
    check_old(target)


def test_the_block_does_not_finish_what_was_finished_or_aborted(target):
    with hashlith.Builder(target) as builder:
        builder.add("a", "1")
        report = builder.finish()
    assert builder.report is report
    with hashlith.open(target) as index:
        assert index == {"a": "1"}
    before = target.read_bytes()
    with hashlith.Builder(target) as builder:
        builder.add("b", "2")
        builder.abort()
    assert not hasattr(builder, "report") and not builder.is_open
    assert target.read_bytes() == before and os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("end", ["finish", "abort", "fail"])
def test_nothing_is_added_after_the_end(end, target):
    builder = hashlith.Builder(target)
    builder.add("a", "1")
    if end == "fail":
        builder.add("a", "2")
        with pytest.raises(hashlith.DuplicateKeyError):
            builder.finish()
    else:
        getattr(builder, end)()
    assert not builder.is_open
    for use in (
        lambda: builder.add("b", "2"),
        lambda: builder.add_many([("b", "2")]),
        lambda: builder.add_many([]),
        lambda: builder.add_many(["b"], ["2"]),
        lambda: builder.add_many(pyarrow.array(["b"]), pyarrow.array(["2"])),
        lambda: builder.finish(),
        lambda: builder.finish(),
    ):
        with pytest.raises(ValueError, match="build|nothing more"):
            use()
    builder.abort()
    with hashlith.open(target) as index:
        assert index == ({"a": "1"} if end == "finish" else OLD)


def test_old_handles_keep_the_old_file(target):
    with hashlith.open(target) as old:
        hashlith.build(target, {"new": "record"})
        assert old == OLD
        with hashlith.open(target) as new:
            assert new == {"new": "record"} and new.digest != old.digest


def test_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]
    report = hashlith.build("x.hlith", records, on_duplicate="last")
    assert report == hashlith.BuildReport(
        path=str(tmp_path / "x.hlith"),
        records=4,
        keys=3,
        duplicates=1,
        skipped=0,
        first_skipped=(),
        notes=(),
        nbytes=os.stat("x.hlith").st_size,
        spilled_bytes=0,
        seconds=report.seconds,
    )
    assert type(report.seconds) is float and report.seconds >= 0
    (tmp_path / "x.tsv").write_text("a\t1\nbad\nb\t2\n")
    report = hashlith.build_from_files("y.hlith", "x.tsv", on_error="skip")
    assert (report.records, report.keys, report.duplicates, report.skipped) == (2, 2, 0, 1)
    assert (report.path, report.nbytes) == (str(tmp_path / "y.hlith"), os.stat("y.hlith").st_size)
    assert report.first_skipped[0].startswith("x.tsv, line 2: ") and len(report.first_skipped) == 1


def test_a_relative_path_is_resolved_at_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    builder = hashlith.Builder("x.hlith")
    monkeypatch.chdir("/")
    assert builder.finish().path == str(tmp_path / "x.hlith")
    assert (tmp_path / "x.hlith").is_file()


def test_the_first_record_sets_the_types(make):
    for records, types in (
        ({"k": "v"}, ("str", "str")),
        ({b"k": b"v"}, ("bytes", "bytes")),
        ({"k": b"v"}, ("str", "bytes")),
        ({b"k": "v"}, ("bytes", "str")),
        ({}, ("str", "str")),
    ):
        with hashlith.open(make(records)) as index:
            assert (index.key_type, index.value_type) == types and index == records


def test_odd_keys_and_values(make):
    records = {"": "", "\0": "\0\0", "\n\t\r\\": "\u2028", "\U0010ffff": "\ud7ff\ue000", "k" * 300_000: "v" * 3_000_000}
    with hashlith.open(make(records)) as index:
        assert index == records and dict(index) == records
    raw = {b"": b"\xff", bytes(range(256)): b"", b"\xed\xa0\x80": b"\0" * 1000, b"k" * 70_000: b"v" * 2**21}
    with hashlith.open(make(raw)) as index:
        assert index == raw and dict(index) == raw


def test_json_values_come_back_as_json_loads_returns_them(make):
    records = {
        "nothing": None,
        "numbers": [0, -1, 2**70, 1.5, -0.0, 1e300, 5e-324, True, False],
        "text": "\u00e9\U0001f600\u2028\0\"\\/\n",
        "nested": {"a": [{"b": [[], {}, ""]}]},
        "tuple": (1, (2, 3)),
        "keys": {2: "int", None: "none", True: "bool", 1.5: "float"},
        "deep": json.loads("[" * 300 + "]" * 300),
        "": 7,
    }
    expected = json.loads(json.dumps(records))
    with hashlith.open(make(records, values="json")) as index:
        assert {key: repr(value) for key, value in index.items()} == {key: repr(expected[key]) for key in expected}
        assert index == expected and index != records
    path = make(records, values="json")
    assert hashlith.verify(path).keys == len(records)


def test_json_text_is_compact(make):
    with hashlith.open(make({"k": {"a": [1, "\u00e9"]}}, values="json"), decode_json=False) as index:
        assert index["k"] == '{"a":[1,"\u00e9"]}'


def test_keys_of_json_are_str_or_bytes(make):
    with hashlith.open(make({b"k": [1]}, values="json")) as index:
        assert index == {b"k": [1]}


def test_subclasses_of_str_and_bytes_are_taken(make):
    class Text(str):
        pass

    class Raw(bytes):
        pass

    class Pair(collections.namedtuple("Pair", "key value")):
        pass

    with hashlith.open(make([Pair(Text("k"), Raw(b"v"))])) as index:
        assert index == {"k": b"v"} and type(index["k"]) is bytes and type(next(iter(index))) is str


def test_seeds(make):
    records = {str(n): str(n) for n in range(2000)}
    paths = [make(records, seed=seed) for seed in (0, 0, 1, 2**64 - 1, "random", "random")]
    seeds = [hashlith.info(path)["seed"] for path in paths]
    assert seeds[:4] == [0, 0, 1, 2**64 - 1] and len(set(seeds)) == 5
    files = [path.read_bytes() for path in paths]
    assert files[0] == files[1] and len(set(files)) == 5
    for path in paths:
        with hashlith.open(path) as index:
            assert index == records
        assert hashlith.verify(path).keys == 2000


@pytest.mark.parametrize("bits", range(1, 17))
def test_fingerprint_bits(bits, make):
    records = {str(n): str(n) for n in range(500)}
    path = make(records, fingerprint_bits=bits)
    assert hashlith.info(path)["fingerprint_bits"] == bits
    with hashlith.open(path) as index:
        assert index == records and index.get_many([f"absent {n}" for n in range(1000)]) == [None] * 1000


def test_metadata_that_is_not_json_is_refused(tmp_path):
    """A file with it would be damaged (V9)."""
    for bad in float("nan"), [float("inf")]:
        with pytest.raises(ValueError):
            hashlith.build(tmp_path / "x.hlith", OLD, metadata={"bad": bad})
    assert os.listdir(tmp_path) == []


def test_every_built_file_is_sound(make):
    """`verify` accepts every file that a build makes."""
    for metadata in None, {}, {"a": [1, None]}, {"\ud800": "\udfff\u2028"}, {1: {2: 3}}, {"a": 10**400}, {"a": 1e308}:
        assert hashlith.verify(make(OLD, metadata=metadata)).keys == 1


def test_threads_that_add_at_once_lose_nothing(make, tmp_path):
    path, begun, wrong = tmp_path / "x.hlith", threading.Barrier(8), []

    def work(builder, number):
        own = [(f"{number} {n}", f"value {n}") for n in range(6000)]
        begun.wait()
        try:
            if number % 4 == 0:
                for key, value in own:
                    builder.add(key, value)
            elif number % 4 == 1:
                for at in range(0, 6000, 100):
                    builder.add_many(own[at : at + 100])
            elif number % 4 == 2:
                builder.add_many(iter(own))
            else:
                builder.add_many(pyarrow.array([key for key, _ in own]), pyarrow.array([value for _, value in own]))
        except BaseException as error:
            wrong.append(error)

    with hashlith.Builder(path) as builder:
        threads = [threading.Thread(target=work, args=(builder, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == [] and (builder.report.records, builder.report.keys) == (48_000, 48_000)
    expected = {f"{number} {n}": f"value {n}" for number in range(8) for n in range(6000)}
    with hashlith.open(path) as index:
        assert index == expected
    assert path.read_bytes() == make(expected).read_bytes()


def test_an_iterable_that_adds_to_its_builder(tmp_path):
    """An iterable may add to the builder that it feeds."""

    def records():
        for n in range(9000):
            builder.add(f"inner {n}", "i")
            yield f"outer {n}", "o"

    with hashlith.Builder(tmp_path / "x.hlith") as builder:
        builder.add_many(records())
    assert builder.report.keys == 18_000


def test_an_iterable_that_ends_the_builder(target):
    def records():
        for n in range(10_000):
            if n == 100:
                builder.abort()
            yield str(n), ""

    builder = hashlith.Builder(target)
    with pytest.raises(ValueError, match="given up"):
        builder.add_many(records())
    check_old(target)


def test_records_that_do_not_fit_into_memory_go_through_files(target, tmp_path):
    count = 500_000
    keys, values = columns(count, 100)
    temp = tmp_path / "temp"
    temp.mkdir()
    with hashlith.Builder(target, memory="48M", threads=2, temp_dir=temp) as builder:
        builder.add_many(keys[: count // 2], values[: count // 2])
        builder.add_many(keys[count // 2 :], values[count // 2 :])
    report = builder.report
    assert report.keys == count and report.spilled_bytes > 20 << 20
    assert os.listdir(temp) == [] and os.listdir(target.parent) == [target.name]
    with hashlith.open(target) as index:
        assert index.get_many_arrow(keys).to_pyarrow().equals(values.cast(pyarrow.large_string()))
    spilled = target.read_bytes()
    with hashlith.Builder(target, memory=1 << 30) as builder:
        builder.add_many(keys, values)
    assert builder.report.spilled_bytes == 0 and target.read_bytes() == spilled


@pytest.mark.parametrize("memory", ["48M", "50331648", 48 << 20, "0.1GiB", "1g", "64 MiB"])
def test_memory_is_a_number_or_a_size(memory, tmp_path):
    assert hashlith.build(tmp_path / "x.hlith", OLD, memory=memory, threads=2).keys == 1


def test_all_formats_of_files(tmp_path):
    expected = {f"key {n}": f"value {n}" for n in range(100)}
    rows = list(expected.items())
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    files = {
        "x.pkl": pickle.dumps(expected),
        "x.tsv": "".join(f"{key}\t{value}\n" for key, value in rows).encode(),
        "x.csv": ("key,value\n" + "".join(f"{key},{value}\n" for key, value in rows)).encode(),
        "x.jsonl": "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in rows).encode(),
        "x.cdbmake": "".join(f"+{len(key)},{len(value)}:{key}->{value}\n" for key, value in rows).encode() + b"\n",
    }
    reference = tmp_path / "reference.hlith"
    hashlith.build(reference, expected)
    for name, data in files.items():
        for suffix, packed in ("", data), (".gz", gzip.compress(data)):
            source = inputs / (name + suffix)
            source.write_bytes(packed)
            for given in source, str(source), [source], (str(source),), iter([source]):
                report = hashlith.build_from_files(tmp_path / "x.hlith", given)
                assert report.keys == 100 and (tmp_path / "x.hlith").read_bytes() == reference.read_bytes()
            other = source.rename(inputs / "no extension")
            if not suffix:
                hashlith.build_from_files(tmp_path / "x.hlith", other, format=name[2:].replace("pkl", "pickle"))
                assert (tmp_path / "x.hlith").read_bytes() == reference.read_bytes()
            other.rename(source)
    report = hashlith.build_from_files(tmp_path / "x.hlith", inputs, on_duplicate="first")
    assert (report.records, report.keys, report.duplicates) == (1000, 100, 900)
    # The number of cells depends on the number of records, duplicates included, so the bytes differ.
    with hashlith.open(tmp_path / "x.hlith") as index:
        assert dict(index.items()) == expected


def test_options_of_formats(tmp_path):
    path = tmp_path / "x.hlith"

    def built(name, data, **options):
        (tmp_path / name).write_text(data)
        hashlith.build_from_files(path, tmp_path / name, **options)
        with hashlith.open(path) as index:
            return dict(index)

    people, numbers = "id,name,age\n1,a,2\n3,b,4\n", '{"id":"a","n":{"x":1}}\n'
    assert built("x.csv", people, header=True, key_column="name", value_column=1) == {"a": "1", "b": "3"}
    assert built("x.csv", "id,name\n1,a\n") == {"1": "a"}
    assert built("x.csv", "id,name\n1,a\n", header=False) == {"id": "name", "1": "a"}
    assert built("x.tsv", "id|a|b\n1|2|3\n", delimiter="|", key_column=["b", "id"], value_column="a", join="-") == {"3-1": "2"}
    both = dict(key_column=1, value_column=["a", "b"], values="json")
    assert built("x.csv", "id,a,b\n1,2,3\n", **both) == {"1": {"a": "2", "b": "3"}}
    assert built("x.jsonl", numbers, key_field="id", value_field="n", values="json") == {"a": {"x": 1}}
    assert built("x.tsv", "a\\t\tb\\n\n", escape=True) == {"a\t": "b\n"}
    assert built("x.tsv", "a\\t\tb\\n\n", escape=False) == {"a\\t": "b\\n"}
    assert built("x.tsv", "a\tb\n", keys="bytes", values="bytes") == {b"a": b"b"}
    assert built("x.unknown", "a\tb\n", format="tsv") == {"a": "b"}


def test_a_folder_is_read_with_its_subfolders(tmp_path):
    folder = tmp_path / "inputs" / "below"
    folder.mkdir(parents=True)
    (folder / "1.tsv").write_text("a\tb\n")
    (folder.parent / "2.pkl").write_bytes(pickle.dumps({"c": "d"}))
    (folder / "notes.md").write_text("no records")
    hashlith.build_from_files(tmp_path / "x.hlith", folder.parent)
    with hashlith.open(tmp_path / "x.hlith") as index:
        assert index == {"a": "b", "c": "d"}
    assert pathlib.Path(index.path).parent == tmp_path
