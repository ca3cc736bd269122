"""An independent reader of hashlith indexes, written from spec.md alone.

It favours plainness over speed: each rule of the specification is one visible line. It shares no code with the Rust
crates, so that agreement of the two means something. Needs Python 3.9 and the PyPI package `xxhash`.

oracle_header.py opens files, oracle_hash.py has the hashes; their names are names of this module too. oracle_check.py
verifies indexes, oracle_set.py reads sets, and oracle_command.py is a command line for all of it.
"""
import mmap
from collections import namedtuple

from oracle_base import Corrupt, align, ceil_div, number_at, refuse, refuse_nonzero
from oracle_hash import MASK, body_length, bucket_count, bucket_of, hash_key, mulhi, mullo, slot_of, tried, xxh64
from oracle_header import BYTES, CELL, CHUNK, EXTENSION, FAR, HEADER, HOT, HUGE, INTEGERS, JSON, LEFT_OUT, MAGIC, \
    METADATA, MOST_SHARED, NONE, NUMBER_SIZES, NUMBERS, PAGE, POOL, SECTION_NAMES, SHARED, SIPHASH, SUMS, TABLES, TEXT, VALUES, XXH3, \
    Header, open_header
from oracle_tokens import string, tables

BODY = 20  # where the body of a cell begins

# Section 5: a cell. `at` and `pool` are offsets in the file; `far` is the place of a far body in its section, or None.
Cell = namedtuple("Cell", "number at first pool n width try_ salt mean far")
# Section 4: a record and where it ends. `key`: as it is hashed; the bytes of `lo` if keys are left out. `value`: empty
# if it is not in the record. `minimal`: no length has a byte too many. `padded`: the bits after its codes are zero.
Record = namedtuple("Record", "key value end minimal padded")


def integer(key):
    """An integer key as it is hashed; or `key`, which is bytes then."""
    return key.to_bytes(8, "little", signed=True) if isinstance(key, int) else key


def is_utf8(data):
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


class Index:
    """An open index. Opening checks R1 to R14 and R18, and every answer R15 to R17, R19 and R20.

    An integer key is given as a number or as the 8 bytes that are hashed, and returned as these. A key that is left out
    is returned as None. A value is its bytes; those of key sets are empty.
    """

    def __init__(self, source):
        """`source`: the bytes of an index, or its path."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            with open(source, "rb") as file:
                empty = not file.read(1)
                source = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(source)
        self.header = open_header(self.data)
        # Of keys and of values; none if they are stored as they are.
        self.tables = tables(self.data, self.header.sections[TABLES], (self.header.key_tables, self.header.value_tables))

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

    def record(self, at, led_by, wanted=None):
        """The Record at `at`: R16, R19. The bytes at `led_by` say that it is there. Of one with another key than `wanted`,
        only the key."""
        h, (pool, length) = self.header, self.header.sections[POOL]
        end = pool + length
        if h.no_records:  # whatever the place
            return Record(b"", b"", at, True, True)
        refuse(not pool <= at < end, "R16", led_by, "the record begins outside the pool")
        # The lengths of key and value; None if they are coded.
        p, lengths, minimal = at, [None if h.has_key_lengths else h.key_width, None if h.has_values else 0], True
        for i, side in enumerate(self.tables):
            if not side and lengths[i] is None:
                lengths[i], p, fewest = self._varint(p, end, at)
                minimal = minimal and fewest
        if h.has_key_lengths and None not in lengths:
            refuse(p + sum(lengths) > end, "R16", at, "the record leaves the pool")
        bit, fields, padding = 8 * p, [], 0
        for side, length in zip(self.tables, lengths):
            if side:
                key = fields[0] if fields and h.has_key_lengths else None
                field, bit = string(self.data, bit, end, side, key, at)
            else:
                padding, p = padding or self._unused(bit), ceil_div(bit, 8)
                refuse(p + length > end, "R16", at, "the record leaves the pool")
                field, bit = bytes(self.data[p:p + length]), 8 * (p + length)
            if not fields and h.key_type == INTEGERS:
                field = integer(int.from_bytes(field, "little", signed=True))
            fields.append(field)
            if len(fields) == 1 and wanted not in (None, field):
                return Record(field, None, None, None, None)
        return Record(*fields, ceil_div(bit, 8), minimal, not (padding or self._unused(bit)))

    def _unused(self, bit):
        """The bits of a byte from bit `bit` on; 0 at the beginning of a byte."""
        return self.data[bit // 8] >> bit % 8 if bit % 8 else 0

    def record_of(self, b, slot, wanted=None):
        return self.record(self.slot_entry(b, slot)[1], self.entry_at(b, slot), wanted)

    def value(self, number):
        """The value of a dense id, of those that do not lie in records."""
        at = self.header.sections[VALUES][0] + self.header.value_size * number
        return bytes(self.data[at:at + self.header.value_size])

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
        h, key = self.header, integer(key)
        hi, lo = self.hash(key)
        number = self.cell_number(hi)
        if number is None:
            return None
        b = self.cell(number)
        self.check_cell(b)
        if b.n == 0:
            return None
        slot = self.slot(b, key, lo)
        if self.slot_entry(b, slot)[0] != hi & (1 << h.fp) - 1:
            return None
        wanted = lo.to_bytes(8, "little")[:h.key_width] if h.key_type == LEFT_OUT else key
        record, number = self.record_of(b, slot, wanted), b.first + slot
        if record.key != wanted:
            return None
        if h.value_type != NUMBERS:
            return number, record.value
        at = h.sections[POOL][0] if h.no_records else self.slot_entry(b, slot)[1]
        refuse(number >= len(self), "R20", at, f"there is no value {number}")
        return number, self.value(number)

    def get(self, key):
        """The value of `key`, or None."""
        found = self.lookup(key)
        return found and found[1]

    def id(self, key):
        """The dense id of `key`, or None."""
        found = self.lookup(key)
        return found and found[0]

    def _by_id(self, number):
        """The record of a dense id, in the last cell whose first id is at most that."""
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

    def _pair(self, number, record):
        """Key and value of a dense id with this record."""
        h = self.header
        return (None if h.key_type == LEFT_OUT else record.key,
                self.value(number) if h.value_type == NUMBERS else record.value)

    def by_id(self, number):
        """Key and value of a dense id."""
        return self._pair(number, self._by_id(number))

    def text(self, number):
        """Key and value of a dense id as text (R17); bytes of a key that are not UTF-8 become surrogates."""
        key, value, end, *_ = self._by_id(number)
        refuse(not is_utf8(value), "R17", end - len(value), "not UTF-8")
        return str(key, "utf-8", "surrogateescape"), str(value, "utf-8")

    def items(self):
        """All keys and values in the order of their ids: the pool from front to back; of shared records, slot by slot."""
        if self.header.shared:
            yield from map(self.by_id, range(len(self)))
            return
        at, length = self.header.sections[POOL]
        end = at + length
        for number in range(len(self)):
            record = self.record(at, at)
            at = record.end
            yield self._pair(number, record)
        refuse(at != end, "V4", at, "bytes after the last record")

    def __len__(self):
        return self.header.keys

    @property
    def metadata(self):
        return bytes(self.section(METADATA))
