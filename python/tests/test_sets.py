"""Sets are used like files and built part by part, and what is not a set is refused by name."""

import errno
import fcntl
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pyarrow
import pytest

import hashlith

RECORDS = {f"key {i}": f"value {i * 7}" for i in range(3000)}


def files_of(path):
    return [part["file"] for part in json.loads((path / "manifest.json").read_text())["files"]]


@pytest.fixture
def a_set(tmp_path):
    path = tmp_path / "set"
    report = hashlith.build(path, RECORDS, parts=5)
    assert (report.keys, report.path) == (3000, str(path))
    assert report.nbytes == sum((path / name).stat().st_size for name in files_of(path))
    return path


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_set_is_used_like_a_file(a_set, in_memory):
    with hashlith.open(a_set, in_memory=in_memory) as index:
        assert (len(index), index.parts, index.path) == (3000, 5, str(a_set))
        assert dict(index) == RECORDS and index == RECORDS
        keys = [*RECORDS, "absent"]
        assert index.get_many(keys) == [*RECORDS.values(), None]
        assert index.get_many_arrow(pyarrow.array(keys)).to_pyarrow().to_pylist() == [*RECORDS.values(), None]
        ids = index.ids(keys).tolist()
        assert sorted(ids[:-1]) == list(range(3000)) and ids[-1] == -1
        assert [index.by_id(id) for id in range(3000)] == list(index.items())
        assert "key 5" in index and "absent" not in index and index.get("absent") is None
        assert "3,000 keys" in repr(index)
    assert hashlith.verify(a_set).keys == 3000
    found = hashlith.info(a_set)
    assert (found["keys"], found["parts"], found["part"]) == (3000, 5, None)


def test_options_of_open(a_set):
    with hashlith.open(a_set, preload=True, huge_pages=True, cold=True, random=False) as index:
        assert index.get_many(list(RECORDS)) == list(RECORDS.values())


def test_batches(a_set, tmp_path):
    one = tmp_path / "one.hlith"
    hashlith.build(one, {key.encode(): value.encode() for key, value in RECORDS.items()})
    for path, data_type in (a_set, pyarrow.large_string()), (one, pyarrow.large_binary()):
        with hashlith.open(path) as index:
            for rows in 1, 7, 1000, 3000, 10_000:
                pairs, sizes = [], []
                for keys, values in index.batches(rows):
                    keys, values = pyarrow.array(keys), pyarrow.array(values)
                    assert keys.type == values.type == data_type
                    pairs += zip(keys.to_pylist(), values.to_pylist(), strict=True)
                    sizes.append(len(keys))
                assert pairs == list(index.items())
                assert set(sizes[:-1]) <= {rows} and max(sizes) <= rows
            some = [pyarrow.array(keys).to_pylist() for keys, _ in index.batches(100, start=550, stop=760)]
            assert [key for keys in some for key in keys] == list(index)[550:760]
            assert [len(keys) for keys in some] == [100, 100, 10]
            assert list(index.batches(start=3000)) == list(index.batches(start=10, stop=10)) == []
            with pytest.raises(ValueError, match="rows must be at least 1"):
                list(index.batches(0))


def test_batches_of_long_records_are_short(tmp_path):
    path = tmp_path / "long.hlith"
    hashlith.build(path, {str(i): "x" * (5 << 20) for i in range(20)}, memory="256M")
    with hashlith.open(path) as index:
        sizes = [len(keys) for keys, _ in index.batches()]
        assert sum(sizes) == 20 and max(sizes) == 7


def child(index):
    return index["key 5"], len(index)


def test_a_set_in_other_processes(a_set):
    index = hashlith.open(a_set)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(child, [index] * 4) == [("value 35", 3000)] * 4
    again = pickle.loads(pickle.dumps(index))
    assert again == index and again.digest == index.digest
    dumped = pickle.dumps(index)
    hashlith.build(a_set, {"other": "records"}, parts=5)
    assert index["key 5"] == "value 35"
    with pytest.raises(hashlith.ReplacedError):
        pickle.loads(dumped)["key 5"]


def test_sets_have_different_digests(a_set, tmp_path):
    digests = set()
    for number, (records, parts) in enumerate([(RECORDS, 5), (RECORDS, 4), ({**RECORDS, "one": "more"}, 5)]):
        path = tmp_path / f"{number}"
        hashlith.build(path, records, parts=parts)
        with hashlith.open(path) as index:
            digests.add(index.digest)
            assert len(index.digest) == 32
    assert len(digests) == 3
    with hashlith.open(a_set) as index:
        assert index.digest in digests


def test_part_by_part(tmp_path):
    """In any order, from `Builder`, `build` and `build_from_files`."""
    numbers = hashlith.part_numbers(pyarrow.array(list(RECORDS)), 3)
    assert numbers.dtype == "int32" and set(numbers.tolist()) == {0, 1, 2}
    own = [{key: RECORDS[key] for key, number in zip(RECORDS, numbers) if number == part} for part in range(3)]
    paths = [tmp_path / f"{part}.hlith" for part in range(3)]
    hashlith.build(paths[0], own[0], part=(0, 3))
    with hashlith.Builder(paths[1], part=(1, 3)) as builder:
        builder.add_many(pyarrow.array(list(own[1])), pyarrow.array(list(own[1].values())))
    (tmp_path / "2.pkl").write_bytes(pickle.dumps(own[2]))
    hashlith.build_from_files(paths[2], tmp_path / "2.pkl", part=(2, 3))
    with hashlith.open(paths[1]) as index:
        assert dict(index) == own[1]
        assert not any(key in index for key in own[0])
    assert hashlith.commit_set(tmp_path / "set", reversed(paths)) == 3000
    with hashlith.open(tmp_path / "set") as index:
        assert index == RECORDS
    assert not any(path.exists() for path in paths)


def test_part_numbers():
    keys = pyarrow.chunked_array([["a", None], ["b"]])
    assert hashlith.part_numbers(keys, 1).tolist() == [0, -1, 0]
    with_bytes = hashlith.part_numbers(pyarrow.array([b"a", None, b"b"]), 1000)
    assert with_bytes.tolist() == hashlith.part_numbers(keys, 1000).tolist()
    other = hashlith.part_numbers(keys, 1000, hash="siphash", seed=3).tolist()
    assert other != with_bytes.tolist() and other[1] == -1
    assert hashlith.part_numbers(pyarrow.array([], pyarrow.string()), 5).tolist() == []
    seeds = {tuple(hashlith.part_numbers(keys, 1000, seed=seed)) for seed in (0, 1, 2**64 - 1)}
    assert len(seeds) == 3 and tuple(hashlith.part_numbers(keys, 1000)) in seeds
    for parts in 0, 65_537:
        with pytest.raises(ValueError, match="parts must be 1 to 65,536"):
            hashlith.part_numbers(keys, parts)
    with pytest.raises(TypeError, match="Arrow column"):
        hashlith.part_numbers(["a"], 2)
    with pytest.raises(ValueError, match="hash must be"):
        hashlith.part_numbers(keys, 2, hash="md5")


def test_a_key_of_another_part(tmp_path):
    with pytest.raises(hashlith.Error, match=r'the key "key \d+" belongs to part \d of 4, this is part 2'):
        hashlith.build(tmp_path / "x", RECORDS, part=(2, 4))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("options", [{"parts": 0}, {"parts": 65_537}, {"part": (3, 3)}, {"part": (0, 0)}])
def test_numbers_that_make_no_sense(tmp_path, options):
    with pytest.raises(ValueError, match="1 to 65,536 parts"):
        hashlith.build(tmp_path / "x", RECORDS, **options)
    assert os.listdir(tmp_path) == []


def test_a_set_or_a_part(tmp_path):
    with pytest.raises(ValueError, match="give only one of them"):
        hashlith.build(tmp_path / "x", {}, parts=2, part=(0, 2))


def test_parts_that_are_not_a_set(tmp_path):
    paths = [tmp_path / "0", tmp_path / "1"]
    for number, path in enumerate(paths):
        hashlith.build(path, {}, part=(number, 2), keys="text", values="text")
    for files, message in [
        (paths[:1], "part 1 of 2 is missing"),
        ([paths[0], paths[0]], "is part 0 again"),
        ([], "at least one part"),
    ]:
        with pytest.raises((hashlith.Error, ValueError), match=message):
            hashlith.commit_set(tmp_path / "set", files)
    with pytest.raises(FileNotFoundError):
        hashlith.commit_set(tmp_path / "set", [paths[0], tmp_path / "none"])
    assert sorted(os.listdir(tmp_path)) == ["0", "1"]


def test_a_set_without_one_of_its_parts(a_set):
    lost = files_of(a_set)[3]
    os.remove(a_set / lost)
    for use in hashlith.open, hashlith.verify, hashlith.info:
        with pytest.raises(hashlith.CorruptError, match=f"{lost} is missing") as caught:
            use(a_set)
        assert (caught.value.rule, caught.value.path) == ("M4", str(a_set / "manifest.json"))


def test_damage_in_a_part_names_it(a_set):
    part = a_set / files_of(a_set)[2]
    data = bytearray(part.read_bytes())
    data[4096:4098] = b"\xff\xff"
    part.write_bytes(data)
    with hashlith.open(a_set) as index, pytest.raises(hashlith.CorruptError) as caught:
        dict(index)
    assert (caught.value.path, caught.value.rule, caught.value.offset) == (str(part), "R16", 4096)
    with pytest.raises(hashlith.CorruptError) as caught:
        hashlith.verify(a_set)
    assert (caught.value.path, caught.value.rule) == (str(part), "V1")


@pytest.mark.parametrize("number, what", [(0, b"value "), (2, b"value "), (4, b"key ")])
def test_batches_that_are_not_text_name_the_part_and_the_place(a_set, number, what):
    part = a_set / files_of(a_set)[number]
    data = bytearray(part.read_bytes())
    at = data.index(what, 6000)
    data[at] = 0xFF
    part.write_bytes(data)
    with hashlith.open(a_set) as index:
        for rows in 1, 100, 3000:
            with pytest.raises(hashlith.CorruptError, match="is not UTF-8") as caught:
                list(index.batches(rows))
            assert (caught.value.path, caught.value.rule, caught.value.offset) == (str(part), "R17", at)


def test_a_directory_that_is_not_a_set(tmp_path):
    for use in hashlith.open, hashlith.verify, hashlith.info:
        with pytest.raises(IsADirectoryError):
            use(tmp_path)
    (tmp_path / "letter").touch()
    with pytest.raises(hashlith.Error, match="is not a set, and holds .*letter"):
        hashlith.build(tmp_path, RECORDS, parts=2)
    with pytest.raises(NotADirectoryError):
        hashlith.build(tmp_path / "letter", RECORDS, parts=2)
    assert os.listdir(tmp_path) == ["letter"]


def test_an_empty_set_with_metadata(tmp_path):
    hashlith.build(tmp_path / "set", {}, parts=4, keys="text", values="json", metadata={"by": "me"})
    with hashlith.open(tmp_path / "set") as index:
        assert (len(index), index.metadata, list(index), index.get_many(["a"])) == (0, {"by": "me"}, [], [None])


def parts_of(folder, records=RECORDS, parts=2):
    """Part files of these records in a folder."""
    folder.mkdir()
    numbers = hashlith.part_numbers(pyarrow.array(list(records)), parts).tolist()
    for part in range(parts):
        own = {key: records[key] for key, number in zip(records, numbers, strict=True) if number == part}
        hashlith.build(folder / str(part), own, part=(part, parts), keys="text", values="text")
    return sorted(folder.iterdir())


def test_a_link_is_no_part(tmp_path):
    zero, one = parts_of(tmp_path / "parts")
    (tmp_path / "link").symlink_to("parts/1")
    with pytest.raises(hashlith.Error, match="link is a symbolic link: name the file itself"):
        hashlith.commit_set(tmp_path / "set", [zero, tmp_path / "link"])
    assert sorted(os.listdir(tmp_path)) == ["link", "parts"]
    assert hashlith.commit_set(tmp_path / "set", [zero, one]) == 3000


def test_a_part_on_another_file_system(tmp_path):
    zero, one = parts_of(tmp_path / "parts")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        far = shutil.copy(one, other)
        with pytest.raises(OSError) as caught:
            hashlith.commit_set(tmp_path / "set", [zero, far])
        assert (caught.value.errno, caught.value.filename) == (errno.EXDEV, far)
        assert "on another file system than the set: copy it" in caught.value.__notes__[0]
    assert os.listdir(tmp_path) == ["parts"]


def test_the_files_keep_their_access(a_set, tmp_path):
    os.chmod(a_set / "manifest.json", 0o640)
    hashlith.build(a_set, {"a": "b"}, parts=3)
    assert {path.stat().st_mode & 0o777 for path in a_set.iterdir()} == {0o640}
    hashlith.commit_set(a_set, parts_of(tmp_path / "parts"))
    assert {path.stat().st_mode & 0o777 for path in a_set.iterdir()} == {0o640}


def test_directories_end_with_a_slash(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        hashlith.build(f"{tmp_path}/new/", RECORDS)
    assert "there is none: name a file, for example" in caught.value.__notes__[0]
    hashlith.build(f"{tmp_path}/new/", RECORDS, parts=2)
    assert hashlith.verify(tmp_path / "new").keys == 3000


@pytest.mark.parametrize("how", ["commit", "build"])
def test_ctrl_c_while_another_process_replaces_the_set(a_set, tmp_path, how, request):
    files, before = parts_of(tmp_path / "parts"), sorted(os.listdir(a_set))
    # A shell that starts this in the background lets it ignore Ctrl-C.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    with open(a_set / "manifest.json.lock", "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            if how == "commit":
                hashlith.commit_set(a_set, files)
            else:
                hashlith.build(a_set, RECORDS, parts=2)
        timer.join()
        os.remove(held.name)
    assert sorted(os.listdir(a_set)) == before and all(file.exists() for file in files)
    assert hashlith.commit_set(a_set, files) == 3000


def test_a_forked_child_keeps_no_lock(tmp_path):
    """It has the open files of its parent. Neither when the commit has ended nor when the parent is killed does it block others."""
    program = f"""
import os, sys, threading, time, hashlith
def commit():
    hashlith.commit_set({str(tmp_path / "set")!r}, [{str(tmp_path / "big")!r} + f"/{{n}}" for n in range(200)])
thread = threading.Thread(target=commit)
thread.start()
while thread.is_alive() and not os.path.exists({str(tmp_path / "set" / "manifest.json.lock")!r}):
    pass
if os.fork() == 0:
    time.sleep(600)
print(os.getpid(), flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
thread.join()
os._exit(0)
"""
    records = {str(n): "v" for n in range(1000)}
    for end in "commit", "killed":
        parts_of(tmp_path / "big", records, 200)
        with subprocess.Popen([sys.executable, "-c", program, end], start_new_session=True) as parent:
            try:
                assert parent.wait(60) == (-signal.SIGKILL if end == "killed" else 0)
                began = time.monotonic()
                hashlith.build(tmp_path / "set", RECORDS, parts=2)
                # Far below the minute that it would wait.
                assert time.monotonic() - began < 30
            finally:
                os.killpg(parent.pid, signal.SIGKILL)
        assert hashlith.verify(tmp_path / "set").keys == 3000
        assert len(list((tmp_path / "set").iterdir())) == 3
        shutil.rmtree(tmp_path / "big")
