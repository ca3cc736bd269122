"""Integer keys, numbers and vectors, sets of keys, keys left out: against a dict, and every refusal."""

import math

import hashlith
import numpy
import pandas
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)
TYPES = {
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 2**8 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float16": st.floats(width=16, allow_nan=False),
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
}


@st.composite
def records(draw):
    """The type of the values, and a dict."""
    name = draw(st.sampled_from(sorted(TYPES)))
    dimension = draw(st.sampled_from([0, 1, 3]))
    number = TYPES[name]
    value = st.lists(number, min_size=dimension, max_size=dimension) if dimension else number
    keys = draw(st.sampled_from([INTS, st.text(max_size=5), st.binary(max_size=5)]))
    return f"{name}[{dimension}]" if dimension else name, draw(st.dictionaries(keys, value, max_size=40))


@settings(max_examples=60, deadline=None)
@given(records(), st.integers(1, 3))
def test_numbers_come_back(tmp_path_factory, records, parts):
    (kind, model), path = records, tmp_path_factory.mktemp("types") / "index"
    options = {} if parts == 1 else {"parts": parts}
    hashlith.build(path, model, values=kind, **options)
    hashlith.verify(path)
    with hashlith.open(path) as index:
        plain = {key: value if "[" not in kind else value.tolist() for key, value in index.items()}
        assert plain == model and index.value_type == kind
        assert all(type(value) in (int, float) for value in plain.values()) or "[" in kind
        keys = list(model)
        batch = index.get_many(keys)
        assert batch.dtype == kind.partition("[")[0] and batch.tolist() == list(model.values())
        matrix = index.to_numpy()
        assert matrix[index.ids(keys)].tolist() == list(model.values()) and len(matrix) == len(model)
        assert not matrix.flags.writeable or parts > 1
        if keys:
            column = pyarrow.array(keys, pyarrow.int64()) if isinstance(keys[0], int) else pyarrow.array(keys)
            assert pyarrow.array(index.get_many_arrow(column)).to_pylist() == list(model.values())
            assert index == model


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(INTS, st.text(max_size=9), max_size=50), st.lists(INTS, max_size=20))
def test_integer_keys_are_those_of_a_dict(tmp_path_factory, model, asked):
    path = tmp_path_factory.mktemp("ints") / "index"
    if not model:
        return
    hashlith.build(path, model)
    with hashlith.open(path) as index:
        assert index.key_type == "int" and dict(index) == model and index == model
        for key in asked:
            assert index.get(key) == model.get(key) and (key in index) == (key in model)
        assert index.get_many(asked) == [model.get(key) for key in asked]
        for dtype in "int64", "int32", "uint8":
            some = numpy.array([key & 127 for key in asked], dtype)
            assert index.get_many(some) == [model.get(int(key)) for key in some]
        column = pyarrow.array([*asked, None], pyarrow.int64())
        wanted = [*(model.get(key) for key in asked), None]
        assert pyarrow.array(index.get_many_arrow(column)).to_pylist() == wanted


def test_integers_that_no_index_has(tmp_path):
    hashlith.build(tmp_path / "x", {5: "five"})
    index = hashlith.open(tmp_path / "x")
    big = numpy.uint64(2**64 - 5)
    assert index.get(2**63) is None and -(2**70) not in index and big not in index
    assert index.get_many([5, 2**63, big]) == ["five", None, None]
    assert index[numpy.int8(5)] == "five" and index[True + 4] == "five"
    with pytest.raises(KeyError):
        index[2**100]
    for wrong in "5", b"5", 5.0, None:
        with pytest.raises(TypeError, match="keys of this index are int"):
            index[wrong]
    with pytest.raises(ValueError, match="row 1 .* 64 bits"):
        index.get_many_arrow(pyarrow.array([1, 2**63], pyarrow.uint64()))
    with pytest.raises(TypeError, match="integers"):
        index.get_many_arrow(pyarrow.array(["5"]))


@pytest.mark.parametrize("values, value, what", [
    ("uint8", 256, "no uint8"),
    ("uint8", -1, "no uint8"),
    ("int64", 2**63, "no int64"),
    ("int32", 1.0, "no int32"),
    ("int32", True, "no int32"),
    ("float32", 1e39, "no float32"),
    ("float16", 65520.0, "no float16"),
    ("float32", 2**24 + 1, "no float32"),
    ("float64", 2**53 + 1, "no float64"),
    ("float32", 1e-60, "no float32"),
    ("float32[3]", numpy.ma.array([1, 2, 3], mask=[0, 1, 0], dtype="f4"), "no float32"),
    ("float64", "1", "no float64"),
    ("float64", None, "no float64"),
    ("float32[2]", [1.0], "has 1 number instead of 2"),
    ("float32[2]", [1.0, 2.0, 3.0], "has 3 numbers instead of 2"),
    ("float32[2]", 1.0, "not a list"),
    ("float32[2]", "12", "not a list"),
    ("int8[2]", numpy.array([1, 200]), "no int8"),
    ("int8[2]", numpy.array([1.5, 2.0]), "no int8"),
    ("int8[2]", numpy.array([[1, 2]]), "no int8"),
])
def test_no_number_becomes_another_one(tmp_path, values, value, what):
    with pytest.raises(hashlith.InputError, match=f"the value of key 'k' .*{what}"):
        hashlith.build(tmp_path / "x", {"k": value}, values=values)
    assert not (tmp_path / "x").exists()


def test_floats_that_are_not_numbers(tmp_path):
    special = [math.nan, math.inf, -math.inf, -0.0]
    hashlith.build(tmp_path / "x", {"k": special}, values="float32[4]")
    found = hashlith.open(tmp_path / "x")["k"].tolist()
    assert math.isnan(found[0]) and found[1:] == special[1:] and math.copysign(1, found[3]) == -1


def test_types_are_those_of_the_first_record(tmp_path):
    vectors = numpy.arange(12, dtype="float64").reshape(4, 3)
    hashlith.build(tmp_path / "x", zip(range(4), vectors))
    index = hashlith.open(tmp_path / "x")
    assert (index.key_type, index.value_type) == ("int", "float64[3]")
    assert (index.get_many(range(4)) == vectors).all()
    hashlith.build(tmp_path / "s", {"k": pandas.Series([1.5, 2.5], dtype="float32")})
    assert hashlith.open(tmp_path / "s")["k"].tolist() == [1.5, 2.5]
    hashlith.build(tmp_path / "y", [("k", numpy.float32(1.5))])
    assert hashlith.open(tmp_path / "y").value_type == "float32"
    with pytest.raises(TypeError, match="keys of this index are int, but 'a' is str"):
        hashlith.build(tmp_path / "z", {1: "x", "a": "y"})
    for records in {True: "x"}, [(2, "x"), (True, "y")]:
        with pytest.raises(TypeError, match="but True is bool"):
            hashlith.build(tmp_path / "z", records)
    with pytest.raises(hashlith.InputError, match="64 bits"):
        hashlith.build(tmp_path / "z", {2**63: "x"})


def test_a_view_outlives_its_index(tmp_path):
    hashlith.build(tmp_path / "x", {"k": [1, 2, 3]}, values="int16[3]")
    index = hashlith.open(tmp_path / "x")
    view, matrix = index["k"], index.to_numpy()
    index.close()
    with pytest.raises(ValueError, match="closed"):
        index.to_numpy()
    del index
    assert view.tolist() == [1, 2, 3] and matrix.tolist() == [[1, 2, 3]]
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 5
    assert view.flags.aligned and view.dtype == "int16"


def test_batches_of_numbers_name_the_absent_key(tmp_path):
    hashlith.build(tmp_path / "x", {"a": 1.5, "b": 2.5}, values="float64")
    index = hashlith.open(tmp_path / "x")
    assert index.get_many(["a", "z"], default=math.inf).tolist() == [1.5, math.inf]
    assert index.get_many([]).shape == (0,)
    with pytest.raises(KeyError, match="z"):
        index.get_many(["a", "z"])
    with pytest.raises(KeyError, match="key number 1"):
        index.get_many(iter(["a", "z"]))
    for others in iter(["a", "z"]), pandas.Series(["a", "z"], index=[1, 0]), {"a": "b", "z": "a", 1: 0}:
        with pytest.raises((KeyError, TypeError), match="key number 1|not int"):
            index.get_many(others)
    with pytest.raises(ValueError, match="the default"):
        index.get_many(["a"], default="x")
    assert index.get("z") is None and index.get("z", 7) == 7


def test_sets_of_keys(tmp_path):
    hashlith.build(tmp_path / "x", ["a", "b", ("c", "ignored")], values="none")
    index = hashlith.open(tmp_path / "x")
    assert set(index) == {"a", "b", "c"} and "a" in index and "z" not in index
    assert index["a"] is True and index.get_many(["a", "z"]) == [True, None] and index.value_type == "none"
    hashlith.build(tmp_path / "y", range(1000), keys="int", values="none")
    assert set(hashlith.open(tmp_path / "y")) == set(range(1000))
    with pytest.raises(TypeError, match="not numbers"):
        index.to_numpy()
    with hashlith.Builder(tmp_path / "z", values="none") as builder:
        builder.add_many(pyarrow.array(["a", "b"]), pyarrow.array([None, 5], pyarrow.int8()))
    assert set(hashlith.open(tmp_path / "z")) == {"a", "b"}


def test_arrays_are_equal_as_a_whole(tmp_path):
    hashlith.build(tmp_path / "x", {"a": [1, 1, 1]}, values="float32[3]")
    index = hashlith.open(tmp_path / "x")
    for other in 1.0, [1.0], [1, 1, 1, 1], [[1, 1, 1]], "x", None, [1, [2, 3]]:
        assert index != {"a": other} and ("a", other) not in index.items() and other not in index.values()
    for equal in [1, 1, 1], (1.0, 1.0, 1.0), numpy.ones(3):
        assert index == {"a": equal} and ("a", equal) in index.items() and equal in index.values()


def test_keys_left_out(tmp_path):
    model = {f"key {i}": i for i in range(3000)}
    hashlith.build(tmp_path / "x", model, keys="none", values="uint16", check_bits=12)
    index = hashlith.open(tmp_path / "x")
    assert all(index[key] == value for key, value in model.items())
    assert (index.key_type, index.check_bits) == ("none", 12)
    assert index[b"key 7"] == 7, "text is its UTF-8"
    assert sorted(value for _, value in index.items()) == list(range(3000))
    assert [id for id, _ in index.items()] == list(range(3000))
    wrong = sum(f"other {i}" in index for i in range(100_000))
    assert 100_000 / 2**12 / 3 < wrong < 100_000 / 2**12 * 3
    with pytest.raises(TypeError, match="left out"):
        list(index)
    with pytest.raises(TypeError, match="left out"):
        hashlith.build(tmp_path / "y", index)
    with pytest.raises(TypeError, match="str or bytes"):
        index[5]
    assert hashlith.info(tmp_path / "x")["check_bits"] == 12
    ids, values = next(index.batches(10))
    assert pyarrow.array(ids).to_pylist() == list(range(10)) and len(pyarrow.array(values)) == 10


@pytest.mark.parametrize("options, what", [
    ({"check_bits": 16}, "check bits are for keys that are left out"),
    ({"keys": "none", "check_bits": 7}, "check_bits must be 8 to 64"),
    ({"keys": "none", "fingerprint_bits": 8}, "check bits instead of fingerprint bits"),
    ({"keys": "int", "values": "int8", "compress": "on"}, "nothing to compress"),
    ({"values": "float31"}, "the type of values must be one of"),
    ({"values": "float32[0]"}, "the type of values must be one of"),
])
def test_options_without_an_effect_are_errors(tmp_path, options, what):
    with pytest.raises(ValueError, match=what):
        hashlith.build(tmp_path / "x", {}, **options)


def test_columns(tmp_path):
    table = pyarrow.table({
        "key": pyarrow.array([10, 20, 30, 40], pyarrow.uint16()),
        "vector": pyarrow.array([[1, 2], [3, 4], [5, 6], [7, 8]], pyarrow.list_(pyarrow.float32(), 2)),
        "number": pyarrow.array([1, 2, 3, 4], pyarrow.int8()),
    })
    for column in "vector", "number":
        for rows in table, table.slice(1, 2), table.slice(3):
            with hashlith.Builder(tmp_path / "x") as builder:
                builder.add_many(rows["key"], rows[column])
            index = hashlith.open(tmp_path / "x")
            wanted = dict(zip(rows["key"].to_pylist(), rows[column].to_pylist()))
            assert {key: value if column == "number" else value.tolist() for key, value in index.items()} == wanted
            batch = [(pyarrow.array(k), pyarrow.array(v)) for k, v in index.batches()]
            assert {k: v for ks, vs in batch for k, v in zip(ks.to_pylist(), vs.to_pylist())} == wanted
    holed = pyarrow.array([[1, None], [1, 2], [3, 4]], pyarrow.list_(pyarrow.float32(), 2))
    with hashlith.Builder(tmp_path / "x") as builder:
        builder.add_many(pyarrow.array(["a", "b"]), holed.slice(1))
    assert hashlith.open(tmp_path / "x").get_many(["a", "b"]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="null in it"), hashlith.Builder(tmp_path / "y") as builder:
        builder.add_many(pyarrow.array(["a", "b", "c"]), holed)
    with pytest.raises(TypeError, match="other types"), hashlith.Builder(tmp_path / "y", values="int8") as builder:
        builder.add_many(pyarrow.array(["k"]), pyarrow.array([1], pyarrow.int16()))
    with pytest.raises(ValueError, match="64 bits"), hashlith.Builder(tmp_path / "y") as builder:
        builder.add_many(pyarrow.array([2**63], pyarrow.uint64()), pyarrow.array(["x"]))


def test_duplicates_of_integers_are_named(tmp_path):
    with pytest.raises(hashlith.DuplicateKeyError, match='"-5"') as error:
        hashlith.build(tmp_path / "x", [(-5, "a"), (-5, "b")])
    assert error.value.key == -5


def test_from_files(tmp_path):
    import pickle

    (tmp_path / "x.pkl").write_bytes(pickle.dumps({1: [0.5, 2], -(2**63): (3, math.nan)}))
    hashlith.build_from_files(tmp_path / "x", tmp_path / "x.pkl", keys="int", values="float32[2]")
    index = hashlith.open(tmp_path / "x")
    assert index[1].tolist() == [0.5, 2.0] and index[-(2**63)][0] == 3.0
    for bad in {2**63: [1, 2]}, {1: [1]}, {1: "12"}, {"1": [1, 2]}, {1: [1, True]}, {1: [1, "2"]}:
        (tmp_path / "bad.pkl").write_bytes(pickle.dumps(bad))
        with pytest.raises(hashlith.InputError):
            hashlith.build_from_files(tmp_path / "y", tmp_path / "bad.pkl", keys="int", values="float32[2]")
    (tmp_path / "x.jsonl").write_text('{"key": 5, "value": [1, 2.5]}\n["6", [3, 4]]\n')
    hashlith.build_from_files(tmp_path / "x", tmp_path / "x.jsonl", keys="int", values="float64[2]")
    assert hashlith.open(tmp_path / "x").get_many([5, 6]).tolist() == [[1, 2.5], [3, 4]]
    for name, text in ("s.jsonl", '"a"\n{"key": "b"}\n["c"]\n'), ("s.tsv", "a\nb\tx\nc\n"), ("s.csv", "k,v\na,\nb,1\nc,\n"):
        (tmp_path / name).write_text(text)
        hashlith.build_from_files(tmp_path / "x", tmp_path / name, values="none")
        assert set(hashlith.open(tmp_path / "x")) == {"a", "b", "c"}
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(["a", "b", ("c", 5)]))
    hashlith.build_from_files(tmp_path / "x", tmp_path / "s.pkl", values="none")
    assert set(hashlith.open(tmp_path / "x")) == {"a", "b", "c"}
