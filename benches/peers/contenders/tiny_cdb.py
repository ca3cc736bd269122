"""cdb: made by tinycdb's own command, read by cdbx (a reader in C)."""

import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender


class TinyCdb(Contender):
    name = "cdb (tinycdb)"
    settings = "cdb -c -m (tinycdb, C, reads the TSV itself); read with cdbx, mapped; db.get"
    kind = "uncompressed"
    limit = (1 << 32) - 1
    text = False
    needs = "apt-get install tinycdb; pip install -r benches/peers/requirements.txt"

    def version(self) -> str:
        import cdbx

        if shutil.which("cdb") is None:
            raise OSError("no command cdb")
        manual = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "tinycdb"], capture_output=True, text=True)
        return f"{manual.stdout or '?'}, cdbx {version(cdbx.__name__)}"

    def build(self, source: Path, folder: Path) -> None:
        subprocess.run(["cdb", "-c", "-m", "-t", "-", str(folder / "pairs.cdb"), str(source)], check=True)

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        import cdbx

        return cdbx.CDB(str(folder / "pairs.cdb"), mmap=True)

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]
