#!/usr/bin/env python3
"""One measurement of one contender in Python, in a process of its own; `run.py` calls it.

    worker.py list                                      prints the contenders, a line of JSON for each
    worker.py build NAME SOURCE FOLDER                  builds its files; the caller measures the time
    worker.py lookup NAME SOURCE FOLDER DATA PAIRS ...  looks keys up in several processes; a line of JSON per phase
    worker.py read SOURCE                               reads the pairs and does nothing with them
"""

import argparse
import collections
import ctypes
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contenders import contenders
from contenders.base import Contender, pairs_of_text

CHUNK = 1000
"""Keys per reading of the clock, and per batch."""
WARMING = 1.0
"""Seconds of lookups of other keys before the first phase."""


def describe(contender: Contender) -> dict[str, Any]:
    """What the table says about a contender."""
    found = {key: getattr(contender, key) for key in ("name", "settings", "kind", "limit", "looks_up", "before_fork")}
    try:
        return found | {"version": contender.version()}
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        return found | {"version": "?", "missing": f"{error}; {contender.needs}"}


def memory(process: int | str = "self") -> tuple[int, int]:
    """Private and proportional bytes of a process, as the kernel counts them."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    kib: dict[str, int] = collections.Counter()
    for name, number in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE):
        kib[name] += int(number)
    return (kib["Private_Clean"] + kib["Private_Dirty"]) * 1024, kib["Pss"] * 1024


def trimmed() -> int:
    """Private bytes of this process, after the C library has returned the memory that it kept."""
    ctypes.CDLL(None).malloc_trim(0)
    return memory()[0]


def sample(args: argparse.Namespace, seed: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Present keys and absent keys, in random order, and the values of the first thousand."""
    command = [args.rust, "sample", args.data, str(args.pairs), str(seed), str(args.lookups)]
    lines = subprocess.run(command, check=True, capture_output=True).stdout.splitlines()
    return lines[: args.lookups], lines[args.lookups : 2 * args.lookups], lines[2 * args.lookups :]


def fresh(contender: Contender, keys: list[bytes], distinct: bool = False) -> list[list[Any]]:
    """Keys like those a program has just parsed, without a cached hash, in lists of a thousand.

    Distinct in each list, for calls that answer with a dict.
    """
    lists = [keys[at : at + CHUNK] for at in range(0, len(keys), CHUNK)]
    if distinct:
        lists = [list(dict.fromkeys(some)) for some in lists]
    return [[key.decode() if contender.text else bytes(bytearray(key)) for key in some] for some in lists]


def timed(count: Callable[[list[Any]], int], chunks: list[list[Any]], seconds: float) -> dict[str, float]:
    """Numbers of keys looked up and found, and the times of begin and end."""
    asked = found = 0
    began = ended = time.monotonic()
    for chunk in chunks:
        found += count(chunk)
        asked += len(chunk)
        ended = time.monotonic()
        if ended - began > seconds:
            break
    return {"count": asked, "found": found, "began": began, "ended": ended}


def check(contender: Contender, handle: Any, present: list[bytes], absent: list[bytes], values: list[bytes]) -> None:
    """Compares a thousand answers for present keys and a thousand for absent ones with the right ones."""
    absences: list[bytes | None] = [None] * len(values)
    for key, value in [*zip(present, values, strict=False), *zip(absent, absences, strict=False)]:
        as_asked: Any = key.decode() if contender.text else key
        as_told: Any = value.decode() if contender.text and value is not None else value
        if not contender.right(handle, as_asked, as_told):
            raise ValueError(f"wrong answer for {key!r}")


def work(contender: Contender, args: argparse.Namespace, shared: Any, worker: int, barrier: Any) -> None:
    """What one worker does, with the others."""
    seed = args.seed * 1000 + barrier.parties * 16 + worker
    present, absent, values = sample(args, seed)
    # These keys are made here and again below: what they leave in the heap is then there before, and is not counted.
    warming = [fresh(contender, keys) for keys in sample(args, seed + 500)[:2]]
    del warming
    before = trimmed()
    handle = contender.open(args.source, args.folder, shared)

    def single(keys: list[Any]) -> int:
        return contender.count(handle, keys)

    def many(keys: list[Any]) -> int:
        return sum(value is not None for value in contender.get_many(handle, keys))

    # Other keys first: they bring the pages into the page tables.
    warming = [fresh(contender, keys) for keys in sample(args, seed + 500)[:2]]
    while warming:
        timed(single, warming.pop(), WARMING)
    phases = [("hits", single, present), ("misses", single, absent)]
    if contender.batches:
        phases.append(("batch", many, present))
    lines = []
    for phase, count, keys in phases:
        chunks = fresh(contender, keys, distinct=count is many)
        barrier.wait()
        times = timed(count, chunks, args.seconds)
        if times["found"] != (0 if phase == "misses" else times["count"]):
            raise ValueError(f"{phase}: {times['found']} found of {times['count']}")
        lines.append({"phase": phase} | times)
        del chunks
    # The kernel divides shared memory among the processes that run: none ends before all have measured.
    barrier.wait()
    private, (_, pss) = trimmed(), memory()
    lines.append({"phase": "memory", "private": max(private - before, 0), "pss": pss})
    if worker == 0 and contender.before_fork:
        servers = contender.servers(shared) or [os.getppid()]
        lines.append({"phase": "server", "pss": sum(memory(process)[1] for process in servers)})
    barrier.wait()
    check(contender, handle, present, absent, values)
    own = {"processes": barrier.parties, "worker": worker}
    os.write(1, "".join(json.dumps(line | own) + "\n" for line in lines).encode())


def guarded(*arguments: Any) -> None:
    """Calls `work`. If it fails, the other workers do not wait for this one."""
    try:
        work(*arguments)
    except BaseException:
        traceback.print_exc()
        arguments[-1].abort()
        sys.exit(1)


def lookup(contender: Contender, args: argparse.Namespace) -> None:
    """Groups of workers, one after the other."""
    fork = multiprocessing.get_context("fork")
    shared = contender.share(args.source, args.folder)
    try:
        for processes in args.processes:
            barrier = fork.Barrier(processes)
            workers = [
                fork.Process(target=guarded, args=(contender, args, shared, number, barrier)) for number in range(processes)
            ]
            for process in workers:
                process.start()
            for process in workers:
                process.join()
            if any(process.exitcode for process in workers):
                sys.exit(f"{contender.name}: a worker failed")
    finally:
        contender.stop(shared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("list")
    what.add_parser("read").add_argument("source", type=Path)
    build, asking = what.add_parser("build"), what.add_parser("lookup")
    for command in (build, asking):
        command.add_argument("name")
        command.add_argument("source", type=Path)
        command.add_argument("folder", type=Path)
    asking.add_argument("data")
    asking.add_argument("pairs", type=int)
    asking.add_argument("--rust", required=True, help="the program that makes the keys")
    asking.add_argument("--seed", type=int, default=0)
    asking.add_argument("--lookups", type=int, default=200_000)
    asking.add_argument("--seconds", type=float, default=3.0)
    asking.add_argument("--processes", type=int, nargs="+", default=[1, 2, 8])
    args = parser.parse_args()
    if args.what == "list":
        for contender in contenders():
            print(json.dumps(describe(contender)))
        return
    if args.what == "read":
        collections.deque(pairs_of_text(args.source), maxlen=0)
        return
    contender = next(each for each in contenders() if each.name == args.name)
    if args.what == "build":
        contender.build(args.source, args.folder)
    else:
        lookup(contender, args)


if __name__ == "__main__":
    main()
