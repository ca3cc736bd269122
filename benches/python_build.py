#!/usr/bin/env python3
"""What building from Python costs: core time per pair of each way to build, each in its own process.

    benches/python_build.py [--pairs N] [--rounds N] [--json]

Rounds are interleaved; figures are medians over the rounds, with the range. Core time is user and system time of the
build alone, without making the pairs. All ways must give the same index.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WAYS = [
    "build(path, dict)",
    "build(path, generator of pairs)",
    "Builder.add_many(keys, values), lists",
    "Builder.add_many, Arrow columns",
    "Builder.add, one by one",
    "build_from_files, one TSV file",
]


def core_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def add_lists(path, keys, values):
    import hashlith

    with hashlith.Builder(path, memory="1G") as builder:
        for at in range(0, len(keys), 10_000):
            builder.add_many(keys[at : at + 10_000], values[at : at + 10_000])


def add_columns(path, keys, values):
    import hashlith

    with hashlith.Builder(path, memory="1G") as builder:
        builder.add_many(keys, values)


def add_each(path, pairs):
    import hashlith

    with hashlith.Builder(path, memory="1G") as builder:
        for key, value in pairs.items():
            builder.add(key, value)


def one(way, source, path):
    """Builds in this process; prints core and wall seconds of the build, and a digest of the file."""
    import gc

    import hashlith

    gc.disable()
    pairs = None
    if "files" not in way:
        with open(source, encoding="ascii") as lines:
            pairs = dict(line.rstrip("\n").split("\t") for line in lines)
    if "Arrow" in way:
        import pyarrow

        keys, values = pyarrow.array(list(pairs)), pyarrow.array(list(pairs.values()))
    elif "lists" in way:
        keys, values = list(pairs), list(pairs.values())
    core, wall = core_seconds(), time.perf_counter()
    if way == "build(path, dict)":
        hashlith.build(path, pairs, memory="1G")
    elif way == "build(path, generator of pairs)":
        hashlith.build(path, (pair for pair in pairs.items()), memory="1G")
    elif "Arrow" in way:
        add_columns(path, keys, values)
    elif "lists" in way:
        add_lists(path, keys, values)
    elif "one by one" in way:
        add_each(path, pairs)
    else:
        hashlith.build_from_files(path, source, memory="1G")
    core, wall = core_seconds() - core, time.perf_counter() - wall
    with hashlith.open(path) as index:
        print(json.dumps({"core": core, "wall": wall, "digest": index.digest}))


def main():
    if sys.argv[1:2] == ["--one"]:
        return one(*sys.argv[2:])
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    source = ROOT / "benches" / "data" / f"{args.pairs}.tsv"
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        generator = ROOT / "target" / "release" / "hashlith-gen"
        subprocess.run([generator, str(args.pairs), "--output", source], check=True)
    rows, digests = {way: [] for way in WAYS}, set()
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        path = os.path.join(folder, "built.hlith")
        for _ in range(args.rounds):
            for way in WAYS:
                command = [sys.executable, __file__, "--one", way, source, path]
                result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                rows[way].append((result["core"] / args.pairs * 1e9, result["wall"]))
                digests.add(result["digest"])
                os.remove(path)
    if len(digests) != 1:
        sys.exit("python_build: the ways made different files")
    table = [
        {
            "way": way,
            "core-ns": statistics.median(core for core, _ in runs),
            "least": min(core for core, _ in runs),
            "greatest": max(core for core, _ in runs),
            "wall": statistics.median(wall for _, wall in runs),
        }
        for way, runs in rows.items()
    ]
    if args.json:
        print(json.dumps({"pairs": args.pairs, "rows": table}))
        return
    print(f"{args.pairs:,} pairs, {args.rounds} rounds\n\n{'':40} {'core-ns/pair':>14}  {'range':>11}  {'wall':>7}")
    for row in table:
        span = f"{row['least']:.0f}-{row['greatest']:.0f}"
        print(f"{row['way']:40} {row['core-ns']:14.0f}  {span:>11}  {row['wall']:5.2f} s")


if __name__ == "__main__":
    main()
