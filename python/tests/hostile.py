"""What a caller may pass that is not what is asked for, for the tests that run it in a process of its own."""

import ctypes
import io
import math
import resource
import struct
import sys
import traceback

import numpy
import pyarrow

# Enough for anything that is asked for in earnest.
SPARE = 2 << 30


class Lying:
    """A sequence of one key that says it has `length` items."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, at):
        return ["a"][at]


class Hinting:
    """An iterator of one key that says it has `length` items."""

    def __init__(self, length):
        self.length, self.items = length, iter(["a"])

    def __iter__(self):
        return self

    def __length_hint__(self):
        return self.length

    def __next__(self):
        return next(self.items)


class Raising:
    """Raises whatever is asked of it."""

    def fail(self, *arguments):
        raise RuntimeError("hostile")

    __len__ = __iter__ = __getitem__ = __contains__ = __eq__ = __hash__ = __index__ = __int__ = __float__ = fail
    __fspath__ = __str__ = __repr__ = __bool__ = __call__ = items = keys = __arrow_c_array__ = fail


class RaisingType(type(Raising())):
    """The same through an attribute that is looked for."""

    @property
    def __arrow_c_array__(self):
        raise RuntimeError("hostile")


class Answering:
    """Gives the same answer to every protocol."""

    def __init__(self, answer):
        self.answer = answer

    def give(self, *arguments):
        return self.answer

    __iter__ = __index__ = __fspath__ = items = keys = __arrow_c_array__ = __len__ = give


class Shaped:
    """Says it is an array of numbers, of this shape and with these bytes and items."""

    def __init__(self, shape, answer):
        self.dtype, self.shape, self.answer = numpy.dtype("f4"), shape, answer

    def tobytes(self):
        return self.answer

    tolist = tobytes


class Stream:
    """The same for a stream."""

    def __init__(self, answer):
        self.answer = answer

    def __arrow_c_stream__(self, requested_schema=None):
        return self.answer


def failing():
    """Raises in the middle."""
    yield ("a", "b")
    raise RuntimeError("hostile")


def shrinking():
    """Empties the list that it yields."""
    keys = ["a", "b", "c"]

    def items():
        for key in keys:
            keys.clear()
            yield key

    return items()


def growing():
    """A dict that grows while it is read."""
    records = {"a": "b"}

    def pairs():
        for key in records:
            records[key + "a"] = "b"
            yield key, "b"

    return pairs()


def endless():
    """A list in itself."""
    items = []
    items.append(items)
    return items


def capsule(structure, name):
    """A capsule whose structure stays in memory."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    KEPT.append((structure, name))
    return new(ctypes.addressof(structure), name, None)


KEPT = []
RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Schema(ctypes.Structure):
    """`struct ArrowSchema`."""

    _fields_ = [
        ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
        ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64), ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
    ]


class Array(ctypes.Structure):
    """`struct ArrowArray`."""

    _fields_ = [
        ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p), ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]


@RELEASE
def release_schema(address):
    Schema.from_address(address).release = None


@RELEASE
def release_array(address):
    Array.from_address(address).release = None


def raw(kind, buffers, length=1, *, offset=0, null_count=0, n_buffers=None, dictionary=None):
    """An array as its library describes it, with these buffers (bytes, or None), as a pair of structures."""
    kept = [None if buffer is None else ctypes.create_string_buffer(buffer, len(buffer) + 64) for buffer in buffers]
    addresses = (ctypes.c_void_p * max(1, len(kept)))(*(buffer and ctypes.addressof(buffer) for buffer in kept))
    KEPT.append((kept, addresses, dictionary))
    schema = Schema(format=kind.encode(), name=b"", release=ctypes.cast(release_schema, ctypes.c_void_p))
    array = Array(
        length=length, null_count=null_count, offset=offset, n_buffers=len(kept) if n_buffers is None else n_buffers,
        buffers=ctypes.addressof(addresses), release=ctypes.cast(release_array, ctypes.c_void_p),
    )
    if dictionary is not None:
        schema.dictionary, array.dictionary = map(ctypes.addressof, dictionary)
    return schema, array


def given(column):
    """A pair of structures as an object with `__arrow_c_array__`, which may be used once. Anything else is that object."""
    if not isinstance(column, tuple):
        return column
    schema, array = column
    return Answering((capsule(schema, b"arrow_schema"), capsule(array, b"arrow_array")))


def int32(*numbers):
    return struct.pack(f"{len(numbers)}i", *numbers)


def int64(*numbers):
    return struct.pack(f"{len(numbers)}q", *numbers)


def view(length, buffer=0, start=0):
    return struct.pack("i4sii", length, b"xxxx", buffer, start)


def views(view, *lengths):
    return raw("vu", [None, view, *(b"x" * 40 for _ in lengths), int64(*lengths)])


def of_dictionary(kind, indexes, values, length=1):
    return raw(kind, [None, indexes], length, dictionary=values)


A = ("u", [None, int32(0, 1), b"a"])
# Columns that contradict themselves, as pairs of structures, the words of the error, and the number of rows if it is not 1.
COLUMNS = {
    "offsets that decrease": (lambda: raw("u", [None, int32(0, 4, 2), b"aaaa"], 2), "offsets", 2),
    "offsets that decrease, 8 bytes": (lambda: raw("U", [None, int64(0, 4, 2), b"aaaa"], 2), "offsets", 2),
    "an offset behind the last": (lambda: raw("u", [None, int32(0, 2**31 - 1, 2), b"aa"], 2), "offsets", 2),
    "a huge offset": (lambda: raw("U", [None, int64(0, 2**63 - 1, 2), b"aa"], 2), "offsets", 2),
    "a negative offset": (lambda: raw("u", [None, int32(-4, 2), b"aa"]), "offsets"),
    "a negative last offset": (lambda: raw("u", [None, int32(0, -1), b"aa"]), "last offset is negative"),
    "a negative last offset, 8 bytes": (lambda: raw("U", [None, int64(0, -(2**62)), b"aa"]), "last offset is negative"),
    "a view of a negative length": (lambda: views(view(-1), 40), "view"),
    "a view of no buffer": (lambda: views(view(20)), "view"),
    "a view of an absent buffer": (lambda: views(view(20, 1), 40), "view"),
    "a view of a negative buffer": (lambda: views(view(20, -1), 40), "view"),
    "a view that ends outside": (lambda: views(view(20, 0, 21), 40), "view"),
    "a view that begins outside": (lambda: views(view(20, 0, -1), 40), "view"),
    "a view of the longest kind": (lambda: views(view(2**31 - 1, 0, 2**31 - 1), 40), "view"),
    "a buffer of a negative length": (lambda: views(view(20), -1), "negative length"),
    "no lengths of buffers": (lambda: raw("vu", [None, view(20)]), "missing"),
    "no buffers": (lambda: raw("u", []), "missing"),
    "no bytes": (lambda: raw("u", [None, int32(0, 1)]), "missing"),
    "bytes left out": (lambda: raw("u", [None, int32(0, 1), None]), "missing"),
    "offsets left out": (lambda: raw("u", [None, None, b"a"]), "missing"),
    "a negative length": (lambda: raw(*A, length=-1), "length"),
    "a negative place": (lambda: raw(*A, offset=-1), "length"),
    "a length of 2**62": (lambda: raw(*A, length=2**62), "length"),
    "a length that overflows": (lambda: raw(*A, length=2**63 - 1, offset=2**63 - 1), "length"),
    "a negative number of buffers": (lambda: raw("u", [], n_buffers=-1, length=-1), "length"),
    "an index behind the dictionary": (lambda: of_dictionary("i", int32(1), raw(*A)), "dictionary"),
    "a negative index": (lambda: of_dictionary("c", b"\xff", raw("u", [None, int32(*[0] * 257), b""], 256)), "dictionary"),
    "a huge index": (lambda: of_dictionary("L", int64(-1), raw(*A)), "dictionary"),
    "an index of no integers": (lambda: of_dictionary("g", int64(0), raw(*A)), "no integers"),
    "damage in a dictionary": (lambda: of_dictionary("i", int32(0), raw("u", [None, int32(4, 2), b"aaaa"])), "offsets"),
    "an empty dictionary": (lambda: of_dictionary("i", int32(0), raw("u", [None, int32(0), b""], 0)), "dictionary"),
}
# Columns that say strange things about themselves, and are right.
STRANGE = {
    "a wrong number of nulls": lambda: raw(*A, null_count=7),
    "a negative number of nulls": lambda: raw(*A, null_count=-9),
    "not aligned": lambda: pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(b"?" + int32(0, 1)).slice(1), pyarrow.py_buffer(b"a")]
    ),
    "a slice": lambda: pyarrow.array(["?", None, "a", "?"]).slice(2, 1),
    "indexes of 8 bits without a sign": lambda: of_dictionary(
        "C", b"\xc8", raw("u", [None, int32(*[0] * 201, *[1] * 56), b"a"], 256)
    ),
    "a dictionary with a null": lambda: pyarrow.DictionaryArray.from_arrays([1], [None, "a"]),
}
ANY = {
    **{f"{number}": lambda number=number: number for number in (
        -(2**63), -1, 0, 1, 65_536, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, 0.5, math.nan, math.inf, 1j
    )},
    **{repr(plain)[:20]: lambda plain=plain: plain for plain in (
        None, True, "", "a", "\ud800", "\0", "x" * 5000, b"", b"a", b"\xff", (), [], {}, set(), ("a",), ["a"], {"a": "b"},
        [["a", "b"]], ["ab"], [None], {1: 2}, {"a": None}, ("a", "b", "c"), object, len, print, ...
    )},
    "bytearray": lambda: bytearray(b"a"),
    "memoryview": lambda: memoryview(b"a"),
    "numpy strings": lambda: numpy.array(["a", "b"]),
    "numpy objects": lambda: numpy.array([None, "b"]),
    "numpy scalar": lambda: numpy.float64("nan"),
    "a file": lambda: io.BytesIO(b"a"),
    "says 2**62": lambda: Lying(2**62),
    "says 2**63 - 1": lambda: Lying(2**63 - 1),
    "says -1": lambda: Lying(-1),
    "says nothing": lambda: Lying(0),
    "hints 2**62": lambda: Hinting(2**62),
    "hints -1": lambda: Hinting(-1),
    "a range": lambda: range(10**12),
    **{f"shaped {shape!r}"[:30]: lambda shape=shape: Shaped(shape, [1.0, 2.0]) for shape in (
        None, (), (2,), (-1,), (0,), (2**31,), (2**32,), (2, 2), ("a",), [2], Lying(2**62), Hinting(2**62)
    )},
    "raises": Raising,
    "raises at an attribute": RaisingType,
    "fails in the middle": failing,
    "shrinks": shrinking,
    "grows": growing,
    "a list in itself": endless,
    **{f"answers {answer!r}": lambda answer=answer: Answering(answer) for answer in (
        None, 2**62, -1, "a", (), (1, 2), ("a", "b", "c"), [("a", "b")], b"\xff"
    )},
    **{f"streams {answer!r}": lambda answer=answer: Stream(answer) for answer in (None, 1, (1, 2))},
    "a capsule of another kind": lambda: Stream(pyarrow.array(["a"]).__arrow_c_array__()[0]),
    "a stream instead of an array": lambda: Answering((pyarrow.chunked_array([["a"]]).__arrow_c_stream__(),) * 2),
    "a column of numbers": lambda: pyarrow.array([1, 2]),
    "a column of structures": lambda: pyarrow.array([{"a": "b"}]),
    "a column of lists": lambda: pyarrow.array([["a"]]),
    "a column of runs": lambda: pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([1, 2], "int32"), ["a", "b"]),
    "a table": lambda: pyarrow.table({"a": ["b"]}),
    "10**11 nulls": lambda: given(raw("n", [], 10**11)),
    "2**59 nulls": lambda: given(raw("n", [], 2**59 - 1)),
    **{name: lambda make=make: given(make()) for name, (make, *_) in COLUMNS.items()},
    **{name: lambda make=make: given(make()) for name, make in STRANGE.items()},
}


def limit_memory(spare=SPARE):
    """What is in use, and that much more."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, used + spare))


def attempt(name, call):
    """Prints the name and what came of the call. Ends the process if that is neither a result nor an Exception."""
    print(name, end=": ", flush=True)
    try:
        result = call()
        print(type(result).__name__, flush=True)
    except (SystemError, NotImplementedError, AssertionError, UnboundLocalError):
        traceback.print_exc()
        sys.exit(f"{name}: a fault inside the package")
    except Exception as error:
        words = type(error).__name__
        try:
            words += f" {error}"
        except RuntimeError:
            pass
        print(words[:200].replace("\n", " ").encode("ascii", "replace").decode(), flush=True)
    except BaseException as error:
        traceback.print_exc()
        sys.exit(f"{name}: {type(error).__name__}")
