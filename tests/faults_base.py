"""What the files of faults share: ways to change an index and seal it again."""
import struct
from dataclasses import replace

import oracle
from craft import File, reseal


def patch(data, at, new, **seal):
    """`data` with the bytes at `at` replaced, sealed again."""
    data = bytearray(data)
    data[at:at + len(new)] = new
    return reseal(data, **seal)


def flip(data, base, bit):
    at = base + bit // 8
    return patch(data, at, bytes([data[at] ^ 1 << bit % 8]))


def u64(number):
    return struct.pack("<Q", number & oracle.MASK)


def put(items, i, new):
    """`items` with another one in place `i`."""
    return items[:i] + [new] + items[i + 1:]


def record_at(data, number, slot):
    """The place in the file of the record of a slot."""
    index = oracle.Index(data)
    return index.slot_entry(index.cell(number), slot)[1]


def again(file, number, seal=None, **changes):
    """The file with changes to a cell. The layout that is not given is computed again."""
    cells = list(file.cells)
    cells[number] = replace(cells[number], **{"mean": None, "width": None, **changes})
    rest = dict(metadata=file.metadata, extension=file.extension, tables=file.tables)
    return File(cells, **rest, **file.header).seal(**seal or {})
