#!/usr/bin/env python3
"""How fast each kind of input is read: the same records in every format, beside the plain TSV.

    benches/inputs.py [RECORDS] [--rounds N] [--only NAME...]

Records have keys of 16 to 24 bytes and values of 20 to 30. Each round reads every file once with one thread, in the page cache, and
does nothing with the records. Prints a Markdown table: medians over the rounds, and of the ratios to the TSV of the same round.
Needs pyarrow, and the program of inputs/examples/throughput.rs, which `make bench-inputs` builds.
"""
import argparse
import bz2
import csv
import gzip
import json
import lzma
import pickle
import random
import re
import sqlite3
import statistics
import struct
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pyarrow
from pyarrow import feather, ipc, parquet

PROGRAM = Path(__file__).resolve().parent.parent / "target" / "release" / "examples" / "throughput"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def records(count):
    """The same pairs in every run."""
    rng = random.Random(1)
    for number in range(count):
        key = f"{number:x}-" + "".join(rng.choices(LETTERS, k=24))
        yield key[:rng.randint(16, 24)], "".join(rng.choices(LETTERS, k=rng.randint(20, 30)))


def lines(path, pairs, row):
    with path.open("w", newline="") as file:
        file.writelines(row(key, value) for key, value in pairs)


def written_csv(path, pairs, quoting):
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=quoting).writerows(pairs)


def pickled(path, pairs, protocol):
    with path.open("wb") as file:
        pickle.dump(dict(pairs), file, protocol)


def cdb(path, pairs):
    """The header and the records; the hash tables are not read, so they are left empty."""
    with path.open("wb") as file:
        file.write(bytes(2048))
        for key, value in pairs:
            file.write(struct.pack("<LL", len(key), len(value)) + key.encode() + value.encode())
        end = file.tell()
        file.seek(0)
        file.write(struct.pack("<LL", end, 0) * 256)


def sqlite(path, pairs):
    with sqlite3.connect(path) as connection:
        connection.execute("create table pairs (key text, value text)")
        connection.executemany("insert into pairs values (?, ?)", pairs)


def arrow(path, pairs, write):
    keys, values = zip(*pairs)
    write(pyarrow.table({"key": keys, "value": values}), path)


def write_ipc(table, path):
    with ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=65536)


def packed(path, pairs, opened):
    with opened(path) as file:
        file.write("".join(f"{key}\t{value}\n" for key, value in pairs).encode())


def zipped(path):
    return zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED).open("x.tsv", "w", force_zip64=True)


KINDS = {
    "TSV": ("plain.tsv", lambda path, pairs: lines(path, pairs, "{}\t{}\n".format), []),
    "TSV, two columns of four": ("four.tsv", lambda path, pairs: lines(path, pairs, "1\t{}\tx\t{}\n".format), ["--columns", "2", "4"]),
    "TSV, `--escape`": ("escaped.tsv", lambda path, pairs: lines(path, pairs, "{}\t{}\n".format), ["--escape"]),
    "CSV, no quotes": ("bare.csv", lambda path, pairs: written_csv(path, pairs, csv.QUOTE_MINIMAL), []),
    "CSV, all quoted": ("quoted.csv", lambda path, pairs: written_csv(path, pairs, csv.QUOTE_ALL), []),
    "JSON lines, objects": ("x.jsonl", lambda path, pairs: lines(
        path, pairs, lambda key, value: json.dumps({"key": key, "value": value}) + "\n"), []),
    "JSON lines, pairs": ("pairs.jsonl", lambda path, pairs: lines(path, pairs, lambda *pair: json.dumps(pair) + "\n"), []),
    "JSON, one object": ("x.json", lambda path, pairs: path.write_text(json.dumps(dict(pairs))), []),
    "pickle of strings, protocol 4": ("four.pkl", lambda path, pairs: pickled(path, pairs, 4), []),
    "pickle of strings, protocol 2": ("two.pkl", lambda path, pairs: pickled(path, pairs, 2), []),
    "cdbmake": ("x.cdbmake", lambda path, pairs: path.write_text(
        "".join(f"+{len(key)},{len(value)}:{key}->{value}\n" for key, value in pairs) + "\n"), []),
    "cdb": ("x.cdb", cdb, []),
    "Parquet, Snappy": ("x.parquet", lambda path, pairs: arrow(path, pairs, parquet.write_table), []),
    "Arrow": ("x.arrow", lambda path, pairs: arrow(path, pairs, write_ipc), []),
    "Feather, LZ4": ("x.feather", lambda path, pairs: arrow(path, pairs, feather.write_feather), []),
    "SQLite": ("x.sqlite", sqlite, []),
    "TSV, gzip": ("x.tsv.gz", lambda path, pairs: packed(path, pairs, lambda path: gzip.open(path, "w", 6)), []),
    "TSV, zstd": ("x.tsv.zst", lambda path, pairs: packed(path, pairs, lambda path: pyarrow.CompressedOutputStream(path, "zstd")), []),
    "TSV, lz4": ("x.tsv.lz4", lambda path, pairs: packed(path, pairs, lambda path: pyarrow.CompressedOutputStream(path, "lz4")), []),
    "TSV, bzip2": ("x.tsv.bz2", lambda path, pairs: packed(path, pairs, lambda path: bz2.open(path, "w")), []),
    "TSV, xz": ("x.tsv.xz", lambda path, pairs: packed(path, pairs, lambda path: lzma.open(path, "w", preset=1)), []),
    "TSV, zip": ("x.tsv.zip", lambda path, pairs: packed(path, pairs, zipped), []),
}


def measure(path, arguments):
    """Nanoseconds per record, and how many records."""
    command = [PROGRAM, path, *arguments]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) core-ns", words)[1]), int(re.search(r"(\d+) records", words)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="?", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[])
    options = parser.parse_args()
    kinds = {name: kind for name, kind in KINDS.items() if name == "TSV" or not options.only or name in options.only}
    pairs = list(records(options.records))
    content = sum(len(key) + len(value) for key, value in pairs)
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, (file, write, _) in kinds.items():
            files[name] = Path(folder, file)
            write(files[name], pairs)
        times = {name: [] for name in kinds}
        for _ in range(options.rounds):
            for name, (_, _, arguments) in kinds.items():
                each, count = measure(files[name], arguments)
                # A CSV's first row is taken for its header.
                assert options.records - count == ("CSV" in name), (name, count)
                times[name].append(each)
        print(f"{options.records:,} records of {content / options.records:.1f} bytes, {options.rounds} rounds\n")
        print("| input | file, B per record | core-ns per record (range) | GB/s of the file | GB/s of keys and values | time, TSV = 1 |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for name, found in times.items():
            each, size = statistics.median(found), files[name].stat().st_size / options.records
            ratio = statistics.median(one / plain for one, plain in zip(found, times["TSV"]))
            print(f"| {name} | {size:.1f} | {each:.0f} ({min(found):.0f}-{max(found):.0f}) | {size / each:.2f} | "
                  f"{content / options.records / each:.2f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
