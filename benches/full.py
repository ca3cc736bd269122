#!/usr/bin/env python3
"""The whole job at its size: records through a pipe -> index -> verify -> every answer of millions of lookups checked.

    benches/full.py 1750000000 [10000000 ...] [--memory 4G] [--rounds 1] [--strings] [--dir DIR] [--missing]

`hashlith-gen` writes 12-byte keys and 11-byte values (`--strings`: 16-24 and 20-30 bytes) into a pipe, so the input
never lies on the disk. While `hashlith build` runs, its memory, core time, transfers, page faults, progress and the disk
space of all its files, nameless ones too, are noted. Each run is kept in `benches/results/full.json`; `benches/report.py`
renders it.
Needs `make build` and `cargo build --release -p hashlith-benches`; `make bench-full` does it all.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
RESULTS = HERE / "results" / "full.json"
TICKS = os.sysconf("SC_CLK_TCK")


# Columns of a sample. The first six are in every record, the others in those made since they were added.
COLUMNS = ["seconds", "memory", "disk", "read", "written", "core"]
COLUMNS += ["resident", "peak_resident", "disk_read", "disk_written", "major_faults", "generator_core", "generated", "filesystem"]


def times(pid):
    """Core seconds (user and system) and major page faults of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS, int(fields[9])


def memory(pid):
    """Resident memory of a process without mapped files, with them, and at its peak so far, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return [int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "VmRSS", "VmHWM")]


def transfers(pid):
    """Bytes that a process has read and written so far: first with pipes and page cache, then those of the disk alone."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    fields = dict(line.split(": ") for line in lines)
    return [int(fields[name]) for name in ("rchar", "wchar", "read_bytes", "write_bytes")]


def generator_state(pid):
    """Core seconds and written bytes of the generator; none once it has ended."""
    try:
        return [times(pid)[0], transfers(pid)[1]]
    except (OSError, IndexError, KeyError):
        return [None, None]


def files(paths):
    """Bytes on disk of the regular files among the paths, by device and inode."""
    found = {}
    for path in paths:
        try:
            stat = os.stat(path)
        except OSError:
            continue
        if os.path.stat.S_ISREG(stat.st_mode):
            found[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return found


def disk(pid, directory, before):
    """Bytes on disk of the run: what is new in its directory, and all files that the build has open, nameless ones too."""
    opened = files(os.scandir(f"/proc/{pid}/fd"))
    new = {file: size for file, size in files(os.scandir(directory)).items() if file not in before}
    return sum((new | opened).values())


def used(directory):
    """Bytes in use of the file system, whoever uses them."""
    stat = os.statvfs(directory)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


def sample(build_pid, generator_pid, directory, before, start):
    """What the build takes now, by `COLUMNS`; None once it has ended."""
    try:
        core, faults = times(build_pid)
        private, resident, peak = memory(build_pid)
        read, written, disk_read, disk_written = transfers(build_pid)
        row = [round(time.monotonic() - start, 2), private, disk(build_pid, directory, before["files"]), read, written, core]
        row += [resident, peak, disk_read, disk_written, faults, *generator_state(generator_pid)]
        return [*row, used(directory) - before["used"]]
    except (OSError, IndexError, KeyError):
        return None


def follow(stream, start, progress):
    """Passes the lines of a stream on to standard error, and keeps each with its time."""
    for line in stream:
        progress.append([round(time.monotonic() - start, 2), line.rstrip()])
        print(line, end="", file=sys.stderr, flush=True)


def build(pairs, args, index):
    """Generator and build, side by side; the record of the run."""
    shape = [] if args.strings else ["--short"]
    before = {"files": files(os.scandir(args.dir)), "used": used(args.dir)}
    generate = [TARGET / "hashlith-gen", str(pairs), "--format", args.format, *shape]
    generator = subprocess.Popen(generate, stdout=subprocess.PIPE)
    command = [TARGET / "hashlith", "build", "-", "--format", args.format, "--memory", args.memory, "-o", index, "--json"]
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=generator.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    generator.stdout.close()
    samples, progress = [], []
    follower = threading.Thread(target=follow, args=(process.stderr, start, progress))
    follower.start()
    # `poll` would take the exit status away from `wait4`, which tells the peak memory.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        now = sample(process.pid, generator.pid, args.dir, before, start)
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
        "peak_filesystem": max((one[-1] for one in samples), default=0),
        "major_faults": usage.ru_majflt,
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


def core_ns(record, generator=False):
    """Core time a pair of the build, alone or with the generator, in ns."""
    seconds = record["core_s"] + (record["generator_core_s"] if generator else 0)
    return seconds / record["pairs"] * 1e9


def bars(record):
    """The goals of the full count, each beside what it came to."""
    asked = {kind: 0 for kind in ("hit", "absent")}
    for name, figures in record["lookups"].items():
        if isinstance(figures, dict):
            asked[name.split(", ")[1]] += figures["lookups"]
    return [
        ["wall time", f"{record['wall_s'] / 60:.1f} min", "15 min"],
        ["core time a pair", f"{core_ns(record):.0f} ns", ""],
        ["core time a pair, with the generator", f"{core_ns(record, generator=True):.0f} ns", ""],
        ["peak memory", f"{record['peak_memory'] / 2**30:.2f} GiB", "5 GiB"],
        ["peak disk, of the finished file", f"{record['peak_disk'] / record['file_bytes']:.2f}x", "1.15x"],
        ["`verify`: every byte, every key", f"{record['verify_s']:.0f} s", ""],
        ["present keys looked up, each answer compared", f"{asked['hit']:,}", "10,000,000"],
        ["absent keys looked up, each answer compared", f"{asked['absent']:,}", "10,000,000"],
    ]


def show(record):
    """A row for the eye."""
    print(
        f"{record['pairs']:>13,} pairs  {record['wall_s']:>7.1f} s  {core_ns(record):>4.0f} core-ns a pair"
        f"  {record['peak_memory'] / 2**30:.2f} GiB  disk {record['peak_disk'] / record['file_bytes']:.2f}x"
        f"  {record['file_bytes'] / record['pairs']:.2f} B a pair  verify {record['verify_s']:.1f} s",
        flush=True,
    )


def show_bars(record):
    """An aligned table of the goals, which are those of 1.75 billion pairs."""
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
        results["machine"] = machine()
        results["runs"][name] = rounds
        args.json.write_text(json.dumps(results) + "\n")
        show_bars(rounds[-1])


if __name__ == "__main__":
    main()
