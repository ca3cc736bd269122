"""hashlith itself."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_text


class Hashlith(Contender):
    name = "hashlith"
    settings = "build_from_files(TSV), defaults (1 GiB, all cores); d.get, d.get_many"
    kind = "uncompressed"
    batches = True
    needs = "make wheel, then pip install target/wheels/hashlith-*.whl"

    def version(self) -> str:
        import hashlith

        return version(hashlith.__name__)

    def build(self, source: Path, folder: Path) -> None:
        import hashlith

        hashlith.build_from_files(folder / "index.hlith", source)

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        import hashlith

        return hashlith.open(folder / "index.hlith")

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        return handle.get_many(keys)  # type: ignore[no-any-return]


class HashlithOfPairs(Hashlith):
    name = "hashlith, from a generator"
    settings = "build(pairs), the pairs made by Python as for the peers; the same file"
    looks_up = False

    def build(self, source: Path, folder: Path) -> None:
        import hashlith

        hashlith.build(folder / "index.hlith", pairs_of_text(source))
