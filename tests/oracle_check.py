"""An independent verifier of hashlith indexes and sets, written from spec.md alone: V1 to V14 of section 9."""
import re
from functools import partial

from oracle import BODY, CELL, CHUNK, EXTENSION, FAR, JSON, LEFT_OUT, METADATA, PAGE, POOL, SUMS, TEXT, Corrupt, \
    is_utf8, number_at, refuse, refuse_nonzero, xxh64
from oracle_set import Set, of_file

ORDER = "R15 V4 R16 R19 V6 V14 V5 V8 V10 V7 V3 V9 V12 V13 V11".split()  # of faults at one offset

# JSON ----------------------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'[ \t\n\r]*(?:("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
                   r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)|([][{},:]))")


def is_json(data):
    """Whether `data` is UTF-8 and one JSON value by the grammar of RFC 8259: of any depth, with numbers of any size."""
    if not is_utf8(data):
        return False
    text, at, stack, expect = str(data, "utf-8").rstrip(" \t\n\r"), 0, [], "value"
    while at < len(text):
        token = TOKEN.match(text, at)
        if not token:
            return False
        at, mark = token.end(), token.group(3)
        if mark and mark in "[{" and expect in ("value", "value]"):
            stack.append("]" if mark == "[" else "}")
            expect = "value]" if mark == "[" else "name}"
        elif mark and mark in "]}":
            if not stack or stack[-1] != mark or expect not in ("comma", "value]" if mark == "]" else "name}"):
                return False
            stack.pop()
            expect = "comma" if stack else "end"
        elif mark == "," and expect == "comma":
            expect = "value" if stack[-1] == "]" else "name"
        elif mark == ":" and expect == "colon":
            expect = "value"
        elif token.group(1) and expect in ("name", "name}"):
            expect = "colon"
        elif not mark and expect in ("value", "value]"):
            expect = "comma" if stack else "end"
        else:
            return False
    return expect == "end"


# Verifying -----------------------------------------------------------------------------------------------------------

def verify(index):
    """Raises the fault that a verifier reports of an Index or a Set."""
    if isinstance(index, Set):
        for row, part in zip(index.manifest.rows, index.parts):
            with of_file(row.file):
                verify(part)
        return
    check_sums(index)
    faults = []
    for check in (check_totals, check_padding, check_tables, check_metadata, check_extension, check_shared, *cell_checks(index)):
        try:
            check(index)
        except Corrupt as fault:
            faults.append(fault)
    if faults:
        raise min(faults, key=lambda fault: (fault.offset, ORDER.index(fault.rule)))


def check_sums(index):
    """V2, then V1."""
    table = index.header.sections
    sums_at = table[SUMS][0]
    refuse(xxh64(index.section(SUMS)) != index.header.sums_digest, "V2", 208, "wrong sums digest")
    for i, at in enumerate(range(PAGE, sums_at, CHUNK)):
        good = xxh64(index.data[at:min(at + CHUNK, sums_at)], i) == number_at(index.data, sums_at + 8 * i, 8)
        refuse(not good, "V1", at, f"wrong sum of chunk {i}")


def check_padding(index):
    for (offset, length), (following, _) in zip(index.header.sections, index.header.sections[1:]):
        refuse_nonzero(index.data, offset + length, following, "V3", "padding is not zero")


def check_tables(index):
    for has_key, side in zip((False, index.header.has_key_lengths), index.tables):
        for table in side:
            table.check(has_key)


def check_metadata(index):
    refuse(len(index.metadata) and not (is_json(index.metadata) and index.metadata.lstrip()[:1] == b"{"),
           "V9", index.header.sections[METADATA][0], "the metadata is not a JSON object")


def check_extension(index):
    offset, length = index.header.sections[EXTENSION]
    refuse(length and not index.header.ignorable, "V12", offset, "an extension without an ignorable feature")


def check_totals(index):
    keys, far = sum(b.n for b in index.cells()), sum(index.body_length(b) for b in index.cells() if b.far is not None)
    refuse(keys != index.header.keys, "V11", 40, f"{keys} keys in all cells")
    refuse(far != index.header.sections[FAR][1], "V11", 128, f"{far} bytes in all far bodies")


def cell_checks(index):
    """Two checks for each cell: of its fields, and of its records."""
    first = far = 0
    for b in index.cells():
        yield partial(check_fields, b=b, first=first, far=far)
        yield partial(check_records, b=b)
        first = b.first + b.n
        far = b.far + index.body_length(b) if b.far is not None else far


def check_fields(index, b, first, far):
    """`first`, `far`: the right first id, and where the body must begin if the cell is far."""
    at, length = b.at, index.body_length(b)
    index.check_cell(b)
    pool, size = index.header.sections[POOL]
    if index.header.shared:
        refuse(b.pool != pool + size // 2, "V4", at, "the pool start is not the middle of the pool")
        begins = shared_records(index)
        refuse(any(index.slot_entry(b, slot)[1] not in begins for slot in range(b.n)), "V4", at, "an entry leads to no record")
    refuse(b.number == 0 and b.pool != pool and not index.header.shared, "V4", at, "the first pool start is not 0")
    refuse(b.first != first, "V10", at, f"first id {b.first} instead of {first}")
    refuse(b.far is not None and b.far != far, "V10", at, f"far body at {b.far} instead of {far}")
    refuse(b.n == 0 and any(index.data[at + 12:at + CELL]), "V7", at, "an empty cell with a body or layout")
    refuse(index.data[at + 15], "V7", at, "the reserved byte is not zero")
    behind = at + BODY + (length if b.far is None else 6)
    refuse(any(index.data[behind:at + CELL]), "V7", at, "a byte after the body is not zero")
    refuse(b.far is not None and length <= CELL - BODY, "V7", at, "a far body would fit into its cell")
    last, bits = index.pilots_at(b) + length - 1, b.n * index.entry_bits(b) % 8
    refuse(bits and index.data[last] >> bits, "V7", at, "unused bit of the slot entries")


def shared_records(index):
    """Where the records begin, up to the first fault."""
    at, length = index.header.sections[POOL]
    begins = set()
    try:
        for at in walk(index, at, at + length):
            begins.add(at)
    except Corrupt:
        pass
    return begins


def check_shared(index):
    """The first fault of shared records."""
    at, length = index.header.sections[POOL]
    if index.header.shared:
        list(walk(index, at, at + length))


def walk(index, at, end):
    """The places of the records that fill the pool; each is checked after its place is known."""
    while at < end:
        yield at
        at = check_record(index, at, at)[2]


def check_record(index, at, led_by):
    """Key, value and end of a record: R16, R19, V6, V14. Types are looked at later."""
    key, value, end, minimal, padded = index.record(at, led_by)
    refuse(not minimal, "V6", at, "a length has more bytes than it needs")
    refuse(not padded, "V14", at, "an unused bit after the codes of a record is not zero")
    if index.header.shared:
        check_types(index, key, value, at)
    return key, value, end


def check_types(index, key, value, at):
    h = index.header
    good = (h.key_type != TEXT or is_utf8(key)) and (h.value_type != TEXT or is_utf8(value)) \
        and (h.value_type != JSON or is_json(value))
    refuse(not good, "V8", at, "a key or value does not have its type")


def check_records(index, b):
    """The first fault of the records of a cell."""
    if index.header.shared:
        return
    try:
        index.check_cell(b)
    except Corrupt:
        return
    h, at = index.header, b.pool
    pool_end = h.sections[POOL][0] + h.sections[POOL][1]
    following = index.cell(b.number + 1).pool if b.number + 1 < h.cells else pool_end
    for slot in range(b.n):
        fingerprint, place = index.slot_entry(b, slot)
        refuse(place != at, "V4", at, f"the entry of slot {slot} says {place}")
        key, value, end = check_record(index, at, index.entry_at(b, slot))
        if h.key_type != LEFT_OUT:
            hi, lo = index.hash(key)
            own = index.cell_number(hi) == b.number and index.slot(b, key, lo) == slot
            refuse(not own, "V5", at, f"the key of slot {slot} does not find itself")
            refuse(fingerprint != hi & (1 << h.fp) - 1, "V5", at, f"wrong fingerprint in slot {slot}")
        check_types(index, key, value, at)
        at = end
    refuse(at != following, "V4", at, "the next cell begins elsewhere")
