#!/usr/bin/env python3
"""The whole job at full size: records through a pipe -> index -> verify -> millions of lookups, every answer compared.

    benches/full.py 1750000000 [10000000 ...] [--memory 4G] [--rounds 1] [--strings] [--dir DIR] [--missing]

`hashlith-gen` writes 12-byte keys and 11-byte values (`--strings`: 16-24 and 20-30 bytes) into a pipe, so the
input is never on disk. While `hashlith build` runs, the script samples its memory, core time, transfers, progress and the
disk space of all its files, unnamed ones too. Each run is kept in `benches/results/full.json`; `benches/report.py` renders it.
Needs `make build` and `cargo build --release -p hashlith-benches`; `make bench-full` does it all.
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pages

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
RESULTS = HERE / "results" / "full.json"
TICKS = os.sysconf("SC_CLK_TCK")
# The fields of a sample; older records lack the last one.
COLUMNS = ["seconds", "memory", "disk", "read", "written", "core", "generated"]


def core_seconds(pid):
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid):
    """Resident memory of a process without mapped files, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def transfers(pid):
    """Bytes that a process has read and written so far, pipes and page cache included."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    fields = dict(line.split(": ") for line in lines)
    return int(fields["rchar"]), int(fields["wchar"])


def generated(pid):
    """Bytes that the generator has written; None once it has ended."""
    try:
        return transfers(pid)[1]
    except (OSError, KeyError):
        return None


def disk(pid):
    """Bytes on disk of the regular files that a process has open: the growing index and all temporary files."""
    files = {}
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            stat = entry.stat()
        except OSError:
            continue
        if os.path.stat.S_ISREG(stat.st_mode):
            files[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return sum(files.values())


def sample(build_pid, generator_pid, start):
    """One sample of the build, by `COLUMNS`; None once it has ended."""
    try:
        seconds = round(time.monotonic() - start, 2)
        read, written = transfers(build_pid)
        row = [seconds, memory(build_pid), disk(build_pid), read, written, core_seconds(build_pid)]
        return [*row, generated(generator_pid)]
    except (OSError, IndexError, KeyError, StopIteration):
        return None


def follow(stream, start, progress):
    """Copies the lines of a stream to standard error, and keeps each with its time."""
    for line in stream:
        progress.append([round(time.monotonic() - start, 2), line.rstrip()])
        print(line, end="", file=sys.stderr, flush=True)


def build(pairs, args, index):
    """Generator and build, side by side; the record of the run."""
    shape = [] if args.strings else ["--short"]
    generate = [TARGET / "hashlith-gen", str(pairs), "--format", args.format, *shape]
    generator = subprocess.Popen(generate, stdout=subprocess.PIPE)
    command = [TARGET / "hashlith", "build", "-", "--format", args.format, "--memory", args.memory, "-o", index, "--json"]
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=generator.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    generator.stdout.close()
    samples, progress = [], []
    follower = threading.Thread(target=follow, args=(process.stderr, start, progress))
    follower.start()
    # `poll` would take the exit status away from `wait4`, which reports the peak memory.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        now = sample(process.pid, generator.pid, start)
        if now:
            samples.append(now)
        time.sleep(min(1.0, 0.05 + 0.01 * (time.monotonic() - start)))
    wall = time.monotonic() - start
    report = process.stdout.read()
    follower.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    _, status, generated = os.wait4(generator.pid, 0)
    generator.returncode = os.waitstatus_to_exitcode(status)
    for name, ended in (("hashlith build", process), ("hashlith-gen", generator)):
        if ended.returncode:
            sys.exit(f"{name}: exit code {ended.returncode}")
    report = json.loads(report)
    return {
        "pairs": pairs,
        "records": "strings" if args.strings else "short",
        "format": args.format,
        "memory": args.memory,
        "wall_s": round(wall, 2),
        "core_s": round(usage.ru_utime + usage.ru_stime, 2),
        "generator_core_s": round(generated.ru_utime + generated.ru_stime, 2),
        "peak_memory": usage.ru_maxrss * 1024,
        "peak_disk": max([one[2] for one in samples] + [os.stat(index).st_blocks * 512]),
        "input_bytes": report["input_bytes"],
        "file_bytes": report["file_bytes"],
        "hot_bytes": report["hot_bytes_per_key"] * pairs,
        "spilled_bytes": report["spilled_bytes"],
        "phases": report["phases"],
        "progress": progress,
        "columns": COLUMNS,
        "samples": samples,
    }


def checked(command):
    """Runs a command that prints JSON, and returns it with the seconds it took."""
    start = time.monotonic()
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout}")
    return json.loads(done.stdout), round(time.monotonic() - start, 2)


def run(pairs, args):
    """One size from pipe to last check."""
    shape = [] if args.strings else ["--short"]
    index = args.dir / f"full-{pairs}.hlith"
    record = build(pairs, args, index)
    _, record["verify_s"] = checked([TARGET / "hashlith", "verify", index, "--json"])
    lookups = ["--lookups", args.lookups, "--single", args.lookups // 10]
    cold = ["--cold"] if index.stat().st_size > pages.machine()["memory"] else []
    record["lookups"], _ = checked([TARGET / "bench-check", index, pairs, *shape, *lookups, *cold, "--json"])
    if args.keep:
        print(f"kept: {index}")
    else:
        index.unlink()
    return record


def core_ns(record, generator=False):
    """Core time per pair of the build, alone or with the generator, in ns."""
    seconds = record["core_s"] + (record["generator_core_s"] if generator else 0)
    return seconds / record["pairs"] * 1e9


def bars(record):
    """The goals of the full count, each with the measured figure."""
    asked = {kind: 0 for kind in ("hit", "absent")}
    for name, figures in record["lookups"].items():
        if isinstance(figures, dict):
            asked[name.split(", ")[1]] += figures["lookups"]
    return [
        ["wall time", f"{record['wall_s'] / 60:.1f} min", "15 min"],
        ["core time per pair", f"{core_ns(record):.0f} ns", ""],
        ["core time per pair, with the generator", f"{core_ns(record, generator=True):.0f} ns", ""],
        ["peak memory", f"{record['peak_memory'] / 2**30:.2f} GiB", "5 GiB"],
        ["peak disk / finished file", f"{record['peak_disk'] / record['file_bytes']:.2f}x", "1.15x"],
        ["`verify`: every byte, every key", f"{record['verify_s']:.0f} s", ""],
        ["present keys looked up, each answer compared", f"{asked['hit']:,}", "10,000,000"],
        ["absent keys looked up, each answer compared", f"{asked['absent']:,}", "10,000,000"],
    ]


def show(record):
    """Prints one row."""
    print(
        f"{record['pairs']:>13,} pairs  {record['wall_s']:>7.1f} s  {core_ns(record):>4.0f} core-ns/pair"
        f"  {record['peak_memory'] / 2**30:.2f} GiB  disk {record['peak_disk'] / record['file_bytes']:.2f}x"
        f"  {record['file_bytes'] / record['pairs']:.2f} B/pair  verify {record['verify_s']:.1f} s",
        flush=True,
    )


def show_bars(record):
    """Prints the goals, which are for 1.75 billion pairs."""
    print(f"\n{record['pairs']:,} pairs")
    for name, measured, goal in [["", "measured", "goal"], *bars(record)]:
        print(f"{name:<52} {measured:>12} {goal:>12}".rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=int, nargs="+")
    parser.add_argument("--memory", default="4G")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--strings", action="store_true", help="16-24-byte keys and 20-30-byte values")
    parser.add_argument("--format", choices=["tsv", "cdbmake"], default="tsv", help="what goes through the pipe")
    parser.add_argument("--lookups", type=int, default=10_000_000, help="batched; a tenth of it one by one")
    parser.add_argument("--dir", type=Path, default=HERE / "data", help="where the index and temporary files go")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the records of the runs are kept")
    parser.add_argument("--keep", action="store_true", help="keep the index")
    parser.add_argument("--missing", action="store_true", help="leave out sizes that have a record already")
    args = parser.parse_args()
    args.dir.mkdir(exist_ok=True)
    args.json.parent.mkdir(exist_ok=True)
    for pairs in args.pairs:
        # Records of another format stay apart, so that sizes are compared like with like.
        name = f"{'' if args.format == 'tsv' else args.format + '-'}{'strings' if args.strings else 'short'}-{pairs}"
        results = json.loads(args.json.read_text()) if args.json.exists() else {"runs": {}}
        if args.missing and name in results["runs"]:
            print(f"{pairs:>13,} pairs  there already")
            continue
        rounds = []
        for _ in range(args.rounds):
            rounds.append(run(pairs, args))
            show(rounds[-1])
        results["machine"] = pages.machine()
        results["runs"][name] = rounds
        args.json.write_text(json.dumps(results) + "\n")
        show_bars(rounds[-1])


if __name__ == "__main__":
    main()
