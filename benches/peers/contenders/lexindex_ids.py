"""lexindex: from keys to ids by a perfect hash, with the keys stored; no values."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_text


class LexindexIds(Contender):
    name = "lexindex"
    settings = "PerfectHashIndex.build_to_file(fingerprints=True), keys without values; load_mmap; id, ids_of"
    kind = "ids only"
    batches = True

    def version(self) -> str:
        import lexindex

        return version(lexindex.__name__)

    def build(self, source: Path, folder: Path) -> None:
        from lexindex import PerfectHashIndex

        PerfectHashIndex.build_to_file(
            lambda: (key for key, _ in pairs_of_text(source)), folder / "keys.lexindex", fingerprints=True
        )

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        from lexindex import PerfectHashIndex

        return PerfectHashIndex.load_mmap(folder / "keys.lexindex")

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.id  # type: ignore[no-any-return]

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        return handle.ids_of(keys)  # type: ignore[no-any-return]

    def right(self, handle: Any, key: Any, value: Any) -> bool:
        number = handle.id(key)
        return bool(number is None if value is None else handle.key(number) == key)
