"""Building indexes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple

from . import _native
from ._keywords import suggest_keywords

Record = tuple[str, str] | tuple[str, bytes] | tuple[bytes, str] | tuple[bytes, bytes] | tuple[str | bytes | int, Any]
StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Progress(NamedTuple):
    """How far a build or a check is. A `progress` function gets one about ten times a second.

    >>> import os, tempfile
    >>> def show(progress):
    ...     print(progress.phase, progress.done, progress.total, progress.unit)
    >>> show(Progress("reading", 512, 1024, "bytes", None))
    reading 512 1024 bytes
    >>> report = build(os.path.join(tempfile.mkdtemp(), "x.hlith"), {"sky": "blue"}, progress=lambda progress: None)
    """

    phase: str
    """"reading", "settling" (duplicates), "learning", "building", "sealing" or "checking"."""
    done: int
    """How much of the phase is done."""
    total: int | None
    """How much there is to do, or None if that is unknown."""
    unit: str
    """What `done` and `total` count: "bytes" or "records"."""
    records: int | None
    """Records so far, if `unit` is "bytes" and their number is known."""


class BuildReport(NamedTuple):
    """What a build made."""

    path: str
    """The absolute path of the index."""
    records: int
    """Number of records read."""
    keys: int
    """Number of keys in the index."""
    duplicates: int
    """Records dropped because another one had the same key (`on_duplicate="first"`, `"last"` or `"unique"`)."""
    skipped: int
    """Bad rows of files that were left out (`on_error="skip"`)."""
    first_skipped: tuple[str, ...]
    """Where the first ten bad rows are, and what is wrong with each."""
    notes: tuple[str, ...]
    """What to know about how files were read, such as a first row that looks like a header and was taken for a record."""
    nbytes: int
    """Size of the index in bytes."""
    spilled_bytes: int
    """Bytes written to temporary files."""
    seconds: float
    """Time from the start of the build to the finished index."""


class Builder(_native.Builder):
    """Builds an index from records that arrive one by one or in batches, in bounded memory.

    The index appears at `path` in one step when the `with` block ends; until then whatever was there stays. A block
    that ends with an exception leaves nothing behind. Without `with`, call `finish` or `abort`.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "squares.hlith")
    >>> with Builder(path, values="json") as builder:
    ...     builder.add("one", 1)
    ...     builder.add_many((str(n), n * n) for n in range(10))
    ...     builder.add_many(["ten", "eleven"], [100, 121])
    >>> builder.report.keys
    13
    """

    report: BuildReport
    """What was built, once it is finished."""
    _aborted = False

    @suggest_keywords
    def __new__(
        cls,
        path: StrOrBytesPath,
        *,
        memory: int | str | None = None,
        threads: int | None = None,
        temp_dir: StrOrBytesPath | None = None,
        on_duplicate: Literal["error", "first", "last", "unique", "collect"] = "error",
        compress: Literal["off", "fast", "on"] = "off",
        keys: Literal["text", "bytes", "int", "none", "json"] | None = None,
        values: str | None = None,
        fingerprint_bits: int | None = None,
        check_bits: int | None = None,
        hash: Literal["xxh3", "siphash"] = "xxh3",
        seed: int | Literal["random"] | None = None,
        metadata: dict[str, Any] | None = None,
        parts: int | None = None,
        part: tuple[int, int] | None = None,
        progress: bool | Callable[[Progress], object] | None = None,
    ) -> Builder:
        """Starts a build. The keywords are those of `build`."""
        return super().__new__(
            cls, path, memory=memory, threads=threads, temp_dir=temp_dir, on_duplicate=on_duplicate, compress=compress,
            keys=keys, values=values, fingerprint_bits=fingerprint_bits, check_bits=check_bits, hash=hash, seed=seed,
            metadata=metadata, parts=parts, part=part, progress=progress,
        )

    def finish(self) -> BuildReport:
        """Builds the index, puts it at its path in one step, and returns what was built."""
        self.report = super().finish()
        return self.report

    def abort(self) -> None:
        """Gives up the build. Whatever was at the path stays, and no temporary file is left."""
        super().abort()
        self._aborted = True

    def __enter__(self) -> Builder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        elif not hasattr(self, "report") and not self._aborted:
            self.finish()


def _must_be_keys(records: Any, values: str | None) -> None:
    """Raises a TypeError unless an Arrow object is a column of keys without values."""
    # Of the type: a column of pandas also has its labels as attributes.
    if hasattr(type(records), "columns") or hasattr(type(records), "schema"):
        raise TypeError("records is a table: name the column of its keys with key=")
    if values != "none":
        pairs = "records.items() for its labels as keys" if hasattr(records, "items") else "two columns to Builder.add_many"
        raise TypeError(f'records is one column: pass {pairs}, or use values="none" to take it as keys')


@suggest_keywords
def build(
    path: StrOrBytesPath,
    records: Mapping[Any, Any] | Iterable[Record] | Iterable[str | bytes | int] | Any,
    *,
    key: str | Sequence[str] | None = None,
    value: str | Sequence[str] | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    temp_dir: StrOrBytesPath | None = None,
    on_duplicate: Literal["error", "first", "last", "unique", "collect"] = "error",
    compress: Literal["off", "fast", "on"] = "off",
    keys: Literal["text", "bytes", "int", "none", "json"] | None = None,
    values: str | None = None,
    fingerprint_bits: int | None = None,
    check_bits: int | None = None,
    hash: Literal["xxh3", "siphash"] = "xxh3",
    seed: int | Literal["random"] | None = None,
    metadata: dict[str, Any] | None = None,
    parts: int | None = None,
    part: tuple[int, int] | None = None,
    progress: bool | Callable[[Progress], object] | None = None,
) -> BuildReport:
    """Builds an index at `path` from a mapping, an iterable of (key, value) pairs, or a table, in bounded memory.

    Keys are str, bytes or int, values str, bytes or numpy arrays of one shape, all keys of one type and all values of one
    type. With `values="json"` a value is whatever `json.dumps` takes, with `values="int64"` or the like a number.

    The index appears at `path` in one step when it is complete; until then whatever was there stays. It keeps the mode,
    owner and group of the file that it replaces, as far as possible, and a symbolic link is followed. Ctrl-C, or any
    exception, leaves nothing behind. The same records with the same options give the same bytes, in any order.

    Args:
        path: The file to make, or the directory if `parts` is given.
        records: The pairs. An iterable is read once and never held whole. With `key`, a table of pyarrow, Polars, pandas (which
            needs pyarrow for this) or any other library with Arrow's stream interface; its batches are read one by one. With
            `values="none"` also a set or another iterable of keys, or one column of a table.
        key: Of a table: the column of the keys: strings, binary or integers. Several columns, in a list, make keys that are JSON
            arrays.
        value: Of a table: the column of the values: strings, binary, numbers, or lists of numbers of one size; any type with
            `values="json"`. Several columns make JSON objects. Default: all columns that are not in `key`.
        memory: Memory to use: a number of bytes, or a size such as "512M" or "4G". Default: half of what is available.
        threads: Number of threads. Default: one per processor.
        temp_dir: Folder for temporary files, which take as much space as the records that do not fit into `memory`.
            Default: the folder of the index.
        on_duplicate: What to do when a key occurs twice: "error" fails, "first" and "last" keep that record. "unique" keeps one
            if the values are equal, and fails otherwise. "collect" keeps all values of each key as a list, in the order of
            the records: the values are str or JSON then, and those of the index JSON.
        compress: "on" makes the file smaller: keys and values are stored as codes of tokens that are learnt from a sample,
            where that saves a tenth. It takes some seconds more, and several times the processor time; "fast" less of both,
            for a file that is somewhat larger.
        keys: Type of the keys: "text" (str), "bytes", "int" (64 bits with a sign), or "none": str or bytes, which are left
            out of the file. It then knows them by `check_bits` bits of their hashes, and takes a key that it does not have
            for one that it has, once in 2**check_bits times. "json" is "text" that also takes tuples, and in tables
            all that is no text, each as its JSON text. Default: the type of the first key; for files "text".
        values: Type of the values: "text", "bytes", "json", "none" (only keys; their values may be left out), a type of
            numbers ("int8" to "int64", "uint8" to "uint64", "float16", "float32", "float64"), or vectors of n such numbers,
            such as "float32[128]". Default: the type of the first value; for files "text".
        fingerprint_bits: Bits of a key's fingerprint, 1 to 16: one lookup of an absent key in 2**bits reads a record.
            Default: 8.
        check_bits: With `keys="none"`, 8 to 64. Default: 32.
        hash: How keys are hashed: "xxh3" is fast; "siphash" is for keys that strangers choose, and has a random 128-bit
            key unless `seed` gives one.
        seed: Seed of the hash, or "random". Default: 0 for "xxh3", "random" for "siphash".
        metadata: A dict of your own notes, stored as JSON: `Index.metadata`.
        parts: Make a set of this many files, in a directory. Default: one file.
        part: (number, parts): make this one part of a set, from records that belong to it. See `part_numbers` and
            `commit_set`.
        progress: True for a bar on the terminal, or a function called with a `Progress`; an exception it raises ends
            the build.

    Raises:
        DuplicateKeyError: A key occurs twice.
        InputError: A record is not a pair.
        TypeError: A key or value has another type than those before it.
        OSError: The system refuses something.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "numbers.hlith")
    >>> build(path, ((str(n), "x" * n) for n in range(1000)), memory="256M").keys
    1000
    >>> import pyarrow
    >>> table = pyarrow.table({"id": ["a", "b"], "price": [1.5, 2.5], "stock": [3, 4]})
    >>> build(path, table, key="id", values="json").keys
    2
    >>> import hashlith
    >>> hashlith.open(path)["b"]
    {'price': 2.5, 'stock': 4}
    """
    with Builder(
        path, memory=memory, threads=threads, temp_dir=temp_dir, on_duplicate=on_duplicate, compress=compress,
        keys=keys, values=values, fingerprint_bits=fingerprint_bits, check_bits=check_bits, hash=hash, seed=seed,
        metadata=metadata, parts=parts, part=part, progress=progress,
    ) as builder:
        if key is not None:
            builder.add_table(records, key, value)
        elif value is not None:
            raise TypeError("value= names a column of a table: name that of the keys too, with key=")
        else:
            if hasattr(records, "__arrow_c_stream__") or hasattr(records, "__arrow_c_array__"):
                _must_be_keys(records, values)
            builder.add_many(records)
    return builder.report


@suggest_keywords
def build_from_files(
    path: StrOrBytesPath,
    inputs: StrOrBytesPath | Iterable[StrOrBytesPath],
    *,
    format: Literal["pickle", "tsv", "csv", "jsonl", "json", "cdbmake", "parquet", "arrow", "sqlite"] | None = None,
    on_error: Literal["stop", "skip"] | None = None,
    max_errors: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    quotes: Literal["off", "strict", "lenient", "backslash"] | None = None,
    escape: bool = False,
    header: bool | None = None,
    key_column: int | str | Sequence[int | str] | None = None,
    value_column: int | str | Sequence[int | str] | None = None,
    join: str | None = None,
    comment: str | None = None,
    skip_rows: int = 0,
    key_field: str | None = None,
    value_field: str | None = None,
    query: str | None = None,
    pick: int | str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    temp_dir: StrOrBytesPath | None = None,
    on_duplicate: Literal["error", "first", "last", "unique", "collect"] = "error",
    compress: Literal["off", "fast", "on"] = "off",
    keys: Literal["text", "bytes", "int", "json", "none"] | None = None,
    values: str | None = None,
    fingerprint_bits: int | None = None,
    check_bits: int | None = None,
    hash: Literal["xxh3", "siphash"] = "xxh3",
    seed: int | Literal["random"] | None = None,
    metadata: dict[str, Any] | None = None,
    parts: int | None = None,
    part: tuple[int, int] | None = None,
    progress: bool | Callable[[Progress], object] | None = None,
) -> BuildReport:
    """Builds an index at `path` from files and folders of pickled dicts, TSV, CSV, JSON, cdbmake records, Parquet, Arrow or SQLite.

    All threads read, and no file is held whole. A pickle is read as data; nothing in it runs. Otherwise this is like
    `build`, which describes the keywords that are not listed here.

    Args:
        path: The file to make, or the directory if `parts` is given.
        inputs: A file, a folder, or an iterable of them. Folders are read with all folders below them.
        format: Format of the files. Default: the one that each name shows (.pkl, .tsv, .csv, .jsonl, .json, .cdbmake, each
            also with .gz or .zst; .parquet, .pq; .arrow, .arrows, .feather, .ipc).
        on_error: What to do with a bad row: "stop" fails, "skip" leaves it out and counts it. Default: "stop", or
            "skip" if `max_errors` is given.
        max_errors: Fail after more bad rows than this. Default: no limit.
        encoding: Text: its encoding, such as "utf-16" or "windows-1252". Default: UTF-8.
        delimiter: TSV, CSV: what is between two columns: any text, in which \\t is a TAB; or "blanks", for any number of
            spaces and TABs. Default: a TAB in TSV, a comma in CSV.
        quotes: TSV, CSV: "off", quotes are characters like any other; "strict", by RFC 4180; "backslash", also with a
            backslash in front of a quote; "lenient", also in the middle of a field. Default: "off" in TSV, "strict" in CSV.
        escape: TSV: \\t, \\n, \\r and \\\\ stand for TAB, newline, CR and backslash, and \\N for a null.
        header: TSV, CSV: whether the first row of each file is a header. Default: in CSV, and if a column has a name.
        key_column: TSV, CSV, tables: the column of the keys, a number from 1 or a name. Several make a JSON array,
            unless there is `join`. Default: 1.
        value_column: TSV, CSV, tables: the column of the values, likewise; "*" is the whole row of
            text. Several make a JSON object, or an array without a header (with `values="json"`), unless there is `join`.
            Default: 2; in TSV all that follows the first TAB.
        join: TSV, CSV, tables: the text that joins several columns.
        comment: TSV, CSV: lines that begin with this are comments.
        skip_rows: TSV, CSV: how many lines at the beginning of each file are passed over.
        key_field: JSON, and pickled lists of dicts: the field of the keys. Default: "key".
        value_field: JSON, and pickled lists of dicts: the field of the values. Default: "value".
        query: SQLite: the query whose rows are the records; by default all rows of the only table.
        pick: Pickles that hold several dicts in a tuple, a list or a dict: which to read, its number from 0 or its key.

    Raises:
        InputError: A row is bad; with its path, and line, offset or row.
        DuplicateKeyError: A key occurs twice.
        OSError: The system refuses something.

    >>> import os, pickle, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> source = os.path.join(folder, "part-0000.pkl")
    >>> with open(source, "wb") as file:
    ...     pickle.dump({"sky": "blue"}, file)
    >>> build_from_files(os.path.join(folder, "colours.hlith"), source).keys
    1
    """
    if isinstance(inputs, (str, bytes, os.PathLike)):
        inputs = [inputs]
    return _native.build_from_files(
        path, list(inputs), format=format, on_error=on_error, max_errors=max_errors,
        encoding=encoding, delimiter=delimiter, quotes=quotes, escape=escape, header=header, key_column=key_column,
        value_column=value_column, join=join, comment=comment, skip_rows=skip_rows, key_field=key_field,
        value_field=value_field, query=query, pick=pick,
        memory=memory, threads=threads, temp_dir=temp_dir, on_duplicate=on_duplicate, compress=compress, keys=keys,
        values=values, fingerprint_bits=fingerprint_bits, check_bits=check_bits, hash=hash, seed=seed, metadata=metadata,
        parts=parts, part=part, progress=progress,
    )
