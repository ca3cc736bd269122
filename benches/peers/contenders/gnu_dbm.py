"""gdbm, by way of dbm.gnu."""

import ctypes.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_bytes


class GnuDbm(Contender):
    name = "dbm.gnu"
    settings = 'fast mode ("nf"), one sync; no lock ("ru"); db.get'
    kind = "uncompressed"
    text = False
    needs = "apt-get install python3-gdbm, and Debian's python3"

    def version(self) -> str:
        import dbm.gnu

        assert dbm.gnu.open
        library = ctypes.CDLL(ctypes.util.find_library("gdbm"))
        return "gdbm " + ".".join(str(part) for part in (ctypes.c_int * 3).in_dll(library, "gdbm_version_number"))

    def build(self, source: Path, folder: Path) -> None:
        import dbm.gnu

        with dbm.gnu.open(str(folder / "pairs.gdbm"), "nf") as database:
            for key, value in pairs_of_bytes(source):
                database[key] = value
            database.sync()

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        import dbm.gnu

        return dbm.gnu.open(str(folder / "pairs.gdbm"), "ru")

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]
