"""Runs the tests of this folder, without those of reliability/ and distributed/, as `make oracle`. Arguments go to pytest."""
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
pytest.register_assert_rewrite("agreement")
folder = Path(__file__).parent
options = [f"--ignore={folder / 'reliability'}", f"--ignore={folder / 'distributed'}"]
sys.exit(pytest.main([*options, str(folder), *sys.argv[1:]]))
