"""The oracle, the golden files and the Rust command agree.

The command comes from HASHLITH_BIN or HASHLITH, or from the target folder; without it these tests fail.
"""
import json
import random
import subprocess
import sys

import pytest

import craft
import faults
import faults_crafted
import faults_tokens
import make_golden
import oracle
import oracle_command
from agreement import RULES, check_agreement, check_faults, escape, oracle_verdict, parse_cdbmake, run, rust_get, \
    rust_verdict
from binary import hashlith
from make_golden import EXAMPLE, GOLDEN, build, build_example, kinds, recorded

KINDS = {name: (records, options) for name, records, options in kinds()}
NAMES = sorted(KINDS)
CRAFTED = dict(make_golden.crafted())


def golden(name):
    return (GOLDEN / f"{name}.hlith").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_golden(name):
    index = check_agreement(GOLDEN / f"{name}.hlith", make_golden.as_stored(*KINDS[name]), random.Random(name))
    assert [index.lookup(key) for key, _ in recorded(name)] == list(enumerate(value for _, value in recorded(name)))


@pytest.mark.parametrize("name", sorted(CRAFTED))
def test_crafted_golden(name):
    assert golden(name) == CRAFTED[name].seal()
    check_agreement(GOLDEN / f"{name}.hlith", recorded(name), random.Random(name))


def test_golden_salts():
    for name in "salts", "salts_siphash":
        assert [b.salt for b in oracle.Index(golden(name)).cells() if b.n] == list(range(16))


@pytest.mark.parametrize("name", NAMES)
def test_builder_still_makes_the_golden_files(name, tmp_path):
    records, options = KINDS[name]
    for order in records, records[::-1]:
        build(hashlith(), order, tmp_path / "x.hlith", *options)
        assert (tmp_path / "x.hlith").read_bytes() == golden(name)


def test_builder_still_makes_the_index_of_the_examples(tmp_path):
    build_example(hashlith(), tmp_path / "x.hlith")
    assert (tmp_path / "x.hlith").read_bytes() == EXAMPLE.read_bytes()


def test_golden_headers():
    header = {name: oracle.Index(golden(name)).header for name in NAMES}
    assert header["fingerprint_16"].fp == 16 and header["fingerprint_16"].seed == 2**64 - 1
    assert (header["siphash"].hash_id, header["siphash"].second_seed) == (oracle.SIPHASH, 0x0F0E0D0C0B0A0908)
    assert header["one_key"].fp == 8 and header["one_key"].seed == 0
    assert header["blocks"].cells == 176 and header["block"].cells == 8  # section 10, point 5
    assert header["far"].cells == 16 and header["far"].sections[oracle.FAR][1] > 0
    assert [header[name][11:13] for name in ("json", "block", "binary")] == [(1, 2), (1, 1), (0, 0)]
    assert json.loads(oracle.Index(golden("metadata")).metadata) == {"made": "by hand", "n": [1, 2]}


@pytest.mark.parametrize("seed", range(12))
def test_random_records(seed, tmp_path):
    rng = random.Random(seed)
    count, longest = rng.choice([1, 2, 3, 10, 100, 1000, 5000]), rng.choice([1, 3, 20, 200])
    alphabet = rng.choice([b"ab", b"\0\xff", b"\t\n\r\\", bytes(range(256))])

    def some(low):
        return bytes(rng.choice(alphabet) for _ in range(rng.randint(low, longest)))

    records = {some(0): some(0) for _ in range(count)}
    options = ["--keys", "bytes", "--values", "bytes", "--fingerprint-bits", rng.randint(1, 16), "--seed",
               rng.getrandbits(64), "--threads", rng.randint(1, 3), "--hash", rng.choice(["xxh3", "siphash"])]
    path = tmp_path / "x.hlith"
    build(hashlith(), records.items(), path, *options)
    index = check_agreement(path, records, rng)
    assert index.header.fp == options[5] and index.header.seed == options[7]


def test_hot_section_of_32_mebibytes(tmp_path):
    """It begins at a multiple of 2 MiB (section 4). There are too many keys to check each of them in Python."""
    source, path, count = tmp_path / "big.tsv", tmp_path / "big.hlith", 7_700_000
    source.write_text("".join(f"{i}\t{i % 7}\n" for i in range(count)))
    done = run("build", "--quiet", source, "-o", path, "--fingerprint-bits", "16")
    assert done.returncode == 0, done.stderr
    index, rng = oracle.Index(path), random.Random(1)
    offset, length = index.header.sections[oracle.HOT]
    assert length >= 32 << 20 and offset % (2 << 20) == 0 and len(index) == count
    for _ in range(2000):
        number = rng.randrange(count)
        assert index.get(b"%d" % number) == b"%d" % (number % 7)
        assert index.get(b"%d" % (number + count)) is None
        assert index.id(index.by_id(number)[0]) == number
    for offset in offset - 1, offset + 4096, offset + (2 << 20):
        data = faults.patch(path.read_bytes(), 112, faults.u64(offset), sums=False, sums_digest=False)
        assert oracle_verdict(data) == rust_verdict(data, tmp_path) == ("R14", 112)
    assert rust_verdict(path.read_bytes(), tmp_path) == (None, None)


@pytest.mark.parametrize("name", NAMES)
def test_each_fault_in_golden_files(name, tmp_path):
    rules = check_faults(faults.broken(golden(name)), tmp_path)
    if name == "blocks":
        assert rules >= RULES - {"V8"}


def test_each_fault_in_crafted_files(tmp_path):
    pairs = craft.pairs(300, random.Random(3), text=True)
    check_faults(faults_crafted.crafted(), tmp_path)
    quoted = [(key, b'"%s"' % value) for key, value in pairs]
    made = craft.make(quoted, cells=5, fp=3, key_type=oracle.TEXT, value_type=oracle.JSON).seal()
    assert check_faults(faults.broken(made), tmp_path) >= RULES
    for cells, hashed in (8, {}), (150, {}), (5, {"hash_id": oracle.SIPHASH, "second_seed": 2**63}):
        check_faults(faults.broken(craft.make(pairs, cells=cells, fp=16, seed=cells, **hashed).seal()), tmp_path)


def test_each_fault_of_token_tables(tmp_path):
    assert check_faults(faults_tokens.faults(), tmp_path) >= {"R18", "R19", "V13", "V14"}


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_of_token_tables_and_records(seed, tmp_path):
    rng = random.Random(seed)
    files = [data for _, data in faults_tokens.sound()]
    for _ in range(250):
        data = bytearray(rng.choice(files))
        sections = oracle.Index(bytes(data)).header.sections
        for _ in range(rng.choice([1, 1, 2, 3])):
            start, length = sections[rng.choice([oracle.TABLES, oracle.TABLES, oracle.POOL])]
            at = start + rng.choice([rng.randrange(length + 1), rng.randrange(min(length, 40) + 1)])
            data[at] = rng.choice([data[at] ^ 1 << rng.randrange(8), data[at] + 1 & 255, 0, 16, 32, 48, 128, 255])
        data = craft.reseal(data)
        assert oracle_verdict(data) == rust_verdict(data, tmp_path)


def test_odd_files_are_sound(tmp_path):
    """Files that the specification allows and the builder rarely or never makes."""
    for label, data in [*faults_crafted.sound(), *faults_tokens.sound()]:
        index = oracle.Index(data)
        assert oracle_verdict(data) == rust_verdict(data, tmp_path) == (None, None), label
        done = run("dump", tmp_path / "x.hlith", "--format", "cdbmake")
        assert parse_cdbmake(done.stdout) == list(index.items()), label
        assert [index.by_id(index.id(key)) for key, _ in index.items()] == list(index.items()), label


def test_parts_of_a_set(tmp_path):
    """A part opens like any other file, and holds the keys of its share of the hashes (section 7, step 2)."""
    pairs = craft.pairs(200, random.Random(5))
    found = []
    for part in range(3):
        data = craft.make(pairs, cells=3, part=part, parts=3).seal()
        assert oracle_verdict(data) == rust_verdict(data, tmp_path) == (None, None)
        index = oracle.Index(data)
        own = {key: value for key, value in pairs if oracle.hash_key(key, 0)[0] * 3 >> 64 == part}
        assert {key: index.get(key) for key, _ in pairs if index.get(key) is not None} == own == dict(index.items())
        assert rust_get(tmp_path / "x.hlith", [key for key, _ in pairs]) == {key: escape(own[key]) for key in own}
        found += index.items()
    assert sorted(found) == sorted(pairs)


def lookup_fault(data, key, folder):
    path = folder / "x.hlith"
    path.write_bytes(data)
    with pytest.raises(oracle.Corrupt) as caught:
        oracle.Index(data).get(key)
    done = run("get", path, key.decode())
    assert done.returncode == 4, done
    return (caught.value.rule, caught.value.offset), done.stderr.decode()


def test_faults_that_a_lookup_meets(tmp_path):
    file = craft.make(craft.pairs(60, random.Random(9), text=True), cells=2)
    for width in None, 49:  # in the cell, and in the far section
        file.cells[1].width = width
        data = file.seal()
        index = oracle.Index(data)
        b = index.cell(1)
        number = len(index) - 1
        key, _ = index.by_id(number)
        place, entry = index.slot_entry(b, b.n - 1)[1], index.entry_at(b, b.n - 1)
        cases = [("R16", place, place + 1, b"\x7f")]
        # Outside the pool: the slot entry is at fault.
        cases += [("R16", entry, b.at + 6, wrong.to_bytes(6, "little")) for wrong in (2**48 - 1, 2**20)]
        cases += [("R15", b.at, b.at + 13, bytes([wrong])) for wrong in (50, 127, 50 | 128, 255)]
        for wrong in (b.far + 1, 2**48 - 1) if b.far is not None else ():
            cases.append(("R15", b.at, b.at + oracle.BODY, wrong.to_bytes(6, "little")))
        for rule, offset, at, wrong in cases:
            fault, message = lookup_fault(faults.patch(data, at, wrong), key, tmp_path)
            assert fault == (rule, offset) and f" {offset}:" in message and rule in message
        # On the way to a dense id. The last id leads to the last cell, even if the others are wrong.
        for at, wrong in (0, number + 1), (0, 2**48 - 1), (12, b.n - 1):
            size = 6 if at == 0 else 1
            altered = oracle.Index(faults.patch(data, b.at + at, wrong.to_bytes(size, "little")))
            with pytest.raises(oracle.Corrupt) as caught:
                altered.by_id(number)
            assert caught.value.rule == "R15"
    text = craft.make([(b"k", b"\xff")], value_type=oracle.TEXT).seal()
    with pytest.raises(oracle.Corrupt) as caught:
        oracle.Index(text).text(0)
    assert (caught.value.rule, caught.value.offset) == ("R17", 4099)


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_under_right_sums(seed, tmp_path):
    """Some bytes are changed, mostly of cells, and all sums are right again."""
    rng = random.Random(seed)
    files = [craft.make(craft.pairs(n, rng, text=True), cells=cells, fp=fp, value_type=oracle.TEXT).seal()
             for n, cells, fp in ((60, 3, 8), (200, 3, 16), (20, 40, 3), (1, 1, 8), (0, 2, 8), (150, 2, 1))]
    for _ in range(300):
        data = bytearray(rng.choice(files))
        sections = oracle.Index(bytes(data)).header.sections
        (pool, pool_length), (hot, hot_length), (far, far_length) = sections[oracle.POOL:oracle.TABLES]
        for _ in range(rng.choice([1, 1, 2, 3])):
            cell = hot + rng.randrange(0, hot_length, oracle.CELL)
            at = rng.choice([cell + rng.randrange(oracle.CELL), cell + rng.randrange(oracle.BODY + 1),
                             rng.randrange(pool, pool + pool_length + 1), rng.randrange(far, far + far_length + 1)])
            data[at] = rng.choice([data[at] ^ 1 << rng.randrange(8), data[at] + 1 & 255, 0, 127, 128, 255])
        data = craft.reseal(data)
        assert oracle_verdict(data) == rust_verdict(data, tmp_path)


def test_bytes_after_the_last_record_of_an_iteration():
    data = craft.File([craft.Parts(gap=b"\0")]).seal()
    with pytest.raises(oracle.Corrupt) as caught:
        list(oracle.Index(data).items())
    assert (caught.value.rule, caught.value.offset) == ("V4", oracle.PAGE)


def flipped(data, bit):
    data = bytearray(data)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def test_every_flipped_bit_of_the_smallest_file_is_found():
    data = golden("no_keys")
    assert all(oracle_verdict(flipped(data, bit))[0] for bit in range(8 * len(data)))


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_are_found(name, tmp_path):
    data, rng = golden(name), random.Random(name)
    for turn in range(400):
        bit = rng.randrange(8 * len(data))
        mine = oracle_verdict(flipped(data, bit))
        assert mine[0], bit
        if turn < 25:
            theirs = rust_verdict(flipped(data, bit), tmp_path)
            assert theirs == mine, bit


@pytest.mark.parametrize("name", ["one_key", "metadata", "block"])
def test_truncated_files_are_refused(name, tmp_path):
    data = golden(name)
    for length in {*range(0, len(data), 997), len(data) - 1, 4095, 4096}:
        mine = oracle_verdict(data[:length])
        assert mine == (("R1", length) if length < 4096 else ("R7", 32))
        assert rust_verdict(data[:length], tmp_path) == mine


def test_command_line(tmp_path):
    def command(*arguments, stdin=""):
        call = [sys.executable, "-B", oracle_command.__file__, *map(str, arguments)]
        return subprocess.run(call, input=stdin, capture_output=True, text=True)

    path = GOLDEN / "one_key.hlith"
    assert command("verify", path).returncode == 0
    assert command("get", path, "key").stdout == "value\n"
    assert command("get", path, "kex").returncode == 3
    assert json.loads(command("dump", path).stdout) == {"id": 0, "key": "key", "value": "value"}
    served = command("serve", path, stdin=f"{b'key'.hex()}\n\n{b'other'.hex()}\n")
    assert served.stdout == f"0 {b'value'.hex()}\n-\n-\n"
    (tmp_path / "x").write_bytes(golden("one_key")[:-1])
    done = command("verify", tmp_path / "x")
    assert done.returncode == 4 and "R7 at offset 32" in done.stderr


def test_a_missing_binary_is_an_error(monkeypatch):
    monkeypatch.setenv("HASHLITH_BIN", "/nowhere/hashlith")
    with pytest.raises(FileNotFoundError, match="cargo build"):
        hashlith()
