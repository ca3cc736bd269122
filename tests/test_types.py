"""Integer keys, numbers, key sets and keys left out: the oracle and the command agree on them and on their faults."""
import json
import random
import subprocess
import sys

import pytest

import craft
import faults
import faults_base
import faults_orders
import faults_typed
import make_golden
import oracle
import oracle_command
from agreement import check_agreement, check_faults, escape, oracle_verdict, run, rust_verdict, written
from binary import hashlith
from faults_set import put, sealed
from faults_typed import KINDS, kind
from make_golden import GOLDEN
from oracle import INTEGERS, LEFT_OUT, NONE, NUMBERS, TEXT, integer

#: Faults of every file, whatever its types are.
ALWAYS = {*(f"R{i}" for i in range(1, 16)), "V1", "V2", "V3", "V4", "V7", "V9", "V10", "V11"}
TYPED = dict(make_golden.crafted_types())


def ask(path, key, header):
    """What `hashlith get` does with a key."""
    return run("get", "--escape", path, "-", stdin=escape(written(header, key)) + b"\n")


def test_what_the_golden_files_are():
    header = {name: oracle.Index((GOLDEN / f"{name}.hlith").read_bytes()).header for name in TYPED}
    assert {name: (h.key_type, h.value_type, h.key_width) for name, h in header.items()} == {
        "integers_1": (INTEGERS, TEXT, 1), "integers_8": (INTEGERS, oracle.JSON, 8), "numbers": (TEXT, NUMBERS, 0),
        "vectors": (TEXT, NUMBERS, 0), "integers_vectors": (INTEGERS, NUMBERS, 8), "key_set": (TEXT, NONE, 0),
        "key_set_integers": (INTEGERS, NONE, 1), "keys_left_out": (LEFT_OUT, TEXT, 3),
        "shared_records": (LEFT_OUT, TEXT, 0), "no_records": (LEFT_OUT, NUMBERS, 0), "no_records_key_set": (LEFT_OUT, NONE, 0)}
    assert [header[name][17] for name in ("numbers", "vectors", "no_records")] == [4, 10, 4]
    assert [header[name].dimension for name in ("numbers", "vectors", "no_records")] == [0, 4, 0]
    assert [header[name].fp for name in ("keys_left_out", "no_records", "no_records_key_set")] == [8, 32, 20]
    assert [header[name].sections[oracle.POOL][1] for name in ("no_records", "no_records_key_set")] == [0, 0]
    for name in "integers_1", "integers_8", "key_set_integers":
        keys = {key for key, _ in make_golden.recorded(name)}
        assert {key[-1] >> 7 for key in keys} == {0, 1}  # of both signs
    ends = set(map(integer, (-2**63, -1, 0, 2**63 - 1)))
    assert ends <= {key for key, _ in make_golden.recorded("integers_8")}


def test_integers_are_given_as_numbers():
    index = oracle.Index((GOLDEN / "integers_1.hlith").read_bytes())
    for number in range(-60, 60):
        assert index.get(number) == b"%d" % number**2 == index.lookup(integer(number))[1]
        assert index.by_id(index.id(number))[0] == integer(number)
    # Their lowest bytes are those of keys.
    assert [index.get(number) for number in (-61, 60, 200, 256, -256, 59 + 2**32, 2**63 - 1, -2**63)] == [None] * 8


def test_sound_files(tmp_path):
    path = tmp_path / "x.hlith"
    for label, file in faults_typed.sound():
        path.write_bytes(file.seal())
        assert oracle_verdict(path.read_bytes()) == (None, None), label
        if file.pairs is None or label == "odd numbers":  # the text of NaN does not tell which one it is
            assert rust_verdict(path.read_bytes(), tmp_path) == (None, None), label
        else:
            check_agreement(path, file.pairs, random.Random(label))


def test_keys_that_are_left_out_are_taken_for_others():
    """Once in 2^(fingerprint bits + 8 * key width) times (section 7)."""
    rng = random.Random(1)
    for width, fp, most, least in (0, 1, 2600, 2400), (0, 4, 360, 270), (1, 1, 20, 1), (0, 20, 1, 0):
        index = oracle.Index(kind("no keys, but numbers", key_width=width, fp=fp).seal())
        assert least <= sum(index.get(rng.randbytes(20)) is not None for _ in range(5000)) <= most


@pytest.mark.parametrize("label", KINDS)
def test_each_fault(label, tmp_path):
    # `faults_typed.shared` has V4 of shared records.
    always = ALWAYS - ({"V4"} if "shared" in label else set())
    assert check_faults(faults.broken(kind(label).seal()), tmp_path) >= always


def test_each_fault_of_crafted_files(tmp_path):
    assert check_faults(faults_typed.crafted(), tmp_path) == {"V13", "R16", "R19", "V14", "V4", "V6", "V8", "V11"}


def test_orders_of_faults(tmp_path):
    found = check_faults(faults_orders.orders(), tmp_path)
    assert found == {"R15", "R16", "R18", "R19", "V1", "V2", "V4", "V5", "V6", "V7", "V10", "V14"}


def test_lookups_that_meet_other_faults_than_a_verifier(tmp_path):
    path, met = tmp_path / "x.hlith", []
    for label, data, key, fault in faults_orders.lookups():
        path.write_bytes(data)
        index = oracle.Index(data)
        done = ask(path, key, index.header)
        if fault is None:
            assert index.lookup(key) is None and done.returncode == 3, label
        else:
            with pytest.raises(oracle.Corrupt) as caught:
                index.lookup(key)
            assert (caught.value.rule, caught.value.offset) == fault, label
            message = done.stderr.decode()
            assert done.returncode == 4 and f" {fault[1]}:" in message and fault[0] in message, (label, done)
        met.append(fault and fault[0])
    assert {None, "R16", "R19"} == set(met)


def test_ids_without_values(tmp_path):
    """R20. A verifier finds that the keys of the cells do not add up to N."""
    path = tmp_path / "x.hlith"
    for label, key, data in faults_typed.lookup_faults():
        assert oracle_verdict(data) == rust_verdict(data, tmp_path), label
        assert oracle_verdict(data)[0] in ("V10", "V11"), label
        path.write_bytes(data)
        index = oracle.Index(data)
        for look in index.get, index.id:
            with pytest.raises(oracle.Corrupt) as caught:
                look(key)
            assert caught.value.rule == "R20", label
        done = ask(path, key, index.header)
        assert done.returncode == 4 and "R20" in done.stderr.decode(), (label, done)
        assert f" {caught.value.offset}:" in done.stderr.decode(), (label, done)


def test_records_without_bytes_are_not_looked_at(tmp_path):
    """Wherever their places are: a lookup does without (section 7, step 8), and so does one by id."""
    file, path = kind("no keys, but numbers"), tmp_path / "x.hlith"
    data = faults_base.again(file, 1, width=30)
    index = oracle.Index(data)
    b, entries = index.cell(1), index.entry_at(index.cell(1), 0)
    cases = [faults_base.patch(data, b.at + 16, b"\xff" * 4), faults_base.patch(data, b.at + 6, b"\xff" * 6)]
    cases += [faults_base.flip(data, entries, slot * 50 + bit) for slot in range(b.n) for bit in (20, 48, 49)]
    for data in cases:
        index = oracle.Index(data)
        path.write_bytes(data)
        for key, value in file.pairs:
            assert index.by_id(index.id(key))[1] == index.get(key) == value
        done = run("get", "--escape", path, "-", stdin=b"".join(escape(key) + b"\n" for key, _ in file.pairs))
        assert done.returncode == 0, done
        assert oracle_verdict(data) == rust_verdict(data, tmp_path) == ("V4", index.header.sections[oracle.POOL][0])


def test_iterations_that_leave_the_pool(tmp_path):
    """After the last record, R16 is there; not R19, if a code would be next."""
    for label, header in KINDS.items():
        if header.get("value_type") == oracle.NUMBERS or header.get("required") or label == "nothing":
            continue
        file = kind(label)
        data = file.seal(keys=len(file.pairs) + 1)
        index, path = oracle.Index(data), tmp_path / "x.hlith"
        path.write_bytes(data)
        with pytest.raises(oracle.Corrupt) as caught:
            list(index.items())
        fault, end = caught.value, sum(index.header.sections[oracle.POOL])
        done = run("dump", path, "--format", "cdbmake")
        assert (fault.rule, fault.offset) == ("R16", end), label
        assert done.returncode == 4 and f" {end}:" in done.stderr.decode() and "R16" in done.stderr.decode(), (label, done)


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_under_right_sums(seed, tmp_path):
    rng = random.Random(seed)
    files = [kind(label).seal() for label in KINDS]
    for _ in range(250):
        data = bytearray(rng.choice(files))
        header = oracle.Index(bytes(data)).header
        for _ in range(rng.choice([1, 1, 2, 3])):
            start, length = rng.choice(header.sections[:oracle.METADATA])
            hot = header.sections[oracle.HOT][0]
            at = rng.choice([start + rng.randrange(length + 1), rng.randrange(72, 80), hot + rng.randrange(40)])
            data[at] = rng.choice([data[at] ^ 1 << rng.randrange(8), data[at] + 1 & 255, 0, 2, 3, 127, 128, 255])
        data = craft.reseal(data)
        assert oracle_verdict(data) == rust_verdict(data, tmp_path)


NUMBER_TYPES = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()


def some_records(keys, values, rng):
    """Records as the command reads them, with another key each."""
    bits = rng.choice([5, 8, 20, 64])
    chosen = {"int": lambda: b"%d" % (rng.getrandbits(bits) - 2**(bits - 1)),
              "text": lambda: b"%x" % rng.getrandbits(40)}
    make_key = chosen.get(keys, lambda: rng.randbytes(rng.randrange(12)))
    name, _, count = values.rstrip("]").partition("[")
    size = int(name.lstrip("uintfloa")) if name in NUMBER_TYPES else None

    def one():
        if name.startswith("float"):
            return b"%d.%d" % (rng.randrange(-500, 500), rng.choice([0, 25, 5, 75]))
        return b"%d" % (rng.getrandbits(size) - (2**(size - 1) if name[0] == "i" else 0))

    def value():
        return rng.choice([b" ", b", "]).join(one() for _ in range(int(count or 1))) if size else \
            b"" if name == "none" else b"%d" % rng.getrandbits(30)

    return {make_key(): value() for _ in range(rng.choice([0, 1, 300, 2000]))}


@pytest.mark.parametrize("seed", range(24))
def test_built_files(seed, tmp_path):
    rng = random.Random(seed)
    keys = ["int", "none", "int", "none", "text", "bytes"][seed % 6]
    vectors = [f"{name}[{rng.randrange(1, 9)}]" for name in NUMBER_TYPES]
    values = rng.choice([*NUMBER_TYPES, *vectors, "none", "none", "text", "text", "text"])
    has_strings = keys in ("text", "bytes") or values == "text"
    options = ["--keys", keys, "--values", values, "--hash", rng.choice(["xxh3", "siphash"]),
               "--compress", rng.choice(["on", "off"]) if has_strings else "off", "--threads", rng.randint(1, 3)]
    bits = rng.randint(8, 64)
    options += ["--check-bits", bits] if keys == "none" else ["--fingerprint-bits", rng.randint(1, 16)]
    options += ["--parts", 3] if seed % 4 == 3 else []
    records, path = some_records(keys, values, rng), tmp_path / "x.hlith"
    make_golden.build(hashlith(), records.items(), path, *options)
    index = check_agreement(path, make_golden.as_stored(records.items(), options), rng)
    h = index.header
    assert keys != "none" or h.fp + 8 * h.key_width == bits
    name, _, dimension = values.rstrip("]").partition("[")
    assert name not in NUMBER_TYPES or (NUMBER_TYPES[h.number - 1], h.dimension) == (name, int(dimension or 0))
    assert keys == "none" or h.fp == options[options.index("--fingerprint-bits") + 1]


@pytest.mark.parametrize("label", KINDS)
def test_sets(label, tmp_path):
    """Key widths and fingerprints of parts may differ."""
    is_free = KINDS[label]["key_type"] == LEFT_OUT and "codes" not in label and "shared" not in label
    files = [kind(label, part=part, parts=3, **({"key_width": 4 + part, "fp": 9 + part} if is_free else {}))
             for part in range(3)]
    records = sum((file.pairs for file in files), [])
    index = check_agreement(put(sealed([file.seal() for file in files]), tmp_path), records, random.Random(label))
    assert len(index) == len(records) > 50


def test_command_line():
    def command(*arguments):
        call = [sys.executable, "-B", oracle_command.__file__, *map(str, arguments)]
        return subprocess.run(call, capture_output=True, text=True)

    path = {name: GOLDEN / f"{name}.hlith" for name in TYPED}
    assert command("get", path["integers_1"], "-7", "8").stdout == "49\n64\n"
    assert command("get", path["integers_1"], "256").returncode == 3
    number = json.loads(command("get", path["numbers"], "word 7").stdout)
    assert oracle.Index(path["numbers"]).get(b"word 7") == number.to_bytes(8, "little", signed=True)
    vector = json.loads(command("get", path["vectors"], "word 7").stdout)
    assert len(vector) == 4 and all(part * 64 == int(part * 64) for part in vector)
    assert command("get", path["key_set"], "word 7").stdout == "\n"
    shown = {name: json.loads(command("dump", path[name]).stdout.splitlines()[0]) for name in TYPED}
    assert {name: sorted(fields) for name, fields in shown.items() if len(fields) < 3} == {
        "key_set": ["id", "key"], "key_set_integers": ["id", "key"], "keys_left_out": ["id", "value"],
        "shared_records": ["id", "value"], "no_records": ["id", "value"], "no_records_key_set": ["id"]}
    assert isinstance(shown["integers_8"]["key"], int) and isinstance(shown["vectors"]["value"], list)
