"""dbm.ndbm, with the library that this Python was built with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_bytes


class NewDbm(Contender):
    name = "dbm.ndbm"
    settings = "it has none; db.get"
    kind = "uncompressed"
    text = False
    needs = "a Python with dbm.ndbm, such as Debian's"

    def version(self) -> str:
        from dbm.ndbm import library

        return library

    def build(self, source: Path, folder: Path) -> None:
        import dbm.ndbm

        with dbm.ndbm.open(str(folder / "pairs"), "n") as database:
            for key, value in pairs_of_bytes(source):
                database[key] = value

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        import dbm.ndbm

        return dbm.ndbm.open(str(folder / "pairs"), "r")

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]
