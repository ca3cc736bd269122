//! Options that no input uses, or that contradict each other.

use crate::support::{column, columns, error, memory, pairs, read_sources};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Delimiter, Format, Quotes, ReadOptions, encoding};

/// An option that has no effect is an error, and so are options that contradict each other.
#[test]
fn options_that_have_no_effect() {
    let none = ReadOptions::default;
    let tsv = ReadOptions { format: Some(Format::Tsv), ..none() };
    let cases: [(&str, ReadOptions, &str); 24] = [
        (
            "x.csv",
            ReadOptions { key_field: Some("id".into()), ..none() },
            "the option key_field has no effect: it is for jsonl, json or pickle",
        ),
        ("x.tsv", ReadOptions { value_field: Some("id".into()), ..none() }, "value_field"),
        (
            "x.jsonl",
            ReadOptions { header: Some(true), ..none() },
            "the option header has no effect: it is for tsv or csv",
        ),
        ("x.jsonl", columns("1", "2"), "key_column"),
        ("x.pkl", ReadOptions { value_columns: vec![column("2")], ..none() }, "value_column"),
        ("x.cdb", ReadOptions { escape: true, ..none() }, "escape"),
        (
            "x.cdb",
            ReadOptions { encoding: encoding("latin1"), ..none() },
            "it is for tsv, csv, jsonl, json or pickle",
        ),
        ("x.jsonl", ReadOptions { delimiter: Some(Delimiter::Blanks), ..none() }, "delimiter"),
        ("x.jsonl", ReadOptions { quotes: Some(Quotes::Off), ..none() }, "quotes"),
        ("x.jsonl", ReadOptions { comment: Some("#".into()), ..none() }, "comment"),
        ("x.jsonl", ReadOptions { skip_rows: 1, ..none() }, "skip_rows"),
        (
            "x.tsv",
            ReadOptions { pick: Some("0".into()), ..none() },
            "the option pick has no effect: it is for pickle",
        ),
        ("x.tsv", ReadOptions { json_keys: true, ..none() }, "declare them to be text, not json"),
        ("x.jsonl", ReadOptions { join: Some("/".into()), ..none() }, "join"),
        ("x.tsv", ReadOptions { join: Some("/".into()), ..none() }, "nothing to join"),
        (
            "x.csv",
            ReadOptions { header: Some(false), ..columns("id", "2") },
            "is a name, but there is no header",
        ),
        ("x.csv", ReadOptions { escape: true, ..none() }, "escapes are for text without quotes"),
        ("x.csv", ReadOptions { delimiter: Some(Delimiter::Blanks), ..none() }, "turn quotes off"),
        ("x.csv", columns("*", "2"), "can only be the value"),
        ("x.tsv", ReadOptions { key_columns: vec![column("2")], ..none() }, "name the value's column too"),
        (
            "x.tsv",
            ReadOptions { value_columns: vec![column("2"), column("3")], ..none() },
            "several columns make a JSON value",
        ),
        (
            "x.tsv",
            ReadOptions {
                key_type: KeyType::Int,
                key_columns: vec![column("2"), column("3")],
                ..columns("1", "1")
            },
            "make no integer",
        ),
        ("x.tsv", ReadOptions { value_type: ValueType::None, ..columns("1", "2") }, "so they have no column"),
        (
            "x.jsonl",
            ReadOptions { value_type: ValueType::None, value_field: Some("v".into()), ..none() },
            "so they have no field",
        ),
    ];
    for (name, options, wanted) in cases {
        let found = error(name, b"a\tb\n", &options);
        assert!(found.contains(wanted), "{name}: {found}");
    }
    // One input that takes the option is enough.
    let sources = [memory("a.tsv", b"a\tb\n"), memory("b.csv", b"k,v\nc,d\n")];
    assert!(read_sources(&sources, &ReadOptions { escape: true, ..none() }, 1).is_ok());
    assert!(pairs("x", b"a\\t\tb\n", &ReadOptions { escape: true, ..tsv }).is_ok());
}
