"""Sound sets broken in one place each: what must be reported, in which file, and where.

A set is here a dict from file names to bytes. `manifest_faults` and `part_faults` yield what is wrong and what must be
reported; `edits` changes a manifest at random, and says where the fault must be.
"""
import functools
import random
from collections import Counter

import craft
import faults
import oracle
from make_golden import GOLDEN
from oracle_set import MANIFEST

OPENING = [f"R{i}" for i in range(1, 15)]


def sealed(parts, names=None):
    """The files of a set of these parts, given as bytes in order. They need not be sound."""
    named = list(zip(names or map(craft.part_name, range(len(parts)), parts), parts))
    return {**dict(named), MANIFEST: craft.manifest(named)}


def loaded(folder):
    """The files of a set by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@functools.cache
def golden(name):
    """The files of a golden set."""
    return loaded(GOLDEN / "sets" / name)


def put(files, folder):
    """Makes these the files of the folder. (A new file costs less than truncating and writing the old one.)"""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def pairs_of(parts, count=90, **header):
    """Records, and the files of a crafted set of them."""
    pairs = craft.pairs(count, random.Random(parts), text=True)
    return pairs, [craft.make(pairs, cells=2, part=part, parts=parts, **header).seal() for part in range(parts)]


def part_names(files):
    return [line.split(b'"')[3].decode() for line in files[MANIFEST].splitlines()[1:-1]]


def without(files, *names):
    return {name: data for name, data in files.items() if name not in names}


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class Lines:
    """A manifest: its lines, and where each begins."""

    def __init__(self, manifest):
        self.lines = manifest.splitlines(keepends=True)
        self.at = [sum(map(len, self.lines[:number])) for number in range(len(self.lines) + 1)]

    def changed(self, number, old, new):
        """The manifest with a replacement in a line, where `old` must occur once."""
        line = self.lines[number]
        assert line.count(old) == 1, (line, old)
        return self.but(number, line.replace(old, new))

    def but(self, number, *instead):
        return b"".join([*self.lines[:number], *instead, *self.lines[number + 1:]])

    def field(self, number, name):
        """The value of a field in a line, and a function that makes a manifest with another value."""
        head = b'"%b": ' % name
        quote = b'"' if head + b'"' in self.lines[number] else b""
        said = self.lines[number].split(head + quote)[1].split(quote or b",")[0]
        return said, lambda new: self.changed(number, head + quote + said + quote, head + quote + new + quote)


def without_comma(line):
    return line.rstrip(b",\n") + b"\n"


def with_comma(line):
    return line.rstrip(b",\n") + b",\n"


def manifest_faults(manifest):
    """M1 to M5, by the manifest alone: label, rule, offset, the manifest."""
    for group in whole_faults, first_line_faults, part_line_faults, order_faults:
        yield from group(Lines(manifest), manifest)


def whole_faults(text, manifest):
    """M1 of its length and its end."""
    lines, at, end, count = text.lines, text.at, len(manifest), len(text.lines) - 2
    yield "nothing", "M1", 0, b""
    yield "32 MiB and a byte", "M1", 0, manifest.ljust((32 << 20) + 1, b"\n")
    yield "32 MiB", "M1", end, manifest.ljust(32 << 20, b"\n")
    yield "32 MiB and a byte of another version", "M1", 0, b'{"hashlith": 2, '.ljust((32 << 20) + 1, b"\n")
    yield "byte order mark", "M1", 0, b"\xef\xbb\xbf" + manifest
    yield "CR LF", "M1", 0, manifest.replace(b"\n", b"\r\n")
    yield "UTF-16", "M1", 0, manifest.decode().encode("utf-16-le")
    yield "one line", "M1", 0, manifest.replace(b"\n", b" ")
    yield "no spaces", "M1", 0, manifest.replace(b" ", b"")
    yield "zeros", "M1", 0, bytes(end)
    for tail in b"\n", b" ", b"x", b"\0", b"\xff", manifest, lines[-1]:
        yield f"followed by {tail[:9]}", "M1", end, manifest + tail
    # The line of the last part has no comma, and so needs the last line.
    for number in range(count + 1):
        yield f"cut off behind line {number}", "M1", at[min(number + 1, count)], manifest[:at[number + 1]]
        for cut in at[number] + 1, at[number + 1] - 1:
            yield f"cut off at {cut}", "M1", at[number], manifest[:cut]
    for cut in end - 1, end - 2:
        yield f"cut off at {cut}", "M1", at[count], manifest[:cut]
    longer = text.but(count, with_comma(lines[count]))
    yield "a comma before the last line, and that cut off", "M1", at[count + 1] + 1, longer[:-1]


def first_line_faults(text, manifest):
    lines, at, count = text.lines, text.at, len(text.lines) - 2
    _, version = text.field(0, b"hashlith")
    for number in 0, 2, 10, 2**32 - 1:
        yield f"version {number}", "M2", 0, version(b"%d" % number)
        for rest in b"", b"\xff", b"\n", b" " * 100:
            yield f"version {number}, then {rest[:9]}", "M2", 0, b'{"hashlith": %d,%b' % (number, rest)
    for wrong in (b"01", b"02", b"00", b"1.0", b"2.0", b"+1", b"+2", b"-2", b"2e0", b"", b" 2", b"2 ", b'"2"',
                  b"%d" % 2**32, b"%d" % (2**64 + 2), b"9" * 5000, b"\xd9\xa2"):
        yield f"version {wrong[:20]}", "M1", 0, version(wrong)
    for wrong in b'{"hashlith": 2', b'{"hashlith": 2}', b' {"hashlith": 2,', b'{"hashlith":2,', b'{"Hashlith": 2,':
        yield f"only {wrong}", "M1", 0, wrong
    own_hash, hashed = text.field(0, b"hash")
    own_parts, parts = text.field(0, b"parts")
    for number in 0, 3, 255:
        yield f"hash {number}", "M2", 0, hashed(b"%d" % number)
    for wrong in b"256", b"01", b"02", b"+2", b"0x1", b"-1", b"1 ", b"", b"%d" % (2**64 + 1), b"9" * 5000:
        yield f"hash {wrong[:20]}", "M1", 0, hashed(wrong)
    for number in 0, 65_537, 2**32 - 1:
        yield f"{number} parts", "M3", 0, parts(b"%d" % number)
        both = Lines(parts(b"%d" % number)).field(0, b"hash")[1](b"3")
        yield f"hash 3 and {number} parts", "M2", 0, both
    for wrong in b"%d" % 2**32, b"0" + own_parts, b"+" + own_parts, b"-1", b"1e1", b"", own_parts + b".0", b"9" * 5000:
        yield f"{wrong[:20]} parts", "M1", 0, parts(wrong)
    for number in {count - 1, count + 1, 65_536} - {0}:  # the ranges are others then
        yield f"{number} parts", "M3", at[1] + len(str(number)) - len(own_parts), parts(b"%d" % number)
    for name in b"seed", b"second_seed":
        own, seed = text.field(0, name)
        for wrong in own[1:], own + b"0", b"F" * 16, b"g" * 16, b"0x" + own[2:], b" " + own[1:], b"-" + own[1:]:
            yield f"{name} {wrong}", "M1", 0, seed(wrong)
        free = name == b"seed" or own_hash == b"2"
        yield f"another {name}", *(("M5", at[1]) if free else ("M1", 0)), seed(b"%016x" % (int(own, 16) ^ 1 << 63))
    second = Lines(text.field(0, b"second_seed")[1](b"%016x" % 1))
    none = Lines(text.field(0, b"second_seed")[1](b"%016x" % 0))
    yield "second seed and hash 1", "M1", 0, second.field(0, b"hash")[1](b"1")
    yield "second seed and hash 2", "M5", at[1], second.field(0, b"hash")[1](b"2")
    yield "second seed and hash 3", "M2", 0, second.field(0, b"hash")[1](b"3")
    without_parts = Lines(second.field(0, b"parts")[1](b"0"))
    yield "second seed, hash 1, no parts", "M1", 0, without_parts.field(0, b"hash")[1](b"1")
    yield "another hash", "M5", at[1], none.field(0, b"hash")[1](b"2" if own_hash == b"1" else b"1")
    for old, new in ((b'{"hashlith"', b'{ "hashlith"'), (b'1, "hash"', b'1 , "hash"'), (b'"hash": ', b'"hash":'),
                     (b"[\n", b"[ \n"), (b"[\n", b"[]\n"), (b'"seed"', b'"Seed"'), (b'"files"', b'"x": 1, "files"'),
                     (b'"files"', b"'files'"), (b', "parts"', b',\t"parts"'), (b'"files"', b'"files\xff"'),
                     (b"\n", b"\0\n")):
        yield f"{old} as {new}", "M1", 0, text.changed(0, old, new)
    yield "an empty line", "M1", 0, b"\n" + manifest
    yield "the first line twice", "M1", at[1], lines[0] + manifest


def part_line_faults(text, manifest):
    lines, at, count = text.lines, text.at, len(text.lines) - 2
    for number in sorted({1, count}):
        row, here, where = lines[number], at[number], f"line {number}: "
        own, name = text.field(number, b"file")
        for wrong in (b"", b".", b"..", b".a", b"a/b", b"/a", b"a\\b", b"a b", b"a" * 256, b"a:b", b"\xc3\xa9", b"\xff",
                      b"a\0", b'a\\"', b"%41", b"a\n"):
            yield where + f"name {wrong[:9]}", "M1", here, name(wrong)
        for other in own + b"x", own.upper(), b"a" * 255, b"-", b"_", b"0":
            yield where + f"name {other[:9]}", "M4", here, name(other)
        for field, rule in (b"first", "M3"), (b"last", "M3"), (b"digest", "M5"):
            own, said = text.field(number, field)
            for wrong in own[1:], own + b"0", own[:-1] + b"A", own[:-1] + b"g", b"0x" + own[2:], b"+" + own[1:]:
                yield where + f"{field} {wrong}", "M1", here, said(wrong)
            for change in 1, 1 << 63, 2**64 - 1:
                yield where + f"another {field}", rule, here, said(b"%016x" % (int(own, 16) ^ change))
        for field in b"keys", b"bytes":
            own, said = text.field(number, field)
            for wrong in (b"", b"0" + own, b"-" + own, b"+" + own, own + b".0", b"%d" % 2**64,
                          b"1" + own.rjust(20, b"0"), b"9" * 5000, b"0x1"):
                yield where + f"{field} {wrong[:22]}", "M1", here, said(wrong)
            for other in int(own) + 1, int(own) + 2**32, 2**64 - 1:
                yield where + f"{field} {other}", "M5", here, said(b"%d" % other)
        for old, new in ((b'{"file"', b' {"file"'), (b'"first"', b'"First"'), (b'"keys": ', b'"keys":'), (b"}", b" }"),
                         (b"}", b"},"), (b"}", b', "x": 1}'), (b"}", b"}}"), (b'", "last"', b'","last"'),
                         (b"\n", b"\r\n"), (b"\n", b" \n"), (b"}", b"\xff}")):
            yield where + f"{old} as {new}", "M1", here, text.changed(number, old, new)
        yield where + "empty", "M1", here, text.but(number, b"\n")
        yield where + "an empty one before it", "M1", here, text.but(number, b"\n", row)
        exchanged = row.replace(b'"first"', b'"x"').replace(b'"last"', b'"first"').replace(b'"x"', b'"last"')
        yield where + "fields exchanged", "M1", here, text.but(number, exchanged)
        _, last = text.field(number, b"last")
        yield where + "M1 and M3", "M1", here, Lines(last(b"0" * 16)).field(number, b"keys")[1](b"00")
    if count > 1:  # lines come before parts, one after the other
        own, _ = text.field(1, b"file")
        missing = text.field(1, b"file")[1](b"x" * len(own))
        yield "M4, then M3", "M3", at[count], Lines(missing).field(count, b"last")[1](b"0" * 16)
        yield "M4, then M1", "M1", at[count], Lines(missing).field(count, b"keys")[1](b"00")
        early = text.field(1, b"last")[1](b"0" * 16)
        yield "M3, then M1", "M3", at[1], Lines(early).field(count, b"keys")[1](b"00")
        yield "M3, then a byte that is no UTF-8", "M3", at[1], Lines(early).field(count, b"file")[1](b"\xff")
        yield "M3, then something behind", "M3", at[1], early + b"\xff"
        yield "M3, then no last line", "M3", at[1], early[:-3]


def order_faults(text, manifest):
    """Too many or too few lines, or another order."""
    lines, at, count = text.lines, text.at, len(text.lines) - 2
    first, rows, last = lines[0], lines[1:-1], lines[-1]
    more = b"".join([first, *map(with_comma, rows)])
    yield "a comma before the last line", "M1", at[count], more + last
    yield "a part too many", "M3", len(more), more + without_comma(rows[-1]) + last
    yield "two parts too many", "M3", len(more), more + with_comma(rows[-1]) + without_comma(rows[-1]) + last
    yield "a part too many, of another form", "M1", len(more), more + b"{}\n" + last
    large = without_comma(rows[0]).replace(b'"keys": ', b'"keys": 99999999999999999999')
    yield "a part too many, with a number too large", "M1", len(more), more + large + last
    yield "a part too many, and no last line", "M1", len(more), more + without_comma(rows[-1])
    yield "a part too many behind no comma", "M1", at[count], text.but(count, rows[-1], rows[-1])
    yield "no parts", "M3", at[1], first + last
    yield "no parts, and something behind", "M3", at[1], first + last + b"x"
    yield "no parts, and no last line", "M1", at[1], first
    if count == 1:
        return
    fewer = b"".join([first, *rows[:-2], without_comma(rows[-2])])
    yield "a part too few", "M3", len(fewer), fewer + last
    yield "a part too few, and something behind", "M3", len(fewer), fewer + last + b"x"
    yield "a part too few, and the last line cut off", "M1", at[count - 1], fewer + last[:-1]
    yield "a part too few, behind a comma", "M1", at[count - 1], text.but(count)
    yield "a comma too few", "M1", at[1], text.but(1, without_comma(rows[0]))
    yield "the first part twice", "M3", at[2], text.but(1, rows[0], rows[0])
    yield "without the first part", "M3", at[1], text.but(1)
    exchanged = [with_comma(rows[1]), rows[0] if count > 2 else without_comma(rows[0])]
    yield "two parts exchanged", "M3", at[1], b"".join([first, *exchanged, *lines[3:]])
    yield "the last part first", "M1", at[1], b"".join([first, rows[-1], *rows[:-1], last])


def edits(manifest, rng, count):
    """Random changes of a manifest: label, the changed manifest, and the offsets where the fault may be."""
    text = Lines(manifest)
    lines, at, last = text.lines, text.at, len(text.lines) - 1
    signs = sorted(set(manifest))
    for _ in range(count):
        kind = rng.choice(["change", "change", "delete", "insert", "lines"])
        if kind == "lines":
            one, other = sorted(rng.sample(range(last + 1), 2))
            swapped = list(lines)
            swapped[one], swapped[other] = lines[other], lines[one]
            # With the last line there, the line before has a comma too many.
            where = {at[one], at[max(one - 1, 0)]} if other == last else {at[one]}
            yield f"lines {one} and {other} swapped", b"".join(swapped), where
            continue
        place = rng.randrange(len(manifest) + (kind == "insert"))
        number = max(i for i, start in enumerate(at) if start <= place)
        old = manifest[place:place + 1]
        byte = bytes([rng.choice([rng.choice(signs), rng.choice(b"0123456789"), rng.randrange(256)])])
        new = {"change": byte, "delete": b"", "insert": byte + old}[kind]
        changed = manifest[:place] + new + manifest[place + len(old):]
        if changed == manifest:
            continue
        # A wrong first line may show in the line after it; without the last line, the one before is wrong.
        behind = {0, at[1], at[1] + len(changed) - len(manifest)}
        where = behind if number == 0 else {at[number - (number == last)]}
        yield f"{kind} {old} at {place}, line {number}: {byte}", changed, where


def part_faults(parts):
    """Faults in the parts, or in how they fit together: label, rule, offset, the file, all files. `parts` are those
    of a sound set: four or more, with keys, all of text."""
    files = sealed(parts)
    names, at = part_names(files), Lines(files[MANIFEST]).at[1:]
    last = len(parts) - 1

    def instead(number, data):
        """All parts, one replaced."""
        return [*parts[:number], data, *parts[number + 1:]]

    def fitted(rule, number, data):
        """Another part and a manifest that fits it; the fault is in the part."""
        made = sealed(instead(number, data))
        return MANIFEST if rule[0] == "M" else part_names(made)[number], made

    for number in 0, 1, last:
        name = names[number]
        yield f"part {number} is missing", "M4", at[number], MANIFEST, without(files, name)
        yield f"part {number} is empty", "R1", 0, name, {**files, name: b""}
        yield f"part {number} is cut off", "R7", 32, name, {**files, name: parts[number][:-1]}
        other = faults.patch(parts[number], 24, b"\1")
        yield f"part {number} has another digest", "M5", at[number], MANIFEST, {**files, name: other}
    yield "all but part 0 are missing", "M4", at[1], MANIFEST, without(files, *names[1:])
    yield "all are missing", "M4", at[0], MANIFEST, without(files, *names)
    for label, rule, offset, data in faults.header_faults(parts[1]):
        yield f"part 1: {label}", rule, offset, names[1], {**files, names[1]: data}
    # Faults that only verifying finds: the manifest fits the part.
    met = Counter()
    for label, rule, offset, data in faults.broken(parts[1]):
        met[rule] += 1
        if rule not in OPENING and "|" not in rule and offset is not None and met[rule] <= 6:
            yield f"part 1: {label}", rule, offset, *fitted(rule, 1, data)
    yield from order_of_parts(parts, files, names, at)
    # Files of other parts and of other sets.
    yield "two files exchanged", "M5", at[0], MANIFEST, {**files, names[0]: parts[1], names[1]: parts[0]}
    yield "the last file again", "M5", at[1], MANIFEST, {**files, names[1]: parts[last]}
    twice = sealed(parts[:1] * len(parts), names[:1] * len(parts))
    yield "one file for all parts", "M5", Lines(twice[MANIFEST]).at[2], MANIFEST, twice
    own = dict(part=1, parts=len(parts), key_type=oracle.TEXT, value_type=oracle.TEXT)
    pairs = [(key, value) for data in parts for key, value in oracle.Index(data).items()]
    for fields in (dict(part=0), dict(part=2), dict(parts=len(parts) + 1), dict(seed=1), dict(hash_id=oracle.SIPHASH),
                   dict(hash_id=oracle.SIPHASH, second_seed=1), dict(seed=1, value_type=oracle.BYTES)):
        data = craft.make(pairs, cells=2, **{**own, **fields}).seal()
        yield f"part 1 with {fields}", "M5", at[1], *fitted("M5", 1, data)
    for fields in (dict(value_type=oracle.BYTES), dict(value_type=oracle.JSON), dict(key_type=oracle.BYTES),
                   dict(key_type=oracle.BYTES, value_type=oracle.BYTES), dict(key_type=oracle.LEFT_OUT),
                   dict(value_type=oracle.NONE)):
        for number in 0, 1, last:
            data = craft.make(pairs, cells=2, **{**own, "part": number, **fields}).seal()
            where = at[number or 1]  # part 0 sets the types
            yield f"part {number} with {fields}", "M6", where, *fitted("M6", number, data)
            if number == 1:
                missing = fitted("M6", number, data)[1]
                yield "another type, and part 2 missing", "M6", where, MANIFEST, without(missing, names[2])
    lost = craft.File(craft.make(pairs, cells=3, key_type=oracle.TEXT).cells, **own).seal()
    yield "keys of other parts", "V5", 4096, *fitted("V5", 1, lost)
    self_named = sealed(parts, [names[0], MANIFEST, *names[2:]])
    yield "the manifest as a part", "R1", len(self_named[MANIFEST]), MANIFEST, self_named


def number_faults():
    """M6 of numbers and dimensions, as `part_faults` yields it."""
    pairs = [(key, bytes(8)) for key, _ in pairs_of(4)[0]]
    own = dict(cells=1, parts=4, key_type=oracle.TEXT, value_type=oracle.NUMBERS, number=4)
    parts = [craft.make(pairs, part=part, **own).seal() for part in range(4)]
    for fields in dict(number=8), dict(number=11), dict(number=3), dict(dimension=1), dict(number=3, dimension=2):
        size = 4 if fields == dict(number=3) else 8
        other = craft.make([(key, value[:size]) for key, value in pairs], part=1, **{**own, **fields}).seal()
        made = sealed([parts[0], other, *parts[2:]])
        yield f"part 1 with {fields}", "M6", Lines(made[MANIFEST]).at[2], MANIFEST, made


def order_of_parts(parts, files, names, at):
    """Two faults: all parts are opened, one by one, before any is verified."""
    last = len(parts) - 1
    byte0, byte1 = {names[0]: flip(parts[0], 5000)}, {names[1]: flip(parts[1], 5000)}
    sums1, header0 = {names[1]: flip(parts[1], len(parts[1]) - 1)}, {names[0]: flip(parts[0], 100)}
    yield "a byte", "V1", 4096, names[1], {**files, **byte1}
    yield "a sum", "V2", 208, names[1], {**files, **sums1}
    yield "a byte in part 0, a sum in part 1", "V1", 4096, names[0], {**files, **byte0, **sums1}
    yield "bytes in two parts", "V1", 4096, names[0], {**files, **byte0, **byte1}
    yield "a byte in part 0, the last header", "R4", 4088, names[last], \
        {**files, **byte0, names[last]: flip(parts[last], 100)}
    yield "a byte in part 0, the last missing", "M4", at[last], MANIFEST, without({**files, **byte0}, names[last])
    yield "a header in part 0, part 1 missing", "R4", 4088, names[0], without({**files, **header0}, names[1])
    yield "another part 0, nothing in part 1", "M5", at[0], MANIFEST, {**files, names[0]: parts[1], names[1]: b""}
    yield "another part 1, the last missing", "M5", at[1], MANIFEST, without({**files, names[1]: parts[0]}, names[last])
    line = Lines(files[MANIFEST]).field(last + 1, b"last")[1](b"0" * 16)
    yield "the last line, and nothing in part 0", "M3", at[last], MANIFEST, {**files, names[0]: b"", MANIFEST: line}
