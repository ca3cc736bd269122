"""Runs the tests of this folder: what `make oracle` calls. Arguments go to pytest."""
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", str(Path(__file__).parent), *sys.argv[1:]]))
