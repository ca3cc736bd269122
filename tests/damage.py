"""Damages index files at random, in places and with values that get far, and seals them again."""
import craft
from oracle import CELL, FAR, HEADER, HOT, METADATA, PAGE, POOL, SUMS, TABLES, VALUES

LARGE = 127, 128, 255, 256, 4095, 4096, 2**16, 2**20 - 1, 2**20, 2**31, 2**32 - 1
HUGE = 2**32, 2**47, 2**48 - 1, 2**48, 2**57, 2**63 - 1, 2**63, 2**64 - 4096, 2**64 - 1
NEAR = -4096, -128, -16, -9, -8, -3, -2, -1, 1, 2, 3, 8, 9, 16, 17, 128, 4096
VARINTS = b"\xff" * 9 + b"\1", b"\xff" * 9 + b"\2", b"\x80" * 10, b"\x80\0", b"\x80" * 9 + b"\0", bytes(8), b"\xff" * 8
# Fields of the header, and of a cell: place and bytes.
FIELDS = [*((at, 8) for at in (16, 24, 32, 40, 48, 56, 216, *range(80, 208, 8))), (12, 4), (64, 4), (68, 4), (224, 4),
          *((at, 1) for at in range(72, 80))]
CELL_FIELDS = (0, 6), (6, 6), (6, 6), (20, 6), (16, 4), (12, 1), (13, 1), (14, 1)


def damaged(data, rng):
    """`data` with one to four damages, sealed again if its header still says how."""
    data, sections = bytearray(data), section_table(data)
    for _ in range(rng.randrange(1, 5)):
        kind = rng.choices([flip, put_byte, put_word, put_field, put_length, put_varint, move, cut],
                           [30, 22, 10, 8, 8, 8, 10, 3])[0]
        kind(data, place(sections, len(data), rng), sections, rng)
        if len(data) < PAGE:
            return bytes(data)
    return sealed(data, rng)


def section_table(data):
    """Offset and length of each section; of a file whose table is at fault, something else."""
    table = HEADER.unpack_from(data, 8)[18:34]
    found = list(zip(table[::2], table[1::2]))
    whole = all(offset + length <= len(data) for offset, length in found)
    return found if whole else [(PAGE, max(len(data) - PAGE, CELL))] * len(found)


def place(sections, size, rng):
    """Somewhere in a file: mostly in cells, records and tables, often at their beginning or end."""
    chosen, row = rng.random(), rng.choice([POOL] * 5 + [TABLES] * 5 + [FAR] * 3 + [VALUES, METADATA, SUMS])
    at, length = sections[row]
    if chosen < 0.05:
        at = rng.randrange(232)
    elif chosen < 0.35 or not length:
        at = cell(sections, rng) + rng.choice([6, 12, 13, 14, 15, 20, rng.randrange(26), rng.randrange(CELL)])
    else:
        at += rng.choice([rng.randrange(length + 1), rng.randrange(min(length, 40) + 1), length - 1 - rng.randrange(min(length, 4))])
    return min(at, size - 1)


def cell(sections, rng):
    offset, length = sections[HOT]
    return offset + CELL * rng.randrange(max(length // CELL, 1))


def flip(data, at, _, rng):
    data[at] ^= 1 << rng.randrange(8)


def put_byte(data, at, _, rng):
    data[at] = rng.choice([0, 255, 1, 127, 128, 16, 32, 48, data[at] + 1 & 255, data[at] - 1 & 255, rng.randrange(256)])


def put_number(data, at, size, rng):
    """Another number in a field."""
    at = min(at, len(data) - size)
    old = int.from_bytes(data[at:at + size], "little")
    new = rng.choice([old + rng.choice(NEAR), rng.choice(LARGE), rng.choice(HUGE), rng.randrange(6), old ^ 1 << rng.randrange(8 * size)])
    data[at:at + size] = (new % 256**size).to_bytes(size, "little")


def put_word(data, at, _, rng):
    put_number(data, at, rng.choice([4, 8]), rng)


def put_field(data, _, sections, rng):
    at, size = rng.choice(FIELDS) if rng.random() < 0.5 else rng.choice(CELL_FIELDS)
    put_number(data, at if (at, size) in FIELDS else cell(sections, rng) + at, size, rng)


def put_length(data, _, sections, rng):
    """A section a little longer or shorter."""
    at = 88 + 16 * rng.choice([POOL, POOL, FAR, TABLES, METADATA, METADATA + 1, VALUES])
    length = int.from_bytes(data[at:at + 8], "little") + rng.choice(NEAR[2:-2])
    data[at:at + 8] = (length % 2**64).to_bytes(8, "little")


def put_varint(data, at, _, rng):
    new = rng.choice([*VARINTS, rng.randbytes(rng.randrange(1, 12))])[:len(data) - at]
    data[at:at + len(new)] = new


def move(data, at, sections, rng):
    """A span is copied, or exchanged with another one."""
    to = place(sections, len(data), rng)
    size = rng.choice([1, 2, 4, 6, 8, 16, 20, 108, CELL, rng.randrange(1, 300)])
    if size == CELL:
        at, to = cell(sections, rng), cell(sections, rng)
    size = min(size, len(data) - max(at, to))
    from_, over = bytes(data[at:at + size]), bytes(data[to:to + size])
    data[to:to + size] = from_
    if rng.random() < 0.5 and abs(at - to) >= size:
        data[at:at + size] = over


def cut(data, _, __, rng):
    """Cut off, perhaps padded again, or longer; perhaps the header says so."""
    size = len(data)
    if rng.random() < 0.5:
        del data[rng.choice([rng.randrange(size), size - rng.randrange(1, 17)]):]
        data += bytes(rng.choice([0, size - len(data)]))
    else:
        data += rng.randbytes(rng.choice([1, 8, PAGE]))
    if rng.random() < 0.4 and len(data) >= PAGE:
        data[32:40] = len(data).to_bytes(8, "little")


def sealed(data, rng):
    """Sealed again; seldom not all of it."""
    (offset, length), some = section_table(data)[SUMS], rng.random()
    has_sums = HEADER.unpack_from(data, 8)[32:34] == (offset, length)
    return craft.reseal(data, has_sums and some > 0.02, has_sums and some > 0.01, not 0.02 < some < 0.03)
