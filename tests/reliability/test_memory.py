"""Promise 8: a build stays within its memory. Each runs in a control group of its own, whose limit is the build's memory, what the
longest record may take on top, and a constant for the process. The kernel kills what takes more.
"""
import contextlib
import gzip
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from binary import hashlith
from conftest import cannot

MIB = 1 << 20
# The process itself: code, stacks, page tables, what the allocator keeps.
BASE = 24 * MIB
# How many times the longest record, as its input holds it, may be in memory in addition. Decoding takes a second buffer, and
# serde_json a third.
LONGEST = {"pickle": 1.25, "tsv": 1.25, "cdbmake": 1.25, "csv": 2.5, "jsonl": 3.5}


@contextlib.contextmanager
def group(limit):
    """A control group with this limit, and what a process calls to get into it."""
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    top, limit_file = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
    at = top / f"hashlith-memory-{os.getpid()}"
    try:
        at.mkdir()
        (at / limit_file).write_text(str(limit))
    except OSError as error:
        cannot(f"no control group can be made here: {error}")
    try:
        yield lambda: (at / "cgroup.procs").write_text("0")
    finally:
        at.rmdir()


def run(command, limit):
    with group(limit) as enter:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=enter)


def pairs(number, count, size):
    """Keys, and values of `size` bytes, which need decoding in every format that can code them."""
    body = ('v"\n' * size)[: size - 8] if size > 8 else "v"
    for index in range(count):
        yield f"key {number} {index}", f"{index:07} {body}"[:size]


def write(folder, form, count, size):
    """Two inputs with `count` records together, and the length of the longest record there."""
    longest = 0
    for number in range(2):
        records = list(pairs(number, count // 2, size))
        path = folder / f"{number}.{ {'pickle': 'pkl', 'cdbmake': 'cdbmake'}.get(form, form) }"
        if form == "pickle":
            path.write_bytes(pickle.dumps(dict(records), 4))
            longest = max(longest, size + 40)
            continue
        with open(path, "wb") as file:
            for key, value in records:
                if form == "tsv":
                    row = f"{key}\t{value}".replace("\n", " ") + "\n"
                elif form == "csv":
                    row = '"{}","{}"\n'.format(key, value.replace('"', '""'))
                elif form == "jsonl":
                    row = json.dumps({"key": key, "value": value}) + "\n"
                else:
                    row = f"+{len(key)},{len(value)}:{key}->{value}\n"
                longest = max(longest, len(row))
                file.write(row.encode())
            if form == "cdbmake":
                file.write(b"\n")
    return longest


# Bytes of a value, threads, MiB of memory.
SWEEP = [(size, threads, memory)
         for size in (1, 60, 5000, 70_000, MIB, 4 * MIB, 16 * MIB)
         for threads, memory in ((1, 32), (4, 80), (4, 160), (16, 272))]
QUICK = [(60, 1, 32), (4 * MIB, 4, 80), (16 * MIB, 1, 32)]


@pytest.mark.parametrize("form", LONGEST)
def test_builds_stay_within_their_memory(form, tmp_path, soak, evidence):
    sweep = SWEEP if soak else QUICK
    for size, threads, memory in sweep:
        folder = tmp_path / "in"
        folder.mkdir()
        # Three times the memory, as far as the disk and patience allow.
        count = max(12, min(3 * memory * MIB // (size + 20), 2_000_000 if soak else 1_000_000))
        longest = write(folder, form, count, size)
        options = ["--quiet", "--threads", str(threads), "--memory", f"{memory}M", "--format", form]
        command = [hashlith(), "build", *options, "-o", str(tmp_path / "x.hlith"), str(folder)]
        if longest > memory * MIB:
            continue
        done = run(command, memory * MIB + int(LONGEST[form] * longest) + BASE)
        assert done.returncode == 0, f"{form} {size} {threads} {memory}: {done.returncode} {done.stderr}"
        for path in [*folder.iterdir(), folder]:
            path.unlink() if path.is_file() else path.rmdir()
    evidence("builds", len(sweep))


def test_the_limit_of_this_test_is_one(tmp_path):
    """A build that may use more than the group has is killed: the group's limit holds."""
    write(tmp_path, "tsv", 400, MIB)
    command = [hashlith(), "build", "--quiet", "--threads", "1", "--memory", "400M", "-o", str(tmp_path / "x.hlith"), str(tmp_path / "0.tsv")]
    assert run(command, 64 * MIB).returncode == -9


def test_compressed_inputs_and_other_operations(tmp_path, evidence):
    """Merging and splitting read their inputs from the page cache; verifying reads a window at a time."""
    folder, size, memory = tmp_path / "in", 4 * MIB, 80
    folder.mkdir()
    longest = write(folder, "tsv", 40, size)
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    limited = ["--quiet", "--threads", "4", "--memory", f"{memory}M"]
    one, parts, whole = (str(tmp_path / name) for name in ("x.hlith", "parts", "whole.hlith"))
    most = memory * MIB + int(LONGEST["tsv"] * longest) + BASE
    commands = [
        ["build", *limited, "-o", one, str(folder)],
        ["verify", one],
        ["verify", one, "--against", str(folder)],
        # Another number of parts: other cells, which are built anew.
        ["split", *limited, "--parts", "3", "-o", parts, one],
        ["merge", *limited, "-o", whole, parts],
        ["dump", whole, "--format", "cdbmake"],
    ]
    for command in commands:
        done = run([hashlith(), *command], most)
        assert done.returncode == 0, f"{command[0]}: {done.returncode} {done.stderr}"
    evidence("operations", len(commands))


PYTHON = """
import hashlith, sys
size, count, threads, memory, path = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
records = ((f"key {i}", f"{i:07} " + "v" * size) for i in range(count))
hashlith.build(path, records, memory=memory, threads=threads)
"""


def test_the_python_builder(tmp_path, soak, evidence):
    """The interpreter and the caller's record come in addition."""
    for size, threads, memory in SWEEP if soak else QUICK:
        count = max(12, min(3 * memory * MIB // (size + 20), 500_000))
        arguments = [str(size), str(count), str(threads), f"{memory}M", str(tmp_path / "x.hlith")]
        most = memory * MIB + 4 * size + BASE + 40 * MIB
        done = run([sys.executable, "-c", PYTHON, *arguments], most)
        assert done.returncode == 0, f"{size} {threads} {memory}: {done.returncode} {done.stderr}"
    evidence("builds", len(SWEEP if soak else QUICK))
