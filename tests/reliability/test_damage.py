"""Promises 1 and 2, through the Python package and the command. Bits of files of every kind are flipped: `verify` reports the
rule and the offset that the oracle finds, `open` refuses what it must see, and lookups in what it opens answer or report that
the file is corrupt. tests/rust/damage_matrix.rs does the same with the reader and the checker.
Then sets: edited manifests, and parts that do not belong together.
"""
import random
import shutil
import sys
from pathlib import Path

import hashlith
import pytest

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))

import faults_set  # noqa: E402  (the folder above)
import oracle  # noqa: E402
from agreement import oracle_verdict, rust_verdict  # noqa: E402
from make_golden import recorded  # noqa: E402
from oracle_set import MANIFEST, Set  # noqa: E402

SETS = sorted(path for path in (TESTS / "golden" / "sets").iterdir() if path.is_dir())
FILES = sorted((TESTS / "golden").glob("*.hlith"))
SMALL = 21_000
OPENING = {f"R{number}" for number in [*range(1, 15), 18]}


def verdict(act, path):
    """Rule and offset of the fault that the package or the oracle finds, or nothing."""
    try:
        act(path)
    except (hashlith.CorruptError, oracle.Corrupt) as error:
        return error.rule, error.offset
    return None


def opened(path):
    hashlith.open(path).close()


def ask(path, keys):
    """Opens the file, and looks keys up one by one, together and in order."""
    with hashlith.open(path) as index:
        for look in [lambda: index.get_many(keys), lambda: list(index.items()), *(lambda key=key: index.get(key) for key in keys)]:
            try:
                look()
            except (hashlith.CorruptError, ValueError, KeyError):  # damage; no UTF-8, no JSON; no number for a key
                pass


def spread(count, most):
    """At most `most` numbers below `count`: always the same ones, spread evenly, with every remainder modulo 8."""
    step = max(1, count // most)
    return range(0, count, step + 1 - step % 2 if step > 1 else 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_flipped_bits(path, tmp_path, soak, evidence):
    data = path.read_bytes()
    with hashlith.open(path) as index:
        # Keys that are left out are written down.
        all_keys = [key for key, _ in recorded(path.stem)] if index.key_type == "none" else index
        keys = [key for key, _ in zip(all_keys, range(20))]
    damaged, wrong, flipped = tmp_path / "damaged.hlith", [], 0
    damaged.write_bytes(data)
    verified = {}
    with open(damaged, "r+b", buffering=0) as file:
        def put(bit, byte):
            file.seek(bit // 8)
            file.write(bytes([byte]))

        # The long form flips every bit of a small file.
        most = 1500 if not soak else 8 * len(data) if len(data) < SMALL else 100_000
        for bit in spread(8 * len(data), most):
            put(bit, data[bit // 8] ^ 1 << bit % 8)
            verified[bit] = found = verdict(hashlith.verify, damaged)
            asked = verdict(lambda path: ask(path, keys), damaged)
            if found is None or asked != (found if found[0] in OPENING else None):
                wrong.append((bit, found, asked))
            put(bit, data[bit // 8])
            flipped += 1
        assert damaged.read_bytes() == data and hashlith.verify(damaged).keys == len(hashlith.open(path))
        # Only some of them: processes and the oracle are slow.
        bits = list(verified)
        compared = [bits[number] for number in spread(len(bits), 3000 if soak else 40)]
        for bit in compared:
            put(bit, data[bit // 8] ^ 1 << bit % 8)
            verdicts = [verified[bit], oracle_verdict(damaged.read_bytes()), rust_verdict(damaged.read_bytes(), tmp_path)]
            if len(set(verdicts)) != 1:
                wrong.append((bit, verdicts))
            put(bit, data[bit // 8])
    assert wrong == []
    evidence("bits", flipped)
    evidence("compared", len(compared))


def bytes_changed(manifest, soak):
    """Each byte set to every other value; in the short form, to two: one bit flipped, and the value of another byte."""
    for at in range(len(manifest)):
        some = {manifest[at] ^ 1, manifest[(7 * at + 1) % len(manifest)]}
        for value in set(range(256) if soak else some) - {manifest[at]}:
            yield manifest[:at] + bytes([value]) + manifest[at + 1:]


def edits(manifest, soak):
    """All kinds of wrong manifests."""
    yield from bytes_changed(manifest, soak)
    for at in range(len(manifest)):
        yield manifest[:at] + manifest[at + 1:]
        yield manifest[:at] + manifest[at:at + 1] + manifest[at:]
        yield manifest[:at]
    for _, changed, _ in faults_set.edits(manifest, random.Random(3), 20_000 if soak else 500):
        yield changed
    for _, _, _, changed in faults_set.manifest_faults(manifest):
        yield changed


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.name)
def test_edited_manifests(path, tmp_path, soak, evidence):
    folder = shutil.copytree(path, tmp_path / "set")
    manifest, wrong, edited = (folder / MANIFEST).read_bytes(), [], 0
    assert verdict(Set, folder) is verdict(opened, folder) is None
    for changed in edits(manifest, soak):
        (folder / MANIFEST).unlink()
        (folder / MANIFEST).write_bytes(changed)
        expected = verdict(Set, folder)
        found = [verdict(opened, folder), verdict(hashlith.verify, folder)]
        if expected is None or found != [expected, expected]:
            wrong.append((changed, expected, found))
        edited += 1
    assert wrong == []
    evidence("edits", edited)


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.name)
def test_flipped_bits_of_parts(path, tmp_path, soak, evidence):
    folder = shutil.copytree(path, tmp_path / "set")
    wrong, flipped = [], 0
    for part in sorted(folder.glob("*.hlith")):
        data = part.read_bytes()
        with open(part, "r+b", buffering=0) as file:
            for bit in spread(8 * len(data), 20_000 if soak else 500):
                file.seek(bit // 8)
                file.write(bytes([data[bit // 8] ^ 1 << bit % 8]))
                found = verdict(hashlith.verify, folder), verdict(opened, folder)
                if found[0] is None or found[1] != (None if found[0][0] not in OPENING else found[0]):
                    wrong.append((part.name, bit, found))
                file.seek(bit // 8)
                file.write(data[bit // 8:bit // 8 + 1])
                flipped += 1
    assert wrong == [] and verdict(hashlith.verify, folder) is None
    evidence("bits", flipped)


def test_parts_that_do_not_go_together(tmp_path):
    """Every exchange of the parts of a set, and faults of one part that only `verify` finds."""
    files = {path.name: path.read_bytes() for path in SETS[0].iterdir()}
    parts, wrong, tried = [files[name] for name in faults_set.part_names(files)], [], 0
    for label, rule, offset, _, made in faults_set.part_faults(parts):
        folder = tmp_path / f"{tried}"
        folder.mkdir()
        for name, data in made.items():
            (folder / name).write_bytes(data)
        found = verdict(hashlith.verify, folder), verdict(opened, folder)
        opens = rule[0] == "V" or rule in ("R15", "R16")
        if label == "keys of other parts":  # at the first key of another part
            offset = found[0][1]
        if found != ((rule, offset), None if opens else (rule, offset)):
            wrong.append((label, rule, offset, found))
        shutil.rmtree(folder)
        tried += 1
    assert wrong == [] and tried > 100
