"""Looking at whole indexes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _native
from ._build import Progress, StrOrBytesPath


class VerifyReport(NamedTuple):
    """What `verify` checked and found right."""

    keys: int
    """Number of keys. Each was looked up, unless keys are left out of the index."""
    cells: int
    """Number of cells."""
    nbytes: int
    """Size of the index in bytes, each of which was checked."""


def verify(
    path: StrOrBytesPath,
    *,
    threads: int | None = None,
    progress: bool | Callable[[Progress], object] | None = None,
) -> VerifyReport:
    """Checks every byte of an index: all checksums, and that every key finds its value.

    Args:
        path: The file, or the directory of a set.
        threads: Number of threads. Default: one per processor.
        progress: True for a bar on the terminal, or a function called with a `Progress`.

    Raises:
        CorruptError: The index breaks a rule of the specification; with the rule and the offset.
        OSError: The system refuses something.

    >>> import hashlith, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
    >>> report = hashlith.build(path, {"sky": "blue"})
    >>> hashlith.verify(path).keys
    1
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= 65_535):
        raise ValueError(f"threads must be a number from 1 to 65,535, not {threads!r}")
    return VerifyReport(*_native.verify(path, threads, progress))


def info(path: StrOrBytesPath) -> dict[str, Any]:
    """What an index holds and what it costs, as `hashlith info --json` prints it.

    Counts, the size of each section in bytes and how much of it is in the page cache, page tables, lengths of keys and
    values, metadata.

    Args:
        path: The file, or the directory of a set.

    Raises:
        CorruptError: The file is not an index, or is damaged.
        OSError: The system refuses something.

    >>> import hashlith, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
    >>> report = hashlith.build(path, {"sky": "blue"})
    >>> hashlith.info(path)["lengths"]["values"]["longest"]
    4
    """
    return {"file": os.path.abspath(os.fsdecode(path)), **json.loads(_native.info(path))}
