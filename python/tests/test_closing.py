"""`close` releases the file, and use afterwards is a ValueError; what needs no file (path, closed, digest, types, repr)
still answers. Nothing leaks.
"""

import copy
import gc
import os
import pathlib
import pickle
import threading

import pyarrow
import pytest

import hashlith

USES = {
    "[]": lambda index: index["key 1"],
    "[] of a wrong type": lambda index: index[1],
    "in": lambda index: "key 1" in index,
    "len": len,
    "bool": bool,
    "iter": iter,
    "list": list,
    "dict": dict,
    "get": lambda index: index.get("key 1"),
    "get_many": lambda index: index.get_many(["key 1"]),
    "get_many of nothing": lambda index: index.get_many([]),
    "get_many_arrow": lambda index: index.get_many_arrow(pyarrow.array(["key 1"])),
    "get_many_arrow of nothing": lambda index: index.get_many_arrow(pyarrow.array([], pyarrow.string())),
    "ids": lambda index: index.ids(["key 1"]),
    "ids of a column": lambda index: index.ids(pyarrow.array(["key 1"])),
    "by_id": lambda index: index.by_id(0),
    "nbytes": lambda index: index.nbytes,
    "parts": lambda index: index.parts,
    "check_bits": lambda index: index.check_bits,
    "batches": lambda index: list(index.batches()),
    "metadata": lambda index: index.metadata,
    "keys": lambda index: list(index.keys()),
    "values": lambda index: list(index.values()),
    "items": lambda index: list(index.items()),
    "len of keys": lambda index: len(index.keys()),
    "in keys": lambda index: "key 1" in index.keys(),
    "in values": lambda index: "value 1" in index.values(),
    "in items": lambda index: ("key 1", "value 1") in index.items(),
    "== a dict": lambda index: index == {},
    "!= a dict": lambda index: index != {"key 1": "value 1"},
    "a dict ==": lambda index: {"key 1": "value 1"} == index,
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "with": lambda index: index.__enter__(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_use_after_close_is_a_value_error(use, path):
    index = hashlith.open(path)
    if use is not USES["[] of a wrong type"]:
        use(index)
    index.close()
    with pytest.raises(ValueError, match="closed"):
        use(index)


def test_all_methods_and_properties_are_here():
    """A new one must say here what it does after `close`."""
    answering = {"closed", "path", "digest", "key_type", "value_type", "close"}
    tested = {"get", "get_many", "get_many_arrow", "ids", "by_id", "nbytes", "metadata", "keys", "values", "items"}
    tested |= {"parts", "batches", "check_bits"}
    # In test_types.py.
    tested |= {"to_numpy"}
    assert {name for name in dir(hashlith.Index) if not name.startswith("_")} == answering | tested


def test_what_needs_no_file_still_answers(path):
    index = hashlith.open(path)
    before = index.path, index.digest, index.key_type, index.value_type
    assert index.closed is False
    assert index.close() is None
    assert index.closed is True
    assert (index.path, index.digest, index.key_type, index.value_type) == before
    assert index.path == str(path)
    assert repr(index) == str(index) and repr(index).endswith(": closed>") and str(path) in repr(index)
    assert "closed" in repr(index.keys())
    assert index == index and not index != index and index != object()


def test_closing_twice_is_fine(path):
    index = hashlith.open(path)
    index.close()
    index.close()
    assert index.closed


def test_a_with_statement_closes(path):
    with hashlith.open(path) as index:
        assert index["key 3"] == "value 9" and not index.closed
    assert index.closed
    with pytest.raises(LookupError, match="of the block"):
        with hashlith.open(path) as index:
            raise LookupError("of the block")
    assert index.closed
    with hashlith.open(path) as index:
        index.close()
    assert index.closed


def test_started_iterators_end_with_a_value_error(path):
    index = hashlith.open(path)
    iterators = [iter(index), iter(index.keys()), iter(index.values()), iter(index.items())]
    for iterator in iterators:
        next(iterator)
    index.close()
    for iterator in iterators:
        with pytest.raises(ValueError, match="closed"):
            next(iterator)
    with pytest.raises(ValueError, match="closed"):
        list(index.items())


def test_a_loop_that_closes_its_index_ends_with_a_value_error(path):
    index = hashlith.open(path)
    with pytest.raises(ValueError, match="closed"):
        for _ in index:
            index.close()


def test_a_batch_whose_keys_close_the_index_is_answered_or_refused(path):
    index = hashlith.open(path)

    def keys():
        yield "key 3"
        index.close()
        yield "key 4"

    try:
        assert index.get_many(keys()) == ["value 9", "value 16"]
    except ValueError as error:
        assert "closed" in str(error)
    assert index.closed


def test_one_handle_closed_leaves_the_others(path):
    first, second = hashlith.open(path), hashlith.open(path)
    third = pickle.loads(pickle.dumps(first))
    first.close()
    assert second["key 3"] == third["key 3"] == "value 9"
    assert first.closed and not second.closed and not third.closed
    second.close()
    third.close()


def test_closing_while_threads_look_up(path):
    """Each lookup is answered, or says that the index is closed."""
    index, wrong, begun = hashlith.open(path), [], threading.Barrier(5)

    def work():
        begun.wait()
        try:
            while True:
                if index["key 3"] != "value 9" or index.get_many(["key 4"] * 100) != ["value 16"] * 100:
                    wrong.append("answer")
        except ValueError as error:
            if "closed" not in str(error):
                wrong.append(error)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    index.close()
    for thread in threads:
        thread.join()
    assert wrong == []


def held(path):
    """The number of descriptors of this process, and of mappings of the file."""
    maps = pathlib.Path("/proc/self/maps").read_text()
    return len(os.listdir("/proc/self/fd")), maps.count(str(path))


def test_the_file_is_released(path):
    gc.collect()
    before = held(path)
    index = hashlith.open(path)
    assert held(path)[1] > 0
    iterators = iter(index), iter(index.items()), index.keys()
    next(iterators[0])
    index.close()
    assert held(path) == before and iterators


@pytest.mark.parametrize("options", [{}, {"in_memory": True}, {"preload": True, "huge_pages": True}])
def test_nothing_leaks(path, write, options):
    damaged = write(path.read_bytes()[:-1])
    gc.collect()
    before = held(path), held(damaged)
    for _ in range(200):
        index = hashlith.open(path, **options)
        assert index["key 3"] == "value 9"
        index.close()
        with hashlith.open(path, **options) as index:
            next(iter(index))
        with pytest.raises(hashlith.CorruptError):
            hashlith.open(damaged, **options)
        hashlith.verify(path, threads=1)
        hashlith.info(path)
    assert (held(path), held(damaged)) == before


def test_a_forgotten_index_releases_its_file_too(path):
    gc.collect()
    before = held(path)
    for _ in range(50):
        hashlith.open(path)["key 3"]
        next(iter(hashlith.open(path)))
    gc.collect()
    assert held(path) == before


def test_builds_leave_no_descriptor(path, make, records):
    gc.collect()
    before = held(path)
    for _ in range(20):
        make(records, threads=1)
        with pytest.raises(ZeroDivisionError):
            make(((str(n), str(1 // (3 - n))) for n in range(5)), threads=1)
        hashlith.Builder(path, threads=1).abort()
        hashlith.Builder(path, threads=1)
    gc.collect()
    assert held(path) == before
