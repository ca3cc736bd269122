"""Building indexes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

from . import _native

Record = tuple[str, str] | tuple[str, bytes] | tuple[bytes, str] | tuple[bytes, bytes] | tuple[str | bytes, Any]
Path = str | os.PathLike[str]


class Progress(NamedTuple):
    """How far a build or a check is: what a `progress` callback gets, about ten times a second."""

    #: "reading", "building", "sealing" or "checking".
    phase: str
    #: How much of the phase is done.
    done: int
    #: Of how much; None if that is not known.
    total: int | None
    #: What is counted: "bytes" or "records".
    unit: str
    #: Records so far, where bytes are counted and that is known.
    records: int | None


class BuildReport(NamedTuple):
    """What a build has made."""

    #: The absolute path of the index.
    path: str
    #: Records that came in.
    records: int
    #: Keys in the index.
    keys: int
    #: Records that were dropped because their key was there already (on_duplicate="first" or "last").
    duplicates: int
    #: Bad rows of files that were left out (on_error="skip").
    skipped: int
    #: Where the first ten of them are and what is wrong with them.
    first_skipped: tuple[str, ...]
    #: Length of the index in bytes.
    nbytes: int
    #: Bytes that went through temporary files.
    spilled_bytes: int
    #: Seconds from the first record to the finished file.
    seconds: float


class BuildOptions(TypedDict, total=False):
    """Keywords of `build` and `Builder`."""

    #: Bytes of memory to use, as a number or like "4G". Default: half of what is available.
    memory: int | str | None
    #: Number of threads. Default: one for each processor.
    threads: int | None
    #: Folder for temporary files, which take as much as the records that do not fit the memory. Default: that of the index.
    temp_dir: Path | None
    #: When a key comes twice: "error" (the default) ends the build, "first" or "last" keeps that record.
    on_duplicate: Literal["error", "first", "last"]
    #: What keys are. Default: "text" if the first one is a str, "bytes" if it is a bytes; for files "text".
    keys: Literal["text", "bytes"] | None
    #: What values are: the same, or "json" to store whatever json.dumps takes and get it back as json.loads gives it.
    values: Literal["text", "bytes", "json"] | None
    #: Bits of a key's fingerprint, 1 to 16: one absent key in 2**bits costs a read of a record. Default: 8.
    fingerprint_bits: int
    #: Hash of the keys: "xxh3", the quick one and the default, or "siphash", with a random key of 128 bits, for keys that
    #: strangers choose.
    hash: Literal["xxh3", "siphash"]
    #: Seed of the hash, or "random". Default: 0 for xxh3, so that the same records and options give the same bytes, and
    #: "random" for siphash.
    seed: int | Literal["random"]
    #: A dict to store with the index, as JSON, for your own notes: `Index.metadata`.
    metadata: dict[str, Any] | None
    #: Make a set of this many files; the path is then its directory. Default: one file.
    parts: int | None
    #: (number, parts): make one part of a set of so many, out of records that belong to it (see `part_numbers`, `commit_set`).
    part: tuple[int, int] | None
    #: True for a bar on the terminal, or a function that is called with a `Progress`; an exception of it ends the build.
    progress: bool | Callable[[Progress], object] | None


class FileOptions(BuildOptions, total=False):
    """Keywords of `build_from_files`."""

    #: Format of the files. Default: what their names tell (.pkl, .tsv, .csv, .jsonl, .cdbmake, also with .gz or .zst).
    format: Literal["pickle", "tsv", "csv", "jsonl", "cdbmake"] | None
    #: What to do with a row that cannot be a record: "stop" (the default), or "skip" it and count it.
    on_error: Literal["stop", "skip"]
    #: Give up after more bad rows than this (means on_error="skip").
    max_errors: int | None
    #: TSV: \\t, \\n, \\r and \\\\ stand for TAB, newline, CR and backslash.
    escape: bool
    #: CSV: the key's column, a number from 1 or a name in the header. Default: 1.
    key_column: int | str
    #: CSV: the value's column. Default: 2.
    value_column: int | str
    #: CSV: the first row of each file is a header.
    header: bool
    #: JSON lines: the key's field. Default: "key".
    key_field: str
    #: JSON lines: the value's field. Default: "value".
    value_field: str


class Builder(_native.Builder):
    """Builds an index out of records that come one by one or in batches, in bounded memory.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "squares.hlith")
    >>> with Builder(path, values="json") as builder:
    ...     builder.add("one", 1)
    ...     builder.add_many((str(n), n * n) for n in range(10))
    ...     builder.add_many(["ten", "eleven"], [100, 121])
    >>> builder.report.keys
    13

    The index appears at its path, in one step, when the block ends; what was there before stays until then. A block that
    ends with an exception leaves nothing behind. Without `with`, call `finish` or `abort`.
    """

    #: What was built, once it is.
    report: BuildReport
    _given_up = False

    def __new__(cls, path: Path, **options: Unpack[BuildOptions]) -> Builder:
        return super().__new__(cls, path, **options)

    def finish(self) -> BuildReport:
        """Builds the index, puts it at its path in one step, and tells what was built."""
        self.report = super().finish()
        return self.report

    def abort(self) -> None:
        """Gives the build up. What was at the path is untouched, and no temporary file stays."""
        super().abort()
        self._given_up = True

    def __enter__(self) -> Builder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        elif not hasattr(self, "report") and not self._given_up:
            self.finish()


def build(
    path: Path, records: Mapping[Any, Any] | Iterable[Record], **options: Unpack[BuildOptions]
) -> BuildReport:
    """Builds an index at `path` from a mapping, or from an iterable of (key, value) pairs, in bounded memory.

    Keys and values are str or bytes, all keys of one type and all values of one; `values="json"` takes any JSON value.
    The keywords are those of `BuildOptions`.

    The file appears at `path` in one step, when it is complete; what was there before stays until then. Ctrl-C, or any
    exception, leaves nothing behind.

    Raises DuplicateKeyError; InputError for what is no pair; TypeError for keys and values of another type; OSError.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "numbers.hlith")
    >>> build(path, ((str(n), "x" * n) for n in range(1000)), memory="256M").keys
    1000
    """
    with Builder(path, **options) as builder:
        builder.add_many(records)
    return builder.report


def build_from_files(
    path: Path, inputs: Path | Iterable[Path], **options: Unpack[FileOptions]
) -> BuildReport:
    """Builds an index at `path` from files and folders of pickled dicts, TSV, CSV, JSON lines or cdbmake records.

    The files are read by all threads and never held whole; a pickle is read as data, and runs nothing. The keywords are
    those of `FileOptions`; otherwise it is like `build`.

    Raises InputError with path, and line or offset; DuplicateKeyError; OSError.

    >>> import os, pickle, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with open(os.path.join(folder, "part-0000.pkl"), "wb") as file:
    ...     pickle.dump({"sky": "blue"}, file)
    >>> build_from_files(os.path.join(folder, "colours.hlith"), [os.path.join(folder, "part-0000.pkl")]).keys
    1
    """
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    return _native.build_from_files(path, list(inputs), **options)
