#!/usr/bin/env python3
"""What `hashlith build` and `verify` cost: time and memory as the kernel counts them.

    benches/build.py [--pairs 10000000 ...] [--formats tsv pickle] [--memory 1G] [--threads 2] [--rounds 3]

Needs `target/release/hashlith` and `target/release/hashlith-gen` (`make bench` builds them). Inputs are made once, in
`benches/data`, and read from the page cache. Rounds are interleaved; a row has the median and the range.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
DATA = HERE / "data"


def run(arguments):
    """Runs a command; its wall seconds, core seconds (user + system) and peak memory in bytes."""
    start = time.monotonic()
    process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{arguments}: exit code {process.returncode}\n{errors.decode()}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def inputs(fmt, pairs):
    """The folder of the input files, which are made if they are missing."""
    path = DATA / f"{fmt}-{pairs}"
    if not path.exists():
        making = DATA / f"making-{fmt}-{pairs}"
        parts = ["--parts", max(8, pairs // 100_000)] if fmt == "pickle" else ["--parts", 1]
        run([TARGET / "hashlith-gen", pairs, "--format", fmt, "--output", making, *parts])
        making.rename(path)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000_000])
    parser.add_argument("--formats", nargs="+", default=["tsv", "pickle"])
    parser.add_argument("--memory", nargs="+", default=["1G"])
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cases = [
        (pairs, fmt, memory, threads)
        for pairs in args.pairs
        for fmt in args.formats
        for memory in args.memory
        for threads in args.threads
    ]
    results = {case: [] for case in cases}
    verified = {case: [] for case in cases}
    sizes = {}
    for _ in range(args.rounds):
        for case in cases:
            pairs, fmt, memory, threads = case
            output = DATA / "built.hlith"
            source = inputs(fmt, pairs)
            for file in source.iterdir():  # into the page cache
                with file.open("rb") as stream:
                    while stream.read(1 << 24):
                        pass
            results[case].append(
                run([TARGET / "hashlith", "build", source, "-o", output, "--memory", memory, "--threads", threads, "--quiet"])
            )
            sizes[case] = output.stat().st_size
            wall, _, _ = run([TARGET / "hashlith", "verify", output, "--threads", threads, "--quiet"])
            verified[case].append(sizes[case] / wall / 1e6)
            output.unlink()
    print(f"{'pairs':>12} {'format':>8} {'memory':>7} {'threads':>7} {'core-ns/pair':>13} {'(range)':>13} "
          f"{'wall s':>8} {'(range)':>13} {'peak MiB':>9} {'B/pair':>7} {'verify MB/s':>12}")
    for case in cases:
        pairs, fmt, memory, threads = case
        wall, core, peak = zip(*results[case])
        core = [seconds * 1e9 / pairs for seconds in core]
        print(f"{pairs:>12,} {fmt:>8} {memory:>7} {threads:>7} {statistics.median(core):>13.0f} "
              f"{f'{min(core):.0f}-{max(core):.0f}':>13} {statistics.median(wall):>8.2f} "
              f"{f'{min(wall):.2f}-{max(wall):.2f}':>13} {max(peak) / 2**20:>9.0f} {sizes[case] / pairs:>7.1f} {statistics.median(verified[case]):>12,.0f}")


if __name__ == "__main__":
    main()
