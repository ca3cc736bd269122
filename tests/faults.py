"""Sound indexes broken in one place each, with all sums right again: what must be reported, and where.

`broken(data)` yields (label, rule, offset, bytes) for everything that can be broken in the given index. A rule "R16|V5"
means one of the two, an offset None any offset. faults_crafted.py has faults that need an index made for them.
"""
import oracle
from craft import File, number6
from faults_base import again, flip, patch, u64
from faults_header import header_faults
from faults_records import chosen_cells, record_faults
from oracle import BODY, CELL, FAR, METADATA, PAGE, POOL, SUMS


def sum_faults(data):
    """V1 to V3."""
    index = oracle.Index(data)
    table = index.header.sections
    sums = table[SUMS][0]
    for i, at in enumerate(range(PAGE, sums, oracle.CHUNK)):
        yield f"sum {i}", "V1", at, patch(data, sums + 8 * i, u64(i), sums=False)
        last = min(at + oracle.CHUNK, sums) - 1
        yield f"end of chunk {i}", "V1", at, patch(data, last, bytes([data[last] ^ 1]), sums=False)
    yield "sums digest", "V2", 208, patch(data, 208, u64(1), sums_digest=False)
    both = patch(data, sums, u64(1), sums=False, sums_digest=False)
    yield "a sum and the sums digest", "V2", 208, both
    for (offset, length), (following, _) in zip(table, table[1:]):
        for at in {offset + length, following - 1} if offset + length < following else ():
            yield f"padding {at}", "V3", at, patch(data, at, b"\x10")


def total_faults(data):
    """V9 and V11 of what the file says once."""
    index, file = oracle.Index(data), File.take_apart(data)
    h, far = index.header, index.header.sections[FAR][1]
    for label, keys in ("a key more", h.keys + 1), ("a key less", h.keys - 1), ("no keys", 0):
        if 0 <= keys != h.keys:
            yield label, "V11", 40, file.seal(keys=keys)
    if far % PAGE:
        yield "far section a byte longer", "V11", 128, patch(data, 136, u64(far + 1))
    if far % PAGE > 1:
        yield "far section a byte shorter", "V11", 128, patch(data, 136, u64(far - 1))
    for metadata in b"[]", b"{", b"null", b"{}x", b'{"a":1,}', b"{} {}", b"\xff", b'{"a":"\xff"}', b" ":
        made = File(file.cells, metadata=metadata, tables=file.tables, **file.header).seal()
        yield f"metadata {metadata}", "V9", oracle.Index(made).header.sections[METADATA][0], made
    yield "metadata of 1 MiB and a byte", "R13", 160, \
        File(file.cells, metadata=b"{" + b" " * (1 << 20) + b"}", tables=file.tables, **file.header).seal()


def cell_faults(data):
    """R15, V4 and V7 in the fields of cells, empty ones too."""
    index, file = oracle.Index(data), File.take_apart(data)
    h, fp, pool_at = index.header, index.header.fp, index.header.sections[POOL][0]
    busy, empty = chosen_cells(index)
    for number in busy + empty:
        b, where = index.cell(number), f"cell {number}: "
        for wrong in b.first + 1, 2**48 - 1:
            yield where + f"first id {wrong}", "V10", b.at, patch(data, b.at, number6(wrong, 0))
        for wrong in (b.pool - pool_at + 1, 2**48 - 1) if number and not h.shared else ():
            yield where + f"pool start {wrong}", "V4", b.pool, patch(data, b.at + 6, number6(wrong, 0))
    for number in empty:
        b = index.cell(number)
        for at, wrong in (13, 1), (13, 128), (14, 1), (14, 16), (15, 1), (16, 1), (19, 128), (20, 1), (127, 128):
            rule = "V10|V7" if (at, wrong) == (13, 128) else "V7"  # V10 if there is a far body before
            yield f"empty cell {number}: byte {at} is {wrong}", rule, b.at, patch(data, b.at + at, bytes([wrong]))
    for number in busy:
        b, where, w = index.cell(number), f"cell {number}: ", fp + index.cell(number).width
        if b.far is None:
            made = again(file, number, n=255, seal={"keys": h.keys - b.n + 255}, mean=b.mean, width=b.width)
            yield where + "255 keys", "R15", oracle.Index(made).cell(number).at, made
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


def broken(data):
    """Every fault that this file can make in an index."""
    for group in header_faults, sum_faults, total_faults, cell_faults:
        yield from group(data)
    index = oracle.Index(data)
    # faults_tokens.py has those of coded records, faults_typed.py those of shared ones.
    if not any(index.tables) and not index.header.shared:
        yield from record_faults(data)
