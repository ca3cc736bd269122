"""An independent reader and full verifier of hashlith indexes, written from spec.md alone.

It favours plainness over speed: each rule of the specification is one visible line, and no code is shared with the
Rust crates, so that agreement of the two means something. Needs Python 3.9 and the PyPI package `xxhash`.

    python oracle.py get FILE KEY...    values of keys (exit code 3: a key is absent)
    python oracle.py verify FILE        every check of section 9 (exit code 4: corrupt)
    python oracle.py dump FILE          all records in id order, as JSON lines
    python oracle.py serve FILE         hex keys on stdin, one a line; answers `id hexvalue` or `-`
    python oracle.py vectors            the test vectors of section 7

Sets, section 15, are in oracle_set.py.
"""
import json
import mmap
import re
import struct
import sys
from collections import namedtuple
from functools import partial
from itertools import islice

import xxhash

MASK = 2**64 - 1
MAGIC = b"\x89HLITH\r\n"
A, C, G = 0x5851F42D4C957F2D, 0x517CC1B727220A95, 0x9E3779B97F4A7C15
CHUNK = 65536
PAGE = 4096
HUGE = 2 << 20
CELL = 128
BODY = 20  # where the body begins in a cell
POOL, HOT, FAR, METADATA, SUMS = range(5)
SECTION_NAMES = ("pool", "hot section", "far section", "metadata", "sums")
BYTES, TEXT, JSON = range(3)
ORDER = "R15 V4 R16 V6 V5 V8 V7 V3 V9".split()  # of faults at one offset
XXH3, SIPHASH = 1, 2

# Section 3: the named fields of the header, bytes 8..176.
HEADER = struct.Struct("<II QQ QQ QQ II BBBB I 10Q QQ")
Header = namedtuple("Header", "version zero1 required ignorable length keys cells seed part parts hash_id key_type "
                              "value_type fp zero2 sections sums_digest second_seed")
# Section 5: a cell. `at` and `pool` are offsets in the file; `far` is the place of a far body in its section, or None.
Cell = namedtuple("Cell", "number at first pool n width try_ salt mean far")


class Corrupt(Exception):
    """The file breaks `rule` of section 9 or 15 at `offset`. In a set, `file` is the name of the file."""

    def __init__(self, rule, offset, message, file=None):
        super().__init__(rule, offset, message, file)
        self.rule, self.offset, self.message, self.file = rule, offset, message, file

    def __str__(self):
        return f"{self.file + ': ' if self.file else ''}{self.rule} at offset {self.offset}: {self.message}"


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

def bucket_count(n):
    return 3 * n // 8 + 1


def body_length(n, w):
    """The bytes of a body, section 5."""
    return bucket_count(n) + ceil_div(n * w, 8) if n else 0


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


def tried(lo, try_):
    """Step 4: `x`."""
    return mullo(lo, 2 * try_ * A + 1)


def bucket_of(x, n):
    """Step 5: the bucket of a key in a cell of n keys."""
    return mulhi(x, bucket_count(n))


def slot_of(x, pilot, n):
    """Step 6."""
    return mulhi(mullo(x ^ mullo(C, pilot + 1), G), n)


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
    """An open index. Opening checks R1 to R14, every answer R15 to R17, and `verify` all the rest."""

    def __init__(self, source):
        """`source`: the bytes of an index, or its path."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            with open(source, "rb") as file:
                empty = not file.read(1)
                source = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(source)
        self._open_header()
        self._open_sections()

    # Opening: R1 to R14, in this order --------------------------------------------------------------------------------

    def _open_header(self):
        data = self.data
        _refuse(len(data) < PAGE, "R1", len(data), "shorter than a header")
        _refuse(data[:8] != MAGIC, "R2", 0, "wrong magic")
        fields = HEADER.unpack_from(data, 8)
        table = list(zip(fields[15:25:2], fields[16:25:2]))
        h = self.header = Header(*fields[:15], table, *fields[25:])
        _refuse(h.version != 1, "R3", 8, f"version {h.version}")
        _refuse(xxh64(data[:4088]) != _number(data, 4088, 8), "R4", 4088, "wrong header digest")
        _refuse(h.required, "R5", 16, "unknown required feature")
        for first, end in (12, 16), (76, 80), (176 if h.hash_id == SIPHASH else 168, 4088):
            _refuse_nonzero(data, first, end, "R6", "reserved byte is not zero")
        _refuse(len(data) != h.length, "R7", 32, f"{len(data)} bytes instead of {h.length}")
        _refuse(h.cells == 0, "R8", 48, "no cells")
        _refuse(h.keys >= 2**48, "R8", 40, "too many keys")
        _refuse(h.part >= h.parts, "R9", 64, f"part {h.part} of {h.parts}")
        _refuse(h.hash_id not in (XXH3, SIPHASH), "R10", 72, "unknown hash")
        _refuse(h.key_type > TEXT, "R11", 73, "unknown key type")
        _refuse(h.value_type > JSON, "R11", 74, "unknown value type")
        _refuse(not 1 <= h.fp <= 16, "R12", 75, f"{h.fp} fingerprint bits")

    def _open_sections(self):
        table, end = self.header.sections, PAGE
        _refuse(table[HOT][1] != CELL * self.header.cells, "R13", 96, "wrong length of the hot section")
        _refuse(table[POOL][1] >= 2**48, "R13", 80, "pool of 2^48 bytes or more")
        _refuse(table[METADATA][1] > 1 << 20, "R13", 128, "metadata above 1 MiB")
        for row, (offset, length) in enumerate(table):
            unit = HUGE if row == HOT and length >= HUGE else PAGE
            _refuse(offset != align(end, unit), "R14", 80 + 16 * row, f"{SECTION_NAMES[row]} is not in its place")
            end = offset + length
        sums_length = 8 * ceil_div(table[SUMS][0] - PAGE, CHUNK)
        _refuse(table[SUMS][1] != sums_length or end != len(self.data), "R14", 144, "wrong length of the sums")

    # Parts of the file ------------------------------------------------------------------------------------------------

    def _section(self, row):
        offset, length = self.header.sections[row]
        return self.data[offset:offset + length]

    def _w(self, b):
        return self.header.fp + b.width

    def cell(self, number):
        """Cell `number` (section 5)."""
        at = self.header.sections[HOT][0] + CELL * number
        cell = self.data[at:at + CELL]
        far = _number(cell, 20, 6) if cell[13] & 128 else None
        return Cell(number, at, _number(cell, 0, 6), self.header.sections[POOL][0] + _number(cell, 6, 6), cell[12],
                    cell[13] & 127, cell[14] & 15, cell[14] >> 4, _number(cell, 16, 4), far)

    def cells(self):
        return map(self.cell, range(self.header.cells))

    def _body_length(self, b):
        return body_length(b.n, self._w(b))

    def _r15(self, b):
        _refuse(b.n > 127, "R15", b.at, f"{b.n} keys in a cell")
        _refuse(self._w(b) > 57, "R15", b.at, f"entries of {self._w(b)} bits")
        if b.far is None:
            _refuse(self._body_length(b) > CELL - BODY, "R15", b.at, "the body leaves its cell")
        elif b.n:  # an empty body lies anywhere
            end = self.header.sections[FAR][1]
            _refuse(b.far + self._body_length(b) > end, "R15", b.at, "the body leaves the far section")

    def _pilots_at(self, b):
        return b.at + BODY if b.far is None else self.header.sections[FAR][0] + b.far

    def _entry_at(self, b, slot):
        """Where the 8 bytes of a slot entry are."""
        return self._pilots_at(b) + bucket_count(b.n) + slot * self._w(b) // 8

    def _slot_entry(self, b, slot):
        """Fingerprint and place (in the file) of a slot, section 6."""
        w, fp = self._w(b), self.header.fp
        entry = _number(self.data, self._entry_at(b, slot), 8) >> slot * w % 8 & (1 << w) - 1
        delta = entry >> fp
        if b.width and delta >> b.width - 1:
            delta -= 1 << b.width
        return entry & (1 << fp) - 1, b.pool + slot * b.mean // 256 + delta

    def _varint(self, at, end, record):
        """The number at `at`, where it ends, and whether it has the fewest bytes."""
        value = 0
        for i in range(10):
            _refuse(at + i >= end, "R16", record, "a length leaves the pool")
            byte = self.data[at + i]
            value |= (byte & 127) << 7 * i
            if byte < 128:
                _refuse(value > MASK, "R16", record, "a length above 2^64 - 1")
                return value, at + i + 1, byte != 0 or i == 0
        raise Corrupt("R16", record, "a length of more than ten bytes")

    def _record(self, at, led_by):
        """Key, value, end, and whether the lengths are minimal, of the record at `at`; R16. `led_by` names `at`."""
        pool, length = self.header.sections[POOL]
        end = pool + length
        _refuse(not pool <= at < end, "R16", led_by, "the record begins outside of the pool")
        key_length, p, minimal1 = self._varint(at, end, at)
        value_length, p, minimal2 = self._varint(p, end, at)
        _refuse(p + key_length + value_length > end, "R16", at, "the record leaves the pool")
        value_at, next_at = p + key_length, p + key_length + value_length
        return bytes(self.data[p:value_at]), bytes(self.data[value_at:next_at]), next_at, minimal1 and minimal2

    def _record_of(self, b, slot):
        return self._record(self._slot_entry(b, slot)[1], self._entry_at(b, slot))

    # Lookup -----------------------------------------------------------------------------------------------------------

    def _hash(self, key, salt=0):
        h = self.header
        return hash_key(key, h.seed + salt, h.second_seed if h.hash_id == SIPHASH else None)

    def _cell_number(self, hi):
        """Steps 2 and 3 of section 7: the number of the cell, or None for a key of another part."""
        parts = self.header.parts
        return mulhi(mullo(hi, parts), self.header.cells) if mulhi(hi, parts) == self.header.part else None

    def _slot(self, b, key, lo):
        """Steps 4 to 6 of section 7."""
        x = tried(self._hash(key, b.salt)[1] if b.salt else lo, b.try_)
        return slot_of(x, self.data[self._pilots_at(b) + bucket_of(x, b.n)], b.n)

    def lookup(self, key):
        """Dense id and value of a key, or None: all of section 7."""
        hi, lo = self._hash(key)
        number = self._cell_number(hi)
        if number is None:
            return None
        b = self.cell(number)
        self._r15(b)
        if b.n == 0:
            return None
        slot = self._slot(b, key, lo)
        if self._slot_entry(b, slot)[0] != hi & (1 << self.header.fp) - 1:
            return None
        own_key, value, _, _ = self._record_of(b, slot)
        return (b.first + slot, value) if own_key == key else None

    def get(self, key):
        """The value of `key`, or None."""
        found = self.lookup(key)
        return found and found[1]

    def id(self, key):
        """The dense id of `key`, or None."""
        found = self.lookup(key)
        return found and found[0]

    def _by_id(self, number):
        """The record of a dense id: of the last cell whose first id is not above it."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        low, high = 0, self.header.cells
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.cell(middle).first <= number else (low, middle)
        b = self.cell(low)
        self._r15(b)
        _refuse(not b.first <= number < b.first + b.n, "R15", b.at, f"the cell does not have id {number}")
        return self._record_of(b, number - b.first)

    def by_id(self, number):
        """Key and value of a dense id."""
        return self._by_id(number)[:2]

    def text(self, number):
        """Key and value of a dense id as text (R17); bytes that are no text in a key become surrogates."""
        key, value, end, _ = self._by_id(number)
        _refuse(not is_utf8(value), "R17", end - len(value), "not UTF-8")
        return str(key, "utf-8", "surrogateescape"), str(value, "utf-8")

    def items(self):
        """All keys and values in the order of their ids: the pool from front to back."""
        at, length = self.header.sections[POOL]
        end = at + length
        for _ in range(len(self)):
            key, value, at, _ = self._record(at, at)
            yield key, value
        _refuse(at != end, "V4", at, "bytes behind the last record")

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
        _refuse(xxh64(self._section(SUMS)) != self.header.sums_digest, "V2", 160, "wrong sums digest")
        for i, at in enumerate(range(PAGE, sums_at, CHUNK)):
            good = xxh64(self.data[at:min(at + CHUNK, sums_at)], i) == _number(self.data, sums_at + 8 * i, 8)
            _refuse(not good, "V1", at, f"wrong sum of chunk {i}")
        faults = []
        for check in (self._verify_totals, self._verify_padding, self._verify_metadata, *self._cell_checks()):
            try:
                check()
            except Corrupt as fault:
                faults.append(fault)
        if faults:
            raise min(faults, key=lambda fault: (fault.offset, ORDER.index(fault.rule)))

    def _verify_padding(self):
        for (offset, length), (following, _) in zip(self.header.sections, self.header.sections[1:]):
            _refuse_nonzero(self.data, offset + length, following, "V3", "padding is not zero")

    def _verify_metadata(self):
        _refuse(len(self.metadata) and not (is_json(self.metadata) and self.metadata.lstrip()[:1] == b"{"),
                "V9", self.header.sections[METADATA][0], "the metadata are not a JSON object")

    def _verify_totals(self):
        keys, far = sum(b.n for b in self.cells()), sum(self._body_length(b) for b in self.cells() if b.far is not None)
        _refuse(keys != self.header.keys, "V4", 40, f"{keys} keys in all cells")
        _refuse(far != self.header.sections[FAR][1], "V4", 112, f"{far} bytes in all far bodies")

    def _cell_checks(self):
        """For each cell that of its fields and that of its records."""
        first = far = 0
        for b in self.cells():
            yield partial(self._verify_cell, b, first, far)
            yield partial(self._verify_records, b)
            first = b.first + b.n
            far = b.far + self._body_length(b) if b.far is not None else far

    def _verify_cell(self, b, first, far):
        """`first`, `far`: what its first id should be, and where its body should begin if it is far."""
        at, length = b.at, self._body_length(b)
        self._r15(b)
        _refuse(b.first != first, "V4", at, f"first id {b.first} instead of {first}")
        _refuse(b.number == 0 and b.pool != self.header.sections[POOL][0], "V4", at, "the first pool start is not 0")
        _refuse(b.far is not None and b.far != far, "V4", at, f"far body at {b.far} instead of {far}")
        _refuse(b.n == 0 and any(self.data[at + 12:at + CELL]), "V7", at, "an empty cell with a body or layout")
        _refuse(self.data[at + 15], "V7", at, "the reserved byte is not zero")
        behind = at + BODY + (length if b.far is None else 6)
        _refuse(any(self.data[behind:at + CELL]), "V7", at, "a byte behind the body is not zero")
        _refuse(b.far is not None and length <= CELL - BODY, "V7", at, "a far body would fit into its cell")
        last, bits = self._pilots_at(b) + length - 1, b.n * self._w(b) % 8
        _refuse(bits and self.data[last] >> bits, "V7", at, "unused bit of the slot entries")

    def _verify_records(self, b):
        """The first fault of the records of a cell."""
        try:
            self._r15(b)
        except Corrupt:
            return
        h, at = self.header, b.pool
        pool_end = h.sections[POOL][0] + h.sections[POOL][1]
        following = self.cell(b.number + 1).pool if b.number + 1 < h.cells else pool_end
        for slot in range(b.n):
            fingerprint, place = self._slot_entry(b, slot)
            _refuse(place != at, "V4", at, f"the entry of slot {slot} says {place}")
            key, value, end, minimal = self._record(at, self._entry_at(b, slot))
            _refuse(not minimal, "V6", at, "a length has more bytes than it needs")
            hi, lo = self._hash(key)
            own = self._cell_number(hi) == b.number and self._slot(b, key, lo) == slot
            _refuse(not own, "V5", at, f"the key of slot {slot} does not find itself")
            _refuse(fingerprint != hi & (1 << h.fp) - 1, "V5", at, f"wrong fingerprint in slot {slot}")
            good = (h.key_type == BYTES or is_utf8(key)) and (
                h.value_type == BYTES or (is_utf8(value) if h.value_type == TEXT else is_json(value)))
            _refuse(not good, "V8", at, "a key or value does not have its type")
            at = end
        _refuse(at != following, "V4", at, "the next cell begins elsewhere")


def _number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def _refuse(condition, rule, offset, message):
    if condition:
        raise Corrupt(rule, offset, message)


def _refuse_nonzero(data, first, end, rule, message):
    part = bytes(data[first:end])
    at = end - len(part.lstrip(b"\0"))
    _refuse(at < end, rule, at, message)


# Section 7: key, hi, lo, cell of 1,000, try, bucket, pilot, slot (of a cell of 40 keys)
VECTORS = (
    (b"", 0x99AA06D3014798D8, 0x6001C324468D497F, 600, 0, 6, 0, 36),
    (b"a", 0xA96FAF705AF16834, 0xE6C632B61E964E1F, 661, 0, 14, 1, 12),
    (b"key", 0xA4BDF4E564564CF8, 0xBBEA0D63A05165E3, 643, 0, 11, 7, 35),
    (b"hello", 0xB5E9C1AD071B3E7F, 0xC779CFAA5E523818, 710, 1, 8, 31, 1),
    (b"perfect", 0x2FAA8E9B064F415B, 0x89849FDF3E390648, 186, 2, 13, 64, 8),
    (b"hashlith", 0x8132E19FCB0B6B31, 0x825143F01E298E19, 504, 3, 9, 100, 24),
    (b"1234567890123456", 0xF57143299804FB6A, 0x2E61AD3F8CC8FED5, 958, 4, 0, 128, 2),
    (b"The quick brown fox jumps over the lazy dog", 0xDDD650205CA3E7FA, 0x24A1CC2E3A8A7651, 866, 7, 8, 200, 27),
    (b"x" * 129, 0xE7F1ABC92BCE4135, 0xAE9EC8F29E5BAA27, 906, 14, 14, 254, 17),
    (b"y" * 300, 0xA3933E7F9F1E57E0, 0xE59D0F1DA61C2EE0, 638, 15, 0, 255, 29),
)


def vector(key, try_, pilot):
    """What this code computes for a row of the table of test vectors."""
    hi, lo = hash_key(key, 0)
    x = tried(lo, try_)
    return key, hi, lo, mulhi(hi, 1000), try_, bucket_of(x, 40), pilot, slot_of(x, pilot, 40)


def _shown(index, number, key, value):
    """A record for `dump`: text where the index promises text, else hexadecimal."""
    shown = {"id": number}
    for name, part, kind in ("key", key, index.header.key_type), ("value", value, index.header.value_type):
        text = kind != BYTES and is_utf8(part)
        shown[name if text else name + "_hex"] = str(part, "utf-8") if text else part.hex()
    return json.dumps(shown, ensure_ascii=False)


def main(arguments, opened=Index):
    command, *rest = arguments or ["help"]
    if command == "vectors":
        return int(any(row != vector(row[0], row[4], row[6]) for row in VECTORS))
    if command not in ("get", "verify", "dump", "serve") or not rest:
        sys.exit(__doc__)
    try:
        index = opened(rest[0])
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
