#!/usr/bin/env python3
"""Compares the memory and the times of a Python dict and an index of the same pairs, each in a process of its own.

    compare.py HASHLITH INDEX PICKLES KEYS BUILD_SECONDS

One Python process loads all pickles into a dict. `hashlith get INDEX -` looks the keys up in the index; its memory is
measured after its last answer, before it ends. Every figure is a single run with a warm page cache; times on a shared
machine vary by tens of percent.
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
    """Loads all pickles into one dict in a process of its own, and looks the keys up."""
    run = subprocess.run([sys.executable, "-c", DICT, pickles, keys], stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def first_answer(hashlith, index, key):
    """Seconds from the start to the end of a process that looks up one key; the best of five."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([hashlith, "get", index, key], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return min(times)


def many_answers(hashlith, index, keys):
    """Looks up all keys in a process of its own, and measures its memory before it ends."""
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
        ("  per pair", f"{on_disk / pairs:.1f} B", f"{index_size / pairs:.1f} B"),
        ("built once", "", f"{float(build_seconds):.2f} s from the pickles"),
        ("wait of each process for its first answer", f"{as_dict['load']:.2f} s", f"{first * 1000:.1f} ms, with process start"),
        ("own memory of each process", mib(as_dict["memory"]), mib(many["own"])),
        ("mapped pages, shared by all processes", "", mib(many["shared"])),
        ("total of 32 processes (computed)", mib(32 * as_dict["memory"]), mib(32 * many["own"] + many["shared"])),
        (
            f"{asked:,} random lookups",
            f"{as_dict['ask'] * 1000:.0f} ms, in Python",
            f"{many['ask'] * 1000:.0f} ms, through two pipes",
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print("\nOne run each, with a warm page cache. Other work on this machine slows all of them.")


if __name__ == "__main__":
    main()
