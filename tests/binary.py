"""Where the Rust command `hashlith` is."""
import os
from pathlib import Path


def hashlith():
    """The path in HASHLITH_BIN or HASHLITH, or what `make test` builds. A missing binary is an error, not a skip."""
    target = os.environ.get("CARGO_TARGET_DIR") or Path(__file__).parent.parent / "target"
    path = os.environ.get("HASHLITH_BIN") or os.environ.get("HASHLITH") or Path(target) / "debug" / "hashlith"
    if not Path(path).is_file():
        raise FileNotFoundError(f"no hashlith binary at {path}: `cargo build -p hashlith-cli` makes it, or name one in HASHLITH_BIN")
    return str(Path(path).resolve())
