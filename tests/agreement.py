"""What the oracle, written from spec.md alone, and the Rust command say of an index or a set: they must agree."""
import json
import re
import struct
import subprocess
from pathlib import Path

import pytest

import craft
import oracle
import oracle_check
from binary import hashlith
from oracle import INTEGERS, LEFT_OUT, NUMBERS
from oracle_set import MANIFEST, Set

#: All rules that each file can break.
RULES = {f"R{i}" for i in range(1, 17)} | {f"V{i}" for i in range(1, 12)}


def run(*arguments, stdin=b""):
    """Runs the command."""
    return subprocess.run([hashlith(), *map(str, arguments)], input=stdin, capture_output=True)


def oracle_verdict(data):
    """Rule and offset of the fault that the oracle finds in the bytes `data`, or two Nones."""
    try:
        oracle_check.verify(oracle.Index(data))
    except oracle.Corrupt as fault:
        return fault.rule, fault.offset
    return None, None


def rust_verdict(data, folder):
    """The same from `hashlith verify`; checks its exit code."""
    path = folder / "x.hlith"
    path.write_bytes(data)
    return verified(path)[:2]


def oracle_set_verdict(folder):
    """Rule, offset and file of the fault that the oracle finds in a set, or Nones."""
    try:
        oracle_check.verify(Set(folder))
    except oracle.Corrupt as fault:
        return fault.rule, fault.offset, fault.file
    return None, None, None


def rust_set_verdict(folder, *options):
    """The same from `hashlith verify`; checks its exit code."""
    rule, offset, file = verified(folder, *options)
    assert file is None or Path(file).parent == folder
    return rule, offset, file and Path(file).name


def verified(path, *options):
    done = run("verify", "--json", "--quiet", path, *options)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["ok"] else 4), done
    return answer["rule"], answer["offset"], answer["file"]


def check_fault(case, folder):
    """What is wrong in the answers to a case of faults.py, or nothing."""
    label, rule, offset, data = case
    mine, theirs = oracle_verdict(data), rust_verdict(data, folder)
    right = mine[0] in rule.split("|") and offset in (None, mine[1])
    if right and theirs == mine:
        return None
    return f"{label}: {rule} at {offset}; the oracle says {mine}, the command {theirs}"


def check_faults(cases, folder):
    cases = list(cases)
    wrong = list(filter(None, (check_fault(case, folder) for case in cases)))
    assert not wrong, "\n".join([f"{len(wrong)} of {len(cases)}:", *wrong])
    return {rule for _, rules, *_ in cases for rule in rules.split("|")}


def parse_cdbmake(data):
    records, at = [], 0
    while data[at:at + 1] == b"+":
        head = re.compile(rb"\+(\d+),(\d+):").match(data, at)
        middle = head.end() + int(head[1])
        end = middle + 2 + int(head[2])
        assert data[middle:middle + 2] == b"->" and data[end:end + 1] == b"\n"
        records.append((data[head.end():middle], data[middle + 2:end]))
        at = end + 1
    assert data[at:] == b"\n"
    return records


def escape(data):
    return data.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")


def written(header, key):
    """A key as the command reads and writes it."""
    return b"%d" % int.from_bytes(key, "little", signed=True) if header.key_type == INTEGERS else key


def read_value(header, text):
    """The bytes of a value that the command has written."""
    if header.value_type != NUMBERS:
        return text
    kind = " bhiqBHIQefd"[header.number]
    listed = text.decode().strip("[]").split(",")
    assert len(listed) == max(header.dimension, 1) and text.startswith(b"[") == (header.dimension > 0)
    return struct.pack(f"<{len(listed)}{kind}", *map(float if kind in "efd" else int, listed))


def unescape(data):
    return re.sub(rb"\\([tnr\\])", lambda sign: {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"\\": b"\\"}[sign[1]], data)


def rust_get(path, keys, header=None):
    """What `hashlith get` answers to many keys, as a dict without the absent ones. `header`: of the index, if its keys
    or values are other ones than bytes, text and JSON."""
    names = {escape(written(header, key) if header else key): key for key in keys}
    done = run("get", "--escape", path, "-", stdin=b"".join(name + b"\n" for name in names))
    lines, found = done.stdout.split(b"\n")[:-1], {}
    for name, _, value in (line.partition(b"\t") for line in lines):
        found[names[name]] = read_value(header, unescape(value)) if header else unescape(value)
    assert len(found) == len(lines)
    assert done.returncode == (0 if len(found) == len(names) else 3), done.stderr
    return found


def absent_keys(index, own, rng):
    """Keys that are not among `own`, some of them almost like one that is."""
    if index.header.key_type == INTEGERS:
        numbers = [int.from_bytes(key, "little", signed=True) for key in own[:50]]
        near = [number ^ 1 << bit for number in numbers for bit in (0, 7, 8, 16, 31, 56)]
        far = [rng.getrandbits(bits) - 2**(bits - 1) for bits in range(1, 65) for _ in range(5)]
        return sorted({oracle.integer(number) for number in [*near, *far]} - set(own))
    near = [key + b"\0" for key in own[:50]] + [key[:-1] for key in own[:50]] + [key[:1] + key for key in own[:50]]
    far = [bytes(rng.getrandbits(8) for _ in range(rng.randrange(20))) for _ in range(300)]
    return sorted(set(near + far + [b""]) - set(own))


def check_agreement(path, expected, rng):
    """All that the oracle and the command must say of the file or set at `path` with these records."""
    index, expected = Set(path) if path.is_dir() else oracle.Index(path), dict(expected)
    oracle_check.verify(index)
    done = run("verify", "--quiet", path)
    assert done.returncode == 0, done.stderr
    h, in_order = index.header, list(index.items())
    numbers = {key: index.id(key) for key in expected}
    assert sorted(numbers.values()) == list(range(len(index)))
    ordered = sorted(numbers, key=numbers.get)
    assert in_order == [(None if h.key_type == LEFT_OUT else key, expected[key]) for key in ordered]
    for key, number in numbers.items():
        assert index.lookup(key) == (number, expected[key]) and index.by_id(number) == in_order[number]
        assert (index.get(key), index.id(key)) == (expected[key], number)
    for number in -1, len(index):
        with pytest.raises(IndexError):
            index.by_id(number)
    absent = absent_keys(index, list(expected), rng)
    answers = {key: index.get(key) for key in [*expected, *absent] if len(key) < 1000}
    # A key that is left out may be taken for another one.
    assert h.key_type == LEFT_OUT or all(answers.get(key) is None for key in absent)
    done = run("dump", path, "--format", "cdbmake")
    assert done.returncode == 0, done.stderr
    named = [(b"%d" % number if key is None else written(h, key), value)
             for number, (key, value) in enumerate(in_order)]
    assert [(key, read_value(h, value)) for key, value in parse_cdbmake(done.stdout)] == named
    asked = list(answers)
    rng.shuffle(asked)
    assert rust_get(path, asked, h) == {key: value for key, value in answers.items() if value is not None}
    if isinstance(index, Set):
        parts = [(row.file, (path / row.file).read_bytes()) for row in index.manifest.rows]
        assert (path / MANIFEST).read_bytes() == craft.manifest(parts)
    return index
