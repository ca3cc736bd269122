//! Integer keys, numbers, and keys without values: the same records in every format, and every refusal with its place.

use crate::support::{memory, pairs, read_sources};
use hashlith_format::{KeyType, int_key};
use hashlith_inputs::{OnError, ReadOptions};

fn typed(keys: KeyType, values: &str) -> ReadOptions {
    ReadOptions { key_type: keys, value_type: values.parse().unwrap(), ..ReadOptions::default() }
}

#[test]
fn every_format_gives_the_same_numbers() {
    let wanted: Vec<(Vec<u8>, Vec<u8>)> = [(7, [1.5f32, -2.0]), (i64::MIN, [0.0, 1e-3]), (-1, [3.0, 1e30])]
        .map(|(key, value)| (int_key(key).to_vec(), value.map(f32::to_le_bytes).concat()))
        .into();
    // What Python's pickle.dumps({7: [1.5, -2], -(2**63): (0, 0.001), -1: [3, 1e30]}, 4) gives.
    let pickle: &[u8] = b"\x80\x04\x95D\x00\x00\x00\x00\x00\x00\x00}\x94(K\x07]\x94(G?\xf8\x00\x00\x00\x00\x00\x00J\xfe\xff\xff\xffe\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80K\x00G?PbM\xd2\xf1\xa9\xfc\x86\x94J\xff\xff\xff\xff]\x94(K\x03GF)>Y9\xa0\x8c\xeaeu.";
    for (name, bytes) in [
        ("x.tsv", &b"7\t1.5 -2\n-9223372036854775808\t0,1e-3\n-1\t[3, 1e30]\n"[..]),
        ("x.csv", b"k,v\n7,\"1.5, -2\"\n-9223372036854775808,0 1e-3\n-1,\"[3,1e30]\"\n"),
        ("x.cdb", b"+1,6:7->1.5 -2\n+20,6:-9223372036854775808->0 1e-3\n+2,6:-1->3 1e30\n\n"),
        (
            "x.jsonl",
            b"[7, [1.5, -2]]\n{\"value\": [0,1e-3], \"key\": \"-9223372036854775808\"}\n[-1,[3,1e30]]\n",
        ),
        ("x.json", b"{\"7\": [1.5, -2], \"-9223372036854775808\": [0,1e-3], \"-1\": [3,1e30]}"),
        ("x.pkl", pickle),
    ] {
        assert_eq!(pairs(name, bytes, &typed(KeyType::Int, "float32[2]")), Ok(wanted.clone()), "{name}");
    }
}

#[test]
fn every_format_gives_keys_without_values() {
    for (name, bytes) in [
        ("x.tsv", &b"a\nb\tignored\nc\t\n"[..]),
        ("x.csv", b"k,v\na,\nb,ignored\nc,\n"),
        ("x.cdb", b"+1,0:a->\n+1,7:b->ignored\n+1,0:c->\n\n"),
        ("x.jsonl", b"\"a\"\n{\"key\": \"b\", \"value\": {}}\n[\"c\", null]\n"),
        ("x.json", b"{\"a\": 1, \"b\": {}, \"c\": null}"),
        ("x.pkl", b"(lp0\nVa\np1\na(Vb\np2\nI1\ntp3\naVc\np4\na."),
    ] {
        let read = pairs(name, bytes, &typed(KeyType::Text, "none")).unwrap();
        let wanted = ["a", "b", "c"].map(|key| (key.as_bytes().to_vec(), Vec::new()));
        assert_eq!(read, wanted, "{name}");
    }
    let ints = pairs("x.jsonl", b"1\n\"2\"\n{\"key\": 3}\n", &typed(KeyType::Int, "none")).unwrap();
    assert_eq!(ints, [1, 2, 3].map(|key| (int_key(key).to_vec(), Vec::new())));
    assert!(pairs("x.jsonl", b"1\n", &typed(KeyType::Text, "none")).unwrap_err().contains("integer `1`"));
    // An empty line is no key, and with values a line without one is no record.
    assert!(pairs("x.tsv", b"a\n\n", &typed(KeyType::Text, "none")).unwrap_err().contains("line 2"));
    assert!(pairs("x.jsonl", b"\"a\"\n", &typed(KeyType::Text, "text")).is_err());
}

#[test]
fn what_is_no_number_is_refused_with_its_place() {
    let int = |values| typed(KeyType::Int, values);
    for (name, bytes, options, what) in [
        ("x.tsv", &b"1\ta\nx\tb\n"[..], int("text"), "x.tsv, line 2: the key \"x\" is not an integer"),
        ("x.tsv", b"9223372036854775808\tb\n", int("text"), "outside of the integers of 64 bits"),
        ("x.csv", b"k,v\n1.0,b\n", int("text"), "the key \"1.0\" is not an integer"),
        ("x.jsonl", b"[1.0, \"b\"]\n", int("text"), "the key \"1.0\" is not an integer"),
        ("x.jsonl", b"[null, \"b\"]\n", int("text"), "the key \"null\" is not an integer"),
        ("x.cdb", b"+1,1:x->b\n\n", int("text"), "the key \"x\" is not an integer"),
        ("x.pkl", b"(dp0\nVa\np1\nVb\np2\ns.", int("text"), "the key \"a\" is a str, not an integer"),
        ("x.pkl", b"(dp0\nL9223372036854775808L\nVb\np2\ns.", int("text"), "outside of the integers"),
        ("x.tsv", b"1\t256\n", int("uint8"), "the value of key \"1\" holds \"256\", which is no uint8"),
        ("x.tsv", b"1\t\n", int("uint8"), "which is no uint8"),
        ("x.tsv", b"1\t1 2 3\n", int("uint8[2]"), "has 3 numbers instead of 2"),
        ("x.jsonl", b"[1, [1, [2]]]\n", int("uint8[2]"), "no uint8"),
        ("x.jsonl", b"[1, {\"a\": 1}]\n", int("uint8[1]"), "no uint8"),
        ("x.pkl", b"(dp0\nI5\nVb\np2\ns.", int("uint8"), "holds \"a str\", which is no uint8"),
        ("x.pkl", b"(dp0\nI5\nF1.5\ns.", int("uint8"), "which is no uint8"),
        ("x.pkl", b"(dp0\nI5\nI01\ns.", int("uint8"), "a bool"),
        ("x.pkl", b"(dp0\nI5\nI7\ns.", int("uint8[1]"), "is an int, not a list of 1 numbers"),
    ] {
        let message = pairs(name, bytes, &options).unwrap_err();
        assert!(message.contains(what), "{name} {}: {message}", bytes.escape_ascii());
        // Such a row may be left out, and is counted.
        let skip = ReadOptions { on_error: OnError::Skip { max_errors: None }, ..options };
        let (summary, _) = read_sources(&[memory(name, bytes)], &skip, 1).unwrap();
        assert_eq!(summary.skipped, 1);
    }
}
