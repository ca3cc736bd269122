"""The `hashlith` command: `python -m hashlith`, and the script of that name."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    """Does what the command line says, and gives the exit code."""
    # The command hears signals itself, and a pipe that nobody reads any more ends it quietly.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.run(["hashlith", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
