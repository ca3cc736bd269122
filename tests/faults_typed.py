"""Indexes of integer keys, of numbers, of keys alone and without keys: sound ones, and faults that need one made."""
import random
import struct
from dataclasses import replace

import oracle
from craft import File, Parts, Tokens, make, pairs, varint, write_record
from faults_base import again, flip, patch
from faults_tokens import spoiled
from oracle import BYTES, HOT, INTEGERS, JSON, LEFT_OUT, NONE, NUMBERS, PAGE, TEXT, integer
from oracle_tokens import KEY, KEY_TAIL

EDGES = [sign * 2**bits + more for bits in (0, 7, 8, 15, 23, 31, 32, 47, 55) for sign in (1, -1) for more in (-1, 0, 1)]
INT64, FLOAT16, FLOAT32 = 4, 9, 10
# Kinds of keys and of values: fields of the header.
SMALL, WIDE = dict(key_type=INTEGERS, key_width=1), dict(key_type=INTEGERS)
TEXTS, RAW = dict(key_type=TEXT), dict(key_type=BYTES)
NO_KEYS, TWO_BYTES, FIVE_BYTES = (dict(key_type=LEFT_OUT, key_width=width, fp=fp)
                                  for width, fp in ((0, 20), (2, 8), (5, 32)))
SHARE = dict(required=oracle.SHARED)
INTS, HALF = dict(value_type=NUMBERS, number=INT64), dict(value_type=NUMBERS, number=FLOAT16, dimension=1)
VECTORS, ALONE = dict(value_type=NUMBERS, number=FLOAT32, dimension=3), dict(value_type=NONE)
KINDS = {
    "small integers and JSON": {**SMALL, "value_type": JSON}, "integers": WIDE, "integers alone": {**WIDE, **ALONE},
    "small integers alone": {**SMALL, **ALONE}, "integers and numbers": {**WIDE, **INTS}, "integers and codes": WIDE,
    "text and numbers": {**TEXTS, **INTS}, "bytes and vectors": {**RAW, **VECTORS}, "text alone": {**TEXTS, **ALONE},
    "codes and numbers": {**TEXTS, **HALF}, "codes alone": {**RAW, **ALONE},
    "shared records": {**NO_KEYS, "value_type": JSON, **SHARE}, "shared records and codes": {**NO_KEYS, **SHARE},
    "no keys, but text": {**NO_KEYS, "value_type": TEXT}, "two bytes and codes": TWO_BYTES,
    "two bytes and bytes": TWO_BYTES, "two bytes alone": {**TWO_BYTES, **ALONE},
    "five bytes and vectors": {**FIVE_BYTES, **VECTORS},
    "no keys, but numbers": {**NO_KEYS, **HALF}, "nothing": {**NO_KEYS, **ALONE},
}


def some_keys(count, rng, header):
    if header["key_type"] != INTEGERS:
        return [key for key, _ in pairs(count, rng, text=header["key_type"] == TEXT)]
    numbers = rng.sample(range(-128, 128), count) if header.get("key_width") == 1 else \
        [*EDGES, *(rng.randrange(-2**63, 2**63) for _ in range(count)), 2**63 - 1, -2**63]
    return list(map(integer, dict.fromkeys(numbers)))


def some_value(rng, header):
    if header.get("value_type") == NUMBERS:
        kind, count = " bhiqBHIQefd"[header["number"]], max(header.get("dimension", 0), 1)
        if kind in "efd":
            return struct.pack(f"<{count}{kind}", *(rng.randrange(-2**10, 2**10) / 64 for _ in range(count)))
        return rng.randbytes(count * oracle.NUMBER_SIZES[header["number"]])
    if header.get("required"):
        return rng.choice([b"1", b"12", b"121212", b"0"])
    return b"" if header.get("value_type") == NONE else b"%d" % rng.randrange(10**rng.randrange(1, 20))


def kind(label, count=60, **more):
    """A File of a kind. `more`: of the header, cells."""
    rng = random.Random(label)
    header = {"cells": 3, **KINDS[label], **more}
    if "codes" in label:
        side = "value_tokens" if label.endswith("and codes") else "key_tokens"
        header[side] = Tokens.of_bytes(b"1", b"12", b"ab", b"text of more than 15 bytes")
    records = [(key, some_value(rng, header)) for key in (some_keys(count, rng, header) if count else [])]
    return make(records, **header)


def sound():
    """Sound indexes: (label, File). Those that a lookup does not find its keys in have no pairs."""
    for label, header in KINDS.items():
        yield label, kind(label)
        yield f"{label}, none", kind(label, count=0)
        if header["key_type"] != INTEGERS:
            yield f"{label}, one", kind(label, count=1)
        part = dict(part=1, parts=2, hash_id=oracle.SIPHASH, second_seed=2**64 - 1)
        yield f"{label}, a part with SipHash", kind(label, **part)
    for width in range(1, 9):
        numbers = [number for number in EDGES if -2**(8 * width - 1) <= number < 2**(8 * width - 1)]
        records = [(integer(number), b"%d" % number) for number in dict.fromkeys(numbers)]
        yield f"integers of {width} bytes", make(records, key_type=INTEGERS, key_width=width)
    for width in range(9):
        for label in "two bytes alone", "five bytes and vectors", "two bytes and bytes":
            yield f"{label}, but {width}", kind(label, key_width=width, fp=4 * width or 1)
    for bits in 17, 31, 32:
        file = kind("two bytes and bytes", fp=bits)
        file.cells[0].width = 57 - bits
        yield f"{bits} fingerprint bits, W = 57", file
    for number in range(1, 12):
        for dimension in 0, 1, 7:
            values = dict(value_type=NUMBERS, number=number, dimension=dimension)
            records = [(b"%d" % i, some_value(random.Random(i), values)) for i in range(9)]
            yield f"number {number}, dimension {dimension}", make(records, **values)
    odd = 0x7FF0000000000001, 2**64 - 1, 0x7FF0000000000000, 2**63
    records = [(b"%d" % i, struct.pack("<Q", bits)) for i, bits in enumerate(odd)]
    yield "odd numbers", make(records, value_type=NUMBERS, number=11)
    yield "huge vectors, but none", make([], value_type=NUMBERS, number=11, dimension=2**32 - 1)
    for length in 512, 513, 9000:  # a page, a little more, some chunks
        header = dict(value_type=NUMBERS, number=INT64, dimension=length)
        records = [(b"%d" % i, random.Random(i).randbytes(8 * length)) for i in range(9)]
        yield f"values of {8 * length} bytes", make(records, **header)
    # No rule binds what is left of a key that is left out.
    for label in "two bytes and bytes", "nothing":
        file = kind(label)
        cell = file.cells[0]
        prints = [mark ^ 1 for mark in cell.prints]
        file.cells[0] = replace(cell, prints=prints, records=cell.records[::-1], try_=cell.try_ ^ 1)
        file.pairs = None
        yield f"{label}, but other ones", file
    file = kind("nothing")
    file.cells[0].width = 9
    yield "deltas of records without bytes", file


def crafted():
    """(label, rule, offset, bytes) of faults."""
    for header, key in ({**WIDE, "key_width": 2}, integer(-5)), (TWO_BYTES, b"key"):
        values, kind_of = Tokens.of_bytes(b"12", b"a key", key=True), header["key_type"]
        data = make([(key, b"12")], cells=1, value_tokens=values, **header).seal()
        token = oracle.Index(data).tables[1][0].token(1)
        assert token.kind == KEY
        yield f"a token for a key of type {kind_of} that no value has", "V13", token.at, data
        values = Tokens.of_bytes(b"12")
        file = make([(key, b"12")], cells=1, value_tokens=values, **header)
        for token in KEY, KEY_TAIL:
            tables = spoiled(file, ((), values), values, b"12", token << 28, None)
            made = File(file.cells, tables=tables, **file.header).seal()
            yield f"a token {token} for a key of type {kind_of}", "R19", PAGE, made
    keys = Tokens.of_bytes(b"12")
    for header in HALF, ALONE:
        value, label = b"ab" if header == HALF else b"", f"codes, values of type {header['value_type']}"
        file = make([(b"12", value)], cells=1, key_tokens=keys, **header)
        pool = oracle.Index(file.seal()).header.sections[oracle.POOL][0]
        raw = write_record(b"12", b"", keys, (), has_length=(True, False))
        assert [raw] == file.cells[0].records and len(raw) == 1 and raw[0] < 128
        yield f"{label}: unused bit", "V14", pool, again(file, 0, records=[bytes([raw[0] | 128])])
        many = make([(b"12ab12", value)], cells=1, key_tokens=keys, **header)
        yield f"{label}: cut off", "R19", pool, again(many, 0, records=[many.cells[0].records[0][:-1]])
    yield from no_bytes()
    yield from shared()


def shared():
    """Faults of records that keys share."""
    for label in "shared records", "shared records and codes":
        file = kind(label, cells=9, count=40)
        file.cells[4] = Parts()
        data = file.seal()
        index = oracle.Index(data)
        (pool, length), h, b = index.header.sections[oracle.POOL], index.header, index.cell(8)
        for number in 0, 4, 8:
            for wrong in 0, length // 2 + 1, 2**48 - 1:
                at = index.cell(number).at
                yield f"{label}: pool start {wrong} of cell {number}", "V4", at, again(file, number, pool=wrong)
        for slot in 0, b.n - 1:
            # The sign of a wide delta.
            bit = slot * (h.fp + 30) + h.fp + 29
            outside = flip(again(file, 8, width=30), index.entry_at(b, 0), bit)
            yield f"{label}: entry {slot} leads outside", "V4", b.at, outside
        yield f"{label}: mean", "V4", b.at, patch(data, b.at + 16, struct.pack("<I", 2**32 - 1))
        yield f"{label}: a key more in the header", "V11", 40, file.seal(keys=h.keys + 1)
        records = sorted({raw for parts in file.cells for raw in parts.records})
        broken = {"a record is cut off": ("R19" if "codes" in label else "R16", max(records, key=len)[:-1])}
        if label == "shared records":
            for place, raw in enumerate(records):
                at = pool + sum(map(len, records[:place]))
                yield f"record {place} is not JSON", "V8", at, patch(data, at + 1, b"x")
                yield f"record {place} is longer than the pool", "R16", at, patch(data, at, b"\x7f")
            broken["a length of two bytes"] = "V6", varint(1, 1) + b"1"
            yield f"{label}: an entry leads into a record", "V4", index.cell(0).at, leading_inside(file, records)
        for what, (rule, raw) in broken.items():
            made = File(file.cells, shared=[*records, raw], tables=file.tables, **file.header).seal()
            yield f"{label}: {what}", rule, pool + length, made


def leading_inside(file, records):
    """The first entry leads to the second byte of the last record."""
    data = File(file.cells, shared=[*records, varint(3) + b"[1]"], **file.header).seal()
    index = oracle.Index(data)
    b, fp, length = index.cell(0), index.header.fp, index.header.sections[oracle.POOL][1]
    at, delta = index.entry_at(b, 0), length - 3 - length // 2
    assert 0 < delta < 1 << b.width - 1
    entry = int.from_bytes(data[at:at + 8], "little") & ~((1 << b.width) - 1 << fp)
    return patch(data, at, (entry | delta << fp).to_bytes(8, "little"))


def no_bytes():
    """Faults of records that have no bytes."""
    for label in "nothing", "no keys, but numbers":
        file = kind(label)
        data = file.seal()
        index = oracle.Index(data)
        pool, hot = index.header.sections[oracle.POOL][0], index.header.sections[HOT][0]
        yield f"{label}: bytes before a cell", "V4", pool, again(file, 1, gap=b"\0\0")
        yield f"{label}: bytes in a cell", "V4", pool, again(file, 1, records=[b"\0", *file.cells[1].records[1:]])
        last = [*file.cells[2].records[:-1], b"\0\0"]
        yield f"{label}: bytes in the pool of no cell", "V4", pool, again(file, 2, records=last)
        yield f"{label}: the first pool start", "V4", hot, again(file, 0, pool=7)
        yield f"{label}: the last pool start", "V4", pool, again(file, 2, pool=7)
        wide = again(file, 1, width=30)  # a far cell
        b = oracle.Index(wide).cell(1)
        for slot, bit in (0, 0), (b.n // 2, 29), (b.n - 1, 28):
            entries = oracle.Index(wide).entry_at(b, 0)
            made = flip(wide, entries, slot * (index.header.fp + 30) + index.header.fp + bit)
            yield f"{label}: entry {slot} leads elsewhere", "V4", pool, made
        yield f"{label}: pool start after a cell that breaks R15", "V4", pool + 5, \
            patch(again(file, 2, pool=5), hot + 128 + 13, b"\x7f")
        mean = patch(data, hot + 16, struct.pack("<I", 256))
        yield f"{label}: mean", "V4", pool, mean


def lookup_faults():
    """R20: (label, key, bytes)."""
    for label in "text and numbers", "bytes and vectors", "integers and numbers", "codes and numbers", \
            "no keys, but numbers", "five bytes and vectors":
        file = kind(label)
        index = oracle.Index(file.seal())
        count = len(index)
        last = next(key for key, _ in file.pairs if index.id(key) == count - 1)
        for keys in count - 1, 1, 0:
            yield f"{label}, {keys} keys", last, file.seal(keys=keys)
        cell = next(i for i, parts in enumerate(file.cells) if parts.records)
        first = next(key for key, _ in file.pairs if index.id(key) == 0)
        yield f"{label}, first id", first, again(file, cell, first=2**48 - 1)
    huge = make([(b"key", b"")], value_type=NUMBERS, number=INT64, dimension=2**32 - 1)
    yield "huge vectors", b"key", huge.seal(keys=0)
    yield "a place above 2^64", b"key", again(huge, 0, first=2**48 - 1, seal={"keys": 0})
