"""Sound indexes broken in one place each, with all sums right again: what must be reported, and where.

`broken(data)` yields (label, rule, offset, bytes) for all that can be broken in the given index. `crafted()` does so
for indexes made for one fault, and `sound()` yields odd ones in which nothing is wrong. "R16|V5" means: one of the two;
and an offset of None: any.
"""
import random
import struct
from dataclasses import replace

import oracle
from craft import File, Parts, make, number6, record, reseal, varint
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
    index = oracle.Index(data)
    h, table = index.header, index.header.sections
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
    for at in 12, 15, 76, 79, *(() if h.hash_id == oracle.SIPHASH else (168, 175)), 176, 2048, 4080, 4087:
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
    for part, parts in (1, 1), (0, 0), (5, 5), (2**32 - 1, 0):
        yield f"part {part} of {parts}", "R9", 64, patch(data, 64, struct.pack("<II", part, parts))
    for at, rule, numbers in (72, "R10", (0, 3, 255)), (73, "R11", (2, 255)), (74, "R11", (3, 255)), \
            (75, "R12", (0, 17, 255)):
        for number in numbers:
            # Another hash has no second seed.
            base = patch(data, 168, u64(0)) if at == 72 else data
            yield f"byte {at} is {number}", rule, at, patch(base, at, bytes([number]))
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
        patch(patch(patch(data, 88, u64(2**48), **seal), 104, u64(1), **seal), 136, u64(2**20 + 1), **seal)
    yield "pool and metadata too long", "R13", 80, \
        patch(patch(data, 88, u64(2**48), **seal), 136, u64(2**20 + 1), **seal)
    longer = patch(data + bytes(8), 32, u64(h.length + 8), header=False)
    yield "a sum too many", "R14", 144, patch(longer, 152, u64(table[SUMS][1] + 8))
    shorter = patch(data[:-8], 32, u64(h.length - 8), **seal)
    yield "a sum too few", "R14", 144, patch(shorter, 152, u64(table[SUMS][1] - 8), **seal)


def sum_faults(data):
    """V1 to V3."""
    index = oracle.Index(data)
    table = index.header.sections
    sums = table[SUMS][0]
    for i, at in enumerate(range(PAGE, sums, oracle.CHUNK)):
        yield f"sum {i}", "V1", at, patch(data, sums + 8 * i, u64(i), sums=False)
        last = min(at + oracle.CHUNK, sums) - 1
        yield f"end of chunk {i}", "V1", at, patch(data, last, bytes([data[last] ^ 1]), sums=False)
    yield "sums digest", "V2", 160, patch(data, 160, u64(1), sums_digest=False)
    both = patch(data, sums, u64(1), sums=False, sums_digest=False)
    yield "a sum and the sums digest", "V2", 160, both
    for (offset, length), (following, _) in zip(table, table[1:]):
        for at in {offset + length, following - 1} if offset + length < following else ():
            yield f"padding {at}", "V3", at, patch(data, at, b"\x10")


def record_at(data, number, slot):
    """The place in the file of the record of a slot."""
    index = oracle.Index(data)
    return index._slot_entry(index.cell(number), slot)[1]


def put(items, i, new):
    return items[:i] + [new] + items[i + 1:]


def again(file, number, seal=None, **changes):
    """The file with changes to a cell; what is not given of its layout is found again."""
    cells = list(file.cells)
    cells[number] = replace(cells[number], **{"mean": None, "width": None, **changes})
    return File(cells, metadata=file.metadata, **file.header).seal(**seal or {})


def total_faults(data):
    """V4 and V9 of what is said once in the file."""
    index, file = oracle.Index(data), File.take_apart(data)
    h, far = index.header, index.header.sections[FAR][1]
    yield "a key more", "V4", 40, patch(data, 40, u64(h.keys + 1))
    if h.keys:
        yield "a key less", "V4", 40, patch(data, 40, u64(h.keys - 1))
        yield "no keys", "V4", 40, patch(data, 40, u64(0))
    if far % PAGE:
        yield "far section a byte longer", "V4", 112, patch(data, 120, u64(far + 1))
    if far % PAGE > 1:
        yield "far section a byte shorter", "V4", 112, patch(data, 120, u64(far - 1))
    for metadata in b"[]", b"{", b"null", b"{}x", b'{"a":1,}', b"{} {}", b"\xff", b'{"a":"\xff"}', b" ":
        made = File(file.cells, metadata=metadata, **file.header).seal()
        yield f"metadata {metadata}", "V9", oracle.Index(made).header.sections[METADATA][0], made
    yield "metadata of 1 MiB and a byte", "R13", 128, \
        File(file.cells, metadata=b"{" + b" " * (1 << 20) + b"}", **file.header).seal()


def chosen_cells(index):
    """Numbers of some cells that have keys, of the first and the last and a far one, and of some that have none."""
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
            yield where + f"first id {wrong}", "V4", b.at, patch(data, b.at, number6(wrong, 0))
        for wrong in (b.pool - pool_at + 1, 2**48 - 1) if number else ():
            yield where + f"pool start {wrong}", "V4", b.pool, patch(data, b.at + 6, number6(wrong, 0))
    for number in empty:
        b = index.cell(number)
        for at, wrong in (13, 1), (13, 128), (14, 1), (14, 16), (15, 1), (16, 1), (19, 128), (20, 1), (127, 128):
            rule = "V4|V7" if (at, wrong) == (13, 128) else "V7"  # V4 if there is a far body before
            yield f"empty cell {number}: byte {at} is {wrong}", rule, b.at, patch(data, b.at + at, bytes([wrong]))
    for number in busy:
        b, where, w = index.cell(number), f"cell {number}: ", fp + index.cell(number).width
        if b.far is None:
            for n in 128, 255:
                yield where + f"{n} keys", "R15", b.at, \
                    patch(patch(data, b.at + 12, bytes([n])), 40, u64(h.keys - b.n + n))
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
        entries = index._entry_at(b, 0)
        for bit in range(b.n * w, oracle.ceil_div(b.n * w, 8) * 8):
            yield where + f"unused bit {bit}", "V7", b.at, flip(data, entries, bit)
        both = patch(patch(data, b.at, number6(2**40, 0)), b.at + 15, b"\1")
        yield where + "V4 and V7", "V4", b.at, both
        if b.far is None:
            yield where + "R15, V4 and V7", "R15", b.at, patch(both, b.at + 13, bytes([58 - fp]))


def record_faults(data):
    """R16, V4 to V6 and V8, in a cell taken apart and put together again."""
    index, file = oracle.Index(data), File.take_apart(data)
    fp, value_type = index.header.fp, index.header.value_type
    busy, _ = chosen_cells(index)
    for number in busy:
        parts, b, where = file.cells[number], index.cell(number), f"cell {number}: "
        n, w, entries = b.n, fp + b.width, index._entry_at(b, 0)
        last = n - 1

        def with_record(slot, raw, **changes):
            """Place of a record, and the file with another one there."""
            made = again(file, number, records=put(parts.records, slot, raw), **changes)
            return record_at(made, number, slot), made

        for slot in sorted({0, n // 2, n - 1}):
            place = record_at(data, number, slot)
            raw = parts.records[slot]
            key, value, _, _ = index._record(place, place)
            for bit in {0, fp - 1}:
                wrong = put(parts.prints, slot, parts.prints[slot] ^ 1 << bit)
                yield where + f"fingerprint of {slot}, bit {bit}", "V5", place, again(file, number, prints=wrong)
            for label, bit in ("low", fp), ("high", w - 1):
                if b.width:
                    yield where + f"delta of {slot}, {label} bit", "V4", place, flip(data, entries, slot * w + bit)
            for extra in 1, 3:
                long_key = record(key, value, extra)
                yield where + f"key length of {slot} longer by {extra}", "V6", *with_record(slot, long_key)
            long_value = varint(len(key)) + varint(len(value), 1) + key + value
            yield where + f"value length of {slot} longer", "V6", *with_record(slot, long_value)
            mark = put(parts.prints, slot, parts.prints[slot] ^ 1)
            yield where + f"V6 and V5 in {slot}", "V6", *with_record(slot, long_value, prints=mark)
            if key:
                at = place + len(raw) - len(key) - len(value)
                yield where + f"other key in {slot}", "V5", place, patch(data, at, other_key(index, key))
            for label, head in (("11 bytes", b"\x80" * 10 + b"\0"), ("10 bytes above 2^64", b"\xff" * 9 + b"\2"),
                                ("10 bytes of 128", b"\x80" * 10), ("2^64 - 1", b"\xff" * 9 + b"\1")):
                for name, lengths in ("key", head + varint(len(value))), ("value", varint(len(key)) + head):
                    yield where + f"{name} length of {slot}: {label}", "R16", *with_record(slot, lengths + key + value)
        place = record_at(data, number, last)
        key, value, end, _ = index._record(place, place)
        if number == busy[-1]:
            for label, raw in (("value a byte short", varint(len(key)) + varint(len(value) + 1) + key + value),
                               ("key too long", varint(len(key) + len(value) + 1) + varint(0) + key + value),
                               ("key and value too long", varint(2**64 - 1) + varint(2**64 - 1) + key + value),
                               ("R16 and V6", varint(len(key), 1) + varint(len(value) + 1) + key + value),
                               ("no value length", varint(2**20)), ("one byte", b"\0")):
                yield where + f"last record: {label}", "R16", *with_record(last, raw)
            _, made = with_record(last, b"")
            outside = oracle.Index(made)
            yield where + "last record behind the pool", "R16", outside._entry_at(outside.cell(number), last), made
        elif value_type == BYTES:
            longer = varint(len(key)) + varint(len(value) + 1) + key + value
            place, made = with_record(last, longer)
            yield where + "last record a byte too long", "V4", place + len(longer) + 1, made
        place, made = with_record(last, parts.records[last] + b"\0")
        yield where + "bytes behind the last record", "V4", place + len(parts.records[last]), made
        if n > 1:
            yield where + "mean", "V4", record_at(data, number, 1), \
                patch(data, b.at + 16, struct.pack("<I", b.mean + 256 & 2**32 - 1))
            yield where + "a key twice", "V5", *with_record(last, parts.records[0],
                                                            prints=put(parts.prints, last, parts.prints[0]))
        if number == 0:
            yield where + "pool start 1", "R16|V4|V5|V6|V8", None, patch(data, b.at + 6, number6(1, 0))
            yield where + "pool start far outside", "V4", b.at, patch(data, b.at + 6, number6(2**48 - 1, 0))
        slot, bucket = spoiled_by_pilot(index, b)
        if slot is not None:
            at = index._pilots_at(b) + bucket
            yield where + "a pilot", "V5", record_at(data, number, slot), patch(data, at, bytes([data[at] ^ 255]))
        if n > 20:
            for label, bit in ("try", 1), ("high bit of try", 8), ("salt", 16), ("high bit of salt", 128):
                attempt = bytes([data[b.at + 14] ^ bit])
                yield where + label, "V5", None, patch(data, b.at + 14, attempt)
        values = [b"\xff"] if value_type in (TEXT, JSON) else []
        if value_type == JSON:
            values += [b"", b"nul", b"[1,]", b"1 2", b'"\n"', b"NaN", b"01", b"'a'", b"\xef\xbb\xbf1"]
            values += [b'"\xed\xa0\x80"']
        for wrong in values:
            yield where + f"value {wrong}", "V8", *with_record(last, record(key, wrong))
        if values:
            wrong = put(parts.prints, last, parts.prints[last] ^ 1)
            yield where + "V5 and V8", "V5", *with_record(last, record(key, b"\xff"), prints=wrong)


def flip(data, base, bit):
    at = base + bit // 8
    return patch(data, at, bytes([data[at] ^ 1 << bit % 8]))


def other_key(index, key):
    """Almost `key`, with another fingerprint."""
    def mark(key):
        return index._hash(key)[0] & (1 << index.header.fp) - 1

    others = (bytes([key[0] ^ change]) + key[1:] for change in range(1, 256))
    return next(other for other in others if mark(other) != mark(key))


def spoiled_by_pilot(index, b):
    """A bucket whose keys lose their slots when its pilot is inverted, and the first of these slots; or Nones."""
    buckets = {}
    for slot in range(b.n):
        x = oracle.tried(index._hash(index._record_of(b, slot)[0], b.salt)[1], b.try_)
        buckets.setdefault(oracle.bucket_of(x, b.n), []).append((slot, x))
    for bucket, members in buckets.items():
        pilot = index.data[index._pilots_at(b) + bucket] ^ 255
        lost = [slot for slot, x in members if oracle.slot_of(x, pilot, b.n) != slot]
        if lost:
            return lost[0], bucket
    return None, None


def broken(data):
    """Every fault of an index that this file knows how to make."""
    for group in header_faults, sum_faults, total_faults, cell_faults, record_faults:
        yield from group(data)


def pairs(n, rng, text=False):
    found = {}
    while len(found) < n:
        key = rng.randbytes(rng.randrange(1, 12))
        found[key.hex().encode() if text else key] = rng.randbytes(rng.randrange(30)).hex().encode()
    return list(found.items())


def crafted():
    """Faults that need an index made for them."""
    rng = random.Random(7)
    file = make(pairs(60, rng), cells=2)
    first, second = file.cells
    data = file.seal()
    # What leads to the records, and bytes that belong to no record.
    gap = File([replace(first, gap=b"\0\0"), second]).seal()
    yield "the first records not at 0", "V4", oracle.Index(gap).cell(0).at, gap
    end = oracle.Index(data).cell(1).pool
    yield "bytes between cells", "V4", end, File([first, replace(second, gap=b"\0\0")]).seal()
    yield "bytes after no record", "V4", PAGE, File([Parts(), replace(first, gap=b"\0\0")]).seal()
    for cells in ([Parts(gap=b"\0", pool=0)], [Parts(), Parts(gap=b"\0")],
                  [Parts(), Parts(gap=b"\0", pool=0), Parts(pool=0)]):
        yield f"bytes in {len(cells)} empty cells", "V4", PAGE, File(cells).seal()
    sparse = make(pairs(9, rng), cells=60)
    hole = next(i for i in range(1, 60) if sparse.cells[i - 1].records and not sparse.cells[i].records)
    at = oracle.Index(sparse.seal()).cell(hole).pool
    yield "bytes before an empty cell", "V4", at, again(sparse, hole, gap=b"\0")
    yield "bytes behind an empty cell", "V4", at, again(sparse, hole, gap=b"\0", pool=at - PAGE)
    made = File([first, replace(second, pool=end - PAGE - 1)]).seal()
    yield "pool start in the record before", "R16|V5|V6", end - 1, made
    for far in False, True:
        made = again(file, 1, records=put(second.records, len(second.records) - 1, b""), width=57 - 8 if far else None)
        index = oracle.Index(made)
        b = index.cell(1)
        yield f"last record behind the pool, far: {far}", "R16", index._entry_at(b, b.n - 1), made
    # Far bodies in another order, each whole.
    swapped = File([replace(parts, width=49) for parts in file.cells]).seal()
    index = oracle.Index(swapped)
    a, b = index.cells()
    far, body = bytes(index._section(FAR)), b.far
    made = patch(swapped, index.header.sections[FAR][0], far[body:] + far[:body])
    made = patch(patch(made, a.at + BODY, number6(len(far) - body, 0)), b.at + BODY, number6(0, 0))
    yield "far bodies exchanged", "V4", a.at, made
    # A fault in the records comes before one in the cells, wherever the records are; the lower of two cells first.
    wrong = replace(second, prints=put(second.prints, 0, second.prints[0] ^ 1))
    yield "a record and a cell", "V5", end, File([replace(first, first=5), wrong]).seal()
    a, b = oracle.Index(data).cells()
    yield "two cells", "V4", a.at, patch(patch(data, b.at + 15, b"\1"), a.at, number6(9, 0))
    # A key of another cell, or of another part; types.
    yield "cells exchanged", "V5", PAGE, File(file.cells[::-1]).seal()
    yield "another hash seed", "V5", None, File(file.cells, seed=1).seal()
    for text in b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80":
        yield f"key {text}", "V8", PAGE, make([(text, b"v")], key_type=TEXT).seal()
        yield f"value {text}", "V8", PAGE, make([(b"k", text)], value_type=TEXT).seal()
    for wrong in bad_json():
        yield f"JSON {wrong}", "V8", PAGE, make([(b"k", wrong)], value_type=JSON).seal()


def bad_json():
    return (b"", b" ", b"nul", b"[1,]", b"1 2", b'"\n"', b"NaN", b"-", b"01", b"1.", b".5", b"+1", b"1e", b"'a'", b"Infinity",
            b"\xef\xbb\xbf1", b'"\xed\xa0\x80"', b'"\\x"', b'"\\u12"', b"[", b"]", b'{"a"}', b'{1:2}', b'{"a":1,}', b"{,}",
            b"[1 2]", b"1\x0c", b"\xc2\xa01", b"//c\n1", b'"', b"tru", b"True", b"1,", b"{}}", b'"\x00"')


def good_json():
    return (b"1", b" \t\r\n1 \n", b"-0", b"1e400", b"-1E+9999", b"9" * 5000, b"0.1" + b"0" * 5000, b'"\\ud800"',
            b'"\\udc00\\ud800"', b'"\\u0000"', b'{"a":1,"a":2}', b'{"":""}', b"[" * 100 + b"]" * 100,
            b"[" * 200 + b"]" * 200, b"[" * 5000 + b"]" * 5000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'"\xf0\x9f\x98\x80"', b'"\x7f"',
            b"[]", b"{}", b'""', b"null", b"[null,true,false]")


def sound():
    """Odd indexes that are right: (label, bytes)."""
    rng = random.Random(11)
    yield "ignorable features", File([Parts()], ignorable=2**64 - 1).seal()
    for n in *range(1, 41), 80, 127:
        yield f"{n} keys", make(pairs(n, rng), cells=1).seal()
    for cells in 2, 3, 7, 1000:
        yield f"60 keys in {cells} cells", make(pairs(60, rng), cells=cells).seal()
    for try_ in range(16):
        tries = [(try_, salt) for salt in (0, 1, 2, 7, 14, 15)] * 3
        yield f"try {try_}", make(pairs(40, rng), tries=tries).seal()
        yield f"try {try_}, salt 15 down", make(pairs(40, rng), tries=tries[::-1], seed=2**64 - 5).seal()
    for fp in range(1, 17):
        file = make(pairs(80, rng), fp=fp)
        yield f"{fp} fingerprint bits", file.seal()
        file.cells[0].width = 57 - fp
        yield f"{fp} fingerprint bits, W = 57, far", file.seal()
        file.cells[0].mean = 2**32 - 1
        yield f"{fp} fingerprint bits, large mean", file.seal()
        file.cells[0].mean, file.cells[1].mean = 1, 0
        yield f"{fp} fingerprint bits, small means", file.seal()
    few = make(pairs(7, rng))
    few.cells[0].width = 40
    yield "larger width in the cell", few.seal()
    file = make(pairs(127, rng), cells=1, fp=16, hash_id=oracle.SIPHASH, second_seed=2**64 - 1)
    yield "127 keys of SipHash", file.seal()
    for n, width, length in (20, 32, 108), (16, 43, 109):
        file = make(pairs(n, rng), cells=1)
        file.cells[0].width = width
        assert oracle.body_length(n, 8 + width) == length
        yield f"a body of {length} bytes", file.seal()
    same = make([(k, b"v") for k in {bytes([i, j]) for i in range(5) for j in range(5)}], fp=1)
    yield "records of one length, width 0 or so", same.seal()
    for value in good_json():
        yield f"JSON {value[:20]}", make([(b"k", value)], value_type=JSON).seal()
    yield "metadata", File([Parts()], metadata=b'\n{"a":[1e999,"\\ud800"]} ').seal()
    yield "metadata, 1 MiB", File([Parts()], metadata=b"{" + b" " * ((1 << 20) - 2) + b"}").seal()
    yield "one empty record", make([(b"", b"")]).seal()
    yield "a very long value among short ones", make([*pairs(200, rng), (b"long", bytes(300_000))]).seal()


def oracle_verdict(data):
    """Rule and offset of the fault that the oracle finds in the bytes `data`, or two Nones."""
    try:
        oracle.Index(data).verify()
    except oracle.Corrupt as fault:
        return fault.rule, fault.offset
    return None, None
