"""Sound indexes broken in one place each, with all sums right again: what must be reported, and where.

`broken(data)` yields (label, rule, offset, bytes) for all that can be broken in the given index. `crafted()` does so for
indexes made for one fault, and `sound()` yields odd ones in which nothing is wrong. "R21|V5" means: one of the two; and
an offset of None: any.
"""
import random
import struct
from dataclasses import replace

import oracle
from craft import File, Parts, make, record, reseal, varint
from oracle import DIRECTORY, HOT, JSON, METADATA, PAGE, SECTION_NAMES, SUMS, TEXT


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
    for at in 12, 15, 76, 79, *(() if h.hash_id == oracle.SIPHASH else (176, 183)), 184, 2048, 4080, 4087:
        yield f"reserved {at}", "R6", at, patch(data, at, b"\x80")
    yield "two reserved", "R6", 15, patch(patch(data, 79, b"\1"), 15, b"\1")
    yield "one byte more", "R7", 32, data + b"\0"
    yield "one byte less", "R7", 32, data[:-1]
    yield "cut after the header", "R7", 32, data[:PAGE]
    for length in 0, h.length + 1, 2**64 - 1:
        yield f"length {length}", "R7", 32, patch(data, 32, u64(length))
    yield "no blocks", "R8", 48, patch(data, 48, u64(0))
    yield "no blocks, many keys", "R8", 48, patch(data, 40, u64(2**48 + 1) + u64(0))
    for keys in 2**48 + 1, 2**64 - 1:
        yield f"{keys} keys", "R8", 40, patch(data, 40, u64(keys))
    for part, parts in (1, 1), (0, 0), (5, 5), (2**32 - 1, 0):
        yield f"part {part} of {parts}", "R9", 64, patch(data, 64, struct.pack("<II", part, parts))
    for at, rule, numbers in (72, "R10", (0, 3, 255)), (73, "R11", (2, 255)), (74, "R11", (3, 255)), \
            (75, "R12", (0, 17, 255)):
        for number in numbers:
            # Another hash has no second seed.
            base = patch(data, 176, u64(0)) if at == 72 else data
            yield f"byte {at} is {number}", rule, at, patch(base, at, bytes([number]))
    seal = {"sums": False, "directory": False, "sums_digest": False}  # the table no longer leads to them
    for row, (offset, length) in enumerate(table):
        at, name = 80 + 16 * row, SECTION_NAMES[row]
        for wrong in offset + 1, offset + 4096, offset - 4096, 0, 2**64 - 4096:
            yield f"{name} at {wrong}", "R14", at, patch(data, at, u64(wrong), **seal)
        if row < SUMS:
            for wrong in length + 2 * PAGE, 2**64 - 1, 2**64 - offset, 2**64 - 4096:
                rule, first = ("R14", at + 16)
                if row == HOT and wrong >= oracle.HUGE and offset % oracle.HUGE:
                    first = at
                if row == DIRECTORY or row == METADATA and wrong > 1 << 20:
                    rule, first = "R13", at
                yield f"{name} of {wrong} bytes", rule, first, patch(data, at + 8, u64(wrong), **seal)
        else:
            for wrong in length + 8, length - 8, 0, 2**64 - offset, 2**64 - 8:
                yield f"{name} of {wrong} bytes", "R14", at, patch(data, at + 8, u64(wrong), **seal)
    for blocks in h.blocks + 1, 2**59 - 1, 2**64 - 1, h.blocks + 2**59:  # 32 * (B + 1) does not wrap
        yield f"{blocks} blocks", "R13", 112, patch(data, 48, u64(blocks), directory=False)
    if table[DIRECTORY][1] % PAGE:
        yield "directory a byte longer", "R13", 112, patch(data, 120, u64(table[DIRECTORY][1] + 1))
    longer = patch(data + bytes(8), 32, u64(h.length + 8), header=False)
    yield "a sum too many", "R14", 144, patch(longer, 152, u64(table[SUMS][1] + 8))
    shorter = patch(data[:-8], 32, u64(h.length - 8), **seal)
    yield "a sum too few", "R14", 144, patch(shorter, 152, u64(table[SUMS][1] - 8), **seal)


def directory_faults(data):
    """R15 to R20, in entries of the directory."""
    index = oracle.Index(data)
    h, (at, _) = index.header, index.header.sections[DIRECTORY]
    closing = at + 32 * h.blocks
    yield "directory digest", "R15", 160, patch(data, 160, u64(1), directory=False)
    yield "directory byte", "R15", 160, patch(data, at + 24, b"\xff", directory=False)
    for field in range(3):
        yield f"first entry, field {field}", "R16", at, patch(data, at + 8 * field, u64(1))
    for field in range(4):
        for step in 1, 2**63:
            wrong = index._entry(h.blocks)[field] + step
            yield f"closing entry, field {field} by {step}", "R16", closing, patch(data, closing + 8 * field, u64(wrong))
    if h.blocks > 1:
        for field in range(3):
            wrong = index._entry(2)[field] + 1
            # Before the order of the entries is looked at, the first block gets wrong lengths, but for a longer pool.
            for wrong, rules in (wrong, "R19 R19 R17"), (2**64 - 1, "R18 R19 R18"):
                rule = rules.split()[field]
                yield f"order of field {field}, {wrong}", rule, at + 64 if rule == "R17" else at, \
                    patch(data, at + 32 + 8 * field, u64(wrong))
        first, second = index.block(0), index.block(1)
        if first.n and second.n:
            yield "few records", "R18", at, patch(data, at + 32 + 16, u64(2 * first.n - 1))
            yield "few records, 2nd", "R18", at + 32, patch(data, at + 48, u64(first.L + second.L - 2 * second.n + 1))
            yield "hot data", "R19", at, patch(data, at + 40, u64(first.hot_length + 1))
    for number in range(h.blocks):
        b, layout = index.block(number), index._entry(number)[3]
        here = at + 32 * number
        if not b.n:
            for name, bit in ("bias", 0), ("width", 48), ("seed number", 54), ("salt", 58):
                yield f"empty block with {name}", "R20", here, patch(data, here + 24, u64(1 << bit))
            continue
        for seed_number in 10, 15:
            wrong = layout & ~(15 << 54) | seed_number << 54
            yield f"seed number {seed_number}", "R20", here, patch(data, here + 24, u64(wrong))
        wrong = layout & ~(63 << 48) | (b.width + 9) % 64 << 48
        if oracle.hot_length(b.n, h.fp + (b.width + 9) % 64) != b.hot_length:
            yield "width", "R19", here, patch(data, here + 24, u64(wrong))
        if number > 40:
            break


def sum_faults(data):
    """V1 to V3."""
    index = oracle.Index(data)
    table = index.header.sections
    sums = table[SUMS][0]
    for i, at in enumerate(range(PAGE, sums, oracle.CHUNK)):
        yield f"sum {i}", "V1", at, patch(data, sums + 8 * i, u64(i), sums=False)
        last = min(at + oracle.CHUNK, sums) - 1
        yield f"end of chunk {i}", "V1", at, patch(data, last, bytes([data[last] ^ 1]), sums=False, directory=False)
    yield "sums digest", "V2", 168, patch(data, 168, u64(1), sums_digest=False)
    for (offset, length), (following, _) in zip(table, table[1:]):
        for at in {offset + length, following - 1} if offset + length < following else ():
            yield f"padding {at}", "V3", at, patch(data, at, b"\x10")


def record_at(data, number, slot):
    """The place in the file of the record of a slot."""
    index = oracle.Index(data)
    b = index.block(number)
    return index._slot_entry(b, slot)[1]


def block_faults(data):
    """R18 to R22 and V4 to V9, in one block taken apart and put together again."""
    index = oracle.Index(data)
    file = File.take_apart(data)
    header, fp = dict(file.header), file.header["fp"]
    busy = [i for i, parts in enumerate(file.blocks) if parts.records]

    def again(number, **changes):
        """The file with changes to a block."""
        blocks = list(file.blocks)
        blocks[number] = replace(blocks[number], **changes)
        return File(blocks, metadata=file.metadata, **header).seal()

    def put(items, i, new):
        return items[:i] + [new] + items[i + 1:]

    for metadata in b"[]", b"{", b"null", b"{}x", b'{"a":1,}', b"{} {}", b"\xff", b'{"a":"\xff"}', b" ":
        made = File(file.blocks, metadata=metadata, **header).seal()
        yield f"metadata {metadata}", "V9", oracle.Index(made).header.sections[METADATA][0], made
    yield "metadata of 1 MiB and a byte", "R13", 128, \
        File(file.blocks, metadata=b"{" + b" " * (1 << 20) + b"}", **header).seal()
    for number in sorted({busy[0], busy[-1]}) if busy else ():
        parts, b, where = file.blocks[number], index.block(number), f"block {number}: "
        n, layout = len(parts.records), index._entry(number)[3]
        here = index.header.sections[DIRECTORY][0] + 32 * number
        for label, rule, changes in (
                ("a pilot more", "R19", {"pilots": parts.pilots + b"\0"}),
                ("a pilot less", "R19", {"pilots": parts.pilots[:-1]}),
                ("a remap entry more", "R19", {"remap": parts.remap + [0]}),
                ("W = 58", "R20", {"width": 58 - fp}), ("width 63", "R20", {"width": 63}),
                ("short records", "R18", {"records": [b"\0"] * n})):
            made = again(number, **{"bias": None, "width": None, **changes})
            table = oracle.HEADER.unpack_from(made, 8)[15:25]
            yield where + label, rule, table[4] + 32 * number, made
        # Length-preserving changes: straight into the file.
        for slot in sorted({0, n // 2, n - 1}):
            place = record_at(data, number, slot)
            raw = parts.records[slot]
            key, value, _, _ = index._record(b, place)
            for bit in {0, fp - 1}:
                wrong = put(parts.prints, slot, parts.prints[slot] ^ 1 << bit)
                yield where + f"fingerprint of {slot}, bit {bit}", "V5", place, again(number, prints=wrong)
            w = index._w(b)
            for label, bit in ("low", fp), ("high", w - 1):
                if b.width:
                    yield where + f"delta of {slot}, {label} bit", "V4", place, flip(data, b.hot, slot * w + bit)
            for label, long in ("key", 1), ("key", 3):
                made = again(number, bias=None, width=None, records=put(parts.records, slot, record(key, value, long)))
                yield where + f"{label} length of {slot} longer by {long}", "V6", \
                    record_at(made, number, slot), made
            long_value = varint(len(key)) + varint(len(value), 1) + key + value
            made = again(number, bias=None, width=None, records=put(parts.records, slot, long_value))
            yield where + f"value length of {slot} longer", "V6", record_at(made, number, slot), made
            if key:
                other = bytes([key[0] ^ 1]) + key[1:]
                made = patch(data, place + len(raw) - len(key) - len(value), other)
                yield where + f"other key in {slot}", "V5", place, made
            for label, head in (("11 bytes", b"\x80" * 10 + b"\0"), ("10 bytes above 2^64", b"\xff" * 9 + b"\2"),
                                ("10 bytes of 128", b"\x80" * 10), ("2^64 - 1", b"\xff" * 9 + b"\1")):
                for name, lengths in ("key", head + varint(len(value))), ("value", varint(len(key)) + head):
                    made = again(number, bias=None, width=None,
                                 records=put(parts.records, slot, lengths + key + value))
                    yield where + f"{name} length of {slot}: {label}", "R22", record_at(made, number, slot), made
        last = n - 1
        place = record_at(data, number, last)
        key, value, _, _ = index._record(b, place)
        for label, raw in (("value a byte short", varint(len(key)) + varint(len(value) + 1) + key + value),
                           ("key too long", varint(len(key) + len(value) + 1) + varint(0) + key + value),
                           ("key and value too long", varint(2**64 - 1) + varint(2**64 - 1) + key + value),
                           ("no value length", varint(2**20) if n > 1 else b"\x80\x80")):
            made = again(number, bias=None, width=None, records=put(parts.records, last, raw))
            yield where + f"last record: {label}", "R22", record_at(made, number, last), made
        tail = put(parts.records, last, parts.records[last] + b"\0")
        made = again(number, bias=None, width=None, records=tail)
        yield where + "bytes behind the last record", "V4", record_at(made, number, last) + len(parts.records[last]), made
        first, second = index._remap_at(b), index._pilots_at(b)
        used = {index._find(index._record(b, record_at(data, number, slot))[0])[2] for slot in range(n)}
        for j in range(len(parts.remap)):
            spot = first + 4 * j
            for wrong in {n, 2**31, 2**32 - 1}:
                rule = "R21" if n + j in used else "V7"
                yield where + f"remap {j} is {wrong}", rule, spot, patch(data, spot, struct.pack("<I", wrong))
            if n + j not in used and n > 1:
                yield where + f"unused remap {j}", "V7", spot, patch(data, spot, struct.pack("<I", n - 1))
            elif n > 1:
                wrong = (parts.remap[j] + 1) % n
                spoiled = record_at(data, number, parts.remap[j])
                yield where + f"remap {j} to another slot", "V5", spoiled, patch(data, spot, struct.pack("<I", wrong))
            if j > 4:
                break
        w = index._w(b)
        for bit in range(n * w, oracle.entry_bytes(n, w) * 8):
            yield where + f"unused bit {bit}", "V7", first - 1, flip(data, b.hot, bit)
        slot, place = spoiled_by_pilot(index, b)
        if slot is not None:
            pilot_at = second + place
            yield where + "a pilot", "V5", record_at(data, number, slot), \
                patch(data, pilot_at, bytes([data[pilot_at] ^ 255]))
        if n > 20:
            yield where + "salt", "R21|V5", None, patch(data, here + 24, u64(layout ^ 1 << 58))
            other = layout & ~(15 << 54) | (b.seed_number + 1) % 10 << 54
            yield where + "seed number", "R21|V5", None, patch(data, here + 24, u64(other))
        if n > 1:
            same, prints = put(parts.records, last, parts.records[0]), put(parts.prints, last, parts.prints[0])
            made = again(number, bias=None, width=None, records=same, prints=prints)
            yield where + "a key twice", "V5", record_at(made, number, last), made
        wrong_text = b"\xff" if header["value_type"] in (TEXT, JSON) else None
        values = [wrong_text] if wrong_text else []
        if header["value_type"] == JSON:
            values += [b"", b"nul", b"[1,]", b"1 2", b'"\n"', b"NaN", b"01", b"'a'", b"\xef\xbb\xbf1", b'"\xed\xa0\x80"']
        for wrong in values:
            made = again(number, bias=None, width=None, records=put(parts.records, last, record(key, wrong)))
            yield where + f"value {wrong}", "V8", record_at(made, number, last), made


def flip(data, base, bit):
    at = base + bit // 8
    return patch(data, at, bytes([data[at] ^ 1 << bit % 8]))


def spoiled_by_pilot(index, b):
    """The first slot whose key is lost when the pilot of its bucket is inverted, without another fault, and bucket."""
    lows = {}
    for slot in range(b.n):
        key = index._record(b, index._slot_entry(b, slot)[1])[0]
        lo = index._hash(key, b.salt)[1]
        lows.setdefault(oracle.bucket_of(lo, b.seed_number, b.n), []).append((slot, lo))
    for bucket, members in lows.items():
        pilot = index.data[index._pilots_at(b) + bucket] ^ 255
        new = [oracle.slot_of(lo, b.seed_number, pilot, b.n) for _, lo in members]
        if all(s < b.n for s in new) and all(s != slot for s, (slot, _) in zip(new, members)):
            return members[0][0], bucket
    return None, None


def broken(data):
    """Every fault of an index that this file knows how to make."""
    for group in header_faults, directory_faults, sum_faults, block_faults:
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
    some = pairs(40, rng)
    file = make(some, blocks=2)

    class Raw(Parts):
        """An empty block with hot data or records."""

        def encode(self, fp):
            return self.pilots, b"".join(self.records), 0

    def directory_of(data):
        return oracle.HEADER.unpack_from(data, 8)[15:25][4]

    made = File([Parts(), Raw(pilots=b"\0\0\0"), Parts()]).seal()
    yield "empty block with hot data", "R19", directory_of(made) + 32, made
    for hot, rule in (b"xx", "R19"), (b"", "R20"):
        made = File([Raw(pilots=hot, records=[b"\0\0"])]).seal(keys=0)
        at = directory_of(made)
        yield f"empty block with records, {len(hot)} of hot data", rule, at, patch(made, at + 32, u64(0))
    made = file.seal(keys=2**31 + 60)
    at = directory_of(made)
    yield "too many keys in a block", "R18", at + 32, patch(made, at + 64, u64(2**31 + 60))
    # A key of another block, or of another part; types.
    yield "blocks exchanged", "R21|V5", None, File(file.blocks[::-1]).seal()
    yield "another hash seed", "R21|V5", None, File(file.blocks, seed=1).seal()
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
    for n in range(1, 34):
        yield f"{n} keys", make(pairs(n, rng)).seal()
    for blocks in 2, 3, 7, 1000:
        yield f"60 keys in {blocks} blocks", make(pairs(60, rng), blocks=blocks).seal()
    for seed_number in range(10):
        tries = [(seed_number, salt) for salt in (0, 1, 2, 31, 62, 63)]
        yield f"seed number {seed_number}", make(pairs(40, rng), tries=tries).seal()
        yield f"seed number {seed_number}, 63 down", make(pairs(40, rng), tries=tries[::-1], seed=2**64 - 5).seal()
    for fp in range(1, 17):
        file = make(pairs(30, rng), fp=fp)
        yield f"{fp} fingerprint bits", file.seal()
        file.blocks[0].width = 57 - fp
        yield f"{fp} fingerprint bits, W = 57", file.seal()
        file.blocks[0].bias = 2**40
        yield f"{fp} fingerprint bits, large bias", file.seal()
    same = make([(k, b"v") for k in {bytes([i, j]) for i in range(5) for j in range(5)}], fp=1)
    yield "records of one length, width 0 or so", same.seal()
    for value in good_json():
        yield f"JSON {value[:20]}", make([(b"k", value)], value_type=JSON).seal()
    yield "metadata", File([Parts()], metadata=b'\n{"a":[1e999,"\\ud800"]} ').seal()
    yield "metadata, 1 MiB", File([Parts()], metadata=b"{" + b" " * ((1 << 20) - 2) + b"}").seal()
    yield "one key, far delta", make([(b"", b"")]).seal()
    yield "a very long value among short ones", make([*pairs(200, rng), (b"long", bytes(300_000))]).seal()


def oracle_verdict(data):
    """Rule and offset of the fault that the oracle finds in the bytes `data`, or two Nones."""
    try:
        oracle.Index(data).verify()
    except oracle.Corrupt as fault:
        return fault.rule, fault.offset
    return None, None
