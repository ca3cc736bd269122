"""Faults in the records of an index that are not coded: R16, V4 to V6 and V8."""
import struct

import oracle
from craft import File, number6, varint
from faults_base import again, flip, patch, put, record_at
from oracle import BYTES, INTEGERS, JSON, LEFT_OUT, TEXT


def chosen_cells(index):
    """Numbers of some cells with keys (the first, the last, far ones) and of some without."""
    busy = [b.number for b in index.cells() if b.n]
    far = [b.number for b in index.cells() if b.n and b.far is not None]
    empty = [b.number for b in index.cells() if not b.n]
    return sorted({*busy[:1], *busy[-1:], *far[:1], *far[-1:]}), sorted({*empty[:1], *empty[-1:]})


def record_faults(data):
    """In cells taken apart and put together again."""
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
        self.last, self.h = self.b.n - 1, index.header
        # What has a length in front of the record.
        self.lengths = [name for name, has in (("key", self.h.has_key_lengths), ("value", self.h.has_values)) if has]
        self.has_keys = self.h.key_type != LEFT_OUT

    def faults(self, is_last):
        for slot in sorted({0, self.b.n // 2, self.last}):
            yield from self.entry_faults(slot)
            yield from self.length_faults(slot)
        yield from self.end_faults(is_last)
        yield from self.start_faults()
        if self.has_keys:
            yield from self.pilot_faults()
        yield from self.value_faults()

    def record_of(self, slot):
        """Place, key and value; of an integer the bytes that are in the record."""
        place = record_at(self.data, self.number, slot)
        key, value, *_ = self.index.record(place, place)
        return place, key[:self.h.key_width] if self.h.key_type == INTEGERS else key, value

    def raw(self, key, value, /, **lengths):
        """A record of these. `lengths`: others than the right ones, of `key` and `value`."""
        sizes = {"key": varint(len(key)), "value": varint(len(value)), **lengths}
        return b"".join(sizes[name] for name in self.lengths) + key + value

    def with_record(self, slot, raw, **changes):
        """Place of a record, and the file with another record there."""
        made = again(self.file, self.number, records=put(self.parts.records, slot, raw), **changes)
        return record_at(made, self.number, slot), made

    def marked(self, slot, mark):
        """The fingerprints with some bits of one changed."""
        return put(self.parts.prints, slot, self.parts.prints[slot] ^ mark)

    def entry_faults(self, slot):
        place, key, value = self.record_of(slot)
        fp, width = self.h.fp, self.b.width
        for label, bit in (("low", fp), ("high", fp + width - 1)) if width else ():
            changed = flip(self.data, self.index.entry_at(self.b, 0), slot * (fp + width) + bit)
            yield f"delta of {slot}, {label} bit", "V4", place, changed
        for bit in {0, fp - 1} if self.has_keys else ():
            yield f"fingerprint of {slot}, bit {bit}", "V5", place, \
                again(self.file, self.number, prints=self.marked(slot, 1 << bit))
        if key and self.has_keys:
            at = place + len(self.parts.records[slot]) - len(key) - len(value)
            yield f"other key in {slot}", "V5", place, patch(self.data, at, other_key(self.index, key))

    def length_faults(self, slot):
        _, key, value = self.record_of(slot)
        for name, part in ("key", key), ("value", value):
            if name not in self.lengths:
                continue
            for extra in 1, 3:
                longer = self.raw(key, value, **{name: varint(len(part), extra)})
                yield f"{name} length of {slot} longer by {extra}", "V6", *self.with_record(slot, longer)
            if self.has_keys:
                prints = self.marked(slot, 1)
                yield f"V6 of the {name} and V5 in {slot}", "V6", *self.with_record(slot, longer, prints=prints)
            for label, head in (("11 bytes", b"\x80" * 10 + b"\0"), ("10 bytes above 2^64", b"\xff" * 9 + b"\2"),
                                ("10 bytes of 128", b"\x80" * 10), ("2^64 - 1", b"\xff" * 9 + b"\1")):
                wrong = self.raw(key, value, **{name: head})
                yield f"{name} length of {slot}: {label}", "R16", *self.with_record(slot, wrong)

    def end_faults(self, is_last):
        """Of the last record of the cell; `is_last`: which is the last record of the file."""
        _, key, value = self.record_of(self.last)
        raw = self.parts.records[self.last]
        longer = self.raw(key, value, value=varint(len(value) + 1))
        if is_last and raw:
            cases = [("a byte short", raw[:-1])] if len(raw) > 1 else []
            if self.lengths == ["key", "value"]:
                most = varint(2**64 - 1)
                cases += [("value a byte short", longer), ("no value length", varint(2**20)), ("one byte", b"\0"),
                          ("key too long", varint(len(key) + len(value) + 1) + varint(0) + key + value),
                          ("key and value too long", most + most + key + value),
                          ("R16 and V6", self.raw(key, value, key=varint(len(key), 1), value=varint(len(value) + 1)))]
            for name, part in (("key", key), ("value", value)):
                if name in self.lengths:
                    short = self.raw(key, value, **{name: varint(len(key) + len(value) + 1)})
                    cases.append((f"{name} of all bytes and one more", short))
            for label, short in cases:
                yield f"last record: {label}", "R16", *self.with_record(self.last, short)
            _, made = self.with_record(self.last, b"")
            outside = oracle.Index(made)
            entry = outside.entry_at(outside.cell(self.number), self.last)
            yield "last record behind the pool", "R16", entry, made
        elif self.h.value_type == BYTES:
            place, made = self.with_record(self.last, longer)
            yield "last record a byte too long", "V4", place + len(longer) + 1, made
        place, made = self.with_record(self.last, raw + b"\0")
        yield "bytes behind the last record", "V4", place + len(raw), made

    def start_faults(self):
        """Of what leads to the records."""
        b, prints = self.b, self.parts.prints
        if b.n > 1:
            changed = patch(self.data, b.at + 16, struct.pack("<I", b.mean + 256 & 2**32 - 1))
            yield "mean", "V4", record_at(self.data, self.number, 1), changed
        if b.n > 1 and self.has_keys:
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
        values = [b"\xff"] if self.h.value_type in (TEXT, JSON) else []
        if self.h.value_type == JSON:
            values += [b"", b"nul", b"[1,]", b"1 2", b'"\n"', b"NaN", b"01", b"'a'", b"\xef\xbb\xbf1"]
            values += [b'"\xed\xa0\x80"']
        for wrong in values:
            yield f"value {wrong}", "V8", *self.with_record(self.last, self.raw(key, wrong))
        if values and self.has_keys:
            wrong = self.marked(self.last, 1)
            yield "V5 and V8", "V5", *self.with_record(self.last, self.raw(key, b"\xff"), prints=wrong)


def other_key(index, key):
    """Almost `key`, which is as in its record, with another fingerprint."""
    def mark(key):
        if index.header.key_type == INTEGERS:
            key = oracle.integer(int.from_bytes(key, "little", signed=True))
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
