//! CSV: RFC 4180 quotes, columns by number or by name.

use crate::support::{error, failure, memory, pairs, read_sources, text};
use hashlith_inputs::{Column, Error, OnError, ReadOptions};

fn columns(key: &str, value: &str) -> ReadOptions {
    ReadOptions {
        key_column: key.parse().unwrap(),
        value_column: value.parse().unwrap(),
        ..ReadOptions::default()
    }
}

#[test]
fn quotes_and_line_ends() {
    let table: [(&str, &[(&str, &str)]); 11] = [
        ("", &[]),
        ("a,b\n", &[("a", "b")]),
        ("a,b", &[("a", "b")]),
        ("a,b\r\nc,d\r\n", &[("a", "b"), ("c", "d")]),
        ("\"a,\"\"x\"\"\",\"line 1\nline 2\r\n\"\n", &[("a,\"x\"", "line 1\nline 2\r\n")]),
        ("a,b,c,d\n", &[("a", "b")]),
        ("\n\na,b\n\n\r\nc,d\n\n", &[("a", "b"), ("c", "d")]),
        (",\n", &[("", "")]),
        ("\"\",\"\"\n", &[("", "")]),
        ("5\" disk,a \"quoted\" word\n", &[("5\" disk", "a \"quoted\" word")]),
        ("\u{feff}a,b\n\u{feff}c,d\n", &[("a", "b"), ("\u{feff}c", "d")]),
    ];
    for (input, wanted) in table {
        for block_bytes in [1, 4, 1 << 20] {
            let options = ReadOptions { block_bytes, ..ReadOptions::default() };
            let found = pairs("x.csv", input.as_bytes(), &options).unwrap();
            assert_eq!(found, text(wanted), "{input:?} in blocks of {block_bytes}");
        }
    }
}

#[test]
fn columns_by_number_and_by_name() {
    let input = b"id,name,\"na\"\"me\"\n1,one,eins\n2,two,zwei\n";
    assert_eq!(pairs("x.csv", input, &columns("id", "name")).unwrap(), text(&[("1", "one"), ("2", "two")]));
    assert_eq!(pairs("x.csv", input, &columns("3", "id")).unwrap(), text(&[("eins", "1"), ("zwei", "2")]));
    assert_eq!(pairs("x.csv", input, &columns("na\"me", "name")).unwrap().len(), 2);
    assert_eq!(pairs("x.csv", input, &columns("1", "2")).unwrap().len(), 3, "no header with numbers alone");
    let header = ReadOptions { header: true, ..columns("1", "2") };
    assert_eq!(pairs("x.csv", input, &header).unwrap().len(), 2);
    assert!("0".parse::<Column>().is_err());
    let bom = [b"\xef\xbb\xbf", &input[..]].concat();
    assert_eq!(pairs("x.csv", &bom, &columns("id", "name")).unwrap().len(), 2);
}

/// More than the buffers hold at first.
#[test]
fn long_fields_and_many_columns() {
    let (fields, long) = ("f,".repeat(900), "x\"\"".repeat(9_000));
    let input = format!("{fields}\"{long}\",key\n");
    let found = pairs("x.csv", input.as_bytes(), &columns("902", "901")).unwrap();
    assert_eq!(found, text(&[("key", &"x\"".repeat(9_000))]));
}

#[test]
fn every_file_has_its_own_header() {
    let sources = [memory("a.csv", b"k,v\n1,2\n"), memory("b.csv", b"v,k\n3,4\n")];
    let (_, records) = read_sources(&sources, &columns("k", "v"), 2).unwrap();
    let keys: Vec<&[u8]> = records.iter().map(|r| &r.key[..]).collect();
    assert_eq!(keys, [b"1", b"4"]);
}

#[test]
fn an_absent_column_is_an_error_that_lists_the_columns() {
    let absent = error("x.csv", b"id,name\n1,one\n", &columns("id", "title"));
    assert!(absent.starts_with("x.csv, line 1: "), "{absent}");
    assert!(absent.contains("no column \"title\"") && absent.contains("\"id\", \"name\""), "{absent}");
    for beyond in ["3", "7"] {
        let found = error("x.csv", b"id,name\n1,one\n", &columns("id", beyond));
        assert!(found.contains(&format!("no column {beyond}")), "{found}");
    }
    for (header, what) in [("id,name", "no column \"k\""), ("k,k", "two columns are named \"k\"")] {
        match failure("x.csv", format!("\u{feff}\n\n{header}\n").as_bytes(), &columns("k", "2")) {
            Error::Bad { location, what: found, .. } => {
                assert_eq!((location.byte, location.line), (5, Some(3)));
                assert!(found.contains(what), "{found}");
            }
            other => panic!("{other}"),
        }
    }
    assert!(error("x.csv", b"id,id\n1,one\n", &columns("id", "2")).contains("two columns"));
    let short = error("x.csv", b"a,b\n\"multi\nline\",b\nc\n", &columns("1", "2"));
    assert!(short.starts_with("x.csv, line 4: the row has 1 column, but column 2"), "{short}");
}

#[test]
fn an_open_quote_is_found() {
    let open = error("x.csv", b"a,b\nc,\"d\ne,f\n", &columns("1", "2"));
    assert!(open.starts_with("x.csv, line 2: ") && open.contains("never closed"), "{open}");
    let limited = ReadOptions { max_record_bytes: 100, block_bytes: 16, ..ReadOptions::default() };
    let mut input = b"a,b\nc,\"".to_vec();
    input.extend(b"x,y\n".repeat(1000));
    let long = error("x.csv", &input, &limited);
    assert!(long.starts_with("x.csv, line 2: ") && long.contains("is a quote not closed?"), "{long}");
}

#[test]
fn short_rows_can_be_skipped() {
    let options = ReadOptions { on_error: OnError::Skip { max_errors: None }, ..ReadOptions::default() };
    let (summary, records) = read_sources(&[memory("x.csv", b"a,b\nc\nd,e\n")], &options, 1).unwrap();
    assert_eq!((summary.skipped, records.len()), (1, 2));
    assert_eq!(summary.first_skipped[0].location.to_string(), "x.csv, line 2");
}
