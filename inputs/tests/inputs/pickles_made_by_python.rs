//! Everything CPython makes of a dict or of pairs, in all protocols, by its C and its Python pickler, compared with a model
//! that Python writes next to each pickle.

use std::fs;

use crate::support::{files, python, read_sources, unhex};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{ReadOptions, Source};

/// Writes NAME.pkl and NAME.model: a line of options, then lines of hexadecimal key and value.
const PROGRAM: &str = r#"
import collections, io, json, pickle, pickletools, random

def stored(x, kind):
    if kind == "json":
        return json.dumps(x, separators=(",", ":"), ensure_ascii=False).encode()
    return x.encode("utf-8", "surrogatepass") if isinstance(x, str) else bytes(x)

def write(name, objects, model, keys="text", values="text", makers=("c",)):
    for protocol in range(6):
        for maker in makers:
            data = b""
            for o in objects:
                if maker == "c":
                    data += pickle.dumps(o, protocol)
                elif maker == "py":
                    data += pickle._dumps(o, protocol)
                else:
                    data += pickletools.optimize(pickle.dumps(o, protocol))
            base = f"{name}-{protocol}-{maker}"
            with open(base + ".pkl", "wb") as f:
                f.write(data)
            with open(base + ".model", "w") as f:
                f.write(f"{keys} {values}\n")
                for k, v in model:
                    f.write(stored(k, keys).hex() + "\t" + stored(v, values).hex() + "\n")

def forms(name, d, **kinds):
    items = list(d.items())
    write(name + "-dict", [d], items, **kinds)
    write(name + "-ordered", [collections.OrderedDict(d)], items, **kinds)
    for n, factory in enumerate([None, int, list, str, dict, set, float]):
        if n < 2 or len(d) < 5:
            write(f"{name}-default{n}", [collections.defaultdict(factory, d)], items, **kinds)
    write(name + "-pairs", [items], items, **kinds)
    write(name + "-lists", [[list(i) for i in items]], items, **kinds)
    write(name + "-tuple", [tuple(items)], items, **kinds)
    write(name + "-several", [d, items, collections.OrderedDict(d), {}], items * 3, **kinds)

every = ("c", "py", "opt")
words = {f"key{i}": f"value {i}" for i in range(1050)}
forms("words", words)
for n in range(6):
    forms(f"few{n}", {f"k{i}": f"v{i}" for i in range(n)}, makers=every)
odd = ["", "a", "'", '"', "\\", "\\u0041", "\\\\x", "\n", "\r\n", "\t", "\0", "\x1a", "\x7f", "ä", "\xff", "ſ", "€",
       "\U0001f600", "x" * 255, "x" * 256, "ü" * 128, "y" * 65535, "z" * 70000, "it's \"both\"", "\u2028", "\\"*7 + "u12"]
forms("odd", {k: odd[-i] for i, k in enumerate(odd)}, makers=every)
shared = ["one", "two", "".join(["th", "ree"]), "", "x"]
forms("repeats", {f"r{i}": shared[i % 5] for i in range(1050)}, makers=every)
forms("keys-as-values", {shared[i]: shared[i - 1] for i in range(5)}, makers=every)
r = random.Random(1)
many = [f"value {i}" * 3 for i in range(5000)]
far = {f"f{i}": r.choice(many) for i in range(20000)}
write("far", [far], list(far.items()))
forms("surrogates", {"a\ud800b": "\udfff", "\ud83d\ude00": "z"}, keys="bytes", values="bytes", makers=every)
raw = {b"": b"", b"a": b"\0\xff", bytes(range(256)): b"b" * 300, b"'": b"c" * 70000, b"aa": b"a"}
same = b"same object"
raw.update({b"k%d" % i: same for i in range(600)})
raw.update({b"l%d" % i: b"%d" % i for i in range(600)})
forms("bytes", raw, keys="bytes", values="bytes", makers=every)
forms("text-as-bytes", words | {"ä": "ö"}, keys="bytes", values="bytes")

inner = ["shared", [1, 2]]
values = [None, True, False, 0, 1, 255, 256, 65535, 65536, -1, 2**31 - 1, -2**31, 2**31, 2**63, -2**63, 2**64, -2**200,
          10**4000, 0.0, -0.0, 1.5, 1e16, 1e-5, 1e300, 5e-324, 0.1, 123456789.125, "text \"q\" \\ \n \x01 \x7f ä €", "",
          [], {}, (), [1], (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {"a": {"b": [None, {"c": ()}]}}, [[[[]]]], inner,
          [inner, inner], {"x": inner}, collections.OrderedDict(b=1, a=2), collections.Counter("abca"),
          collections.defaultdict(list, {"k": ["v"]}), list(range(1050)), {str(i): i for i in range(1050)},
          ["s"] * 10, [("p", 1), ("q", 2)]]
forms("json", {f"j{i}": v for i, v in enumerate(values)}, values="json", makers=every)
forms("json-many", {f"m{i}": values[i % len(values)] for i in range(1100) if isinstance(values[i % len(values)], (list, dict, float)) and len(str(values[i % len(values)])) < 1000}, values="json")
for n, c in enumerate([{}, {"a": 3, "b": 1}, {f"c{i}": i * i for i in range(1100)}]):
    write(f"counter{n}", [collections.Counter(c)], list(c.items()), values="json")
big = {"a" * 100000 + str(i): "b" * 300000 + str(i) for i in range(12)}
write("big", [big, list(big.items())], list(big.items()) * 2)

# One Pickler without a memo, and with a memo cleared now and then.
for protocol in range(6):
    for fast in False, True:
        out = io.BytesIO()
        p = pickle.Pickler(out, protocol)
        p.fast = fast
        for part in range(3):
            p.dump({f"{part}-{i}": "v" for i in range(1500)})
            p.clear_memo()
        base = f"pickler-{protocol}-{fast}"
        open(base + ".pkl", "wb").write(out.getvalue())
        with open(base + ".model", "w") as f:
            f.write("text text\n")
            for part in range(3):
                for i in range(1500):
                    f.write(f"{part}-{i}".encode().hex() + "\t" + b"v".hex() + "\n")
"#;

#[test]
fn all_containers_in_all_protocols() {
    let directory = tempfile::tempdir().unwrap();
    python(PROGRAM, directory.path());
    let pickles = files(directory.path(), "pkl");
    assert!(pickles.len() > 1000, "{} pickles", pickles.len());
    for path in pickles {
        let model = fs::read_to_string(path.with_extension("model")).unwrap();
        let mut lines = model.lines();
        let (key_type, value_type) = lines.next().unwrap().split_once(' ').unwrap();
        let (key_type, value_type): (KeyType, ValueType) =
            (key_type.parse().unwrap(), value_type.parse().unwrap());
        let wanted: Vec<(Vec<u8>, Vec<u8>)> =
            lines.map(|line| line.split_once('\t').unwrap()).map(|(k, v)| (unhex(k), unhex(v))).collect();
        for block_bytes in [1 << 20, 300] {
            let options = ReadOptions { key_type, value_type, block_bytes, ..ReadOptions::default() };
            let (summary, records) = read_sources(&[Source::Path(path.clone())], &options, 1)
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(summary.bytes, fs::metadata(&path).unwrap().len());
            let found: Vec<_> = records.into_iter().map(|r| (r.key, r.value)).collect();
            let place = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
            if let Some(at) = place {
                let show = |(k, v): &(Vec<u8>, Vec<u8>)| {
                    format!("{:.80?} {:.80?}", String::from_utf8_lossy(k), String::from_utf8_lossy(v))
                };
                panic!("{path:?}, record {at}: {} instead of {}", show(&found[at]), show(&wanted[at]));
            }
            assert_eq!(found.len(), wanted.len(), "{path:?}");
        }
    }
}
