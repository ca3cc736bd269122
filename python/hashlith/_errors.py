"""The exceptions of the package.

What the system refuses is an OSError, as everywhere in Python (FileNotFoundError, PermissionError, ...). A wrong type is
a TypeError, a wrong option a ValueError, an absent key a KeyError.
"""

from __future__ import annotations


class Error(Exception):
    """The base class of the exceptions of this package."""


class CorruptError(Error):
    """A file is not an index, or is damaged."""

    def __init__(
        self, message: str = "", *, path: str | None = None, rule: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        """The file."""
        self.rule = rule
        """The rule of spec.md, section 9 or 15, that the file breaks, such as "R7"."""
        self.offset = offset
        """Where, in bytes from the start of the file."""


class DuplicateKeyError(Error, ValueError):
    """A key occurs twice, and the build was not told which record to keep."""

    def __init__(
        self, message: str = "", *, key: str | bytes = "", first: str | None = None, second: str | None = None
    ) -> None:
        super().__init__(message)
        self.key = key
        """The key."""
        self.first = first
        """Where it occurs first, in words: "record 17", "words.tsv, line 3"."""
        self.second = second
        """Where it occurs again, in words."""


class InputError(Error, ValueError):
    """Something that should be a record is not one, or a file cannot be read as records."""

    def __init__(
        self,
        message: str = "",
        *,
        path: str | None = None,
        line: int | None = None,
        offset: int | None = None,
        row: int | None = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        """The file as it was named, or None."""
        self.line = line
        """The line, from 1, in formats made of lines."""
        self.offset = offset
        """Byte offset in the (decompressed) file, unless it is a table."""
        self.row = row
        """The row, from 1, of a table: a Parquet or Arrow file, a database, or a data frame."""


class ReplacedError(Error):
    """A pickled index was loaded, but its path holds another file now."""

    def __init__(self, message: str = "", *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        """The file."""
