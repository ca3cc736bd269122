"""Writes cases of numpy and joblib to standard output. Once with numpy 1 and once with numpy 2 they make numpy_pickles.txt."""
import struct, tempfile, os, pickle, sys
import joblib
import numpy as np
sys.path.insert(0, os.path.dirname(__file__))
from pickle_cases import dumps, line

version = np.__version__.split(".")[0]
def joblib_dumps(x, p):
    path = os.path.join(tempfile.mkdtemp(), "x")
    joblib.dump(x, path, protocol=p)
    return open(path, "rb").read()
def case(name, x, wanted, options="", how=pickle.dumps, protocols=(0, 2, 3, 4, 5)):
    seen = set()
    for p in protocols:
        data = how(x, p)
        if data not in seen:
            print(line(f"numpy {version} {name} {p}", options, data, wanted))
        seen.add(data)
def f4(*n): return struct.pack(f"<{len(n)}f", *n)
def js(d): return {k: dumps(v) for k, v in d.items()}
A = lambda *n, t="f4": np.array(n, t)
numbers = {"a": np.int64(-3), "b": np.uint64(2**64 - 1), "c": np.bool_(True), "d": np.float32(0.1), "e": np.float16(2)}
case("scalars", numbers, js({k: v.item() for k, v in numbers.items()}), "values=json")
case("int keys", {np.int32(-3): "x", np.uint8(7): "y"}, {struct.pack("<q", -3): "x", struct.pack("<q", 7): "y"}, "keys=int")
case("one number", {"a": np.float32(0.1), "b": np.float64(3), "c": np.array(5.0)}, {"a": f4(0.1), "b": f4(3), "c": f4(5)}, "values=float32")
case("texts", {np.str_("aä€\U0001f600"): np.str_(""), "b": np.str_("x")}, {"aä€\U0001f600": "", "b": "x"})
case("bytes", {"a": np.bytes_(b"a\xff")}, {"a": b"a\xff"}, "values=bytes")
for t in "<f4", ">f4", "<f8", ">f8", "i1", "<i2", ">i8", "u1", "<f2":
    case("vector " + t, {"a": A(1, 2, 3, t=t), "b": A(4, 5, 6, t=t)}, {"a": f4(1, 2, 3), "b": f4(4, 5, 6)}, "values=float32[3]")
case("slice", {"a": A(1, 2, 3, 4)[::2]}, {"a": f4(1, 3)}, "values=float32[2]")
case("short", {"a": A(1, 2)}, "has 2 numbers instead of 3", "values=float32[3]")
case("floats for ints", {"a": A(1, 2)}, "no int16", "values=int16[2]")
case("too large", {"a": A(1, 1e300, t="f8")}, "which is no float32", "values=float32[2]")
case("vector for number", {"a": A(1)}, "is a numpy array of 1 numbers, not one number", "values=float32")
case("number for vector", {"a": np.array(1.0)}, "has 0 numbers instead of 1", "values=float32[1]")
same = A(1, 2)
arrays = {"a": same, "b": A(1, 2, t=">i2"), "c": np.array(["x", "yz"]), "d": np.array([True, False]), "e": A(t="f8"), "f": [same],
          "g": np.array(0.5), "h": same}
case("JSON", arrays, js({k: [same.tolist()] if k == "f" else v.tolist() for k, v in arrays.items()}), "values=json")
case("text", {"a": same}, "is a numpy array, not a string")
case("two dimensions", {"a": np.zeros((2, 2))}, js({"a": np.zeros((2, 2)).tolist()}), "values=json")
case("NaN", {"a": A(float("nan"))}, "NaN, a float that JSON does not have", "values=json")
case("objects", {"a": np.array([1, None], object)}, "is a numpy array of objects", "values=json")
case("dates", {"a": np.datetime64("2020-01-01")}, "has no numbers, texts or truth values", "values=json")
if version == "2":
    case("joblib", {"a": A(1, 2, 3), "b": A(4, 5, 6, t=">f4"), "c": same}, "has 2 numbers", "values=float32[3]", joblib_dumps, (2, 4))
    case("joblib JSON", {"a": A(1, 2, 3), "b": A(4, 5, t=">i4"), "c": "x", "d": same, "e": same}, js({"a": [1.0, 2.0, 3.0], "b": [4, 5], "c": "x", "d": [1.0, 2.0], "e": [1.0, 2.0]}), "values=json", joblib_dumps)
    case("joblib pick", ({"a": A(1)}, {"b": A(4)}, {"c": A(7)}), js({"b": [4.0]}), "values=json pick=1", joblib_dumps, (2, 4))
    case("joblib objects", {"a": np.array([1, None], object)}, "an array that joblib wrote holds something other", "values=json", joblib_dumps, (4,))
