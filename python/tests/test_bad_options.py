"""A bad option is reported by its name, and files that cannot be read as records by path and place, in terms of the
package's keywords.
"""

import inspect
import os
import pickle

import pytest

import hashlith
from building import OLD

BAD_OPTIONS = [
    ("memory", ["1M", "x", "", "-1G", 0, -1, 2**64, 1.5, [], True]),
    ("threads", [0, -1, 2**64, "2", 1.5, []]),
    ("temp_dir", [3, []]),
    ("on_duplicate", ["x", "", "FIRST", 3, True]),
    ("keys", ["x", "", "JSON", "str", 3, str]),
    ("values", ["x", "", "str", 3, bytes]),
    ("compress", ["x", "", "yes", 3, True]),
    ("fingerprint_bits", [0, 17, -1, 2**64, "8", 1.5]),
    ("check_bits", [7, 65, -1, 2**64, "8", 1.5]),
    ("hash", ["x", "", "XXH3", 3, True]),
    ("seed", ["x", "", "0", -1, 2**64, 1.5, []]),
    ("metadata", ["{}", [], 1, {"a": object()}, {"a": float("nan")}, {("a",): 1}, {"a": b"x"}, {"a": "x" * (1 << 20)}]),
    ("parts", [0, 65_537, -1, 2**64, "2", 1.5, []]),
    ("part", [3, "x", (1,), (3, 3), (0, 0), (0, 65_537), (-1, 2), ("0", 2), [0, 2, 3]]),
    ("progress", [3, "x", []]),
]
BAD_FILE_OPTIONS = [
    *BAD_OPTIONS,
    ("format", ["x", "", "TSV", 3]),
    ("on_error", ["x", "", 3, True]),
    ("max_errors", [-1, "1", 1.5, 2**64]),
    ("escape", ["x", 1]),
    ("header", ["x", 1]),
    ("key_column", [0, -1, True, 1.5, [], [1.5]]),
    ("value_column", [0, -1, True, 1.5, [], [0]]),
    ("key_field", [3, []]),
    ("value_field", [3, []]),
    ("encoding", ["x", "", 3]),
    ("delimiter", ["", "\n", "\\", 3]),
    ("quotes", ["x", "", 3]),
    ("join", [3, []]),
    ("comment", [3, []]),
    ("query", [1, b"select 1"]),
    ("pick", [1.5, []]),
    ("skip_rows", [-1, "1", 1.5, 2**64]),
]


def each(options):
    """A numbered case for each value of each keyword."""
    cases = [(name, value, number) for name, values in options for number, value in enumerate(values)]
    return pytest.mark.parametrize(
        "name, value", [pytest.param(name, value, id=f"{name}-{number}") for name, value, number in cases]
    )


@each(BAD_OPTIONS)
def test_a_bad_value_names_its_keyword(name, value, untouched):
    for build in lambda **options: hashlith.build(untouched, OLD, **options), lambda **options: hashlith.Builder(
        untouched, **options
    ):
        with pytest.raises((TypeError, ValueError), match=name):
            build(**{name: value})


@each(BAD_FILE_OPTIONS)
def test_a_bad_value_for_files_names_its_keyword(name, value, untouched, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n")
    with pytest.raises((TypeError, ValueError), match=name):
        hashlith.build_from_files(untouched, tmp_path / "x.csv", **{name: value})


def keywords(function):
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def test_all_keywords_have_bad_values_here():
    # What names the columns of a table is in test_tables.py.
    assert {name for name, _ in BAD_OPTIONS} == keywords(hashlith.build) - {"key", "value"} == keywords(hashlith.Builder)
    assert {name for name, _ in BAD_FILE_OPTIONS} == keywords(hashlith.build_from_files)


def test_none_is_the_default_of_a_keyword(tmp_path):
    hashlith.build(tmp_path / "x.hlith", OLD, **dict.fromkeys(keywords(hashlith.build)))
    with hashlith.open(tmp_path / "x.hlith") as index:
        assert index == OLD
    (tmp_path / "x.csv").write_text("k,v\nold,record\n")
    options = dict.fromkeys(keywords(hashlith.build_from_files))
    hashlith.build_from_files(tmp_path / "y.hlith", tmp_path / "x.csv", **options)
    assert (tmp_path / "y.hlith").read_bytes() == (tmp_path / "x.hlith").read_bytes()


def test_too_little_memory_says_how_much_is_needed(untouched):
    message = "the memory limit is too small: with 4 threads 80 MiB is the smallest that works; give more memory, or fewer threads"
    with pytest.raises(ValueError, match=message) as caught:
        hashlith.build(untouched, OLD, memory="79M", threads=4)
    assert not isinstance(caught.value, hashlith.Error)


def test_contradicting_keywords(untouched, tmp_path):
    (tmp_path / "x.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match="max_errors.*on_error"):
        hashlith.build_from_files(untouched, tmp_path / "x.tsv", on_error="stop", max_errors=3)


class Malicious:
    """Its pickle asks for os.system."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_runs_nothing(protocol, untouched, tmp_path):
    source, trace = tmp_path / "bad.pkl", tmp_path / "trace"
    for bad in {"k": Malicious(f"touch {trace}")}, Malicious(f"touch {trace}"), [("k", Malicious(f"touch {trace}"))]:
        source.write_bytes(pickle.dumps(bad, protocol))
        with pytest.raises(hashlith.InputError, match="posix.system.*runs nothing") as caught:
            hashlith.build_from_files(untouched, source)
        error = caught.value
        assert error.path == str(source) and 0 <= error.offset < source.stat().st_size and error.line is None
        assert not trace.exists()
    pickle.loads(source.read_bytes())
    assert trace.exists()


def test_bad_rows_of_files_are_reported_with_their_place(untouched, tmp_path):
    pickled = pickle.dumps({"good": "value", "bad": 1}, 4)
    for name, data, line, offset in (
        ("x.tsv", b"a\tb\nc\n", 2, 4),
        ("x.tsv", b"a\tb\n\xff\tc\n", 2, 4),
        ("x.csv", b"a,b\nc\n", 2, 4),
        ("x.jsonl", b'{"key":"a","value":"b"}\n{"key":"c"}\n', 2, 24),
        ("x.jsonl", b'{"key":"a","value":1}\n', 1, 0),
        ("x.cdbmake", b"+1,1:a->b\n+1,1:a-x\n\n", None, 17),
        ("x.pkl", pickled, None, pickled.index(b"\x8c\x03bad")),
        ("x.pkl", pickled[:-3], None, len(pickled) - 3),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(hashlith.InputError) as caught:
            hashlith.build_from_files(untouched, tmp_path / name)
        error = caught.value
        assert (error.path, error.line, error.offset) == (str(tmp_path / name), line, offset), error
        assert error.row is None
        assert name in str(error)


def test_messages_name_keywords_and_no_flags(untouched, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"key":"a"}\n')
    (tmp_path / "x.tsv").write_bytes(b"a\tb\n\xff\tc\n")
    (tmp_path / "x.unknown").write_text("a\tb\n")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": 1}))
    for name in "x.jsonl", "x.tsv", "x.unknown", "x.pkl":
        with pytest.raises(hashlith.InputError) as caught:
            hashlith.build_from_files(untouched, tmp_path / name)
        assert "--" not in str(caught.value)
    for name in "x.jsonl", "x.tsv", "x.pkl":
        report = hashlith.build_from_files(tmp_path / "skipped.hlith", tmp_path / name, on_error="skip")
        assert report.skipped == 1 == len(report.first_skipped)
        assert "--" not in report.first_skipped[0] and name in report.first_skipped[0]


def test_rows_that_are_skipped(tmp_path):
    (tmp_path / "x.tsv").write_text("".join(f"{n}\t{n}\n" if n % 5 else "bad\n" for n in range(100)))
    report = hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.tsv", on_error="skip")
    assert (report.records, report.keys, report.skipped, len(report.first_skipped)) == (80, 80, 20, 10)
    assert "line 1:" in report.first_skipped[0] and "no TAB" in report.first_skipped[0]
    assert hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.tsv", max_errors=20).skipped == 20
    before = (tmp_path / "x.hlith").read_bytes()
    with pytest.raises(hashlith.InputError, match="more than 19 bad rows"):
        hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.tsv", max_errors=19)
    assert (tmp_path / "x.hlith").read_bytes() == before


def test_inputs_that_cannot_be_read(untouched, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.unknown").write_text("a\tb\n")
    (tmp_path / "x.tsv.gz").write_bytes(b"no gzip")
    with pytest.raises(FileNotFoundError) as caught:
        hashlith.build_from_files(untouched, [tmp_path / "missing.tsv"])
    assert caught.value.filename == str(tmp_path / "missing.tsv")
    for name in "empty", "x.unknown":
        with pytest.raises(hashlith.InputError) as caught:
            hashlith.build_from_files(untouched, tmp_path / name)
        assert caught.value.path == str(tmp_path / name)
    with pytest.raises((hashlith.InputError, OSError), match="x.tsv.gz"):
        hashlith.build_from_files(untouched, tmp_path / "x.tsv.gz")
    with pytest.raises(ValueError):
        hashlith.build_from_files(untouched, [])
    with pytest.raises(ValueError, match="iterable of pairs"):
        hashlith.build_from_files(untouched, "-")
    for wrong in 3, None, [3], [None]:
        with pytest.raises(TypeError):
            hashlith.build_from_files(untouched, wrong)


def test_an_index_is_not_built_over_its_input(untouched):
    with pytest.raises(hashlith.Error, match="same file as the input"):
        hashlith.build_from_files(untouched, untouched, format="tsv")
