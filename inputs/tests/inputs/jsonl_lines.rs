//! JSON lines: objects with two fields, or arrays of two elements.

use crate::support::{error, failure, pairs, text};
use hashlith_feedback::Advice;
use hashlith_format::ValueType;
use hashlith_inputs::ReadOptions;

#[test]
fn objects_and_arrays() {
    let input = "{\"key\": \"a\", \"value\": \"b\"}\n[\"c\", \"d\"]\n\n  \r\n\
                 {\"value\": \"\\u00e4\\n\\ud83d\\ude00\", \"other\": [1, {\"key\": 2}], \"key\": \"\\\"\"}\r\n[\"\",\"\"]";
    let wanted = text(&[("a", "b"), ("c", "d"), ("\"", "ä\n😀"), ("", "")]);
    assert_eq!(pairs("x.jsonl", input.as_bytes(), &ReadOptions::default()).unwrap(), wanted);
    let bom = [b"\xef\xbb\xbf", input.as_bytes()].concat();
    assert_eq!(pairs("x.ndjson", &bom, &ReadOptions::default()).unwrap(), wanted);
}

#[test]
fn other_field_names() {
    let options = ReadOptions {
        key_field: Some("k\"".into()),
        value_field: Some("v".into()),
        ..ReadOptions::default()
    };
    let found = pairs("x.jsonl", b"{\"k\\\"\": \"a\", \"v\": \"b\", \"key\": 1}\n", &options).unwrap();
    assert_eq!(found, text(&[("a", "b")]));
    let missing = error("x.jsonl", b"{\"key\": \"a\", \"value\": \"b\"}\n", &options);
    assert!(missing.contains("the field \"k\\\"\" is missing"), "{missing}");
}

#[test]
fn json_values_are_stored_as_they_stand() {
    let options = ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() };
    let input = b"{\"key\": \"a\", \"value\":  {\"x\" : [1, 2.50]} }\n[\"b\", \"s\\u00e4\"]\n[\"c\",null]\n[\"d\", 1e999]\n";
    let wanted = [("a", "{\"x\" : [1, 2.50]}"), ("b", "\"s\\u00e4\""), ("c", "null"), ("d", "1e999")];
    assert_eq!(pairs("x.jsonl", input, &options).unwrap(), text(&wanted));
    let deep = format!("[\"k\", {}1{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(pairs("x.jsonl", deep.as_bytes(), &options).unwrap().len(), 1, "depth needs no stack");
}

#[test]
fn keys_may_be_any_json() {
    let options = ReadOptions { json_keys: true, ..ReadOptions::default() };
    let lines = b"{\"key\": 7, \"value\": \"a\"}\n[[\"b\", 1.50, null], \"c\"]\n{\"value\": \"d\", \"key\": \"e\"}\n[true, \"f\"]\n";
    let wanted = text(&[("7", "a"), ("[\"b\",1.5,null]", "c"), ("e", "d"), ("true", "f")]);
    assert_eq!(pairs("x.jsonl", lines, &options).unwrap(), wanted);
    let document = b"[{\"key\": 7, \"value\": \"a\"}, [\"b\", \"c\"]]";
    assert_eq!(pairs("x.json", document, &options).unwrap(), text(&[("7", "a"), ("b", "c")]));
    assert_eq!(pairs("x.json", b"{\"7\": \"a\"}", &options).unwrap(), text(&[("7", "a")]));
    let only_keys = ReadOptions { value_type: ValueType::None, ..options.clone() };
    let found = pairs("x.jsonl", b"7\n\"a\"\n null \n1e2\n[[1]]\n", &only_keys).unwrap();
    assert_eq!(found, text(&[("7", ""), ("a", ""), ("null", ""), ("100.0", ""), ("[1]", "")]));
    let bad = error("x.jsonl", b"[[1e999], \"a\"]", &options);
    assert_eq!(bad, "x.jsonl, line 1: the key is or holds 1e999, which is too large for a float");
    let bad = error("x.jsonl", b"[[\"\\ud800\"], \"a\"]", &options);
    assert!(bad.contains("half of a surrogate pair"), "{bad}");
}

#[test]
fn bad_lines_are_named() {
    let table = [
        ("{\"key\": \"a\"}", "the field \"value\" is missing"),
        ("{\"value\": \"a\"}", "the field \"key\" is missing"),
        ("{\"key\": \"a\", \"value\": \"b\", \"key\": \"c\"}", "the field \"key\" occurs twice"),
        ("{\"key\": \"a\", \"value\": \"b\", \"value\": \"c\"}", "the field \"value\" occurs twice"),
        ("{\"key\": 1, \"value\": \"b\"}", "the key is an integer, not a string"),
        ("{\"key\": null, \"value\": \"b\"}", "the key is null, not a string"),
        ("{\"key\": \"a\", \"value\": 1}", "the value is an integer, not a string"),
        ("{\"key\": \"a\", \"value\": [1]}", "the value is an array, not a string"),
        ("{\"key\": \"a\", \"value\": {}}", "the value is an object, not a string"),
        ("[\"a\"]", "exactly two elements"),
        ("[]", "exactly two elements"),
        ("[\"a\", \"b\", \"c\"]", "exactly two elements"),
        ("[\"a\", true]", "the value is true or false"),
        ("\"a\"", "expected an object with the fields"),
        ("{\"key\": \"a\", \"value\": \"b\"", "not valid JSON"),
        ("{\"key\": \"a\", \"value\": \"b\"} x", "not valid JSON (trailing characters at column 28)"),
        ("{\"key\": \"\\ud800\", \"value\": \"b\"}", "half of a surrogate pair"),
        ("{\"key\": \"a\", \"value\": \"\\udc00 \"}", "half of a surrogate pair"),
        ("{\"key\": \"a\", \"value\": \"x\ty\"}", "not valid JSON"),
    ];
    for (line, wanted) in table {
        let input = format!("[\"good\", \"line\"]\n{line}\n");
        let found = error("x.jsonl", input.as_bytes(), &ReadOptions::default());
        assert!(found.starts_with("x.jsonl, line 2: ") && found.contains(wanted), "{line}: {found}");
    }
    let advice = |line: &[u8]| failure("x.jsonl", line, &ReadOptions::default()).advice();
    assert_eq!(advice(b"{\"key\": \"a\"}"), Some(Advice::Fields));
    assert_eq!(advice(b"{\"key\": \"a\", \"value\": 1}"), Some(Advice::JsonValues));
    assert_eq!(advice(b"[\"a\", null]"), Some(Advice::JsonValues));
    assert_eq!(advice(b"[1, \"a\"]"), Some(Advice::IntKeys));
    assert_eq!(advice(b"[1.5, \"a\"]"), None, "a key must be a string");
    assert_eq!(advice(b"[\"a\""), None);
    let found = error("x.jsonl", b"[\"\xff\", \"b\"]\n", &ReadOptions::default());
    assert!(found.starts_with("x.jsonl, line 1: a string is not valid UTF-8"), "{found}");
}
