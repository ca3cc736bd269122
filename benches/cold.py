#!/usr/bin/env python3
"""Lookups in a file that is not in memory, and what the disk can do.

    benches/cold.py INDEX RECORDS [--short] [--lookups 100000]

Runs `fio` (Debian: apt-get install fio) on the index for the disk's own figures, and `bench-cold` for the lookups. The
index should be larger than memory (`benches/full.py --keep` leaves one), and nothing else should use the disk. Writes
`benches/results/cold.json`, which `benches/report.py` renders.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
RESULTS = HERE / "results" / "cold.json"


def fio(index, pattern, block, depth):
    """Reads and bytes per second of the disk, past the page cache."""
    command = ["fio", "--name=index", f"--filename={index}", "--readonly", f"--rw={pattern}", f"--bs={block}", "--direct=1"]
    command += ["--ioengine=libaio", f"--iodepth={depth}", "--runtime=8", "--time_based", "--output-format=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit("benches/cold.py needs fio (Debian, Ubuntu: apt-get install fio)")
    if done.returncode:
        sys.exit(done.stderr)
    read = json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0]["read"]
    return {"per_second": read["iops"], "bytes_per_second": read["bw_bytes"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("records", type=int)
    parser.add_argument("--short", action="store_true", help="the records are those of hashlith-gen --short")
    parser.add_argument("--lookups", type=int, default=100_000)
    args = parser.parse_args()
    disk = {
        "random, depth 1": fio(args.index, "randread", "4k", 1),
        "random, depth 32": fio(args.index, "randread", "4k", 32),
        "sequential": fio(args.index, "read", "1m", 4),
    }
    command = [TARGET / "bench-cold", args.index, args.records, "--lookups", args.lookups, "--json"]
    command += ["--short"] if args.short else []
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)
    result = {"file_bytes": args.index.stat().st_size, "disk": disk, "lookups": json.loads(done.stdout)}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    for row in rows(result):
        print(f"{row[0]:<52} {row[1]:>16} {row[2]:>12}")


def rows(result):
    """Each figure with its goal."""
    disk, lookups = result["disk"], result["lookups"]
    deep, asked = disk["random, depth 32"]["per_second"], lookups["get_many, hit, cold"]
    preload, sequential = lookups["preload_bytes_per_second"], disk["sequential"]["bytes_per_second"]
    rate = lambda row: f"{row['per_second']:,.0f}/s"  # noqa: E731
    pages = lambda name: f"{lookups[name]['pages']:.2f} pages"  # noqa: E731
    return [
        ["disk, 4 KiB random reads, one at a time", rate(disk["random, depth 1"]), ""],
        ["disk, 4 KiB random reads, 32 at a time", rate(disk["random, depth 32"]), ""],
        ["disk, sequential reads", f"{sequential / 1e6:,.0f} MB/s", ""],
        ["loading the hot section (`preload`)", f"{preload / 1e6:,.0f} MB/s", "disk speed"],
        ["`get`, present, nothing loaded: reads per lookup", pages("get, hit, nothing loaded"), "3"],
        ["`get`, present, hot section loaded: reads per lookup", pages("get, hit"), "1"],
        ["`get`, absent, hot section loaded: reads per lookup", pages("get, absent"), ""],
        ["`get`, present", rate(lookups["get, hit"]), ""],
        ["`get_many`, present", rate(lookups["get_many, hit"]), ""],
        ["`get_many`, present, opened as `cold`", rate(asked), f"{deep * 0.7:,.0f}/s"],
        ["the same, relative to the disk at 32 reads", f"{asked['per_second'] / deep:.0%}", "70%"],
        ["the same: reads per lookup", pages("get_many, hit, cold"), ""],
        ["the same keys again, now in memory", rate(lookups["the same, now warm"]), ""],
    ]


if __name__ == "__main__":
    main()
