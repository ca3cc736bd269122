"""Faults of sets (section 15): the oracle and the Rust command report the same ones."""
import json
import random
import subprocess
import sys
from collections import defaultdict

import pytest

import craft
import faults
import faults_set
import oracle
import oracle_check
import oracle_command
import oracle_set
from agreement import RULES, oracle_set_verdict, run, rust_set_verdict
from faults_set import golden, pairs_of, part_names, put, sealed
from make_golden import GOLDEN, recorded
from oracle_set import MANIFEST, Set


def put_manifest(manifest, folder):
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / MANIFEST).write_bytes(manifest)


def small_sets(name):
    """The files of a golden set, or of a set of one small part or a dozen of them."""
    if name not in ("one", "twelve"):
        return golden(name)
    parts = 12 if name == "twelve" else 1
    return sealed([craft.make([(b"a", b"b"), (b"c", b"d")], part=part, parts=parts).seal() for part in range(parts)])


def compare(right, folder, *options):
    """What is wrong with the verdicts on the set in the folder, or nothing."""
    mine, theirs = oracle_set_verdict(folder), rust_set_verdict(folder, *options)
    return None if mine == theirs == right else f"{right}; the oracle says {mine}, the command {theirs}"


def check(found):
    """`found`: labels, and what is wrong or nothing."""
    wrong = [f"{label}: {what}" for label, what in found if what]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(found)}:", *wrong])


@pytest.mark.parametrize("name", ["four", "siphash", "one"])
def test_faults_of_a_manifest(name, tmp_path):
    files = small_sets(name)
    put(files, tmp_path)
    cases, found = list(faults_set.manifest_faults(files[MANIFEST])), []
    for label, rule, offset, manifest in cases:
        put_manifest(manifest, tmp_path)
        found.append((label, compare((rule, offset, MANIFEST), tmp_path, "--threads", "1")))
    check(found)
    assert {rule for _, rule, _, _ in cases} == {"M1", "M2", "M3", "M4", "M5"}


def test_faults_of_parts(tmp_path):
    _, parts = pairs_of(4, key_type=oracle.TEXT, value_type=oracle.TEXT)
    cases, found = list(faults_set.part_faults(parts)), []
    for label, rule, offset, file, files in cases:
        found.append((label, compare((rule, offset, file), put(files, tmp_path))))
    check(found)
    assert {rule for _, rule, *_ in cases} >= RULES | {"M3", "M4", "M5", "M6"}


def test_parts_with_other_numbers(tmp_path):
    found = [(label, compare((rule, offset, file), put(files, tmp_path)))
             for label, rule, offset, file, files in faults_set.number_faults()]
    check(found)
    assert len(found) == 5


@pytest.mark.parametrize("name", ["four", "siphash", "one", "twelve"])
def test_random_edits_of_a_manifest(name, tmp_path, monkeypatch):
    """Each fault is found in its line. The command gets a sample, spread over rules and offsets."""
    files, rng = small_sets(name), random.Random(name)
    put(files, tmp_path)
    found = defaultdict(list)
    for label, manifest, offsets in faults_set.edits(files[MANIFEST], rng, 2500):
        with monkeypatch.context() as patched:
            patched.setattr(Set, "_read", lambda *_, edited=manifest: edited)
            rule, offset, file = mine = oracle_set_verdict(tmp_path)
        assert rule in ("M1", "M2", "M3", "M4", "M5") and offset in offsets and file == MANIFEST, (label, mine)
        found[mine].append((label, manifest))
    assert {rule for rule, _, _ in found} >= {"M1", "M3", "M4", "M5"}
    each, results = max(5, 150 // len(found)), []
    for mine, edited in found.items():
        for label, manifest in edited[:each]:
            put_manifest(manifest, tmp_path)
            results.append((label, compare(mine, tmp_path, "--threads", "1")))
    check(results)


def test_most_parts(tmp_path):
    """A manifest of 65,536 parts whose first file is missing, and the same with faults in its last lines."""
    parts = oracle_set.MOST_PARTS
    first, row, _ = sealed([craft.make([(b"a", b"b")]).seal()])[MANIFEST].splitlines(keepends=True)
    rows = [row.replace(b"0" * 16, b"%016x" % start).replace(b"f" * 16, b"%016x" % end)
            for start, end in oracle_set.ranges(parts)]
    first = first.replace(b'"parts": 1,', b'"parts": %d,' % parts)
    whole = b"".join([first, *map(faults_set.with_comma, rows[:-1]), rows[-1], b"]}\n"])
    last = whole.rindex(b'{"file"')
    wrong = whole[:last] + whole[last:].replace(b"f" * 16, b"f" * 15 + b"e")
    for rule, offset, manifest in (("M4", len(first), whole), ("M1", last, whole[:-1]), ("M3", last, wrong),
                                   ("M1", len(whole), whole + b"\n")):
        put_manifest(manifest, tmp_path)
        assert oracle_set_verdict(tmp_path) == rust_set_verdict(tmp_path) == (rule, offset, MANIFEST)


def test_faults_that_a_lookup_meets(tmp_path):
    """A refused set has no answers. A fault that a lookup meets in a part is reported with its file."""
    pairs, parts = pairs_of(3, key_type=oracle.TEXT)
    key = next(key for key, _ in pairs if oracle.Index(parts[2]).get(key))
    found = oracle.Index(parts[2])
    b = next(b for b in found.cells() if b.n and b.number == found.cell_number(found.hash(key)[0]))
    wide = faults.patch(parts[2], b.at + 13, b"\x7f")
    files = put(sealed([*parts[:2], wide]), tmp_path)
    index = Set(files)
    number = sum(len(oracle.Index(part)) for part in parts[:2]) + b.first
    for ask in lambda: index.get(key), lambda: index.id(key), lambda: index.by_id(number), \
            lambda: oracle_check.verify(index):
        with pytest.raises(oracle.Corrupt) as caught:
            ask()
        fault = caught.value
        assert (fault.rule, fault.offset, fault.file) == ("R15", b.at, craft.part_name(2, wide))
    assert str(fault).startswith(f"{fault.file}: R15 at offset {b.at}: ")
    done = run("get", files, key.decode())
    assert done.returncode == 4 and fault.file in done.stderr.decode() and f" {b.at}:" in done.stderr.decode(), done
    (files / craft.part_name(0, parts[0])).unlink()
    with pytest.raises(oracle.Corrupt, match="M4"):
        Set(files)
    for command in ["get", files, key.decode()], ["dump", files], ["merge", files, "-o", tmp_path / "x.hlith"]:
        done = run(*command)
        assert done.returncode == 4 and not done.stdout and "M4" in done.stderr.decode(), done


def test_a_folder_without_a_manifest(tmp_path):
    put(golden("four"), tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(FileNotFoundError):
        Set(tmp_path)
    assert run("verify", tmp_path).returncode == 1


def test_what_cannot_be_read_breaks_no_rule(tmp_path):
    for name in MANIFEST, part_names(golden("four"))[1]:
        folder = put(golden("four"), tmp_path / name)
        (folder / name).unlink()
        (folder / name).mkdir()
        with pytest.raises(IsADirectoryError):
            Set(folder)
        for command in ["verify", folder], ["get", folder, "word 7"]:
            done = run(*command)
            assert done.returncode == 1 and name in done.stderr.decode(), done


def test_command_line(tmp_path):
    def command(*arguments, stdin=""):
        call = [sys.executable, "-B", oracle_command.__file__, *map(str, arguments)]
        return subprocess.run(call, input=stdin, capture_output=True, text=True)

    path = GOLDEN / "sets" / "four"
    assert command("verify", path).returncode == 0
    assert command("get", path, "word 7", "word 8").stdout == "49\n64\n"
    assert command("get", path, "word 80").returncode == 3
    shown = list(map(json.loads, command("dump", path).stdout.splitlines()))
    assert [(one["key"].encode(), one["value"].encode()) for one in shown] == recorded("sets/four")
    assert [one["id"] for one in shown] == list(range(80))
    key, _ = recorded("sets/four")[-1]
    served = command("serve", path, stdin=f"{key.hex()}\n\n").stdout.splitlines()
    assert served[0].split()[0] == "79" and served[1] == "-"
    done = command("verify", put({**golden("four"), MANIFEST: b""}, tmp_path))
    assert done.returncode == 4 and "manifest.json: M1 at offset 0" in done.stderr
