"""Test 1 of the promises, through the Python package and the command: bits of files of every kind are flipped. Each is
refused by `verify`, with the rule and the offset that the oracle finds; `open` refuses what it must see; lookups in what it
opens answer or say that the file is corrupt. checker/tests/damage_matrix.rs does the same with the reader and the checker.
"""
import sys
from pathlib import Path

import hashlith
import pytest

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))

from faults import oracle_verdict  # noqa: E402  (the folder above)
from test_oracle import rust_verdict  # noqa: E402

FILES = sorted((TESTS / "golden").glob("*.hlith"))
OPENING = {f"R{number}" for number in range(1, 15)}


def verdict(act, path):
    try:
        act(path)
    except hashlith.CorruptError as error:
        return error.rule, error.offset
    return None


def ask(path, keys):
    """Opens the file and asks for keys one by one, together and in order."""
    with hashlith.open(path) as index:
        for look in [lambda: index.get_many(keys), lambda: list(index.items()), *(lambda key=key: index.get(key) for key in keys)]:
            try:
                look()
            except (hashlith.CorruptError, ValueError):  # damage; text that is not UTF-8, values that are not JSON
                pass


def spread(count, most):
    """At most so many numbers below `count`, the same each time, from all parts of it and with every remainder by 8."""
    step = max(1, count // most)
    return range(0, count, step + 1 - step % 2 if step > 1 else 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_flipped_bits(path, tmp_path, soak, evidence):
    data = path.read_bytes()
    with hashlith.open(path) as index:
        keys = [key for key, _ in zip(index, range(20))]
    damaged, wrong, flipped = tmp_path / "damaged.hlith", [], 0
    damaged.write_bytes(data)
    told = {}
    with open(damaged, "r+b", buffering=0) as file:
        def put(bit, byte):
            file.seek(bit // 8)
            file.write(bytes([byte]))

        for bit in spread(8 * len(data), 30_000 if soak else 1500):
            put(bit, data[bit // 8] ^ 1 << bit % 8)
            told[bit] = found = verdict(hashlith.verify, damaged)
            opened = verdict(lambda path: ask(path, keys), damaged)
            if found is None or opened != (found if found[0] in OPENING else None):
                wrong.append((bit, found, opened))
            put(bit, data[bit // 8])
            flipped += 1
        assert damaged.read_bytes() == data and hashlith.verify(damaged).keys == len(hashlith.open(path))
        # Processes and the oracle take their time.
        compared = list(told)[:: max(1, len(told) // (300 if soak else 40))]
        for bit in compared:
            put(bit, data[bit // 8] ^ 1 << bit % 8)
            verdicts = [told[bit], oracle_verdict(damaged.read_bytes()), rust_verdict(damaged.read_bytes(), tmp_path)]
            if len(set(verdicts)) != 1:
                wrong.append((bit, verdicts))
            put(bit, data[bit // 8])
    assert wrong == []
    evidence("bits", flipped)
    evidence("compared", len(compared))
