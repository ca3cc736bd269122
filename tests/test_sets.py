"""Sets (section 15) as the oracle, written from spec.md alone, and the Rust command see them."""
import functools
import json
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import craft
import faults
import faults_set
import make_golden
import oracle
import oracle_set
from binary import hashlith
from faults_set import sealed
from make_golden import GOLDEN, build, recorded
from oracle_set import MANIFEST, Set
from test_oracle import absent_keys, all_rules, escape, parse_cdbmake, run, rust_get

GOLDEN_SETS = {name: (records, options) for name, records, options in make_golden.sets()}
SEEDS = "0x0f0e0d0c0b0a09080706050403020100"  # of SipHash


def loaded(folder):
    """The files of a set by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@functools.lru_cache(None)
def golden(name):
    return loaded(GOLDEN / "sets" / name)


def put(files, folder):
    """Makes these the files of the folder. (A new file costs less than one cut off and written again.)"""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def put_manifest(manifest, folder):
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / MANIFEST).write_bytes(manifest)


def verdict(folder):
    """Rule, offset and file of the fault that the oracle finds, or Nones."""
    try:
        Set(folder).verify()
    except oracle.Corrupt as fault:
        return fault.rule, fault.offset, fault.file
    return None, None, None


def rust_verdict(folder, *options):
    """The same of `hashlith verify`; checks its exit code."""
    done = run("verify", "--json", "--quiet", folder, *options)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["ok"] else 4), done
    if answer["file"] is None:
        return answer["rule"], answer["offset"], None
    assert Path(answer["file"]).parent == folder
    return answer["rule"], answer["offset"], Path(answer["file"]).name


# Sound sets -----------------------------------------------------------------------------------------------------------

def check_agreement(path, expected, rng):
    """All that the oracle and the command must say of the set at `path` with these records."""
    index, expected = Set(path), dict(expected)
    assert verdict(path) == rust_verdict(path) == (None, None, None)
    in_order = list(index.items())
    assert dict(in_order) == expected and len(in_order) == len(expected) == len(index)
    for number, (key, value) in enumerate(in_order):
        assert index.lookup(key) == (number, value) and index.by_id(number) == (key, value)
        assert (index.get(key), index.id(key)) == (value, number)
    for number in -1, len(index):
        with pytest.raises(IndexError):
            index.by_id(number)
    absent = absent_keys(index, rng, 100)
    assert all(index.lookup(key) is None for key in absent)
    done = run("dump", path, "--format", "cdbmake")
    assert done.returncode == 0 and parse_cdbmake(done.stdout) == in_order, done.stderr
    asked = [*expected, *absent]
    rng.shuffle(asked)
    assert rust_get(path, asked) == {key: escape(expected[key]) for key in asked if key in expected}
    parts = [(row.file, (path / row.file).read_bytes()) for row in index.manifest.rows]
    assert (path / MANIFEST).read_bytes() == craft.manifest(parts)
    return index


def some_records(kind, rng, count):
    if kind == "text":
        keys = [f"key {i} {chr(rng.randrange(0x20, 0x3000))}".encode() for i in range(count)]
        return {key: str(rng.random()).encode() for key in keys}
    return {**{rng.randbytes(rng.randrange(12)): rng.randbytes(rng.randrange(20)) for _ in range(count)},
            b"": b"\n", b"\t\\": b"", b"\xff\0": b"\0"}


@pytest.mark.parametrize("kind", ["text", "bytes"])
@pytest.mark.parametrize("hashed", ["xxh3", "siphash"])
@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8])
def test_built_sets(parts, hashed, kind, tmp_path):
    rng = random.Random(f"{parts} {hashed} {kind}")
    records, path = some_records(kind, rng, 200), tmp_path / "set"
    build(hashlith(), records.items(), path, "--parts", parts, "--hash", hashed, "--keys", kind, "--values", kind,
          "--metadata", '{"a": 1}', *(["--seed", rng.getrandbits(64)] if hashed == "xxh3" else []))
    index = check_agreement(path, records, rng)
    assert index.metadata == b'{"a": 1}'
    assert len(index.parts) == parts
    assert index.header.hash_id == (oracle.XXH3 if hashed == "xxh3" else oracle.SIPHASH)
    # The name of a part ends in its header digest, as the project promises; nothing else is in the folder.
    names = [craft.part_name(number, part.data) for number, part in enumerate(index.parts)]
    assert sorted(path.name for path in path.iterdir()) == [MANIFEST, *names]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_sets_with_empty_parts(count, tmp_path):
    records = {b"%d" % i: b"v" for i in range(count)}
    build(hashlith(), records.items(), tmp_path / "set", "--parts", "8")
    index = check_agreement(tmp_path / "set", records, random.Random(count))
    assert min(map(len, index.parts)) == 0


@pytest.mark.parametrize("name", GOLDEN_SETS)
def test_golden_sets(name, tmp_path):
    records, options = GOLDEN_SETS[name]
    index = check_agreement(GOLDEN / "sets" / name, records, random.Random(name))
    assert list(index.items()) == recorded(f"sets/{name}")
    for order in records, records[::-1]:
        build(hashlith(), order, tmp_path / "again", *options)
        assert loaded(tmp_path / "again") == golden(name)


def test_golden_sets_are_what_they_should_be():
    four, siphash = (Set(GOLDEN / "sets" / name) for name in ("four", "siphash"))
    assert len(four.parts) == 4 and four.header[11:13] == (oracle.TEXT, oracle.TEXT)
    assert json.loads(four.metadata) == {"made": "by hand"}
    assert len(siphash.parts) == 2 and siphash.header[11:13] == (oracle.BYTES, oracle.BYTES)
    found = siphash.header.hash_id, siphash.header.seed, siphash.header.second_seed
    assert found == (oracle.SIPHASH, 0x0706050403020100, 0x0F0E0D0C0B0A0908)
    assert sum(path.stat().st_size for path in (GOLDEN / "sets").rglob("*") if path.is_file()) < 1 << 20


def test_the_example_of_the_specification():
    text = (Path(__file__).parent.parent / "spec.md").read_text().split("## 15. Sets")[1].split("```")[1].lstrip("\n")
    found = oracle_set.parse(text.encode())
    assert [len(found.rows), found.hash_id, *(row.keys for row in found.rows)] == [2, oracle.XXH3, 5, 3]
    assert all(f"{row.digest:016x}" in row.file for row in found.rows)


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 7, 8, 1000, 65_535, 65_536])
def test_ranges_are_those_of_the_lookup(parts):
    found = oracle_set.ranges(parts)
    assert len(found) == parts and found[0][0] == 0 and found[-1][1] == 2**64 - 1
    for number, (first, last) in enumerate(found):
        assert oracle.mulhi(first, parts) == oracle.mulhi(last, parts) == number
        assert number == 0 or found[number - 1][1] == first - 1


def pairs_of(parts, count=90, **header):
    """Records, and the files of a crafted set of them."""
    pairs = faults.pairs(count, random.Random(parts), text=True)
    return pairs, [craft.make(pairs, cells=2, part=part, parts=parts, **header).seal() for part in range(parts)]


def test_odd_sets_are_sound(tmp_path):
    """What is each part's own: cells, fingerprints, metadata, the name; and files that have no meaning."""
    pairs, parts = pairs_of(3, metadata=b'{"a":1}')
    parts[1] = craft.make(pairs, cells=7, fp=16, part=1, parts=3, metadata=b'{"b":2}').seal()
    parts[2] = craft.make(pairs, cells=40, fp=1, part=2, parts=3).seal()
    assert check_agreement(put(sealed(parts), tmp_path), pairs, random.Random(1)).metadata == b'{"a":1}'
    assert json.loads(run("info", "--json", tmp_path).stdout)["metadata"] == {"a": 1}
    names = ["a" * 255, "-0", "_.hlith..."]
    strangers = {"zzz": b"", MANIFEST + ".tmp": b"{", "part-00000-0000000000000000.hlith": b"\0" * 5000}
    check_agreement(put({**sealed(parts, names), **strangers}, tmp_path), pairs, random.Random(2))
    pairs, parts = pairs_of(40, key_type=oracle.TEXT, value_type=oracle.TEXT)
    check_agreement(put(sealed(parts), tmp_path), pairs, random.Random(3))
    pairs, parts = pairs_of(2, hash_id=oracle.SIPHASH, seed=2**64 - 1, second_seed=2**63)
    check_agreement(put(sealed(parts), tmp_path), pairs, random.Random(4))


# Split, merge, replace ------------------------------------------------------------------------------------------------

def succeed(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done
    return done


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Records and the path of an index of many cells."""
    records = {b"%d" % i: b"%x" % (i * i) for i in range(4000)}
    path = tmp_path_factory.mktemp("large") / "large.hlith"
    build(hashlith(), records.items(), path, "--metadata", '{"a": 1}', "--fingerprint-bits", "5", "--seed", "7")
    return records, path


@pytest.mark.parametrize("parts", [2, 3, 4, 8])
def test_split_and_merge(parts, large, tmp_path):
    records, path = large
    succeed("split", "--quiet", path, "--parts", parts, "-o", tmp_path / "set")
    index = Set(tmp_path / "set")
    index.verify()
    assert dict(index.items()) == records and len(index) == len(records) and index.metadata == b'{"a": 1}'
    named = [tmp_path / "set" / row.file for row in index.manifest.rows]
    for inputs in [tmp_path / "set"], named, named[::-1]:
        succeed("merge", "--quiet", *inputs, "-o", tmp_path / "merged.hlith")
        if parts == 3:  # built anew
            merged = oracle.Index(tmp_path / "merged.hlith")
            merged.verify()
            assert dict(merged.items()) == records
        else:
            assert (tmp_path / "merged.hlith").read_bytes() == path.read_bytes()
    done = run("merge", "--quiet", *named[1:], "-o", tmp_path / "none.hlith")
    assert done.returncode != 0 and not (tmp_path / "none.hlith").exists()


def test_cells_of_a_split_are_copied(large, tmp_path):
    """Those of part 0, then those of part 1, and so on, are those of the whole index."""
    records, path = large
    succeed("split", "--quiet", path, "--parts", 8, "-o", tmp_path / "set")
    whole, index = oracle.Index(path), Set(tmp_path / "set")
    assert [len(part.data) for part in index.parts] == [row.length for row in index.manifest.rows]
    assert sum(part.header.cells for part in index.parts) == whole.header.cells
    assert list(index.items()) == list(whole.items())

    def bodies(file):
        return [bytes(file.data[b.at + 12:b.at + oracle.CELL]) for b in file.cells() if b.far is None]

    assert sum(map(bodies, index.parts), []) == bodies(whole)
    for number, (key, value) in enumerate(whole.items()):
        assert index.lookup(key) == (number, value)


def test_a_set_split_otherwise(tmp_path):
    """The hash and the seeds stay, whatever the number of parts; and a set merged into a set."""
    records = {b"%d" % i: b"%d" % (i % 7) for i in range(300)}
    build(hashlith(), records.items(), tmp_path / "five", "--parts", 5, "--hash", "siphash", "--seed", SEEDS)
    succeed("split", "--quiet", tmp_path / "five", "--parts", 2, "-o", tmp_path / "two")
    succeed("merge", "--quiet", tmp_path / "two", "-o", tmp_path / "three", "--parts", 3)
    for name, parts in ("five", 5), ("two", 2), ("three", 3):
        index = check_agreement(tmp_path / name, records, random.Random(name))
        assert (len(index.parts), index.header.hash_id) == (parts, oracle.SIPHASH), name
        assert (index.header.seed, index.header.second_seed) == (0x0706050403020100, 0x0F0E0D0C0B0A0908), name


def test_a_set_takes_the_place_of_another(tmp_path, monkeypatch):
    path = tmp_path / "set"
    build(hashlith(), [(b"k%d" % i, b"old") for i in range(50)], path, "--parts", "4")
    old = loaded(path)
    build(hashlith(), [(b"k%d" % i, b"new") for i in range(60)], path, "--parts", "2")
    new = loaded(path)
    assert {name for name in old if name in new} == {MANIFEST}
    check_agreement(path, [(b"k%d" % i, b"new") for i in range(60)], random.Random(1))
    put(old, path)
    opened = oracle_set.Index

    def replaced(file):
        """Opens a part, and finds the set replaced when it comes to the third one."""
        if file.name.startswith("part-00002"):
            put(new, path)
        return opened(file)

    monkeypatch.setattr(oracle_set, "Index", replaced)
    index = Set(path)
    assert len(index.parts) == 2 and index.get(b"k55") == b"new"
    index.verify()


# Faults ---------------------------------------------------------------------------------------------------------------

def small_sets(name):
    """The files of a golden set, or of one with a single part or with a dozen small ones."""
    if name not in ("one", "twelve"):
        return golden(name)
    parts = 12 if name == "twelve" else 1
    return sealed([craft.make([(b"a", b"b"), (b"c", b"d")], part=part, parts=parts).seal() for part in range(parts)])


def compare(right, folder, *options):
    """What is wrong in the verdicts on the set in the folder, or nothing."""
    mine, theirs = verdict(folder), rust_verdict(folder, *options)
    return None if mine == theirs == right else f"{right}; the oracle says {mine}, the command {theirs}"


def check(found):
    """`found`: label and what is wrong."""
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
    assert {rule for _, rule, *_ in cases} >= all_rules() | {"M3", "M4", "M5", "M6"}


@pytest.mark.parametrize("name", ["four", "siphash", "one", "twelve"])
def test_random_edits_of_a_manifest(name, tmp_path, monkeypatch):
    """Each is found in its line. Those that the command is asked about are spread over rules and offsets."""
    files, rng = small_sets(name), random.Random(name)
    put(files, tmp_path)
    found = defaultdict(list)
    for label, manifest, offsets in faults_set.edits(files[MANIFEST], rng, 2500):
        with monkeypatch.context() as patched:
            patched.setattr(Set, "_read", lambda _, edited=manifest: edited)
            rule, offset, file = mine = verdict(tmp_path)
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
    """A manifest of 65,536 parts, whose first file is missing, and the same with faults in its last lines."""
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
        assert verdict(tmp_path) == rust_verdict(tmp_path) == (rule, offset, MANIFEST)


def test_faults_that_a_lookup_meets(tmp_path):
    """A refused set has no answers; and a fault in a part that is not verified is told with its file."""
    pairs, parts = pairs_of(3, key_type=oracle.TEXT)
    key = next(key for key, _ in pairs if oracle.Index(parts[2]).get(key))
    found = oracle.Index(parts[2])
    b = next(b for b in found.cells() if b.n and b.number == found._cell_number(found._hash(key)[0]))
    wide = faults.patch(parts[2], b.at + 13, b"\x7f")
    files = put(sealed([*parts[:2], wide]), tmp_path)
    index = Set(files)
    number = sum(len(oracle.Index(part)) for part in parts[:2]) + b.first
    for ask in lambda: index.get(key), lambda: index.id(key), lambda: index.by_id(number), index.verify:
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


def test_command_line(tmp_path):
    def command(*arguments, stdin=""):
        call = [sys.executable, "-B", oracle_set.__file__, *map(str, arguments)]
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
