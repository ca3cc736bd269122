"""The header of an index and where its sections must be, sections 3 and 4 of spec.md: R1 to R14."""
import struct
from collections import namedtuple

from oracle_base import align, ceil_div, number_at, refuse, refuse_nonzero
from oracle_hash import xxh64

MAGIC = b"\x89HLITH\r\n"
CHUNK = 65536
PAGE = 4096
HUGE = 2 << 20
CELL = 128
VALUES, POOL, HOT, FAR, TABLES, METADATA, EXTENSION, SUMS = range(8)
SECTION_NAMES = ("values", "pool", "hot section", "far section", "tables", "metadata", "extension", "sums")
SHARED = 1  # required feature
MOST_SHARED = 4096
BYTES, TEXT = range(2)  # keys and values
INTEGERS, LEFT_OUT = 2, 3  # keys
JSON, NONE, NUMBERS = 2, 3, 4  # values
NUMBER_SIZES = 0, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8
XXH3, SIPHASH = 1, 2

# Section 3: the named fields of the header, bytes 8..228.
HEADER = struct.Struct("<II QQ QQ QQ II BBBB BBBB 16Q QQ I")
FIELDS = ("version zero1 required ignorable length keys cells seed part parts hash_id key_type value_type fp "
          "key_tables value_tables key_width number sections sums_digest second_seed dimension")


class Header(namedtuple("Header", FIELDS)):
    @property
    def value_size(self):
        """The bytes of a value in the values section; 0 if values are not there."""
        return NUMBER_SIZES[self.number] * max(self.dimension, 1)

    @property
    def has_key_lengths(self):
        """Whether plain keys have their lengths in front of them."""
        return self.key_type in (BYTES, TEXT)

    @property
    def has_values(self):
        """Whether values lie in the records."""
        return self.value_type in (BYTES, TEXT, JSON)

    @property
    def shared(self):
        """Whether keys share records."""
        return self.required & SHARED

    @property
    def no_records(self):
        """Whether records have no bytes."""
        return self.key_type == LEFT_OUT and self.key_width == 0 and not self.has_values


def open_header(data):
    """The header of the file `data`: R1 to R14, in this order."""
    refuse(len(data) < PAGE, "R1", len(data), "shorter than a header")
    refuse(data[:8] != MAGIC, "R2", 0, "wrong magic")
    fields = HEADER.unpack_from(data, 8)
    h = Header(*fields[:18], list(zip(fields[18:34:2], fields[19:34:2])), *fields[34:])
    refuse(h.version != 1, "R3", 8, f"version {h.version}")
    refuse(xxh64(data[:4088]) != number_at(data, 4088, 8), "R4", 4088, "wrong header digest")
    refuse(h.required & ~SHARED, "R5", 16, "unknown required feature")
    for first, end in (12, 16), (216, 216 if h.hash_id == SIPHASH else 224), (228, 4088):
        refuse_nonzero(data, first, end, "R6", "reserved byte is not zero")
    refuse(len(data) != h.length, "R7", 32, f"{len(data)} bytes instead of {h.length}")
    refuse(h.cells == 0, "R8", 48, "no cells")
    refuse(h.keys >= 2**48 or h.keys > 255 * h.cells, "R8", 40, "too many keys")
    refuse(h.part >= h.parts or h.parts > 65_536, "R9", 64, f"part {h.part} of {h.parts}")
    refuse(h.hash_id not in (XXH3, SIPHASH), "R10", 72, "unknown hash")
    check_types(h)
    check_sections(h, len(data))
    return h


def check_types(h):
    """R11 and R12."""
    refuse(h.key_type > LEFT_OUT, "R11", 73, "unknown key type")
    refuse(h.value_type > NUMBERS, "R11", 74, "unknown value type")
    if h.value_type == NUMBERS:
        refuse(not 1 <= h.number < len(NUMBER_SIZES), "R11", 79, "unknown number")
    else:
        refuse(h.number, "R11", 79, "a number, but values are none")
        refuse(h.dimension, "R11", 224, "a dimension, but values are no numbers")
    refuse(not 1 <= h.fp <= (32 if h.key_type == LEFT_OUT else 16), "R12", 75, f"{h.fp} fingerprint bits")
    refuse(h.key_tables > (4 if h.has_key_lengths else 0), "R12", 76, f"{h.key_tables} tables of the keys")
    refuse(h.value_tables > (4 if h.has_values else 0), "R12", 77, f"{h.value_tables} tables of the values")
    least, most = {INTEGERS: (1, 8), LEFT_OUT: (0, 8)}.get(h.key_type, (0, 0))
    refuse(not least <= h.key_width <= most, "R12", 78, f"keys of {h.key_width} bytes")
    refuse(h.shared and not (h.key_type == LEFT_OUT and h.key_width == 0 and h.has_values), "R12", 16, "nothing to share")


def check_sections(h, file_length):
    """R13 and R14."""
    table, end = h.sections, PAGE
    refuse(table[VALUES][1] != h.keys * h.value_size, "R13", 80, "wrong length of the values")
    refuse(table[HOT][1] != CELL * h.cells, "R13", 112, "wrong length of the hot section")
    refuse(table[POOL][1] >= (MOST_SHARED + 1 if h.shared else 2**48), "R13", 96, "the pool is too long")
    refuse(table[METADATA][1] > 1 << 20, "R13", 160, "metadata above 1 MiB")
    for row, (offset, length) in enumerate(table):
        unit = HUGE if row == HOT and length >= 16 * HUGE else PAGE
        refuse(offset != align(end, unit), "R14", 80 + 16 * row, f"{SECTION_NAMES[row]} is not in its place")
        end = offset + length
    sums_length = 8 * ceil_div(table[SUMS][0] - PAGE, CHUNK)
    refuse(table[SUMS][1] != sums_length or end != file_length, "R14", 192, "wrong length of the sums")
