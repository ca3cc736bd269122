"""Makes index files for the tests, from spec.md alone: whole ones from records, and altered ones from parts.

`seal` lays out sections and computes all sums and digests, whatever the parts are: so a test can break one obligation
and leave everything else right. `search` looks for pilots without any cleverness: enough for a few hundred keys.
"""
import random
from dataclasses import dataclass, field

import oracle
from craft_records import Tokens, integer_width, record, varint, write_record
from oracle import BODY, CELL, CHUNK, HEADER, HUGE, MAGIC, MASK, PAGE, align, ceil_div, hash_key, mulhi, mullo, xxh64


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
    values: list = field(default_factory=list)  # in slot order, if they are not in the records

    def encode(self, fp, first, pool, far_place, shared=None):
        """The cell and its far body (sections 5 and 6), given what is in the cells before it. `shared`: where each record
        begins, from the pool start, if keys share them."""
        n, starts, at = len(self.records), [], 0
        for raw in self.records:
            starts.append(at)
            at += len(raw)
        mean = min(256 * at // max(n, 1), 2**32 - 1)
        if shared is not None:
            starts, mean = [shared[raw] for raw in self.records], 0
        mean = mean if self.mean is None else self.mean
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
    """An index in pieces. Change what you like, then `seal()`. `pairs`: what `make` made it of."""

    def __init__(self, cells, **header):
        self.cells = cells
        self.header = dict(version=1, zero1=0, required=0, ignorable=0, seed=0, part=0, parts=1, hash_id=1, key_type=0,
                           value_type=0, fp=8, key_tables=0, value_tables=0, key_width=0, number=0, second_seed=0,
                           dimension=0)
        self.metadata, self.extension = header.pop("metadata", b""), header.pop("extension", b"")
        self.tables, self.pairs = header.pop("tables", b""), None
        self.shared = header.pop("shared", None)  # the records in the order of the pool, if keys share them
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
                    if index.header.value_type == oracle.NUMBERS:
                        parts.values.append(index.value(b.first + slot))
                pilots = index.pilots_at(b)
                parts.pilots = bytes(index.data[pilots:pilots + oracle.bucket_count(b.n)])
            cells.append(parts)
        return cls(cells, metadata=index.metadata, extension=bytes(index.section(oracle.EXTENSION)),
                   tables=bytes(index.section(oracle.TABLES)), **header)

    def seal(self, **header):
        """The bytes of the file. A header field given here replaces the right one. There are `keys` values, if they are
        numbers."""
        fp, hot, pool, far, first = self.header["fp"], bytearray(), bytearray(), bytearray(), 0
        shared = None
        if self.header["required"] & oracle.SHARED:
            shared = self.shared or sorted({raw for parts in self.cells for raw in parts.records})
            pool, shared = b"".join(shared), {raw: sum(map(len, shared[:i])) for i, raw in enumerate(shared)}
            shared = {raw: start - len(pool) // 2 for raw, start in shared.items()}
        for parts in self.cells:
            cell, body = parts.encode(fp, first, len(pool) if shared is None else len(pool) // 2, len(far), shared)
            first, hot, far = first + len(parts.records), hot + cell, far + body
            if shared is None:
                pool += parts.gap + b"".join(parts.records)
        keys, data, table = header.get("keys", first), bytearray(PAGE), []
        values = b"".join(value for parts in self.cells for value in parts.values)
        length = keys * value_size(self.header)
        values = values[:length].ljust(length, b"\0")
        for row, section in enumerate((values, pool, hot, far, self.tables, self.metadata, self.extension)):
            at = align(len(data), HUGE if row == oracle.HOT and len(section) >= 16 * HUGE else PAGE)
            table += [at, len(section)]
            data += bytes(at - len(data)) + section
        data += bytes(-len(data) % PAGE)
        table += [len(data), 8 * ceil_div(len(data) - PAGE, CHUNK)]
        data += bytes(table[-1])
        fields = dict(self.header, length=len(data), keys=keys, cells=len(self.cells), sections=table,
                      sums_digest=0)
        fields.update(header)
        order = [fields[name] for name in oracle.Header._fields if name != "sections"]
        data[:8] = MAGIC
        HEADER.pack_into(data, 8, *order[:18], *fields["sections"], *order[18:])
        return reseal(data)


def value_size(header):
    """The bytes of a value in the values section, for fields of a header by name."""
    numbers = header["value_type"] == oracle.NUMBERS
    return oracle.NUMBER_SIZES[header["number"]] * max(header["dimension"], 1) if numbers else 0


def reseal(data, sums=True, sums_digest=True, header=True):
    """`data` with its sums and digests computed again, where its header says that the sections are."""
    data = bytearray(data)
    sums_at, length = HEADER.unpack_from(data, 8)[32:34]
    if sums:
        out = [xxh64(bytes(data[at:min(at + CHUNK, sums_at)]), i) for i, at in enumerate(range(PAGE, sums_at, CHUNK))]
        data[sums_at:sums_at + 8 * len(out)] = b"".join(x.to_bytes(8, "little") for x in out)
    if sums_digest:
        data[208:216] = xxh64(bytes(data[sums_at:sums_at + length])).to_bytes(8, "little")
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


def make_cell(pairs, seed, second, fp, tries, rng, make_record=write_record):
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
    values = [pairs[key] for key in order]
    return Parts(list(map(make_record, order, values)), prints, pilots, try_, salt, values=values)


def make(pairs, cells=None, seed=0, tries=None, rng=None, **header):
    """A File of key-value pairs; with part and parts, only of the pairs that belong there. `cells`: one per 40 keys by
    default. Integer keys have 8 bytes here, and all values the bytes that the file holds. `key_width`: of integers, the
    least that holds them by default.
    """
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
    if any(sides):
        header.update(key_tables=len(sides[0]), value_tables=len(sides[1]),
                      tables=b"".join(side.write() for side in sides if side))
    coding, key_type, value_type = header.pop("coding", None), header.get("key_type"), header.get("value_type")
    if key_type == oracle.INTEGERS:
        header.setdefault("key_width", max([1, *(integer_width(key) for key, _ in pairs)]))
    has_length = key_type not in (oracle.INTEGERS, oracle.LEFT_OUT), value_type not in (oracle.NONE, oracle.NUMBERS)

    def made(key, value):
        if key_type == oracle.LEFT_OUT:
            key = hash_key(key, seed, second)[1].to_bytes(8, "little")
        if not has_length[0]:
            key = key[:header.get("key_width", 0)]
        return write_record(key, value if has_length[1] else b"", *sides, coding, has_length)

    file = File([make_cell(group, seed & MASK, second, fp, tries, rng, made) for group in routed], seed=seed, **header)
    file.pairs = sum(routed, [])
    return file


def pairs(n, rng, text=False):
    """Random records with distinct keys."""
    found = {}
    while len(found) < n:
        key = rng.randbytes(rng.randrange(1, 12))
        found[key.hex().encode() if text else key] = rng.randbytes(rng.randrange(30)).hex().encode()
    return list(found.items())
