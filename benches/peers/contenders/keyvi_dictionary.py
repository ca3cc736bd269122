"""keyvi: a finite state automaton."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_text


class Keyvi(Contender):
    name = "keyvi"
    settings = "StringDictionaryCompiler, memory_limit_mb 1024; Dictionary (mapped); d.get(k).value"
    kind = "compressed"

    def version(self) -> str:
        import keyvi

        return version(keyvi.__name__)

    def build(self, source: Path, folder: Path) -> None:
        from keyvi.compiler import StringDictionaryCompiler

        compiler = StringDictionaryCompiler({"memory_limit_mb": "1024", "temporary_path": str(folder)})
        for key, value in pairs_of_text(source):
            compiler.add(key, value)
        compiler.compile()
        compiler.write_to_file(str(folder / "pairs.keyvi"))

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        from keyvi.dictionary import Dictionary

        return Dictionary(str(folder / "pairs.keyvi"))

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        def get(key: str) -> Any:
            match = handle.get(key)
            return match.value if match else None

        return get

    def count(self, handle: Any, keys: Sequence[Any]) -> int:
        get = handle.get
        found = 0
        for key in keys:
            match = get(key)
            if match and match.value is not None:
                found += 1
        return found
