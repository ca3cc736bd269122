"""A build reports its progress. Ctrl-C ends it, and it cleans up."""

import gzip
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import hashlith
from building import OLD, PHASES, check_old, columns


def check_progress(calls, phases, units):
    assert calls and {type(call) for call in calls} == {hashlith.Progress}
    seen = [call.phase for call in calls]
    assert [phase for n, phase in enumerate(seen) if phase not in seen[:n]] == [p for p in phases if p in seen]
    for phase in set(seen):
        done = [call.done for call in calls if call.phase == phase]
        assert done == sorted(done) and min(done) >= 0
        assert {call.unit for call in calls if call.phase == phase} == {units[phase]}
        assert all(call.total is None or call.total >= call.done for call in calls if call.phase == phase)


UNITS = {"reading": "records", "building": "records", "sealing": "bytes"}


def slowly(count, seconds):
    """Records that take this long, in pieces that reach the builder one by one."""
    for n in range(count):
        yield str(n), "v" * 5000
        if n % 100 == 99:
            time.sleep(seconds * 100 / count)


def test_progress_of_records(tmp_path):
    calls = []
    hashlith.build(tmp_path / "x.hlith", slowly(1000, 0.6), progress=calls.append)
    check_progress(calls, PHASES, UNITS)
    reading = [call for call in calls if call.phase == "reading"]
    assert reading[-1].done > 0 and {call.total for call in reading} == {None}

    class Known:
        def __len__(self):
            return 1000

        def __iter__(self):
            return slowly(1000, 0.6)

    calls.clear()
    hashlith.build(tmp_path / "x.hlith", Known(), progress=calls.append)
    check_progress(calls, PHASES, UNITS)
    assert {call.total for call in calls if call.phase == "reading"} == {1000}


def test_progress_of_a_build_that_takes_a_while(tmp_path):
    calls = []

    def note(progress):
        calls.append(progress)

    with hashlith.Builder(tmp_path / "x.hlith", progress=note, threads=1) as builder:
        builder.add_many(*columns(1_500_000, 30))
    check_progress(calls, PHASES, UNITS)
    assert any(call.phase == "building" and call.total == 1_500_000 for call in calls)


def test_progress_of_files(tmp_path, bad_rows):
    calls = []
    source, rows = bad_rows(64)
    report = hashlith.build_from_files(tmp_path / "x.hlith", source, on_error="skip", progress=calls.append, threads=1)
    assert report.skipped == rows
    check_progress(calls, PHASES, {**UNITS, "reading": "bytes"})
    assert {call.total for call in calls if call.phase == "reading"} == {source.stat().st_size}
    assert {call.records for call in calls if call.phase == "reading"} == {0}


def test_records_of_files_are_counted_while_they_are_read(tmp_path):
    """They lag behind the bytes by what is on its way between threads, not by what a chunk of each partition holds."""
    row, calls = b"%08d\tvalue\n", []
    source = tmp_path / "rows.tsv"
    source.write_bytes(b"".join(row % n for n in range(1 << 20)))

    class EnoughError(Exception):
        pass

    def note(progress):
        calls.append(progress)
        if progress.done > 16 << 20:
            raise EnoughError

    with pytest.raises(EnoughError):
        hashlith.build_from_files(tmp_path / "x.hlith", [source] * 20, on_duplicate="last", progress=note, threads=1)
    check_progress(calls, ["reading"], {"reading": "bytes"})
    last = calls[-1]
    assert (last.done - (8 << 20)) / len(row % 0) < last.records <= 20 << 20


def test_a_callback_that_raises_ends_the_build(target, bad_rows):
    raised = LookupError("of the callback")
    source, _ = bad_rows(64)

    def callback(progress):
        raise raised

    def late_callback(progress):
        if progress.phase == "building":
            raise raised

    def build_late():
        with hashlith.Builder(target, progress=late_callback, threads=1) as builder:
            builder.add_many(*columns(1_500_000, 30))

    for build in (
        lambda: hashlith.build(target, slowly(1000, 0.6), progress=callback),
        lambda: hashlith.build_from_files(target, source, on_error="skip", progress=callback, threads=1),
        build_late,
    ):
        with pytest.raises(LookupError) as caught:
            build()
        assert caught.value is raised
        check_old(target)


@pytest.mark.parametrize("progress", [None, False])
def test_no_progress_is_silent(progress, tmp_path, capfd):
    hashlith.build(tmp_path / "x.hlith", slowly(500, 0.3), progress=progress)
    assert capfd.readouterr() == ("", "")


def test_a_bar_goes_to_standard_error_only(tmp_path):
    """On a terminal; elsewhere an occasional line."""
    script = f"""
        import sys, time
        import hashlith

        def slowly():
            for n in range(800):
                yield str(n), "v" * 5000
                time.sleep(0.001)

        hashlith.build({str(tmp_path / "x.hlith")!r}, slowly(), progress=True)
        print("built")
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = bytearray()
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        assert process.stdout.read() == b"built\n"
    os.close(ours)
    assert process.returncode == 0 and b"reading" in shown and b"Traceback" not in shown
    done = subprocess.run(command, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"built\n", b"")


@pytest.fixture
def bad_rows(tmp_path):
    """A function that makes a small file of bad rows, many times 16 MiB when unpacked: much to read, nothing to keep."""

    def bad_rows(members):
        path, rows = tmp_path / "rows.tsv.gz", 256
        path.write_bytes(gzip.compress((b"x" * 65_535 + b"\n") * rows) * members)
        return path, rows * members

    return bad_rows


def interrupted(script, folder):
    """Runs a script that calls `ready` when a signal may come; returns what it prints after its KeyboardInterrupt."""
    head = f"""
        import os, pathlib, signal, sys, threading, time
        import pyarrow
        import hashlith

        signal.signal(signal.SIGINT, signal.default_int_handler)
        folder = pathlib.Path({str(folder)!r})

        def ready(*_):
            print("ready", flush=True)

        def once(phase):
            \"""A callback that says `ready` in a phase, once.\"""
            said = []

            def callback(progress):
                if progress.phase == phase and not said:
                    said.append(True)
                    ready()

            return callback
    """
    code = textwrap.dedent(head) + textwrap.dedent(script)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline()
            assert line == b"ready\n", process.communicate(timeout=60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out.decode(), err.decode()


def check_interrupted(script, target):
    old = target.read_bytes()
    for _ in range(3):
        code, _, err = interrupted(script, target.parent)
        if code:
            break
        # It ended before the signal came, as it may on a busy machine.
        target.write_bytes(old)
    assert err.rstrip().endswith("KeyboardInterrupt") and code == -signal.SIGINT, err
    assert "During handling" not in err and "Error:" not in err
    check_old(target)


def test_ctrl_c_in_an_endless_iterable(target):
    check_interrupted(
        """
        def records():
            for n in range(10**12):
                if n == 50_000:
                    ready()
                yield str(n), "value"

        hashlith.build(folder / "x.hlith", records(), on_duplicate="first")
        """,
        target,
    )


def test_ctrl_c_while_records_are_added_one_by_one(target):
    check_interrupted(
        """
        with hashlith.Builder(folder / "x.hlith") as builder:
            for n in range(10**12):
                if n == 50_000:
                    ready()
                builder.add(str(n), "value")
        """,
        target,
    )


def test_ctrl_c_in_an_iterable_without_python_code(target):
    """Only the builder itself can notice the signal."""
    check_interrupted(
        """
        import itertools

        threading.Timer(0.3, ready).start()
        hashlith.build(folder / "x.hlith", itertools.repeat(("k", "v")), on_duplicate="first", memory="48M", threads=2)
        """,
        target,
    )


def test_ctrl_c_in_long_columns(target):
    """Without Ctrl-C the null at the end would be an InputError."""
    check_interrupted(
        """
        column = pyarrow.chunked_array([pyarrow.array(["k"] * 10**6)] * 20 + [pyarrow.nulls(1, pyarrow.string())])
        threading.Timer(0.3, ready).start()
        with hashlith.Builder(folder / "x.hlith", on_duplicate="first", memory="48M", threads=1) as builder:
            builder.add_many(column, column)
        """,
        target,
    )


def test_ctrl_c_while_the_index_is_built(target):
    check_interrupted(
        """
        numbers = pyarrow.array(range(3_000_000)).cast(pyarrow.string())
        with hashlith.Builder(folder / "x.hlith", threads=1, progress=once("building")) as builder:
            builder.add_many(numbers, numbers)
        """,
        target,
    )


def test_ctrl_c_in_a_build_from_files(target, bad_rows):
    """Without Ctrl-C the build would end with an InputError."""
    source, rows = bad_rows(400)
    check_interrupted(
        f"""
        threading.Timer(0.3, ready).start()
        hashlith.build_from_files(folder / "x.hlith", {str(source)!r}, max_errors={rows - 1}, threads=1)
        """,
        target,
    )


def test_ctrl_c_in_a_callback(target, bad_rows):
    """It sleeps in short pieces: a signal that comes just before a sleep does not end that sleep."""
    source, _ = bad_rows(400)
    check_interrupted(
        f"""
        def callback(progress):
            ready()
            while True:
                time.sleep(0.01)

        hashlith.build_from_files(folder / "x.hlith", {str(source)!r}, on_error="skip", progress=callback)
        """,
        target,
    )


def test_ctrl_c_in_verify(target, large):
    """Without Ctrl-C verify would find the damage at the end of the file."""
    check_interrupted(f"hashlith.verify({str(large)!r}, threads=1, progress=once('checking'))", target)


def test_a_pipe_is_not_an_input(target, tmp_path):
    """Nothing could interrupt the wait for a writer."""
    os.mkfifo(tmp_path / "pipe.tsv")
    script = f"""
        import hashlith

        hashlith.build_from_files({str(target)!r}, {str(tmp_path / "pipe.tsv")!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "InputError" in done.stderr and "is a pipe" in done.stderr
    check_old(target)


def test_a_killed_build_leaves_the_old_file_and_the_next_one_cleans_up(target):
    script = f"""
        import hashlith
        builder = hashlith.Builder({str(target)!r}, memory="48M", threads=1)
        builder.add_many((str(n), "x" * 1000) for n in range(60_000))
        print("ready", flush=True)
        builder.add_many((str(n), "x" * 1000) for n in range(60_000, 10**12))
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    with hashlith.open(target) as index:
        assert index == OLD
    hashlith.build(target, {"new": "record"})
    assert os.listdir(target.parent) == [target.name]
