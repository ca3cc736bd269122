"""The dict of multiprocessing's Manager: in a process of its own, behind a socket."""

import itertools
import multiprocessing
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_text

AT_ONCE = 100_000


class ManagerDict(Contender):
    name = "Manager().dict()"
    settings = f"filled by update() of {AT_ONCE:,} pairs; workers forked; proxy.get"
    kind = "server"
    before_fork = True

    def version(self) -> str:
        return f"{platform.python_implementation()} {platform.python_version()}"

    def share(self, source: Path, folder: Path) -> Any:
        manager = multiprocessing.Manager()
        proxy = manager.dict()
        pairs = pairs_of_text(source)
        while some := dict(itertools.islice(pairs, AT_ONCE)):
            proxy.update(some)
        return manager, proxy

    def servers(self, shared: Any) -> list[int]:
        return [shared[0]._process.pid]

    def stop(self, shared: Any) -> None:
        shared[0].shutdown()

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        return shared[1]

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]
