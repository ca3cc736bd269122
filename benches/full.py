#!/usr/bin/env python3
"""The whole job at its size: records through a pipe -> index -> verify -> every answer of millions of lookups checked.

    benches/full.py 1750000000 [10000000 ...] [--memory 4G] [--rounds 1] [--strings] [--dir DIR]

`hashlith-gen` writes 12-byte keys and 11-byte values (`--strings`: 16-24 and 20-30 bytes) into a pipe, so the input
never lies on the disk. While `hashlith build` runs, its memory, core time, transfers and the disk space of all its
files, nameless ones too, are noted. Each run is kept in `benches/results/full.json`; `benches/report.py` renders it.
Needs `make build` and `cargo build --release -p hashlith-benches`; `make bench-full` does it all.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
RESULTS = HERE / "results" / "full.json"
TICKS = os.sysconf("SC_CLK_TCK")


def core_seconds(pid):
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid):
    """Resident memory of a process without mapped files, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def transfers(pid):
    """Bytes that a process has read and written so far, pipes and page cache included."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    fields = dict(line.split(": ") for line in lines)
    return int(fields["rchar"]), int(fields["wchar"])


def disk(pid):
    """Bytes on disk of the regular files that a process has open: the growing index and all temporary files."""
    files = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            stat = os.stat(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if os.path.stat.S_ISREG(stat.st_mode):
            files[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return sum(files.values())


def sample(pid, start):
    """What the build takes now; None once it has ended."""
    try:
        read, written = transfers(pid)
        return [round(time.monotonic() - start, 2), resident(pid), disk(pid), read, written, core_seconds(pid)]
    except (OSError, IndexError):
        return None


def build(pairs, shape, memory, index):
    """Generator and build, side by side; the record of the run."""
    generator = subprocess.Popen([TARGET / "hashlith-gen", str(pairs), *shape], stdout=subprocess.PIPE)
    command = [TARGET / "hashlith", "build", "-", "--format", "tsv", "--memory", memory, "-o", index, "--json"]
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=generator.stdout, stdout=subprocess.PIPE)
    generator.stdout.close()
    samples = []
    # `poll` would take the exit status away from `wait4`, which tells the peak memory.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        now = sample(process.pid, start)
        if now:
            samples.append(now)
        time.sleep(min(1.0, 0.05 + 0.01 * (time.monotonic() - start)))
    wall = time.monotonic() - start
    report = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    _, _, generated = os.wait4(generator.pid, 0)
    generator.returncode = 0
    if process.returncode:
        sys.exit(f"hashlith build: exit code {process.returncode}")
    report = json.loads(report)
    return {
        "pairs": pairs,
        "records": "strings" if not shape else "short",
        "memory": memory,
        "wall_s": round(wall, 2),
        "core_s": round(usage.ru_utime + usage.ru_stime, 2),
        "generator_core_s": round(generated.ru_utime + generated.ru_stime, 2),
        "peak_memory": usage.ru_maxrss * 1024,
        "peak_disk": max([one[2] for one in samples] + [os.stat(index).st_blocks * 512]),
        "file_bytes": report["file_bytes"],
        "hot_bytes": report["hot_bytes_per_key"] * pairs,
        "spilled_bytes": report["spilled_bytes"],
        "phases": report["phases"],
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
    record = build(pairs, shape, args.memory, index)
    _, record["verify_s"] = checked([TARGET / "hashlith", "verify", index, "--json"])
    lookups = ["--lookups", args.lookups, "--single", args.lookups // 10]
    cold = ["--cold"] if index.stat().st_size > machine()["memory"] else []
    record["lookups"], _ = checked([TARGET / "bench-check", index, pairs, *shape, *lookups, *cold, "--json"])
    if args.keep:
        print(f"kept: {index}")
    else:
        index.unlink()
    return record


def machine():
    """What the figures were measured on."""
    model = [line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model[0] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory": memory,
        "kernel": platform.release().split("-")[0],
        "date": time.strftime("%Y-%m"),
    }


def show(record):
    """A row for the eye; `benches/report.py` has the table with the bars."""
    core_ns = record["core_s"] / record["pairs"] * 1e9
    print(
        f"{record['pairs']:>13,} pairs  {record['wall_s']:>7.1f} s  {core_ns:>4.0f} core-ns a pair"
        f"  {record['peak_memory'] / 2**30:.2f} GiB  disk {record['peak_disk'] / record['file_bytes']:.2f}x"
        f"  {record['file_bytes'] / record['pairs']:.2f} B a pair  verify {record['verify_s']:.1f} s",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=int, nargs="+")
    parser.add_argument("--memory", default="4G")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--strings", action="store_true", help="16-24-byte keys and 20-30-byte values")
    parser.add_argument("--lookups", type=int, default=10_000_000, help="batched; a tenth of it one by one")
    parser.add_argument("--dir", type=Path, default=HERE / "data", help="where the index and temporary files go")
    parser.add_argument("--keep", action="store_true", help="keep the index")
    args = parser.parse_args()
    args.dir.mkdir(exist_ok=True)
    RESULTS.parent.mkdir(exist_ok=True)
    for pairs in args.pairs:
        rounds = []
        for _ in range(args.rounds):
            rounds.append(run(pairs, args))
            show(rounds[-1])
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"runs": {}}
        results["machine"] = machine()
        results["runs"][f"{'strings' if args.strings else 'short'}-{pairs}"] = rounds
        RESULTS.write_text(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
