"""What the oracle, written from spec.md alone, and the Rust command say of an index or a set: they must agree."""
import json
import re
import subprocess
from pathlib import Path

import pytest

import craft
import oracle
import oracle_check
from binary import hashlith
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


def rust_get(path, keys):
    """What `hashlith get` answers to many keys, as a dict without the absent ones."""
    done = run("get", "--escape", path, "-", stdin=b"".join(escape(key) + b"\n" for key in keys))
    pairs = dict(line.split(b"\t") for line in done.stdout.split(b"\n")[:-1])
    found = {key: pairs[escape(key)] for key in keys if escape(key) in pairs}
    assert len(found) == len(pairs)
    assert done.returncode == (0 if len(found) == len(set(keys)) else 3), done.stderr
    return found


def absent_keys(index, rng):
    """Absent keys, some of them almost like a present one."""
    own = [key for key, _ in index.items()]
    near = [key + b"\0" for key in own[:50]] + [key[:-1] for key in own[:50]] + [key[:1] + key for key in own[:50]]
    far = [bytes(rng.getrandbits(8) for _ in range(rng.randrange(20))) for _ in range(300)]
    return sorted(set(near + far + [b""]) - set(own))


def check_agreement(path, expected, rng):
    """All that the oracle and the command must say of the file or set at `path` with these records."""
    index, expected = Set(path) if path.is_dir() else oracle.Index(path), dict(expected)
    oracle_check.verify(index)
    done = run("verify", "--quiet", path)
    assert done.returncode == 0, done.stderr
    in_order = list(index.items())
    assert dict(in_order) == expected and len(in_order) == len(expected) == len(index)
    for number, (key, value) in enumerate(in_order):  # so the ids are a permutation of 0..n-1
        assert index.lookup(key) == (number, value) and index.by_id(number) == (key, value)
        assert (index.get(key), index.id(key)) == (value, number)
    for number in -1, len(index):
        with pytest.raises(IndexError):
            index.by_id(number)
    absent = absent_keys(index, rng)
    assert all(index.lookup(key) is None for key in absent)
    done = run("dump", path, "--format", "cdbmake")
    assert done.returncode == 0 and parse_cdbmake(done.stdout) == in_order, done.stderr
    asked = [key for key in [*expected, *absent] if len(key) < 1000]
    rng.shuffle(asked)
    assert rust_get(path, asked) == {key: escape(expected[key]) for key in asked if key in expected}
    if isinstance(index, Set):
        parts = [(row.file, (path / row.file).read_bytes()) for row in index.manifest.rows]
        assert (path / MANIFEST).read_bytes() == craft.manifest(parts)
    return index
