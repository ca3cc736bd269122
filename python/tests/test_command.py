"""The package comes with the `hashlith` command: as a script next to the interpreter, and as `python -m hashlith`. Its exit
codes are the documented ones, and it builds the same files as the package.
"""

import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys

import pytest

import hashlith

SCRIPT = [str(pathlib.Path(sys.executable).parent / "hashlith")]
MODULE = [sys.executable, "-m", "hashlith"]
each_command = pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])


def run(command, *arguments, stdin=""):
    """Exit code, standard output and standard error."""
    call = [*command, *map(str, arguments)]
    done = subprocess.run(call, input=stdin, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@each_command
def test_version_and_help(command):
    assert run(command, "--version") == (0, f"hashlith {distribution_version()}\n", "")
    code, out, err = run(command, "--help")
    assert code == 0 and err == "" and all(name in out for name in ("build", "get", "info", "verify", "dump"))


def distribution_version():
    from importlib.metadata import version

    return version("hashlith")


@each_command
def test_a_command_line_that_makes_no_sense(command, path):
    for arguments in [], ["nonsense"], ["get"], ["get", path], ["info", path, "--nonsense"], ["build", path]:
        code, out, err = run(command, *arguments)
        assert code == 2 and out == "" and "hashlith" in err


@each_command
def test_get(command, path):
    assert run(command, "get", path, "key 3", "key 4") == (0, "value 9\nvalue 16\n", "")
    code, out, err = run(command, "get", path, "key 3", "absent")
    assert (code, out) == (3, "value 9\n") and "absent" in err
    assert run(command, "get", path, "-", stdin="key 3\nkey 4\n") == (0, "key 3\tvalue 9\nkey 4\tvalue 16\n", "")
    code, out, _ = run(command, "get", "--json", path, "key 3", "absent")
    assert code == 3
    assert [json.loads(line) for line in out.splitlines()] == [
        {"key": "key 3", "value": "value 9"},
        {"key": "absent", "value": None},
    ]


@each_command
def test_keys_of_the_command_line_may_be_any_text(command, make):
    key = "\u00e9\U0001f600 -x"
    assert run(command, "get", make({key: "found"}), key) == (0, "found\n", "")


@each_command
def test_dump_writes_all_records(command, path, records):
    code, out, err = run(command, "dump", path)
    assert code == 0 and err == ""
    assert dict(line.split("\t") for line in out.splitlines()) == records


@each_command
def test_verify_and_info(command, path):
    code, out, err = run(command, "verify", path)
    assert code == 0 and "300" in out + err
    code, out, _ = run(command, "verify", "--json", "--quiet", path)
    answer = json.loads(out)
    assert code == 0 and answer["ok"] and answer["keys"] == hashlith.verify(path).keys
    code, out, err = run(command, "info", "--json", path)
    assert code == 0 and json.loads(out) == hashlith.info(path)


@each_command
def test_a_damaged_file(command, write, path):
    damaged = write(path.read_bytes()[:-1])
    for arguments in ["get", damaged, "key 3"], ["info", damaged], ["verify", damaged], ["dump", damaged]:
        code, out, err = run(command, *arguments)
        assert code == 4 and out == "" and str(damaged) in err
    code, out, _ = run(command, "verify", "--json", "--quiet", damaged)
    answer = json.loads(out)
    assert code == 4 and (answer["ok"], answer["rule"], answer["offset"]) == (False, "R7", 32)


@each_command
def test_what_cannot_be_done(command, tmp_path):
    for arguments in (
        ["get", tmp_path / "missing.hlith", "key"],
        ["info", tmp_path],
        ["verify", tmp_path / "missing.hlith"],
        ["build", tmp_path / "missing.tsv", "-o", tmp_path / "x.hlith"],
    ):
        code, out, err = run(command, *arguments)
        assert code == 1 and out == "" and err.startswith("hashlith: ")
    assert os.listdir(tmp_path) == []


@each_command
def test_it_builds_the_same_files_as_the_package(command, tmp_path, records):
    (tmp_path / "inputs").mkdir()
    source, target = tmp_path / "inputs" / "records.pkl", tmp_path / "x.hlith"
    source.write_bytes(pickle.dumps(records))
    code, out, _ = run(command, "build", source.parent, "-o", target, "--metadata", '{"a": 1}')
    assert code == 0 and out == ""
    with hashlith.open(target) as index:
        assert index == records and index.metadata == {"a": 1}
    hashlith.build(tmp_path / "y.hlith", records, metadata={"a": 1})
    assert target.read_bytes() == (tmp_path / "y.hlith").read_bytes()
    rows = "".join(f"{key}\t{value}\n" for key, value in records.items())
    code, out, _ = run(command, "build", "-", "--format", "tsv", "-o", target, "--json", stdin=rows)
    assert code == 0 and json.loads(out)["keys"] == 300
    with hashlith.open(target) as index:
        assert index == records
    code, _, err = run(command, "build", "-", "--format", "tsv", "-o", target, stdin="a\tb\na\tc\n")
    assert code == 1 and "--on-duplicate" in err and dict(hashlith.open(target)) == records


@each_command
def test_a_closed_pipe_ends_it_quietly(command, make):
    path = make({f"key {n}": "x" * 1000 for n in range(20_000)})
    with subprocess.Popen([*command, "dump", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"key ")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) in (0, -signal.SIGPIPE)


@each_command
def test_a_signal_ends_a_build_and_cleans_up(command, tmp_path):
    target = tmp_path / "x.hlith"
    hashlith.build(target, {"old": "record"})
    for number, code in (signal.SIGINT, 130), (signal.SIGTERM, 143):
        call = [*command, "build", "-", "--format", "tsv", "-o", str(target), "--on-duplicate", "first"]
        with subprocess.Popen(call, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            for _ in range(64):
                process.stdin.write(b"key\tvalue\n" * 6554)
            process.stdin.flush()
            process.send_signal(number)
            assert b"stopped by" in process.stderr.read()
            assert process.wait(60) == code
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass
        assert os.listdir(tmp_path) == ["x.hlith"]
        with hashlith.open(target) as index:
            assert index == {"old": "record"}


def test_the_command_is_not_run_on_import():
    code = "import hashlith.__main__; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\n", "")
