"""Makes golden/*.hlith and the sets golden/sets/* with the Rust builder, and next to each a .jsonl with its records in
hex, in the order of their ids; and the index that the documentation of the Rust crates opens in its examples.

A line is ["key", "value"]; an integer key has its 8 bytes there, and one that is left out is there all the same.
Run once: `HASHLITH_BIN=target/release/hashlith python tests/make_golden.py`.
The files are committed; the tests say whether later programs still read them, and whether the builder still makes the
same bytes.
"""
import json
import random
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import craft
import faults_tokens
import oracle
import oracle_check
from oracle import INTEGERS, JSON, LEFT_OUT, NONE, NUMBERS, TEXT, integer
from oracle_set import Set

GOLDEN = Path(__file__).parent / "golden"
# checker/tests/colours.hlith is a link to it.
EXAMPLE = Path(__file__).parent.parent / "reader" / "tests" / "colours.hlith"


def cdbmake(records):
    """Records in the input format that can hold any bytes."""
    return b"".join(b"+%d,%d:%s->%s\n" % (len(k), len(v), k, v) for k, v in records) + b"\n"


def build(binary, records, path, *options):
    """Builds an index at `path`, with the CLI, from records of bytes."""
    source = Path(path).with_suffix(".cdbmake")
    source.write_bytes(cdbmake(records))
    command = [binary, "build", "--quiet", source, "-o", path, "--format", "cdbmake", *options]
    done = subprocess.run([*map(str, command)], capture_output=True)
    source.unlink()
    if done.returncode:
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")


def kinds():
    """Name, records, options of each golden file. The records do not depend on the Python version. Integers and numbers
    are decimal text."""
    rng = random.Random(2025)

    def some(low, high):
        return bytes(rng.getrandbits(8) for _ in range(rng.randint(low, high)))

    raw, text, js = ["--keys", "bytes", "--values", "bytes"], ["--keys", "text", "--values", "text"], \
        ["--keys", "text", "--values", "json"]
    yield "no_keys", [], raw
    yield "one_key", [(b"key", b"value")], text
    yield "empty_key_and_value", [(b"", b"")], raw
    yield "block", [(b"key %d" % i, b"%d" % (i * i)) for i in range(300)], text
    yield "blocks", [(b"%x" % i, b"%d" % (i % 10)) for i in range(8193)], text
    yield "far", [(b"%d" % i, b"%d" % (i * i)) for i in range(660)], text  # as many keys as 16 cells are made for
    yield "binary", list({some(1, 20): some(0, 40) for _ in range(200)}.items()) + [(b"\0", b"\0\0"), (b"\0\0", b"\n"),
                                                                                       (b"\xff\0->", b"+1,1:a->b")], raw
    yield "long", [(b"k" * 70_000, b"short"), (b"short", b"v" * 120_000), *((b"%d" % i, b"") for i in range(20))], raw
    values = [{"n": i, "list": [None, True, i / 4, "\u00e9\U0001f600\n"]} for i in range(60)]
    yield "json", [(b"k%d" % i, json.dumps(v, ensure_ascii=i % 2 == 0).encode()) for i, v in enumerate(values)], js
    yield "metadata", [(b"%d" % i, b"m") for i in range(10)], [*text, "--metadata", '{"made": "by hand", "n": [1, 2]}']
    yield "fingerprint_16", [(b"f%d" % i, some(0, 9)) for i in range(100)], [*raw, "--fingerprint-bits", "16",
                                                                                "--seed", str(2**64 - 1)]
    words = "red green blue dark light small large old new stone river field house".split()
    texts = [(" ".join(rng.choice(words) for _ in range(3)) + f" {i}", " ".join(rng.choice(words) for _ in range(8))) for i in range(1500)]
    texts = [(key.encode(), (key + ", a " + value if rng.random() < 0.5 else value).encode()) for key, value in texts]
    yield "coded", texts, [*text, "--compress", "on"]
    yield "coded_values", [(bytes([i >> 8, i & 255]) * 4, value) for i, (_, value) in enumerate(texts)], \
        ["--keys", "bytes", "--values", "text", "--compress", "on"]
    yield "coded_keys", [(key, bytes(rng.getrandbits(8) for _ in range(i % 5))) for i, (key, _) in enumerate(texts)], \
        ["--keys", "text", "--values", "bytes", "--compress", "on"]
    yield "siphash", [(b"s%d" % i, some(0, 9)) for i in range(60)], [*raw, "--hash", "siphash", "--seed",
                                                                        "0x0f0e0d0c0b0a09080706050403020100"]
    yield from kinds_of_types()


def kinds_of_types():
    """The same of other types than text and bytes."""
    rng = random.Random(2029)
    words = [b"word %d" % i for i in range(150)]
    integers = [0, -1, 2**63 - 1, -2**63, *(rng.getrandbits(63) - rng.getrandbits(63) for _ in range(146))]
    integers = [b"%d" % number for number in integers]
    vectors = [" ".join(str(rng.randrange(-2**20, 2**20) / 64) for _ in range(4)).encode() for _ in words]
    sentences = [b"%s is the number %s" % (word, word.split()[1]) for word in words]
    yield "int", list(zip(integers, words)), ["--keys", "int", "--values", "text"]
    yield "int_small", [(b"%d" % i, b"%d" % (i * i)) for i in range(-128, 128, 2)], \
        ["--keys", "int", "--values", "bytes"]
    yield "int_coded", [(b"%d" % (7 * i), sentences[i % 150] + b", %d" % i) for i in range(-300, 300)], \
        ["--keys", "int", "--values", "text", "--compress", "on"]
    yield "int_to_int64", list(zip(integers, integers[::-1])), ["--keys", "int", "--values", "int64"]
    yield "int_none", [(number, b"") for number in integers], ["--keys", "int", "--values", "none"]
    yield "text_to_float32", list(zip(words, vectors)), ["--keys", "text", "--values", "float32[4]"]
    yield "text_none", [(word, b"") for word in words], ["--keys", "text", "--values", "none"]
    yield "left_out", list(zip(words, sentences)), ["--keys", "none", "--check-bits", "40", "--values", "text"]
    yield "left_out_few_values", [(word, [b"red", b"", b"dark green", b"blue"][i * i % 4]) for i, word in enumerate(words)], \
        ["--keys", "none", "--check-bits", "12", "--values", "text"]
    yield "left_out_to_uint16", [(word, b"%d" % (i * 434)) for i, word in enumerate(words)], \
        ["--keys", "none", "--check-bits", "20", "--values", "uint16"]
    yield "left_out_none", [(word, b"") for word in words], ["--keys", "none", "--check-bits", "64", "--values", "none"]


def as_stored(records, options):
    """Records of `kinds` as the file holds them."""
    given = dict(zip(options[::2], options[1::2]))
    name, _, dimension = given["--values"].rstrip("]").partition("[")
    names = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
    kind = "bhiqBHIQefd"[names.index(name)] if name in names else None
    number = float if kind and kind in "efd" else int

    def value_of(text):
        return struct.pack(f"<{dimension or 1}{kind}", *map(number, text.replace(b",", b" ").split())) if kind else text

    return [(integer(int(key)) if given["--keys"] == "int" else key, value_of(value)) for key, value in records]


def crafted():
    """Name and File of each golden file that the builder does not make, or not on purpose."""
    rng = random.Random(2027)
    for name, header in ("salts", {}), ("salts_siphash", {"hash_id": oracle.SIPHASH, "second_seed": 0x0F0E0D0C0B0A0908}):
        # Cell i has salt i.
        seed, second, groups = 2**64 - 8, header.get("second_seed"), [[] for _ in range(16)]
        for i in range(80):
            groups[oracle.hash_key(b"key %d" % i, seed, second)[0] >> 60].append((b"key %d" % i, b"%d" % i))
        cells = [craft.make_cell(group, seed, second, 8, [(try_, salt) for try_ in range(16)], rng)
                 for salt, group in enumerate(groups)]
        yield name, craft.File(cells, seed=seed, **header)
    name, keys, values = list(faults_tokens.kinds())[-1]
    yield "tables_by_position", craft.make(faults_tokens.records(rng), rng=rng, coding=rng, key_tokens=keys, value_tokens=values)
    values = craft.Tokens(([0] * 8, [(b"value", True), (b"value", False), (b"s", True)]))
    yield "two_keys", craft.make([(b"key", b"value"), (b"sea", b"values")], key_type=oracle.TEXT, value_type=oracle.TEXT,
                                 value_tokens=values)
    yield from crafted_types()
    yield "extension", craft.make([(b"key", b"value")], ignorable=1 << 63, extension=b"of a feature that is not known here")


def crafted_types():
    """The same of other types than text and bytes."""
    rng = random.Random(2028)
    small, large = range(-60, 60), [0, -1, 2**63 - 1, -2**63, *(rng.getrandbits(64) - 2**63 for _ in range(100))]
    words = [b"word %d" % i for i in range(100)]
    numbers = [struct.pack("<q", rng.choice([1, -1]) * rng.getrandbits(63)) for _ in words]
    vectors = [struct.pack("<4f", *(rng.randrange(-2**20, 2**20) / 64 for _ in range(4))) for _ in words]
    int64, float32 = dict(value_type=NUMBERS, number=4), dict(value_type=NUMBERS, number=10, dimension=4)
    yield "integers_1", craft.make([(integer(i), b"%d" % (i * i)) for i in small], key_type=INTEGERS, value_type=TEXT)
    halves = [(integer(i), b'{"half": %d}' % (i // 2)) for i in large]
    yield "integers_8", craft.make(halves, key_type=INTEGERS, value_type=JSON)
    yield "numbers", craft.make(zip(words, numbers), key_type=TEXT, **int64)
    yield "vectors", craft.make(zip(words, vectors), key_type=TEXT, **float32)
    yield "integers_vectors", craft.make(zip(map(integer, large), vectors), key_type=INTEGERS, **float32)
    yield "key_set", craft.make([(word, b"") for word in words], key_type=TEXT, value_type=NONE)
    yield "key_set_integers", craft.make([(integer(i), b"") for i in small], key_type=INTEGERS, value_type=NONE)
    reverse = [(word, word[::-1]) for word in words]
    yield "keys_left_out", craft.make(reverse, key_type=LEFT_OUT, key_width=3, fp=8, value_type=TEXT)
    few = craft.make([(word, words[i % 5]) for i, word in enumerate(words)], key_type=LEFT_OUT, fp=20, value_type=TEXT, required=1)
    # In no order, and one that no key has.
    few.shared = [b"\x06%s" % words[number] for number in (3, 0, 7, 2, 4, 1)]
    yield "shared_records", few
    yield "no_records", craft.make(zip(words, numbers), key_type=LEFT_OUT, fp=32, **int64)
    yield "no_records_key_set", craft.make([(word, b"") for word in words], key_type=LEFT_OUT, fp=20, value_type=NONE)


def sets():
    """Name, records, options of each golden set. Numbers of parts that are powers of two keep the parts small."""
    rng = random.Random(2026)
    values = [bytes(rng.getrandbits(8) for _ in range(rng.randint(0, 9))) for _ in range(40)]
    yield "four", [(b"word %d" % i, b"%d" % (i * i)) for i in range(80)], \
        ["--keys", "text", "--values", "text", "--parts", "4", "--metadata", '{"made": "by hand"}']
    yield "siphash", [(b"\0\xff%d" % i, value) for i, value in enumerate(values)] + [(b"", b"")], \
        ["--keys", "bytes", "--values", "bytes", "--parts", "2", "--hash", "siphash", "--seed",
         "0x0f0e0d0c0b0a09080706050403020100"]


def build_example(binary, path):
    """Builds the index of the examples."""
    build(binary, [(b"sky", b"blue"), (b"grass", b"green")], path, "--keys", "text", "--values", "text")


def shorten(data):
    """Hexadecimal; a single byte many times as `6b*70000`."""
    return f"{data[:1].hex()}*{len(data)}" if len(data) > 99 and len(set(data)) == 1 else data.hex()


def lengthen(text):
    """The inverse of `shorten`."""
    head, star, times = text.partition("*")
    return bytes.fromhex(head) * int(times if star else 1)


def recorded(name):
    """The records of a golden file, in the order of their ids."""
    lines = (GOLDEN / f"{name}.jsonl").read_text().splitlines()
    return [tuple(map(lengthen, json.loads(line))) for line in lines]


def write_records(name, index, records):
    """Checks the index, and writes its .jsonl."""
    oracle_check.verify(index)
    found = {key: index.lookup(key) for key, _ in records}
    records = sorted(records, key=lambda record: found[record[0]][0])
    right = [found[key] for key, _ in records] == list(enumerate(value for _, value in records))
    kept = index.header.key_type != LEFT_OUT
    if not right or list(index.items()) != [(key if kept else None, value) for key, value in records]:
        raise SystemExit(f"{name}: other records came out than went in")
    lines = (json.dumps([shorten(k), shorten(v)], separators=(",", ":")) + "\n" for k, v in records)
    (GOLDEN / f"{name}.jsonl").write_text("".join(lines))


def main(binary):
    GOLDEN.mkdir(exist_ok=True)
    build_example(binary, EXAMPLE)
    for name, records, options in kinds():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.hlith"
            build(binary, records, path, *options)
            data = path.read_bytes()
        index = oracle.Index(data)
        write_records(name, index, as_stored(records, options))
        (GOLDEN / f"{name}.hlith").write_bytes(data)
        print(f"{name}: {len(index)} keys, {index.header.cells} cells, {len(data)} bytes")
    for name, file in crafted():
        data = file.seal()
        index = oracle.Index(data)
        write_records(name, index, file.pairs or list(index.items()))
        (GOLDEN / f"{name}.hlith").write_bytes(data)
        print(f"{name}: {len(index)} keys, {index.header.cells} cells, {len(data)} bytes")
    for name, records, options in sets():
        path = GOLDEN / "sets" / name
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(exist_ok=True)
        build(binary, records, path, *options)
        index = Set(path)
        write_records(f"sets/{name}", index, records)
        print(f"sets/{name}: {len(index)} keys, {len(index.parts)} parts")


if __name__ == "__main__":
    from binary import hashlith
    main(hashlith())
