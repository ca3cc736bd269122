"""SQLite, as it comes with Python."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .base import Contender, sorted_pairs

ONE = "SELECT value FROM pairs WHERE key = ?"


class Sqlite(Contender):
    name = "SQLite"
    settings = ("sorted, WITHOUT ROWID, one transaction, journal and sync off; immutable=1, mmap_size; prepared SELECT, "
                "one of 1,000 keys: IN (?, ...)")
    kind = "uncompressed"
    batches = True

    def version(self) -> str:
        return sqlite3.sqlite_version

    def build(self, source: Path, folder: Path) -> None:
        database = sqlite3.connect(folder / "pairs.sqlite", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -262144"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE pairs (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        database.execute("BEGIN")
        pairs = ((key.decode(), value.decode()) for key, value in sorted_pairs(source))
        database.executemany("INSERT INTO pairs VALUES (?, ?)", pairs)
        database.execute("COMMIT")
        database.close()

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        path = folder / "pairs.sqlite"
        database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True, isolation_level=None)
        database.execute(f"PRAGMA mmap_size = {path.stat().st_size}")
        return database

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        execute = handle.execute

        def get(key: str) -> Any:
            row = execute(ONE, (key,)).fetchone()
            return row[0] if row else None

        return get

    def count(self, handle: Any, keys: Sequence[Any]) -> int:
        execute = handle.execute
        found = 0
        for key in keys:
            if execute(ONE, (key,)).fetchone() is not None:
                found += 1
        return found

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        marks = ", ".join("?" * len(keys))
        return handle.execute(f"SELECT key, value FROM pairs WHERE key IN ({marks})", keys).fetchall()  # type: ignore[no-any-return]
