"""Calls functions of the package with all that hostile.py has. A script: hostile_calls.py GROUP, in an empty folder."""

import collections.abc
import functools
import inspect
import itertools
import sys

import hostile
import pyarrow

import hashlith

PATH, OUTPUT, RECORDS = "x.hlith", "out.hlith", {"a": "b", "c": "d"}
# 65,536 files take minutes, and 10**12 keys days.
LONG = {("parts", "65536"), ("of keys(records)", "a range")}


def builder(*arguments, **options):
    """A build that is given up."""
    hashlith.Builder(*arguments, **options).abort()


def adding(method, **options):
    """A method of a builder, and the build to its end."""

    @functools.wraps(getattr(hashlith.Builder, method))
    def call(*arguments):
        with hashlith.Builder(OUTPUT, memory="64M", threads=2, on_duplicate="last", **options) as builder:
            getattr(builder, method)(*arguments)

    return call


def taken(function):
    """The first items of an iterator."""

    @functools.wraps(function)
    def call(*arguments, **options):
        return list(itertools.islice(function(*arguments, **options), 3))

    return call


def each_parameter(name, function, *given, **named):
    """A function of one argument for each parameter of a function; `given` is what works."""
    parameters = dict(inspect.signature(function).parameters)
    parameters.pop("self", parameters.pop("cls", None))
    given = {**dict(zip(parameters, given)), **named}

    def call(parameter, value):
        arguments = {**given, parameter: value}
        only = [arguments.pop(name) for name, one in parameters.items() if one.kind == one.POSITIONAL_ONLY and name in arguments]
        return function(*only, **arguments)

    for parameter, one in parameters.items():
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            yield f"{name}({parameter})", functools.partial(call, parameter)


def index_calls(index):
    """Everything that an index can be asked."""
    given = {
        "get": ["a"], "get_many": [["a"]], "get_many_arrow": [pyarrow.array(["a"])], "ids": [["a"]], "by_id": [0],
        "batches": [], "to_numpy": [],
    }
    for name in set(dir(hashlith.Index)) - set(dir(type)):
        method = getattr(index, name, None)
        if not name.startswith("_") and callable(method) and name not in ("close", "keys", "values", "items"):
            yield from each_parameter(name, taken(method) if name == "batches" else method, *given[name])
    yield from {
        "[]": lambda value: index[value],
        "in": lambda value: value in index,
        "get_many of one": lambda value: index.get_many(["a", value]),
        "==": lambda value: index == value,
        "in keys": lambda value: value in index.keys(),
        "in values": lambda value: value in index.values(),
        "in items": lambda value: value in index.items(),
        "in items as a value": lambda value: ("a", value) in index.items(),
        "keys &": lambda value: index.keys() & value,
        "items |": lambda value: index.items() | value,
        "== of a mapping": lambda value: index == Saying(value),
        "an array": lambda value: index.get_many_arrow(pyarrow.array(["a"])).__arrow_c_array__(value),
    }.items()


class Saying(collections.abc.Mapping):
    """A mapping of as many records as the index, with these items."""

    def __init__(self, items):
        self.all = items

    def __len__(self):
        return len(RECORDS)

    def __getitem__(self, key):
        raise KeyError(key)

    def __iter__(self):
        return iter(self.all)

    def items(self):
        return self.all


def calls(group):
    """The functions of a group by name, each of one argument."""
    column = pyarrow.array(["a"])
    table = pyarrow.table({"a": ["a"], "b": ["b"]})
    build = {"memory": "64M", "threads": 2}
    match group:
        case "index":
            return index_calls(hashlith.open(PATH))
        case "open":
            return each_parameter("open", hashlith.open, PATH)
        case "build":
            return itertools.chain(
                each_parameter("build", hashlith.build, OUTPUT, RECORDS, **build),
                each_parameter("build of keys", hashlith.build, OUTPUT, {"a"}, values="none", **build),
                each_parameter("build of a table", hashlith.build, OUTPUT, table, key="a", value="b", **build),
            )
        case "files":
            return each_parameter("build_from_files", hashlith.build_from_files, OUTPUT, ["x.tsv"], **build)
        case "Builder":
            return each_parameter("Builder", functools.wraps(hashlith.Builder.__new__)(builder), OUTPUT, **build)
        case "add":
            return itertools.chain(
                each_parameter("add", adding("add"), "a", "b"),
                each_parameter("add_many", adding("add_many"), RECORDS),
                each_parameter("add_many of keys", adding("add_many", keys="json", values="none"), ["a"]),
                each_parameter("add_many of columns", adding("add_many"), column, column),
                each_parameter("add_table", adding("add_table"), table, "a", "b"),
                [("add_many of twice", lambda value: adding("add_many")(value, value))],
            )
        case "others":
            return itertools.chain(
                each_parameter("verify", hashlith.verify, PATH),
                each_parameter("info", hashlith.info, PATH),
                each_parameter("part_numbers", hashlith.part_numbers, column, 3),
                each_parameter("commit_set", hashlith.commit_set, "set", [PATH]),
            )


def main(group):
    """Calls all functions of a group with each hostile value."""
    hashlith.build(PATH, RECORDS, memory="64M", threads=2)
    with open("x.tsv", "w", encoding="ascii") as file:
        file.write("a\tb\n")
    hostile.limit_memory()
    for name, call in list(calls(group)):
        for value, make in hostile.ANY.items():
            if not any(word in name and value == number for word, number in LONG):
                hostile.attempt(f"{name} of {value!a}", lambda: call(make()))


if __name__ == "__main__":
    main(sys.argv[1])
    print("done")
