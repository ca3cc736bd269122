"""The `hashlith` command: `python -m hashlith`, and the script of that name."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    """Runs the command line and returns its exit code."""
    # The command handles signals itself, and a closed pipe ends it quietly.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.run(["hashlith", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
