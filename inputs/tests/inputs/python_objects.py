import collections, pickle, random, struct, sys
from pickle_cases import ALL, dumps, line

class D(dict): pass
class OD(collections.OrderedDict): pass
class DD(collections.defaultdict): pass
class L(list): pass
class Plain: pass
P = collections.namedtuple("P", "a b")
D.__module__ = OD.__module__ = DD.__module__ = L.__module__ = P.__module__ = Plain.__module__ = "__main__"

out = open("cases.txt", "w")
def case(name, x, wanted, options="", protocols=ALL, several=False):
    for p in protocols:
        data = b"".join(pickle.dumps(one, p) for one in x) if several else pickle.dumps(x, p)
        print(line(f"{name} {p}", options, data, wanted), file=out)

def js(d): return {k: dumps(v) for k, v in d.items()}

# Keys
case("ints", {1: "a", -5: "b", 2**40: "c"}, {struct.pack("<q", n): v for n, v in ((1, "a"), (-5, "b"), (2**40, "c"))}, "keys=int")
case("bool for int", {True: "a"}, "the key is a bool, not an integer", "keys=int")
case("int for text", {7: "a"}, "the key 7 is an int, not a string")
for k in 1.5, None, True, (1, "a"):
    case("other for text", {k: "a"}, ", not a string")
text = lambda key: key if isinstance(key, str) else dumps(key)
keys = [1, None, 1.5, "a", "\"", ("a", (2, None)), (), 10**30, False]
case("json keys", {k: "v" for k in keys}, {text(k): "v" for k in keys}, "json_keys")
case("json keys of sets", {frozenset([1]): "v"}, "a set, which JSON cannot hold", "json_keys")
# Containers
d = D(a="x", b="y"); d.attribute = {"c": "z"}
case("dict with attributes", d, {"a": "x", "b": "y"})
case("OrderedDict subclass", OD(a="x", b="y"), {"a": "x", "b": "y"})
case("defaultdict subclass", DD(Plain, a="x"), {"a": "x"})
case("UserDict", collections.UserDict(a="x", b="y"), {"a": "x", "b": "y"})
case("one pair", collections.UserDict(a="x"), {"a": "x"})
case("ChainMap", collections.ChainMap({"a": "x"}), "asks for collections.ChainMap: this reader runs nothing")
plain = Plain(); plain.a = "x"
case("object", plain, "asks for __main__.Plain: this reader runs nothing")
case("object as value", {"k": plain}, "holds an object of __main__.Plain", "values=json")
values = {"d": d, "l": L([1, 2]), "p": P(1, "x"), "q": collections.deque([1, 2], 5), "e": collections.deque(),
          "u": collections.UserDict(a=1), "c": collections.Counter("aab"), "o": OD(a=[1])}
plain_values = {"d": {"a": "x", "b": "y"}, "l": [1, 2], "p": [1, "x"], "q": [1, 2], "e": [], "u": {"a": 1},
                "c": {"a": 2, "b": 1}, "o": {"a": [1]}}
case("values", values, js(plain_values), "values=json")
case("bytearrays", {"a": bytearray(b"\0\xff"), "b": bytearray()}, {"a": b"\0\xff", "b": b""}, "values=bytes")
case("keys in values", {"a": {1: "x", None: 2, True and 5: 3, 1.5: 4, False: 5, -1e300: 6, 2**70: 7}},
     js({"a": {1: "x", None: 2, 5: 3, 1.5: 4, False: 5, -1e300: 6, 2**70: 7}}), "values=json")
case("set", {"a": {"x"}}, "is a set, not a string; as JSON it is or holds a set, which JSON cannot hold; make it a list")
case("set in a list", {"a": [{"x"}]}, "is a list, not a string; as JSON it is or holds a set, which JSON cannot hold")
# Records that are dicts, and pairs
rows = [{"w": "a", "n": "1", "x": [None]}, {"n": "2", "w": "b"}]
case("records", rows, {"a": "1", "b": "2"}, "key_field=w value_field=n")
case("no such field", rows, "this dict of the outermost list has no key \"key\"")
case("pairs one by one", [("a", "b"), ("c", "d")], {"a": "b", "c": "d"}, several=True)
case("pairs of JSON", [("a", ["b"]), ("c", {"x": 1})], js({"a": ["b"], "c": {"x": 1}}), "values=json", several=True)
case("two pairs", (("a", "b"), ("c", "d")), {"a": "b", "c": "d"})
case("dicts one by one", [{"a": "b"}, {"c": "d"}, {}], {"a": "b", "c": "d"}, several=True)
# One of several dicts
w = {f"w{i}": str(i) for i in range(2500)}
i = {v: k for k, v in w.items()}
for name, x in ("tuple", (w, i)), ("list", [w, i]), ("four", (w, i, {}, {"a": "b"})):
    case(name + " 0", x, w, "pick=0")
    case(name + " 1", x, i, "pick=1")
    case(name + " 9", x, "the pickle has no part \"9\" to pick", "pick=9")
case("two", (w, i), "the pickle is a tuple of 2 dicts, 0 to 1")
case("mixed", ("x", w, 5), "the pickle is a tuple that holds dicts: 1")
case("mixed 1", ("x", w, 5), w, "pick=1")
case("mixed 0", ("x", w, 5), "the picked part \"0\" is a str, not a dict", "pick=0")
both = {"w2i": w, "i2w": i, "n": 2}
case("named", both, w, "pick=w2i")
case("named 2", both, i, "pick=i2w")
case("classes", (D(w), OD(i), collections.Counter("aab")), i, "pick=1")
case("Counter", ({}, collections.Counter("aab")), js({"a": 2, "b": 1}), "pick=1 values=json")
case("several with picks", [(w, {}), ({"x": "y"}, w)], {**w, "x": "y"}, "pick=0", several=True)
# Python 2
old = b"}(U\x02k\xffS'\\xe4'\nU\x01aU\x01bu."
print(line("latin-1", "encoding=latin-1", old, {"k\xff": "\xe4", "a": "b"}), file=out)
print(line("no encoding", "", old, "is a Python 2 str that is not valid UTF-8"), file=out)
print(line("kept", "keys=bytes values=bytes encoding=latin-1", old, {b"k\xff": b"\xe4", "a": "b"}), file=out)
print(line("json", "values=json encoding=latin-1", old, js({"k\xff": "\xe4", "a": "b"})), file=out)
print(line("utf-8 that is latin-1", "encoding=latin-1", b"}U\x01kU\x02\xc3\xa4s.", {"k": "\xc3\xa4"}), file=out)
print(line("euc-jp", "encoding=euc-jp", b"}U\x01kU\x01\xffs.", "not valid EUC-JP"), file=out)

# Random values that Python itself makes JSON of.
def value(r, depth):
    n = lambda: range(r.choice([0, 1, 2, 3, 5]))
    kinds = [lambda: r.choice([None, True, False, "", "a", "ä\"\\\n", 0.1, -0.0, 1e300]), lambda: r.randrange(-2**70, 2**70),
             lambda: r.randrange(300), lambda: r.random()]
    if depth:
        inner = lambda: value(r, depth - 1)
        some_key = lambda: r.choice([r.randrange(9), "k", str(r.random()), None, r.random()])
        kinds += [lambda: [inner() for _ in n()], lambda: tuple(inner() for _ in n()), lambda: {some_key(): inner() for _ in n()},
                  lambda: D({some_key(): inner() for _ in range(1, 4)}), lambda: L([inner() for _ in range(2)]), lambda: P(inner(), inner()),
                  lambda: OD({some_key(): inner() for _ in range(1, 3)}), lambda: [inner()] * 3]
    return r.choice(kinds)()
for seed in range(400):
    r = random.Random(seed)
    x = {f"k{i}": value(r, 4) for i in range(r.choice([1, 2, 5]))}
    # Python checks the pickle.
    p = r.choice(ALL)
    assert repr(pickle.loads(pickle.dumps(x, p))) == repr(x)
    case(f"random {seed}", x, js(x), "values=json", [p])
    k = {f: "v" for f in (tuple(value(r, 0) for _ in range(2)) for _ in range(5))}
    case(f"random key {seed}", k, {dumps(f): "v" for f in k}, "json_keys", [p])
out.close()
