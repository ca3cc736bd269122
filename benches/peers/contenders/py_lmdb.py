"""LMDB by way of py-lmdb."""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_bytes, sorted_pairs


def map_size(source: Path) -> int:
    """Enough for the pairs in any order, and little more: the file has this length, most of it a hole."""
    return 8 * source.stat().st_size + (64 << 20)


class SortedLmdb(Contender):
    name = "py-lmdb, sorted"
    settings = ("sorted, putmulti(append=True), writemap, one sync; readahead=False, lock=False, one read transaction; "
                "txn.get, cursor.getmulti")
    kind = "uncompressed"
    text = False
    batches = True
    append = True

    def version(self) -> str:
        import lmdb

        major, minor, patch = lmdb.version()
        return f"{version('lmdb')} (LMDB {major}.{minor}.{patch})"

    def pairs(self, source: Path) -> Iterable[tuple[bytes, bytes]]:
        return sorted_pairs(source)

    def build(self, source: Path, folder: Path) -> None:
        import lmdb

        env = lmdb.open(str(folder), map_size=map_size(source), writemap=True, sync=False, meminit=False, readahead=False)
        with env.begin(write=True) as txn:
            txn.cursor().putmulti(self.pairs(source), append=self.append)
        env.sync(True)
        env.close()

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        import lmdb

        return lmdb.open(str(folder), readonly=True, lock=False, readahead=False).begin(buffers=False)

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        return handle.cursor().getmulti(keys)  # type: ignore[no-any-return]


class UnsortedLmdb(SortedLmdb):
    name = "py-lmdb, unsorted"
    settings = "as they come, putmulti; else as above"
    append = False

    def pairs(self, source: Path) -> Iterable[tuple[bytes, bytes]]:
        return pairs_of_bytes(source)
