"""An independent reader of sets, section 15 of spec.md: a directory of parts that oracle.py reads."""
import os
import re
from bisect import bisect_right
from collections import namedtuple
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

from oracle import SIPHASH, XXH3, Corrupt, Index, ceil_div, hash_key, integer, mulhi, number_at

MANIFEST = "manifest.json"
LONGEST = 32 << 20
MOST_PARTS = 65_536
NUMBER, HEX = rb"(0|[1-9][0-9]{0,19})", rb"([0-9a-f]{16})"  # 2^64 has 20 digits
# The three kinds of lines. A line of a part ends in a comma unless the last line follows.
VERSION = re.compile(rb'\{"hashlith": %b,' % NUMBER)
FIRST = re.compile(rb'\{"hashlith": 1, "hash": %b, "seed": "%b", "second_seed": "%b", "parts": %b, "files": \[\n'
                   % (NUMBER, HEX, HEX, NUMBER))
PART = re.compile(rb'\{"file": "([A-Za-z0-9_-][A-Za-z0-9._-]{0,254})", "first": "%b", "last": "%b", "keys": %b, '
                  rb'"bytes": %b, "digest": "%b"\}(?:,\n(?!\]\}\n)|\n(?=\]\}\n))' % (HEX, HEX, NUMBER, NUMBER, HEX))
LAST = b"]}\n"

Manifest = namedtuple("Manifest", "hash_id seed second_seed rows")
Row = namedtuple("Row", "at file first last keys length digest")  # `at`: the offset of the line


def ranges(parts):
    """The first and the last `hi` of each part."""
    starts = [ceil_div(part << 64, parts) for part in range(parts + 1)]
    return [(first, following - 1) for first, following in zip(starts, starts[1:])]


def parse(data):
    """The manifest in `data`: M1 to M3, line by line."""
    refuse(len(data) > LONGEST, "M1", 0, "more than 32 MiB")
    version = VERSION.match(data)
    refuse(version and int(version[1]) != 1 and int(version[1]) < 2**32, "M2", 0, "another version")
    line = FIRST.match(data)
    refuse(not line, "M1", 0, "not the first line of a manifest")
    hash_id, seed, second_seed, parts = int(line[1]), int(line[2], 16), int(line[3], 16), int(line[4])
    refuse(hash_id >= 2**8 or parts >= 2**32, "M1", 0, "a number is too large")
    refuse(hash_id == XXH3 and second_seed, "M1", 0, "a second seed without SipHash")
    refuse(hash_id not in (XXH3, SIPHASH), "M2", 0, "unknown hash")
    refuse(not 1 <= parts <= MOST_PARTS, "M3", 0, f"{parts} parts")
    rows, right, at = [], ranges(parts), line.end()
    while data[at:at + len(LAST)] != LAST:
        refuse(at == len(data), "M1", at, "there is no last line")
        line = PART.match(data, at)
        refuse(not line, "M1", at, "not a line of a manifest")
        row = Row(at, line[1].decode(), int(line[2], 16), int(line[3], 16), int(line[4]), int(line[5]),
                  int(line[6], 16))
        refuse(row.keys >= 2**64 or row.length >= 2**64, "M1", at, "a number is too large")
        refuse(len(rows) == parts, "M3", at, "more parts than there are")
        refuse((row.first, row.last) != right[len(rows)], "M3", at, f"not the range of part {len(rows)}")
        rows.append(row)
        at = line.end()
    refuse(len(rows) < parts, "M3", at, f"{len(rows)} parts instead of {parts}")
    end = at + len(LAST)
    refuse(end < len(data), "M1", end, "something follows the last line")
    return Manifest(hash_id, seed, second_seed, rows)


def types_of(header):
    return header.key_type, header.value_type, header.number, header.dimension


class Set:
    """An open set. Opening checks M1 to M6 and R1 to R14 of each part; a fault has the name of its file."""

    def __init__(self, folder):
        self.folder = Path(folder)
        while True:
            with open(self.folder / MANIFEST, "rb") as file:
                try:
                    self._open(parse(self._read(file)))
                    return
                except Corrupt:
                    # Otherwise another set has replaced this one. No other manifest is the same file while this one is open.
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(self.folder / MANIFEST)):
                        raise

    def _read(self, file):
        return file.read(LONGEST + 1)

    def _open(self, manifest):
        self.manifest, self.parts = manifest, []
        for number, row in enumerate(manifest.rows):
            self.parts.append(self._part(number, row))
        self.starts = [0, *accumulate(map(len, self.parts))]
        self.header = self.parts[0].header

    def _part(self, number, row):
        """Part `number`, an Index: M4, R1 to R14, M5, M6."""
        try:
            with of_file(row.file):
                part = Index(self.folder / row.file)
        except FileNotFoundError:
            raise Corrupt("M4", row.at, f"{row.file} is not there", MANIFEST) from None
        h, m = part.header, self.manifest
        found = h.part, h.parts, h.hash_id, h.seed, h.second_seed, h.keys, h.length, number_at(part.data, 4088, 8)
        said = number, len(m.rows), m.hash_id, m.seed, m.second_seed, row.keys, row.length, row.digest
        refuse(found != said, "M5", row.at, f"{row.file} has {found} instead of {said}")
        own, types = types_of(h), types_of((self.parts or [part])[0].header)
        refuse(own != types, "M6", row.at, f"{row.file} has the types {own} instead of {types}")
        return part

    # Lookup -----------------------------------------------------------------------------------------------------------

    def lookup(self, key):
        """Dense id and value of a key, or None."""
        h, key = self.header, integer(key)
        hi = hash_key(key, h.seed, h.second_seed if h.hash_id == SIPHASH else None)[0]
        number = mulhi(hi, len(self.parts))
        with of_file(self.manifest.rows[number].file):
            found = self.parts[number].lookup(key)
        return found and (self.starts[number] + found[0], found[1])

    # Both only call `lookup`.
    get, id = Index.get, Index.id

    def by_id(self, number):
        """Key and value of a dense id."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        part = bisect_right(self.starts, number) - 1
        with of_file(self.manifest.rows[part].file):
            return self.parts[part].by_id(number - self.starts[part])

    def items(self):
        """All keys and values in the order of their ids."""
        for row, part in zip(self.manifest.rows, self.parts):
            with of_file(row.file):
                yield from part.items()

    def __len__(self):
        return self.starts[-1]

    @property
    def metadata(self):
        return self.parts[0].metadata


@contextmanager
def of_file(file):
    """Adds the name of the part's file to faults."""
    try:
        yield
    except Corrupt as fault:
        fault.file = file
        raise


def refuse(condition, rule, offset, message):
    if condition:
        raise Corrupt(rule, offset, message, MANIFEST)
