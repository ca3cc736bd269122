"""Everything that goes wrong with a file is an exception of the documented class, with its attributes set."""

import copy
import os
import pathlib
import pickle
import random
import subprocess
import sys
import textwrap

import pyarrow
import pytest

import craft
import hashlith
import oracle
from agreement import oracle_verdict
from building import OLD
from oracle import JSON, TEXT


def run(script, **options):
    """Runs Python code in its own process. A failure there, or a wait that is too long, fails the test."""
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
        hashlith.InputError("message", path="a.parquet", row=3),
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


@pytest.mark.parametrize("name, attributes", [
    ("Error", {}),
    ("CorruptError", {"path": None, "rule": None, "offset": None}),
    ("DuplicateKeyError", {"key": "", "first": None, "second": None}),
    ("InputError", {"path": None, "line": None, "offset": None, "row": None}),
    ("ReplacedError", {"path": None}),
])
def test_exceptions_have_their_attributes_and_no_others(name, attributes):
    kind = getattr(hashlith, name)
    assert str(kind()) == "" and vars(kind()) == attributes
    given = {attribute: object() for attribute in attributes}
    error = kind("words", **given)
    assert str(error) == "words" and error.args == ("words",) and vars(error) == given


def test_exceptions_that_were_raised_are_pickled(write, untouched):
    damaged = write(b"hello" * 2000)
    with pytest.raises(hashlith.CorruptError) as corrupt:
        hashlith.open(damaged)
    with pytest.raises(hashlith.DuplicateKeyError) as duplicate:
        hashlith.build(untouched, [("a", "1"), ("a", "2")])
    for caught in corrupt, duplicate:
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is caught.type and vars(again) == vars(caught.value) and str(again) == str(caught.value)
        assert all(value is not None for value in vars(again).values())


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
    """In a process without root's rights, because root may do everything."""
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


def test_flipped_bits_of_the_header_are_found(path):
    data = path.read_bytes()
    rng = random.Random(1)
    places = [*range(200), *range(4080, 4096), *rng.sample(range(200, 4080), 200)]
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
    assert found >= {"R2", "R3", "R4"}
    assert hashlith.verify(path).keys == 300


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
# These make no text of a value.
BLIND = {"in", "ids", "ids of a column", "list", "keys"}


@pytest.mark.parametrize("name", LOOKUPS)
def test_damaged_lengths_of_a_record_are_found(name, write):
    """R16, for every call: the record at 4096 claims to be longer than the pool."""
    data = bytearray(craft.make([(b"k", b"v")], key_type=TEXT, value_type=TEXT).seal())
    assert data[4096:4100] == b"\x01\x01kv"
    for at, damage in (4097, b"\x7f"), (4096, b"\x7f"), (4096, b"\xff\xff\xff\xff"):
        broken = bytes(data[:at]) + damage + bytes(data[at + len(damage) :])
        for in_memory in False, True:
            path = write(broken)
            with hashlith.open(path, in_memory=in_memory) as index:
                check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R16", 4096)
                check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R16", 4096)


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_value_that_is_not_text_is_found(name, write):
    """R17: a text index holds a value that is not UTF-8."""
    for value in b"\xff", b"abc\xed\xa0\x80", b"\xc0\x80" * 5000:
        path = write(craft.make([(b"k", value)], key_type=TEXT, value_type=TEXT).seal())
        with hashlith.open(path) as index:
            if name in BLIND:
                LOOKUPS[name](index, "k")
            else:
                place = 4096 + len(craft.varint(1)) + len(craft.varint(len(value))) + 1
                check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R17", place)


@pytest.mark.parametrize("name", sorted(set(LOOKUPS) - BLIND - {"get_many_arrow", "get_many_arrow of more"}))
def test_a_value_that_is_not_json_is_found(name, write):
    for value in b"nul", b"", b"[1,]", b"1 2", b"{'a': 1}", b"\xef\xbb\xbf1":
        path = write(craft.make([(b"k", value)], key_type=TEXT, value_type=JSON).seal())
        with hashlith.open(path) as index:
            check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "V8", 4099)
        with hashlith.open(path, decode_json=False) as index:
            assert index["k"] == value.decode()
    path = write(craft.make([(b"k", b'"\xff"')], key_type=TEXT, value_type=JSON).seal())
    with hashlith.open(path) as index:
        check_corrupt(lambda: LOOKUPS[name](index, "k"), path, "R17", 4099)


def test_json_that_python_cannot_hold_is_not_damage(write):
    """`verify` accepts these values, rightly; the exception of json.loads passes through."""
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
    data = bytearray(craft.make(pairs, cells=8, key_type=TEXT, value_type=TEXT).seal())
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
            check_corrupt(call, path, "R17", at - 6)
        assert len(list(index)) == 300
        iterator, seen = iter(index.items()), []
        with pytest.raises(hashlith.CorruptError):
            for item in iterator:
                seen.append(item)
        assert len(seen) + 1 + len(list(iterator)) == 300


def test_an_impossible_cell(write):
    pairs = [(b"%d" % n, b"%d" % n) for n in range(300)]
    data = craft.make(pairs, cells=8, key_type=TEXT, value_type=TEXT).seal()
    at, key = oracle.Index(data).header.sections[oracle.HOT][0], oracle.Index(data).by_id(0)[0].decode()
    path = write(data[: at + 12] + b"\x80" + data[at + 13 :])
    with hashlith.open(path) as index:
        for name in "[]", "in", "get", "get_many", "get_many_arrow", "ids", "==":
            if name != "==":
                check_corrupt(lambda: LOOKUPS[name](index, key), path, "R15", at)
        check_corrupt(lambda: index == dict(index.items()), path, "R15", at)


@pytest.mark.parametrize("metadata", [b"{", b"[]", b"null", b"{}x", b"\xff", b'{"a":"\xff"}', b" "])
def test_damaged_metadata_is_found(metadata, write):
    """V9, as in `verify`: it is not a JSON object."""
    path = write(craft.File([craft.Parts()], metadata=metadata).seal())
    check_corrupt(lambda: hashlith.verify(path), path, "V9", 8192)
    with hashlith.open(path) as index:
        check_corrupt(lambda: index.metadata, path, "V9", 8192)
