"""The recipes of docs/distributed.md, each section run as one program."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "distributed.md"
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def program(section):
    """All its Python blocks."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL))


def test_all_python_is_run():
    assert {name for name, section in SECTIONS.items() if program(section)} == {"Without an engine", "Spark", "Dask", "Ray"}


@pytest.mark.parametrize("name", ["Without an engine", "Spark", "Dask", "Ray"])
def test_recipe(name, tmp_path):
    file = tmp_path / "recipe.py"
    file.write_text(program(SECTIONS[name]))
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "RAY_DISABLE_IMPORT_WARNING": "1", "PYSPARK_PYTHON": sys.executable}
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    done = subprocess.run(
        [sys.executable, file], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
