#!/usr/bin/env python3
"""What a lookup costs from Python: hashlith, a plain dict, py-lmdb and keyvi, in one process and one run.

    benches/python_lookup.py [--pairs N] [--lookups N] [--rounds N] [--json]

All contenders hold the same N records (hashlith-gen, keys of 16-24 bytes, values of 20-30). One thread looks up keys in
random order, one contender after the other within each round. In every round every contender gets new strings, made just
before in lookup order, like those of a program that parses a stream: they hold no cached hash. Figures are medians over
the rounds, with the range; ratios are medians of ratios within rounds.

`make bench-python` installs what it needs. Data goes to benches/data.
"""

import argparse
import gc
import json
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

import hashlith

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "benches" / "data"


def records(pairs):
    """The TSV file of the records."""
    path = DATA / f"{pairs}.tsv"
    if not path.exists():
        DATA.mkdir(parents=True, exist_ok=True)
        generator = ROOT / "target" / "release" / "hashlith-gen"
        subprocess.run([generator, str(pairs), "--output", path], check=True)
    return path


def load_lmdb(path, source):
    import lmdb

    env = lmdb.open(str(path), map_size=1 << 40, readahead=False, writemap=True, sync=False, meminit=False)
    if env.stat()["entries"] == 0:
        with open(source, "rb") as lines:
            rows = sorted(tuple(line.rstrip(b"\n").split(b"\t")) for line in lines)
        with env.begin(write=True) as txn:
            txn.cursor().putmulti(rows, append=True)
        env.sync(True)
    env.close()
    return lmdb.open(str(path), readonly=True, lock=False, readahead=False)


def load_keyvi(path, source):
    from keyvi.compiler import StringDictionaryCompiler
    from keyvi.dictionary import Dictionary

    if not path.exists():
        compiler = StringDictionaryCompiler({"memory_limit_mb": "4096"})
        with open(source, encoding="ascii") as lines:
            for line in lines:
                key, value = line.rstrip("\n").split("\t")
                compiler.add(key, value)
        compiler.compile()
        compiler.write_to_file(str(path))
    return Dictionary(str(path))


def plain_dict(source):
    gc.disable()
    with open(source, encoding="ascii") as lines:
        found = dict(line.rstrip("\n").split("\t") for line in lines)
    gc.enable()
    gc.freeze()
    return found


def timed(function, *arguments):
    began = time.perf_counter_ns()
    function(*arguments)
    return time.perf_counter_ns() - began


def subscripts(mapping, keys):
    for key in keys:
        mapping[key]


def gets(get, keys):
    for key in keys:
        get(key)


def keyvi_gets(dictionary, keys):
    for key in keys:
        dictionary.get(key).value


def batches(index, lists):
    for keys in lists:
        index.get_many(keys)


def columns(index, arrays):
    for array in arrays:
        index.get_many_arrow(array)


def lists_of(keys, size):
    return [keys[at : at + size] for at in range(0, len(keys), size)]


def reader_ns(index_path, pairs, lookups):
    """Lookups in the same file from Rust, in another process: the median, least and greatest ns of each kind."""
    bench = ROOT / "target" / "release" / "bench-lookup"
    command = [bench, str(pairs), "--index", index_path, "--lookups", str(lookups), "--rounds", "3", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def in_cache():
    """The time of d[k] when nothing waits for memory: with a small index, the loop alone, and the reader alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "small.hlith"
        bench = ROOT / "target" / "release" / "bench-lookup"
        command = [bench, "1000", "--index", path, "--lookups", "1000", "--rounds", "2001", "--json"]
        reader = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["get, hit"][0]
        with hashlith.open(path) as index:
            keys = [key.decode() if isinstance(key, bytes) else key for key in index]
            pairs = dict(index.items())
        hashlith.build(path, {key: pairs[key.encode()].decode() for key in keys})
        with hashlith.open(path) as index:
            own = statistics.median(timed(subscripts, index, keys) / len(keys) for _ in range(501))
            plain = dict(index.items())
        loop = statistics.median(timed(nothing, keys) / len(keys) for _ in range(501))
        of_dict = statistics.median(timed(subscripts, plain, keys) / len(keys) for _ in range(501))
    return {"d[k]": own, "a plain dict, pairs[k]": of_dict, "the loop": loop, "the reader, from Rust": reader,
            "d[k] outside the reader and the loop": own - loop - reader}


def nothing(keys):
    for _ in keys:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--lookups", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    source = records(args.pairs)

    path = DATA / f"python-{args.pairs}.hlith"
    if not path.exists():
        print(hashlith.build_from_files(path, source, progress=True), file=sys.stderr)
    index = hashlith.open(path)
    env = load_lmdb(DATA / f"python-{args.pairs}.lmdb", source)
    transaction = env.begin(buffers=False)
    keyvi = load_keyvi(DATA / f"python-{args.pairs}.keyvi", source)
    plain = plain_dict(source)
    assert len(plain) == len(index) == env.stat()["entries"] == args.pairs

    import pyarrow

    own = random.Random(1)
    names = list(plain)
    rows = {}
    for number in range(args.rounds + 1):
        chosen = [name.encode() for name in own.choices(names, k=args.lookups)]
        absent = [name[:-1] + b"." for name in chosen]

        def text(raw=chosen):
            return [key.decode() for key in raw]

        def as_bytes():
            return [bytes(bytearray(key)) for key in chosen]

        def arrow(size):
            return [pyarrow.array(part) for part in lists_of(text(), size)]

        runs = {
            "a plain dict, pairs[k]": lambda: timed(subscripts, plain, text()),
            "d[k]": lambda: timed(subscripts, index, text()),
            "d.get(k), absent": lambda: timed(gets, index.get, text(absent)),
            "a plain dict, pairs.get(k), absent": lambda: timed(gets, plain.get, text(absent)),
            "d.get_many of 1,000 keys": lambda: timed(batches, index, lists_of(text(), 1000)),
            "d.get_many_arrow of 1,000 keys": lambda: timed(columns, index, arrow(1000)),
            "d.get_many_arrow of 100,000 keys": lambda: timed(columns, index, arrow(100_000)),
            "py-lmdb, txn.get(k), bytes": lambda: timed(gets, transaction.get, as_bytes()),
            "keyvi, d.get(k).value": lambda: timed(keyvi_gets, keyvi, text()),
        }
        for name, run in runs.items():
            nanoseconds = run()
            # The first round brings the files into the page cache and into the page tables.
            if number > 0:
                rows.setdefault(name, []).append(nanoseconds / args.lookups)

    probe = own.sample(names, 2000)
    assert index.get_many(probe) == [plain[key] for key in probe]
    assert [transaction.get(key.encode()).decode() for key in probe] == [plain[key] for key in probe]
    assert [keyvi.get(key).value for key in probe] == [plain[key] for key in probe]
    reader = reader_ns(path, args.pairs, args.lookups)

    base = rows["d[k]"]
    table = [
        {
            "what": name,
            "ns": statistics.median(times),
            "least": min(times),
            "greatest": max(times),
            "speed": statistics.median(own / other for own, other in zip(base, times)),
        }
        for name, times in rows.items()
    ]
    if args.json:
        print(json.dumps({"pairs": args.pairs, "rows": table, "reader": reader, "in cache": in_cache()}, indent=1))
        return
    print(f"{args.pairs:,} pairs, {args.lookups:,} lookups per round, {args.rounds} rounds, ns per lookup")
    print(f"CPython {platform.python_version()}, lmdb {version('lmdb')}, keyvi {version('keyvi')}\n")
    print(f"{'':38} {'ns':>6}  {'range':>13}  {'speed relative to d[k]':>24}")
    for row in table:
        span = f"{row['least']:.0f}-{row['greatest']:.0f}"
        print(f"{row['what']:38} {row['ns']:6.0f}  {span:>13}  {row['speed']:23.2f}x")
    print("\nthe same file from Rust, one thread (bench-lookup): median (range) ns")
    for name, (median, least, greatest) in ((name, row) for name, row in reader.items() if isinstance(row, list)):
        print(f"{name:38} {median:6.0f}  {f'{least:.0f}-{greatest:.0f}':>13}")
    print("\nin cache, 1,000 pairs: d[k] and its share outside the reader")
    for name, nanoseconds in in_cache().items():
        print(f"{name:38} {nanoseconds:6.0f}")


if __name__ == "__main__":
    main()
