"""marisa-trie: a succinct trie."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_text


class Marisa(Contender):
    name = "marisa-trie"
    settings = "BytesTrie of (str, bytes), label order; mmap; t.get(k), a list of values"
    kind = "compressed"

    def version(self) -> str:
        import marisa_trie

        return version(marisa_trie.__name__)

    def build(self, source: Path, folder: Path) -> None:
        import marisa_trie

        pairs = ((key, value.encode()) for key, value in pairs_of_text(source))
        marisa_trie.BytesTrie(pairs, order=marisa_trie.LABEL_ORDER).save(str(folder / "pairs.marisa"))

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        import marisa_trie

        return marisa_trie.BytesTrie().mmap(str(folder / "pairs.marisa"))

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]

    def right(self, handle: Any, key: Any, value: Any) -> bool:
        return bool(handle.get(key) == (None if value is None else [value.encode()]))
