"""Sound indexes broken in one place each, with all sums right again: what must be reported, and where.

`broken(data)` yields (label, rule, offset, bytes) for everything that can be broken in the given index. A rule "R16|V5"
means one of the two, an offset None any offset. faults_crafted.py has faults that need an index made for them.
"""
import struct
from dataclasses import replace

import oracle
from craft import File, number6, record, reseal, varint
from oracle import BODY, BYTES, CELL, FAR, HOT, JSON, METADATA, PAGE, POOL, SECTION_NAMES, SUMS, TEXT


def patch(data, at, new, **seal):
    """`data` with the bytes at `at` replaced, sealed again."""
    data = bytearray(data)
    data[at:at + len(new)] = new
    return reseal(data, **seal)


def u64(number):
    return struct.pack("<Q", number & oracle.MASK)


def header_faults(data):
    """R1 to R14, in the header alone."""
    yield from field_faults(data)
    yield from table_faults(data)


def field_faults(data):
    """R1 to R12."""
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
    for bit in 0, 31, 63:
        yield f"required feature {bit}", "R5", 16, patch(data, 16, u64(1 << bit))
    for at in 12, 15, 78, 79, *(() if h.hash_id == oracle.SIPHASH else (200, 207)), 208, 2048, 4080, 4087:
        yield f"reserved {at}", "R6", at, patch(data, at, b"\x80")
    yield "two reserved", "R6", 15, patch(patch(data, 79, b"\1"), 15, b"\1")
    yield "one byte more", "R7", 32, data + b"\0"
    yield "one byte less", "R7", 32, data[:-1]
    yield "cut after the header", "R7", 32, data[:PAGE]
    for length in 0, h.length + 1, 2**64 - 1:
        yield f"length {length}", "R7", 32, patch(data, 32, u64(length))
    yield "no cells", "R8", 48, patch(data, 48, u64(0))
    yield "no cells, many keys", "R8", 48, patch(data, 40, u64(2**48) + u64(0))
    for keys in 2**48, 2**64 - 1:
        yield f"{keys} keys", "R8", 40, patch(data, 40, u64(keys))
    for part, parts in (1, 1), (0, 0), (5, 5), (2**32 - 1, 0), (0, 65_537), (9, 2**32 - 1):
        yield f"part {part} of {parts}", "R9", 64, patch(data, 64, struct.pack("<II", part, parts))
    for at, rule, numbers in (72, "R10", (0, 3, 255)), (73, "R11", (2, 255)), (74, "R11", (3, 255)), \
            (75, "R12", (0, 17, 255)), (76, "R12", (5, 255)), (77, "R12", (5, 255)):
        for number in numbers:
            # Other hashes have no second seed.
            base = patch(data, 200, u64(0)) if at == 72 else data
            yield f"byte {at} is {number}", rule, at, patch(base, at, bytes([number]))


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
                if row == HOT or row == METADATA and wrong > 1 << 20 or row == POOL and wrong >= 2**48:
                    rule, first = "R13", at
                yield f"{name} of {wrong} bytes", rule, first, patch(data, at + 8, u64(wrong), **seal)
        else:
            for wrong in length + 8, length - 8, 0, 2**64 - offset, 2**64 - 8:
                yield f"{name} of {wrong} bytes", "R14", at, patch(data, at + 8, u64(wrong), **seal)
    for cells in h.cells + 1, 2**57, 2**64 - 1, h.cells + 2**57:  # 128 * C does not wrap
        yield f"{cells} cells", "R13", 96, patch(data, 48, u64(cells))
    for wrong in table[HOT][1] + 1, table[HOT][1] - CELL:
        yield f"hot section of {wrong} bytes", "R13", 96, patch(data, 104, u64(wrong))
    for wrong, rule, first in (2**48, "R13", 80), (2**48 - 1, "R14", 96):
        yield f"pool of {wrong} bytes", rule, first, patch(data, 88, u64(wrong))
    yield "all of R13", "R13", 96, \
        patch(patch(patch(data, 88, u64(2**48), **seal), 104, u64(1), **seal), 152, u64(2**20 + 1), **seal)
    yield "pool and metadata too long", "R13", 80, \
        patch(patch(data, 88, u64(2**48), **seal), 152, u64(2**20 + 1), **seal)
    longer = patch(data + bytes(8), 32, u64(h.length + 8), header=False)
    yield "a sum too many", "R14", 176, patch(longer, 184, u64(table[SUMS][1] + 8))
    shorter = patch(data[:-8], 32, u64(h.length - 8), **seal)
    yield "a sum too few", "R14", 176, patch(shorter, 184, u64(table[SUMS][1] - 8), **seal)


def sum_faults(data):
    """V1 to V3."""
    index = oracle.Index(data)
    table = index.header.sections
    sums = table[SUMS][0]
    for i, at in enumerate(range(PAGE, sums, oracle.CHUNK)):
        yield f"sum {i}", "V1", at, patch(data, sums + 8 * i, u64(i), sums=False)
        last = min(at + oracle.CHUNK, sums) - 1
        yield f"end of chunk {i}", "V1", at, patch(data, last, bytes([data[last] ^ 1]), sums=False)
    yield "sums digest", "V2", 192, patch(data, 192, u64(1), sums_digest=False)
    both = patch(data, sums, u64(1), sums=False, sums_digest=False)
    yield "a sum and the sums digest", "V2", 192, both
    for (offset, length), (following, _) in zip(table, table[1:]):
        for at in {offset + length, following - 1} if offset + length < following else ():
            yield f"padding {at}", "V3", at, patch(data, at, b"\x10")


def record_at(data, number, slot):
    """The place in the file of the record of a slot."""
    index = oracle.Index(data)
    return index.slot_entry(index.cell(number), slot)[1]


def put(items, i, new):
    """`items` with another one in place `i`."""
    return items[:i] + [new] + items[i + 1:]


def again(file, number, seal=None, **changes):
    """The file with changes to a cell. The layout that is not given is computed again."""
    cells = list(file.cells)
    cells[number] = replace(cells[number], **{"mean": None, "width": None, **changes})
    return File(cells, metadata=file.metadata, extension=file.extension, tables=file.tables, **file.header).seal(**seal or {})


def total_faults(data):
    """V4 and V9 of what the file says once."""
    index, file = oracle.Index(data), File.take_apart(data)
    h, far = index.header, index.header.sections[FAR][1]
    yield "a key more", "V11", 40, patch(data, 40, u64(h.keys + 1))
    if h.keys:
        yield "a key less", "V11", 40, patch(data, 40, u64(h.keys - 1))
        yield "no keys", "V11", 40, patch(data, 40, u64(0))
    if far % PAGE:
        yield "far section a byte longer", "V11", 112, patch(data, 120, u64(far + 1))
    if far % PAGE > 1:
        yield "far section a byte shorter", "V11", 112, patch(data, 120, u64(far - 1))
    for metadata in b"[]", b"{", b"null", b"{}x", b'{"a":1,}', b"{} {}", b"\xff", b'{"a":"\xff"}', b" ":
        made = File(file.cells, metadata=metadata, tables=file.tables, **file.header).seal()
        yield f"metadata {metadata}", "V9", oracle.Index(made).header.sections[METADATA][0], made
    yield "metadata of 1 MiB and a byte", "R13", 144, \
        File(file.cells, metadata=b"{" + b" " * (1 << 20) + b"}", tables=file.tables, **file.header).seal()


def chosen_cells(index):
    """Numbers of some cells with keys (the first, the last, far ones) and of some without."""
    busy = [b.number for b in index.cells() if b.n]
    far = [b.number for b in index.cells() if b.n and b.far is not None]
    empty = [b.number for b in index.cells() if not b.n]
    return sorted({*busy[:1], *busy[-1:], *far[:1], *far[-1:]}), sorted({*empty[:1], *empty[-1:]})


def cell_faults(data):
    """R15, V4 and V7 in the fields of cells, empty ones too."""
    index, file = oracle.Index(data), File.take_apart(data)
    h, fp, pool_at = index.header, index.header.fp, index.header.sections[POOL][0]
    busy, empty = chosen_cells(index)
    for number in busy + empty:
        b, where = index.cell(number), f"cell {number}: "
        for wrong in b.first + 1, 2**48 - 1:
            yield where + f"first id {wrong}", "V10", b.at, patch(data, b.at, number6(wrong, 0))
        for wrong in (b.pool - pool_at + 1, 2**48 - 1) if number else ():
            yield where + f"pool start {wrong}", "V4", b.pool, patch(data, b.at + 6, number6(wrong, 0))
    for number in empty:
        b = index.cell(number)
        for at, wrong in (13, 1), (13, 128), (14, 1), (14, 16), (15, 1), (16, 1), (19, 128), (20, 1), (127, 128):
            rule = "V10|V7" if (at, wrong) == (13, 128) else "V7"  # V10 if there is a far body before
            yield f"empty cell {number}: byte {at} is {wrong}", rule, b.at, patch(data, b.at + at, bytes([wrong]))
    for number in busy:
        b, where, w = index.cell(number), f"cell {number}: ", fp + index.cell(number).width
        if b.far is None:
            yield where + "255 keys", "R15", b.at, \
                patch(patch(data, b.at + 12, b"\xff"), 40, u64(h.keys - b.n + 255))
        for width in 58 - fp, 127:
            yield where + f"width {width}", "R15", b.at, again(file, number, width=width)
        if b.far is not None or oracle.body_length(b.n, 57) > CELL - BODY:
            width = b.width if b.far is not None else 57 - fp
            yield where + "body too long", "R15", b.at, again(file, number, width=width, far=False)
        width = b.width if b.far is not None else 57 - fp
        right = oracle.Index(again(file, number, width=width, far=True))
        moved, end = right.cell(number), right.header.sections[FAR][1]
        for wrong in end - oracle.body_length(b.n, fp + width) + 1, 2**48 - 1:
            yield where + f"far body at {wrong}", "R15", moved.at, \
                again(file, number, width=width, far=True, far_place=wrong)
        if b.far is None:
            yield where + "far body would fit", "V7", b.at, again(file, number, far=True)
        yield where + "reserved byte", "V7", b.at, patch(data, b.at + 15, b"\1")
        behind = BODY + (oracle.body_length(b.n, w) if b.far is None else 6)
        for at in {behind, CELL - 1} if behind < CELL else ():
            yield where + f"byte {at}", "V7", b.at, patch(data, b.at + at, b"\x80")
        entries = index.entry_at(b, 0)
        for bit in range(b.n * w, oracle.ceil_div(b.n * w, 8) * 8):
            yield where + f"unused bit {bit}", "V7", b.at, flip(data, entries, bit)
        both = patch(patch(data, b.at, number6(2**40, 0)), b.at + 15, b"\1")
        yield where + "V10 and V7", "V10", b.at, both
        if b.far is None:
            yield where + "R15, V10 and V7", "R15", b.at, patch(both, b.at + 13, bytes([58 - fp]))


def record_faults(data):
    """R16, V4 to V6 and V8, in cells taken apart and put together again."""
    index, file = oracle.Index(data), File.take_apart(data)
    busy, _ = chosen_cells(index)
    for number in busy:
        cell = Taken(data, index, file, number)
        for label, *fault in cell.faults(is_last=number == busy[-1]):
            yield f"cell {number}: {label}", *fault


class Taken:
    """A cell that is taken apart."""

    def __init__(self, data, index, file, number):
        self.data, self.index, self.file, self.number = data, index, file, number
        self.parts, self.b = file.cells[number], index.cell(number)
        self.last = self.b.n - 1

    def faults(self, is_last):
        for slot in sorted({0, self.b.n // 2, self.last}):
            yield from self.entry_faults(slot)
            yield from self.length_faults(slot)
        yield from self.end_faults(is_last)
        yield from self.start_faults()
        yield from self.pilot_faults()
        yield from self.value_faults()

    def record_of(self, slot):
        """Place, key and value."""
        place = record_at(self.data, self.number, slot)
        return place, *self.index.record(place, place)[:2]

    def with_record(self, slot, raw, **changes):
        """Place of a record, and the file with another record there."""
        made = again(self.file, self.number, records=put(self.parts.records, slot, raw), **changes)
        return record_at(made, self.number, slot), made

    def marked(self, slot, mark):
        """The fingerprints with some bits of one changed."""
        return put(self.parts.prints, slot, self.parts.prints[slot] ^ mark)

    def entry_faults(self, slot):
        place, key, value = self.record_of(slot)
        fp, width = self.index.header.fp, self.b.width
        for bit in {0, fp - 1}:
            yield f"fingerprint of {slot}, bit {bit}", "V5", place, \
                again(self.file, self.number, prints=self.marked(slot, 1 << bit))
        for label, bit in (("low", fp), ("high", fp + width - 1)) if width else ():
            changed = flip(self.data, self.index.entry_at(self.b, 0), slot * (fp + width) + bit)
            yield f"delta of {slot}, {label} bit", "V4", place, changed
        if key:
            at = place + len(self.parts.records[slot]) - len(key) - len(value)
            yield f"other key in {slot}", "V5", place, patch(self.data, at, other_key(self.index, key))

    def length_faults(self, slot):
        _, key, value = self.record_of(slot)
        for extra in 1, 3:
            yield f"key length of {slot} longer by {extra}", "V6", *self.with_record(slot, record(key, value, extra))
        longer = varint(len(key)) + varint(len(value), 1) + key + value
        yield f"value length of {slot} longer", "V6", *self.with_record(slot, longer)
        yield f"V6 and V5 in {slot}", "V6", *self.with_record(slot, longer, prints=self.marked(slot, 1))
        for label, head in (("11 bytes", b"\x80" * 10 + b"\0"), ("10 bytes above 2^64", b"\xff" * 9 + b"\2"),
                            ("10 bytes of 128", b"\x80" * 10), ("2^64 - 1", b"\xff" * 9 + b"\1")):
            for name, lengths in ("key", head + varint(len(value))), ("value", varint(len(key)) + head):
                yield f"{name} length of {slot}: {label}", "R16", *self.with_record(slot, lengths + key + value)

    def end_faults(self, is_last):
        """Of the last record of the cell; `is_last`: which is the last record of the file."""
        _, key, value = self.record_of(self.last)
        longer = varint(len(key)) + varint(len(value) + 1) + key + value
        if is_last:
            for label, raw in (("value a byte short", longer),
                               ("key too long", varint(len(key) + len(value) + 1) + varint(0) + key + value),
                               ("key and value too long", varint(2**64 - 1) + varint(2**64 - 1) + key + value),
                               ("R16 and V6", varint(len(key), 1) + varint(len(value) + 1) + key + value),
                               ("no value length", varint(2**20)), ("one byte", b"\0")):
                yield f"last record: {label}", "R16", *self.with_record(self.last, raw)
            _, made = self.with_record(self.last, b"")
            outside = oracle.Index(made)
            entry = outside.entry_at(outside.cell(self.number), self.last)
            yield "last record behind the pool", "R16", entry, made
        elif self.index.header.value_type == BYTES:
            place, made = self.with_record(self.last, longer)
            yield "last record a byte too long", "V4", place + len(longer) + 1, made
        raw = self.parts.records[self.last]
        place, made = self.with_record(self.last, raw + b"\0")
        yield "bytes behind the last record", "V4", place + len(raw), made

    def start_faults(self):
        """Of what leads to the records."""
        b, prints = self.b, self.parts.prints
        if b.n > 1:
            changed = patch(self.data, b.at + 16, struct.pack("<I", b.mean + 256 & 2**32 - 1))
            yield "mean", "V4", record_at(self.data, self.number, 1), changed
            same = put(prints, self.last, prints[0])
            yield "a key twice", "V5", *self.with_record(self.last, self.parts.records[0], prints=same)
        if self.number == 0:
            yield "pool start 1", "R16|V4|V5|V6|V8", None, patch(self.data, b.at + 6, number6(1, 0))
            yield "pool start far outside", "V4", b.at, patch(self.data, b.at + 6, number6(2**48 - 1, 0))

    def pilot_faults(self):
        slot, bucket = spoiled_by_pilot(self.index, self.b)
        if slot is not None:
            at = self.index.pilots_at(self.b) + bucket
            changed = patch(self.data, at, bytes([self.data[at] ^ 255]))
            yield "a pilot", "V5", record_at(self.data, self.number, slot), changed
        at = self.b.at + 14
        for label, bit in ("try", 1), ("high bit of try", 8), ("salt", 16), ("high bit of salt", 128):
            if self.b.n > 20:
                yield label, "V5", None, patch(self.data, at, bytes([self.data[at] ^ bit]))

    def value_faults(self):
        _, key, _ = self.record_of(self.last)
        value_type = self.index.header.value_type
        values = [b"\xff"] if value_type in (TEXT, JSON) else []
        if value_type == JSON:
            values += [b"", b"nul", b"[1,]", b"1 2", b'"\n"', b"NaN", b"01", b"'a'", b"\xef\xbb\xbf1"]
            values += [b'"\xed\xa0\x80"']
        for wrong in values:
            yield f"value {wrong}", "V8", *self.with_record(self.last, record(key, wrong))
        if values:
            wrong = self.marked(self.last, 1)
            yield "V5 and V8", "V5", *self.with_record(self.last, record(key, b"\xff"), prints=wrong)


def flip(data, base, bit):
    at = base + bit // 8
    return patch(data, at, bytes([data[at] ^ 1 << bit % 8]))


def other_key(index, key):
    """Almost `key`, with another fingerprint."""
    def mark(key):
        return index.hash(key)[0] & (1 << index.header.fp) - 1

    others = (bytes([key[0] ^ change]) + key[1:] for change in range(1, 256))
    return next(other for other in others if mark(other) != mark(key))


def spoiled_by_pilot(index, b):
    """A bucket whose keys lose their slots when its pilot is inverted, and the first of these slots; or Nones."""
    buckets = {}
    for slot in range(b.n):
        x = oracle.tried(index.hash(index.record_of(b, slot)[0], b.salt)[1], b.try_)
        buckets.setdefault(oracle.bucket_of(x, b.n), []).append((slot, x))
    for bucket, members in buckets.items():
        pilot = index.data[index.pilots_at(b) + bucket] ^ 255
        lost = [slot for slot, x in members if oracle.slot_of(x, pilot, b.n) != slot]
        if lost:
            return lost[0], bucket
    return None, None


def broken(data):
    """Every fault that this file can make in an index."""
    for group in header_faults, sum_faults, total_faults, cell_faults:
        yield from group(data)
    if not any(oracle.Index(data).tables):  # faults_tokens.py has those of coded records
        yield from record_faults(data)
