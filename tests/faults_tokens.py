"""Indexes with token tables: sound ones, and faults of their tables and records."""
import random

import oracle
from craft import File, Parts, Tokens, hash_key, make, pairs
from faults_base import patch
from oracle import JSON, PAGE, POOL, TABLES, TEXT
from oracle_tokens import KEY, KEY_TAIL

# A token that the records use: they have the lower offsets.
USED = "V13|R19|R16|V4|V5|V6|V8|V14"
LONG = b"a text of more than thirty-two bytes"


def kinds():
    """Name and tokens of keys and values of every combination."""
    keys, values = Tokens.of_bytes(b"a", b"ke", b"key", LONG), Tokens.of_bytes(b"b", b"12", LONG, b"v" * 255, key=True)
    yield "coded keys", keys, ()
    yield "coded values", (), values
    yield "coded records", keys, values
    yield "tables by position", Tokens.of_bytes(b"k", LONG, tables=4), Tokens.of_bytes(b"1", b"12", tables=2, key=True)


def records(rng):
    found = dict(pairs(40, rng, text=True))
    for key in b"", b"a:b/c", b"key", LONG, LONG + LONG + b"key", b"k" * 300, b"x" * 255, b"/":
        found[key] = rng.choice([b"", key, b"to " + key[-1:] + key, key.rpartition(b"/")[2] + b"!", LONG * 30])
    return list(found.items())


def sound():
    """Sound indexes: (label, bytes)."""
    rng = random.Random(5)
    for label, keys, values in kinds():
        tokens = dict(key_tokens=keys, value_tokens=values)
        for coding in None, rng:
            yield label, make(records(rng), rng=rng, coding=coding, **tokens).seal()
        yield f"{label}, one", make([(b"", b"")], **tokens).seal()
        yield f"{label}, none", make([], **tokens).seal()
        yield f"{label} of text", make([("kéy".encode(), "välue".encode())], key_type=TEXT, value_type=TEXT, **tokens).seal()
        yield f"{label} of JSON", make([(b"k", b'{"k": [1, "k"]}' + b" " * 9000)], value_type=JSON, **tokens).seal()
    odd = Tokens([0] * 8, []), Tokens([20] * 8, [(b"", True)]), Tokens([0] * 8, [(b"", True)] * 8)
    for number, table in enumerate(odd):
        made = File([Parts()], key_tables=1, tables=Tokens((table.tables[0], table.tables[1])).write()).seal()
        yield f"odd table {number}", made


def faults():
    """(label, rule, offset, bytes) of every fault of tables and codes."""
    rng = random.Random(6)
    for label, keys, values in kinds():
        data = make(records(rng), cells=1, rng=rng, key_tokens=keys, value_tokens=values).seal()
        for what, *fault in table_faults(data):
            yield f"{label}: {what}", *fault
        for what, *fault in code_faults(keys, values):
            yield f"{label}: {what}", *fault
    yield from text_faults()


def table_faults(data):
    """R18 and V13."""
    index = oracle.Index(data)
    at, length = index.header.sections[TABLES]
    everything = [table for side in index.tables for table in side]
    for number, table in enumerate(everything):
        name = f"table {number}, "
        yield name + "class of 21 bits", "R18", table.at, patch(data, table.at + 3, b"\x15")
        held = sum(2**k for k in table.bits)
        yield name + "too many tokens", "R18", table.at, patch(data, table.at + 8, (held + 1).to_bytes(4, "little"))
        for field in 8, 12:
            yield name + f"field {field} of 2^32 - 1", "R18", table.at, patch(data, table.at + field, b"\xff" * 4)
        last = table is everything[-1]
        if last:
            fewer = patch(data, table.at + 12, (table.text_length + 16).to_bytes(4, "little"))
            yield name + "cut off", "R18", table.at, fewer
        for side, tables in enumerate(index.tables):
            if table in tables:
                yield from token_faults(data, table, name, of_keys=side == 0)
    file = File.take_apart(data)
    for extra in 16, PAGE:
        longer = File(file.cells, tables=file.tables + bytes(extra), **file.header).seal()
        yield f"section longer by {extra}", "R18", at + length, longer
    for field in 76, 77:
        more = patch(data, field, bytes([data[field] + 1]))
        if data[field] < 4 and field == 77:
            yield "a table more", "R18", at + length, more
    empty = File(file.cells, **file.header).seal()
    yield "no tables", "R18", at, empty


def token_faults(data, table, name, of_keys):
    tokens = list(map(table.token, range(table.count)))
    short = next(token for token in tokens if token.kind == 0 and 0 < token.length < 9)
    for kind in 3, 7:
        yield name + f"kind {kind}", USED, None, patch(data, short.at + 3, bytes([data[short.at + 3] | kind << 4]))
    bare = next(token for token in tokens if token.kind == 0 and token.length == 0)
    yield name + "nothing", USED, None, patch(data, bare.at, bytes(4))
    last = max((token for token in tokens if token.kind == 0), key=lambda token: token.start + token.length)
    assert last.start + last.length == table.text_length
    longer = (token_bits(last) + (1 << 20)).to_bytes(4, "little")
    yield name + "text outside", USED, None, patch(data, last.at, longer)
    yield name + "empty text outside", USED, None, patch(data, bare.at, token_bits(bare._replace(start=0xfffff)).to_bytes(4, "little"))
    key = next((token for token in tokens if token.kind == KEY), None)
    if key:
        for more in dict(start=1), dict(length=1):
            yield name + f"the key with a {next(iter(more))}", "V13", key.at, \
                patch(data, key.at, token_bits(key._replace(**more)).to_bytes(4, "little"))
    for end in range(table.texts + table.text_length, table.end)[:1]:
        yield name + "padding", "V13", end, patch(data, end, b"\1")
    if of_keys:
        yield name + "the key", USED, None, patch(data, short.at, (KEY << 28).to_bytes(4, "little"))


def token_bits(token):
    """The entry of a token, as a number."""
    return token.start | token.length << 20 | token.kind << 28 | token.ends << 31


def code_faults(keys, values):
    """R19 and V14, in a file of one record."""
    pair = (b"key", b"12 a value")
    sides = (keys, values)
    file = make([pair], cells=1, key_tokens=keys, value_tokens=values)
    raw = file.cells[0].records[0]
    prints = [hash_key(b"key", 0)[0] & 255]

    def with_record(raw, **more):
        return File([Parts([raw], prints, b"\0")], tables=more.pop("tables", file.tables), **{**file.header, **more}).seal()

    assert oracle.Index(with_record(raw)).get(b"key") == pair[1]
    if values:
        # The codes are the last bits of the record.
        for cut in range(1, 4):
            yield f"cut off by {cut}", "R19", PAGE, with_record(raw[:-cut])
        size = sum(bits for _, bits in values.encode(pair[1], pair[0]))
        if keys:
            size += sum(bits for _, bits in keys.encode(pair[0]))
        if size % 8:
            yield "unused bit", "V14", PAGE, with_record(raw[:-1] + bytes([raw[-1] | 128]))
    for side, field, name in zip(sides, pair, ("key", "value")):
        if not side:
            continue
        # The first table loses its tokens from one on that the record needs.
        bits, tokens = side.tables[0]
        fewer = Tokens((bits, tokens[:1]), *side.tables[1:])
        tables = b"".join((fewer if other is side else other).write() for other in sides if other)
        yield f"no token in a {name}", "R19", PAGE, with_record(raw, tables=tables)
        # One that ends the string begins behind the texts.
        behind = 1 << 31 | oracle.Index(file.seal()).tables[side is values][0].text_length + 1
        for label, entry in ("a kind that is not there", 3 << 28), ("a text outside", 0xffffff), ("an empty text behind the texts", behind):
            yield f"{label} in a {name}", "R19", PAGE, with_record(raw, tables=spoiled(file, sides, side, field, entry))
        if side is keys:
            yield "the key in a key", "R19", PAGE, \
                with_record(raw, tables=spoiled(file, sides, side, field, KEY << 28))
    if values:
        long = b"k" * 256
        made = make([(long, b"12")], cells=1, key_tokens=keys, value_tokens=values)
        if not keys:
            for kind in KEY, KEY_TAIL:
                tables = spoiled(made, sides, values, b"12", kind << 28, long)
                yield f"a key of 256 bytes, {kind}", "R19", PAGE, File(made.cells, tables=tables, **made.header).seal()


def spoiled(file, sides, side, field, entry, key=b"key"):
    """The tables with another entry for the first token of a field."""
    code, _ = side.encode(field, key if side is sides[1] else None)[0]
    bits = side.tables[0][0]
    number = sum(2**k for k in bits[:code & 7]) + (code >> 3)
    at = 16 + 4 * number + (len(sides[0].write()) if side is sides[1] and sides[0] else 0)
    return file.tables[:at] + entry.to_bytes(4, "little") + file.tables[at + 4:]


def text_faults():
    """V8 and V5 in records of codes."""
    for label, keys, values in kinds():
        tokens = dict(key_tokens=keys, value_tokens=values)
        for wrong in b"\xff", b"ab\xc3", b"\xed\xa0\x80", b"x" * 70_000 + b"\xe2\x82":
            yield f"{label}: a key not UTF-8", "V8", PAGE, make([(wrong[-9:], b"v")], key_type=TEXT, **tokens).seal()
            yield f"{label}: a value not UTF-8", "V8", PAGE, make([(b"k", wrong[-900:])], value_type=TEXT, **tokens).seal()
        for wrong in b"[1,]", b"", b"\xff", b'{"a": 1} x':
            yield f"{label}: a value not JSON", "V8", PAGE, make([(b"k", wrong)], value_type=JSON, **tokens).seal()
        file = make(pairs(20, random.Random(3)), cells=1, **tokens)
        file.cells[0].prints[0] ^= 1
        yield f"{label}: fingerprint", "V5", PAGE, file.seal()
        file = make(pairs(20, random.Random(3)), cells=1, **tokens)
        file.cells[0].records[0], file.cells[0].records[1] = file.cells[0].records[1::-1]
        yield f"{label}: exchanged", "V5", PAGE, file.seal()
