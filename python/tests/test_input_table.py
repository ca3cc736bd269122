"""The table of inputs in `tests/inputs`, through the package: the records of each file with its options, as Python reads them from the
index, or the error. `cli/tests/cli/input_table.rs` puts the same table through the crate and the command.
"""

import collections
import json
import re

import numpy
import pytest

import hashlith
from conftest import PROJECT

FLAGS = {"escape": {"escape": True}, "header": {"header": True}, "no-header": {"header": False}}
COLUMNS = "key_column", "value_column"
NUMBERS = "skip_rows", "max_errors"


def cases():
    for table in sorted((PROJECT / "tests" / "inputs").glob("*.jsonl")):
        for line in table.read_bytes().splitlines():
            case = json.loads(line)
            yield pytest.param(case, id=f"{table.stem}: {case['name']}".encode("ascii", "replace").decode())


def raw(text):
    return text.encode() if isinstance(text, str) else bytes.fromhex(text["hex"])


def keywords(words):
    """The words of a command line, as keywords."""
    found = collections.defaultdict(list)
    words = iter(words)
    for word in words:
        name, sign, value = word.removeprefix("--").partition("=")
        if name in FLAGS:
            found.update(FLAGS[name])
        else:
            value = value if sign else next(words)
            found[name.replace("-", "_")].append(value)
    for name, values in found.items():
        if name in COLUMNS:
            found[name] = [int(value) if value.isdecimal() and not value.startswith("0") else value for value in values]
        elif isinstance(values, list):
            found[name] = int(values[-1]) if name in NUMBERS else values[-1]
    return dict(found)


def build(case, folder, options):
    report = hashlith.build_from_files(folder / "x.hlith", sorted(case["files"]), threads=2, memory="64M", **options)
    with hashlith.open(folder / "x.hlith") as index:
        return report, index.key_type, index.value_type, dict(index)


def as_python(data, type_):
    """What an index of this type gives for a key or a value with this text."""
    if type_ == "bytes":
        return data
    text = data.decode()
    if type_ == "str":
        return text
    if type_ == "none":
        return True
    return json.loads(text) if type_ == "json" else numpy.array(json.loads(text), type_.partition("[")[0]).tolist()


def plain(value):
    return value.tolist() if isinstance(value, (numpy.ndarray, numpy.generic)) else value


def check(case, found):
    _, key_type, value_type, records = found
    wanted = {as_python(raw(key), "int64" if key_type == "int" else key_type): as_python(raw(value), value_type)
              for key, value in case["records"]}
    assert {key: plain(value) for key, value in records.items()} == wanted


@pytest.mark.parametrize("case", list(cases()))
def test_case(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in case["files"].items():
        (tmp_path / name).write_bytes(raw(data))
    options = keywords(case.get("options", []))
    if "code" not in case:
        found = build(case, tmp_path, options)
        check(case, found)
        report = found[0]
        numbers = case.get("skipped", 0), case.get("dropped", 0), tuple(case.get("notes", ()))
        assert (report.skipped, report.duplicates, report.notes) == numbers
        return
    with pytest.raises(ValueError) as failed:
        build(case, tmp_path, options)
    message = str(failed.value)
    if "unused" in case:
        assert message.startswith(f"the option {case['unused']} has no effect")
    elif "advice" in case:
        assert message.startswith(case["error"] + "; ")
    else:
        assert message == case["error"]
    assert not (tmp_path / "x.hlith").exists()
    # The message names what helps by its keyword.
    assert not re.search(r"--[a-z]", message.removeprefix(case.get("error", "")))
    if "then" in case:
        help_ = keywords(case["then"])
        assert all(name in message or str(value) in message for name, value in help_.items())
        check(case, build(case, tmp_path, {**options, **help_}))
