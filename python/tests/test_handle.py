"""What an open index shows of itself, and what can be done with the object."""

import gc
import html
import importlib.metadata
import os
import pathlib
import pickle
import re
import weakref

import pyarrow
import pytest

import hashlith


def replaced(path):
    """An index that was pickled before its path got another file."""
    with hashlith.open(path) as index:
        pickled = pickle.dumps(index)
    hashlith.build(path, {"other": "record"})
    return pickle.loads(pickled)


def test_repr_is_short_and_shows_path_keys_types_and_size(make):
    path = make({str(n): "x" * 100 for n in range(1200)})
    head = rf"""<hashlith\.Index ["']{re.escape(str(path))}["']: """
    index = hashlith.open(path)
    assert re.fullmatch(rf"{head}1,200 keys \(str to str\), [\d.]+ KiB>", repr(index))
    assert len(str(index)) < len(str(path)) + 60
    index.close()
    assert re.fullmatch(f"{head}closed>", repr(index))
    assert re.fullmatch(f"{head}refused>", repr(replaced(path)))
    for records, options, types in ({b"k": 1}, {"values": "json"}, "bytes to json"), ({"k": b"v"}, {}, "str to bytes"):
        with hashlith.open(make(records, **options)) as index:
            assert f"({types})" in repr(index)


def test_a_notebook_shows_a_table(tmp_path):
    path, metadata = tmp_path / "a <b> & c.hlith", {"note": "<script>", "more": "x" * 5000}
    hashlith.build(path, {"k": 1, "l": 2}, values="json", metadata=metadata)
    with hashlith.open(path) as index:
        table = index._repr_html_()
    assert "<b>" not in table and "<script>" not in table and len(table) < 3000
    cells = {name: html.unescape(text) for name, text in re.findall("<tr><th>(.*?)</th><td>(.*?)</td></tr>", table)}
    assert cells.pop("metadata").startswith('{"note": "<script>", "more": "xxx')
    size = f"{path.stat().st_size:,} bytes"
    assert cells == {"path": str(path), "keys": "2", "types": "str to json", "size": size, "parts": "1"}
    hashlith.build(tmp_path / "set", {}, parts=1024, keys="bytes", values="text")
    with hashlith.open(tmp_path / "set") as index:
        assert "<td>bytes to str</td>" in index._repr_html_() and "<td>1,024</td>" in index._repr_html_()
        assert "metadata" not in index._repr_html_()


def test_the_whole_table(make):
    for long, end in ("a" * 991, '"}'), ("a" * 992, '"...'):
        path = make({"k": "v"}, metadata={"n": long})
        with hashlith.open(path) as index:
            rows = {
                "path": path, "keys": "1", "types": "str to str", "size": f"{path.stat().st_size:,} bytes", "parts": "1",
                "metadata": '{"n": "' + long + end,
            }
            cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(text))}</td></tr>" for name, text in rows.items())
            assert index._repr_html_() == f"<table>{cells}</table>"


def test_the_options_of_open(path):
    """What is not given is off, except for what reads records in random order and decodes JSON."""
    with hashlith.open(path) as index:
        on = {name for name, value in index._options().items() if value}
        assert on == {"random", "decode_json"} and len(index._options()) == 7
        # Values that are not JSON are never decoded.
        for name in set(index._options()) - {"decode_json"}:
            changed = {name: name not in on}
            with hashlith.open(path, **changed) as other:
                assert other._options() == {**index._options(), **changed}


def test_a_notebook_shows_an_index_that_has_no_file(path):
    index = hashlith.open(path)
    index.close()
    for index, state in (index, "closed"), (replaced(path), "refused"):
        assert index._repr_html_() == f"<code>{html.escape(repr(index))}</code>" and state in index._repr_html_()


def test_a_notebook_shows_a_path_that_is_not_utf_8(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.hlith")
    hashlith.build(name, {})
    with hashlith.open(name) as index:
        assert r"/\udcff.hlith" in index._repr_html_() and index._repr_html_().encode()


def test_key_and_value_types(make):
    for records, options, types in (
        ({"k": "v"}, {}, ("str", "str")),
        ({b"k": b"v"}, {}, ("bytes", "bytes")),
        ({"k": b"v"}, {}, ("str", "bytes")),
        ({b"k": "v"}, {}, ("bytes", "str")),
        ({"k": 1}, {"values": "json"}, ("str", "json")),
        ({b"k": 1}, {"values": "json"}, ("bytes", "json")),
        ({}, {}, ("str", "str")),
        ({}, {"keys": "bytes", "values": "json"}, ("bytes", "json")),
    ):
        path = make(records, **options)
        with hashlith.open(path) as index:
            assert (index.key_type, index.value_type) == types and dict(index) == records
            assert index.nbytes == path.stat().st_size


def test_metadata_is_the_dict_that_was_given(make):
    metadata = {"source": "a test", "n": [1, 2.5, None, True], "nested": {"\u00e9\U0001f600": "\ud800"}, "": ""}
    with hashlith.open(make({}, metadata=metadata)) as index:
        assert index.metadata == metadata and index.metadata is not index.metadata
    for none in {}, {"metadata": None}:
        with hashlith.open(make({}, **none)) as index:
            assert index.metadata is None
    with hashlith.open(make({}, metadata={})) as index:
        assert index.metadata == {}


def test_attributes_cannot_be_set(index):
    for name in "path", "digest", "closed", "metadata", "key_type", "value_type", "nbytes":
        with pytest.raises(AttributeError):
            setattr(index, name, 1)


def test_weak_references(path):
    index = hashlith.open(path)
    reference = weakref.ref(index)
    assert reference() is index
    del index
    gc.collect()
    assert reference() is None


def test_subclasses(path, records):
    class Lengths(hashlith.Index):
        def __getitem__(self, key):
            return len(super().__getitem__(key))

        def __missing__(self, key):
            pytest.fail("only dict calls __missing__")

    with Lengths(path) as index:
        index.note = "a subclass has a __dict__"
        assert index["key 3"] == 7 and index.get("key 3") == "value 9" and isinstance(index, hashlith.Index)
        assert index == hashlith.open(path) and index == records
        with pytest.raises(KeyError):
            index["absent"]


def test_the_class_is_generic():
    assert hashlith.Index[str, bytes].__origin__ is hashlith.Index


def test_the_version_is_that_of_the_distribution():
    assert hashlith.__version__ == importlib.metadata.version("hashlith")


def test_all_names_are_there():
    assert all(hasattr(hashlith, name) for name in hashlith.__all__)
    assert pathlib.Path(hashlith.__file__).with_name("py.typed").is_file()


def test_an_array_in_another_type(make):
    """pyarrow asks the array itself for the type that its caller wants. What that type cannot hold is an error, not a null."""
    with hashlith.open(make({"one": "1", "two": "2", "word": "x"})) as index:
        numbers, words = (index.get_many_arrow(pyarrow.array(keys)) for keys in (["one", None, "two"], ["one", "word"]))
        for kind in "string", "large_string", "string_view", "binary", "int64":
            expected = pyarrow.array(["1", None, "2"]).cast(kind)
            assert pyarrow.array(numbers, kind).equals(expected), kind
        assert pyarrow.array(numbers, pyarrow.dictionary(pyarrow.int32(), "string")).to_pylist() == ["1", None, "2"]
        with pytest.raises(ValueError, match="x"):
            pyarrow.array(words, "int64")
        # Without a conversion it is as it is.
        kind, array = words.__arrow_c_array__(pyarrow.list_(pyarrow.map_("string", "string")).__arrow_c_schema__())
        assert pyarrow.Array._import_from_c_capsule(kind, array).type == pyarrow.large_string()
