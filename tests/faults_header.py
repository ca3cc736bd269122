"""Faults in the header of an index alone: R1 to R14, for every type of keys and values."""
import struct

import oracle
from faults_base import patch, u64
from oracle import CELL, HOT, INTEGERS, LEFT_OUT, METADATA, NUMBERS, PAGE, POOL, SECTION_NAMES, SUMS, VALUES


def header_faults(data):
    yield from field_faults(data)
    yield from type_faults(data)
    yield from table_faults(data)


def field_faults(data):
    """R1 to R10."""
    h = oracle.Index(data).header
    for length in 0, 1, 8, 4095:
        yield f"{length} bytes", "R1", length, data[:length]
    yield "text transfer", "R2", 0, data[:6] + data[7:]
    for at in range(8):
        yield f"magic {at}", "R2", 0, patch(data, at, b"\0")
    for version in 0, 2, 2**31:
        yield f"version {version}", "R3", 8, patch(data, 8, struct.pack("<I", version))
    yield "header digest", "R4", 4088, patch(data, 4088, u64(0), header=False)
    yield "header byte", "R4", 4088, patch(data, 56, u64(h.seed + 1), header=False)
    for bit in 1, 31, 63:
        yield f"required feature {bit}", "R5", 16, patch(data, 16, u64(1 << bit))
    for at in 12, 15, *(() if h.hash_id == oracle.SIPHASH else (216, 223)), 228, 231, 2048, 4080, 4087:
        yield f"reserved {at}", "R6", at, patch(data, at, b"\x80")
    yield "two reserved", "R6", 15, patch(patch(data, 228, b"\1"), 15, b"\1")
    yield "one byte more", "R7", 32, data + b"\0"
    yield "one byte less", "R7", 32, data[:-1]
    yield "cut after the header", "R7", 32, data[:PAGE]
    for length in 0, h.length + 1, 2**64 - 1:
        yield f"length {length}", "R7", 32, patch(data, 32, u64(length))
    yield "no cells", "R8", 48, patch(data, 48, u64(0))
    yield "no cells, many keys", "R8", 48, patch(data, 40, u64(2**48) + u64(0))
    for keys in 2**48, 2**64 - 1, 255 * h.cells + 1:
        yield f"{keys} keys", "R8", 40, patch(data, 40, u64(keys))
    for part, parts in (1, 1), (0, 0), (5, 5), (2**32 - 1, 0), (0, 65_537), (9, 2**32 - 1):
        yield f"part {part} of {parts}", "R9", 64, patch(data, 64, struct.pack("<II", part, parts))
    for number in 0, 3, 255:
        # Other hashes have no second seed.
        yield f"byte 72 is {number}", "R10", 72, patch(patch(data, 216, u64(0)), 72, bytes([number]))


def type_faults(data):
    """R11 and R12."""
    h = oracle.Index(data).header
    most_bits = 32 if h.key_type == LEFT_OUT else 16
    most_width = 8 if h.key_type in (INTEGERS, LEFT_OUT) else 0
    wrong = [(73, "R11", (4, 255)), (74, "R11", (5, 255)),
             (79, "R11", (0, 12, 255) if h.value_type == NUMBERS else (1, 11, 255)),
             *((at, "R11", (1, 255)) for at in (range(224, 228) if h.value_type != NUMBERS else ())),
             (75, "R12", (0, most_bits + 1, 255)), (76, "R12", (5, 255) if h.has_key_lengths else (1, 4, 255)),
             (77, "R12", (5, 255) if h.has_values else (1, 4, 255)),
             (78, "R12", (*([0] if h.key_type == INTEGERS else []), most_width + 1, 255))]
    for at, rule, numbers in wrong:
        for number in numbers:
            yield f"byte {at} is {number}", rule, min(at, 224), patch(data, at, bytes([number]))
    # Of two faults the one that is looked at first.
    for (first, rule, numbers), (second, _, others) in zip(wrong, wrong[1:]):
        yield f"bytes {first} and {second}", rule, min(first, 224), \
            patch(patch(data, first, bytes(numbers[-1:])), second, bytes(others[-1:]))
    if not h.has_key_lengths:
        yield "a table of keys without text, and 5 of values", "R12", 76, patch(patch(data, 76, b"\1"), 77, b"\5")
    if not h.shared and (h.key_type != LEFT_OUT or h.key_width or not h.has_values):
        yield "shared records that hold keys, or nothing", "R12", 16, patch(data, 16, b"\1")
        yield "a width, and shared records", "R12", 78, patch(patch(data, 78, b"\xff"), 16, b"\1")
    if h.shared:
        yield "shared records of a byte of hash", "R12", 16, patch(data, 78, b"\1")
    if h.has_key_lengths and not h.key_tables:
        yield "integers without a width", "R12", 78, patch(data, 73, bytes([INTEGERS]))
    if h.value_type != NUMBERS and not h.value_tables:
        yield "numbers of no type", "R11", 79, patch(data, 74, bytes([NUMBERS]))
    if h.value_type == NUMBERS:
        yield "bytes with a type of numbers", "R11", 79, patch(data, 74, b"\0")
        yield "bytes with a dimension", "R11", 224, patch(patch(patch(data, 74, b"\0"), 79, b"\0"), 224, b"\1")


def table_faults(data):
    """R13 and R14, in the section table."""
    index = oracle.Index(data)
    h, table = index.header, index.header.sections
    seal = {"sums": False, "sums_digest": False}  # the table no longer leads to them
    for row, (offset, length) in enumerate(table):
        at, name = 80 + 16 * row, SECTION_NAMES[row]
        for wrong in offset + 1, offset + 4096, offset - 4096, 0, 2**64 - 4096:
            yield f"{name} at {wrong}", "R14", at, patch(data, at, u64(wrong), **seal)
        if row < SUMS:
            for wrong in length + 2 * PAGE, 2**64 - 1, 2**64 - offset, 2**64 - 4096:
                rule, first = ("R14", at + 16)
                if row in (VALUES, HOT) or row == METADATA and wrong > 1 << 20 or row == POOL and wrong >= (oracle.MOST_SHARED + 1 if h.shared else 2**48):
                    rule, first = "R13", at
                yield f"{name} of {wrong} bytes", rule, first, patch(data, at + 8, u64(wrong), **seal)
        else:
            for wrong in length + 8, length - 8, 0, 2**64 - offset, 2**64 - 8:
                yield f"{name} of {wrong} bytes", "R14", at, patch(data, at + 8, u64(wrong), **seal)
    yield from length_faults(data, h, table, seal)
    longer = patch(data + bytes(8), 32, u64(h.length + 8), header=False)
    yield "a sum too many", "R14", 192, patch(longer, 200, u64(table[SUMS][1] + 8))
    shorter = patch(data[:-8], 32, u64(h.length - 8), **seal)
    yield "a sum too few", "R14", 192, patch(shorter, 200, u64(table[SUMS][1] - 8), **seal)


def length_faults(data, h, table, seal):
    """R13."""
    for cells in h.cells + 1, 2**57, 2**64 - 1, h.cells + 2**57:  # 128 * C does not wrap
        yield f"{cells} cells", "R13", 112, patch(data, 48, u64(cells))
    for wrong in table[HOT][1] + 1, table[HOT][1] - CELL:
        yield f"hot section of {wrong} bytes", "R13", 112, patch(data, 120, u64(wrong))
    for wrong in {table[VALUES][1] + 1, table[VALUES][1] - 1, table[VALUES][1] + h.value_size} - {-1, table[VALUES][1]}:
        yield f"values of {wrong} bytes", "R13", 80, patch(data, 88, u64(wrong), **seal)
    most = oracle.MOST_SHARED if h.shared else 2**48 - 1
    for wrong, rule, first in (most + 1, "R13", 96), *([] if h.shared else [(most, "R14", 112)]):
        yield f"pool of {wrong} bytes", rule, first, patch(data, 104, u64(wrong))
    three = patch(patch(patch(data, 104, u64(2**48), **seal), 120, u64(1), **seal), 168, u64(2**20 + 1), **seal)
    yield "hot section, pool and metadata", "R13", 112, three
    yield "all of R13", "R13", 80, patch(three, 88, u64(table[VALUES][1] + 1), **seal)
    yield "pool and metadata too long", "R13", 96, \
        patch(patch(data, 104, u64(2**48), **seal), 168, u64(2**20 + 1), **seal)
    if h.value_type == NUMBERS:
        # As 64 bits, the product would be right.
        for keys, dimension in ((2**30, 2**31), (2**47, 2**17), (2**45, 2**19)):
            wraps = patch(data, 40, u64(keys) + u64(2**48), **seal)
            wraps = patch(patch(wraps, 79, b"\4", **seal), 224, struct.pack("<I", dimension), **seal)
            yield f"{keys} values of 8 * {dimension} bytes", "R13", 80, patch(wraps, 88, u64(0), **seal)
        for keys in h.keys + 1, h.keys - 1, 255 * h.cells:
            yield f"{keys % 2**48} keys and not as many values", "R13", 80, patch(data, 40, u64(keys % 2**48), **seal)
        for dimension in {h.dimension + 2, 2**32 - 1}:
            if h.keys:
                yield f"dimension {dimension}", "R13", 80, patch(data, 224, struct.pack("<I", dimension), **seal)
