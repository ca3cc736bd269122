//! TSV: the first TAB ends the key, the rest of the line is the value as it stands.

use crate::support::{error, failure, pairs, text};
use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::ReadOptions;

#[test]
fn fields_are_taken_as_they_stand() {
    let options = ReadOptions::default();
    let table: [(&str, &[(&str, &str)]); 8] = [
        ("", &[]),
        ("a\tb\n", &[("a", "b")]),
        ("a\tb", &[("a", "b")]),
        ("a\tb\tc\n\t\n", &[("a", "b\tc"), ("", "")]),
        ("a\tb\r\nc\td\re\r\r\n", &[("a", "b"), ("c", "d\re\r")]),
        ("\"a\"\t'b'\n", &[("\"a\"", "'b'")]),
        ("a\\tb\tc\\n\n", &[("a\\tb", "c\\n")]),
        ("ä\t\u{feff}€\n", &[("ä", "\u{feff}€")]),
    ];
    for (input, wanted) in table {
        assert_eq!(pairs("x.tsv", input.as_bytes(), &options).unwrap(), text(wanted), "{input:?}");
    }
}

#[test]
fn bad_lines_are_named() {
    let options = ReadOptions::default();
    let no_tab = error("words.tsv", b"a\tb\nno tab here\nc\td\n", &options);
    assert!(
        no_tab.starts_with("words.tsv, line 2: ") && no_tab.contains("\"no tab here\" has no TAB"),
        "{no_tab}"
    );
    let empty = error("words.tsv", b"a\tb\n\n", &options);
    assert!(empty.starts_with("words.tsv, line 2: ") && empty.contains("empty"), "{empty}");
    let key = failure("words.tsv", b"a\tb\n\xff\tb\n", &options);
    assert_eq!(key.to_string(), "words.tsv, line 2: the key is not valid UTF-8");
    assert_eq!(key.advice(), Some(Advice::EncodingOrBytes));
    let value = failure("words.tsv", b"a\tb\nc\t\xff\n", &options);
    assert_eq!(value.to_string(), "words.tsv, line 2: the value of key \"c\" is not valid UTF-8");
    assert_eq!(value.advice(), Some(Advice::EncodingOrBytes));
    let long = error("words.tsv", &b"x".repeat(5000), &options);
    assert!(long.len() < 300, "{long}");
}

#[test]
fn bytes_are_kept_when_asked_for() {
    let options =
        ReadOptions { key_type: KeyType::Bytes, value_type: ValueType::Bytes, ..ReadOptions::default() };
    let found = pairs("x.tsv", b"\xff\0\t\xfe\0\n", &options).unwrap();
    assert_eq!(found, [(b"\xff\0".to_vec(), b"\xfe\0".to_vec())]);
    let options = ReadOptions { value_type: ValueType::Bytes, ..ReadOptions::default() };
    assert!(error("x.tsv", b"\xff\t\xfe\n", &options).contains("the key is not valid UTF-8"));
}

#[test]
fn escapes_are_decoded_when_asked_for() {
    let options = ReadOptions { escape: true, ..ReadOptions::default() };
    let found = pairs("x.tsv", br"a\tb	c\nd\\e\r", &options).unwrap();
    assert_eq!(found, text(&[("a\tb", "c\nd\\e\r")]));
    let bad = error("x.tsv", b"k\tv\nk\tv\\x\n", &options);
    assert!(bad.contains("line 2: the value of key \"k\" has an unknown escape \\x at byte 1"), "{bad}");
    assert!(error("x.tsv", b"k\\\tv\n", &options).contains("the key has an unknown escape"));
}

#[test]
fn json_values_are_checked_and_stored_as_they_stand() {
    let options = ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() };
    let found = pairs("x.tsv", b"a\t {\"x\": [1, 2.50]} \nb\tnull\n", &options).unwrap();
    assert_eq!(found, text(&[("a", " {\"x\": [1, 2.50]} "), ("b", "null")]));
    let bad = error("x.tsv", b"a\t{\"x\"}\n", &options);
    assert!(bad.contains("line 1: the value of key \"a\" is not valid JSON"), "{bad}");
}

#[test]
fn json_values_that_are_not_utf8_are_bad() {
    let options = ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() };
    let bad = error("x.tsv", b"a\t\"\xff\"\n", &options);
    assert!(bad.contains("line 1: the value of key \"a\" is not valid UTF-8"), "{bad}");
}
