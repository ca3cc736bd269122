"""Every keyword shows in `help`, `inspect.signature` and completion, with its default, and the error for a misspelt
one names the nearest.
"""

import inspect
import re

import pytest

import hashlith
from hashlith import _native

CALLS = {
    "build": (hashlith.build, ["x", {}]),
    "build_from_files": (hashlith.build_from_files, ["x", "x.tsv"]),
    "Builder": (hashlith.Builder, ["x"]),
    "open": (hashlith.open, ["x"]),
}
MISSPELT = {
    "build": ("memroy", "memory"),
    "build_from_files": ("on_errors", "on_error"),
    "Builder": ("thread", "threads"),
    "open": ("preloaded", "preload"),
}
each_call = pytest.mark.parametrize("name", CALLS)


def keywords(call):
    """The default of each keyword."""
    parameters = inspect.signature(call).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


@each_call
def test_no_keyword_is_hidden(name):
    parameters = inspect.signature(CALLS[name][0]).parameters.values()
    assert not [one for one in parameters if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    assert inspect.Parameter.empty not in keywords(CALLS[name][0]).values()
    assert all(one.annotation is not one.empty for one in parameters)


def test_the_ways_to_build_share_their_keywords():
    own = keywords(hashlith.Builder)
    assert keywords(hashlith.build) == {"key": None, "value": None} | own
    assert list(keywords(hashlith.build_from_files))[-len(own) :] == list(own)
    assert own.items() <= keywords(hashlith.build_from_files).items()


def test_open_takes_what_the_class_takes():
    assert keywords(hashlith.open) == {
        name: default for name, default in keywords(_native.Index).items() if name != "_digest"
    }


def test_what_only_files_need_has_defaults_of_its_own():
    own = keywords(hashlith.Builder)
    assert {name: value for name, value in keywords(hashlith.build_from_files).items() if name not in own} == {
        "format": None, "on_error": None, "max_errors": None, "encoding": None, "delimiter": None,
        "quotes": None, "escape": False, "header": None, "key_column": None, "value_column": None, "join": None, "comment": None,
        "skip_rows": 0, "key_field": None, "value_field": None, "query": None, "pick": None,
    }


def test_all_is_all():
    names = {name for name, one in vars(hashlith).items() if not inspect.ismodule(one) and name[0] != "_"}
    assert names - {"annotations"} | {"__version__"} == set(hashlith.__all__) and len(set(hashlith.__all__)) == 19
    for name in hashlith.__all__:
        assert getattr(hashlith, name).__doc__


def test_each_keyword_is_described_once():
    def described(call):
        section = re.search(r"Args:\n(.*?)\n\n", inspect.getdoc(call), re.DOTALL)
        return re.findall(r"^ {4}(\w+): ", section[1], re.MULTILINE) if section else []

    shared = list(keywords(hashlith.build))
    assert described(hashlith.build) == ["path", "records", *shared]
    own = [name for name in keywords(hashlith.build_from_files) if name not in shared]
    assert described(hashlith.build_from_files) == ["path", "inputs", *own]
    assert described(hashlith.Builder) == [] and "those of `build`" in hashlith.Builder.__new__.__doc__
    assert described(hashlith.open) == ["path", "flag", *keywords(hashlith.open)]


def test_the_defaults_are_those_of_the_builder(tmp_path):
    (tmp_path / "x.csv").write_text("k,v\na,b\nc,d\n")
    hashlith.build(tmp_path / "0", {"a": "b", "c": "d"})
    hashlith.build_from_files(tmp_path / "1", tmp_path / "x.csv")
    _native.build_from_files(tmp_path / "2", [tmp_path / "x.csv"])
    builder = _native.Builder(tmp_path / "3")
    builder.add_many({"a": "b", "c": "d"})
    builder.finish()
    assert len({(tmp_path / str(number)).read_bytes() for number in range(4)}) == 1


@each_call
def test_a_misspelt_keyword_gets_the_nearest_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, arguments = CALLS[name]
    wrong, right = MISSPELT[name]
    message = f"{name}() got an unexpected keyword argument '{wrong}'; did you mean '{right}'?"
    with pytest.raises(TypeError, match=re.escape(message) + "$"):
        call(*arguments, **{wrong: None})
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'squeeze'$"):
        call(*arguments, squeeze=True)


def test_keywords_of_files_are_not_those_of_build():
    for name in "format", "escape", "key_column", "max_errors":
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            hashlith.build("x", {}, **{name: 1})


def test_positional_arguments_may_be_named(tmp_path):
    hashlith.build(records={"a": "b"}, path=tmp_path / "x")
    with hashlith.open(path=tmp_path / "x", flag="r") as index:
        assert index == {"a": "b"}
    for call in hashlith.build, hashlith.Builder, hashlith.open:
        with pytest.raises(TypeError, match="missing 1 required positional argument|missing 2 required"):
            call()
