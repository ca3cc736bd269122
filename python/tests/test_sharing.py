"""An index is shared: a handle goes to other processes by fork and by pickle, a different file at its path is refused,
threads use one handle, each handle sees exactly one version, and opening starts no thread and writes nothing.
"""

import concurrent.futures
import multiprocessing
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import textwrap
import threading

import pyarrow
import pytest

import hashlith

COUNT = 5000
METHODS = ["fork", "spawn", "forkserver"]


def records(version="one"):
    return {f"key {n}": f"value {n} of version {version}" for n in range(COUNT)}


@pytest.fixture
def path(tmp_path):
    hashlith.build(tmp_path / "shared.hlith", records())
    return tmp_path / "shared.hlith"


def look_up(index, numbers):
    """What a worker does with a pickled handle."""
    return index.get_many([f"key {n}" for n in numbers]), os.getpid()


worker_index = None


def set_up(index):
    global worker_index
    worker_index = index


def look_up_global(number):
    """What a worker does with a handle from a fork or the initializer."""
    return worker_index[f"key {number}"], os.getpid()


@pytest.mark.parametrize("method", METHODS)
def test_start_methods(method, path):
    expected = records()
    context = multiprocessing.get_context(method)
    with hashlith.open(path) as index, context.Pool(3, initializer=set_up, initargs=(index,)) as pool:
        for values, process in pool.starmap(look_up, [(index, range(n, COUNT, 7)) for n in range(7)]):
            assert process != os.getpid() and set(values) <= set(expected.values())
        answers = pool.map(look_up_global, range(200))
        assert [value for value, _ in answers] == [expected[f"key {n}"] for n in range(200)]


def test_a_global_handle_goes_through_fork(path):
    set_up(hashlith.open(path))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map(look_up_global, range(50))
    assert [value for value, _ in answers] == [worker_index[f"key {n}"] for n in range(50)]
    worker_index.close()


@pytest.mark.parametrize("method", METHODS)
def test_process_pool_executor(method, path):
    context = multiprocessing.get_context(method)
    with (
        hashlith.open(path) as index,
        concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool,
    ):
        for future in [pool.submit(look_up, index, [n, COUNT + n]) for n in range(20)]:
            (value, absent), _ = future.result()
            assert value in records().values() and absent is None


def test_a_pickle_is_path_options_and_identity(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with hashlith.open(path.name, in_memory=True, random=False) as index:
        data = pickle.dumps(index)
        assert len(data) < 1000
        monkeypatch.chdir("/")
        again = pickle.loads(data)
    assert again.path == str(path) and again._options()["in_memory"] and not again._options()["random"]
    assert type(again) is hashlith.Index and again["key 1"] == records()["key 1"]


def test_a_closed_handle_cannot_be_pickled(path):
    index = hashlith.open(path)
    index.close()
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(index)


def test_another_file_at_the_path_is_refused(path):
    with hashlith.open(path) as index:
        data = pickle.dumps(index)
        hashlith.build(path, records("two"))
        loaded = pickle.loads(data)
        uses = [lambda: loaded["key 1"], lambda: len(loaded), lambda: list(loaded), lambda: "key 1" in loaded,
                lambda: loaded.get_many(["key 1"]), lambda: pickle.dumps(loaded), loaded.__enter__]
        for use in uses:
            with pytest.raises(hashlith.ReplacedError, match="shared.hlith.*replaced") as caught:
                use()
            assert caught.value.path == str(path)
        assert "refused" in repr(loaded)
        with pytest.raises(hashlith.ReplacedError):
            pickle.loads(pickle.dumps(index))["key 1"]
        path.unlink()
        with pytest.raises(FileNotFoundError):
            pickle.loads(data)["key 1"]
        path.write_bytes(b"not an index")
        with pytest.raises(hashlith.CorruptError):
            pickle.loads(data)["key 1"]


@pytest.mark.parametrize("key", ["key", b"key"])
def test_a_refused_handle_says_so_first(key, tmp_path):
    """It does not know the types of the file: columns of any type get the right error."""
    path = tmp_path / "x.hlith"
    hashlith.build(path, {key: "one"})
    with hashlith.open(path) as index:
        data = pickle.dumps(index)
    hashlith.build(path, {key: "two"})
    loaded = pickle.loads(data)
    uses = [(loaded.get_many_arrow, pyarrow.array([key])), (loaded.ids, pyarrow.array([key])), (loaded.get_many, [key]),
            (loaded.get, key), (loaded.__contains__, key), (loaded.__getitem__, key)]
    for use, argument in uses:
        with pytest.raises(hashlith.ReplacedError):
            use(argument)


@pytest.mark.parametrize("method", METHODS)
def test_a_replaced_file_is_refused_in_the_child(method, path):
    """The worker lives, and the exception reaches the caller: nobody waits for ever."""
    context = multiprocessing.get_context(method)
    with hashlith.open(path) as index, context.Pool(1) as pool:
        pool.apply(os.getpid)
        hashlith.build(path, records("two"))
        with pytest.raises(hashlith.ReplacedError, match="replaced"):
            pool.apply(look_up, (index, [1]))
        assert pool.apply(abs, (-1,)) == 1
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        with hashlith.open(path) as index:
            hashlith.build(path, records("three"))
            with pytest.raises(hashlith.ReplacedError, match="replaced"):
                executor.submit(look_up, index, [1]).result()


def test_a_copy_with_the_same_bytes_is_the_same_file(path, tmp_path):
    with hashlith.open(path) as index:
        data = pickle.dumps(index)
        shutil.copy(path, tmp_path / "copy")
        os.replace(tmp_path / "copy", path)
        with pickle.loads(data) as again:
            assert again == index


def test_an_open_index_keeps_its_version(path):
    old = hashlith.open(path)
    hashlith.build(path, records("two"))
    with hashlith.open(path) as new:
        assert old["key 7"].endswith("version one") and new["key 7"].endswith("version two")
        assert dict(old.items()) == records() and dict(new.items()) == records("two")
        assert old != new
    old.close()


def read_versions(path, stop, wrong):
    while not stop.is_set():
        with hashlith.open(path) as index:
            versions = {value.rpartition(" ")[2] for value in index.get_many([f"key {n}" for n in range(0, COUNT, 97)])}
            if len(versions) != 1:
                wrong.put(versions)


def test_each_open_sees_one_version_while_the_file_is_replaced(path):
    context = multiprocessing.get_context("fork")
    stop, wrong = context.Event(), context.Queue()
    readers = [context.Process(target=read_versions, args=(path, stop, wrong)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for version in range(60):
        hashlith.build(path, records(version))
    stop.set()
    for reader in readers:
        reader.join()
        assert reader.exitcode == 0
    assert wrong.empty()


def test_threads_share_a_handle(path):
    """Also while one of them closes it: every answer is right, or says that the index is closed."""
    expected = records()
    keys = list(expected)
    column = pyarrow.array(keys)
    for _ in range(5):
        index = hashlith.open(path)
        barrier, wrong, answers = threading.Barrier(9), [], []

        def hammer(number):
            barrier.wait()
            try:
                while True:
                    for key in keys[number::50]:
                        if index[key] != expected[key] or key + "?" in index:
                            wrong.append(key)
                    if index.get_many(keys) != list(expected.values()):
                        wrong.append("get_many")
                    if index.get_many_arrow(column).to_pyarrow().to_pylist() != list(expected.values()):
                        wrong.append("get_many_arrow")
                    if len(dict(index.items())) != COUNT:
                        wrong.append("items")
                    answers.append(number)
            except ValueError as error:
                if "closed" not in str(error):
                    wrong.append(error)

        threads = [threading.Thread(target=hammer, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        barrier.wait()
        while len(answers) < 8:
            pass
        index.close()
        for thread in threads:
            thread.join()
        assert not wrong


def test_threads_share_an_iterator(path):
    with hashlith.open(path) as index:
        shared = iter(index)
        parts = [[] for _ in range(4)]
        threads = [threading.Thread(target=part.extend, args=(shared,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(key for part in parts for key in part) == sorted(records())


@pytest.mark.parametrize("call", ["get_many", "ids", "get_many_arrow"])
def test_the_gil_is_released_while_batches_are_searched(call, path):
    """A waiting thread, to which Python itself never gives the GIL, runs before the call returns."""
    script = """
        import sys, threading, pyarrow, hashlith
        index = hashlith.open(sys.argv[1])
        keys = list(index) * 200
        keys = keys if sys.argv[2] == "get_many" else pyarrow.array(keys)
        call = getattr(index, sys.argv[2])
        sys.setswitchinterval(1000)
        ready, ran = threading.Event(), []
        def run():
            ready.wait()
            ran.append(1)
        thread = threading.Thread(target=run)
        thread.start()
        ready.set()
        assert not ran
        call(keys)
        sys.exit(0 if ran else 1)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), path, call], timeout=120)
    assert done.returncode == 0


def test_import_and_open_start_no_thread_and_write_nothing(path):
    script = """
        import os, sys
        before = os.stat(sys.argv[1])
        listing = sorted(os.listdir(os.path.dirname(sys.argv[1])))
        import hashlith
        assert os.listdir("/proc/self/task") == [str(os.getpid())]
        index = hashlith.open(sys.argv[1], preload=True, huge_pages=True)
        assert index["key 1"] and index.get_many(["key 2"]) and list(index.items())
        assert os.listdir("/proc/self/task") == [str(os.getpid())]
        after = os.stat(sys.argv[1])
        assert (before.st_mtime_ns, before.st_ctime_ns, before.st_size) == (after.st_mtime_ns, after.st_ctime_ns, after.st_size)
        assert sorted(os.listdir(os.path.dirname(sys.argv[1]))) == listing
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], check=True)


def test_read_only_media(path, tmp_path):
    """A read-only file system for root, who may write to any folder; a read-only folder for others."""
    script = """
        import errno, os, sys, hashlith
        folder = os.path.dirname(sys.argv[1])
        try:
            open(os.path.join(folder, "new"), "w")
        except OSError as error:
            assert error.errno in (errno.EROFS, errno.EACCES), error
        else:
            sys.exit("the folder is not read-only")
        with hashlith.open(sys.argv[1]) as index:
            assert index["key 1"] == "value 1 of version one"
        assert hashlith.verify(sys.argv[1]).keys == 5000
        try:
            hashlith.build(sys.argv[1], {})
        except OSError as error:
            assert error.errno in (errno.EROFS, errno.EACCES), error
        else:
            sys.exit("the build should have failed")
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    if os.getuid() != 0:
        path.parent.chmod(0o555)
        try:
            subprocess.run([*command, path], check=True)
        finally:
            path.parent.chmod(0o755)
        return
    mount = tmp_path / "media"
    mount.mkdir()
    prepare = f"mount -t tmpfs none {mount} && cp {path} {mount}/x.hlith && mount -o remount,ro {mount}"
    subprocess.run(["unshare", "-m", "sh", "-c", f'{prepare} && exec "$@"', "sh", *command, mount / "x.hlith"], check=True)
    assert not any(pathlib.Path(mount).iterdir())


def test_every_way_of_opening_answers_the_same(make):
    records = {f"key {n}": f"value {n}" for n in range(300)}
    path = make(records)
    asked = list(records)[:200] + ["absent"]
    expected = [records.get(key) for key in asked]
    for name in "in_memory", "huge_pages", "preload", "cold":
        with hashlith.open(path, **{name: True}) as index:
            assert index.get_many(asked) == expected, name
            assert pickle.loads(pickle.dumps(index)).get_many(asked) == expected, name
    with hashlith.open(path, random=False) as index:
        assert index.get_many(asked) == expected
