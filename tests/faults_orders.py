"""Indexes with two faults, of which section 9 settles the one to report, and where it is easy to look too far."""
import random
from dataclasses import replace

import oracle
from craft import File, Parts, Tokens, make, number6, pairs, varint, write_record
from faults_base import again, flip, patch, put, u64
from oracle import EXTENSION, INTEGERS, LEFT_OUT, METADATA, PAGE, TABLES, TEXT

WIDTH = 40  # of deltas that lead far away


def orders():
    """(label, rule, offset, bytes) of what a verifier reports."""
    for label, rule, offset, data, *_ in all_cases():
        yield label, rule, offset, data


def lookups():
    """(label, bytes, key, rule and offset of what a lookup meets or None), where a verifier reports another."""
    for label, _, _, data, *looked_up in all_cases():
        if looked_up:
            yield label, data, *looked_up


def all_cases():
    yield from entries()
    yield from empty_far_cells()
    yield from coded_keys()
    yield from short_keys()
    yield from ties()
    yield from far_starts()


def entries():
    """Slot entries in the middle of a cell: V4 where the record should begin, and R16 for who follows them."""
    file = make(pairs(9, random.Random(21), text=True), cells=1)
    for far in False, True:
        file.cells[0].width, file.cells[0].far = WIDTH, far or None
        data, where = file.seal(), ", far" if far else ""
        index = oracle.Index(data)
        b = index.cell(0)
        keys = [key for key, _ in index.items()]
        place, entry = index.slot_entry(b, 4)[1], index.entry_at(b, 4)
        pool, length = index.header.sections[oracle.POOL]
        # That the far body would fit into its cell (V7) comes later.
        for label, bit in ("behind", 38), ("before", 39):
            made = flip(data, index.entry_at(b, 0), 4 * (8 + WIDTH) + 8 + bit)
            yield f"an entry leads {label} the pool{where}", "V4", place, made, keys[4], ("R16", entry)
        to_end = pool + length - place
        for label, distance, fault in (("to an earlier record", index.slot_entry(b, 2)[1] - place, None),
                                       ("to the end of the pool", to_end, ("R16", entry)),
                                       ("to a later record", index.slot_entry(b, 5)[1] - place, None)):
            delta = place + distance - pool - 4 * b.mean // 256
            mark = index.slot_entry(b, 4)[0]
            raw = ((delta & (1 << WIDTH) - 1) << 8 | mark).to_bytes((8 + WIDTH) // 8, "little")
            yield f"an entry leads {label}{where}", "V4", place, patch(data, entry, raw), keys[4], fault


def before_an_empty_cell():
    """A File of some keys in its first cell and none in its second one."""
    in_first = [pair for pair in pairs(50, random.Random(22), text=True) if not oracle.hash_key(pair[0], 0)[0] >> 63]
    return make(in_first, cells=2)


def empty_far_cells():
    """An empty cell that says it is far has a far body of 0 bytes."""
    file = before_an_empty_cell()
    wide = replace(file.cells[0], width=WIDTH)
    for label, first, rule in ("one", file.cells[0], "V7"), ("one behind a far cell", wide, "V10"):
        data = File([first, Parts()]).seal()
        b = oracle.Index(data).cell(1)
        yield f"an empty far cell: {label}", rule, b.at, patch(data, b.at + 13, b"\x80")
    made = patch(data, b.at + 13, b"\x80")
    body = oracle.Index(data).header.sections[oracle.FAR][1]
    yield "an empty far cell: one in its place", "V7", b.at, patch(made, b.at + 20, number6(body, 0))
    yield "an empty far cell: one far outside, W above 57", "R15", b.at, \
        patch(patch(made, b.at + 13, b"\xff"), b.at + 20, number6(2**48 - 1, 0))
    yield "an empty far cell: one far outside", "V10", b.at, patch(made, b.at + 20, number6(2**48 - 1, 0))
    gap = File([Parts(), Parts(gap=b"\0\0")]).seal()
    b = oracle.Index(gap).cell(0)
    yield "bytes behind an empty cell, W above 57", "R15", b.at, patch(gap, b.at + 13, b"\x7f")


def coded_keys():
    """Coded keys and plain values: R16 against R19."""
    keys = Tokens.of_bytes(b"key")
    file = make([(b"key", b"value")], cells=1, key_tokens=keys)
    codes = write_record(b"key", b"", keys)[1:]
    bits, tokens = keys.tables[0]
    less = Tokens((bits, tokens[:1])).write()

    def made(head, tables=file.tables):
        cell = replace(file.cells[0], records=[head + codes + b"value"])
        return File([cell], tables=tables, **file.header).seal()

    assert made(varint(5)) == file.seal()
    cases = (("the value leaves the pool", "R16", varint(6), file.tables),
             ("the value leaves the pool, and the key has no token", "R19", varint(6), less),
             ("11 bytes of length, and the key has no token", "R16", b"\x80" * 10 + b"\0", less),
             ("a long length, and the key has no token", "R19", b"\x85\0", less),
             ("a long length, and the value leaves the pool", "R16", b"\x86\0", file.tables))
    for label, rule, head, tables in cases:
        yield f"coded key: {label}", rule, PAGE, made(head, tables), b"key", (rule, PAGE)
    # Another key with this fingerprint ends the check at the first difference.
    mark = oracle.hash_key(b"key", 0)[0] & 255
    other = next(b"%d" % i for i in range(10_000) if oracle.hash_key(b"%d" % i, 0)[0] & 255 == mark)
    yield "coded key: the value leaves the pool, for another key", "R16", PAGE, made(varint(6)), other, None
    yield "coded key: 11 bytes of length, for another key", "R16", PAGE, made(b"\x80" * 10 + b"\0"), other, ("R16", PAGE)


def short_keys():
    """Integers and keys that are left out, plain values: varints come before a difference, the end of the value after it."""
    for what, keys, header in (("integer", list(map(oracle.integer, range(-128, 128))), dict(key_type=INTEGERS, key_width=1)),
                               ("left out", [b"%d" % i for i in range(10_000)], dict(key_type=LEFT_OUT, key_width=1))):
        key, mark = keys[0], oracle.hash_key(keys[0], 0)[0] & 1
        other = next(other for other in keys[1:] if oracle.hash_key(other, 0)[0] & 1 == mark
                     and (what == "integer" or oracle.hash_key(other, 0)[1] & 255 != oracle.hash_key(key, 0)[1] & 255))
        file = make([(key, b"value")], cells=1, fp=1, **header)
        rest = file.cells[0].records[0][1:]
        for label, head, found in (("11 bytes of length", b"\x80" * 10 + b"\0", ("R16", PAGE)),
                                   ("a length above 2^64", b"\xff" * 9 + b"\2", ("R16", PAGE)),
                                   ("the value leaves the pool", varint(6), None)):
            data = again(file, 0, records=[head + rest])
            yield f"{what}: {label}", "R16", PAGE, data, key, ("R16", PAGE)
            yield f"{what}: {label}, for another key", "R16", PAGE, data, other, found
        yield f"{what}: no byte of the key", "R16", PAGE, again(file, 0, records=[varint(0)]), other, ("R16", PAGE)


def far_starts():
    """Pool starts at tokens, metadata and the extension that are at fault: another fault lies before them."""
    file = before_an_empty_cell()
    sound = Tokens(([0] * 8, [(b"a", True)])).write()
    token, padding = sound[:16] + b"\0\0\0\x70" + sound[20:], sound[:21] + b"\1" + sound[22:]
    for tables, metadata, extension, row, more in ((token, b"", b"", TABLES, 16), (padding, b"", b"", TABLES, 21),
                                                   (b"", b"[]", b"", METADATA, 0), (b"", b"", b"x", EXTENSION, 0)):
        header = {**file.header, "value_tables": bool(tables), "tables": tables, "metadata": metadata, "extension": extension}
        place = oracle.Index(File([Parts(), Parts()], **header).seal()).header.sections[row][0] + more
        cells = [Parts(), Parts(pool=place - PAGE)]
        name = f"V4 at {oracle.SECTION_NAMES[row]} + {more}"
        yield f"{name}, of the last cell", "V4", PAGE, File(cells, **header).seal()
        data = File([Parts(), *cells], **header).seal()
        b = oracle.Index(data).cell(1)
        yield f"{name}, behind a cell that breaks R15", "R15", b.at, patch(data, b.at + 13, b"\x7f")

def ties():
    """Faults at one offset, and those that come before all others."""
    file = before_an_empty_cell()
    first, length = file.cells[0], len(b"".join(file.cells[0].records))
    data = File([first, Parts(pool=length + 3)]).seal()
    yield "V4 and V3", "V4", PAGE + length, patch(data, PAGE + length, b"\1")
    # The second of two bad records does not count, nor the end of the cell.
    prints = [*first.prints[:3], *(mark ^ 1 for mark in first.prints[3:])]
    index = oracle.Index(file.seal())
    place = index.slot_entry(index.cell(0), 3)[1]
    yield "two records, and the end", "V5", place, File([replace(first, prints=prints), Parts(pool=length + 3)]).seal()
    data = make(pairs(9, random.Random(23), text=True), cells=1).seal()
    b = oracle.Index(data).cell(0)
    yield "R15 and V4", "R15", b.at, patch(patch(data, b.at + 6, number6(1, 0)), b.at + 13, b"\x7f")
    yield "V4 and V10", "V4", PAGE, File([Parts(first=1, pool=1)]).seal()
    keys = Tokens.of_bytes(b"1")
    coded = make([(b"key", b"1111")], cells=1, value_tokens=keys)
    raw = coded.cells[0].records[0]
    longer, unused = varint(3, 1) + raw[1:], raw[:-1] + bytes([raw[-1] | 128])
    assert len(keys.encode(b"1111")) and sum(bits for _, bits in keys.encode(b"1111")) % 8
    yield "R19 and V6", "R19", PAGE, again(coded, 0, records=[longer[:-1]])
    yield "V6 and V14", "V6", PAGE, again(coded, 0, records=[varint(3, 1) + unused[1:]])
    yield "V14 and V5", "V14", PAGE, again(coded, 0, records=[unused], prints=put(coded.cells[0].prints, 0, 0))
    text = make([(b"key", b"\xff")], cells=1, value_type=TEXT)
    yield "V5 and V8", "V5", PAGE, again(text, 0, prints=put(text.cells[0].prints, 0, 0))
    sums = coded.seal()
    table = oracle.Index(sums).header.sections[TABLES][0]
    wrong = patch(sums, table, b"\x15", sums=False, sums_digest=False)
    yield "R18 and V2", "R18", table, patch(wrong, 208, u64(1), sums=False, sums_digest=False)
    chunk = patch(data, PAGE, b"\xff", sums=False)
    yield "V2 and V1", "V2", 208, patch(chunk, 208, u64(1), sums=False, sums_digest=False)
    yield "V1 and R16", "V1", PAGE, chunk
