#!/usr/bin/env python3
"""The memory of processes that share an index.

    benches/python_memory.py [--pairs N] [--workers N] [--lookups N] [--json]

Builds an index and starts workers that look up random keys until each has touched most of the file. While all of them
are alive, asks the kernel about each (/proc/PID/smaps_rollup and status): private memory compared with that of an idle
interpreter, proportional set size, page tables. Every answer is checked.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

BATCH = 1000


def key(number):
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}/{number}"


def value(number):
    return f"value of record {number:012d}"


def build(path, pairs):
    """Builds the index of records 0 to pairs - 1, if it is missing."""
    import hashlith

    if not os.path.exists(path):
        with hashlith.Builder(path, memory="1G") as builder:
            for start in range(0, pairs, 100_000):
                numbers = range(start, min(start + 100_000, pairs))
                builder.add_many([key(number) for number in numbers], [value(number) for number in numbers])


def work(path, pairs, lookups, seed):
    """What a worker does; prints a line when it is done, and waits."""
    import random

    import hashlith

    own = random.Random(seed)
    with hashlith.open(path) as index:
        for _ in range(lookups // BATCH):
            numbers = [own.randrange(pairs) for _ in range(BATCH)]
            assert index.get_many([key(number) for number in numbers]) == [value(number) for number in numbers]
            number = numbers[0]
            assert index[key(number)] == value(number) and key(-1 - number) not in index
        print("done", flush=True)
        sys.stdin.read()


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def memory(process):
    """The memory of a running process in bytes, as the kernel counts it."""
    found = {}
    for name in ("smaps_rollup", "status"):
        for line in pathlib.Path(f"/proc/{process.pid}/{name}").read_text().splitlines():
            label, _, rest = line.partition(":")
            if rest.strip().endswith("kB"):
                found[label] = int(rest.split()[0]) * 1024
    return {
        "private": found["Private_Clean"] + found["Private_Dirty"],
        "proportional": found["Pss"],
        "resident": found["Rss"],
        "page tables": found["VmPTE"],
    }


def finish(processes):
    for process in processes:
        process.stdin.close()
        if process.wait() != 0:
            sys.exit(f"a worker failed with exit code {process.returncode}")
        process.stdout.close()


def measure(path, pairs, workers, lookups):
    """Memory of each worker, and of an idle interpreter that shares its pages with others, in bytes."""
    waiting = "import sys; print('done', flush=True); sys.stdin.read()"
    idle = [start("-c", waiting) for _ in range(4)]
    busy = [start(__file__, "--work", path, pairs, lookups, seed) for seed in range(workers)]
    for process in idle + busy:
        if process.stdout.readline() != "done\n":
            sys.exit("a worker ended before it was done")
    result = {"idle": memory(idle[0]), "workers": [memory(process) for process in busy]}
    finish(idle + busy)
    return result


def main():
    if sys.argv[1:2] == ["--work"]:
        path, *numbers = sys.argv[2:]
        return work(path, *map(int, numbers))
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--lookups", type=int, default=300_000)
    parser.add_argument("--index", help="path of the index, built there if it is missing [a temporary file]")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.index or os.path.join(folder, "shared.hlith")
        build(path, args.pairs)
        result = measure(path, args.pairs, args.workers, args.lookups)
        result |= {"pairs": args.pairs, "file": os.path.getsize(path)}
    if args.json:
        print(json.dumps(result))
        return
    mib = lambda size: f"{size / 2**20:,.1f}"  # noqa: E731
    print(f"{args.workers} processes, each {args.lookups:,} random lookups in {args.pairs:,} pairs, {mib(result['file'])} MiB\n")
    print(f"{'MiB':24} {'idle':>8} {'worker':>8} {'largest':>8} {'all':>9}")
    for label in ("private", "proportional", "resident", "page tables"):
        sizes = [worker[label] for worker in result["workers"]]
        cells = (result["idle"][label], statistics.median(sizes), max(sizes), sum(sizes))
        print(f"{label:24} " + " ".join(f"{mib(cell):>{width}}" for cell, width in zip(cells, (8, 8, 8, 9))))
    over = max(worker["private"] for worker in result["workers"]) - result["idle"]["private"]
    print(f"\nprivate memory of a worker over an idle interpreter: at most {mib(over)} MiB")


if __name__ == "__main__":
    main()
