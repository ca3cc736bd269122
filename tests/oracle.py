"""An independent reader and full verifier of hashlith indexes, written from spec.md alone.

It favours plainness over speed: each rule of the specification is one visible line, and no code is shared with the
Rust crates, so that agreement of the two means something. Needs Python 3.9 and the PyPI package `xxhash`.

    python oracle.py get FILE KEY...    values of keys (exit code 3: a key is absent)
    python oracle.py verify FILE        every check of section 9 (exit code 4: corrupt)
    python oracle.py dump FILE          all records in id order, as JSON lines
    python oracle.py serve FILE         hex keys on stdin, one a line; answers `id hexvalue` or `-`
    python oracle.py vectors            the test vectors of section 7
"""
import json
import mmap
import re
import struct
import sys
from bisect import bisect_right
from collections import namedtuple
from itertools import islice

import xxhash

MASK = 2**64 - 1
MAGIC = b"\x89HLITH\r\n"
SEEDS = (
    0x70117436DFA7C587, 0x4A0CAEF1AE5C974F, 0x8EB27B6D7ABA63C8, 0xB3F6FF09C2B3D7C3, 0x471DD8A65BF043E3,
    0x1515EF675E21ABD6, 0x6D63C1ABAA64B69D, 0x134E20A9E1ABE293, 0x40925A9DE35F3D8A, 0x628BDDC0E4AC6001,
)
C = 0x517CC1B727220A95
CHUNK = 65536
PAGE = 4096
HUGE = 2 << 20
POOL, HOT, DIRECTORY, METADATA, SUMS = range(5)
SECTION_NAMES = ("pool", "hot section", "directory", "metadata", "sums")
BYTES, TEXT, JSON = range(3)
XXH3, SIPHASH = 1, 2

# Section 3: the named fields of the header, bytes 8..184.
HEADER = struct.Struct("<II QQ QQ QQ II BBBB I 10Q QQ Q")
Header = namedtuple("Header", "version zero1 required ignorable length keys blocks seed part parts hash_id key_type "
                              "value_type fp zero2 sections directory_digest sums_digest second_seed")
# Section 5: a directory entry, and what follows from it and the next one. Offsets are in the file.
ENTRY = struct.Struct("<4Q")
Block = namedtuple("Block", "number at first n hot hot_length pool L bias width seed_number salt")


class Corrupt(Exception):
    """The file breaks `rule` of section 9 at `offset`."""

    def __init__(self, rule, offset, message):
        super().__init__(f"{rule} at offset {offset}: {message}")
        self.rule, self.offset, self.message = rule, offset, message


# Conventions ----------------------------------------------------------------------------------------------------------

def mulhi(a, b):
    return a * b >> 64


def mullo(a, b):
    return a * b & MASK


def ceil_div(a, b):
    return -(-a // b)


def align(x, a):
    return ceil_div(x, a) * a


def xxh64(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed)


# Sections 5 to 7: numbers that follow from n, and the place of a key --------------------------------------------------

def slots(n):
    """S, the slots before the remap."""
    s = 100 * n // 99
    return s + (s > 0 and s & (s - 1) == 0)


def bucket_count(n):
    return ceil_div(n, 3) + 3


def entry_bytes(n, w):
    return ceil_div(n * w, 8)


def hot_length(n, w):
    """The length of a block's hot data, section 6."""
    return entry_bytes(n, w) + 4 * (slots(n) - n) + bucket_count(n) if n else 0


def rotl(x, bits):
    return (x << bits | x >> 64 - bits) & MASK


def siphash(key, k0, k1):
    """SipHash-1-3-128: its two halves, the second one first."""
    v0, v1, v2, v3 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0, v2 = v0 + v1 & MASK, v2 + v3 & MASK
            v1, v3 = rotl(v1, 13) ^ v0, rotl(v3, 16) ^ v2
            v0, v2 = rotl(v0, 32) + v3 & MASK, v2 + v1 & MASK
            v3, v1 = rotl(v3, 21) ^ v0, rotl(v1, 17) ^ v2
            v2 = rotl(v2, 32)

    padded = key + bytes(7 - len(key) % 8) + bytes([len(key) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v3 ^= word
        rounds(1)
        v0 ^= word
    v2 ^= 0xEE
    rounds(3)
    first = v0 ^ v1 ^ v2 ^ v3
    v1 ^= 0xDD
    rounds(3)
    return v0 ^ v1 ^ v2 ^ v3, first


def hash_key(key, seed, second_seed=None):
    """`hi` and `lo` of section 7, step 1; with a second seed by SipHash-1-3-128."""
    if second_seed is not None:
        return siphash(key, seed & MASK, second_seed)
    h = xxhash.xxh3_128_intdigest(key, seed & MASK)
    return h >> 64, h & MASK


def bucket_of(lo, seed_number, n):
    """Steps 5 and 6: the bucket of a key in a block of n keys."""
    return mulhi(bucket_count(n), lo ^ SEEDS[seed_number])


def slot_of(lo, seed_number, pilot, n):
    """Steps 5 and 7: the slot before the remap."""
    s, size = SEEDS[seed_number], slots(n)
    m = MASK // size + 1
    return mulhi(mullo(m, lo ^ s ^ mullo(C, pilot ^ s)), size)


def is_utf8(data):
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


TOKEN = re.compile(r'[ \t\n\r]*(?:("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
                   r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)|([][{},:]))")


def is_json(data):
    """Whether `data` is UTF-8 and one JSON value by the grammar of RFC 8259: of any depth, with numbers of any size."""
    if not is_utf8(data):
        return False
    text, at, stack, expect = str(data, "utf-8").rstrip(" \t\n\r"), 0, [], "value"
    while at < len(text):
        token = TOKEN.match(text, at)
        if not token:
            return False
        at, mark = token.end(), token.group(3)
        if mark and mark in "[{" and expect in ("value", "value]"):
            stack.append("]" if mark == "[" else "}")
            expect = "value]" if mark == "[" else "name}"
        elif mark and mark in "]}":
            if not stack or stack[-1] != mark or expect not in ("comma", "value]" if mark == "]" else "name}"):
                return False
            stack.pop()
            expect = "comma" if stack else "end"
        elif mark == "," and expect == "comma":
            expect = "value" if stack[-1] == "]" else "name"
        elif mark == ":" and expect == "colon":
            expect = "value"
        elif token.group(1) and expect in ("name", "name}"):
            expect = "colon"
        elif not mark and expect in ("value", "value]"):
            expect = "comma" if stack else "end"
        else:
            return False
    return expect == "end"


class Index:
    """An open index. Opening checks R1 to R20, every answer R21 to R23, and `verify` all the rest."""

    def __init__(self, source, sets=False):
        """`source`: the bytes of an index, or its path. `sets`: whether to read a file that is one part of a set."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            with open(source, "rb") as file:
                empty = not file.read(1)
                source = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(source)
        self._open_header(sets)
        self._open_sections()
        self._open_directory()

    # Opening: R1 to R20, in this order --------------------------------------------------------------------------------

    def _open_header(self, sets):
        data = self.data
        _refuse(len(data) < PAGE, "R1", len(data), "shorter than a header")
        _refuse(data[:8] != MAGIC, "R2", 0, "wrong magic")
        fields = HEADER.unpack_from(data, 8)
        table = list(zip(fields[15:25:2], fields[16:25:2]))
        h = self.header = Header(*fields[:15], table, *fields[25:])
        _refuse(h.version != 1, "R3", 8, f"version {h.version}")
        _refuse(xxh64(data[:4088]) != _u64(data, 4088), "R4", 4088, "wrong header digest")
        _refuse(h.required, "R5", 16, "unknown required feature")
        for first, end in (12, 16), (76, 80), (184 if h.hash_id == SIPHASH else 176, 4088):
            _refuse_nonzero(data, first, end, "R6", "reserved byte is not zero")
        _refuse(len(data) != h.length, "R7", 32, f"{len(data)} bytes instead of {h.length}")
        _refuse(h.blocks == 0, "R8", 48, "no blocks")
        _refuse(h.keys > 2**48, "R8", 40, "too many keys")
        _refuse(h.part >= h.parts or (h.parts != 1 and not sets), "R9", 64, f"part {h.part} of {h.parts}")
        _refuse(h.hash_id not in (XXH3, SIPHASH), "R10", 72, "unknown hash")
        _refuse(h.key_type > TEXT, "R11", 73, "unknown key type")
        _refuse(h.value_type > JSON, "R11", 74, "unknown value type")
        _refuse(not 1 <= h.fp <= 16, "R12", 75, f"{h.fp} fingerprint bits")

    def _open_sections(self):
        table, end = self.header.sections, PAGE
        _refuse(table[DIRECTORY][1] != 32 * (self.header.blocks + 1), "R13", 112, "wrong length of the directory")
        _refuse(table[METADATA][1] > 1 << 20, "R13", 128, "metadata above 1 MiB")
        for row, (offset, length) in enumerate(table):
            unit = HUGE if row == HOT and length >= HUGE else PAGE
            _refuse(offset != align(end, unit), "R14", 80 + 16 * row, f"{SECTION_NAMES[row]} is not in its place")
            end = offset + length
        sums_length = 8 * ceil_div(table[SUMS][0] - PAGE, CHUNK)
        _refuse(table[SUMS][1] != sums_length or end != len(self.data), "R14", 144, "wrong length of the sums")

    def _open_directory(self):
        h, at = self.header, self.header.sections[DIRECTORY][0]
        _refuse(xxh64(self._section(DIRECTORY)) != h.directory_digest, "R15", 160, "wrong directory digest")
        closing = (h.keys, h.sections[HOT][1], h.sections[POOL][1], 0)
        _refuse(self._entry(0)[:3] != (0, 0, 0), "R16", at, "the first entry does not begin at 0")
        _refuse(self._entry(h.blocks) != closing, "R16", at + 32 * h.blocks, "wrong closing entry")
        for number in range(h.blocks):
            for check in self._r17, self._r18, self._r19, self._r20:
                check(self.block(number))
        self.first_ids = [self._entry(i)[0] for i in range(h.blocks + 1)]

    @staticmethod
    def _r17(b):
        _refuse(b.n < 0 or b.hot_length < 0 or b.L < 0, "R17", b.at + 32, "an entry is below the one before")

    @staticmethod
    def _r18(b):
        _refuse(b.n > 2**31 or b.L < 2 * b.n or b.L >= 2**48, "R18", b.at, f"{b.n} keys in {b.L} bytes")

    def _r19(self, b):
        _refuse(b.hot_length != hot_length(b.n, self._w(b)), "R19", b.at, "wrong length of hot data")

    def _r20(self, b):
        _refuse(self._w(b) > 57, "R20", b.at, f"entries of {self._w(b)} bits")
        _refuse(b.seed_number > 9, "R20", b.at, f"seed number {b.seed_number}")
        _refuse(b.n == 0 and (b.L or self._entry(b.number)[3]), "R20", b.at, "empty block with records or layout")

    # Parts of the file ------------------------------------------------------------------------------------------------

    def _section(self, row):
        offset, length = self.header.sections[row]
        return self.data[offset:offset + length]

    def _entry(self, number):
        return ENTRY.unpack_from(self.data, self.header.sections[DIRECTORY][0] + 32 * number)

    def _w(self, block):
        return self.header.fp + block.width

    def block(self, number):
        """Block `number` by its directory entry and the next (section 5)."""
        first, hot, pool, layout = self._entry(number)
        end, hot_end, pool_end, _ = self._entry(number + 1)
        pool_at, hot_at, at = (self.header.sections[row][0] for row in (POOL, HOT, DIRECTORY))
        return Block(number, at + 32 * number, first, end - first, hot_at + hot, hot_end - hot, pool_at + pool,
                     pool_end - pool, layout & (1 << 48) - 1, layout >> 48 & 63, layout >> 54 & 15, layout >> 58)

    def _slot_entry(self, b, slot):
        """Fingerprint and record offset (in the file) of a slot, section 6."""
        w, fp = self._w(b), self.header.fp
        entry = _u64(self.data, b.hot + slot * w // 8) >> slot * w % 8 & (1 << w) - 1
        return entry & (1 << fp) - 1, b.pool + slot * b.L // b.n + (entry >> fp) - b.bias

    def _remap_at(self, b):
        return b.hot + entry_bytes(b.n, self._w(b))

    def _pilots_at(self, b):
        return self._remap_at(b) + 4 * (slots(b.n) - b.n)

    def _varint(self, at, end, record):
        """The number at `at`, where it ends, and whether it has the fewest bytes."""
        value = 0
        for i in range(10):
            _refuse(at + i >= end, "R22", record, "a length leaves the block")
            byte = self.data[at + i]
            value |= (byte & 127) << 7 * i
            if byte < 128:
                _refuse(value > MASK, "R22", record, "a length above 2^64 - 1")
                return value, at + i + 1, byte != 0 or i == 0
        raise Corrupt("R22", record, "a length of more than ten bytes")

    def _record(self, b, at):
        """Key, value, end, and whether the lengths are minimal, of the record at `at` of block `b`; R22."""
        end = b.pool + b.L
        _refuse(not b.pool <= at < end, "R22", at, "the record begins outside of its block")
        key_length, p, minimal1 = self._varint(at, end, at)
        value_length, p, minimal2 = self._varint(p, end, at)
        _refuse(p + key_length + value_length > end, "R22", at, "the record leaves its block")
        value_at, next_at = p + key_length, p + key_length + value_length
        return bytes(self.data[p:value_at]), bytes(self.data[value_at:next_at]), next_at, minimal1 and minimal2

    # Lookup -----------------------------------------------------------------------------------------------------------

    def _hash(self, key, salt=0):
        h = self.header
        return hash_key(key, h.seed + salt, h.second_seed if h.hash_id == SIPHASH else None)

    def _find(self, key):
        """Steps 1 to 8 of section 7: block, slot, slot before the remap, `hi`; or None."""
        h = self.header
        hi, lo = self._hash(key)
        if mulhi(hi, h.parts) != h.part:
            return None
        b = self.block(mulhi(mullo(hi, h.parts), h.blocks))
        if b.n == 0:
            return None
        if b.salt:
            lo = self._hash(key, b.salt)[1]
        pilot = self.data[self._pilots_at(b) + bucket_of(lo, b.seed_number, b.n)]
        raw = slot = slot_of(lo, b.seed_number, pilot, b.n)
        if slot >= b.n:
            at = self._remap_at(b) + 4 * (slot - b.n)
            slot = int.from_bytes(self.data[at:at + 4], "little")
            _refuse(slot >= b.n, "R21", at, f"remap to slot {slot} of {b.n}")
        return b, slot, raw, hi

    def lookup(self, key):
        """Dense id and value of a key, or None: all of section 7."""
        found = self._find(key)
        if found is None:
            return None
        b, slot, _, hi = found
        fingerprint, at = self._slot_entry(b, slot)
        if fingerprint != hi & (1 << self.header.fp) - 1:
            return None
        own_key, value, _, _ = self._record(b, at)
        return (b.first + slot, value) if own_key == key else None

    def get(self, key):
        """The value of `key`, or None."""
        found = self.lookup(key)
        return found and found[1]

    def id(self, key):
        """The dense id of `key`, or None."""
        found = self.lookup(key)
        return found and found[0]

    def by_id(self, number):
        """Key and value of a dense id."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        b = self.block(bisect_right(self.first_ids, number) - 1)
        return self._record(b, self._slot_entry(b, number - b.first)[1])[:2]

    def text(self, number):
        """Key and value of a dense id as text (R23); bytes that are no text in a key become surrogates."""
        b = self.block(bisect_right(self.first_ids, number) - 1)
        key, value, end, _ = self._record(b, self._slot_entry(b, number - b.first)[1])
        _refuse(not is_utf8(value), "R23", end - len(value), "not UTF-8")
        return str(key, "utf-8", "surrogateescape"), str(value, "utf-8")

    def items(self):
        """All keys and values in the order of their ids: the pool from front to back."""
        for number in range(self.header.blocks):
            b = self.block(number)
            at = b.pool
            for _ in range(b.n):
                key, value, at, _ = self._record(b, at)
                yield key, value

    def __len__(self):
        return self.header.keys

    @property
    def metadata(self):
        return bytes(self._section(METADATA))

    # Verifying: V1 to V9 ----------------------------------------------------------------------------------------------

    def verify(self):
        """Raises V2, else V1, else of all faults the one with the lowest offset."""
        table = self.header.sections
        sums_at = table[SUMS][0]
        _refuse(xxh64(self._section(SUMS)) != self.header.sums_digest, "V2", 168, "wrong sums digest")
        for i, at in enumerate(range(PAGE, sums_at, CHUNK)):
            good = xxh64(self.data[at:min(at + CHUNK, sums_at)], i) == _u64(self.data, sums_at + 8 * i)
            _refuse(not good, "V1", at, f"wrong sum of chunk {i}")
        faults = []
        for check in (self._verify_padding, self._verify_metadata,
                      *(lambda b=self.block(i), part=part: part(b) for i in range(self.header.blocks)
                        for part in (self._verify_records, self._verify_spare))):
            try:
                check()
            except Corrupt as fault:
                faults.append(fault)
        if faults:
            raise min(faults, key=lambda fault: fault.offset)

    def _verify_padding(self):
        for (offset, length), (following, _) in zip(self.header.sections, self.header.sections[1:]):
            _refuse_nonzero(self.data, offset + length, following, "V3", "padding is not zero")

    def _verify_metadata(self):
        _refuse(len(self.metadata) and not (is_json(self.metadata) and self.metadata.lstrip()[:1] == b"{"),
                "V9", self.header.sections[METADATA][0], "the metadata are not a JSON object")

    def _verify_records(self, b):
        h, at, remap_faults = self.header, b.pool, []
        for slot in range(b.n):
            fingerprint, place = self._slot_entry(b, slot)
            _refuse(place != at, "V4", at, f"the entry of slot {slot} says {place}")
            key, value, end, minimal = self._record(b, at)
            _refuse(not minimal, "V6", at, "a length has more bytes than it needs")
            try:
                found = self._find(key)
                own = found is not None and found[:2] == (b, slot) and fingerprint == found[3] & (1 << h.fp) - 1
                _refuse(not own, "V5", at, f"the key of slot {slot} does not find itself")
            except Corrupt as fault:
                if fault.rule != "R21":
                    raise
                remap_faults.append(fault)  # its place is in the hot section, behind all records
            good = (h.key_type == BYTES or is_utf8(key)) and (
                h.value_type == BYTES or (is_utf8(value) if h.value_type == TEXT else is_json(value)))
            _refuse(not good, "V8", at, "a key or value does not have its type")
            at = end
        _refuse(at != b.pool + b.L, "V4", at, "bytes behind the last record of a block")
        if remap_faults:
            raise min(remap_faults, key=lambda fault: fault.offset)

    def _verify_spare(self, b):
        """What no lookup of a key in the file reads."""
        if not b.n:
            return
        last, bits = self._remap_at(b) - 1, b.n * self._w(b) % 8
        _refuse(bits and self.data[last] >> bits, "V7", last, "unused bit of the slot entries")
        used, at = set(), b.pool
        for _ in range(b.n):
            key, _, at, _ = self._record(b, at)
            lo = self._hash(key, b.salt)[1]
            pilot = self.data[self._pilots_at(b) + bucket_of(lo, b.seed_number, b.n)]
            used.add(slot_of(lo, b.seed_number, pilot, b.n))
        for j in range(slots(b.n) - b.n):
            at = self._remap_at(b) + 4 * j
            _refuse(b.n + j not in used and any(self.data[at:at + 4]), "V7", at, "an unused remap entry is not 0")


def _u64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def _refuse(condition, rule, offset, message):
    if condition:
        raise Corrupt(rule, offset, message)


def _refuse_nonzero(data, first, end, rule, message):
    part = bytes(data[first:end])
    at = end - len(part.lstrip(b"\0"))
    _refuse(at < end, rule, at, message)


# Section 7: key, hi, lo, block of 1,000, seed number, bucket, pilot, slot (of a block of 1,000 keys)
VECTORS = (
    (b"", 0x99AA06D3014798D8, 0x6001C324468D497F, 600, 0, 21, 0, 553),
    (b"a", 0xA96FAF705AF16834, 0xE6C632B61E964E1F, 661, 0, 198, 1, 528),
    (b"key", 0xA4BDF4E564564CF8, 0xBBEA0D63A05165E3, 643, 0, 268, 7, 684),
    (b"hello", 0xB5E9C1AD071B3E7F, 0xC779CFAA5E523818, 710, 1, 186, 31, 294),
    (b"perfect", 0x2FAA8E9B064F415B, 0x89849FDF3E390648, 186, 2, 9, 64, 232),
    (b"hashlith", 0x8132E19FCB0B6B31, 0x825143F01E298E19, 504, 3, 65, 100, 775),
    (b"1234567890123456", 0xF57143299804FB6A, 0x2E61AD3F8CC8FED5, 958, 4, 138, 128, 212),
    (b"The quick brown fox jumps over the lazy dog", 0xDDD650205CA3E7FA, 0x24A1CC2E3A8A7651, 866, 5, 65, 200, 781),
    (b"x" * 129, 0xE7F1ABC92BCE4135, 0xAE9EC8F29E5BAA27, 906, 7, 249, 254, 154),
    (b"y" * 300, 0xA3933E7F9F1E57E0, 0xE59D0F1DA61C2EE0, 638, 9, 177, 255, 788),
)


def vector(key, seed_number, pilot):
    """What this code computes for a row of the table of test vectors."""
    hi, lo = hash_key(key, 0)
    return (key, hi, lo, mulhi(hi, 1000), seed_number, bucket_of(lo, seed_number, 1000), pilot,
            slot_of(lo, seed_number, pilot, 1000))


def _shown(index, number, key, value):
    """A record for `dump`: text where the index promises text, else hexadecimal."""
    shown = {"id": number}
    for name, part, kind in ("key", key, index.header.key_type), ("value", value, index.header.value_type):
        text = kind != BYTES and is_utf8(part)
        shown[name if text else name + "_hex"] = str(part, "utf-8") if text else part.hex()
    return json.dumps(shown, ensure_ascii=False)


def main(arguments):
    command, *rest = arguments or ["help"]
    if command == "vectors":
        return int(any(row != vector(row[0], row[4], row[6]) for row in VECTORS))
    if command not in ("get", "verify", "dump", "serve") or not rest:
        sys.exit(__doc__)
    try:
        index = Index(rest[0])
        if command == "verify":
            index.verify()
        elif command == "dump":
            for number, (key, value) in enumerate(index.items()):
                print(_shown(index, number, key, value))
        elif command == "serve":
            for line in sys.stdin:
                found = index.lookup(bytes.fromhex(line.strip()))
                print(f"{found[0]} {found[1].hex()}" if found else "-", flush=True)
        else:
            values = [index.get(key.encode("utf-8", "surrogateescape")) for key in islice(rest, 1, None)]
            for value in values:
                sys.stdout.buffer.write(value + b"\n" if value is not None else b"")
            return 3 if None in values else 0
    except Corrupt as fault:
        print(fault, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
