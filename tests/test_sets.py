"""Sets (section 15): the oracle and the Rust command agree on them, and split and merge keep what they hold."""
import json
import random

import pytest

import craft
import make_golden
import oracle
import oracle_check
import oracle_set
from agreement import check_agreement, run
from binary import hashlith
from faults_set import golden, loaded, pairs_of, put, sealed
from make_golden import GOLDEN, build, recorded
from oracle_set import MANIFEST, Set

GOLDEN_SETS = {name: (records, options) for name, records, options in make_golden.sets()}
SEEDS = "0x0f0e0d0c0b0a09080706050403020100"  # of SipHash


# Sound sets -----------------------------------------------------------------------------------------------------------


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
    # The name of a part ends in its header digest, as promised, and nothing else is in the folder.
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


def test_what_the_golden_sets_are():
    four, siphash = (Set(GOLDEN / "sets" / name) for name in ("four", "siphash"))
    assert len(four.parts) == 4 and four.header[11:13] == (oracle.TEXT, oracle.TEXT)
    assert json.loads(four.metadata) == {"made": "by hand"}
    assert len(siphash.parts) == 2 and siphash.header[11:13] == (oracle.BYTES, oracle.BYTES)
    found = siphash.header.hash_id, siphash.header.seed, siphash.header.second_seed
    assert found == (oracle.SIPHASH, 0x0706050403020100, 0x0F0E0D0C0B0A0908)
    assert sum(path.stat().st_size for path in (GOLDEN / "sets").rglob("*") if path.is_file()) < 1 << 20


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 7, 8, 1000, 65_535, 65_536])
def test_ranges_are_those_of_the_lookup(parts):
    found = oracle_set.ranges(parts)
    assert len(found) == parts and found[0][0] == 0 and found[-1][1] == 2**64 - 1
    for number, (first, last) in enumerate(found):
        assert oracle.mulhi(first, parts) == oracle.mulhi(last, parts) == number
        assert number == 0 or found[number - 1][1] == first - 1


def test_odd_sets_are_sound(tmp_path):
    """Parts differ in cells, fingerprints, metadata and name, and other files have no meaning."""
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
    records = {b"%d" % i: b"%x" % (i * i) for i in range(20_000)}
    path = tmp_path_factory.mktemp("large") / "large.hlith"
    build(hashlith(), records.items(), path, "--metadata", '{"a": 1}', "--fingerprint-bits", "5", "--seed", "7")
    return records, path


@pytest.mark.parametrize("parts", [2, 3, 4, 8])
def test_split_and_merge(parts, large, tmp_path):
    records, path = large
    succeed("split", "--quiet", path, "--parts", parts, "-o", tmp_path / "set")
    index = Set(tmp_path / "set")
    oracle_check.verify(index)
    assert dict(index.items()) == records and len(index) == len(records) and index.metadata == b'{"a": 1}'
    named = [tmp_path / "set" / row.file for row in index.manifest.rows]
    for inputs in [tmp_path / "set"], named, named[::-1]:
        succeed("merge", "--quiet", *inputs, "-o", tmp_path / "merged.hlith")
        if parts == 3:  # rebuilt, not copied
            merged = oracle.Index(tmp_path / "merged.hlith")
            oracle_check.verify(merged)
            assert dict(merged.items()) == records
        else:
            assert (tmp_path / "merged.hlith").read_bytes() == path.read_bytes()
    done = run("merge", "--quiet", *named[1:], "-o", tmp_path / "none.hlith")
    assert done.returncode != 0 and not (tmp_path / "none.hlith").exists()


def test_cells_of_a_split_are_copied(large, tmp_path):
    """The cells of part 0, then those of part 1, and so on, are the cells of the whole index."""
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


def test_a_set_split_into_another_number_of_parts(tmp_path):
    """Hash and seeds stay the same for any number of parts, also when a set is merged into a set."""
    records = {b"%d" % i: b"%d" % (i % 7) for i in range(300)}
    build(hashlith(), records.items(), tmp_path / "five", "--parts", 5, "--hash", "siphash", "--seed", SEEDS)
    succeed("split", "--quiet", tmp_path / "five", "--parts", 2, "-o", tmp_path / "two")
    succeed("merge", "--quiet", tmp_path / "two", "-o", tmp_path / "three", "--parts", 3)
    for name, parts in ("five", 5), ("two", 2), ("three", 3):
        index = check_agreement(tmp_path / name, records, random.Random(name))
        assert (len(index.parts), index.header.hash_id) == (parts, oracle.SIPHASH), name
        assert (index.header.seed, index.header.second_seed) == (0x0706050403020100, 0x0F0E0D0C0B0A0908), name


def test_a_set_replaces_another(tmp_path, monkeypatch):
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
    oracle_check.verify(index)
