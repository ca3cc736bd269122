"""Python's own dict, loaded once and shared by fork."""

import gc
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_text


class PlainDict(Contender):
    name = "plain dict"
    settings = "loaded once with gc off, gc.freeze, workers forked from it; d.get"
    kind = "in memory"
    before_fork = True

    def version(self) -> str:
        return f"{platform.python_implementation()} {platform.python_version()}"

    def share(self, source: Path, folder: Path) -> Any:
        gc.disable()
        found = dict(pairs_of_text(source))
        gc.freeze()
        return found

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        return shared

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]
