"""`verify` checks every byte of a file and each key. `info` says what a file holds and what it costs. Both report damage."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

import craft
import hashlith
import oracle
from agreement import oracle_verdict

SECTIONS = ["values", "pool", "hot", "far", "tables", "metadata", "extension", "sums"]


def test_verify_returns_what_it_checked(path):
    report = hashlith.verify(path)
    assert report == hashlith.VerifyReport(keys=300, cells=8, nbytes=path.stat().st_size)
    assert type(report) is hashlith.VerifyReport


def test_verify_with_any_number_of_threads(make):
    path = make({str(n): "value" for n in range(20_000)})
    for threads in None, 1, 2, 3, 64:
        report = hashlith.verify(path, threads=threads)
        assert (report.keys, report.nbytes) == (20_000, path.stat().st_size) and report.cells > 1


@pytest.mark.parametrize("threads", [0, -1, 65_536, 2**64, "2", 1.5])
def test_bad_numbers_of_threads(threads, path):
    with pytest.raises(ValueError, match=f"^threads must be a number from 1 to 65,535, not {threads!r}$"):
        hashlith.verify(path, threads=threads)


def test_the_most_threads(path, monkeypatch):
    monkeypatch.setattr(hashlith._check._native, "verify", lambda path, threads, progress: (threads, 2, 3))
    assert hashlith.verify(path, threads=65_535) == (65_535, 2, 3)


def test_options_of_verify_are_keywords(path):
    with pytest.raises(TypeError):
        hashlith.verify(path, 1)
    with pytest.raises(TypeError, match="unexpected keyword"):
        hashlith.verify(path, thread=1)
    for progress in 3, "x", []:
        with pytest.raises(TypeError, match="progress"):
            hashlith.verify(path, progress=progress)


def test_verify_reports_its_progress(large):
    calls = []
    with pytest.raises(hashlith.CorruptError, match="V8"):
        hashlith.verify(large, threads=1, progress=calls.append)
    assert calls and {type(call) for call in calls} == {hashlith.Progress}
    assert {(call.phase, call.unit, call.records) for call in calls} == {("checking", "bytes", None)}
    done = [call.done for call in calls]
    assert done == sorted(done) and done[-1] > 0
    assert len({call.total for call in calls}) == 1 and done[-1] <= calls[0].total


def test_a_callback_that_raises_ends_verify(large):
    raised = LookupError("of the callback")

    def callback(progress):
        raise raised

    with pytest.raises(LookupError) as caught:
        hashlith.verify(large, threads=1, progress=callback)
    assert caught.value is raised


def test_silence(path, capfd):
    for progress in None, False, True, lambda progress: None:
        hashlith.verify(path, progress=progress)
    hashlith.info(path)
    assert capfd.readouterr() == ("", "")


def test_other_threads_run_meanwhile(large):
    """The GIL is released: a thread counts while verify works."""
    script = f"""
        import threading
        import hashlith

        counts, ended = [0], threading.Event()

        def count():
            while not ended.is_set():
                counts[0] += 1

        thread = threading.Thread(target=count)
        thread.start()
        before = counts[0]
        try:
            hashlith.verify({str(large)!r}, threads=1)
        except hashlith.CorruptError:
            print(counts[0] - before)
        ended.set()
        thread.join()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10_000


def test_info_has_counts_and_sizes(make, records):
    path = make(records, metadata={"made": ["by", "a test"]}, fingerprint_bits=9, seed=7)
    found = hashlith.info(path)
    header = oracle.Index(path).header
    assert found["file"] == str(path) and found["file_bytes"] == path.stat().st_size and found["format_version"] == 1
    assert (found["keys"], found["key_type"], found["value_type"]) == (300, "text", "text")
    assert (found["cells"], found["fingerprint_bits"], found["seed"]) == (header.cells, 9, 7)
    assert found["bytes_per_key"] == pytest.approx(path.stat().st_size / 300, abs=0.01)
    assert found["metadata"] == {"made": ["by", "a test"]}
    assert [section["name"] for section in found["sections"]] == SECTIONS
    for section, (offset, length) in zip(found["sections"], header.sections):
        assert (section["offset"], section["bytes"]) == (offset, length)
        assert 0 <= section["resident_bytes"] <= length
    assert found["page_tables"]["with_4_kib_pages_bytes"] >= found["page_tables"]["with_2_mib_pages_bytes"] > 0


def test_info_has_lengths(make, records):
    lengths = hashlith.info(make(records))["lengths"]
    assert lengths["complete"] and lengths["sampled_records"] == 300
    for what, texts in ("keys", list(records)), ("values", list(records.values())):
        assert lengths[what]["longest"] == max(map(len, texts))
        assert lengths[what]["mean"] == pytest.approx(sum(map(len, texts)) / 300, abs=0.01)
        assert sum(bucket["count"] for bucket in lengths[what]["buckets"]) == 300
        for bucket in lengths[what]["buckets"]:
            assert bucket["count"] == sum(bucket["from"] <= len(text) <= bucket["to"] for text in texts)


def test_info_is_plain_data(make):
    for records, options in ({}, {}), ({"": ""}, {}), ({b"\xff": b""}, {}), ({"k": [1]}, {"values": "json"}):
        found = hashlith.info(make(records, **options))
        assert type(found) is dict and json.loads(json.dumps(found)) == found and found["keys"] == len(records)
        assert found["metadata"] is None


def test_paths_are_as_for_open(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    for named in str(path), path, path.name, os.path.join(".", path.name):
        assert hashlith.verify(named).keys == hashlith.info(named)["keys"] == 300


def test_damage_is_found_in_each_part_of_a_file(path, write):
    """`verify` finds every flipped bit, `info` those where opening looks."""
    data = path.read_bytes()
    header = oracle.Index(data).header
    places = {name: offset for name, (offset, length) in zip(SECTIONS, header.sections) if length}
    places.update({"header": 100, "padding": header.sections[1][0] + header.sections[1][1], "last byte": len(data) - 1})
    for name, at in places.items():
        damaged = write(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        for threads in 1, 2:
            with pytest.raises(hashlith.CorruptError) as caught:
                hashlith.verify(damaged, threads=threads)
            error = caught.value
            assert (error.path, error.rule, error.offset) == (str(damaged), *oracle_verdict(damaged.read_bytes())), name
        if name in ("header", "hot"):
            with pytest.raises(hashlith.CorruptError) as caught:
                hashlith.info(damaged)
            # The first cell loses its ids, and the sample of lengths looks records up by id.
            assert (caught.value.path, caught.value.rule) == (str(damaged), "R15" if name == "hot" else error.rule)
        else:
            assert hashlith.info(damaged)["keys"] == 300


def test_damage_that_no_checksum_shows(write):
    """The sums are right, but a value is not what the header promises: `verify` checks each of them."""
    for value_type, value in (oracle.TEXT, b"\xff"), (oracle.JSON, b"nul"), (oracle.JSON, b"NaN"), (oracle.JSON, b"01"):
        path = write(craft.make([(b"k", value)], key_type=oracle.TEXT, value_type=value_type).seal())
        with pytest.raises(hashlith.CorruptError) as caught:
            hashlith.verify(path)
        assert (caught.value.rule, caught.value.offset) == ("V8", 4096)


def test_info_of_damaged_records(write):
    """The lengths of the records cannot be read."""
    data = bytearray(craft.make([(b"k", b"v")], key_type=oracle.TEXT, value_type=oracle.TEXT).seal())
    data[4097] = 0x7F
    path = write(bytes(data))
    with pytest.raises(hashlith.CorruptError) as caught:
        hashlith.info(path)
    assert (caught.value.path, caught.value.rule, caught.value.offset) == (str(path), "R16", 4096)


def test_looking_does_not_change_a_file(path):
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    hashlith.verify(path)
    hashlith.info(path)
    with hashlith.open(path) as index:
        dict(index)
    assert path.read_bytes() == before and path.stat().st_mtime_ns == stamp
    assert os.listdir(path.parent) == [path.name]
