"""What `open` takes: paths, flags and options."""

import os
import pickle
import subprocess
import sys

import pyarrow
import pytest

import hashlith


def test_the_only_flag_is_reading(path):
    hashlith.open(path, "r").close()
    hashlith.open(path, flag="r").close()
    for flag in "w", "c", "n", "a", "rb", "", "R":
        with pytest.raises(ValueError, match="flag must be \"r\".*hashlith.build"):
            hashlith.open(path, flag)
    with pytest.raises(TypeError):
        hashlith.open(path, None)
    with pytest.raises(TypeError):
        hashlith.open(path, "r", True)


def test_options_are_keywords(path):
    for name in "in_memory", "huge_pages", "preload", "random", "decode_json":
        for value in False, True:
            with hashlith.open(path, **{name: value}) as index:
                assert index["key 3"] == "value 9" and index.get("absent") is None
        with pytest.raises(TypeError, match="bool"):
            hashlith.open(path, **{name: "yes"})
    with pytest.raises(TypeError, match="unexpected keyword"):
        hashlith.open(path, mode="r")


def test_locked_pages(path):
    """`lock` counts against RLIMIT_MEMLOCK: it works, or is an OSError."""
    try:
        index = hashlith.open(path, lock=True)
    except OSError as error:
        assert error.filename == str(path)
    else:
        with index:
            assert index["key 3"] == "value 9"


class Named:
    def __init__(self, name):
        self.name = name

    def __fspath__(self):
        return self.name


# As `os.fspath` takes them.
FORMS = [str, lambda path: path, os.fsencode, lambda path: Named(str(path)), lambda path: Named(os.fsencode(path))]


@pytest.mark.parametrize("form", FORMS)
def test_paths_are_str_bytes_or_path_like(tmp_path, form):
    # A name that is not UTF-8.
    folder = tmp_path / os.fsdecode(b"f\xff")
    folder.mkdir()
    path, source, made = form(folder / "x.hlith"), folder / "x.tsv", str(folder / "x.hlith")
    source.write_text("a\tb\n")
    assert hashlith.build(path, {"a": "b"}, temp_dir=form(folder)).path == made
    for inputs in form(source), [form(source)], form(folder):
        assert hashlith.build_from_files(path, inputs, format="tsv", temp_dir=form(folder)).keys == 1
        # Not an input of its own.
        os.remove(made)
    with hashlith.Builder(path) as builder:
        builder.add("a", "b")
    with hashlith.open(path) as index:
        assert index.path == made and type(index.path) is str and index["a"] == "b"
    info = hashlith.info(path)
    assert info["keys"] == hashlith.verify(path).keys == 1 and info["file"] == made
    part = form(folder / "part.hlith")
    hashlith.build(part, {"a": "b"}, part=(0, 1))
    assert hashlith.commit_set(form(folder / "set"), [part]) == 1


def test_other_paths_are_refused(tmp_path):
    calls = [
        hashlith.open, hashlith.info, hashlith.verify, hashlith.Builder, lambda wrong: hashlith.build(wrong, {}),
        lambda wrong: hashlith.build("x.hlith", {}, temp_dir=wrong),
        lambda wrong: hashlith.build_from_files("x.hlith", [wrong]),
        lambda wrong: hashlith.build_from_files(wrong, []),
        lambda wrong: hashlith.commit_set(tmp_path / "set", [wrong]), lambda wrong: hashlith.commit_set(wrong, []),
    ]
    for wrong in 1, ["x"], Named(3), bytearray(b"x"):
        for call in calls:
            with pytest.raises(TypeError, match="str, bytes or os.PathLike|__fspath__"):
                call(wrong)


def test_an_error_of_fspath_stays():
    class Broken:
        def __fspath__(self):
            raise LookupError("nowhere")

    with pytest.raises(LookupError, match="nowhere"):
        hashlith.open(Broken())


def test_a_relative_path_becomes_absolute(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with hashlith.open(path.name) as index:
        monkeypatch.chdir("/")
        assert index.path == str(path)
        with pickle.loads(pickle.dumps(index)) as again:
            assert again.path == str(path) and again["key 3"] == "value 9"


def test_a_path_that_is_not_utf_8(make, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.hlith")
    report = hashlith.build(name, {"k": "v"})
    with hashlith.open(name) as index:
        assert index.path == report.path == name and index["k"] == "v" and "hashlith.Index" in repr(index)
    assert hashlith.verify(name).keys == 1


def test_a_path_with_a_zero_byte_is_a_value_error():
    """As for `open` itself."""
    with pytest.raises(ValueError, match="(?i)nul"):
        hashlith.open("a\0b")


def test_json_values_are_objects_or_their_text(make):
    path = make({"k": {"a": [1, None]}, "s": "text"}, values="json")
    with hashlith.open(path) as index, hashlith.open(path, decode_json=False) as text:
        assert index["k"] == {"a": [1, None]} and index["k"] is not index["k"]
        assert text["k"] == text.get("k") == '{"a":[1,null]}' and text["s"] == '"text"'
        assert text.get_many(["k", "s", "absent"]) == ['{"a":[1,null]}', '"text"', None]
        assert dict(text) == dict(zip(text, text.values())) == {"k": '{"a":[1,null]}', "s": '"text"'}
        assert text.value_type == "json"
        with pickle.loads(pickle.dumps(text)) as again:
            assert again["s"] == '"text"'
        for either in index, text:
            found = either.get_many_arrow(pyarrow.array(["k", "s"])).to_pyarrow()
            assert found.to_pylist() == ['{"a":[1,null]}', '"text"']


def test_an_index_in_memory_does_not_need_its_file(path, records):
    with hashlith.open(path, in_memory=True) as index:
        os.truncate(path, 0)
        assert dict(index) == records == index
        path.write_bytes(b"something else")
        assert dict(index) == records
        path.unlink()
        assert dict(index) == records and index.get_many(["key 3"]) == ["value 9"]


def test_a_mapped_index_does_not_need_its_name(path, records):
    with hashlith.open(path) as index:
        path.unlink()
        assert dict(index) == records and index.get_many(["key 3"]) == ["value 9"]


LIMITED = """
import resource, sys, hashlith
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (40 << 20), -1))
try:
    hashlith.open(sys.argv[1])
except OSError as error:
    print(error.errno, error)
"""


def test_a_file_beyond_the_addresses_names_the_limit(tmp_path):
    path = tmp_path / "x.hlith"
    hashlith.build(path, ((str(number), "v" * 100_000) for number in range(600)), memory="96M", threads=1)
    message = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True).stdout
    assert message.startswith("12 ") and "it has 58 MiB" in message and "raise it (ulimit -v)" in message
