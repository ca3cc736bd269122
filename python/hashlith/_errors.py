"""The exceptions of the package.

What the system refuses is an OSError, as everywhere in Python (FileNotFoundError, PermissionError, ...); a wrong type is
a TypeError, a wrong option a ValueError, an absent key a KeyError.
"""

from __future__ import annotations


class Error(Exception):
    """What all exceptions of this package are."""


class CorruptError(Error):
    """A file is no index, or a damaged one."""

    def __init__(
        self, message: str = "", *, path: str | None = None, rule: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message)
        #: The file.
        self.path = path
        #: The rule of spec.md section 9 that it breaks, such as "R7".
        self.rule = rule
        #: Where, in bytes from the beginning of the file.
        self.offset = offset


class DuplicateKeyError(Error, ValueError):
    """A key came twice, and the build was not told which of its records to keep."""

    def __init__(
        self, message: str = "", *, key: str | bytes = "", first: str | None = None, second: str | None = None
    ) -> None:
        super().__init__(message)
        #: The key.
        self.key = key
        #: Where it came first, in words: "record 17", "words.tsv, line 3".
        self.first = first
        #: Where it came again, in words.
        self.second = second


class InputError(Error, ValueError):
    """Something that should be a record is none, or a file cannot be read as records."""

    def __init__(
        self, message: str = "", *, path: str | None = None, line: int | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message)
        #: The file as it was named, or None.
        self.path = path
        #: The line, from 1, in formats made of lines.
        self.line = line
        #: Byte offset in the (decompressed) file.
        self.offset = offset


class ReplacedError(Error):
    """A pickled index was opened again, and its path holds another file now."""

    def __init__(self, message: str = "", *, path: str | None = None) -> None:
        super().__init__(message)
        #: The file.
        self.path = path
