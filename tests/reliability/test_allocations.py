"""Promises 1 and 3 when the system has no memory left: each allocation of some size fails, one after the other.

A small one that fails ends a process, as everywhere in Rust and in most of CPython. The sizes here are those that a file, a key
or a caller decides.
"""
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from binary import hashlith
from conftest import needed
from place import Place, spilling


@pytest.fixture(scope="session")
def failing(tmp_path_factory):
    """The library of allocations.c."""
    library = tmp_path_factory.mktemp("allocations") / "allocations.so"
    source = Path(__file__).parent / "allocations.c"
    subprocess.run([needed("cc", "gcc"), "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


CALLS = """
import ctypes, hashlith, numpy, pyarrow
library = ctypes.CDLL(None)
LEAST = ctypes.c_size_t(512 << 10)
rows = {f"key {row} " + "k" * 600_000: f"value {row} " + "v" * 700_000 for row in range(4)}
short = {f"key {row}": str(row) for row in range(100_000)}
numbers = {key: row for row, key in enumerate(short)}
vectors = {key: numpy.full(200_000, row, "f4") for row, key in enumerate(list(short)[:4])}
kinds = {
    "text": (rows, {}), "bytes": ({key.encode(): value.encode() for key, value in rows.items()}, {"keys": "bytes", "values": "bytes"}),
    "json": (rows, {"values": "json"}), "short": (short, {}), "plain": (rows, {"compress": "off"}),
    "numbers": (numbers, {"values": "int64"}), "vectors": (vectors, {"values": "float32[200000]"}),
    "integers": ({row: str(row) for row in range(100_000)}, {"keys": "int"}),
}
def same(found, expected):
    if isinstance(expected, numpy.ndarray):
        return numpy.array_equal(found, expected)
    if isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected
tried = wrong = 0
def check(name, call):
    global tried, wrong
    expected = call()
    for number in range(100_000):
        library.fail(ctypes.c_long(number), LEAST)
        try:
            found, error = call(), None
        except BaseException as caught:
            found, error = None, caught
        if not library.failed():
            break
        tried += 1
        if not (isinstance(error, MemoryError) or error is None and same(found, expected)):
            wrong += 1
            print(name, number, repr(error)[:300], flush=True)
        error = found = None
    if not same(call(), expected):
        wrong += 1
        print(name, "answers differently afterwards", flush=True)
for kind, (pairs, options) in kinds.items():
    hashlith.build(kind, pairs, memory="256M", threads=2, **options)
    index, keys = hashlith.open(kind), list(pairs)
    calls = {
        "[]": lambda: index[keys[1]], "get": lambda: index.get(keys[1]), "in": lambda: keys[1] in index,
        "get_many": lambda: index.get_many(keys), "ids": lambda: index.ids(keys), "by_id": lambda: index.by_id(0),
        "keys": lambda: list(index), "values": lambda: list(index.values()), "items": lambda: list(index.items()),
        "batches": lambda: [batch.to_pyarrow().to_pylist() if hasattr(batch, "to_pyarrow") else str(batch) for batch in index.batches()],
        "open": lambda: len(hashlith.open(kind)), "verify": lambda: str(hashlith.verify(kind)), "info": lambda: str(hashlith.info(kind)),
    }
    if kind != "bytes":
        column = pyarrow.array(keys)
        calls["get_many_arrow"] = lambda: index.get_many_arrow(column).to_pyarrow().to_pylist()
        calls["ids of a column"] = lambda: index.ids(column)
    if kind in ("numbers", "vectors"):
        calls["to_numpy"] = lambda: index.to_numpy()
    for name, call in calls.items():
        check(f"{name} of {kind}", call)
print(tried, wrong)
"""


def test_calls_of_the_package(failing, tmp_path, evidence):
    """Each is a MemoryError, and the next call answers. Buffers of a fixed size take at most 256 KiB."""
    environment = {**os.environ, "LD_PRELOAD": str(failing), "PYTHONMALLOC": "malloc", "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run([sys.executable, "-c", CALLS], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    tried, wrong = map(int, done.stdout.splitlines()[-1].split())
    assert wrong == 0 and tried > 200, done.stdout[-5000:]
    evidence("allocations", tried)


def commands(folder):
    """Commands that read an index with records of 1 MB, of 100,000 keys, and of numbers."""
    (folder / "long.tsv").write_text("".join(f"key {row} {'k' * 600_000}\tvalue {row} {'v' * 700_000}\n" for row in range(4)))
    (folder / "short.tsv").write_text("".join(f"key {row}\t{row}\n" for row in range(100_000)))
    kinds = {"long": [], "long off": ["--compress", "off"], "short": [], "numbers": ["--values", "int64"]}
    for kind, options in kinds.items():
        source = folder / ("long.tsv" if "long" in kind else "short.tsv")
        subprocess.run([hashlith(), "build", source, "-o", folder / kind, "-q", "--memory", "256M", *options], check=True)
        yield from (["verify", folder / kind, "-q"], ["dump", folder / kind], ["info", folder / kind, "--json"])
        yield ["verify", folder / kind, "-q", "--against", source]
        yield ["get", folder / kind, "-"]


def environment_of(failing, number, least, report):
    """Of a command whose allocation with this number fails, of those of at least so many bytes. Then it makes the file `report`."""
    report.unlink(missing_ok=True)
    more = {"LD_PRELOAD": failing, "FAILING_ALLOCATION": number, "FAILING_BYTES": least, "FAILING_REPORT": report, "RUST_BACKTRACE": 0}
    return {**os.environ, **{name: str(value) for name, value in more.items()}}


def said(done):
    """A message, or that of Rust's runtime before it ends the process."""
    return done.returncode in (1, 2) and done.stderr.startswith("hashlith: ") and "memory" in done.stderr


def aborted(done):
    return done.returncode == -signal.SIGABRT and done.stderr.startswith("memory allocation of ")


def test_commands(failing, tmp_path, evidence):
    """Verification says so. Other commands may end in an abort, but not with half of an answer and success."""
    wrong, tried = [], 0
    for command in commands(tmp_path):
        keys = (tmp_path / ("long.tsv" if "long" in command[1].name else "short.tsv")).read_text()
        asked = "".join(line.partition("\t")[0] + "\n" for line in keys.splitlines()) if command[0] == "get" else ""

        def run(environment, command=command, asked=asked):
            return subprocess.run([hashlith(), *map(str, command)], input=asked, capture_output=True, text=True, env=environment)

        expected = run(os.environ)
        assert expected.returncode == 0, expected.stderr
        report = tmp_path / "report"
        for number in range(1000):
            done = run(environment_of(failing, number, 512 << 10, report))
            if not report.exists():
                break
            tried += 1
            well = done.returncode == 0 and done.stdout == expected.stdout
            may_abort = command[0] in ("get", "dump") or "--against" in command
            if not (well or said(done) or may_abort and aborted(done)):
                wrong.append((command[0], command[1].name, number, done.returncode, done.stderr[-300:]))
    assert not wrong, "\n".join(map(str, wrong))
    assert tried > 60
    evidence("commands", tried)


@pytest.mark.parametrize("spills", [False, True])
def test_builds(spills, failing, tmp_path, soak, evidence):
    """A build whose allocation fails may end in an abort, in one of the three states."""
    place = spilling(tmp_path, 400_000) if spills else Place(tmp_path)
    report = tmp_path / "report"
    wrong, tried = [], 0
    for number in range(0, 100_000, (10 if soak else 150) if spills else 1 if soak else 4):
        place.begin(with_old=True)
        done = place.build(env=environment_of(failing, number, 32 << 10, report))
        if not report.exists():
            break
        tried += 1
        state = place.state()
        found = place.fault(True, done.returncode == 0)
        if found or not (done.returncode == 0 or (said(done) or aborted(done)) and state == "old"):
            wrong.append((number, done.returncode, done.stderr[-300:], state, found))
    assert not wrong, "\n".join(map(str, wrong))
    assert tried > 3
    evidence("builds", tried)
