"""Whatever goes wrong is an exception of the documented class with its attributes filled in, and a build that fails
leaves nothing behind: no file, no temporary file, and an old file at that path as it was.
"""

import copy
import os
import pathlib
import pickle
import random
import subprocess
import sys
import textwrap

import craft
import oracle
import pyarrow
import pytest

import hashlith

OLD = {"old": "record"}
TEXT, JSON = oracle.TEXT, oracle.JSON


@pytest.fixture
def target(tmp_path):
    """A path to build at. It holds an index already, which must still be there in the end, and nothing else."""
    folder = tmp_path / "target"
    folder.mkdir()
    path = folder / "x.hlith"
    hashlith.build(path, OLD)
    before = path.read_bytes()
    yield path
    assert path.read_bytes() == before
    assert os.listdir(folder) == ["x.hlith"]


def run(script, **options):
    """Runs Python code in a process of its own; what fails there fails here, and so does waiting for too long."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tree_of_exceptions():
    bases = {name: getattr(hashlith, name).__bases__ for name in hashlith.__all__ if name.endswith("Error")}
    assert bases == {
        "Error": (Exception,),
        "CorruptError": (hashlith.Error,),
        "DuplicateKeyError": (hashlith.Error, ValueError),
        "InputError": (hashlith.Error, ValueError),
        "ReplacedError": (hashlith.Error,),
    }
    assert not issubclass(hashlith.CorruptError, (ValueError, OSError, KeyError))


@pytest.mark.parametrize(
    "error",
    [
        hashlith.Error("message"),
        hashlith.CorruptError("message", path="/a", rule="R7", offset=32),
        hashlith.DuplicateKeyError("message", key="k", first="record 1", second="record 2"),
        hashlith.DuplicateKeyError("message", key=b"\xff", first="record 1", second="record 2"),
        hashlith.InputError("message", path="a.tsv", line=3, offset=17),
        hashlith.ReplacedError("message", path="/a"),
        hashlith.CorruptError(),
        hashlith.DuplicateKeyError(),
        hashlith.InputError(),
        hashlith.ReplacedError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_exceptions_are_pickled_with_their_attributes(error):
    for again in *(pickle.loads(pickle.dumps(error, n)) for n in range(6)), copy.copy(error), copy.deepcopy(error):
        assert type(again) is type(error) and again.args == error.args and vars(again) == vars(error)
        assert str(again) == str(error)


def test_exceptions_that_were_raised_are_pickled(write, target):
    damaged = write(b"hello" * 2000)
    with pytest.raises(hashlith.CorruptError) as corrupt:
        hashlith.open(damaged)
    with pytest.raises(hashlith.DuplicateKeyError) as duplicate:
        hashlith.build(target, [("a", "1"), ("a", "2")])
    for caught in corrupt, duplicate:
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is caught.type and vars(again) == vars(caught.value) and str(again) == str(caught.value)
        assert all(value is not None for value in vars(again).values())


# What the system refuses ----------------------------------------------------------------------------------------------

READING = {"open": hashlith.open, "verify": hashlith.verify, "info": hashlith.info}
READING["open in memory"] = lambda path: hashlith.open(path, in_memory=True)
each_reading = pytest.mark.parametrize("read", READING.values(), ids=READING)


@each_reading
def test_a_missing_file(read, tmp_path):
    for missing in tmp_path / "missing.hlith", tmp_path / "no folder" / "missing.hlith":
        with pytest.raises(FileNotFoundError, match="missing.hlith") as caught:
            read(missing)
        assert caught.value.filename == str(missing) and caught.value.errno == 2


@each_reading
def test_a_directory(read, tmp_path):
    with pytest.raises(IsADirectoryError, match="name an index file") as caught:
        read(tmp_path)
    assert caught.value.filename == str(tmp_path)


def test_a_directory_to_build_at(tmp_path):
    for build in (
        lambda: hashlith.build(tmp_path, OLD),
        lambda: hashlith.Builder(tmp_path),
        lambda: hashlith.build_from_files(tmp_path, tmp_path / "x.tsv"),
    ):
        with pytest.raises(IsADirectoryError, match="name a file") as caught:
            build()
        assert caught.value.filename == str(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_to_build_in(tmp_path):
    (tmp_path / "file").write_text("")
    for folder, error in (tmp_path / "missing", FileNotFoundError), (tmp_path / "file", NotADirectoryError):
        for build in hashlith.Builder, lambda path: hashlith.build(path, OLD), lambda path: hashlith.build_from_files(
            path, tmp_path / "file"
        ):
            with pytest.raises(error):
                build(folder / "x.hlith")
    with pytest.raises(FileNotFoundError, match="missing"):
        hashlith.build(tmp_path / "x.hlith", OLD, temp_dir=tmp_path / "missing")
    assert os.listdir(tmp_path) == ["file"]


def test_what_may_not_be_read_or_written(tmp_path):
    """In a process without root's rights, which would be above all permissions."""
    run(f"""
        import os, pathlib, shutil, tempfile
        import hashlith

        folder = pathlib.Path(tempfile.mkdtemp())
        folder.chmod(0o755)
        hashlith.build(folder / "x.hlith", {OLD})
        (folder / "x.hlith").chmod(0)
        (folder / "x.tsv").write_text("a\\tb\\n")
        (folder / "x.tsv").chmod(0)
        user = os.geteuid()
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        calls = {{
            "x.hlith": [
                hashlith.open, lambda path: hashlith.open(path, in_memory=True), hashlith.verify, hashlith.info
            ],
            "new.hlith": [lambda path: hashlith.build(path, {OLD}), hashlith.Builder],
            "x.tsv": [lambda path: hashlith.build_from_files(folder.parent / f"hashlith-{{os.getpid()}}", path)],
        }}
        wrong = []
        for name in calls:
            for call in calls[name]:
                try:
                    call(folder / name)
                except PermissionError as error:
                    if not error.filename.startswith(str(folder)):
                        wrong.append((name, error, error.filename))
                else:
                    wrong.append((name, "no error"))
        os.seteuid(user)
        folder.chmod(0o755)
        left = sorted(os.listdir(folder))
        shutil.rmtree(folder)
        assert wrong == [] and left == ["x.hlith", "x.tsv"], (wrong, left)
    """)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    run(f"""
        import hashlith

        path = {str(tmp_path / "pipe")!r}
        calls = [hashlith.open, lambda path: hashlith.open(path, in_memory=True), hashlith.verify, hashlith.info]
        calls += [lambda path: hashlith.build(path, {{}}), hashlith.Builder]
        for call in calls:
            try:
                call(path)
            except OSError as error:
                assert error.filename == path and "pipe" in str(error), error
            else:
                raise AssertionError("a pipe is no index")
    """)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused(device):
    for call in hashlith.open, hashlith.verify, hashlith.info, lambda path: hashlith.build(path, OLD):
        with pytest.raises(OSError, match=device):
            call(device)
    assert pathlib.Path(device).is_char_device()


def test_messages_do_not_repeat_the_path(tmp_path):
    """An OSError has its path in `filename`, and shows it."""
    with pytest.raises(FileNotFoundError) as caught:
        hashlith.open(tmp_path / "missing.hlith")
    assert str(caught.value).count("missing.hlith") == 1
    assert "os error" not in str(caught.value)


# Damage ---------------------------------------------------------------------------------------------------------------


def check_corrupt(call, path, rule, offset):
    with pytest.raises(hashlith.CorruptError) as caught:
        call()
    error = caught.value
    assert (error.path, error.rule, error.offset) == (str(path), rule, offset)
    assert str(path) in str(error)


@each_reading
def test_a_file_that_was_cut_off(read, path, write):
    data = path.read_bytes()
    for length in 0, 1, 8, 4095:
        short = write(data[:length])
        check_corrupt(lambda: read(short), short, "R1", length)
    for length in 4096, 4097, 8192, len(data) - 1:
        short = write(data[:length])
        check_corrupt(lambda: read(short), short, "R7", 32)
    longer = write(data + b"\0")
    check_corrupt(lambda: read(longer), longer, "R7", 32)


@each_reading
def test_a_file_of_another_format(read, write):
    for data in b"hello" * 2000, bytes(10_000), b"SQLite format 3\0" * 1000:
        foreign = write(data)
        check_corrupt(lambda: read(foreign), foreign, "R2", 0)


def test_each_flipped_bit_of_header_and_directory_is_found(path):
    data = path.read_bytes()
    directory, length = oracle.Index(data).header.sections[oracle.DIRECTORY]
    rng = random.Random(1)
    places = [*range(200), *range(4080, 4096), *rng.sample(range(200, 4080), 200)]
    places += range(directory, directory + length)
    found = set()
    with open(path, "r+b", buffering=0) as file:
        for at in places:
            flipped = bytes([data[at] ^ 1 << rng.randrange(8)])
            os.pwrite(file.fileno(), flipped, at)
            with pytest.raises(hashlith.CorruptError) as caught:
                hashlith.open(path)
            error = caught.value
            assert (error.rule, error.offset) == oracle_verdict(path.read_bytes()), at
            assert error.path == str(path)
            found.add(error.rule)
            os.pwrite(file.fileno(), data[at : at + 1], at)
    assert found >= {"R2", "R3", "R4", "R15"}
    assert hashlith.verify(path).keys == 300


def oracle_verdict(data):
    try:
        oracle.Index(data).verify()
    except oracle.Corrupt as fault:
        return fault.rule, fault.offset
    return None, None


def column(*keys):
    return pyarrow.array(keys)


LOOKUPS = {
    "[]": lambda index, key: index[key],
    "in": lambda index, key: key in index,
    "get": lambda index, key: index.get(key),
    "get_many": lambda index, key: index.get_many([key]),
    "get_many of a generator": lambda index, key: index.get_many(key for key in [key]),
    "get_many of more": lambda index, key: index.get_many([*(f"absent {n}" for n in range(2000)), key]),
    "get_many_arrow": lambda index, key: index.get_many_arrow(column(key)),
    "get_many_arrow of more": lambda index, key: index.get_many_arrow(column(None, "absent", key, None)),
    "ids": lambda index, key: index.ids([key]),
    "ids of a column": lambda index, key: index.ids(column(key)),
    "by_id": lambda index, key: index.by_id(0),
    "list": lambda index, key: list(index),
    "keys": lambda index, key: list(index.keys()),
    "values": lambda index, key: list(index.values()),
    "items": lambda index, key: list(index.items()),
    "in values": lambda index, key: "absent" in index.values(),
    "==": lambda index, key: index == {key: "v"},
}
# Those that have no value as text.
BLIND = {"in", "ids", "ids of a column", "list", "keys"}


@pytest.mark.parametrize("name", LOOKUPS)
def test_damaged_lengths_of_a_record_are_found(name, write):
    """R22, whatever call meets it: the record at 4096 says that it is longer than its block."""
    data = bytearray(craft.make([(b"k", b"v")], key_type=TEXT, value_type=TEXT).seal())
    assert data[4096:4100] == b"\x01\x01kv"
    for at, damage in (4097, b"\x7f"), (4096, b"\x7f"), (4096, b"\xff\xff\xff\xff"):
        broken = bytes(data[:at]) + damage + bytes(data[at + len(damage) :])
        for in_memory in False, True:
            path = write(broken)
            with hashlith.open(path, in_memory=in_memory) as index:
                check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R22", 4096)
                check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R22", 4096)


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_value_that_is_no_text_is_found(name, write):
    """R23: a text index holds a value that is not UTF-8."""
    for value in b"\xff", b"abc\xed\xa0\x80", b"\xc0\x80" * 5000:
        path = write(craft.make([(b"k", value)], key_type=TEXT, value_type=TEXT).seal())
        with hashlith.open(path) as index:
            if name in BLIND:
                LOOKUPS[name](index, "k")
            else:
                place = 4096 + len(craft.varint(1)) + len(craft.varint(len(value))) + 1
                check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R23", place)


@pytest.mark.parametrize("name", sorted(set(LOOKUPS) - BLIND - {"get_many_arrow", "get_many_arrow of more"}))
def test_a_value_that_is_no_json_is_found(name, write):
    for value in b"nul", b"", b"[1,]", b"1 2", b"{'a': 1}", b"\xef\xbb\xbf1":
        path = write(craft.make([(b"k", value)], key_type=TEXT, value_type=JSON).seal())
        with hashlith.open(path) as index:
            check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "V8", 4099)
        with hashlith.open(path, decode_json=False) as index:
            assert index["k"] == value.decode()
    path = write(craft.make([(b"k", b'"\xff"')], key_type=TEXT, value_type=JSON).seal())
    with hashlith.open(path) as index:
        check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R23", 4099)


def test_json_that_python_cannot_hold_is_no_damage(write):
    """`verify` finds nothing wrong with these values, and rightly; what json.loads says of them passes through."""
    for value, error in (b"9" * 5000, ValueError), (b"[" * 200_000 + b"]" * 200_000, RecursionError):
        path = write(craft.make([(b"k", value)], key_type=TEXT, value_type=JSON).seal())
        assert hashlith.verify(path).keys == 1
        with hashlith.open(path) as index:
            with pytest.raises(error):
                index["k"]
        with hashlith.open(path, decode_json=False) as index:
            assert index["k"] == value.decode()


def test_a_bad_key_of_a_text_index_is_found_by_iteration(write):
    path = write(craft.make([(b"\xff", b"v")], key_type=TEXT, value_type=TEXT).seal())
    with hashlith.open(path) as index:
        for call in lambda: list(index), lambda: list(index.items()), lambda: index.by_id(0):
            with pytest.raises(hashlith.CorruptError, match="a key is not UTF-8") as caught:
                call()
            assert caught.value.offset == 4098
        assert list(index.values()) == ["v"]


def test_one_bad_record_among_many_leaves_the_others(write):
    pairs = [(b"%d" % n, b"value %d" % n) for n in range(300)]
    data = bytearray(craft.make(pairs, key_type=TEXT, value_type=TEXT).seal())
    at = data.index(b"value 77") + 6
    data[at] = 0xFF
    path = write(bytes(data))
    others = [str(n) for n in range(300) if n != 77]
    with hashlith.open(path) as index:
        assert index.get_many(others) == [f"value {n}" for n in others]
        for call in (
            lambda: index["77"],
            lambda: index.get_many([*others, "77"]),
            lambda: index.get_many_arrow(column(*others, None, "77", *others)),
            lambda: list(index.values()),
        ):
            check_corrupt(call, path, "R23", at - 6)
        assert len(list(index)) == 300
        iterator, seen = iter(index.items()), []
        with pytest.raises(hashlith.CorruptError):
            for item in iterator:
                seen.append(item)
        assert len(seen) + 1 + len(list(iterator)) == 300


def test_a_remap_entry_that_leads_outside(write):
    pairs = [(b"%d" % n, b"%d" % n) for n in range(300)]
    data = craft.make(pairs, key_type=TEXT, value_type=TEXT).seal()
    index = oracle.Index(data)
    block = index.block(0)
    remapped, raw = next((key, index._find(key)[2]) for key, _ in pairs if index._find(key)[2] >= block.n)
    at = index._remap_at(block) + 4 * (raw - block.n)
    path, key = write(data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]), remapped.decode()
    with hashlith.open(path) as index:
        for name in "[]", "in", "get", "get_many", "get_many_arrow", "ids", "==":
            if name != "==":
                check_corrupt(lambda: LOOKUPS[name](index, key), path, "R21", at)
        check_corrupt(lambda: index == dict(index.items()), path, "R21", at)


@pytest.mark.parametrize("metadata", [b"{", b"[]", b"null", b"{}x", b"\xff", b'{"a":"\xff"}', b" "])
def test_damaged_metadata_are_found(metadata, write):
    """V9, as `verify` says: they are not a JSON object."""
    path = write(craft.File([craft.Parts()], metadata=metadata).seal())
    check_corrupt(lambda: hashlith.verify(path), path, "V9", 8192)
    with hashlith.open(path) as index:
        check_corrupt(lambda: index.metadata, path, "V9", 8192)


# Duplicates -----------------------------------------------------------------------------------------------------------


def feed(path, parts, how, **options):
    """Builds with the records of all parts, in their order."""
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
def test_a_key_that_comes_twice(how, target):
    for as_key, key in (str, "7"), (lambda n: str(n).encode(), b"7"):
        parts = [[(as_key(n), str(n)) for n in range(10)], [(as_key(n), str(n)) for n in (20, 7, 21)]]
        message = "there twice.*record 8 and record 12.*on_duplicate"
        with pytest.raises(hashlith.DuplicateKeyError, match=message) as caught:
            feed(target, parts, how)
        error = caught.value
        assert error.key == key and type(error.key) is type(key)
        assert (error.first, error.second) == ("record 8", "record 12")
        assert isinstance(error, ValueError) and isinstance(error, hashlith.Error)


@each_way
def test_first_and_last_go_by_the_order_of_the_input(how, tmp_path):
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


def test_duplicates_in_files(target, tmp_path):
    (tmp_path / "words.tsv").write_text("a\t1\nb\t2\na\t3\n")
    with pytest.raises(hashlith.DuplicateKeyError) as caught:
        hashlith.build_from_files(target, tmp_path / "words.tsv")
    name = tmp_path / "words.tsv"
    assert (caught.value.key, caught.value.first, caught.value.second) == ("a", f"{name}, line 1", f"{name}, line 3")
    with pytest.raises(hashlith.DuplicateKeyError) as caught:
        hashlith.build_from_files(target, tmp_path / "words.tsv", keys="bytes")
    assert caught.value.key == b"a"
    for policy, value in ("first", "1"), ("last", "3"):
        hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "words.tsv", on_duplicate=policy)
        with hashlith.open(tmp_path / "x.hlith") as index:
            assert index == {"a": value, "b": "2"}


# Records that are none ------------------------------------------------------------------------------------------------


def test_what_is_no_pair(target):
    good = [("a", "1"), ["b", "2"]]
    for bad in ("c", "3", "x"), ("c",), (), "cd", b"cd", 3, None, {"c", "3"}, {"c": "3"}, ["c", "3", "x"], 1.5:
        for records in [*good, bad], iter([*good, bad]), (record for record in [*good, bad]):
            with pytest.raises(hashlith.InputError, match=r"record 3 is no pair") as caught:
                hashlith.build(target, records)
            assert (caught.value.path, caught.value.line, caught.value.offset) == (None, None, None)
            assert type(bad).__name__ in str(caught.value)
    with pytest.raises(hashlith.InputError, match="tuple of length 3"):
        hashlith.build(target, [("c", "3", "x")])


def test_the_number_of_a_record_counts_all_that_came_before(target):
    with pytest.raises(hashlith.InputError, match="record 6005 "):
        with hashlith.Builder(target) as builder:
            builder.add("a", "1")
            builder.add_many({"b": "2", "c": "3"})
            builder.add_many(pyarrow.array(["d"]), pyarrow.array(["4"]))
            builder.add_many([*((str(n), "") for n in range(6000)), 3])


def test_records_that_are_not_iterable(target):
    for records in 3, None, object(), 1.5:
        with pytest.raises(TypeError, match="not iterable"):
            hashlith.build(target, records)


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_an_iterable_that_raises(count, target):
    """The very exception passes through."""
    raised = LookupError("of the iterable")

    def records():
        yield from ((str(n), "v" * 100) for n in range(count))
        raise raised

    for build in (
        lambda: hashlith.build(target, records()),
        lambda: hashlith.build(target, records(), memory="48M", threads=2),
        lambda: feed(target, [records()], "add_many"),
        lambda: feed(target, [records()], "add"),
    ):
        with pytest.raises(LookupError) as caught:
            build()
        assert caught.value is raised


def test_a_mapping_that_raises(target):
    class Bad:
        def items(self):
            raise LookupError("of items")

    with pytest.raises(LookupError, match="of items"):
        hashlith.build(target, Bad())


def test_values_of_another_type_name_the_key_and_the_type(target):
    for value, name in (1, "int"), (None, "NoneType"), (b"x", "bytes"), (["x"], "list"), (bytearray(b"x"), "bytearray"):
        with pytest.raises(TypeError, match=f"the value of key 'good key' is {name}, not str.*values=\"json\""):
            hashlith.build(target, [("first", "text"), ("good key", value)])
    with pytest.raises(TypeError, match="the value of key 'k' is str, not bytes"):
        hashlith.build(target, {"first": b"", "k": "text"})
    with pytest.raises(TypeError, match="the value of key 'k' is int"):
        hashlith.build(target, {"k": 1})
    with pytest.raises(TypeError) as caught:
        hashlith.build(target, {"k" * 10_000: 1})
    assert len(str(caught.value)) < 400


def test_keys_of_another_type_name_the_key_and_the_type(target):
    for key, name in (1, "int"), (None, "NoneType"), (b"x", "bytes"), (("x",), "tuple"):
        with pytest.raises(TypeError, match=f"keys of this index are str, but .* is {name}"):
            hashlith.build(target, [("first", "text"), (key, "text")])
    with pytest.raises(TypeError, match="keys of this index are bytes, but 'k' is str"):
        hashlith.build(target, {b"first": "", "k": ""})
    with pytest.raises(TypeError, match="keys of this index are str or bytes, but 1 is int"):
        hashlith.build(target, {1: "text"})
    with pytest.raises(TypeError, match="keys of this index are bytes"):
        hashlith.build(target, {"k": "v"}, keys="bytes")


def test_lone_surrogates(target):
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
                feed(target, [[first], [record]], how, **options)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, {"a": float("-inf")}]])
def test_values_that_json_does_not_have(value, target):
    with pytest.raises(hashlith.InputError, match="the value of key 'k'.*JSON"):
        hashlith.build(target, {"k": value}, values="json")


@pytest.mark.parametrize("value", [object(), b"x", {1, 2}, {("a",): 1}, [lambda: 1]])
def test_values_that_json_cannot_take(value, target):
    with pytest.raises(TypeError, match="the value of key 'k'"):
        hashlith.build(target, {"k": value}, values="json")


def test_values_that_contain_themselves(target):
    value = []
    value.append(value)
    with pytest.raises(ValueError, match="Circular"):
        hashlith.build(target, {"k": value}, values="json")


def test_nulls_in_columns(target):
    for keys, values, what in (["a", None], ["1", "2"], "key"), (["a", "b"], ["1", None], "value"):
        with pytest.raises(hashlith.InputError, match=f"the {what} of record 3 is null"):
            with hashlith.Builder(target) as builder:
                builder.add("first", "0")
                builder.add_many(pyarrow.array(keys), pyarrow.array(values))


def feed_two(path, keys_of_all, values_of_all, **options):
    with hashlith.Builder(path, **options) as builder:
        builder.add_many(keys_of_all, values_of_all)


def test_columns_and_lists_of_other_lengths(target):
    for keys, values in (["a", "b"], ["1"]), (["a"], ["1", "2"]), ([], ["1"]), (["a"], []):
        with pytest.raises(ValueError, match="longer|shorter"):
            feed_two(target, keys, values)
        with pytest.raises(ValueError, match=f"{len(keys)} keys and {len(values)} values"):
            feed_two(target, pyarrow.array(keys, pyarrow.string()), pyarrow.array(values, pyarrow.string()))


def test_columns_of_other_types(target):
    text, raw, numbers = pyarrow.array(["a"]), pyarrow.array([b"a"]), pyarrow.array([1])
    for keys, values, options in (
        (text, ["a"], {}),
        (["a"], text, {}),
        (numbers, text, {}),
        (text, numbers, {}),
        (raw, text, {"keys": "text"}),
        (text, text, {"values": "bytes"}),
        (text, text, {"values": "json"}),
        (pyarrow.table({"a": text}), text, {}),
    ):
        with pytest.raises(TypeError, match="column"):
            feed_two(target, keys, values, **options)
    with pytest.raises(TypeError, match="columns are of other types"):
        with hashlith.Builder(target) as builder:
            builder.add("a", "1")
            builder.add_many(raw, raw)


def test_an_empty_column_without_a_type_says_nothing(tmp_path):
    """`pyarrow.array([])` has the type null: it fits keys and values of any type."""
    for options in {}, {"keys": "bytes", "values": "bytes"}:
        with hashlith.Builder(tmp_path / "x.hlith", **options) as builder:
            builder.add_many(pyarrow.array([]), pyarrow.array([]))
            builder.add_many(pyarrow.array([b"k"]), pyarrow.array([b"v"]))
        with hashlith.open(tmp_path / "x.hlith") as index:
            assert index == {b"k": b"v"}


def test_what_came_before_a_bad_record_is_in(tmp_path):
    """A builder that goes on after a bad record has all that came before it, as `dict.update` does."""
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


# Keywords -------------------------------------------------------------------------------------------------------------


def test_an_unknown_keyword_is_named(target, tmp_path):
    for call in hashlith.build, hashlith.Builder, hashlith.build_from_files:
        more = {hashlith.build: [OLD], hashlith.Builder: []}.get(call, [tmp_path])
        with pytest.raises(TypeError, match="unexpected keyword argument 'compresion'"):
            call(target, *more, compresion=True)
    for name in "format", "escape", "key_column", "max_errors":
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            hashlith.build(target, OLD, **{name: 1})


BAD_OPTIONS = [
    ("memory", ["1M", "x", "", "-1G", 0, -1, 2**64, 1.5, [], True]),
    ("threads", [0, -1, 2**64, "2", 1.5, []]),
    ("temp_dir", [3, []]),
    ("on_duplicate", ["x", "", "FIRST", 3, True]),
    ("keys", ["x", "", "json", "str", 3, str]),
    ("values", ["x", "", "str", 3, bytes]),
    ("fingerprint_bits", [0, 17, -1, 2**64, "8", 1.5]),
    ("seed", ["x", "", "0", -1, 2**64, 1.5, []]),
    ("metadata", ["{}", [], 1, {"a": object()}, {"a": float("nan")}, {("a",): 1}, {"a": b"x"}, {"a": "x" * (1 << 20)}]),
    ("progress", [3, "x", []]),
]
BAD_FILE_OPTIONS = [
    *BAD_OPTIONS,
    ("format", ["x", "", "TSV", 3]),
    ("on_error", ["x", "", 3, True]),
    ("max_errors", [-1, "1", 1.5, 2**64]),
    ("escape", ["x", 1]),
    ("header", ["x", 1]),
    ("key_column", [0, -1, True, 1.5, []]),
    ("value_column", [0, -1, True, 1.5, []]),
    ("key_field", [3, []]),
    ("value_field", [3, []]),
]


def each(options):
    """A case for each value of each keyword; numbered."""
    cases = [(name, value, number) for name, values in options for number, value in enumerate(values)]
    return pytest.mark.parametrize(
        "name, value", [pytest.param(name, value, id=f"{name}-{number}") for name, value, number in cases]
    )


@each(BAD_OPTIONS)
def test_a_bad_value_names_its_keyword(name, value, target):
    for build in lambda **options: hashlith.build(target, OLD, **options), lambda **options: hashlith.Builder(
        target, **options
    ):
        with pytest.raises((TypeError, ValueError), match=name):
            build(**{name: value})


@each(BAD_FILE_OPTIONS)
def test_a_bad_value_for_files_names_its_keyword(name, value, target, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n")
    with pytest.raises((TypeError, ValueError), match=name):
        hashlith.build_from_files(target, tmp_path / "x.csv", **{name: value})


def test_all_keywords_have_bad_values_here():
    assert {name for name, _ in BAD_OPTIONS} == set(hashlith.BuildOptions.__annotations__)
    assert {name for name, _ in BAD_FILE_OPTIONS} == set(hashlith.FileOptions.__annotations__)


def test_none_is_the_default_of_a_keyword(tmp_path):
    names = ["memory", "threads", "temp_dir", "keys", "values", "metadata", "progress"]
    hashlith.build(tmp_path / "x.hlith", OLD, **dict.fromkeys(names))
    with hashlith.open(tmp_path / "x.hlith") as index:
        assert index == OLD


def test_too_little_memory_says_how_much_is_needed(target):
    message = "memory is too small: with 4 threads 80M is the smallest that works"
    with pytest.raises(ValueError, match=message) as caught:
        hashlith.build(target, OLD, memory="79M", threads=4)
    assert not isinstance(caught.value, hashlith.Error)


def test_contradicting_keywords(target, tmp_path):
    (tmp_path / "x.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match="max_errors.*on_error"):
        hashlith.build_from_files(target, tmp_path / "x.tsv", on_error="stop", max_errors=3)


# Files of records -----------------------------------------------------------------------------------------------------


class Malicious:
    """Its pickle asks for os.system."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_runs_nothing(protocol, target, tmp_path):
    source, trace = tmp_path / "bad.pkl", tmp_path / "trace"
    for bad in {"k": Malicious(f"touch {trace}")}, Malicious(f"touch {trace}"), [("k", Malicious(f"touch {trace}"))]:
        source.write_bytes(pickle.dumps(bad, protocol))
        with pytest.raises(hashlith.InputError, match="posix.system.*runs nothing") as caught:
            hashlith.build_from_files(target, source)
        error = caught.value
        assert error.path == str(source) and 0 <= error.offset < source.stat().st_size and error.line is None
        assert not trace.exists()
    pickle.loads(source.read_bytes())
    assert trace.exists()


def test_bad_rows_of_files_tell_where(target, tmp_path):
    pickled = pickle.dumps({"good": "value", "bad": 1}, 4)
    for name, data, line, offset in (
        ("x.tsv", b"a\tb\nc\n", 2, 4),
        ("x.tsv", b"a\tb\n\xff\tc\n", 2, 4),
        ("x.csv", b"a,b\nc\n", 2, 4),
        ("x.jsonl", b'{"key":"a","value":"b"}\n{"key":"c"}\n', 2, 24),
        ("x.jsonl", b'{"key":"a","value":1}\n', 1, 0),
        ("x.cdbmake", b"+1,1:a->b\n+1,1:a-x\n\n", None, 17),
        ("x.pkl", pickled, None, pickled.index(b"\x8c\x03bad")),
        ("x.pkl", pickled[:-3], None, len(pickled) - 3),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(hashlith.InputError) as caught:
            hashlith.build_from_files(target, tmp_path / name)
        error = caught.value
        assert (error.path, error.line, error.offset) == (str(tmp_path / name), line, offset), error
        assert name in str(error)


def test_messages_speak_of_keywords(target, tmp_path):
    """Not of the command's options."""
    (tmp_path / "x.jsonl").write_text('{"key":"a"}\n')
    (tmp_path / "x.tsv").write_bytes(b"a\tb\n\xff\tc\n")
    (tmp_path / "x.unknown").write_text("a\tb\n")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": 1}))
    for name in "x.jsonl", "x.tsv", "x.unknown", "x.pkl":
        with pytest.raises(hashlith.InputError) as caught:
            hashlith.build_from_files(target, tmp_path / name)
        assert "--" not in str(caught.value)
    for name in "x.jsonl", "x.tsv", "x.pkl":
        report = hashlith.build_from_files(tmp_path / "skipped.hlith", tmp_path / name, on_error="skip")
        assert report.skipped == 1 == len(report.first_skipped)
        assert "--" not in report.first_skipped[0] and name in report.first_skipped[0]


def test_rows_that_are_skipped(tmp_path):
    (tmp_path / "x.tsv").write_text("".join(f"{n}\t{n}\n" if n % 5 else "bad\n" for n in range(100)))
    report = hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.tsv", on_error="skip")
    assert (report.records, report.keys, report.skipped, len(report.first_skipped)) == (80, 80, 20, 10)
    assert "line 1:" in report.first_skipped[0] and "no TAB" in report.first_skipped[0]
    assert hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.tsv", max_errors=20).skipped == 20
    before = (tmp_path / "x.hlith").read_bytes()
    with pytest.raises(hashlith.InputError, match="more than 19 bad rows"):
        hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.tsv", max_errors=19)
    assert (tmp_path / "x.hlith").read_bytes() == before


def test_inputs_that_cannot_be_read(target, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.unknown").write_text("a\tb\n")
    (tmp_path / "x.tsv.gz").write_bytes(b"no gzip")
    with pytest.raises(FileNotFoundError) as caught:
        hashlith.build_from_files(target, [tmp_path / "missing.tsv"])
    assert caught.value.filename == str(tmp_path / "missing.tsv")
    for name in "empty", "x.unknown":
        with pytest.raises(hashlith.InputError) as caught:
            hashlith.build_from_files(target, tmp_path / name)
        assert caught.value.path == str(tmp_path / name)
    with pytest.raises((hashlith.InputError, OSError), match="x.tsv.gz"):
        hashlith.build_from_files(target, tmp_path / "x.tsv.gz")
    with pytest.raises(ValueError):
        hashlith.build_from_files(target, [])
    with pytest.raises(ValueError, match="iterable of pairs"):
        hashlith.build_from_files(target, "-")
    for wrong in 3, None, [3], [None]:
        with pytest.raises(TypeError):
            hashlith.build_from_files(target, wrong)


def test_an_index_is_not_built_over_its_input(target):
    with pytest.raises(hashlith.Error, match="same file as the input"):
        hashlith.build_from_files(target, target, format="tsv")
