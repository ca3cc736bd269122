"""Runs the tests of this folder, not those of reliability/ and distributed/: what `make oracle` calls. Arguments go to pytest."""
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
folder = Path(__file__).parent
options = ["-q", "-p", "no:cacheprovider", f"--ignore={folder / 'reliability'}", f"--ignore={folder / 'distributed'}"]
sys.exit(pytest.main([*options, str(folder), *sys.argv[1:]]))
