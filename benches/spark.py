#!/usr/bin/env python3
"""Measures how Spark writes and looks up sets on this machine, compared with its own joins of the same data.

    benches/spark.py [--rows 20000000] [--keys 10000000] [--rounds 3] [--json FILE] [--page]

Each measurement starts its own Spark (local[2]), one after the other in each round; figures are medians over the rounds. Memory is
the peak of the Java process and all Python workers together: anonymous memory, and mapped files. All methods must find the same
values. It needs Java 17, pyspark and the package, and some GB of disk.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

DATA = pathlib.Path(__file__).resolve().parent / "data" / "spark"
PARTS = 8
WAYS = ["hashlith lookup", "broadcast hash join", "shuffled hash join", "sort-merge join"]
HINTS = {"broadcast hash join": "broadcast", "shuffled hash join": "shuffle_hash", "sort-merge join": "merge"}


class Memory:
    """Samples the memory of this process and all its descendants."""

    def __init__(self):
        self.own = self.mapped = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.wait(0.25):
            own, mapped = 0, 0
            for process in descendants(os.getpid()):
                try:
                    text = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
                except OSError:
                    continue
                fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
                own += int(fields["Pss_Anon"].split()[0]) << 10
                mapped += int(fields["Pss_File"].split()[0]) << 10
            self.own, self.mapped = max(self.own, own), max(self.mapped, mapped)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def descendants(root):
    """A process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, open_ones = [], [root]
    while open_ones:
        found.append(open_ones.pop())
        open_ones += children.get(found[-1], [])
    return found


def session(memory):
    from pyspark.sql import SparkSession

    import hashlith.spark

    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": memory,
        "spark.local.dir": str(DATA / "tmp"),
        "spark.sql.shuffle.partitions": "16",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("bench")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    hashlith.spark.register(spark)
    return spark


def shuffled(spark):
    """Total bytes that went through shuffles."""
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return sum(executors.apply(number).totalShuffleWrite() for number in range(executors.size()))


def key(number):
    from pyspark.sql import functions as F

    return F.concat(F.lit("key "), F.hex(F.xxhash64(number)))


def prepare(rows, keys, **_):
    """Makes the tables: `big` has `rows` rows, half of whose keys are among the `keys` of `small`; `wide` is the one to write."""
    from pyspark.sql import functions as F

    spark = session("4g")
    value = F.concat(F.lit("the value of number "), F.col("id").cast("string"))
    small = spark.range(0, keys, 1, 8).select(key("id").alias("key"), value.alias("value"))
    small.write.mode("overwrite").parquet(str(DATA / "small"))
    number = F.pmod(F.xxhash64("id", F.lit("big")), F.lit(2 * keys))
    big = spark.range(0, rows, 1, 16).select(key(number).alias("key"), "id")
    big.write.mode("overwrite").parquet(str(DATA / "big"))
    wide = spark.range(0, rows, 1, 16).select(key("id").alias("key"), value.alias("value"))
    wide.write.mode("overwrite").parquet(str(DATA / "wide"))
    write(spark, "small", "small.set")
    return {}


def write(spark, table, name):
    import hashlith.spark

    parted = hashlith.spark.partition(spark.read.parquet(str(DATA / table)), PARTS)
    options = {"path": str(DATA / name), "parts": PARTS}
    parted.write.format("hashlith").options(**options).mode("overwrite").save()


def measure_write(memory, **_):
    spark = session(memory)
    shutil.rmtree(DATA / "wide.set", ignore_errors=True)
    # Starts the Java process and the Python workers.
    spark.range(1000).repartition(2).count()
    with Memory() as used:
        start = time.perf_counter()
        write(spark, "wide", "wide.set")
        seconds = time.perf_counter() - start
    import hashlith

    return {
        "seconds": seconds,
        "own": used.own,
        "mapped": used.mapped,
        "shuffled": shuffled(spark),
        "found": [hashlith.verify(DATA / "wide.set").keys],
    }


def measure_way(way, memory, **_):
    from pyspark.sql import functions as F

    import hashlith.spark

    spark = session(memory)
    spark.range(1000).repartition(2).count()
    big = spark.read.parquet(str(DATA / "big"))
    if way == "hashlith lookup":
        joined = hashlith.spark.lookup(big, "key", DATA / "small.set")
    else:
        small = spark.read.parquet(str(DATA / "small"))
        joined = big.join(small.hint(HINTS[way]), "key", "left")
    with Memory() as used:
        start = time.perf_counter()
        row = joined.agg(F.count("*"), F.count("value"), F.sum(F.length("value")), F.sum(F.xxhash64("value", "id") % 1000))
        found = [int(number) for number in row.collect()[0]]
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "own": used.own, "mapped": used.mapped, "shuffled": shuffled(spark), "found": found}


# Java's message, and Spark's own while it builds a table to broadcast.
OUT_OF_MEMORY = ("OutOfMemoryError", "Not enough memory to build and broadcast")


def child(what, args, memory="4g", may_run_out=False):
    """The figures of a run in its own process; None if it may run out of memory and did."""
    command = [sys.executable, __file__, "--child", what, "--memory", memory]
    command += ["--rows", str(args.rows), "--keys", str(args.keys)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if may_run_out and any(words in done.stderr for words in OUT_OF_MEMORY):
            return None
        sys.exit(f"{done.stderr[-3000:]}\n{what}, with a heap of {memory}: ended by {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


HEAD = """\
| | seconds | min to max | anonymous memory, MiB | mapped files, MiB | shuffled, MiB |
| :--- | ---: | ---: | ---: | ---: | ---: |"""


def row(name, runs):
    """A row of the table: medians, and the shortest and longest time."""
    if not runs or None in runs:
        return f"| {name} | out of memory | | | | |"
    seconds = sorted(run["seconds"] for run in runs)
    own, mapped, shuffled = (statistics.median(run[field] for run in runs) / 2**20 for field in FIELDS)
    spread = f"{seconds[0]:.1f} to {seconds[-1]:.1f}" if len(runs) > 1 else ""
    return f"| {name} | {statistics.median(seconds):.1f} | {spread} | {own:,.0f} | {mapped:,.0f} | {shuffled:,.0f} |"


FIELDS = ["own", "mapped", "shuffled"]


def table(found):
    """The table of docs/distributed.md."""
    rows, keys, runs = found["rows"], found["keys"], found["runs"]
    rounds = len(runs["write"])
    lines = [
        f"{rows:,} rows on `local[2]`, a Java heap of {found['memory']}; medians of {rounds} rounds (`make bench-spark`). The set has {keys:,} keys in",
        f"{PARTS} parts, and half of the rows have a key in it. All methods find the same values.",
        "",
        HEAD,
        row(f"`partition` and write {rows:,} rows", runs["write"]),
        *(row(way, runs[way]) for way in WAYS),
        *(row(f"heap of {found['small_memory']}: {way}", [found["tight"][way]]) for way in WAYS),
    ]
    return "\n".join(lines)


def write_page(text):
    """Writes the table into docs/distributed.md."""
    page = DATA.parent.parent.parent / "docs" / "distributed.md"
    before, rest = page.read_text().split("<!-- spark -->\n")
    _, after = rest.split("<!-- /spark -->\n")
    page.write_text(f"{before}<!-- spark -->\n{text}\n<!-- /spark -->\n{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="4g", help="heap of Spark's Java process")
    parser.add_argument("--small-memory", default="1g", help="a heap too small for the keys")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--page", action="store_true", help="write the table into docs/distributed.md")
    parser.add_argument("--from", dest="kept", type=pathlib.Path, help="do not measure: read figures saved by --json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        settings = {"rows": args.rows, "keys": args.keys, "memory": args.memory}
        measure = {"prepare": prepare, "write": measure_write}.get(args.child)
        print(json.dumps(measure(**settings) if measure else measure_way(args.child, **settings)))
        return
    if args.kept:
        text = table(json.loads(args.kept.read_text()))
        print(text)
        if args.page:
            write_page(text)
        return
    DATA.mkdir(parents=True, exist_ok=True)
    child("prepare", args)
    runs = {way: [] for way in ["write", *WAYS]}
    for number in range(args.rounds):
        for way in runs:
            runs[way].append(child(way, args, args.memory))
            print(f"round {number + 1}: {way}: {runs[way][-1]['seconds']:.1f} s", file=sys.stderr)
    assert {run["found"][0] for run in runs["write"]} == {args.rows}, "rows are missing"
    assert len({tuple(run["found"]) for way in WAYS for run in runs[way]}) == 1, "the methods find different values"
    tight = {way: child(way, args, args.small_memory, may_run_out=True) for way in WAYS}

    found = {"rows": args.rows, "keys": args.keys, "memory": args.memory, "small_memory": args.small_memory}
    found |= {"runs": runs, "tight": tight}
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    if args.page:
        write_page(table(found))


if __name__ == "__main__":
    main()
