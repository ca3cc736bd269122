"""golden/bad: files and sets that break one obligation of spec.md each, as the oracle and the command see them."""
import re
import shutil

import pytest

import make_golden_bad
import oracle
import oracle_check
from agreement import oracle_set_verdict, oracle_verdict, run, rust_set_verdict, rust_verdict
from faults_set import loaded
from make_golden_bad import BAD, FOUR

SETS = sorted(path.name for path in (BAD / "sets").iterdir())
NAMES = sorted(path.stem for path in BAD.glob("*.hlith"))
KEYS = (BAD / "keys.txt").read_bytes().split()


def test_the_files_are_those_that_the_script_makes():
    made = dict(make_golden_bad.chosen())
    assert sorted(made) == NAMES
    assert [name for name in NAMES if (BAD / f"{name}.hlith").read_bytes() != made[name]] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_reported(name, tmp_path):
    rule, offset, _ = name.split("-", 2)
    number, path = int(rule[1:]), BAD / f"{name}.hlith"
    expected = {"R17": ("V8", 4096), "R20": ("V11", 40)}.get(rule, (rule, int(offset)))
    assert oracle_verdict(path.read_bytes()) == rust_verdict(path.read_bytes(), tmp_path) == expected
    integers = path.read_bytes()[73:74] == bytes([oracle.INTEGERS])
    keys = range(-128, 128) if integers else KEYS
    done = run("get", path, "-", stdin=b"".join((b"%d" % key if integers else key) + b"\n" for key in keys))
    if rule[0] == "R" and number not in (17, 18):
        assert done.returncode == 4, done
        # Some have messages of their own.
        assert number in (1, 2, 3, 5, 7, 9) or re.search(rf" {offset}\b", done.stderr.decode()), done
    else:
        assert done.returncode in (0, 3, 4), done
    with pytest.raises(oracle.Corrupt) as caught:
        index = oracle.Index(path.read_bytes())
        if rule == "R17":
            index.text(0)
        elif rule in ("R15", "R16", "R19", "R20"):
            for key in keys:
                index.lookup(key)
        else:
            oracle_check.verify(index)
    assert (caught.value.rule, caught.value.offset) == (rule, int(offset))


def test_the_sets_are_those_that_the_script_makes():
    made = dict(make_golden_bad.chosen_sets())
    assert sorted(made) == SETS
    assert {name: loaded(BAD / "sets" / name) for name in SETS} == made


@pytest.mark.parametrize("name", SETS)
def test_each_set_is_reported(name, tmp_path):
    rule, offset, _ = name.split("-", 2)
    folder = shutil.copytree(FOUR, tmp_path / "set")
    shutil.copytree(BAD / "sets" / name, folder, dirs_exist_ok=True)
    assert oracle_set_verdict(folder) == rust_set_verdict(folder) == (rule, int(offset), "manifest.json")
    done = run("get", folder, "word 1")
    assert done.returncode == 4 and rule in done.stderr.decode(), done
