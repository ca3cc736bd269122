"""An open index as a Mapping."""

from __future__ import annotations

import itertools
import os
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

from . import _native
from ._native import ArrowArray

if TYPE_CHECKING:
    import numpy
    import numpy.typing

K = TypeVar("K")
V = TypeVar("V", covariant=True)

_BATCH = 1024
_BATCH_BYTES = 32 << 20


class IndexItems(ItemsView[K, V]):
    """The pairs of an index, in the order of the file."""

    __slots__ = ()
    _mapping: Index[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._items()

    def __contains__(self, item: object) -> bool:
        return isinstance(item, tuple) and len(item) == 2 and super().__contains__(item)


class IndexValues(ValuesView[V]):
    """The values of an index, in the order of the file."""

    __slots__ = ()
    _mapping: Index[Any, V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping._values()

    def __contains__(self, value: object) -> bool:
        return any(value is own or value == own for own in self)


class Index(_native.Index, Mapping[K, V]):
    """An open index file: a read-only mapping of str or bytes to str, bytes or JSON values, as the file has them.

    Iteration goes in the order of the file, which is that of the dense ids. It has nothing to do with the order in which
    the records came, and is the same for the same file, always.

    A lookup with a key of another type than the file's is a TypeError; use after `close` is a ValueError; damage that a
    lookup meets is a `CorruptError`.

    Pickled, it is its absolute path, the keywords it was opened with, and the digest of the file. Loading it opens the
    file again. If another file is at the path by then, or none, whoever uses the loaded index gets a `ReplacedError` or
    the OSError; loading itself does not fail, because worker pools lose or hang on such an exception.
    """

    __slots__ = ()

    def keys(self) -> KeysView[K]:
        """All keys, as a set-like view. Set operations look up the other set's elements."""
        return KeysView(self)

    def values(self) -> ValuesView[V]:
        """All values, as a view."""
        return IndexValues(self)

    def items(self) -> ItemsView[K, V]:
        """All pairs, as a set-like view."""
        return IndexItems(self)

    def batches(
        self, rows: int = 65_536, *, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[ArrowArray, ArrowArray]]:
        """All keys and values, or those with dense ids of start..stop, as pairs of Arrow arrays of at most so many rows.

        A pair may be shorter, so that it takes some dozens of MiB and not more.
        """
        for keys, values in self._batches(rows, start, len(self) if stop is None else stop, True, True):
            assert keys is not None and values is not None
            yield keys, values

    def _batches(
        self, rows: int, start: int, stop: int, want_keys: bool, want_values: bool
    ) -> Iterator[tuple[ArrowArray | None, ArrowArray | None]]:
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        stop = min(stop, len(self))
        while start < stop:
            start, keys, values = self._arrow_slice(
                start, min(start + rows, stop), _BATCH_BYTES, want_keys, want_values
            )
            yield keys, values

    def ids(self, keys: Iterable[K] | Any) -> numpy.typing.NDArray[numpy.int64]:
        """The dense ids of many keys (an iterable, or an Arrow column), as a numpy array; -1 for an absent one.

        Ids run from 0 to len(index) - 1, and no two keys share one: they can number the rows of an array of your own.
        """
        import numpy

        return numpy.frombuffer(self._ids(keys), dtype="<i8").astype(numpy.int64, copy=False)

    def __eq__(self, other: object) -> bool:
        """True for the same records.

        Two indexes are compared by their digests, whatever their size: they are equal when their files hold the same
        bytes, which the same records built with the same options do. With another mapping of the same length, the
        records of that mapping are looked up until one differs; with one of another length nothing is read.
        """
        if self is other:
            return True
        if isinstance(other, Index):
            return len(self) == len(other) and self.digest == other.digest
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(self) != len(other):
            return False
        items, absent = iter(other.items()), object()
        try:
            while batch := list(itertools.islice(items, _BATCH)):
                values = self.get_many([key for key, _ in batch], absent)
                if any(own is not value and own != value for own, (_, value) in zip(values, batch)):
                    return False
        except (TypeError, UnicodeEncodeError):
            # No key of another type is here.
            return False
        return True

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        len(self)  # a closed index is not pickled
        return _reopen, (type(self), self.path, self._options(), self.digest)


def _reopen(cls: type[Index[K, V]], path: str, options: dict[str, Any], digest: str) -> Index[K, V]:
    return cls(path, **options, _digest=digest)


def open(
    path: str | os.PathLike[str],
    flag: str = "r",
    *,
    in_memory: bool = False,
    huge_pages: bool = False,
    preload: bool = False,
    lock: bool = False,
    random: bool = True,
    cold: bool = False,
    decode_json: bool = True,
) -> Index[Any, Any]:
    """Opens an index file, or a set. Time and memory do not grow with it: 100 million keys open in less than a millisecond.

    The file is mapped. Nobody may write to it or cut it off while it is open (a lookup would give nonsense, or a signal
    end the process); replacing it by a rename, as builds do, is fine, and leaves this index its old file.

    path: the file, or the directory of the set.
    flag: "r", which is all there is; accepted because dbm.open and shelve.open have it.
    in_memory: read the file into this process's own memory instead, so that nothing that happens to it matters any more.
    huge_pages: ask for 2 MiB pages: quicker lookups and smaller page tables, where the file system can do it.
    preload: read the part that every lookup needs (2 to 4 bytes a key) into memory now.
    lock: keep that part in memory (mlock); counts against RLIMIT_MEMLOCK.
    random: tell the kernel that records are read in random order, so that a cold one costs one page and no read-ahead.
        Turn it off to read most of the file in order.
    cold: the file does not fit into memory: batches (get_many, get_many_arrow) ask for the pages of records a thousand
        keys ahead, so that the disk works on many at once.
    decode_json: give JSON values as objects (json.loads); False gives their text.

    Raises FileNotFoundError and other OSErrors; CorruptError for a file that is no index, or damaged where opening looks.
    """
    return Index(
        path,
        flag,
        in_memory=in_memory,
        huge_pages=huge_pages,
        preload=preload,
        lock=lock,
        random=random,
        cold=cold,
        decode_json=decode_json,
    )
