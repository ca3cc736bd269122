#!/usr/bin/env python3
"""Vectors by key: hashlith, a numpy matrix with known rows, a matrix with a dict of rows, and gensim's KeyedVectors.

    python benches/vectors.py [KEYS]

Each round asks all of them for the same random keys, in batches of 1,000, and one by one. Figures are medians over rounds, in
nanoseconds per key. Needs numpy, the package, and gensim (.venv/bin/pip install gensim).
"""
import os
import statistics
import sys
import tempfile
import time

import gensim
import hashlith
import numpy

DIMENSION, BATCH, BATCHES, ROUNDS = 128, 1000, 200, 5


def main(count):
    rng = numpy.random.default_rng(1)
    words = [f"word {n}" for n in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "vectors.hlith")
        matrix = rng.random((count, DIMENSION), dtype="float32")
        began = time.perf_counter()
        report = hashlith.build(path, zip(words, matrix))
        print(f"{count:,} vectors of {DIMENSION} float32, built in {time.perf_counter() - began:.1f} s")
        keys = sum(map(len, words)) / count
        beside = report.nbytes / count - 4 * DIMENSION
        print(f"bytes per pair beside the vectors: {beside:.2f}, of which keys {keys:.2f}")
        index = hashlith.open(path, random=False)
        rows = dict(zip(words, range(count)))
        keyed = gensim.models.KeyedVectors(DIMENSION)
        keyed.add_vectors(words, matrix)
        own = index.to_numpy()
        own.sum()  # all pages are mapped
        contenders = {
            "numpy, matrix[rows]": lambda batch, numbers: matrix[numbers],
            "dict of rows, then matrix[rows]": lambda batch, numbers: matrix[[rows[word] for word in batch]],
            "gensim, keyed[batch]": lambda batch, numbers: keyed[batch],
            "hashlith, get_many": lambda batch, numbers: index.get_many(batch),
            "hashlith, to_numpy()[ids]": lambda batch, numbers: own[index.ids(batch)],
            "one by one: dict, matrix[row]": lambda batch, numbers: [matrix[rows[word]] for word in batch],
            "one by one: gensim, keyed[word]": lambda batch, numbers: [keyed[word] for word in batch],
            "one by one: hashlith, index[word]": lambda batch, numbers: [index[word] for word in batch],
        }
        times = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            asked = rng.integers(0, count, (BATCHES, BATCH))
            batches = [[words[number] for number in numbers] for numbers in asked]
            for name, ask in contenders.items():
                began = time.perf_counter()
                for batch, numbers in zip(batches, asked):
                    found = ask(batch, numbers)
                times[name].append((time.perf_counter() - began) / BATCHES / BATCH * 1e9)
                assert (found[-1] == matrix[asked[-1][-1]]).all()
        for name, found in times.items():
            print(f"{name:36} {statistics.median(found):8,.0f} ns  ({min(found):,.0f} to {max(found):,.0f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
