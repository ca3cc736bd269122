"""Makes index files for the tests, from spec.md alone: whole ones from records, and altered ones from parts.

`seal` lays out sections and computes all sums and digests, whatever the parts are: so a test can break one obligation
and leave everything else right. `search` looks for pilots without any cleverness: enough for a few hundred keys.
"""
import random
from dataclasses import dataclass, field

import oracle
import oracle_tokens
from oracle import BODY, CELL, CHUNK, HEADER, HUGE, MAGIC, MASK, PAGE, align, ceil_div, hash_key, mulhi, mullo, xxh64


def varint(number, extra=0):
    """LEB128, with `extra` bytes more than it needs."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number | (128 if extra else 0))
    if extra:
        out += b"\x80" * (extra - 1) + b"\0"
    return bytes(out)


def record(key, value, extra=0):
    return varint(len(key), extra) + varint(len(value)) + key + value


class Tokens:
    """Token tables of a side, to be written and used. A table is its `bits` (k) and its tokens: (bytes, ends), where the bytes
    may also be oracle_tokens.KEY or KEY_TAIL."""

    def __init__(self, *tables):
        self.tables = tables

    def __len__(self):
        return len(self.tables)

    @classmethod
    def of_bytes(cls, *texts, key=False, tables=1):
        """Tables with every byte, the end, and these texts, all with the same classes."""
        tokens = [(b"", True)] + [(text, ends) for text in texts for ends in (False, True)] \
            + [(bytes([i]), False) for i in range(256)]
        if key:
            tokens[1:1] = [(kind, ends) for kind in (oracle_tokens.KEY, oracle_tokens.KEY_TAIL) for ends in (False, True)]
        bits = [0, 1, 2, 3, 4, 5, 7, 8]
        assert len(tokens) <= sum(2**k for k in bits)
        # Another order in each table.
        return cls(*((bits, tokens[7 * i:] + tokens[:7 * i]) for i in range(tables)))

    def write(self):
        out = b""
        for bits, tokens in self.tables:
            entries, long = b"", b""
            for text, ends in tokens:
                if text in (oracle_tokens.KEY, oracle_tokens.KEY_TAIL):
                    body, flags = b"", text << 4
                elif len(text) > 15:
                    body, flags = len(long).to_bytes(4, "little") + bytes([len(text)]), oracle_tokens.LONG << 4
                    long += text
                else:
                    body, flags = text, len(text)
                entries += body.ljust(15, b"\0") + bytes([flags | ends << 7])
            out += bytes(bits) + len(tokens).to_bytes(4, "little") + len(long).to_bytes(4, "little") + entries + long
            out += bytes(-len(out) % 16)
        return out

    def encode(self, string, key=None, rng=None):
        """Codes of a string as (number, bits): the longest token each time, or any that fits."""
        out, position = [], 0
        tail = None if key is None or len(key) > 255 else key[max(map(key.rfind, oracle_tokens.SEPARATORS)) + 1:]
        texts = {oracle_tokens.KEY: key, oracle_tokens.KEY_TAIL: tail}
        while True:
            bits, tokens = self.tables[min(position, len(self.tables) - 1)]
            fits = []
            for number, (text, ends) in enumerate(tokens):
                text = texts.get(text, text)
                if text is not None and len(text or b"") <= 255 and string.startswith(text) and (text or ends) \
                        and (not ends or text == string):
                    fits.append((len(text) + ends, number, text, ends))
            _, number, text, ends = rng.choice(fits) if rng else max(fits)
            out.append(self.code(bits, number))
            string, position = string[len(text):], position + 1
            if ends:
                return out

    @staticmethod
    def code(bits, number):
        for j, k in enumerate(bits):
            if number < 2**k:
                return number << 3 | j, 3 + k
            number -= 2**k
        raise ValueError(number)


def coded_record(key, value, key_tokens, value_tokens, rng=None):
    """A record of which one field or both are codes (section 4)."""
    number = size = 0

    def put(codes):
        nonlocal number, size
        for code, bits in codes:
            number, size = number | code << size, size + bits

    def put_bytes(data):
        nonlocal size
        size = -(-size // 8) * 8
        put((byte, 8) for byte in data)

    put_bytes(b"".join(varint(len(field)) for field, tokens in ((key, key_tokens), (value, value_tokens)) if not tokens))
    for field, tokens, own_key in (key, key_tokens, None), (value, value_tokens, key):
        if tokens:
            put(tokens.encode(field, own_key, rng))
        else:
            put_bytes(field)
    return number.to_bytes(ceil_div(size, 8), "little")


@dataclass
class Parts:
    """A cell in pieces: raw records and fingerprints in slot order, pilots. None means what the specification asks for."""
    records: list = field(default_factory=list)
    prints: list = field(default_factory=list)
    pilots: bytes = b""
    try_: int = 0
    salt: int = 0
    mean: int = None
    width: int = None        # None: the smallest that fits
    n: int = None
    first: int = None
    pool: int = None
    far: bool = None         # whether the body lies in the far section; a body too long for its cell is cut off
    far_place: int = None
    gap: bytes = b""         # in the pool before the records

    def encode(self, fp, first, pool, far_place):
        """The cell and its far body (sections 5 and 6), given what is in the cells before it."""
        n, starts, at = len(self.records), [], 0
        for raw in self.records:
            starts.append(at)
            at += len(raw)
        mean = min(256 * at // max(n, 1), 2**32 - 1) if self.mean is None else self.mean
        deltas = [start - i * mean // 256 for i, start in enumerate(starts)]
        least = max((d if d >= 0 else ~d).bit_length() + 1 for d in deltas) if any(deltas) else 0
        width = least if self.width is None else self.width
        w, bits = fp + width, 0
        for i, (delta, mark) in enumerate(zip(deltas, self.prints)):
            bits |= (mark | (delta & (1 << width) - 1) << fp) << i * w
        body = self.pilots + bits.to_bytes(ceil_div(n * w, 8), "little")
        far = len(body) > CELL - BODY if self.far is None else self.far
        inside = number6(self.far_place, far_place) if far else body[:CELL - BODY]
        shape = bytes([n if self.n is None else self.n, width | far << 7, self.try_ | self.salt << 4, 0])
        leading = number6(self.first, first) + number6(self.pool, pool + len(self.gap))
        return (leading + shape + mean.to_bytes(4, "little") + inside).ljust(CELL, b"\0"), body if far else b""


def number6(given, right):
    return (right if given is None else given).to_bytes(6, "little")


class File:
    """An index in pieces. Change what you like, then `seal()`."""

    def __init__(self, cells, **header):
        self.cells = cells
        self.header = dict(version=1, zero1=0, required=0, ignorable=0, seed=0, part=0, parts=1, hash_id=1, key_type=0,
                           value_type=0, fp=8, key_tables=0, value_tables=0, zero2=0, second_seed=0)
        self.metadata, self.extension = header.pop("metadata", b""), header.pop("extension", b"")
        self.tables = header.pop("tables", b"")
        self.header.update(header)

    @classmethod
    def take_apart(cls, data):
        index = oracle.Index(data)
        header = {name: value for name, value in index.header._asdict().items()
                  if name not in ("length", "keys", "cells", "sections", "sums_digest")}
        cells = []
        for b in index.cells():
            parts = Parts(try_=b.try_, salt=b.salt)
            if b.n:
                parts.mean, parts.width = b.mean, b.width
                for slot in range(b.n):
                    mark, at = index.slot_entry(b, slot)
                    parts.records.append(bytes(index.data[at:index.record(at, at)[2]]))
                    parts.prints.append(mark)
                pilots = index.pilots_at(b)
                parts.pilots = bytes(index.data[pilots:pilots + oracle.bucket_count(b.n)])
            cells.append(parts)
        return cls(cells, metadata=index.metadata, extension=bytes(index.section(oracle.EXTENSION)),
                   tables=bytes(index.section(oracle.TABLES)), **header)

    def seal(self, **header):
        """The bytes of the file. A header field given here replaces the right one."""
        fp, hot, pool, far, first = self.header["fp"], bytearray(), bytearray(), bytearray(), 0
        for parts in self.cells:
            cell, body = parts.encode(fp, first, len(pool), len(far))
            first, hot, far = first + len(parts.records), hot + cell, far + body
            pool += parts.gap + b"".join(parts.records)
        data, table = bytearray(PAGE), []
        for row, section in enumerate((pool, hot, far, self.tables, self.metadata, self.extension)):
            at = align(len(data), HUGE if row == oracle.HOT and len(section) >= 4 * HUGE else PAGE)
            table += [at, len(section)]
            data += bytes(at - len(data)) + section
        data += bytes(-len(data) % PAGE)
        table += [len(data), 8 * ceil_div(len(data) - PAGE, CHUNK)]
        data += bytes(table[-1])
        fields = dict(self.header, length=len(data), keys=first, cells=len(self.cells), sections=table,
                      sums_digest=0)
        fields.update(header)
        order = [fields[name] for name in oracle.Header._fields if name != "sections"]
        data[:8] = MAGIC
        HEADER.pack_into(data, 8, *order[:17], *fields["sections"], *order[17:])
        return reseal(data)


def reseal(data, sums=True, sums_digest=True, header=True):
    """`data` with its sums and digests computed again, where its header says that the sections are."""
    data = bytearray(data)
    sums_at, length = HEADER.unpack_from(data, 8)[29:31]
    if sums:
        out = [xxh64(bytes(data[at:min(at + CHUNK, sums_at)]), i) for i, at in enumerate(range(PAGE, sums_at, CHUNK))]
        data[sums_at:sums_at + 8 * len(out)] = b"".join(x.to_bytes(8, "little") for x in out)
    if sums_digest:
        data[192:200] = xxh64(bytes(data[sums_at:sums_at + length])).to_bytes(8, "little")
    if header:
        data[4088:4096] = xxh64(bytes(data[:4088])).to_bytes(8, "little")
    return bytes(data)


def part_name(number, data):
    """A name that no other version of this part has."""
    return f"part-{number:05}-{data[4088:4096][::-1].hex()}.hlith"


def manifest(files):
    """The manifest of part files, given as name and bytes in order (section 15)."""
    h, parts, lines = oracle.Index(files[0][1]).header, len(files), []
    for part, (name, data) in enumerate(files):
        start, end = ceil_div(part << 64, parts), ceil_div(part + 1 << 64, parts)
        lines.append(f'{{"file": "{name}", "first": "{start:016x}", "last": "{end - 1:016x}", '
                     f'"keys": {oracle.Index(data).header.keys}, "bytes": {len(data)}, '
                     f'"digest": "{data[4088:4096][::-1].hex()}"}}')
    first = (f'{{"hashlith": 1, "hash": {h.hash_id}, "seed": "{h.seed:016x}", "second_seed": "{h.second_seed:016x}", '
             f'"parts": {parts}, "files": [')
    return (first + "\n" + ",\n".join(lines) + "\n]}\n").encode()


def search(keys, seed, second, salt, try_, rng):
    """Pilots and slots of `keys`, or None: buckets by size, the first pilot that fits; in several rounds."""
    n = len(keys)
    xs = {key: oracle.tried(hash_key(key, seed + salt, second)[1], try_) for key in keys}
    buckets = [[] for _ in range(oracle.bucket_count(n))]
    for key in keys:
        buckets[oracle.bucket_of(xs[key], n)].append(key)
    if any(len({xs[key] for key in bucket}) < len(bucket) for bucket in buckets):
        return None
    order = sorted((i for i in range(len(buckets)) if buckets[i]), key=lambda i: -len(buckets[i]))
    slots = [[[oracle.slot_of(xs[key], pilot, n) for key in bucket] for pilot in range(256)] for bucket in buckets]
    for _ in range(30):
        pilots, place = bytearray(len(buckets)), {}
        for number in order:
            for pilot in rng.sample(range(256), 256):
                chosen = slots[number][pilot]
                if len(set(chosen)) == len(chosen) and place.keys().isdisjoint(chosen):
                    break
            else:
                break
            pilots[number] = pilot
            place.update(zip(chosen, buckets[number]))
        if len(place) == n:
            return bytes(pilots), place
    return None


def make_cell(pairs, seed, second, fp, tries, rng, make_record=record):
    """A cell of key-value pairs. `tries`: pairs of try and salt, in the order in which to try them."""
    if not pairs:
        return Parts()
    pairs = dict(pairs)
    for try_, salt in tries:
        found = search(list(pairs), seed, second, salt, try_, rng)
        if found:
            break
    else:
        raise RuntimeError("no pilots")
    pilots, place = found
    order = [place[slot] for slot in range(len(pairs))]
    prints = [hash_key(key, seed, second)[0] & (1 << fp) - 1 for key in order]
    return Parts([make_record(key, pairs[key]) for key in order], prints, pilots, try_, salt)


def make(pairs, cells=None, seed=0, tries=None, rng=None, **header):
    """A File of key-value pairs; with part and parts, only of the pairs that belong there. `cells`: one per 40 keys by default."""
    rng, pairs = rng or random.Random(1), list(pairs)
    cells = cells or max(1, ceil_div(len(pairs), 40))
    tries = tries or [(try_, salt) for salt in range(16) for try_ in range(16)]
    parts, part = header.get("parts", 1), header.get("part", 0)
    second = header.get("second_seed", 0) if header.get("hash_id") == oracle.SIPHASH else None
    routed = [[] for _ in range(cells)]
    for key, value in pairs:
        hi = hash_key(key, seed, second)[0]
        if mulhi(hi, parts) == part:
            routed[mulhi(mullo(hi, parts), cells)].append((key, value))
    fp, sides = header.get("fp", 8), (header.pop("key_tokens", ()), header.pop("value_tokens", ()))
    made = record
    if any(sides):
        header.update(key_tables=len(sides[0]), value_tables=len(sides[1]),
                      tables=b"".join(side.write() for side in sides if side))
        coding = header.pop("coding", None)

        def made(key, value):
            return coded_record(key, value, *sides, coding)
    return File([make_cell(group, seed & MASK, second, fp, tries, rng, made) for group in routed], seed=seed, **header)


def pairs(n, rng, text=False):
    """Random records with distinct keys."""
    found = {}
    while len(found) < n:
        key = rng.randbytes(rng.randrange(1, 12))
        found[key.hex().encode() if text else key] = rng.randbytes(rng.randrange(30)).hex().encode()
    return list(found.items())
