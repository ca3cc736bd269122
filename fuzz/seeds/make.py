#!/usr/bin/env python3
"""Writes the files in this folder, with pyarrow: tables of a few rows, and what Python's standard library cannot compress."""
import datetime
import decimal
import pickle
from pathlib import Path

import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

HERE = Path(__file__).resolve().parent
TEXT = ["a", "b\u00e9", "", "a long text, which no view can hold", "b\u00e9 2"]
CODECS = "none", "snappy", "gzip", "brotli", "lz4", "zstd"


def table(*columns, rows=5, **named):
    """A table of a column of keys and these columns."""
    arrays = [pyarrow.array(TEXT[:rows]), *columns]
    return pyarrow.table({**{f"c{number}": array for number, array in enumerate(arrays)}, **named})


TABLES = {
    "text": table(pyarrow.array(["v", "", "w", "x" * 20, "v"]), pyarrow.array([1, 2, 3, 4, 5])),
    "large": pyarrow.table([pyarrow.array(TEXT, pyarrow.large_utf8()), pyarrow.array(TEXT, pyarrow.large_binary())], ["a", "b"]),
    "view": pyarrow.table([pyarrow.array(TEXT, pyarrow.string_view()), pyarrow.array(TEXT, pyarrow.binary_view())], ["a", "b"]),
    "fixed": table(pyarrow.array([b"abcd"] * 5, pyarrow.binary(4))),
    "nulls": table(pyarrow.array(["v", None, "w", None, "x"]), pyarrow.nulls(5)),
    "int16": table(pyarrow.array([1, -2, 3, -4, 5], pyarrow.int16())),
    "uint64": table(pyarrow.array([0, 2**64 - 1, 3, 4, 5], pyarrow.uint64())),
    "int keys": pyarrow.table([pyarrow.array([1, -2, 2**40]), pyarrow.array([[1.0, 2.0, 3.0]] * 3, pyarrow.list_(pyarrow.float32(), 3))], ["a", "b"]),
    "lists": pyarrow.table([pyarrow.array([1, 2, 3]), pyarrow.array([[1.0, 2.0, 3.0], [0.5] * 3, [1.0] * 3], pyarrow.list_(pyarrow.float64()))], ["a", "b"]),
    "halves": table(pyarrow.array([1.5, 2.5, 3.5, 4.5, 5.5], pyarrow.float16())),
    "nested": table(pyarrow.array([{"a": [1, None], "b": {"c": "x"}}, {"a": [], "b": None}, None, {"a": None, "b": {"c": None}}, {}],
                                  pyarrow.struct({"a": pyarrow.list_(pyarrow.int8()), "b": pyarrow.struct({"c": pyarrow.utf8()})}))),
    "maps": table(pyarrow.array([[("k", 1)], [], None, [("k", None), ("l", 2)], []], pyarrow.map_(pyarrow.utf8(), pyarrow.int32()))),
    "dictionary": table(pyarrow.array(["v", "w", "v", None, "w"]).dictionary_encode()),
    "times": table(pyarrow.array([datetime.datetime(2020, 1, 2, 3, 4, 5)] * 5), pyarrow.array([datetime.date(2020, 1, 2)] * 5)),
    "decimals": table(pyarrow.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.5"), None, None], pyarrow.decimal128(10, 2)),
                      pyarrow.array([True, False, None, True, False])),
    "many": pyarrow.table({"a": [f"key {number}" for number in range(150)], "b": [number % 3 for number in range(150)]}),
    "none": table(pyarrow.array([], pyarrow.int16()), rows=0),
}


def write(name, data):
    """Writes one file."""
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def written(how, *arguments, **options):
    """What a function writes to a file."""
    sink = pyarrow.BufferOutputStream()
    how(*arguments[:1], sink, *arguments[1:], **options)
    return sink.getvalue().to_pybytes()


def parquet(name, data, **options):
    """Writes a Parquet file."""
    options = {"store_schema": False, "write_statistics": False, "compression": "none", **options}
    write(f"parquet/{name.replace(' ', '-')}", written(pyarrow.parquet.write_table, data, **options))


def arrow(data, stream, codec):
    """The bytes of an Arrow file or stream."""
    sink = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression=codec)
    make = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with make(sink, data.schema, options=options) as writer:
        writer.write_table(data, max_chunksize=2)
    return sink.getvalue().to_pybytes()


def main():
    """Writes all files."""
    for name, data in TABLES.items():
        if name != "view":
            parquet(name, data, use_dictionary=name in ("text", "dictionary"))
        for stream in True, False:
            kind = "stream" if stream else "file"
            small = data.slice(0, 20)
            write(f"arrow/{name.replace(' ', '-')}-{kind}", arrow(small, stream, None))
            if name in ("text", "nested", "dictionary"):
                for codec in "lz4", "zstd":
                    write(f"arrow/{name}-{kind}-{codec}", arrow(small, stream, codec))
    for codec in CODECS[1:]:
        parquet(f"codec-{codec}", TABLES["text"], compression=codec)
    for version in "1.0", "2.0":
        for encoding in "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY":
            columns = pyarrow.table([pyarrow.array(TEXT), pyarrow.array(TEXT[:1] * 4 + [None])], ["a", "b"])
            encodings = {"a": encoding, "b": encoding}
            parquet(f"{encoding}-{version}", columns, data_page_version=version, use_dictionary=False, column_encoding=encodings)
        numbers = pyarrow.table([pyarrow.array(range(40)), pyarrow.array([number / 2 for number in range(40)], pyarrow.float32())], ["a", "b"])
        encodings = {"a": "DELTA_BINARY_PACKED", "b": "BYTE_STREAM_SPLIT"}
        parquet(f"numbers-{version}", numbers, data_page_version=version, use_dictionary=False, column_encoding=encodings)
        parquet(f"nested-{version}", TABLES["nested"], data_page_version=version, row_group_size=2)
    parquet("all", TABLES["text"], store_schema=True, write_statistics=True, write_page_checksum=True, write_page_index=True)
    parquet("groups", TABLES["many"], row_group_size=60, data_page_size=200)
    lines, pickled = b"k\tv\nk2\tv2\n" * 3, pickle.dumps({b"k": b"v", b"k2": b"v" * 30}, 4)
    for name, data in ("lines", lines), ("pickle", pickled):
        for codec in "zstd", "lz4":
            write(f"packed/{name}-{codec}", pyarrow.compress(data, codec, asbytes=True))


if __name__ == "__main__":
    main()
