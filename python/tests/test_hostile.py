"""Hostile arguments: whatever a caller passes, the process lives on, and the answer is a result or an Exception.

Each test is a process of its own with a limit on its memory, so that an abort is seen. The cases are in hostile.py.
"""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


def run(folder, *arguments):
    """The output of a script of this folder, which must end well."""
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONFAULTHANDLER": "1"}
    command = [sys.executable, "-u", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=600)
    output = done.stdout.decode(errors="replace").splitlines()
    assert done.returncode == 0, (output[-1:], done.stderr.decode(errors="replace")[-3000:])
    assert b"panicked" not in done.stderr
    return output


@pytest.mark.parametrize("group", ["index", "open", "build", "files", "Builder", "add", "others"])
def test_any_argument(tmp_path, group):
    output = run(tmp_path, HERE / "hostile_calls.py", group)
    assert output[-1] == "done" and len(output) > 500


def test_any_table(tmp_path):
    output = run(tmp_path, HERE / "hostile_tables.py")
    assert output[-1] == "done" and len(output) > 1000 and sum("VerifyReport" in line for line in output) > 100
    assert not any("CorruptError" in line for line in output)


def test_every_function_is_called():
    """Nothing public is left out."""
    import hostile_calls

    import hashlith

    text = (HERE / "hostile_calls.py").read_text()
    classes = {name for name in hashlith.__all__ if isinstance(getattr(hashlith, name), type)}
    for name in set(hashlith.__all__) - classes - {"__version__"}:
        assert f"hashlith.{name}" in text, name
    methods = {name for name in vars(hashlith.Builder) if not name.startswith("_")} - {"report"}
    assert methods == {"finish", "abort"} and hostile_calls.adding


COLUMNS = """
import hostile, hashlith, pyarrow
hashlith.build("x", {"a": "b"})
index = hashlith.open("x")
def add(keys, values):
    with hashlith.Builder("y", memory="64M", threads=2) as builder:
        builder.add_many(keys, values)
hostile.limit_memory()
for name, (make, words, *rows) in hostile.COLUMNS.items():
    good = pyarrow.array(["v", "w"][: rows[0] if rows else 1])
    uses = {
        "get_many_arrow": index.get_many_arrow,
        "ids": index.ids,
        "part_numbers": lambda column: hashlith.part_numbers(column, 3),
        "add_many of keys": lambda column: add(column, good),
        "add_many of values": lambda column: add(good, column),
    }
    for use, call in uses.items():
        try:
            call(hostile.given(make()))
            print(use, "takes", name)
        except ValueError as error:
            places = ["row 0 of", "key of record 1 is", "value of record 1 is", "contradicts itself"]
            if words not in str(error) or not any(place in str(error) for place in places):
                print(use, name, repr(error))
good = pyarrow.array(["a"])
for name, make in hostile.STRANGE.items():
    column = lambda: hostile.given(make())
    add(column(), column())
    found = [
        index.get_many_arrow(column()).to_pyarrow().to_pylist(), index.ids(column()).tolist(),
        hashlith.part_numbers(column(), 3).tolist(), dict(hashlith.open("y")),
    ]
    if found != [["b"], [0], hashlith.part_numbers(good, 3).tolist(), {"a": "a"}]:
        print(name, found)
print("done")
"""


def test_columns_that_contradict_themselves(tmp_path):
    """Each is a ValueError that says what is wrong, and where; what is only strange is read."""
    (tmp_path / "columns.py").write_text(COLUMNS)
    assert run(tmp_path, "columns.py") == ["done"]


MEMORY = """
import hostile, hashlith, pyarrow, sys
size = 96 << 20
large = {"text": "a" * size, "bytes": b"a" * size, "json": "a" * size}
kinds = {}
for kind, value in large.items():
    hashlith.build(kind, {"k": value}, values=kind, memory="512M", threads=2)
    kinds[kind] = hashlith.open(kind)
key = large["text"]
keys = hashlith.build("keys", {key: ""}, memory="512M", threads=2) and hashlith.open("keys")
asked = pyarrow.array(["k"])
calls = {"get_many of a key": lambda: keys.get_many([key]),
         "ids of a key": lambda: keys.ids([key]), "keys": lambda: list(keys), "batches": lambda: list(keys.batches())}
for kind, index in kinds.items():
    calls |= {f"{name} of {kind}": call for name, call in {
        "[]": lambda index=index: index["k"], "get": lambda index=index: index.get("k"),
        "get_many": lambda index=index: index.get_many(["k"]), "by_id": lambda index=index: index.by_id(0),
        "get_many_arrow": lambda index=index: index.get_many_arrow(asked), "values": lambda index=index: list(index.values()),
        "items": lambda index=index: list(index.items()), "batches": lambda index=index: list(index.batches()),
    }.items()}
hostile.limit_memory(size // 2)
for name, call in calls.items():
    try:
        call()
        print("no limit for", name)
    except MemoryError:
        pass
    except Exception as error:
        print(name, repr(error)[:200])
print("done")
"""


def test_no_memory(tmp_path):
    """A key or a value that does not fit into memory is a MemoryError: no damage of the file, and no end of the process."""
    (tmp_path / "memory.py").write_text(MEMORY)
    assert run(tmp_path, "memory.py") == ["done"]


CHANGING = """
import hashlith, numpy, pyarrow, threading
rows = 100_000
keys = pyarrow.array(numpy.arange(rows)).cast("string")
letters = numpy.full(rows, ord("a"), "u1")
offsets = pyarrow.py_buffer(numpy.arange(rows + 1, dtype="i4"))
values = pyarrow.Array.from_buffers(pyarrow.string(), rows, [None, offsets, pyarrow.py_buffer(letters)])
done = threading.Event()
def change():
    while not done.is_set():
        letters[rows // 2 :] ^= ord("a") ^ 0xFF
thread = threading.Thread(target=change)
thread.start()
try:
    for attempt in range(20):
        try:
            with hashlith.Builder("x", memory="256M", threads=2) as builder:
                builder.add_many(keys, values)
        except hashlith.InputError as error:
            assert "not valid UTF-8" in str(error), error
        else:
            hashlith.verify("x")
finally:
    done.set()
    thread.join()
print("done")
"""


def test_a_column_that_changes_while_it_is_read(tmp_path):
    """What is stored as text is what was checked."""
    (tmp_path / "changing.py").write_text(CHANGING)
    assert run(tmp_path, "changing.py") == ["done"]
