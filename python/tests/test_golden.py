"""Files of earlier versions are read, and damaged files are refused as the specification says: with the same rule and
offset as the oracle, which is written from spec.md alone. `open` refuses what breaks R1 to R14, and no more.
"""

import json

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
    if kind == "bytes":
        return part
    return json.loads(part) if kind == "json" else part.decode()


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
            assert list(index.items()) == expected and len(index) == len(expected)
            assert index == dict(expected)
            assert index.get_many([key for key, _ in expected]) == [value for _, value in expected]
            assert index.ids([key for key, _ in expected]).tolist() == list(range(len(expected)))
            assert [index.by_id(number) for number in range(len(expected))] == expected
            absent = {key + key[:0].ljust(3) for key, _ in expected} - dict(expected).keys()
            assert index.get_many(absent) == [None] * len(absent)


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
    keywords["fingerprint_bits"] = int(given.get("--fingerprint-bits", 8))
    keywords["seed"] = int(given.get("--seed", "0"), 0)
    keywords["hash"] = given.get("--hash", "xxh3")
    keywords["compress"] = given.get("--compress", "off")
    text = [given["--keys"] == "text", given["--values"] == "text"]
    pairs = [[part.decode() if is_text else part for part, is_text in zip(record, text)] for record in records]
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
    assert verdict(hashlith.verify, path) == (("V8", 4096) if rule == "R17" else (rule, int(offset)))
    for in_memory in False, True:
        found = verdict(lambda path: hashlith.open(path, in_memory=in_memory).close(), path)
        assert found == ((rule, int(offset)) if rule in OPENING else (None, None))
    if rule in OPENING:
        return
    met = set()
    keys = (make_golden.GOLDEN / "bad" / "keys.txt").read_text().split()
    with hashlith.open(path) as index:
        asked = [key.encode() if index.key_type == "bytes" else key for key in keys]
        one_by_one = [lambda key=key: index.get(key) for key in asked]
        for look in [lambda: index.get_many(asked), lambda: list(index.items()), *one_by_one]:
            try:
                look()
            except (hashlith.CorruptError, ValueError) as error:
                met.add((getattr(error, "rule", None), getattr(error, "offset", None)))
    if rule in ("R15", "R16", "R17", "R19"):
        assert (rule, int(offset)) in met
