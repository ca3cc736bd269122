"""What `open` takes: paths, flags and options."""

import os
import pickle

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


def test_paths_are_str_or_path_like(path):
    class Named:
        def __fspath__(self):
            return str(path)

    for named in str(path), path, Named(), os.fspath(path):
        with hashlith.open(named) as index:
            assert index.path == str(path) and type(index.path) is str
        assert hashlith.info(named)["keys"] == hashlith.verify(named).keys == 300
    for wrong in 1, None, [str(path)]:
        for call in hashlith.open, hashlith.info, hashlith.verify, lambda wrong: hashlith.build(wrong, {}):
            with pytest.raises(TypeError):
                call(wrong)


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
