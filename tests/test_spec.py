"""The examples in spec.md agree with the oracle and the golden files."""
import re
from pathlib import Path

import pytest

import oracle
import oracle_set
from binary import hashlith
from make_golden import GOLDEN, build
from oracle import bucket_of, hash_key, mulhi, slot_of, tried

SPEC = (Path(__file__).parent.parent / "spec.md").read_text()
# The rows of the table of test vectors: hi, lo, cell of 1,000, try, bucket, pilot, slot in a cell of 40 keys.
ROWS = re.findall(r"^\| .* \| ([0-9a-f]{16}) \| ([0-9a-f]{16}) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", SPEC, re.M)
KEYS = (b"", b"a", b"key", b"hello", b"perfect", b"hashlith", b"1234567890123456",
        b"The quick brown fox jumps over the lazy dog", b"x" * 129, b"y" * 300)


@pytest.mark.parametrize("key, row", list(zip(KEYS, ROWS, strict=True)), ids=[str(key[:8]) for key in KEYS])
def test_vectors(key, row):
    hi, lo = hash_key(key, 0)
    try_, pilot = int(row[3]), int(row[5])
    x = tried(lo, try_)
    found = mulhi(hi, 1000), try_, bucket_of(x, 40), pilot, slot_of(x, pilot, 40)
    assert (f"{hi:016x}", f"{lo:016x}", *map(str, found)) == row


def test_salt_and_try():
    pattern = r"With salt (\d+), `y` of the key `key` is (\w+), and with\s+`try` (\d+) its `x` is (\w+)\."
    salt, y, try_, x = re.search(pattern, SPEC).groups()
    found = hash_key(b"key", int(salt))[1]
    assert (f"{found:016x}", f"{tried(found, int(try_)):016x}") == (y, x)


def test_salt_of_siphash():
    salt, y = re.search(r"With hash id 2 and the seeds below, `y` of `key` with salt (\d+) is (\w+)\.", SPEC).groups()
    assert f"{hash_key(b'key', 0x0706050403020100 + int(salt), 0x0F0E0D0C0B0A0908)[1]:016x}" == y


def test_vectors_of_siphash():
    rows = re.findall(r"^\| (\d+) \| ([0-9a-f]{16}) \| ([0-9a-f]{16}) \|$", SPEC, re.M)
    assert len(rows) == 6
    for length, hi, lo in rows:
        found = hash_key(bytes(range(int(length))), 0x0706050403020100, 0x0F0E0D0C0B0A0908)
        assert found == (int(hi, 16), int(lo, 16))


def test_the_file_byte_by_byte():
    data = (GOLDEN / "two_keys.hlith").read_bytes()
    shown = bytearray(len(data))
    for at, line in re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} {1,2}){8,16})", SPEC, re.M):
        part = bytes.fromhex(line)
        shown[int(at, 16):int(at, 16) + len(part)] = part
    assert shown == data and oracle.Index(data).lookup(b"key") == (1, b"value")


def test_the_manifest_of_a_set(tmp_path):
    text = SPEC.split("## 15. Sets")[1].split("```")[1].lstrip("\n")
    found = oracle_set.parse(text.encode())
    assert [len(found.rows), found.hash_id, *(row.keys for row in found.rows)] == [2, oracle.XXH3, 5, 3]
    assert all(f"{row.digest:016x}" in row.file for row in found.rows)
    build(hashlith(), [(bytes([sign]), b"1") for sign in b"abcdefgh"], tmp_path / "set", "--parts", 2)
    assert (tmp_path / "set" / oracle_set.MANIFEST).read_text() == text
