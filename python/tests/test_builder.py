"""A build takes records in bounded memory, one by one or in batches, tells how far it is, hears Ctrl-C, and puts its
file in place in one step: a build that ends in another way than well leaves nothing behind.
"""

import collections
import gzip
import json
import os
import pathlib
import pickle
import pty
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy
import pyarrow
import pyarrow.compute
import pytest

import hashlith

PHASES = ["reading", "building", "sealing"]
OLD = {"old": "record"}


@pytest.fixture
def target(tmp_path):
    """A path in a folder of its own, for an index that is there already."""
    folder = tmp_path / "target"
    folder.mkdir()
    hashlith.build(folder / "x.hlith", OLD)
    return folder / "x.hlith"


def check_old(target):
    """Nothing has changed, and there is nothing else."""
    assert os.listdir(target.parent) == [target.name]
    with hashlith.open(target) as index:
        assert index == OLD


def columns(count, width=0):
    """Arrow columns of distinct keys and of values of about that width: quicker than Python objects."""
    numbers = pyarrow.array(numpy.arange(count))
    keys = numbers.cast(pyarrow.string())
    values = pyarrow.compute.binary_join_element_wise(keys, "x" * width, "-") if width else keys
    return keys, values


# The life of a builder ------------------------------------------------------------------------------------------------


def test_the_block_builds_when_it_ends(target):
    with hashlith.Builder(target) as builder:
        assert type(builder) is hashlith.Builder and builder.is_open
        assert builder.add("a", "1") is None and builder.add_many({"b": "2"}) is None
        with hashlith.open(target) as index:
            assert index == OLD
        assert not hasattr(builder, "report")
    assert not builder.is_open and builder.report.keys == 2
    with hashlith.open(target) as index:
        assert index == {"a": "1", "b": "2"}
    assert os.listdir(target.parent) == [target.name]


def test_an_exception_in_the_block_leaves_nothing(target):
    for error in LookupError("of the block"), KeyboardInterrupt(), SystemExit(3), GeneratorExit():
        with pytest.raises(type(error)) as caught:
            with hashlith.Builder(target) as builder:
                builder.add_many((str(n), str(n)) for n in range(10_000))
                raise error
        assert caught.value is error and not builder.is_open
        check_old(target)


def test_without_a_block(target):
    builder = hashlith.Builder(target)
    builder.add("a", "1")
    report = builder.finish()
    assert type(report) is hashlith.BuildReport and builder.report is report
    with hashlith.open(target) as index:
        assert index == {"a": "1"}


def test_a_builder_that_is_given_up_or_forgotten_leaves_nothing(target):
    builder = hashlith.Builder(target)
    builder.add("a", "1")
    assert builder.abort() is None and builder.abort() is None and not builder.is_open
    check_old(target)
    builder = hashlith.Builder(target)
    builder.add_many((str(n), str(n)) for n in range(10_000))
    del builder
    check_old(target)
    hashlith.Builder(target)
    check_old(target)


def test_the_block_does_not_finish_what_was_finished_or_given_up(target):
    with hashlith.Builder(target) as builder:
        builder.add("a", "1")
        report = builder.finish()
    assert builder.report is report
    with hashlith.open(target) as index:
        assert index == {"a": "1"}
    before = target.read_bytes()
    with hashlith.Builder(target) as builder:
        builder.add("b", "2")
        builder.abort()
    assert not hasattr(builder, "report") and not builder.is_open
    assert target.read_bytes() == before and os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("end", ["finish", "abort", "fail"])
def test_nothing_is_added_after_the_end(end, target):
    builder = hashlith.Builder(target)
    builder.add("a", "1")
    if end == "fail":
        builder.add("a", "2")
        with pytest.raises(hashlith.DuplicateKeyError):
            builder.finish()
    else:
        getattr(builder, end)()
    assert not builder.is_open
    for use in (
        lambda: builder.add("b", "2"),
        lambda: builder.add_many([("b", "2")]),
        lambda: builder.add_many([]),
        lambda: builder.add_many(["b"], ["2"]),
        lambda: builder.add_many(pyarrow.array(["b"]), pyarrow.array(["2"])),
        lambda: builder.finish(),
        lambda: builder.finish(),
    ):
        with pytest.raises(ValueError, match="build|nothing more"):
            use()
    builder.abort()
    with hashlith.open(target) as index:
        assert index == ({"a": "1"} if end == "finish" else OLD)


def test_old_handles_keep_the_old_file(target):
    with hashlith.open(target) as old:
        hashlith.build(target, {"new": "record"})
        assert old == OLD
        with hashlith.open(target) as new:
            assert new == {"new": "record"} and new.digest != old.digest


def test_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]
    report = hashlith.build("x.hlith", records, on_duplicate="last")
    assert report == hashlith.BuildReport(
        path=str(tmp_path / "x.hlith"),
        records=4,
        keys=3,
        duplicates=1,
        skipped=0,
        first_skipped=(),
        nbytes=os.stat("x.hlith").st_size,
        spilled_bytes=0,
        seconds=report.seconds,
    )
    assert type(report.seconds) is float and report.seconds >= 0
    (tmp_path / "x.tsv").write_text("a\t1\nbad\nb\t2\n")
    report = hashlith.build_from_files("y.hlith", "x.tsv", on_error="skip")
    assert (report.records, report.keys, report.duplicates, report.skipped) == (2, 2, 0, 1)
    assert (report.path, report.nbytes) == (str(tmp_path / "y.hlith"), os.stat("y.hlith").st_size)
    assert report.first_skipped[0].startswith("x.tsv, line 2: ") and len(report.first_skipped) == 1


def test_the_path_is_that_of_the_beginning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    builder = hashlith.Builder("x.hlith")
    monkeypatch.chdir("/")
    assert builder.finish().path == str(tmp_path / "x.hlith")
    assert (tmp_path / "x.hlith").is_file()


# Records --------------------------------------------------------------------------------------------------------------


def test_the_first_record_tells_the_types(make):
    for records, types in (
        ({"k": "v"}, ("str", "str")),
        ({b"k": b"v"}, ("bytes", "bytes")),
        ({"k": b"v"}, ("str", "bytes")),
        ({b"k": "v"}, ("bytes", "str")),
        ({}, ("str", "str")),
    ):
        with hashlith.open(make(records)) as index:
            assert (index.key_type, index.value_type) == types and index == records


def test_odd_keys_and_values(make):
    records = {"": "", "\0": "\0\0", "\n\t\r\\": "\u2028", "\U0010ffff": "\ud7ff\ue000", "k" * 300_000: "v" * 3_000_000}
    with hashlith.open(make(records)) as index:
        assert index == records and dict(index) == records
    raw = {b"": b"\xff", bytes(range(256)): b"", b"\xed\xa0\x80": b"\0" * 1000, b"k" * 70_000: b"v" * 2**21}
    with hashlith.open(make(raw)) as index:
        assert index == raw and dict(index) == raw


def test_json_values_come_back_as_json_has_them(make):
    records = {
        "nothing": None,
        "numbers": [0, -1, 2**70, 1.5, -0.0, 1e300, 5e-324, True, False],
        "text": "\u00e9\U0001f600\u2028\0\"\\/\n",
        "nested": {"a": [{"b": [[], {}, ""]}]},
        "tuple": (1, (2, 3)),
        "keys": {1: "int", None: "none", True: "bool", 1.5: "float"},
        "deep": json.loads("[" * 300 + "]" * 300),
        "": 7,
    }
    expected = json.loads(json.dumps(records))
    with hashlith.open(make(records, values="json")) as index:
        assert {key: repr(value) for key, value in index.items()} == {key: repr(expected[key]) for key in expected}
        assert index == expected and index != records
    path = make(records, values="json")
    assert hashlith.verify(path).keys == len(records)


def test_json_text_is_compact(make):
    with hashlith.open(make({"k": {"a": [1, "\u00e9"]}}, values="json"), decode_json=False) as index:
        assert index["k"] == '{"a":[1,"\u00e9"]}'


def test_keys_of_json_are_str_or_bytes(make):
    with hashlith.open(make({b"k": [1]}, values="json")) as index:
        assert index == {b"k": [1]}


def test_subclasses_of_str_and_bytes_are_taken(make):
    class Text(str):
        pass

    class Raw(bytes):
        pass

    class Pair(collections.namedtuple("Pair", "key value")):
        pass

    with hashlith.open(make([Pair(Text("k"), Raw(b"v"))])) as index:
        assert index == {"k": b"v"} and type(index["k"]) is bytes and type(next(iter(index))) is str


def test_seeds(make):
    records = {str(n): str(n) for n in range(2000)}
    paths = [make(records, seed=seed) for seed in (0, 0, 1, 2**64 - 1, "random", "random")]
    seeds = [hashlith.info(path)["seed"] for path in paths]
    assert seeds[:4] == [0, 0, 1, 2**64 - 1] and len(set(seeds)) == 5
    files = [path.read_bytes() for path in paths]
    assert files[0] == files[1] and len(set(files)) == 5
    for path in paths:
        with hashlith.open(path) as index:
            assert index == records
        assert hashlith.verify(path).keys == 2000


@pytest.mark.parametrize("bits", range(1, 17))
def test_fingerprint_bits(bits, make):
    records = {str(n): str(n) for n in range(500)}
    path = make(records, fingerprint_bits=bits)
    assert hashlith.info(path)["fingerprint_bits"] == bits
    with hashlith.open(path) as index:
        assert index == records and index.get_many([f"absent {n}" for n in range(1000)]) == [None] * 1000


def test_metadata_that_are_no_json_are_refused(tmp_path):
    """A file with them would be damaged (V9)."""
    for bad in float("nan"), [float("inf")]:
        with pytest.raises(ValueError):
            hashlith.build(tmp_path / "x.hlith", OLD, metadata={"bad": bad})
    assert os.listdir(tmp_path) == []


def test_whatever_was_built_is_sound(make):
    """`verify` has nothing against any file that a build has made."""
    for metadata in None, {}, {"a": [1, None]}, {"\ud800": "\udfff\u2028"}, {1: {2: 3}}, {"a": 10**400}, {"a": 1e308}:
        assert hashlith.verify(make(OLD, metadata=metadata)).keys == 1


def test_threads_that_add_at_once_lose_nothing(make, tmp_path):
    path, begun, wrong = tmp_path / "x.hlith", threading.Barrier(8), []

    def work(builder, number):
        own = [(f"{number} {n}", f"value {n}") for n in range(6000)]
        begun.wait()
        try:
            if number % 4 == 0:
                for key, value in own:
                    builder.add(key, value)
            elif number % 4 == 1:
                for at in range(0, 6000, 100):
                    builder.add_many(own[at : at + 100])
            elif number % 4 == 2:
                builder.add_many(iter(own))
            else:
                builder.add_many(pyarrow.array([key for key, _ in own]), pyarrow.array([value for _, value in own]))
        except BaseException as error:
            wrong.append(error)

    with hashlith.Builder(path) as builder:
        threads = [threading.Thread(target=work, args=(builder, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == [] and (builder.report.records, builder.report.keys) == (48_000, 48_000)
    expected = {f"{number} {n}": f"value {n}" for number in range(8) for n in range(6000)}
    with hashlith.open(path) as index:
        assert index == expected
    assert path.read_bytes() == make(expected).read_bytes()


def test_a_builder_that_is_used_by_its_own_records(tmp_path):
    """An iterable may add to the builder that it feeds."""

    def records():
        for n in range(9000):
            builder.add(f"inner {n}", "i")
            yield f"outer {n}", "o"

    with hashlith.Builder(tmp_path / "x.hlith") as builder:
        builder.add_many(records())
    assert builder.report.keys == 18_000


def test_an_iterable_that_ends_the_builder(target):
    def records():
        for n in range(10_000):
            if n == 100:
                builder.abort()
            yield str(n), ""

    builder = hashlith.Builder(target)
    with pytest.raises(ValueError, match="given up"):
        builder.add_many(records())
    check_old(target)


# Memory ---------------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_the_memory_goes_through_files(target, tmp_path):
    count = 500_000
    keys, values = columns(count, 100)
    temp = tmp_path / "temp"
    temp.mkdir()
    with hashlith.Builder(target, memory="48M", threads=2, temp_dir=temp) as builder:
        builder.add_many(keys[: count // 2], values[: count // 2])
        builder.add_many(keys[count // 2 :], values[count // 2 :])
    report = builder.report
    assert report.keys == count and report.spilled_bytes > 20 << 20
    assert os.listdir(temp) == [] and os.listdir(target.parent) == [target.name]
    with hashlith.open(target) as index:
        assert index.get_many_arrow(keys).to_pyarrow().equals(values.cast(pyarrow.large_string()))
    spilled = target.read_bytes()
    with hashlith.Builder(target, memory=1 << 30) as builder:
        builder.add_many(keys, values)
    assert builder.report.spilled_bytes == 0 and target.read_bytes() == spilled


@pytest.mark.parametrize("memory", ["48M", "50331648", 48 << 20, "0.1GiB", "1g", "64 MiB"])
def test_memory_is_a_number_or_a_size(memory, tmp_path):
    assert hashlith.build(tmp_path / "x.hlith", OLD, memory=memory, threads=2).keys == 1


# Progress -------------------------------------------------------------------------------------------------------------


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
    """Records that take so long, in pieces that are handed over one by one."""
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
    """On a terminal; elsewhere it is a line now and then."""
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


# Ctrl-C ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bad_rows(tmp_path):
    """A function that makes a small file of so many times 16 MiB, without a good row: much to read, nothing to keep."""

    def bad_rows(members):
        path, rows = tmp_path / "rows.tsv.gz", 256
        path.write_bytes(gzip.compress((b"x" * 65_535 + b"\n") * rows) * members)
        return path, rows * members

    return bad_rows


def interrupted(script, folder):
    """Runs a script that calls `ready` when a signal may come; gives what it printed after its KeyboardInterrupt."""
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
    code, _, err = interrupted(script, target.parent)
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
    """Only the builder itself can hear the signal."""
    check_interrupted(
        """
        import itertools

        threading.Timer(0.3, ready).start()
        hashlith.build(folder / "x.hlith", itertools.repeat(("k", "v")), on_duplicate="first", memory="48M", threads=2)
        """,
        target,
    )


def test_ctrl_c_in_long_columns(target):
    """Without it the null at the end would be an InputError."""
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
    """Without it the build would end with an InputError."""
    source, rows = bad_rows(400)
    check_interrupted(
        f"""
        threading.Timer(0.3, ready).start()
        hashlith.build_from_files(folder / "x.hlith", {str(source)!r}, max_errors={rows - 1}, threads=1)
        """,
        target,
    )


def test_ctrl_c_in_a_callback(target, bad_rows):
    source, _ = bad_rows(400)
    check_interrupted(
        f"""
        def callback(progress):
            ready()
            time.sleep(60)

        hashlith.build_from_files(folder / "x.hlith", {str(source)!r}, on_error="skip", progress=callback)
        """,
        target,
    )


def test_ctrl_c_in_verify(target, large):
    """Without it verify would find the damage at the end of the file."""
    check_interrupted(f"hashlith.verify({str(large)!r}, threads=1, progress=once('checking'))", target)


def test_a_pipe_is_no_input(target, tmp_path):
    """Nothing could end the wait for somebody who writes to it."""
    os.mkfifo(tmp_path / "pipe.tsv")
    script = f"""
        import hashlith

        hashlith.build_from_files({str(target)!r}, {str(tmp_path / "pipe.tsv")!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "InputError" in done.stderr and "is a pipe" in done.stderr
    check_old(target)


def test_a_killed_build_leaves_the_old_file_and_the_next_one_clears_up(target):
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


# Files ----------------------------------------------------------------------------------------------------------------


def test_all_formats_of_files(tmp_path):
    expected = {f"key {n}": f"value {n}" for n in range(100)}
    rows = list(expected.items())
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    files = {
        "x.pkl": pickle.dumps(expected),
        "x.tsv": "".join(f"{key}\t{value}\n" for key, value in rows).encode(),
        "x.csv": "".join(f"{key},{value}\n" for key, value in rows).encode(),
        "x.jsonl": "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in rows).encode(),
        "x.cdbmake": "".join(f"+{len(key)},{len(value)}:{key}->{value}\n" for key, value in rows).encode() + b"\n",
    }
    reference = tmp_path / "reference.hlith"
    hashlith.build(reference, expected)
    for name, data in files.items():
        for suffix, packed in ("", data), (".gz", gzip.compress(data)):
            source = inputs / (name + suffix)
            source.write_bytes(packed)
            for given in source, str(source), [source], (str(source),), iter([source]):
                report = hashlith.build_from_files(tmp_path / "x.hlith", given)
                assert report.keys == 100 and (tmp_path / "x.hlith").read_bytes() == reference.read_bytes()
            other = source.rename(inputs / "no extension")
            if not suffix:
                hashlith.build_from_files(tmp_path / "x.hlith", other, format=name[2:].replace("pkl", "pickle"))
                assert (tmp_path / "x.hlith").read_bytes() == reference.read_bytes()
            other.rename(source)
    report = hashlith.build_from_files(tmp_path / "x.hlith", inputs, on_duplicate="first")
    assert (report.records, report.keys, report.duplicates) == (1000, 100, 900)
    assert (tmp_path / "x.hlith").read_bytes() == reference.read_bytes()


def test_options_of_formats(tmp_path):
    path = tmp_path / "x.hlith"

    def built(name, data, **options):
        (tmp_path / name).write_text(data)
        hashlith.build_from_files(path, tmp_path / name, **options)
        with hashlith.open(path) as index:
            return dict(index)

    people, numbers = "id,name,age\n1,a,2\n3,b,4\n", '{"id":"a","n":{"x":1}}\n'
    assert built("x.csv", people, header=True, key_column="name", value_column=1) == {"a": "1", "b": "3"}
    assert built("x.csv", "id,name\n1,a\n") == {"id": "name", "1": "a"}
    assert built("x.jsonl", numbers, key_field="id", value_field="n", values="json") == {"a": {"x": 1}}
    assert built("x.tsv", "a\\t\tb\\n\n", escape=True) == {"a\t": "b\n"}
    assert built("x.tsv", "a\\t\tb\\n\n", escape=False) == {"a\\t": "b\\n"}
    assert built("x.tsv", "a\tb\n", keys="bytes", values="bytes") == {b"a": b"b"}
    assert built("x.unknown", "a\tb\n", format="tsv") == {"a": "b"}


def test_a_folder_is_read_with_all_below(tmp_path):
    folder = tmp_path / "inputs" / "below"
    folder.mkdir(parents=True)
    (folder / "1.tsv").write_text("a\tb\n")
    (folder.parent / "2.pkl").write_bytes(pickle.dumps({"c": "d"}))
    (folder / "notes.md").write_text("no records")
    hashlith.build_from_files(tmp_path / "x.hlith", folder.parent)
    with hashlith.open(tmp_path / "x.hlith") as index:
        assert index == {"a": "b", "c": "d"}
    assert pathlib.Path(index.path).parent == tmp_path
