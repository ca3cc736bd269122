"""Tables that are not what they say. A script, in an empty folder: passes each to the functions that take a table."""

import ctypes
import errno
import functools

import hostile
import pyarrow
from hostile import Array, Schema, int32, int64, raw

import hashlith

GET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
LAST_ERROR = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)


class ArrayStream(ctypes.Structure):
    """`struct ArrowArrayStream`."""

    _fields_ = [
        ("get_schema", ctypes.c_void_p), ("get_next", ctypes.c_void_p), ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
    ]


@hostile.RELEASE
def release_stream(address):
    ArrayStream.from_address(address).release = None


def put(structure, address):
    """Copies a structure to where the caller wants it."""
    ctypes.memmove(address, ctypes.addressof(structure), ctypes.sizeof(structure))


def stream(schema, batches, *, code=0, words=None, before=None, **members):
    """An object with `__arrow_c_stream__` that gives these structures; then it fails with `code`, or ends. `before` is called before
    each batch; `members` replace those of the stream."""
    left = iter(batches)

    @GET
    def get_schema(_, address):
        put(schema, address)
        return 0

    @GET
    def get_next(_, address):
        if before:
            before()
        batch = next(left, None)
        put(batch or Array(), address)
        return 0 if batch else code

    @LAST_ERROR
    def get_last_error(_):
        return words and ctypes.cast(words, ctypes.c_void_p).value

    callbacks = dict(get_schema=get_schema, get_next=get_next, get_last_error=get_last_error, release=release_stream)
    hostile.KEPT.append((callbacks, words, schema, batches))
    addresses = {name: ctypes.cast(callback, ctypes.c_void_p) for name, callback in callbacks.items()}
    structure = ArrayStream(**{**addresses, **members})
    return hostile.Stream(hostile.capsule(structure, b"arrow_array_stream"))


def batch(*columns, schema=None, array=None, names=(b"a", b"b", b"c")):
    """A struct of these columns, as a pair of structures; `schema` and `array` replace members."""
    for (one, _), name in zip(columns, names):
        one.name = name
    kept = [(ctypes.c_void_p * max(1, len(columns)))(*map(ctypes.addressof, one)) for one in zip(*columns)] or [None, None]
    hostile.KEPT.append((columns, kept))
    outer, rows = raw("+s", [None], columns[0][1].length if columns else 1)
    for structure, children, members in (outer, kept[0], schema), (rows, kept[1], array):
        structure.n_children, structure.children = len(columns), children and ctypes.addressof(children)
        for name, value in (members or {}).items():
            setattr(structure, name, value)
    return outer, rows


def table(*columns, **members):
    """A table of one batch."""
    schema, array = batch(*columns, **members)
    return stream(schema, [array])


def texts(rows=1):
    return raw("u", [None, int32(*range(rows + 1)), b"abcdefgh"], rows)


def numbers(rows=1):
    return raw("l", [None, int64(*range(rows))], rows)


def two():
    return texts(), texts()


def several(count, **options):
    """A table of this many batches with the same keys."""
    pairs = [batch(*two()) for _ in range(count)]
    return stream(pairs[0][0], [array for _, array in pairs], **options)


def other_batch(*columns):
    """A table whose second batch has other columns than it says."""
    first, second = batch(*two()), batch(*columns)
    return stream(first[0], [first[1], second[1]])


def overwriting():
    """A table that overwrites the batch before the current one."""
    columns = [batch(*two()) for _ in range(3)]
    seen = []

    def overwrite():
        for _, array in columns[: len(seen)]:
            child = Array.from_address(ctypes.c_void_p.from_address(array.children).value)
            offsets = ctypes.c_void_p.from_address(child.buffers + 8).value
            ctypes.memset(offsets, 0xFF, 8)
        seen.append(None)

    return stream(columns[0][0], [array for _, array in columns], before=overwrite)


def nested(depth):
    """A table with a column of structures in structures."""
    column = texts()
    for _ in range(depth):
        column = batch(column)
    return table(texts(), column)


def lists(kind, buffers, items, rows=1):
    """A table with a column of lists."""
    schema, array = batch(items, array={"length": rows})
    listed, values = raw(kind, buffers, rows)
    listed.n_children, listed.children = 1, schema.children
    values.n_children, values.children = 1, array.children
    return table(texts(rows), (listed, values))


TABLES = {
    **{f"{name} as keys": lambda make=make, rows=rows: table(make(), texts(*rows)) for name, (make, _, *rows) in hostile.COLUMNS.items()},
    **{f"{name} as values": lambda make=make, rows=rows: table(texts(*rows), make()) for name, (make, _, *rows) in hostile.COLUMNS.items()},
    **{f"{name} as keys": lambda make=make: table(make(), texts()) for name, make in hostile.STRANGE.items() if isinstance(make(), tuple)},
    **{f"a table with {member} {value}": lambda member=member, value=value: table(*two(), array={member: value})
       for member in ("length", "offset", "null_count", "n_buffers", "n_children")
       for value in (-(2**63), -1, 0, 1, 2, 3, 2**31, 2**40, 2**62, 2**63 - 1) if (member, value) not in (("n_buffers", 2**31), ("n_children", 3))},
    **{f"a schema with {member} {value}": lambda member=member, value=value: table(*two(), schema={member: value})
       for member, value in (("n_children", 0), ("n_children", 1), ("n_children", -1), ("flags", -1), ("format", b""), ("format", b"u"),
                             ("format", b"+"), ("format", b"+l"), ("format", b"\xff"), ("format", None), ("children", None), ("release", None))},
    "an array without children": lambda: table(*two(), array={"children": None}),
    "an array without buffers": lambda: table(*two(), array={"buffers": None}),
    "no columns": lambda: table(),
    "names that are no text": lambda: table(*two(), names=(b"\xff", b"b")),
    "names that are left out": lambda: table(*two(), names=(None, None)),
    "the same name twice": lambda: table(*two(), names=(b"a", b"a")),
    "fewer keys than rows": lambda: table(texts(2), texts(1), array={"length": 2}),
    "fewer values than rows": lambda: table(texts(2), numbers(1), array={"length": 2}),
    "an unknown type": lambda: table(texts(), raw("?", [None, int64(1)])),
    "a type without its number": lambda: table(texts(), raw("w:", [None, int64(1)])),
    "a negative width": lambda: table(texts(), raw("w:-1", [None, int64(1)])),
    "a dictionary that is left out": lambda: table(texts(), raw("i", [None, int32(0)], dictionary=(Schema(), Array()))),
    **{f"a decimal {kind}": lambda kind=kind: table(texts(), raw(kind, [None, int64(7, 0, 0, 0)]))
       for kind in ("d:0,0", "d:1,5", "d:5,-128", "d:5,127", "d:255,3", "d:5,-2", "d:9,2,32", "d:9,20,64", "d:90,100,256")},
    **{f"a time {kind} {time}": lambda kind=kind, time=time: table(texts(), raw(kind, [None, int64(time, time)]))
       for kind in ("tdD", "tdm", "tts", "ttn", "tsn:", "tss:Nowhere", "tDs", "tDn", "tiM", "tiD", "tin") for time in (-(2**63), 2**63 - 1)},
    "structures in structures": lambda: nested(100),
    "lists that go back": lambda: lists("+l", [None, int32(0, 4, 2)], numbers(4), 2),
    "lists behind their items": lambda: lists("+l", [None, int32(0, 2**31 - 1)], numbers(4)),
    "lists from behind their items": lambda: lists("+l", [None, int32(2**31 - 2, 2**31 - 1)], numbers(4)),
    "negative lists": lambda: lists("+L", [None, int64(-1, 1)], numbers(4)),
    "lists of a negative size": lambda: lists("+w:-1", [None], numbers(4)),
    "lists of a huge size": lambda: lists("+w:2147483647", [None], numbers(4)),
    "a stream that fails": lambda: several(2, code=errno.EIO),
    "a stream that says why it fails": lambda: several(2, code=errno.EIO, words=b"the disk is \xff"),
    "a stream that fails without a reason": lambda: several(2, code=-1, get_last_error=None),
    "a stream without a schema": lambda: several(1, get_schema=None),
    "a stream without batches": lambda: several(1, get_next=None),
    "a stream that was released": lambda: several(1, release=None),
    "a schema that was released": lambda: stream(Schema(), []),
    "another second batch": lambda: other_batch(numbers(), texts()),
    "a shorter second batch": lambda: other_batch(texts()),
    "a changing batch": overwriting,
}


def built(given, **options):
    hashlith.build("built", given, key="a", memory="64M", threads=2, on_duplicate="last", **options)
    return hashlith.verify("built")


def added(given, key="a", value="b", **options):
    with hashlith.Builder("added", memory="64M", threads=2, on_duplicate="last", **options) as builder:
        builder.add_table(given, key, value)
    return hashlith.verify("added")


def calls():
    """The functions that take a table, by name."""
    for values in None, "json", "text", "bytes", "none", "int64", "int64[2]":
        yield f"build of {values}", functools.partial(built, values=values)
    yield "add_table", added
    yield "add_table of integer keys", functools.partial(added, keys="int")
    yield "add_table of joined keys", functools.partial(added, key=["a", "b"])


def reentrant(method, *arguments):
    """A builder that is used by the table it reads."""
    builder = hashlith.Builder("reentrant", memory="64M", threads=2, on_duplicate="last")
    try:
        builder.add_table(several(3, before=lambda: hostile.attempt("in the table", lambda: getattr(builder, method)(*arguments))), "a", "b")
        builder.finish()
    finally:
        builder.abort()


def main():
    """Calls all functions with each table."""
    hostile.limit_memory()
    for function, call in calls():
        for name, make in TABLES.items():
            hostile.attempt(f"{function} with {name}", lambda: call(make()))
    used = several(2)
    for attempt in "first", "second":
        hostile.attempt(f"a table used for the {attempt} time", lambda: built(used))
    for method, *arguments in ("finish",), ("abort",), ("add", "a", "b"), ("add_table", pyarrow.table({"a": ["b"], "b": ["c"]}), "a", "b"):
        hostile.attempt(f"{method} while a table is added", lambda: reentrant(method, *arguments))


if __name__ == "__main__":
    main()
    print("done")
