"""An open index as a Mapping."""

from __future__ import annotations

import itertools
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

from . import _native
from ._build import StrOrBytesPath
from ._keywords import suggest_keywords
from ._native import ArrowArray

if TYPE_CHECKING:
    import numpy
    import numpy.typing

K = TypeVar("K")
V = TypeVar("V", covariant=True)

_COMPARED_AT_ONCE = 1024
_BATCH_BYTES = 32 << 20
_SHOWN_METADATA = 1000


def _same(value: Any, own: Any) -> bool:
    """True for equal values; arrays are compared as a whole."""
    if value is own:
        return True
    if not hasattr(own, "shape"):
        return bool(value == own)
    import numpy

    try:
        return numpy.shape(value) == own.shape and bool(numpy.all(own == value))
    except ValueError:
        return False


class IndexItems(ItemsView[K, V]):
    """The pairs of an index, in the order of the file."""

    __slots__ = ()
    _mapping: Index[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._items()

    def __contains__(self, item: object) -> bool:
        if not (isinstance(item, tuple) and len(item) == 2):
            return False
        absent = object()
        own = self._mapping.get(item[0], absent)
        return own is not absent and _same(item[1], own)


class IndexValues(ValuesView[V]):
    """The values of an index, in the order of the file."""

    __slots__ = ()
    _mapping: Index[Any, V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping._values()

    def __contains__(self, value: object) -> bool:
        return any(_same(value, own) for own in self)


class Index(_native.Index, Mapping[K, V]):
    """An open index: a read-only mapping of str, bytes or int to str, bytes, JSON values or numbers, as the index has them.
    A vector is a numpy array in the memory of the index, which cannot be written to. The values of a set of keys are True.

    Iteration follows the order of the file, which is that of the dense ids. It is always the same for the same file, and
    unrelated to the order of the records when it was built.

    In an index of str keys a tuple stands for its JSON text, `json.dumps(key, separators=(",", ":"), ensure_ascii=False)`. Any
    other key of another type than the index's is a TypeError, use after `close` a ValueError, and damage that a lookup meets
    a `CorruptError`.

    Pickled, an index is its absolute path, the keywords it was opened with, and the digest of the file. Loading it opens
    the file again. If the path holds another file by then, or none, using the loaded index raises `ReplacedError` or the
    OSError. Loading itself does not fail, because worker pools lose such an exception or hang on it.

    >>> import hashlith, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
    >>> report = hashlith.build(path, {"sky": "blue", "grass": "green"})
    >>> index = hashlith.open(path)
    >>> index["sky"], "sea" in index, index.get_many(["grass", "sea"]), len(index)
    ('blue', False, ['green', None], 2)
    """

    __slots__ = ()

    def keys(self) -> KeysView[K]:
        """All keys, as a set-like view. `keys() & other` looks up the elements of `other`."""
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
        """All records, or those with dense ids from `start` to `stop`, as Arrow arrays of keys and of values.

        Each pair of arrays has at most `rows` rows, and fewer where records are long: a pair takes some dozens of MiB
        at most, unless a single record is longer.

        >>> import hashlith, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
        >>> report = hashlith.build(path, {"sky": "blue", "grass": "green", "sun": "yellow"})
        >>> with hashlith.open(path) as index:
        ...     [len(keys) for keys, values in index.batches(2)]
        [2, 1]
        """
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        stop = len(self) if stop is None else min(stop, len(self))
        while start < stop:
            start, keys, values = self._arrow_slice(start, min(start + rows, stop), _BATCH_BYTES, True, True)
            assert keys is not None and values is not None
            yield keys, values

    def ids(self, keys: Iterable[K] | Any) -> numpy.typing.NDArray[numpy.int64]:
        """The dense ids of many keys (an iterable or an Arrow column) as a numpy array; -1 for an absent key.

        Ids run from 0 to `len(index) - 1`, and no two keys share one, so they can number the rows of your own arrays.

        >>> import hashlith, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
        >>> report = hashlith.build(path, {"sky": "blue"})
        >>> hashlith.open(path).ids(["sky", "sea"]).tolist()
        [0, -1]
        """
        import numpy

        return numpy.frombuffer(self._ids(keys), dtype="<i8").astype(numpy.int64, copy=False)

    def to_numpy(self) -> numpy.typing.NDArray[Any]:
        """All values in the order of the dense ids, as one numpy array, if they are numbers or vectors of numbers.

        Its row number i is the value of the key with dense id i (`ids`). Of one file the array is the memory of the index,
        not a copy, and cannot be written to; the arrays of a set are joined, which is a copy.

        >>> import hashlith, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "points.hlith")
        >>> report = hashlith.build(path, {"a": [1.0, 2.0], "b": [3.0, 4.0]}, values="float32[2]")
        >>> points = hashlith.open(path)
        >>> points.to_numpy()[points.ids(["b"])].tolist()
        [[3.0, 4.0]]
        """
        import numpy

        parts = self._matrices()
        return parts[0] if len(parts) == 1 else numpy.concatenate(parts)

    def __eq__(self, other: object) -> bool:
        """True for the same records.

        Two indexes are compared by their digests, whatever their size. They are equal if their files hold the same
        bytes, as files of the same records and options do. The records of any other mapping of the same length are
        looked up until one differs; if the lengths differ, nothing is read.
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
            while batch := list(itertools.islice(items, _COMPARED_AT_ONCE)):
                if self._gives_lists():
                    values = self.get_many([key for key, _ in batch], absent)
                else:
                    values = [self.get(key, absent) for key, _ in batch]
                if not all(_same(value, own) for own, (_, value) in zip(values, batch)):
                    return False
        except (TypeError, UnicodeEncodeError):
            # A key of another type is in no index.
            return False
        return True

    def _gives_lists(self) -> bool:
        return self.value_type in ("str", "bytes", "json", "none")

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        import html
        import json

        if self.closed:
            return f"<code>{html.escape(repr(self))}</code>"
        rows = {
            # Bytes that are not UTF-8 would not reach the notebook.
            "path": self.path.encode(errors="backslashreplace").decode(),
            "keys": f"{len(self):,}",
            "types": f"{self.key_type} to {self.value_type}",
            "size": f"{self.nbytes:,} bytes",
            "parts": f"{self.parts:,}",
        }
        if (metadata := self.metadata) is not None:
            text = json.dumps(metadata)
            rows["metadata"] = text if len(text) <= _SHOWN_METADATA else f"{text[:_SHOWN_METADATA]}..."
        cells = (f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in rows.items())
        return f"<table>{''.join(cells)}</table>"

    def __reduce__(self) -> tuple[Any, ...]:
        len(self)  # a closed index cannot be pickled
        return _reopen, (type(self), self.path, self._options(), self.digest)


def _reopen(cls: type[Index[K, V]], path: str, options: dict[str, Any], digest: str) -> Index[K, V]:
    return cls(path, **options, _digest=digest)


@suggest_keywords
def open(
    path: StrOrBytesPath,
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
    """Opens an index. Time and memory do not grow with its size: 100 million keys open in less than a millisecond.

    The file is mapped. While it is open, nobody may write to it or truncate it: a lookup would return nonsense, or a
    signal would end the process. Replacing it by a rename, as builds do, is fine: this index keeps the old file.

    Args:
        path: The file, or the directory of a set.
        flag: Always "r". It is accepted because dbm.open and shelve.open have it.
        in_memory: Read the file into this process's own memory instead; from then on nothing that happens to the file
            matters.
        huge_pages: Ask for 2 MiB pages, for faster lookups and smaller page tables, where the file system supports them.
        preload: Read the part that every lookup needs (2 to 4 bytes per key) into memory now.
        lock: Keep that part in memory (mlock). It counts against RLIMIT_MEMLOCK.
        random: Tell the kernel that records are read in random order, so that a cold one costs one page and no
            read-ahead. Turn it off to read most of the file in order.
        cold: The file does not fit into memory: batches (`get_many`, `get_many_arrow`) request the pages of records a
            thousand keys ahead, so that the disk works on many at once.
        decode_json: Return JSON values as objects (json.loads), not as their text.

    Raises:
        FileNotFoundError: Nothing is at `path`. Also other OSErrors.
        CorruptError: The file is not an index, or is damaged where opening looks.

    >>> import hashlith, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
    >>> report = hashlith.build(path, {"sky": "blue"})
    >>> with hashlith.open(path) as colours:
    ...     colours["sky"]
    'blue'
    """
    return Index(
        path, flag, in_memory=in_memory, huge_pages=huge_pages, preload=preload, lock=lock, random=random, cold=cold,
        decode_json=decode_json,
    )
