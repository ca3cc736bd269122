"""Tkrzw's HashDBM."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .base import Contender, count_of, pairs_of_bytes


class Tkrzw(Contender):
    name = "tkrzw HashDBM"
    settings = "num_buckets = pairs, the smallest offset_width, align_pow 0; mapped; Get, GetMulti"
    kind = "uncompressed"
    text = False
    batches = True
    needs = "apt-get install python3-tkrzw, and Debian's python3"

    def version(self) -> str:
        import tkrzw

        return str(tkrzw.Utility.VERSION)

    def build(self, source: Path, folder: Path) -> None:
        import tkrzw

        database = tkrzw.DBM()
        pairs = count_of(source)
        # Four bytes of offset are enough for a file of 4 GiB, if records are not aligned.
        width = 4 if source.stat().st_size + 24 * pairs < 1 << 32 else 5
        options = {"num_buckets": pairs, "offset_width": width, "align_pow": 0}
        database.Open(str(folder / "pairs.tkh"), True, truncate=True, **options).OrDie()
        put = database.Set
        for key, value in pairs_of_bytes(source):
            put(key, value)
        database.Synchronize(True).OrDie()
        database.Close().OrDie()

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        import tkrzw

        database = tkrzw.DBM()
        database.Open(str(folder / "pairs.tkh"), False).OrDie()
        return database

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.Get  # type: ignore[no-any-return]

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        return handle.GetMulti(*keys)  # type: ignore[no-any-return]
