//! Delimited text: columns, headers, quotes, delimiters, comments, encodings.

use crate::support::{column, columns, error, failure, memory, pairs, read_sources, text};
use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Column, Error, OnError, Quotes, ReadOptions};

fn bare() -> ReadOptions {
    ReadOptions { header: Some(false), ..ReadOptions::default() }
}

#[test]
fn quotes_and_line_ends() {
    let table: [(&str, &[(&str, &str)]); 9] = [
        ("", &[]),
        ("a,b\n", &[("a", "b")]),
        ("a,b", &[("a", "b")]),
        ("a,b\r\nc,d\r\n", &[("a", "b"), ("c", "d")]),
        ("\"a,\"\"x\"\"\",\"line 1\nline 2\r\n\"\n", &[("a,\"x\"", "line 1\nline 2\r\n")]),
        ("\n\na,b\n\n\r\nc,d\n\n", &[("a", "b"), ("c", "d")]),
        (",\n", &[("", "")]),
        ("\"\",\"\"\n", &[("", "")]),
        ("\u{feff}a,b\n\u{feff}c,\0\u{2028}d\n", &[("a", "b"), ("\u{feff}c", "\0\u{2028}d")]),
    ];
    for (input, wanted) in table {
        for block_bytes in [1, 4, 1 << 20] {
            let options = ReadOptions { block_bytes, ..bare() };
            let found = pairs("x.csv", input.as_bytes(), &options).unwrap();
            assert_eq!(found, text(wanted), "{input:?} in blocks of {block_bytes}");
        }
    }
}

/// What breaks RFC 4180 is an error with its line, and a row that is left out takes none with it.
#[test]
fn quotes_are_strict() {
    let skip = ReadOptions { on_error: OnError::Skip { max_errors: None }, ..bare() };
    type Case = (&'static str, u64, &'static str, &'static [(&'static str, &'static str)]);
    let table: [Case; 8] = [
        (
            "r1,\"north end\nr2,two\nr3,hut \"top\"\nr4,four\n",
            1,
            "no quote ends the field",
            &[("r2", "two"), ("r4", "four")],
        ),
        ("a,b\nc,\"d\ne,f\n", 2, "no quote ends the field", &[("a", "b"), ("e", "f")]),
        ("5\" disk,a\nb,c\n", 1, "a quote is within a field", &[("b", "c")]),
        ("a,\"b\"c\nd,e\n", 1, "no quote ends the field", &[("d", "e")]),
        ("a,b\n\"two\nlines\",c\"\nd,e\n", 3, "a quote is within a field", &[("a", "b"), ("d", "e")]),
        ("a,b\rc\nd,e\n", 1, "a carriage return", &[("d", "e")]),
        ("a,b\nc,d,e\nf,g\n", 2, "has 3 columns where 2 are expected", &[("a", "b"), ("f", "g")]),
        ("a,b\nc\nf,g\n", 2, "has 1 column where 2 are expected", &[("a", "b"), ("f", "g")]),
    ];
    for (input, line, what, wanted) in table {
        let found = error("x.csv", input.as_bytes(), &bare());
        assert!(
            found.starts_with(&format!("x.csv, line {line}: ")) && found.contains(what),
            "{input:?}: {found}"
        );
        for block_bytes in [1, 9, 1 << 20] {
            let options = ReadOptions { block_bytes, ..skip.clone() };
            let (summary, records) = read_sources(&[memory("x.csv", input.as_bytes())], &options, 2).unwrap();
            let records: Vec<_> = records.into_iter().map(|record| (record.key, record.value)).collect();
            assert_eq!(records, text(wanted), "{input:?} in blocks of {block_bytes}");
            let rows = input.lines().count() - input.matches("two\nlines").count();
            assert_eq!(summary.skipped, (rows - records.len()).min(2) as u64, "{input:?}");
        }
    }
    let lenient = ReadOptions { quotes: Some(Quotes::Lenient), ..bare() };
    let input = b"5\" disk,a \"b\" c\n\"x\"y,\"two\nlines\"\nshort,row,long\n";
    let wanted = text(&[("5\" disk", "a \"b\" c"), ("xy", "two\nlines"), ("short", "row")]);
    for block_bytes in 1..40 {
        let options = ReadOptions { block_bytes, ..lenient.clone() };
        assert_eq!(pairs("x.csv", input, &options), Ok(wanted.clone()));
    }
}

#[test]
fn an_open_quote_in_a_file_that_is_too_long_is_found() {
    let limited = ReadOptions { max_record_bytes: 100, block_bytes: 16, ..bare() };
    let mut input = b"a,b\nc,\"".to_vec();
    input.extend(b"x,y\n".repeat(1000));
    let long = failure("x.csv", &input, &limited);
    let text = long.to_string();
    assert!(text.starts_with("x.csv, line 2: ") && text.contains("is a quote not closed?"), "{text}");
    assert_eq!(long.advice(), Some(Advice::MoreMemory));
}

#[test]
fn columns_by_number_and_by_name() {
    let input = b"id,name,\"na\"\"me\"\n1,one,eins\n2,two,zwei\n";
    assert_eq!(pairs("x.csv", input, &columns("id", "name")).unwrap(), text(&[("1", "one"), ("2", "two")]));
    assert_eq!(pairs("x.csv", input, &columns("3", "id")).unwrap(), text(&[("eins", "1"), ("zwei", "2")]));
    assert_eq!(
        pairs("x.csv", input, &columns("na\"me", "*")).unwrap()[0],
        text(&[("eins", "1,one,eins")])[0]
    );
    assert_eq!(pairs("x.csv", input, &ReadOptions::default()).unwrap().len(), 2, "CSV has a header");
    assert_eq!(pairs("x.csv", input, &bare()).unwrap().len(), 3);
    assert!("0".parse::<Column>().is_err());
    let bom = [b"\xef\xbb\xbf", &input[..]].concat();
    assert_eq!(pairs("x.csv", &bom, &columns("id", "name")).unwrap().len(), 2);
    // The same columns of a TSV.
    let tabs = b"acc\tacc.ver\ttaxon\nX1\tX1.1\t77\n";
    assert_eq!(pairs("x.tsv", tabs, &columns("acc.ver", "taxon")).unwrap(), text(&[("X1.1", "77")]));
    assert_eq!(pairs("x.tsv", tabs, &columns("1", "3")).unwrap().len(), 2, "TSV has no header");
    let header = ReadOptions { header: Some(true), ..ReadOptions::default() };
    assert_eq!(pairs("x.tsv", tabs, &header).unwrap(), text(&[("X1", "X1.1\t77")]), "the rest of the line");
    // Nothing but a header, or nothing at all.
    assert!(pairs("x.csv", b"k,v\n", &ReadOptions::default()).unwrap().is_empty());
    assert!(pairs("x.csv", b"", &ReadOptions::default()).unwrap().is_empty());
    assert!(error("x.csv", b"\n", &columns("k", "v")).contains("the header is missing"));
}

#[test]
fn several_columns() {
    let input = b"a\tb\tc\n1\t2\tx\"y\n";
    let many = |keys: &[&str], values: &[&str], join: Option<&str>, header| ReadOptions {
        key_columns: keys.iter().map(|word| column(word)).collect(),
        value_columns: values.iter().map(|word| column(word)).collect(),
        join: join.map(str::to_owned),
        header: Some(header),
        value_type: if join.is_none() && values.len() > 1 { ValueType::Json } else { ValueType::Text },
        ..ReadOptions::default()
    };
    let cases: [(ReadOptions, (&str, &str)); 5] = [
        (many(&["a"], &["b", "c"], None, true), ("1", r#"{"b":"2","c":"x\"y"}"#)),
        (many(&["c", "1"], &["b"], None, true), (r#"["x\"y","1"]"#, "2")),
        (many(&["1", "2"], &["3"], Some("/"), true), ("1/2", "x\"y")),
        (many(&["1"], &["3", "2"], Some(" - "), true), ("1", "x\"y - 2")),
        (many(&["1"], &["*"], None, true), ("1", "1\t2\tx\"y")),
    ];
    for (options, wanted) in cases {
        assert_eq!(pairs("x.tsv", input, &options), Ok(text(&[wanted])));
    }
    let array = many(&["1"], &["2", "3"], None, false);
    assert_eq!(pairs("x.tsv", input, &array).unwrap()[1], text(&[("1", r#"["2","x\"y"]"#)])[0]);
    let bad = ReadOptions { key_type: KeyType::Bytes, ..array };
    assert!(error("x.tsv", b"1\t\xff\tb\n", &bad).contains("column 2 is not valid UTF-8"));
    let escaped = ReadOptions { escape: true, ..many(&["1"], &["2", "3"], None, false) };
    assert_eq!(pairs("x.tsv", br"a\tb	c\\	d\n", &escaped), Ok(text(&[("a\tb", r#"["c\\","d\n"]"#)])));
}

/// More than the buffers hold at first.
#[test]
fn long_fields_and_many_columns() {
    let (fields, long) = ("f,".repeat(900), "x\"\"".repeat(9_000));
    let input = format!("{fields}\"{long}\",key\n");
    let found =
        pairs("x.csv", input.as_bytes(), &ReadOptions { header: Some(false), ..columns("902", "901") })
            .unwrap();
    assert_eq!(found, text(&[("key", &"x\"".repeat(9_000))]));
}

#[test]
fn every_file_has_its_own_header() {
    let sources = [
        memory("a.csv", b"k,v\n1,2\n"),
        memory("b.csv", b"v,k\n3,4\n"),
        memory("c.tsv", b"k\tx\tv\n5\t7\t6"),
    ];
    let (_, records) = read_sources(&sources, &columns("k", "v"), 2).unwrap();
    let keys: Vec<&[u8]> = records.iter().map(|r| &r.key[..]).collect();
    assert_eq!(keys, [b"1", b"4", b"5"]);
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
    let short = error("x.tsv", b"a\tb\tc\nd\te\n", &columns("1", "3"));
    assert_eq!(short, "x.tsv, line 2: the row has 2 columns, but column 3 is needed");
}

/// A first row that is a header, or may be one, is spoken of.
#[test]
fn headers_are_noted() {
    let cases: [(&str, &[u8], ReadOptions, &str); 10] = [
        (
            "x.csv",
            b"a,b\n1,2\n",
            ReadOptions::default(),
            "x.csv: the first row is the header, not a record: \"a\", \"b\"",
        ),
        ("x.csv", b"a,b\n1,2\n", columns("a", "b"), ""),
        ("x.csv", b"a,b\n1,2\n", ReadOptions { header: Some(true), ..ReadOptions::default() }, ""),
        ("x.csv", b"a,b\n1,2\n", bare(), ""),
        (
            "x.tsv",
            b"acc\tver\ttaxon\nX1\tX1.1\t77\n",
            ReadOptions::default(),
            "looks like a header, but was taken for a record: \"acc\", \"ver\", \"taxon\"",
        ),
        ("x.tsv", b"word\tcount\nthe\t7\nof\t5\n", ReadOptions::default(), "looks like a header"),
        ("x.tsv", b"ID\tname\na\tb\n", ReadOptions::default(), "looks like a header"),
        ("x.tsv", b"ID\tname\na\tb\n", bare(), ""),
        ("x.tsv", b"the\tof\nand\tto\n", ReadOptions::default(), ""),
        ("x.tsv", b"7\t8\n1\t2\n", ReadOptions::default(), ""),
    ];
    for (name, input, options, wanted) in cases {
        let (summary, _) = read_sources(&[memory(name, input), memory(name, input)], &options, 1).unwrap();
        assert_eq!(summary.notes.len(), usize::from(!wanted.is_empty()), "{:?}", summary.notes);
        assert!(summary.notes.concat().contains(wanted), "{:?}", summary.notes);
    }
}
