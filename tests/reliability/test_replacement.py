"""Promise 5: 32 readers in 8 processes, while the file is replaced again and again. And what happens to a reader whose file is
truncated or overwritten, which nobody should do.
"""
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import hashlith
import pytest

KEYS = 400


def build(path, version):
    hashlith.build(path, ((f"key {i}", f"version {version}") for i in range(KEYS)), threads=1, memory="64M")


def count(folder):
    return len(list(Path(f"/proc/self/{folder}").iterdir()))


def read_on(path, ready, must_end, results):
    """Opens the index and looks keys up, again and again. Each open sees one version, whatever replaces the file meanwhile."""
    opened, versions = 0, set()
    last = -1
    while not must_end.is_set():
        with hashlith.open(path) as index:
            first = index["key 0"]
            version = int(first.split()[1])
            assert version >= last, (version, last)
            last = version
            for _ in range(3):
                assert index.get_many([f"key {i}" for i in range(KEYS)]) == [first] * KEYS
                assert set(index.values()) == {first}
        if opened == 0:
            ready.release()
        opened += 1
        versions.add(version)
    results.append((opened, len(versions)))


def worker(path, ready, must_end, queue):
    threads, results, faults = [], [], []

    def run():
        try:
            read_on(path, ready, must_end, results)
        except BaseException as error:
            faults.append(repr(error))

    hashlith.open(path).close()
    before = count("fd")
    for _ in range(4):
        threads.append(threading.Thread(target=run))
        threads[-1].start()
    for thread in threads:
        thread.join()
    maps = Path("/proc/self/maps").read_text()
    opened, seen = sum(opened for opened, _ in results), min((seen for _, seen in results), default=0)
    queue.put((opened, seen, faults, count("fd") - before, maps.count(".hlith")))


def test_readers_of_a_file_that_is_replaced(tmp_path, soak, evidence):
    path, rounds = tmp_path / "x.hlith", 1000 if soak else 150
    build(path, 0)
    context = multiprocessing.get_context("spawn")
    ready, must_end, queue = context.Semaphore(0), context.Event(), context.Queue()
    workers = [context.Process(target=worker, args=(str(path), ready, must_end, queue), daemon=True) for _ in range(8)]
    for process in workers:
        process.start()
    try:
        for _ in range(32):  # all threads have opened it
            assert ready.acquire(timeout=60)
        with hashlith.open(path) as held:
            for version in range(1, rounds + 1):
                build(path, version)
            assert held["key 7"] == "version 0"  # the old file, as long as it is open
    finally:
        must_end.set()
    answers = [queue.get(timeout=120) for _ in workers]
    for process in workers:
        process.join(timeout=60)
        assert process.exitcode == 0
    for opened, seen, faults, descriptors, maps in answers:
        assert faults == [] and seen > 2 and descriptors == 0 and maps == 0, (opened, seen, faults, descriptors, maps)
    evidence("replacements", rounds)
    evidence("opens meanwhile", sum(opened for opened, *_ in answers))


READER = """
import sys, hashlith
index = hashlith.open(sys.argv[1], in_memory=sys.argv[2] == "memory")
assert index["key 1"] == "version 0"
print("open", flush=True)
sys.stdin.readline()
found = wrong = refused = 0
for i in range(400):
    try:
        value = index.get(f"key {i}")
        found += value == "version 0"
        wrong += value not in (None, "version 0")
    except hashlith.CorruptError:
        refused += 1
print(found, wrong, refused, flush=True)
"""


def after(path, how, change):
    """Exit code and last line of a process that has the file open while it is changed."""
    reader = subprocess.Popen([sys.executable, "-c", READER, str(path), how], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert reader.stdout.readline() == "open\n"
    change(path)
    output, _ = reader.communicate("\n", timeout=60)
    return reader.returncode, output.strip()


@pytest.mark.parametrize("how", ["mapped", "memory"])
def test_a_file_that_is_cut_off_under_a_reader(how, tmp_path):
    """docs/memory.md: a reader that maps the file dies of SIGBUS; one that has loaded it still answers."""
    path = tmp_path / "x.hlith"
    build(path, 0)
    code, printed = after(path, how, lambda path: os.truncate(path, 0))
    assert (code, printed) == ((-signal.SIGBUS, "") if how == "mapped" else (0, "400 0 0"))


@pytest.mark.parametrize("how", ["mapped", "memory"])
def test_a_file_that_is_written_over_under_a_reader(how, tmp_path):
    """When the bytes of a mapping change, a lookup reports it or finds nothing. It does not die, and invents no answer."""
    path = tmp_path / "x.hlith"
    build(path, 0)

    def write_over(path):
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(bytes(os.path.getsize(path) - 4096))

    code, printed = after(path, how, write_over)
    assert code == 0
    found, wrong, refused = map(int, printed.split())
    assert wrong == 0
    assert (found, refused) == (400, 0) if how == "memory" else found == 0
