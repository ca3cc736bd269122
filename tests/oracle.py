"""An independent reader of hashlith indexes, written from spec.md alone.

It favours plainness over speed: each rule of the specification is one visible line. It shares no code with the Rust
crates, so that agreement of the two means something. Needs Python 3.9 and the PyPI package `xxhash`.

oracle_check.py verifies indexes, oracle_set.py reads sets, and oracle_command.py is a command line for all of it.
"""
import mmap
import struct
from collections import namedtuple

import xxhash

from oracle_base import Corrupt, align, ceil_div, number_at, refuse, refuse_nonzero
from oracle_tokens import string, tables

MASK = 2**64 - 1
MAGIC = b"\x89HLITH\r\n"
A, B, G = 0x5851F42D4C957F2D, 0x517CC1B727220A95, 0x9E3779B97F4A7C15
CHUNK = 65536
PAGE = 4096
HUGE = 2 << 20
CELL = 128
BODY = 20  # where the body of a cell begins
POOL, HOT, FAR, TABLES, METADATA, EXTENSION, SUMS = range(7)
SECTION_NAMES = ("pool", "hot section", "far section", "tables", "metadata", "extension", "sums")
BYTES, TEXT, JSON = range(3)
XXH3, SIPHASH = 1, 2

# Section 3: the named fields of the header, bytes 8..208.
HEADER = struct.Struct("<II QQ QQ QQ II BBBB BBH 14Q QQ")
Header = namedtuple("Header", "version zero1 required ignorable length keys cells seed part parts hash_id key_type "
                              "value_type fp key_tables value_tables zero2 sections sums_digest second_seed")
# Section 5: a cell. `at` and `pool` are offsets in the file; `far` is the place of a far body in its section, or None.
Cell = namedtuple("Cell", "number at first pool n width try_ salt mean far")
# Section 4: a record and where it ends. `minimal`: no length has a byte too many. `padded`: the bits after its codes are zero.
Record = namedtuple("Record", "key value end minimal padded")


# Conventions ----------------------------------------------------------------------------------------------------------

def mulhi(a, b):
    return a * b >> 64


def mullo(a, b):
    return a * b & MASK


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
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

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
    return mulhi(mullo(x ^ mullo(B, pilot + 1), G), n)


def is_utf8(data):
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


class Index:
    """An open index. Opening checks R1 to R14 and R18, and every answer R15 to R17 and R19."""

    def __init__(self, source):
        """`source`: the bytes of an index, or its path."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            with open(source, "rb") as file:
                empty = not file.read(1)
                source = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(source)
        self._open_header()
        self._open_sections()
        # Of keys and of values; none if they are stored as they are.
        self.tables = tables(self.data, self.header.sections[TABLES], (self.header.key_tables, self.header.value_tables))

    # Opening: R1 to R14, in this order --------------------------------------------------------------------------------

    def _open_header(self):
        data = self.data
        refuse(len(data) < PAGE, "R1", len(data), "shorter than a header")
        refuse(data[:8] != MAGIC, "R2", 0, "wrong magic")
        fields = HEADER.unpack_from(data, 8)
        table = list(zip(fields[17:31:2], fields[18:31:2]))
        h = self.header = Header(*fields[:17], table, *fields[31:])
        refuse(h.version != 1, "R3", 8, f"version {h.version}")
        refuse(xxh64(data[:4088]) != number_at(data, 4088, 8), "R4", 4088, "wrong header digest")
        refuse(h.required, "R5", 16, "unknown required feature")
        for first, end in (12, 16), (78, 80), (208 if h.hash_id == SIPHASH else 200, 4088):
            refuse_nonzero(data, first, end, "R6", "reserved byte is not zero")
        refuse(len(data) != h.length, "R7", 32, f"{len(data)} bytes instead of {h.length}")
        refuse(h.cells == 0, "R8", 48, "no cells")
        refuse(h.keys >= 2**48, "R8", 40, "too many keys")
        refuse(h.part >= h.parts or h.parts > 65_536, "R9", 64, f"part {h.part} of {h.parts}")
        refuse(h.hash_id not in (XXH3, SIPHASH), "R10", 72, "unknown hash")
        refuse(h.key_type > TEXT, "R11", 73, "unknown key type")
        refuse(h.value_type > JSON, "R11", 74, "unknown value type")
        refuse(not 1 <= h.fp <= 16, "R12", 75, f"{h.fp} fingerprint bits")
        refuse(h.key_tables > 4, "R12", 76, f"{h.key_tables} tables of the keys")
        refuse(h.value_tables > 4, "R12", 77, f"{h.value_tables} tables of the values")

    def _open_sections(self):
        table, end = self.header.sections, PAGE
        refuse(table[HOT][1] != CELL * self.header.cells, "R13", 96, "wrong length of the hot section")
        refuse(table[POOL][1] >= 2**48, "R13", 80, "pool of 2^48 bytes or more")
        refuse(table[METADATA][1] > 1 << 20, "R13", 144, "metadata above 1 MiB")
        for row, (offset, length) in enumerate(table):
            unit = HUGE if row == HOT and length >= 4 * HUGE else PAGE
            refuse(offset != align(end, unit), "R14", 80 + 16 * row, f"{SECTION_NAMES[row]} is not in its place")
            end = offset + length
        sums_length = 8 * ceil_div(table[SUMS][0] - PAGE, CHUNK)
        refuse(table[SUMS][1] != sums_length or end != len(self.data), "R14", 176, "wrong length of the sums")

    # Parts of the file ------------------------------------------------------------------------------------------------

    def section(self, row):
        offset, length = self.header.sections[row]
        return self.data[offset:offset + length]

    def entry_bits(self, b):
        """`W` of a cell, section 5."""
        return self.header.fp + b.width

    def cell(self, number):
        """Cell `number` (section 5)."""
        at = self.header.sections[HOT][0] + CELL * number
        cell = self.data[at:at + CELL]
        far = number_at(cell, 20, 6) if cell[13] & 128 else None
        return Cell(number, at, number_at(cell, 0, 6), self.header.sections[POOL][0] + number_at(cell, 6, 6), cell[12],
                    cell[13] & 127, cell[14] & 15, cell[14] >> 4, number_at(cell, 16, 4), far)

    def cells(self):
        return map(self.cell, range(self.header.cells))

    def body_length(self, b):
        return body_length(b.n, self.entry_bits(b))

    def check_cell(self, b):
        """R15."""
        refuse(self.entry_bits(b) > 57, "R15", b.at, f"entries of {self.entry_bits(b)} bits")
        if b.far is None:
            refuse(self.body_length(b) > CELL - BODY, "R15", b.at, "the body leaves its cell")
        elif b.n:  # an empty body may lie anywhere
            end = self.header.sections[FAR][1]
            refuse(b.far + self.body_length(b) > end, "R15", b.at, "the body leaves the far section")

    def pilots_at(self, b):
        """Where the body of a cell begins, which is with its pilots."""
        return b.at + BODY if b.far is None else self.header.sections[FAR][0] + b.far

    def entry_at(self, b, slot):
        """Where the 8 bytes of a slot entry are."""
        return self.pilots_at(b) + bucket_count(b.n) + slot * self.entry_bits(b) // 8

    def slot_entry(self, b, slot):
        """Fingerprint and place (in the file) of a slot, section 6."""
        w, fp = self.entry_bits(b), self.header.fp
        entry = number_at(self.data, self.entry_at(b, slot), 8) >> slot * w % 8 & (1 << w) - 1
        delta = entry >> fp
        if b.width and delta >> b.width - 1:
            delta -= 1 << b.width
        return entry & (1 << fp) - 1, b.pool + slot * b.mean // 256 + delta

    def _varint(self, at, end, record):
        """The number at `at`, where it ends, and whether it has the fewest bytes."""
        value = 0
        for i in range(10):
            refuse(at + i >= end, "R16", record, "a length leaves the pool")
            byte = self.data[at + i]
            value |= (byte & 127) << 7 * i
            if byte < 128:
                refuse(value > MASK, "R16", record, "a length above 2^64 - 1")
                return value, at + i + 1, byte != 0 or i == 0
        raise Corrupt("R16", record, "a length of more than ten bytes")

    def record(self, at, led_by):
        """The Record at `at`: R16, R19. The bytes at `led_by` say that it is there."""
        pool, length = self.header.sections[POOL]
        end = pool + length
        refuse(not pool <= at < end, "R16", led_by, "the record begins outside the pool")
        p, lengths, minimal = at, [], True
        for side in self.tables:
            if not side:
                number, p, fewest = self._varint(p, end, at)
                minimal = minimal and fewest
                lengths.append(number)
        if not any(self.tables):
            refuse(p + sum(lengths) > end, "R16", at, "the record leaves the pool")
        bit, fields, padding = 8 * p, [], 0
        for side in self.tables:
            if side:
                field, bit = string(self.data, bit, end, side, fields[0] if fields else None, at)
            else:
                p, size = ceil_div(bit, 8), lengths.pop(0)
                padding = padding or self._unused(bit)
                refuse(p + size > end, "R16", at, "the record leaves the pool")
                field, bit = bytes(self.data[p:p + size]), 8 * (p + size)
            fields.append(field)
        return Record(*fields, ceil_div(bit, 8), minimal, not (padding or self._unused(bit)))

    def _unused(self, bit):
        """The bits of a byte from bit `bit` on; 0 at the beginning of a byte."""
        return self.data[bit // 8] >> bit % 8 if bit % 8 else 0

    def record_of(self, b, slot):
        return self.record(self.slot_entry(b, slot)[1], self.entry_at(b, slot))

    # Lookup -----------------------------------------------------------------------------------------------------------

    def hash(self, key, salt=0):
        """`hi` and `lo` of a key."""
        h = self.header
        return hash_key(key, h.seed + salt, h.second_seed if h.hash_id == SIPHASH else None)

    def cell_number(self, hi):
        """Steps 2 and 3 of section 7: the number of the cell, or None for a key of another part."""
        parts = self.header.parts
        return mulhi(mullo(hi, parts), self.header.cells) if mulhi(hi, parts) == self.header.part else None

    def slot(self, b, key, lo):
        """Steps 4 to 6 of section 7."""
        x = tried(self.hash(key, b.salt)[1] if b.salt else lo, b.try_)
        return slot_of(x, self.data[self.pilots_at(b) + bucket_of(x, b.n)], b.n)

    def lookup(self, key):
        """Dense id and value of a key, or None: all of section 7."""
        hi, lo = self.hash(key)
        number = self.cell_number(hi)
        if number is None:
            return None
        b = self.cell(number)
        self.check_cell(b)
        if b.n == 0:
            return None
        slot = self.slot(b, key, lo)
        if self.slot_entry(b, slot)[0] != hi & (1 << self.header.fp) - 1:
            return None
        record = self.record_of(b, slot)
        return (b.first + slot, record.value) if record.key == key else None

    def get(self, key):
        """The value of `key`, or None."""
        found = self.lookup(key)
        return found and found[1]

    def id(self, key):
        """The dense id of `key`, or None."""
        found = self.lookup(key)
        return found and found[0]

    def _by_id(self, number):
        """The record of a dense id: in the last cell whose first id is at most that id."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        low, high = 0, self.header.cells
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.cell(middle).first <= number else (low, middle)
        b = self.cell(low)
        self.check_cell(b)
        refuse(not b.first <= number < b.first + b.n, "R15", b.at, f"the cell does not have id {number}")
        return self.record_of(b, number - b.first)

    def by_id(self, number):
        """Key and value of a dense id."""
        return self._by_id(number)[:2]

    def text(self, number):
        """Key and value of a dense id as text (R17); bytes of a key that are not UTF-8 become surrogates."""
        key, value, end, *_ = self._by_id(number)
        refuse(not is_utf8(value), "R17", end - len(value), "not UTF-8")
        return str(key, "utf-8", "surrogateescape"), str(value, "utf-8")

    def items(self):
        """All keys and values in the order of their ids: the pool from front to back."""
        at, length = self.header.sections[POOL]
        end = at + length
        for _ in range(len(self)):
            key, value, at, *_ = self.record(at, at)
            yield key, value
        refuse(at != end, "V4", at, "bytes after the last record")

    def __len__(self):
        return self.header.keys

    @property
    def metadata(self):
        return bytes(self.section(METADATA))
