//! SQLite databases, made by SQLite itself.

use std::convert::Infallible;
use std::fs;
use std::panic::catch_unwind;

use hashlith_feedback::{Advice, Progress};
use hashlith_format::{KeyType, ValueType, int_key};
use hashlith_inputs::{Column, Error, OnError, ReadOptions, Sink, Source, read};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Pairs, checked, column, read_sources};

fn failure(source: &Source, options: &ReadOptions) -> Error {
    read_sources(std::slice::from_ref(source), options, 1).unwrap_err()
}

/// A database made by these statements.
fn database(dir: &TempDir, statements: &str) -> Source {
    let path = dir.path().join("x.sqlite");
    let _ = fs::remove_file(&path);
    Connection::open(&path).unwrap().execute_batch(statements).unwrap();
    Source::Path(path)
}

const PEOPLE: &str = "CREATE TABLE people (id TEXT, n INTEGER, half REAL, raw BLOB, anything);
    INSERT INTO people VALUES ('a', 1, 0.5, x'00ff', 'x'), ('ß', -9223372036854775808, 1e300, x'', 7), ('', 0, 2, x'61', NULL)";

fn answers(source: &Source, options: &ReadOptions) -> Pairs {
    let one = |source: &Source| {
        let (summary, records) = read_sources(std::slice::from_ref(source), options, 2).unwrap();
        assert_eq!(Some(summary.bytes), source.size());
        assert!(records.iter().zip(0..).all(|(record, row)| record.position == row || summary.skipped > 0));
        records.into_iter().map(|record| (record.key, record.value)).collect::<Pairs>()
    };
    let Source::Path(path) = source else { panic!("a file") };
    let found = one(source);
    let bytes = fs::read(path).unwrap().into();
    assert_eq!(found, one(&Source::Memory { name: "x.db".into(), bytes }), "the same from memory");
    found
}

fn names(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| column(name)).collect()
}

fn options(key: &[&str], value: &[&str], values: &str) -> ReadOptions {
    let value_type: ValueType = values.parse().unwrap();
    ReadOptions { key_columns: names(key), value_columns: names(value), value_type, ..ReadOptions::default() }
}

#[test]
fn rows_of_the_only_table() {
    let dir = TempDir::new().unwrap();
    let people = database(&dir, PEOPLE);
    let pairs = |records: &[(&str, &[u8])]| -> Pairs {
        records.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.to_vec())).collect()
    };
    let ints = [1i64, i64::MIN, 0];
    let wanted: Pairs = ["a", "ß", ""]
        .iter()
        .zip(ints)
        .map(|(key, n)| (key.as_bytes().to_vec(), n.to_le_bytes().to_vec()))
        .collect();
    assert_eq!(answers(&people, &options(&[], &[], "int64")), wanted);
    assert_eq!(
        answers(&people, &options(&["id"], &["raw"], "bytes")),
        pairs(&[("a", b"\0\xff"), ("ß", b""), ("", b"a")])
    );
    assert_eq!(
        answers(&people, &options(&["id"], &["anything"], "json")),
        pairs(&[("a", b"\"x\""), ("ß", b"7"), ("", b"null")])
    );
    assert_eq!(
        answers(&people, &options(&["id"], &["n", "half", "anything"], "json")),
        pairs(&[
            ("a", br#"{"n":1,"half":0.5,"anything":"x"}"#),
            ("ß", br#"{"n":-9223372036854775808,"half":1e+300,"anything":7}"#),
            ("", br#"{"n":0,"half":2.0,"anything":null}"#),
        ])
    );
    let joined = ReadOptions { join: Some("|".into()), ..options(&["n", "id"], &["half"], "float64") };
    assert_eq!(answers(&people, &joined)[0], (b"1|a".to_vec(), 0.5f64.to_le_bytes().to_vec()));
    let several = options(&["n", "id"], &["half"], "float64");
    assert_eq!(answers(&people, &several)[2].0, br#"[0,""]"#);
    let none = options(&["id"], &[], "none");
    assert_eq!(answers(&people, &none), pairs(&[("a", b""), ("ß", b""), ("", b"")]));
    let by_number = ReadOptions { key_type: KeyType::Int, ..options(&["2"], &["1"], "text") };
    assert_eq!(answers(&people, &by_number)[1], (int_key(i64::MIN).to_vec(), "ß".as_bytes().to_vec()));
}

#[test]
fn rows_of_a_query() {
    let dir = TempDir::new().unwrap();
    let source = database(
        &dir,
        "CREATE TABLE a (k, v); CREATE TABLE b (k, v); CREATE VIEW c AS SELECT k, v FROM b;
         INSERT INTO a VALUES (1, 'one'), ('007', 'seven'); INSERT INTO b VALUES (2, '1 2'), (3, x'0000803f00000040')",
    );
    let with = |query: &str, values: &str| ReadOptions {
        query: Some(query.into()),
        key_type: KeyType::Int,
        ..options(&[], &[], values)
    };
    let found = answers(&source, &with("SELECT k, v FROM a ORDER BY v DESC; -- done", "text"));
    assert_eq!(found, [(int_key(7).to_vec(), b"seven".to_vec()), (int_key(1).to_vec(), b"one".to_vec())]);
    let found = answers(&source, &with("SELECT * FROM c", "float32[2]"));
    let vector = [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    assert_eq!(found, [(int_key(2).to_vec(), vector.clone()), (int_key(3).to_vec(), vector)]);
}

#[test]
fn keys_of_any_type_as_json() {
    let dir = TempDir::new().unwrap();
    let source =
        database(&dir, "CREATE TABLE x (k, v); INSERT INTO x VALUES (1.50, 'a'), (-7, 'b'), ('\"7\"', 'c')");
    let found = answers(&source, &ReadOptions { json_keys: true, ..ReadOptions::default() });
    assert_eq!(found.iter().map(|(key, _)| &key[..]).collect::<Vec<_>>(), [&b"1.5"[..], b"-7", b"\"7\""]);
}

#[test]
fn what_is_no_record_is_a_bad_row() {
    let dir = TempDir::new().unwrap();
    let source = database(
        &dir,
        "CREATE TABLE x (k, v); INSERT INTO x VALUES ('a', 'b'), (NULL, 'c'), (1, 'd'), (x'61', 'e'), ('f', NULL), ('g', 1),
         ('h', x'ff'), ('i', 0.5), ('j', CAST(x'ff' AS TEXT)), ('k', 'l')",
    );
    let skip = ReadOptions { on_error: OnError::Skip { max_errors: None }, ..options(&[], &[], "text") };
    let (summary, records) = read_sources(std::slice::from_ref(&source), &skip, 1).unwrap();
    assert_eq!(records.iter().map(|record| &record.key[..]).collect::<Vec<_>>(), [b"a", b"k"]);
    let skipped: Vec<_> =
        summary.first_skipped.iter().map(|row| (row.location.row.unwrap(), &*row.what)).collect();
    assert_eq!(
        skipped,
        [
            (2, "the key is null: leave such rows out, or fill them"),
            (3, "the key is an integer, not text"),
            (4, "the key is a blob, not text"),
            (5, "the value of key \"f\" is null: leave such rows out, or fill them"),
            (6, "the value of key \"g\" is an integer, not text"),
            (7, "the value of key \"h\" is a blob, not text"),
            (8, "the value of key \"i\" is a float, not text"),
            (9, "the value of key \"j\" is not valid UTF-8"),
        ]
    );
    let advice: Vec<_> = summary.first_skipped.iter().map(|row| row.advice).collect();
    let bytes = Some(Advice::Bytes);
    assert_eq!(advice[1..3], [Some(Advice::IntOrJsonKeys), Some(Advice::BytesKeys)]);
    assert_eq!(
        advice[4..],
        [Some(Advice::JsonValues), Some(Advice::BytesValues), Some(Advice::JsonValues), bytes]
    );
}

#[test]
fn what_cannot_be_read_is_explained() {
    let dir = TempDir::new().unwrap();
    let fails = |source: &Source, options: &ReadOptions| {
        failure(source, options).to_string().replace(&source.name(), "x")
    };
    let query = |query: &str| ReadOptions { query: Some(query.into()), ..ReadOptions::default() };
    let people = database(&dir, PEOPLE);
    for (options, what) in [
        (query("SELEC"), "x: the query cannot be run: near \"SELEC\": syntax error"),
        (query("SELECT id FROM nobody"), "x: the query cannot be run: no such table: nobody"),
        (query(" -- nothing"), "x: the query is empty"),
        (query("SELECT 1, 2; SELECT 3, 4"), "x: the query is more than one statement"),
        (
            query("SELECT id, n FROM people WHERE id = ?"),
            "x: the query has a parameter: write the value in its place",
        ),
        (query("DELETE FROM people"), "x: the query gives no rows: it must be a SELECT"),
        (query("DELETE FROM people RETURNING id, n"), "x: the query would write: it must be a SELECT"),
        (query("SELECT id FROM people"), "x: there is no column 2; the columns are: \"id\""),
        (
            options(&["id"], &["name"], "text"),
            "x: there is no column \"name\"; the columns are: \"id\", \"n\", \"half\", \"raw\", \"anything\"",
        ),
        (
            ReadOptions { header: Some(true), ..ReadOptions::default() },
            "the option header has no effect: it is for tsv or csv, and no input is that",
        ),
    ] {
        assert_eq!(fails(&people, &options), what);
    }
    let two = database(&dir, "CREATE TABLE a (k, v); CREATE TABLE \"b\"\"c\" (k, v)");
    let found = failure(&two, &ReadOptions::default());
    assert_eq!(found.advice(), Some(Advice::Query));
    assert!(found.to_string().ends_with("the database has several tables: \"a\", \"b\\\"c\""), "{found}");
    let empty = database(&dir, "");
    assert_eq!(fails(&empty, &ReadOptions::default()), "x: the database has no table");
    let long =
        database(&dir, "CREATE TABLE x (k, v); INSERT INTO x VALUES ('a', 'b'), ('c', zeroblob(100000))");
    let short = ReadOptions { max_record_bytes: 50_000, ..ReadOptions::default() };
    let found = failure(&long, &short);
    assert_eq!(found.advice(), Some(Advice::MoreMemory));
    assert!(found.to_string().contains("a row is longer than 50000 bytes"), "{found}");
    let text = dir.path().join("text.db");
    fs::write(&text, "key\tvalue\n".repeat(1000)).unwrap();
    assert!(fails(&Source::Path(text), &ReadOptions::default()).starts_with("x: this is no SQLite database"));
    let stdin = ReadOptions { format: Some(hashlith_inputs::Format::Sqlite), ..ReadOptions::default() };
    assert!(matches!(
        hashlith_inputs::Sources::new(vec![Source::Stdin], &stdin),
        Err(Error::NeedsFile { .. })
    ));
}

/// Panics at the first record.
struct Panics;

impl Sink for Panics {
    type Error = Infallible;

    fn record(&mut self, _: u32, _: u64, _: &[u8], _: &[u8]) -> Result<(), Infallible> {
        panic!("sink panics")
    }
}

#[test]
fn a_panic_is_passed_on_and_nothing_hangs() {
    let dir = TempDir::new().unwrap();
    let sources = checked(&[database(&dir, PEOPLE)]);
    let end = catch_unwind(|| {
        let _ = read(&sources, &options(&["id"], &["n"], "int64"), 1, || Panics, &Progress::new());
    });
    assert_eq!(end.unwrap_err().downcast_ref::<&str>(), Some(&"sink panics"));
}

/// Every damage is found by SQLite, or leaves rows that it gives.
#[test]
fn damaged_databases_end_in_an_error_or_rows() {
    let dir = TempDir::new().unwrap();
    let source = database(
        &dir,
        "CREATE TABLE x (k TEXT, v TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO x SELECT 'key ' || i, hex(randomblob(i % 60)) FROM n",
    );
    let Source::Path(path) = &source else { panic!("a file") };
    let bytes = fs::read(path).unwrap();
    let (mut failed, step) = (0, 37);
    for at in (0..bytes.len()).step_by(step) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let source = Source::Memory { name: "x.db".into(), bytes: damaged.into() };
        failed += u64::from(read_sources(&[source], &ReadOptions::default(), 1).is_err());
    }
    assert!(failed > 10, "{failed}");
    for length in (0..bytes.len()).step_by(4000) {
        let source = Source::Memory { name: "x.db".into(), bytes: bytes[..length].into() };
        assert!(read_sources(&[source], &ReadOptions::default(), 1).is_err(), "{length} bytes");
    }
}
