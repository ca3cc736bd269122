"""Indexes made for one fault each, and odd ones in which nothing is wrong."""
import random
from dataclasses import replace

import oracle
from craft import File, Parts, make, number6, pairs
from faults_base import again, patch, put
from oracle import BODY, FAR, JSON, PAGE, TEXT


def crafted():
    """Faults that need an index made for them."""
    rng = random.Random(7)
    file = make(pairs(60, rng), cells=2)
    first, second = file.cells
    data = file.seal()
    # What leads to the records, and bytes outside all records.
    gap = File([replace(first, gap=b"\0\0"), second]).seal()
    yield "the first records not at 0", "V4", oracle.Index(gap).cell(0).at, gap
    end = oracle.Index(data).cell(1).pool
    yield "bytes between cells", "V4", end, File([first, replace(second, gap=b"\0\0")]).seal()
    yield "bytes after no record", "V4", PAGE, File([Parts(), replace(first, gap=b"\0\0")]).seal()
    for cells in ([Parts(gap=b"\0", pool=0)], [Parts(), Parts(gap=b"\0")],
                  [Parts(), Parts(gap=b"\0", pool=0), Parts(pool=0)]):
        yield f"bytes in {len(cells)} empty cells", "V4", PAGE, File(cells).seal()
    sparse = make(pairs(9, rng), cells=60)
    hole = next(i for i in range(1, 60) if sparse.cells[i - 1].records and not sparse.cells[i].records)
    at = oracle.Index(sparse.seal()).cell(hole).pool
    yield "bytes before an empty cell", "V4", at, again(sparse, hole, gap=b"\0")
    yield "bytes behind an empty cell", "V4", at, again(sparse, hole, gap=b"\0", pool=at - PAGE)
    made = File([first, replace(second, pool=end - PAGE - 1)]).seal()
    yield "pool start in the record before", "R16|V5|V6", end - 1, made
    for far in False, True:
        made = again(file, 1, records=put(second.records, len(second.records) - 1, b""), width=57 - 8 if far else None)
        index = oracle.Index(made)
        b = index.cell(1)
        yield f"last record behind the pool, far: {far}", "R16", index.entry_at(b, b.n - 1), made
    # Far bodies in another order, each whole.
    swapped = File([replace(parts, width=49) for parts in file.cells]).seal()
    index = oracle.Index(swapped)
    a, b = index.cells()
    far, body = bytes(index.section(FAR)), b.far
    made = patch(swapped, index.header.sections[FAR][0], far[body:] + far[:body])
    made = patch(patch(made, a.at + BODY, number6(len(far) - body, 0)), b.at + BODY, number6(0, 0))
    yield "far bodies exchanged", "V10", a.at, made
    # A fault in the records comes before one in the cells; of two cells the lower comes first.
    wrong = replace(second, prints=put(second.prints, 0, second.prints[0] ^ 1))
    yield "a record and a cell", "V5", end, File([replace(first, first=5), wrong]).seal()
    a, b = oracle.Index(data).cells()
    yield "two cells", "V10", a.at, patch(patch(data, b.at + 15, b"\1"), a.at, number6(9, 0))
    made = File(file.cells, extension=b"\0").seal()
    yield "an extension without a feature", "V12", oracle.Index(made).header.sections[oracle.EXTENSION][0], made
    # A key of another cell, or of another part; types.
    yield "cells exchanged", "V5", PAGE, File(file.cells[::-1]).seal()
    yield "another hash seed", "V5", None, File(file.cells, seed=1).seal()
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
    """Odd but sound indexes: (label, bytes)."""
    rng = random.Random(11)
    for ignorable in 1, 2**64 - 1:
        yield "ignorable features", make(pairs(20, rng), ignorable=ignorable).seal()
        yield "data of an ignorable feature", make(pairs(20, rng), ignorable=ignorable, extension=rng.randbytes(9000)).seal()
    for n in *range(1, 41), 80, 127, 128, 255:
        yield f"{n} keys", make(pairs(n, rng), cells=1).seal()
    for cells in 2, 3, 7, 1000:
        yield f"60 keys in {cells} cells", make(pairs(60, rng), cells=cells).seal()
    for try_ in range(16):
        tries = [(try_, salt) for salt in (0, 1, 2, 7, 14, 15)] * 3
        yield f"try {try_}", make(pairs(40, rng), tries=tries).seal()
        yield f"try {try_}, salt 15 down", make(pairs(40, rng), tries=tries[::-1], seed=2**64 - 5).seal()
    for fp in range(1, 17):
        file = make(pairs(80, rng), fp=fp)
        yield f"{fp} fingerprint bits", file.seal()
        file.cells[0].width = 57 - fp
        yield f"{fp} fingerprint bits, W = 57, far", file.seal()
        file.cells[0].mean = 2**32 - 1
        yield f"{fp} fingerprint bits, large mean", file.seal()
        file.cells[0].mean, file.cells[1].mean = 1, 0
        yield f"{fp} fingerprint bits, small means", file.seal()
    few = make(pairs(7, rng))
    few.cells[0].width = 40
    yield "larger width in the cell", few.seal()
    file = make(pairs(255, rng), cells=1, fp=16, hash_id=oracle.SIPHASH, second_seed=2**64 - 1)
    yield "255 keys of SipHash", file.seal()
    for n, width, length in (20, 32, 108), (16, 43, 109):
        file = make(pairs(n, rng), cells=1)
        file.cells[0].width = width
        assert oracle.body_length(n, 8 + width) == length
        yield f"a body of {length} bytes", file.seal()
    same = make([(k, b"v") for k in {bytes([i, j]) for i in range(5) for j in range(5)}], fp=1)
    yield "records of one length, width 0 or so", same.seal()
    for value in good_json():
        yield f"JSON {value[:20]}", make([(b"k", value)], value_type=JSON).seal()
    yield "metadata", File([Parts()], metadata=b'\n{"a":[1e999,"\\ud800"]} ').seal()
    yield "metadata, 1 MiB", File([Parts()], metadata=b"{" + b" " * ((1 << 20) - 2) + b"}").seal()
    yield "one empty record", make([(b"", b"")]).seal()
    yield "a very long value among short ones", make([*pairs(200, rng), (b"long", bytes(300_000))]).seal()
