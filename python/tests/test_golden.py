"""Files of earlier versions are read, and damaged files are refused as the specification says: with the same rule and
offset as the oracle, which is written from spec.md alone. `open` refuses what breaks R1 to R14, and no more.
"""

import json

import numpy
import pytest

import faults
import faults_crafted
import faults_tokens
import hashlith
import make_golden
import oracle
from agreement import oracle_verdict

NAMES = sorted(path.stem for path in make_golden.GOLDEN.glob("*.hlith"))
OPENING = {f"R{number}" for number in range(1, 15)} | {"R18"}
VERIFYING = {"R15", "R16"} | {f"V{number}" for number in range(1, 12)}


def golden(name):
    return make_golden.GOLDEN / f"{name}.hlith"


def as_python(part, kind):
    """A recorded key or value as the package gives it; vectors as lists."""
    if kind == "bytes":
        return part
    if kind == "none":
        return part or True
    if kind == "int":
        return int.from_bytes(part, "little", signed=True)
    if kind in ("str", "json"):
        return json.loads(part) if kind == "json" else part.decode()
    numbers = numpy.frombuffer(part, kind.partition("[")[0]).tolist()
    return numbers if "[" in kind else numbers[0]


def plain(values):
    return [value.tolist() if isinstance(value, numpy.ndarray) else value for value in values]


def as_bytes(part):
    return part.encode() if isinstance(part, str) else part


def verdict(check, path):
    try:
        check(path)
    except hashlith.CorruptError as error:
        assert error.path == str(path)
        return error.rule, error.offset
    return None, None


def sample(cases):
    """About five faults per rule, spread from the first to the last: the oracle is slow."""
    by_rule = {}
    for case in cases:
        by_rule.setdefault(case[1], []).append(case)
    return [case for found in by_rule.values() for case in found[:: -(-len(found) // 5)]]


def test_all_golden_files_are_here():
    assert len(NAMES) >= 10 and {name for name, *_ in [*make_golden.kinds(), *make_golden.crafted()]} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_hold_what_was_recorded(name):
    assert hashlith.verify(golden(name)).keys == len(make_golden.recorded(name))
    for in_memory in False, True:
        with hashlith.open(golden(name), in_memory=in_memory) as index:
            types = index.key_type, index.value_type
            expected = [tuple(map(as_python, record, types)) for record in make_golden.recorded(name)]
            keys, values = [key for key, _ in expected], [value for _, value in expected]
            # Of keys that are left out the ids are known.
            given = range(len(keys)) if index.key_type == "none" else keys
            assert len(index) == len(expected) and index == dict(expected)
            assert plain(index.values()) == values and [key for key, _ in index.items()] == list(given)
            found = index.get_many(keys)
            assert (found.tolist() if isinstance(found, numpy.ndarray) else found) == values
            assert index.ids(keys).tolist() == list(range(len(expected)))
            by_id = [index.by_id(number) for number in range(len(expected))]
            assert [(key, plain([value])[0]) for key, value in by_id] == list(zip(given, values))
            if index.key_type in ("str", "bytes"):
                absent = {key + key[:0].ljust(3) for key in keys} - set(keys)
                assert index.ids(absent).tolist() == [-1] * len(absent)


def test_golden_metadata():
    for name in NAMES:
        with hashlith.open(golden(name)) as index:
            assert index.metadata == ({"made": "by hand", "n": [1, 2]} if name == "metadata" else None)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"json"} - {name for name, _ in make_golden.crafted()}))
def test_the_package_still_makes_the_golden_files(name, tmp_path):
    """Except the one of JSON values, whose text differs from what the package writes."""
    records, options = next((records, options) for kind, records, options in make_golden.kinds() if kind == name)
    given = dict(zip(options[::2], options[1::2]))
    keywords = {"keys": given["--keys"], "values": given["--values"]}
    keywords["metadata"] = json.loads(given["--metadata"]) if "--metadata" in given else None
    keywords["fingerprint_bits"] = int(given["--fingerprint-bits"]) if "--fingerprint-bits" in given else None
    keywords["check_bits"] = int(given["--check-bits"]) if "--check-bits" in given else None
    keywords["seed"] = int(given.get("--seed", "0"), 0)
    keywords["hash"] = given.get("--hash", "xxh3")
    keywords["compress"] = given.get("--compress", "off")
    def read(part, kind):
        """What the command makes of a part of a record."""
        if kind in ("bytes", "none"):
            return part
        if kind == "text":
            return part.decode()
        number = float if kind.startswith("float") else int
        numbers = [number(word) for word in part.split()]
        return numbers if "[" in kind else numbers[0]

    pairs = [(read(key, given["--keys"]), read(value, given["--values"])) for key, value in records]
    hashlith.build(tmp_path / "again.hlith", pairs, **keywords)
    assert (tmp_path / "again.hlith").read_bytes() == golden(name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_each_fault_is_reported_as_by_the_oracle(name, write):
    wrong, met, cases = [], set(), faults.broken(golden(name).read_bytes())
    for label, rules, _, data in sample(cases) if name == "blocks" else cases:
        path, (rule, offset) = write(data), oracle_verdict(data)
        assert rule in rules.split("|"), label
        met.add(rule)
        if verdict(hashlith.verify, path) != (rule, offset):
            wrong.append((label, "verify", rule, offset, verdict(hashlith.verify, path)))
        opened = (rule, offset) if rule in OPENING else (None, None)
        for in_memory in False, True:
            found = verdict(lambda path: hashlith.open(path, in_memory=in_memory).close(), path)
            if found != opened:
                wrong.append((label, "open", *opened, found))
        path.unlink()
    assert wrong == []
    # The other files are too small for some faults.
    if name == "blocks":
        assert met == OPENING - {"R18"} | VERIFYING


def test_crafted_faults_are_reported_as_by_the_oracle(write):
    for label, _, _, data in [*faults_crafted.crafted(), *faults_tokens.faults()]:
        path, (rule, offset) = write(data), oracle_verdict(data)
        assert verdict(hashlith.verify, path) == (rule, offset), label
        opened = (rule, offset) if rule in OPENING else (None, None)
        assert verdict(lambda path: hashlith.open(path).close(), path) == opened, label


def test_odd_files_are_read(write):
    """Files that the specification allows and the builder rarely makes."""
    for label, data in [*faults_crafted.sound(), *faults_tokens.sound()]:
        path, expected = write(data), list(oracle.Index(data).items())
        with hashlith.open(path, decode_json=False) as index:
            assert [tuple(map(as_bytes, item)) for item in index.items()] == expected, label
            assert index.get_many(list(index)) == list(index.values()), label
        assert hashlith.verify(path).keys == len(expected), label


BAD = sorted((make_golden.GOLDEN / "bad").glob("*.hlith"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_golden_bad_files_are_refused(path):
    """Each breaks one obligation of the specification. Its name has the rule and the offset."""
    rule, offset, _ = path.stem.split("-", 2)
    expected = {"R17": ("V8", 4096), "R20": ("V11", 40)}.get(rule, (rule, int(offset)))
    assert verdict(hashlith.verify, path) == expected
    for in_memory in False, True:
        found = verdict(lambda path: hashlith.open(path, in_memory=in_memory).close(), path)
        assert found == ((rule, int(offset)) if rule in OPENING else (None, None))
    if rule in OPENING:
        return
    met = set()
    keys = (make_golden.GOLDEN / "bad" / "keys.txt").read_text().split()
    with hashlith.open(path) as index:
        asked = range(-128, 128) if index.key_type == "int" else keys
        if index.key_type == "bytes":
            asked = [key.encode() for key in keys]
        one_by_one = [lambda key=key: index.get(key) for key in asked]
        for look in [lambda: index.get_many(asked), lambda: list(index.items()), *one_by_one]:
            try:
                look()
            except (hashlith.CorruptError, ValueError, KeyError) as error:
                met.add((getattr(error, "rule", None), getattr(error, "offset", None)))
    if rule in ("R15", "R16", "R17", "R19", "R20"):
        assert (rule, int(offset)) in met
