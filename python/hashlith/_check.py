"""Looking at whole index files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _native
from ._build import Path, Progress


class VerifyReport(NamedTuple):
    """What a file holds that was found to be right."""

    #: Number of keys, each of which was looked up.
    keys: int
    #: Number of cells.
    cells: int
    #: Length of the file in bytes, each of which was checked.
    nbytes: int


def verify(
    path: Path,
    *,
    threads: int | None = None,
    progress: bool | Callable[[Progress], object] | None = None,
) -> VerifyReport:
    """Checks every byte of an index: all checksums, and that every key finds its value.

    threads: default one for each processor. progress: True for a bar on the terminal, or a function of a `Progress`.

    Raises CorruptError, with the broken rule of the specification and the offset; OSError.
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= 65_535):
        raise ValueError(f"threads must be a number from 1 to 65,535, not {threads!r}")
    return VerifyReport(*_native.verify(path, threads, progress))


def info(path: Path) -> dict[str, Any]:
    """What an index holds and what it costs, as `hashlith info --json` tells: counts, sizes of its sections in bytes and
    how much of each is in the page cache, page tables, lengths of keys and values, metadata.

    Raises CorruptError, OSError.
    """
    found: dict[str, Any] = json.loads(_native.info(path))
    return found
