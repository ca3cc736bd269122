#!/usr/bin/env python3
"""Compares hashlith with its peers: builds each of them, looks keys up, and keeps the figures in results.json.

    benches/peers/run.py [--sizes N ...] [--data random natural] [--rounds N] [--only NAME ...] ...

`make bench-peers` installs what this needs, runs it, and then runs report.py, which makes tables and plots of results.json.
Every build and every group of lookups runs in a fresh process, and each round goes through all contenders. Contenders in
Python are in contenders/, those in Rust in rust/src/contenders/. Data goes to benches/peers/data.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import pages  # noqa: E402

RESULTS = HERE / "results.json"
LEAST_FREE = 2 << 30
"""A measurement that leaves less memory than this is stopped."""


@dataclass
class Usage:
    """The time and memory of a command, and its output."""

    wall: float
    core: float
    peak: int
    output: str


class Stopped(Exception):
    """A measurement that did not end well; the message goes into the table."""


def free_memory() -> int:
    """Bytes of memory that the kernel can still give."""
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def run(command: Iterable[Any], limit: float) -> Usage:
    """Runs a command in a session of its own, which ends with everything that it started."""
    words = [str(word) for word in command]
    over, reason = threading.Event(), []
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.monotonic()
        process = subprocess.Popen(words, stdout=output, stderr=errors, start_new_session=True)

        def watch() -> None:
            while not over.wait(0.1):
                if time.monotonic() - began > limit:
                    reason.append(f"stopped after {limit:g} s")
                elif free_memory() < LEAST_FREE:
                    reason.append("stopped: less than 2 GiB of memory was left")
                else:
                    continue
                os.killpg(process.pid, signal.SIGKILL)
                return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            wall = time.monotonic() - began
            over.set()
            watcher.join()
            end_session(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        output.seek(0)
        if reason:
            raise Stopped(reason[0])
        if process.returncode != 0:
            said = errors.read()
            print(said, file=sys.stderr)
            raise Stopped(f"failed: {said.strip().splitlines()[-1] if said.strip() else process.returncode}")
        return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.read())


def end_session(session: int) -> None:
    """Ends what a command has left behind."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        pass


def touch(folder: Path) -> None:
    """Brings files into the page cache, but not their holes: LMDB leaves large ones."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as stream:
                end, at = path.stat().st_size, 0
                while at < end and (at := next_data(stream.fileno(), at, end)) < end:
                    os.lseek(stream.fileno(), at, os.SEEK_SET)
                    at += len(stream.read(1 << 22))


def next_data(descriptor: int, at: int, end: int) -> int:
    """Where the next bytes outside a hole begin."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError:  # there are none
        return end


def file_bytes(folder: Path) -> int:
    """Bytes of all files, without holes."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(min(stat.st_size, stat.st_blocks * 512) for stat in found)


class Bench:
    """All contenders with one kind of data and one size."""

    def __init__(self, args: argparse.Namespace, contenders: list[dict[str, Any]], data: str, pairs: int):
        self.args, self.data, self.pairs = args, data, pairs
        self.folder = args.folder / f"{data}-{pairs}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.source = self.folder / "pairs.tsv"
        if not self.source.exists():
            run([args.rust, "generate", data, pairs, self.source.with_suffix(".part")], 3600)
            self.source.with_suffix(".part").rename(self.source)
        self.rows = [about | {"builds": [], "lookups": {}, "status": self.obstacle(about)} for about in contenders]

    def obstacle(self, about: dict[str, Any]) -> str | None:
        """Why a contender is not run."""
        if "missing" in about:
            return f"not run: {about['missing']}"
        if about["limit"] and self.source.stat().st_size > about["limit"]:
            return f"not run: its file cannot pass {about['limit'] / 2**30:.0f} GiB"
        return None

    def program(self, row: dict[str, Any]) -> list[Any]:
        return [self.args.rust] if row["language"] == "Rust" else [sys.executable, HERE / "worker.py"]

    def place(self, row: dict[str, Any]) -> Path:
        """Where a contender's files are."""
        name = "".join(c if c.isalnum() else "-" for c in f"{row['language']} {row['name']}")
        return Path(self.folder, name)

    def build(self, row: dict[str, Any]) -> None:
        """Builds one contender once, unless its builds have taken long enough."""
        if sum(build["wall"] for build in row["builds"]) > self.args.build_seconds:
            return
        place = self.place(row)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        usage = run([*self.program(row), "build", row["name"], self.source, place], self.args.limit_seconds)
        row["builds"].append({"core": usage.core, "wall": usage.wall, "peak": usage.peak})
        row["bytes"] = file_bytes(place)

    def ask(self, row: dict[str, Any], seed: int) -> None:
        """One round of lookups of one contender."""
        if not row.get("looks_up", True):
            return
        touch(self.place(row))
        command = [*self.program(row), "lookup", row["name"], self.source, self.place(row), self.data, self.pairs]
        command += ["--seed", seed, "--lookups", self.args.lookups, "--seconds", self.args.seconds]
        command += ["--processes", *self.args.processes]
        if row["language"] == "Python":
            command += ["--rust", self.args.rust]
        usage = run(command, 2 * self.args.limit_seconds)
        lines = [json.loads(line) for line in usage.output.splitlines()]
        for processes in self.args.processes:
            of_group = [line for line in lines if line["processes"] == processes]
            found = row["lookups"].setdefault(str(processes), {})
            for name, figure in summed(of_group).items():
                found.setdefault(name, []).append(figure)

    def reading(self) -> dict[str, float]:
        """The time that Python takes to read the pairs and do nothing with them."""
        usages = [run([sys.executable, HERE / "worker.py", "read", self.source], 3600) for _ in range(3)]
        return {"core": statistics.median(usage.core for usage in usages)}

    def guarded(self, what: str, row: dict[str, Any], *arguments: Any) -> None:
        """A step of one contender. If it is stopped, the reason goes into the table."""
        if row["status"] is not None:
            return
        print(f"{time.strftime('%H:%M:%S')} {self.data}, {self.pairs:,}: {what} {row['language']} {row['name']}", flush=True)
        try:
            getattr(self, what)(row, *arguments)
        except Stopped as stop:
            row["status"] = f"{stop} ({what}, {self.pairs:,} pairs)"
            print(f"  {row['status']}", flush=True)

    def all(self) -> Iterator[dict[str, Any]]:
        """Runs all rounds. Yields the figures after each one, so that none are lost if a later one fails."""
        try:
            touch(self.folder)
            source, reading = self.source.stat().st_size, self.reading()
            found = {"data": self.data, "pairs": self.pairs, "source": source, "reading": reading, "rows": self.rows}
            for _ in range(self.args.build_rounds):
                for row in self.rows:
                    self.guarded("build", row)
            for seed in range(self.args.rounds):
                for row in self.rows:
                    self.guarded("ask", row, seed)
                yield found | {"rounds": seed + 1}
        finally:
            for row in self.rows:
                shutil.rmtree(self.place(row), ignore_errors=True)


def summed(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Figures of one group: lookups per second of all workers, private bytes of one, bytes of all with the server's."""
    found: dict[str, float] = {}
    for phase in ("hits", "misses", "batch"):
        of_phase = [line for line in lines if line["phase"] == phase]
        if of_phase:
            span = max(line["ended"] for line in of_phase) - min(line["began"] for line in of_phase)
            found[phase] = sum(line["count"] for line in of_phase) / span
    memory = [line for line in lines if line["phase"] == "memory"]
    servers = [line["pss"] for line in lines if line["phase"] == "server"]
    found["private"] = statistics.median(line["private"] for line in memory)
    found["all"] = sum(line["pss"] for line in memory) + sum(servers)
    return found


def listed(command: list[Any], language: str) -> list[dict[str, Any]]:
    """The contenders of a program."""
    lines = run([*command, "list"], 60).output.splitlines()
    return [json.loads(line) | {"language": language} for line in lines]


def machine(rust: str) -> dict[str, Any]:
    """Where this runs, with that compiler."""
    return pages.machine() | {"python": f"{platform.python_implementation()} {platform.python_version()}", "rust": rust}


def keep(path: Path, args: argparse.Namespace, found: dict[str, Any]) -> None:
    """Replaces the figures of one kind of data and one size in the file."""
    results = json.loads(path.read_text()) if path.exists() else {"runs": []}
    runs = [run for run in results["runs"] if (run["data"], run["pairs"]) != (found["data"], found["pairs"])]
    settings = {
        name: getattr(args, name)
        for name in ("build_rounds", "build_seconds", "lookups", "seconds", "processes", "limit_seconds")
    }
    runs.append(found | {"machine": machine(args.compiler), "settings": settings})
    runs.sort(key=lambda run: (run["data"] != "random", run["pairs"]))
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
    part.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--data", nargs="+", default=["random", "natural"], choices=["random", "natural"])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of lookups")
    parser.add_argument("--build-rounds", type=int, default=3)
    parser.add_argument("--build-seconds", type=float, default=300, help="builds of one contender, until no more begin")
    parser.add_argument("--limit-seconds", type=float, default=900, help="a longer build is stopped")
    parser.add_argument("--lookups", type=int, default=200_000, help="of each worker in a phase")
    parser.add_argument("--seconds", type=float, default=3.0, help="a phase ends after these, even if keys are left")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 8])
    parser.add_argument("--only", nargs="+", help="names of contenders; others stay out of the results")
    parser.add_argument("--rust", type=Path, required=True, help="the program of benches/peers/rust")
    parser.add_argument("--folder", type=Path, default=HERE / "data", help="files go there")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    args.folder = args.folder.resolve()
    args.rust = args.rust.resolve()
    contenders = listed([sys.executable, HERE / "worker.py"], "Python") + listed([args.rust], "Rust")
    args.compiler = next(about["version"] for about in contenders if about["name"] == "std HashMap")
    if args.only:
        contenders = [about for about in contenders if about["name"] in args.only]
    for about in contenders:
        if "missing" in about:
            print(f"NOT RUN: {about['name']}: {about['missing']}", file=sys.stderr, flush=True)
    for pairs in args.sizes:
        for data in args.data:
            for found in Bench(args, contenders, data, pairs).all():
                keep(args.results, args, found)


if __name__ == "__main__":
    main()
