"""Makes index files for the tests, by spec.md alone: whole ones from records, and altered ones from parts.

`seal` lays out sections and computes all sums and digests, whatever the parts are: so a test can break one obligation
and leave everything else right. `search` looks for pilots without any cleverness: enough for a few hundred keys.
"""
import random
from dataclasses import dataclass, field

import oracle
from oracle import CHUNK, ENTRY, HEADER, HUGE, MAGIC, MASK, PAGE, align, ceil_div, hash_key, mulhi, mullo, slots, xxh64


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


@dataclass
class Parts:
    """A block in pieces: raw records and fingerprints in slot order, remap, pilots."""
    records: list = field(default_factory=list)
    prints: list = field(default_factory=list)
    remap: list = field(default_factory=list)
    pilots: bytes = b""
    seed_number: int = 0
    salt: int = 0
    bias: int = None        # None: the least that fits
    width: int = None
    unused_bits: int = 0    # of the slot entries' last byte

    def encode(self, fp):
        """Hot data, pool data and layout (sections 5 and 6)."""
        n, pool = len(self.records), b"".join(self.records)
        if not n:
            return b"", b"", 0
        starts, at = [], 0
        for raw in self.records:
            starts.append(at)
            at += len(raw)
        distances = [start - i * len(pool) // n for i, start in enumerate(starts)]
        bias = -min(distances) if self.bias is None else self.bias
        width = (max(distances) + bias).bit_length() if self.width is None else self.width
        w, bits = fp + width, 0
        for i, (distance, mark) in enumerate(zip(distances, self.prints)):
            bits |= (mark | distance + bias << fp) << i * w
        length = ceil_div(n * w, 8)
        bits |= self.unused_bits << n * w
        remap = b"".join(entry.to_bytes(4, "little") for entry in self.remap)
        layout = bias | width << 48 | self.seed_number << 54 | self.salt << 58
        return bits.to_bytes(length, "little") + remap + self.pilots, pool, layout


class File:
    """An index in pieces. Change what you like, then `seal()`."""

    def __init__(self, blocks, **header):
        self.blocks = blocks
        self.header = dict(version=1, zero1=0, required=0, ignorable=0, seed=0, part=0, parts=1, hash_id=1, key_type=0,
                           value_type=0, fp=8, zero2=0, second_seed=0)
        self.metadata = header.pop("metadata", b"")
        self.header.update(header)

    @classmethod
    def take_apart(cls, data):
        index = oracle.Index(data)
        header = {name: value for name, value in index.header._asdict().items()
                  if name not in ("length", "keys", "blocks", "sections", "directory_digest", "sums_digest")}
        blocks = []
        for number in range(index.header.blocks):
            b = index.block(number)
            parts = Parts(seed_number=b.seed_number, salt=b.salt)
            if b.n:
                parts.bias, parts.width = b.bias, b.width
                at = b.pool
                for slot in range(b.n):
                    end = index._record(b, at)[2]
                    parts.records.append(bytes(index.data[at:end]))
                    parts.prints.append(index._slot_entry(b, slot)[0])
                    at = end
                first, last = index._remap_at(b), index._pilots_at(b)
                parts.remap = [int.from_bytes(index.data[at:at + 4], "little") for at in range(first, last, 4)]
                parts.pilots = bytes(index.data[last:b.hot + b.hot_length])
            blocks.append(parts)
        return cls(blocks, metadata=index.metadata, **header)

    def seal(self, **header):
        """The bytes of the file. A header field given here replaces the right one."""
        fp, hot, pool, first, entries = self.header["fp"], b"", b"", 0, []
        for parts in self.blocks:
            block_hot, block_pool, layout = parts.encode(fp)
            entries.append((first, len(hot), len(pool), layout))
            first, hot, pool = first + len(parts.records), hot + block_hot, pool + block_pool
        entries.append((first, len(hot), len(pool), 0))
        directory = b"".join(ENTRY.pack(*entry) for entry in entries)
        data, table = bytearray(PAGE), []
        for row, section in enumerate((pool, hot, directory, self.metadata)):
            at = align(len(data), HUGE if row == oracle.HOT and len(section) >= HUGE else PAGE)
            table += [at, len(section)]
            data += bytes(at - len(data)) + section
        data += bytes(-len(data) % PAGE)
        table += [len(data), 8 * ceil_div(len(data) - PAGE, CHUNK)]
        data += bytes(table[-1])
        fields = dict(self.header, length=len(data), keys=first, blocks=len(self.blocks), sections=table,
                      directory_digest=0, sums_digest=0)
        fields.update(header)
        order = [fields[name] for name in oracle.Header._fields if name != "sections"]
        data[:8] = MAGIC
        HEADER.pack_into(data, 8, *order[:15], *fields["sections"], *order[15:])
        return reseal(data)


def reseal(data, directory=True, sums=True, sums_digest=True, header=True):
    """`data` with its sums and digests computed again, where its header says that the sections are."""
    data = bytearray(data)
    table = HEADER.unpack_from(data, 8)[15:25]
    if directory:
        data[160:168] = xxh64(bytes(data[table[4]:table[4] + table[5]])).to_bytes(8, "little")
    if sums:
        out = [xxh64(bytes(data[at:min(at + CHUNK, table[8])]), i) for i, at in enumerate(range(PAGE, table[8], CHUNK))]
        data[table[8]:table[8] + 8 * len(out)] = b"".join(x.to_bytes(8, "little") for x in out)
    if sums_digest:
        data[168:176] = xxh64(bytes(data[table[8]:table[8] + table[9]])).to_bytes(8, "little")
    if header:
        data[4088:4096] = xxh64(bytes(data[:4088])).to_bytes(8, "little")
    return bytes(data)


def search(keys, seed, second, salt, seed_number, rng):
    """Pilots and the slots before the remap of `keys`, or None: buckets by size, the first pilot that fits."""
    n = len(keys)
    lows = {key: hash_key(key, seed + salt, second)[1] for key in keys}
    buckets = [[] for _ in range(oracle.bucket_count(n))]
    for key in keys:
        buckets[oracle.bucket_of(lows[key], seed_number, n)].append(key)
    pilots, taken, place = bytearray(len(buckets)), set(), {}
    for number in sorted(range(len(buckets)), key=lambda i: -len(buckets[i])):
        for pilot in rng.sample(range(256), 256):
            chosen = [oracle.slot_of(lows[key], seed_number, pilot, n) for key in buckets[number]]
            if len(set(chosen)) == len(chosen) and taken.isdisjoint(chosen):
                break
        else:
            return None
        pilots[number] = pilot
        taken.update(chosen)
        place.update(zip(buckets[number], chosen))
    return bytes(pilots), place


def make_block(pairs, seed, second, fp, tries, rng):
    """A block of key-value pairs. `tries`: (seed number, salt) in the order to be tried."""
    if not pairs:
        return Parts()
    pairs, n = dict(pairs), len(pairs)
    for seed_number, salt in tries:
        found = search(list(pairs), seed, second, salt, seed_number, rng)
        if found:
            break
    else:
        raise RuntimeError("no pilots")
    pilots, place = found
    free = sorted(set(range(n)) - set(place.values()))
    remap = [0] * (slots(n) - n)
    for key, slot in place.items():
        if slot >= n:
            place[key] = remap[slot - n] = free.pop()
    order = sorted(pairs, key=place.get)
    prints = [hash_key(key, seed, second)[0] & (1 << fp) - 1 for key in order]
    return Parts([record(key, pairs[key]) for key in order], prints, remap, pilots, seed_number, salt)


def make(pairs, blocks=1, seed=0, tries=None, rng=None, **header):
    """A File of key-value pairs; with part and parts, of those that belong to it."""
    rng = rng or random.Random(1)
    tries = tries or [(number, salt) for salt in range(64) for number in range(10)]
    parts, part = header.get("parts", 1), header.get("part", 0)
    second = header.get("second_seed", 0) if header.get("hash_id") == oracle.SIPHASH else None
    routed = [[] for _ in range(blocks)]
    for key, value in pairs:
        hi = hash_key(key, seed, second)[0]
        if mulhi(hi, parts) == part:
            routed[mulhi(mullo(hi, parts), blocks)].append((key, value))
    fp = header.get("fp", 8)
    return File([make_block(group, seed & MASK, second, fp, tries, rng) for group in routed], seed=seed, **header)
