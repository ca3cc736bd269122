#!/usr/bin/env python3
"""What the same pairs cost as a Python dict and as an index: measured here and now, in processes of their own.

    compare.py HASHLITH INDEX PICKLES KEYS BUILD_SECONDS

A dict is loaded from all pickles in a fresh Python process. The index is asked by a fresh `hashlith get INDEX -`,
which is kept waiting after its answers so that its memory can be looked at. Every figure is a single run with warm
page cache; times of a shared machine differ by tens of percent from run to run.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

DICT = r"""
import json, pathlib, pickle, sys, time
def memory():
    with open("/proc/self/status") as status:
        rows = dict(line.split(":", 1) for line in status)
    return int(rows["RssAnon"].split()[0]) * 1024
before, began = memory(), time.perf_counter()
pairs = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.pkl")):
    with open(path, "rb") as file:
        pairs.update(pickle.load(file))
loaded = time.perf_counter() - began
with open(sys.argv[2], encoding="utf-8") as lines:
    keys = [line.rstrip("\n") for line in lines]
began = time.perf_counter()
found = sum(1 for key in keys if pairs.get(key) is not None)
asked = time.perf_counter() - began
print(json.dumps({"pairs": len(pairs), "load": loaded, "memory": memory() - before, "ask": asked, "found": found}))
"""


def python_dict(pickles, keys):
    """Loads all pickles into one dict in a process of its own, and asks it."""
    run = subprocess.run([sys.executable, "-c", DICT, pickles, keys], stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def first_answer(hashlith, index, key):
    """Seconds from starting a process to its having answered one key and ended; the best of five."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([hashlith, "get", index, key], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return min(times)


def many_answers(hashlith, index, keys):
    """Asks for all keys in a process of its own, and looks at its memory before it ends."""
    with open(keys, "rb") as file:
        data = file.read()
    count = data.count(b"\n")
    process = subprocess.Popen([hashlith, "get", index, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    began = time.perf_counter()
    # A thread writes, so that neither side waits for the other; the pipe stays open.
    writer = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.flush()))
    writer.start()
    lines = sum(1 for _ in zip(range(count), process.stdout))
    asked = time.perf_counter() - began
    writer.join()
    with open(f"/proc/{process.pid}/status") as status:
        rows = dict(line.split(":", 1) for line in status)
    process.stdin.close()
    process.wait()
    if process.returncode != 0 or lines != count:
        sys.exit(f"compare: {lines} answers for {count} keys, exit code {process.returncode}")
    size = lambda name: int(rows[name].split()[0]) * 1024
    return {"ask": asked, "own": size("RssAnon"), "shared": size("RssFile")}


def mib(n):
    return f"{n / 2**20:,.1f} MiB"


def main():
    hashlith, index, pickles, keys, build_seconds = sys.argv[1:]
    as_dict = python_dict(pickles, keys)
    with open(keys, encoding="utf-8") as lines:
        some_key = next(lines).rstrip("\n")
    first = first_answer(hashlith, index, some_key)
    many = many_answers(hashlith, index, keys)
    pairs = as_dict["pairs"]
    on_disk = sum(path.stat().st_size for path in pathlib.Path(pickles).glob("*.pkl"))
    index_size = os.path.getsize(index)
    asked = as_dict["found"]
    rows = [
        (f"{pairs:,} pairs", "Python dict", "hashlith"),
        ("on disk", f"{mib(on_disk)} in pickles", mib(index_size)),
        ("  a pair", f"{on_disk / pairs:.1f} B", f"{index_size / pairs:.1f} B"),
        ("made once", "", f"{float(build_seconds):.2f} s from the pickles"),
        ("each process waits before its first answer", f"{as_dict['load']:.2f} s", f"{first * 1000:.1f} ms, with process start"),
        ("each process's own memory", mib(as_dict["memory"]), mib(many["own"])),
        ("mapped pages, shared by all processes", "", mib(many["shared"])),
        ("32 processes, each on its own (computed)", mib(32 * as_dict["memory"]), mib(32 * many["own"] + many["shared"])),
        (
            f"{asked:,} random lookups",
            f"{as_dict['ask'] * 1000:.0f} ms, in Python",
            f"{many['ask'] * 1000:.0f} ms, through two pipes",
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print("\nOne run each, with a warm page cache; other work on this machine shows in all times.")


if __name__ == "__main__":
    main()
