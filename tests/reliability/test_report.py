"""The table of docs/reliability.md is what the kept figures say, and each test that it names is there."""
import json

import report


def test_the_table_is_made_of_the_figures():
    assert report.PAGE.read_text() == report.page(json.loads(report.FIGURES.read_text()))


def test_what_the_table_names_is_there():
    for _, _, where, _, _ in report.ROWS:
        path, *targets = where.split()
        assert (report.ROOT / path).exists(), path
        assert all((report.ROOT / path / "targets" / f"{target}.rs").exists() for target in targets), where
