"""A tuple stands for its JSON text as a key."""

import json
import pickle
from collections import namedtuple

import pytest

import hashlith

Point = namedtuple("Point", "x y")
RECORDS = {
    ("a", 1): "one", ("é", None, True, 1.5): "two", (): "three", (("b",), 2): "four", Point(1, 2): "five", "plain": "six",
}


def text(key):
    return key if isinstance(key, str) else json.dumps(key, separators=(",", ":"), ensure_ascii=False)


def test_tuples_are_built_and_found(tmp_path):
    hashlith.build(tmp_path / "x", RECORDS, keys="json")
    hashlith.build(tmp_path / "y", {text(key): value for key, value in RECORDS.items()})
    with hashlith.open(tmp_path / "x") as index, hashlith.open(tmp_path / "y") as texts:
        assert index == texts and index.key_type == "str" and sorted(index) == sorted(map(text, RECORDS))
        for key, value in RECORDS.items():
            assert index[key] == index.get(key) == index[text(key)] == value and key in index
        assert index.get_many([*RECORDS, ("absent",)]) == [*RECORDS.values(), None]
        assert index.ids(RECORDS).tolist() == index.ids(map(text, RECORDS)).tolist()
        with pytest.raises(KeyError) as caught:
            index["a", 2]
        assert caught.value.args == (("a", 2),) and ("a", 2) not in index and index.get(("a", 2), 7) == 7
        for wrong, error in ((b"a",), TypeError), (("\ud800",), UnicodeEncodeError):
            with pytest.raises(error):
                index[wrong]


def test_other_indexes_have_no_tuples(tmp_path):
    for number, key in enumerate([b"a", 1]):
        hashlith.build(tmp_path / str(number), {key: "v"})
        with pytest.raises(TypeError, match="not tuple"):
            hashlith.open(tmp_path / str(number))[("a", 1)]


def test_tuples_need_the_keyword(tmp_path):
    for keys in None, "text":
        with pytest.raises(TypeError, match="keys=\"json\""):
            hashlith.build(tmp_path / "x", {("a", 1): "v"}, keys=keys)
    with pytest.raises(TypeError, match="keys of this index are str"):
        hashlith.build(tmp_path / "x", {1: "v"}, keys="json")
    (tmp_path / "x.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match="keys"):
        hashlith.build_from_files(tmp_path / "x", tmp_path / "x.tsv", keys="json")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(RECORDS))
    hashlith.build_from_files(tmp_path / "y", tmp_path / "x.pkl", keys="json")
    hashlith.build(tmp_path / "x", RECORDS, keys="json")
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    with hashlith.Builder(tmp_path / "x", keys="json") as builder:
        builder.add(("a", 1), "v")
        builder.add_many([(("b", 1), "w")])
    assert dict(hashlith.open(tmp_path / "x")) == {'["a",1]': "v", '["b",1]': "w"}
    with pytest.raises(hashlith.DuplicateKeyError):
        hashlith.build(tmp_path / "x", [(("a",), "v"), ('["a"]', "w")], keys="json")
