#!/usr/bin/env python3
"""Bytes per pair of real and generated records: plain, compressed, with the keys left out, and in other tools.

    benches/sizes.py [SET ...] [--tsv FILE ...] [--sets-only] [--without marisa keyvi rocksdb tuned zstd] [--mirror URL] [--json]

A SET is a part of a name, such as `URL` or `JSON`; none means all. Sets are fetched and made once, in `benches/data/sizes`: 66 MB come
from a mirror of Debian's archive, 800 MB are written. `--tsv` measures files of your own: key, tab, value.
Needs `target/release/hashlith` (`make build`), and for the others the packages of `benches/peers/requirements.txt` and the `zstd` command.
"""
import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import data_sets

HERE = Path(__file__).resolve().parent
HASHLITH = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release" / "hashlith"
DATA = HERE / "data" / "sizes"
NO_KEYS = ["--keys", "none", "--check-bits", "16"]
NUMBERS = ["--values", "uint32"]
# Name, options, and the records that a variant is for.
VARIANTS = [
    ("plain", [], "any"),
    ("fast", ["--compress", "fast"], "any"),
    ("on", ["--compress", "on"], "any"),
    ("on, fp4", ["--compress", "on", "--fingerprint-bits", "4"], "any"),
    ("no keys", ["--compress", "on", *NO_KEYS], "few values"),
    ("no keys, off", NO_KEYS, "few values"),
    ("uint32", ["--compress", "on", *NUMBERS], "numbers"),
    ("uint32, no keys", [*NUMBERS, *NO_KEYS], "numbers"),
]


def records(file):
    """The pairs of a file."""
    with file.open(encoding="utf-8", newline="\n") as lines:
        return [tuple(line.rstrip("\n").split("\t")) for line in lines]


def kinds(pairs):
    """What holds of these records: the variants that make sense."""
    values = {value for _, value in pairs}
    numbers = all(value.isascii() and value.isdigit() and int(value) < 1 << 32 for value in values)
    return {"any"} | ({"numbers", "few values"} if numbers else {"few values"} if len(values) < len(pairs) / 2 else set())


def hashlith(file, options, folder):
    """The size of an index and of its sections, in bytes."""
    index = folder / "index.hlith"
    subprocess.run([HASHLITH, "build", file, "-o", index, "--quiet", *options], check=True)
    info = json.loads(subprocess.run([HASHLITH, "info", index, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    index.unlink()
    found = {section["name"]: section["bytes"] for section in info["sections"]}
    rest = info["file_bytes"] - found["pool"] - found["tables"] - found["values"]
    return {"file": info["file_bytes"], "pool": found["pool"], "tables": found["tables"], "values": found["values"], "index": rest}


# The others: each builds from pairs in order of their keys, and gives a function that looks a key up.
def marisa(pairs, folder):
    import marisa_trie

    marisa_trie.BytesTrie((key, value.encode()) for key, value in pairs).save(str(folder / "trie"))
    trie = marisa_trie.BytesTrie().mmap(str(folder / "trie"))
    return lambda key: trie[key][0].decode()


def keyvi(pairs, folder):
    from keyvi.compiler import StringDictionaryCompiler
    from keyvi.dictionary import Dictionary

    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        compiler = StringDictionaryCompiler({"memory_limit_mb": "1024", "temporary_path": temporary})
        for key, value in pairs:
            compiler.add(key, value)
        compiler.compile()
        compiler.write_to_file(str(folder / "dictionary"))
    dictionary = Dictionary(str(folder / "dictionary"))
    return lambda key: dictionary.get(key).value_as_string()


def rocksdb(pairs, folder, tuned=False):
    import rocksdict

    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    if tuned:
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_block_size(16 << 10)
        blocks.set_bloom_filter(10, False)
        options.set_block_based_table_factory(blocks)
        zstd = rocksdict.DBCompressionType.zstd()
        window, level, strategy, dictionary = -14, 6, 0, 64 << 10  # the dictionary is trained on a hundred times its size
        options.set_compression_type(zstd)
        options.set_compression_options(window, level, strategy, dictionary)
        options.set_zstd_max_train_bytes(100 * dictionary)
        options.set_bottommost_compression_type(zstd)
        options.set_bottommost_compression_options(window, level, strategy, dictionary, True)
        options.set_bottommost_zstd_max_train_bytes(100 * dictionary, True)
    database = rocksdict.Rdict(str(folder / "database"), options)
    unlogged = rocksdict.WriteOptions()
    unlogged.disable_wal = True
    database.set_write_options(unlogged)
    for key, value in pairs:
        database[key.encode()] = value.encode()
    database.flush()
    everything = rocksdict.CompactOptions()
    everything.set_bottommost_level_compaction(rocksdict.BottommostLevelCompaction.force())
    database.compact_range(None, None, everything)
    database.close()
    database = rocksdict.Rdict(str(folder / "database"), options, access_type=rocksdict.AccessType.read_only())
    return lambda key: database[key.encode()].decode()


def rocksdb_tuned(pairs, folder):
    return rocksdb(pairs, folder, tuned=True)


def zstd(pairs, folder):
    text = "".join(f"{key}\t{value}\n" for key, value in pairs).encode()
    with (folder / "sorted.zst").open("wb") as out:
        subprocess.run(["zstd", "-19", "--long=27", "-q", "-c"], input=text, stdout=out, check=True)


OTHERS = {"marisa": marisa, "keyvi": keyvi, "rocksdb": rocksdb, "tuned": rocksdb_tuned, "zstd": zstd}


def build(name, file, folder):
    """Builds, and looks some keys up, in a process of its own."""
    pairs = sorted(records(file))
    get = OTHERS[name](pairs, folder)
    for key, value in random.Random(1).sample(pairs, min(len(pairs), 1000)) if get else []:
        assert get(key) == value, (name, key, value)


def other(name, file, scratch):
    """The bytes that another tool takes, or None if it cannot build."""
    folder = scratch / name
    folder.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=build, args=(name, file, folder))
    process.start()
    process.join()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.name.startswith("LOG"))
    shutil.rmtree(folder)
    return None if process.exitcode else size


def measured(name, file, without):
    """The row of a set."""
    pairs = records(file)
    fit = kinds(pairs)
    row = {"set": name, "pairs": len(pairs), "raw": sum(len(key.encode()) + len(value.encode()) for key, value in pairs)}
    del pairs
    with tempfile.TemporaryDirectory(dir=DATA) as scratch:
        scratch = Path(scratch)
        row["hashlith"] = {variant: hashlith(file, options, scratch) for variant, options, kind in VARIANTS if kind in fit}
        row["others"] = {tool: other(tool, file, scratch) for tool in OTHERS if tool not in without}
    return row


COLUMNS = [
    ("raw", lambda row: row["raw"]),
    *((variant, lambda row, variant=variant: row["hashlith"].get(variant, {}).get("file")) for variant, _, _ in VARIANTS),
    ("index", lambda row: row["hashlith"]["on"]["index"]),
    ("fp4", lambda row: row["hashlith"]["on, fp4"]["index"]),
    ("tables", lambda row: row["hashlith"]["on"]["tables"]),
    *((tool, lambda row, tool=tool: row["others"].get(tool)) for tool in OTHERS),
]


def table(rows):
    """Bytes per pair, aligned."""
    lines = [["set", "pairs", *(title for title, _ in COLUMNS)]]
    for row in rows:
        sizes = [size(row) for _, size in COLUMNS]
        lines.append([row["set"], f"{row['pairs']:,}", *("-" if size is None else f"{size / row['pairs']:.1f}" for size in sizes)])
    widths = [max(len(cell) for cell in column) for column in zip(*lines)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *(map(str.rjust, line[1:], widths[1:]))]) for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET")
    parser.add_argument("--tsv", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--sets-only", action="store_true", help="fetch and make the sets, measure nothing")
    parser.add_argument("--without", nargs="+", default=[], choices=OTHERS)
    parser.add_argument("--mirror", default="http://deb.debian.org/debian")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    names = [name for name in data_sets.SETS if any(part in name for part in args.sets) or not (args.sets or args.tsv)]
    if not names and not args.tsv:
        parser.error(f"the sets are: {'; '.join(data_sets.SETS)}")
    files = [(name, data_sets.made(name, DATA, args.mirror)) for name in names]
    files += [(file.stem, file) for file in args.tsv]
    if args.sets_only:
        return
    rows = []
    for name, file in files:
        print(f"{name} ...", file=sys.stderr)
        rows.append(measured(name, file, args.without))
    print(json.dumps(rows) if args.json else table(rows))


if __name__ == "__main__":
    main()
