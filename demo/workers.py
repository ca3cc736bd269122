#!/usr/bin/env python3
"""32 worker processes look up the keys of a stream of records in the same dictionary, in four ways: an index that all map,
a dict that each loads, a dict behind a Manager, and LMDB.

    workers.py INDEX PICKLES [--records N] [--workers N] [--json]

This script writes the stream: lines of ten keys, one of them absent. Each worker takes its share, looks the keys up in
batches, and adds up the lengths of the values, which must agree in all ways. Workers are spawned, so they share no memory
but that of the index, of LMDB or of the Manager. The kernel says how much memory each takes (/proc/PID/smaps_rollup) when
all are done but still run. One run each; other work on this machine slows all of them.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import pathlib
import pickle
import random
import shutil
import sys
import tempfile
import time

import hashlith

BATCH = 100  # records; a thousand keys
KEYS = 10


def make_stream(path, index, records):
    """Writes the stream: keys of the index in random order, and one key in ten that it does not have."""
    own = random.Random(1)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(records):
            keys = [index.by_id(own.randrange(len(index)))[0] for _ in range(KEYS - 1)]
            file.write("\t".join([*keys, f"absent/{own.random()}"]) + "\n")


def share(path, number, workers):
    """The batches of keys of one worker."""
    with open(path, encoding="utf-8") as file:
        lines = itertools.islice(file, number, None, workers)
        while batch := list(itertools.islice(lines, BATCH)):
            yield [key for line in batch for key in line.rstrip("\n").split("\t")]


def with_index(path):
    index = hashlith.open(path)
    return lambda keys: index.get_many(keys)


def with_dict(pickles):
    pairs = {}
    for path in sorted(pathlib.Path(pickles).glob("*.pkl")):
        with open(path, "rb") as file:
            pairs.update(pickle.load(file))
    return lambda keys: [pairs.get(key) for key in keys]


def with_manager(proxy):
    return lambda keys: [proxy.get(key) for key in keys]


def with_lmdb(path):
    import lmdb

    transaction = lmdb.open(path, readonly=True, lock=False, readahead=False).begin()
    get = transaction.get

    def answer(keys):
        found = [get(key.encode()) for key in keys]
        return [value if value is None else value.decode() for value in found]

    return answer


def memory():
    rows = dict(line.split(":", 1) for line in open("/proc/self/smaps_rollup") if ":" in line[:20])
    size = lambda name: int(rows[name].split()[0]) * 1024  # noqa: E731
    return {"private": size("Private_Clean") + size("Private_Dirty"), "proportional": size("Pss")}


def work(prepare, source, stream, number, workers, ready, done, results):
    began = time.perf_counter()
    answer = prepare(source)
    waited = time.perf_counter() - began
    ready.wait()
    began = time.perf_counter()
    keys = found = length = 0
    for batch in share(stream, number, workers):
        values = answer(batch)
        keys += len(batch)
        found += len(values) - values.count(None)
        length += sum(len(value) for value in values if value is not None)
    took = time.perf_counter() - began
    done.wait()
    results.put({"wait": waited, "took": took, "keys": keys, "found": found, "length": length, **memory()})
    done.wait()


def run(prepare, source, stream, workers):
    """Runs the workers. Returns the longest times, the largest private memory, and the sums of everything else."""
    context = multiprocessing.get_context("spawn")
    ready, done, results = context.Barrier(workers), context.Barrier(workers), context.Queue()
    arguments = [(prepare, source, stream, number, workers, ready, done, results) for number in range(workers)]
    processes = [context.Process(target=work, args=one) for one in arguments]
    for process in processes:
        process.start()
    reports = [results.get() for _ in processes]
    for process in processes:
        process.join()
    total = {name: sum(one[name] for one in reports) for name in ("keys", "found", "length", "proportional")}
    return {
        **total,
        "workers": workers,
        "wait": max(one["wait"] for one in reports),
        "took": max(one["took"] for one in reports),
        "private": max(one["private"] for one in reports),
    }


def available():
    rows = dict(line.split(":", 1) for line in open("/proc/meminfo"))
    return int(rows["MemAvailable"].split()[0]) * 1024


def run_manager(pickles, stream, workers):
    """Its server process holds the dict; `made` is the time to fill it."""
    with multiprocessing.get_context("spawn").Manager() as manager:
        began = time.perf_counter()
        proxy = manager.dict()
        for path in sorted(pathlib.Path(pickles).glob("*.pkl")):
            with open(path, "rb") as file:
                proxy.update(pickle.load(file))
        made = time.perf_counter() - began
        server = memory_of(manager._process.pid)
        result = run(with_manager, proxy, stream, workers)
        return {**result, "made": made, "proportional": result["proportional"] + server}


def memory_of(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))


def run_lmdb(index, folder, stream, workers):
    import lmdb

    began = time.perf_counter()
    path = os.path.join(folder, "lmdb")
    with lmdb.open(path, map_size=1 << 40, writemap=True, sync=False) as environment:
        rows = sorted((key.encode(), value.encode()) for key, value in index.items())
        with environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(rows, append=True)
        environment.sync(True)
    made = time.perf_counter() - began
    return {**run(with_lmdb, path, stream, workers), "made": made}


def first(stream, path, records):
    """The first records of a stream, for a way that would take too long with all of them."""
    with open(stream, encoding="utf-8") as whole, open(path, "w", encoding="utf-8") as part:
        part.writelines(itertools.islice(whole, records))
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("index")
    parser.add_argument("pickles")
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--made", type=float, help="seconds that the index took to build, for the table")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(args.index))) as folder:
        stream = os.path.join(folder, "stream.tsv")
        index = hashlith.open(args.index)
        say(f"a stream of {args.records:,} records of {KEYS} keys, {args.workers} workers ...")
        make_stream(stream, index, args.records)
        rows = {"hashlith, get_many": run(with_index, args.index, stream, args.workers)}
        if args.made is not None:
            rows["hashlith, get_many"]["made"] = args.made

        one = run(with_dict, args.pickles, first(stream, os.path.join(folder, "one"), 1000), 1)
        # Each has a copy: only as many workers as fit into half of the available memory.
        fit = max(1, min(args.workers, int(available() / 2 / one["private"])))
        say(f"a dict in each worker: {one['private'] / 2**20:,.0f} MiB, so {fit} workers ...")
        rows["a dict in each worker"] = run(with_dict, args.pickles, stream, fit)

        say("LMDB ...")
        shutil.rmtree(os.path.join(folder, "lmdb"), ignore_errors=True)
        rows["py-lmdb"] = run_lmdb(index, folder, stream, args.workers)

        part = max(args.workers * BATCH, args.records // 100)
        say(f"Manager().dict(): the first {part:,} records ...")
        few = first(stream, os.path.join(folder, "few.tsv"), part)
        rows["Manager().dict()"] = run_manager(args.pickles, few, args.workers)

    check = {(row["found"], row["length"]) for name, row in rows.items() if not name.startswith("Manager")}
    expected = args.records * (KEYS - 1)
    if len(check) != 1 or rows["hashlith, get_many"]["found"] != expected:
        sys.exit(f"workers: the answers differ: {check}")
    if rows["Manager().dict()"]["found"] != part * (KEYS - 1):
        sys.exit("workers: the Manager's dict did not find all of its keys")
    if args.json:
        print(json.dumps(rows))
        return
    head = ("", "workers", "keys per second", "own memory", "all workers", f"{args.workers} workers", "built once", "start-up")
    table = [head]
    for name, row in rows.items():
        mib = lambda size: f"{size / 2**20:,.0f} MiB"  # noqa: E731
        shared = row["proportional"] - row["private"] * row["workers"]
        all_of_them = row["private"] * args.workers + max(shared, 0)
        made = f"{row['made']:.1f} s" if "made" in row else ""
        cells = (f"{row['keys'] / row['took']:,.0f}", mib(row["private"]), mib(row["proportional"]), mib(all_of_them))
        table.append((name, str(row["workers"]), *cells, made, f"{row['wait']:.2f} s"))
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        print(row[0].ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:])))
    print(f"\nAll gave the same answers. `{args.workers} workers` is computed where fewer ran.")


if __name__ == "__main__":
    main()
