"""What the policies for duplicates leave, compared with dicts."""

import json
import random

import pytest

import hashlith

POLICIES = ["first", "last", "unique", "collect"]


def some_records(seed, values):
    random.seed(seed)
    keys = [f"key {number}" for number in range(200)]
    return [(random.choice(keys), random.choice(values)) for _ in range(1000)]


def collected(records):
    model = {}
    for key, value in records:
        model.setdefault(key, []).append(value)
    return model


@pytest.mark.parametrize("kind", ["text", "json"])
@pytest.mark.parametrize("options", [{}, {"parts": 3}, {"compress": "on"}, {"threads": 1}, {"keys": "none"}])
def test_values_are_collected_in_order(tmp_path, kind, options):
    values = ["", "x", 'a "quoted"\n\\ one\x00\x7f', "fünf 五 \U0001f600"]
    if kind == "json":
        values = [*values, None, 1.5, {"a": [1, 2]}, [], True]
    records = some_records(kind, values)
    report = hashlith.build(tmp_path / "x", records, values=kind, on_duplicate="collect", **options)
    model = collected(records)
    assert (report.records, report.keys, report.duplicates) == (1000, len(model), 0)
    with hashlith.open(tmp_path / "x") as index:
        assert index.value_type == "json" and {key: index[key] for key in model} == model
        assert index.get_many(list(model)) == list(model.values())
    # The bytes are those of the lists.
    hashlith.build(tmp_path / "y", model, values="json", **options)
    assert hashlith.open(tmp_path / "y").digest == hashlith.open(tmp_path / "x").digest


def test_text_is_collected_without_keywords(tmp_path):
    hashlith.build(tmp_path / "x", [("a", "1"), ("b", "2"), ("a", "0"), ("a", "1")], on_duplicate="collect")
    assert dict(hashlith.open(tmp_path / "x")) == {"a": ["1", "0", "1"], "b": ["2"]}
    hashlith.build(tmp_path / "x", [], on_duplicate="collect")
    assert hashlith.open(tmp_path / "x").value_type == "json"


def test_files_are_collected_in_the_order_of_their_names(tmp_path):
    (tmp_path / "a.tsv").write_text("k\t3\nother\tx\nk\t1\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"key": "k", "value": "2"}) + "\n")
    for inputs, values in (["a.tsv", "b.jsonl"], ["3", "1", "2"]), (["b.jsonl", "a.tsv"], ["2", "3", "1"]):
        inputs = [tmp_path / name for name in inputs]
        hashlith.build_from_files(tmp_path / "x", inputs, on_duplicate="collect")
        assert hashlith.open(tmp_path / "x")["k"] == values


@pytest.mark.parametrize("kind, value", [("bytes", b"v"), ("int8", 1), ("float32[2]", [1, 2]), (None, b"v")])
def test_only_text_and_json_are_collected(tmp_path, kind, value):
    with pytest.raises(ValueError, match="they must be text or JSON"):
        hashlith.build(tmp_path / "x", [("a", value)], values=kind, on_duplicate="collect")
    assert list(tmp_path.iterdir()) == []


def test_unique_takes_equal_values(tmp_path):
    records = [("a", "1"), ("b", "2"), ("a", "1")]
    report = hashlith.build(tmp_path / "x", records, on_duplicate="unique")
    assert (report.keys, report.duplicates) == (2, 1) and dict(hashlith.open(tmp_path / "x")) == dict(records)
    with pytest.raises(hashlith.DuplicateKeyError, match="occurs twice with different values") as caught:
        hashlith.build(tmp_path / "y", [*records, ("b", "3")], on_duplicate="unique")
    assert (caught.value.key, caught.value.first, caught.value.second) == ("b", "record 2", "record 4")
    (tmp_path / "a.tsv").write_text("k\tv\nk\tv\nk\tw\n")
    with pytest.raises(hashlith.DuplicateKeyError) as caught:
        hashlith.build_from_files(tmp_path / "y", tmp_path / "a.tsv", on_duplicate="unique")
    assert caught.value.first.endswith("a.tsv, line 1") and caught.value.second.endswith("a.tsv, line 3")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("compress", ["off", "fast"])
def test_the_bytes_are_those_of_what_stays(tmp_path, policy, compress):
    """Each key comes 64 times."""
    records = [(f"key {number}", f"value of {number} {copy}") for copy in range(64) for number in range(500)]
    if policy == "unique":
        records = [(key, f"value of {key}") for key, _ in records]
    model = collected(records)
    pick = {"first": lambda values: values[0], "last": lambda values: values[-1], "unique": lambda values: values[0]}
    kept = {key: pick.get(policy, list)(values) for key, values in model.items()}
    values = "json" if policy == "collect" else "text"
    hashlith.build(tmp_path / "kept", kept, values=values, compress=compress)
    random.Random(1).shuffle(records) if policy == "unique" else None
    hashlith.build(tmp_path / "all", records, on_duplicate=policy, compress=compress)
    assert (tmp_path / "all").read_bytes() == (tmp_path / "kept").read_bytes()
