"""Places that cannot be written, and several file systems at once: what each command says, and that it changes nothing."""
import contextlib
import errno
import os
import random
import sqlite3
import subprocess

import hashlith
import pytest
from conftest import cannot
from place import hashlith as binary

ADVICE = {errno.EROFS: "choose a place that can be written to", errno.EPERM: "check the permissions of the file and of its folders"}
KEYS = 20
# Commands in a folder that has file systems `place` and `temp`, and what they say if `place` cannot be written. The input never ends:
# all say it before they have read that.
CLOSED = [
    ("build - -o place/file", "cannot create a file in place"),
    ("build - -o place/new", "cannot create a file in place"),
    ("build - -o link-to-file", "cannot create a file in ./place"),
    ("build - -o link-to-new", "cannot create a file in ./place"),
    ("build - --parts 3 -o place/set", "cannot make a directory in place/set"),
    ("build - --parts 3 -o place/new-set", "cannot make the directory place/new-set"),
    ("build - --parts 3 -o link-to-set", "cannot make a directory in link-to-set"),
    ("build - --temp-dir place -o own", "cannot create temporary files in place"),
    ("merge own-set -o place/file", "cannot create a file in place"),
    ("merge own-set --parts 2 -o place/set", "cannot make a directory in place/set"),
    ("split place/set --parts 2 -o place/set", "cannot make a directory in place/set"),
    ("split place/set --parts 2 --temp-dir place -o own-too", "cannot create temporary files in place"),
]


def records(value):
    return {f"key {number}": value for number in range(KEYS)}


def tsv(value):
    return "".join(f"{key}\t{value}\n" for key, value in records(value).items()).encode()


def found(path):
    with hashlith.open(path) as index:
        return dict(index.items())


def run(folder, line, given=None):
    """What a command says, and its exit code. It reads what is given, or an input that has no end."""
    command = [binary(), *line.split(), *(["--format", "tsv"] if line.startswith("build") else []), "--quiet", "--threads", "1", "--memory", "32M"]
    endless = os.pipe()
    try:
        source = {"input": given} if given else {"stdin": endless[0]}
        done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, timeout=60, **source)
    finally:
        for end in endless:
            os.close(end)
    return done.stderr.decode(), done.returncode


def refused(said, number):
    return f"hashlith: {said}: {os.strerror(number)} (os error {number}); {ADVICE[number]}\n"


def mount(path, *options):
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", path], check=True)


@pytest.fixture
def folder(tmp_path, own_mounts):
    """With indexes, and a file system `place` that has some too. It goes with the test, and so do its files that cannot be removed."""
    (tmp_path / "place").mkdir()
    mount(tmp_path / "place")
    for path in ("place/file", "place/set", "place/parts", "own-set"):
        hashlith.build(tmp_path / path, records("old"), parts=None if path == "place/file" else 3)
    for name in ("file", "set", "new"):
        (tmp_path / f"link-to-{name}").symlink_to(f"place/{name}")
    yield tmp_path
    subprocess.run(["umount", tmp_path / "place"], check=True)


def content(folder):
    """All names, and what is there."""
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def close(folder, how, undo=False):
    place = folder / "place"
    if how == "read-only":
        subprocess.run(["mount", "-o", f"remount,{'rw' if undo else 'ro'}", place], check=True)
    else:
        chattr("-i" if undo else "+i", place, place / "set")


def chattr(flag, *paths):
    done = subprocess.run(["chattr", flag, *paths], capture_output=True, text=True)
    if done.returncode:
        cannot(f"files cannot be made immutable here: {done.stderr.strip()}")


@pytest.mark.parametrize("how, number", [("read-only", errno.EROFS), ("immutable", errno.EPERM)])
def test_a_place_that_cannot_be_written(how, number, folder):
    before = content(folder)
    close(folder, how)
    for line, said in CLOSED:
        assert run(folder, line) == (refused(said, number), 1), line
    for parts, path in (None, "place/file"), (3, "place/set"):
        with pytest.raises(OSError) as caught:
            hashlith.Builder(folder / path, parts=parts)
        assert caught.value.errno == number and "place" in str(caught.value)
    with pytest.raises(OSError) as caught:
        hashlith.commit_set(folder / "place/set", list((folder / "place/parts").glob("*.hlith")))
    assert caught.value.errno == number and "place/set" in str(caught.value)
    assert content(folder) == before
    # Readers need no more than to read.
    for path in "place/file", "place/set":
        assert hashlith.verify(folder / path).keys == KEYS and found(folder / path) == records("old")
    close(folder, how, undo=True)
    for line, _ in CLOSED:
        assert run(folder, line, tsv("new"))[1] == 0, line


# What is immutable, the command, what it says, and whether the index is the old one.
FIXED = [
    ("file", "build - -o place/file", "cannot rename to place/file", True),
    ("set/manifest.json", "build - --parts 3 -o place/set", "cannot rename to place/set/manifest.json", True),
    ("set/part-*", "build - --parts 3 -o place/set", None, False),
]


@pytest.mark.parametrize("fixed, line, said, is_old", FIXED)
def test_a_file_that_cannot_be_replaced(fixed, line, said, is_old, folder):
    """In a folder that can be written. Old parts of a set stay, and the next build removes them."""
    before, files = content(folder), list((folder / "place").glob(fixed))
    chattr("+i", *files)
    message, code = run(folder, line, tsv("new"))
    assert (message, code) == ((refused(said, errno.EPERM), 1) if said else ("", 0))
    path = folder / "place" / fixed.split("/")[0]
    assert found(path) == records("old" if is_old else "new")
    if is_old:
        assert content(folder) == before
    chattr("-i", *files)
    assert run(folder, line, tsv("next")) == ("", 0)
    assert found(path) == records("next")
    assert path.is_file() or len(os.listdir(path)) == 4


# Nothing that could be stored in a quarter of the bytes.
MANY = "".join(f"key {number}\t{random.Random(number).randbytes(100).hex()}\n" for number in range(200_000)).encode()


@pytest.mark.parametrize("target", ["file", "link", "set"])
def test_temporary_records_on_another_file_system(target, folder):
    """They go there; if it is full, the error names it, and the index is the old one."""
    (folder / "temp").mkdir()
    path = {"file": "place/file", "link": "link-to-file", "set": "place/set"}[target]
    line = f"build - -o {path} --temp-dir temp" + (" --parts 3" if target == "set" else "")
    before = content(folder)
    mount(folder / "temp", "-o", "size=4m")
    try:
        message, code = run(folder, line, MANY)
        assert (code, content(folder)) == (1, {**before, folder / "temp": None})
        assert message.startswith(f"hashlith: cannot write temporary records to temp: {os.strerror(errno.ENOSPC)} (os error 28); "), message
        subprocess.run(["mount", "-o", "remount,size=200m", folder / "temp"], check=True)
        assert run(folder, line, MANY) == ("", 0)
        with hashlith.open(folder / path) as index:
            assert len(index) == 200_000
        assert os.listdir(folder / "temp") == []
    finally:
        subprocess.run(["umount", folder / "temp"], check=True)
    assert target != "link" or (folder / path).is_symlink()


def test_the_target_of_a_link_is_full(folder):
    """Its temporary file is beside the target, not beside the link."""
    subprocess.run(["mount", "-o", "remount,size=1m", folder / "place"], check=True)
    before = content(folder)
    message, code = run(folder, "build - -o link-to-file --temp-dir .", MANY)
    assert code == 1 and "place" in message and "link-to-file" not in message, message
    assert content(folder) == before


def test_a_database_where_nothing_can_be_written(folder):
    """One in WAL mode is read, unless something waits in its log: that needs files beside it."""
    place = folder / "place"
    for name in "idle ?%.db", "busy.db":
        with contextlib.closing(sqlite3.connect(place / name)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE t (k, v)")
            database.execute("INSERT INTO t VALUES ('a', 'b')")
            database.commit()
    (place / "busy.db-wal").write_bytes(bytes(32))
    before = content(folder)
    close(folder, "read-only")
    hashlith.build_from_files(folder / "x.hlith", place / "idle ?%.db")
    assert found(folder / "x.hlith") == {"a": "b"}
    with pytest.raises(ValueError, match="busy.db: .*needs a directory that may be written to: copy it to one, with its -wal file"):
        hashlith.build_from_files(folder / "x.hlith", place / "busy.db")
    assert {path: data for path, data in content(folder).items() if path.name != "x.hlith"} == before
    close(folder, "read-only", undo=True)
