"""The table of docs/reliability.md agrees with figures.json, and every test that it names exists."""
import json

import pytest
import report


def test_the_table_is_made_of_the_figures():
    assert report.PAGE.read_text() == report.page(json.loads(report.FIGURES.read_text()))


def test_figures_of_the_short_form_are_refused(tmp_path):
    figures = {"a.b": {"number": 1}}
    for wrong in {"number": 5, "form": "short"}, {"number": 5, "seconds": 30}:
        (tmp_path / "a.b.json").write_text(json.dumps(wrong))
        with pytest.raises(SystemExit, match="a.b"):
            report.take(figures, tmp_path)
        assert figures == {"a.b": {"number": 1}}
    (tmp_path / "a.b.json").write_text(json.dumps({"number": 5, "form": "long"}))
    report.take(figures, tmp_path)
    assert figures["a.b"]["number"] == 5


def test_what_the_table_names_is_there():
    for _, _, where, *_ in report.ROWS:
        path, *targets = where.split()
        assert (report.ROOT / path).exists(), path
        assert all((report.ROOT / path / "targets" / f"{target}.rs").exists() for target in targets), where


def test_each_row_says_what_it_cannot_see():
    assert all(0 < len(unseen) <= 90 for *_, unseen in report.ROWS)
