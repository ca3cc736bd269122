//! TSV: the first TAB ends the key, the rest of the line is the value as it stands.

#![allow(clippy::unwrap_used, reason = "tests may unwrap, in their helper functions too")]

mod support;

use hashlith_inputs::{KeyKind, Options, ValueKind};
use support::{error, pairs, text};

#[test]
fn fields_are_taken_as_they_stand() {
    let options = Options::default();
    let table: [(&str, &[(&str, &str)]); 8] = [
        ("", &[]),
        ("a\tb\n", &[("a", "b")]),
        ("a\tb", &[("a", "b")]),
        ("a\tb\tc\n\t\n", &[("a", "b\tc"), ("", "")]),
        ("a\tb\r\nc\td\r\n", &[("a", "b\r"), ("c", "d\r")]),
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
    let options = Options::default();
    let no_tab = error("words.tsv", b"a\tb\nno tab here\nc\td\n", &options);
    assert!(
        no_tab.starts_with("words.tsv, line 2: ") && no_tab.contains("\"no tab here\" has no TAB"),
        "{no_tab}"
    );
    let empty = error("words.tsv", b"a\tb\n\n", &options);
    assert!(empty.starts_with("words.tsv, line 2: ") && empty.contains("empty"), "{empty}");
    let key = error("words.tsv", b"a\tb\n\xff\tb\n", &options);
    assert!(key.starts_with("words.tsv, line 2: ") && key.contains("--keys bytes --values bytes"), "{key}");
    let value = error("words.tsv", b"a\tb\nc\t\xff\n", &options);
    assert!(value.contains("line 2: the value of key \"c\"") && value.contains("--values bytes"), "{value}");
    let long = error("words.tsv", &b"x".repeat(5000), &options);
    assert!(long.len() < 300, "{long}");
}

#[test]
fn bytes_are_kept_when_asked_for() {
    let options = Options { keys: KeyKind::Bytes, values: ValueKind::Bytes, ..Options::default() };
    let found = pairs("x.tsv", b"\xff\0\t\xfe\0\n", &options).unwrap();
    assert_eq!(found, [(b"\xff\0".to_vec(), b"\xfe\0".to_vec())]);
    let options = Options { values: ValueKind::Bytes, ..Options::default() };
    assert!(error("x.tsv", b"\xff\t\xfe\n", &options).contains("the key is not valid UTF-8"));
}

#[test]
fn escapes_are_undone_when_asked_for() {
    let options = Options { escape: true, ..Options::default() };
    let found = pairs("x.tsv", br"a\tb	c\nd\\e\r", &options).unwrap();
    assert_eq!(found, text(&[("a\tb", "c\nd\\e\r")]));
    let bad = error("x.tsv", b"k\tv\nk\tv\\x\n", &options);
    assert!(bad.contains("line 2: the value of key \"k\" has an unknown escape \\x at byte 1"), "{bad}");
    assert!(error("x.tsv", b"k\\\tv\n", &options).contains("the key has an unknown escape"));
}

#[test]
fn json_values_are_checked_and_stored_as_they_stand() {
    let options = Options { values: ValueKind::Json, ..Options::default() };
    let found = pairs("x.tsv", b"a\t {\"x\": [1, 2.50]} \nb\tnull\n", &options).unwrap();
    assert_eq!(found, text(&[("a", " {\"x\": [1, 2.50]} "), ("b", "null")]));
    let bad = error("x.tsv", b"a\t{\"x\"}\n", &options);
    assert!(bad.contains("line 1: the value of key \"a\" is not valid JSON"), "{bad}");
}

#[test]
fn json_values_that_are_not_utf8_are_bad() {
    let options = Options { values: ValueKind::Json, ..Options::default() };
    let bad = error("x.tsv", b"a\t\"\xff\"\n", &options);
    assert!(bad.contains("line 1: the value of key \"a\" is not valid UTF-8"), "{bad}");
}
