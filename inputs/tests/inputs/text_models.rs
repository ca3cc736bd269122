//! Random lines and rows of each text format, read as a naive parser reads them: records, places, and what is wrong with bad rows.

use crate::support::{Record, memory, read_sources};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{OnError, ReadOptions};
use proptest::prelude::*;
use proptest::sample::select;

/// A row: where it begins, and the record or words of what is wrong with it.
type Row = (usize, Result<(Vec<u8>, Vec<u8>), &'static str>);

/// Reads the input in blocks of several sizes, and compares.
fn compare(name: &str, input: &[u8], options: &ReadOptions, rows: &[Row]) -> Result<(), TestCaseError> {
    let wanted: Vec<Record> = rows
        .iter()
        .filter_map(|(at, row)| {
            let (key, value) = row.clone().ok()?;
            Some(Record { source: 0, position: *at as u64, key, value })
        })
        .collect();
    let bad: Vec<(usize, &str)> =
        rows.iter().filter_map(|(at, row)| row.as_ref().err().map(|what| (*at, *what))).collect();
    for (block_bytes, threads) in [(1, 1), (7, 2), (30, 3), (1 << 20, 1)] {
        let on_error = OnError::Skip { max_errors: None };
        let options = ReadOptions { block_bytes, on_error, ..options.clone() };
        let (summary, records) = read_sources(&[memory(name, input)], &options, threads).unwrap();
        prop_assert_eq!(&records, &wanted);
        prop_assert_eq!(summary.skipped, bad.len() as u64);
        prop_assert_eq!(summary.first_skipped.len(), bad.len().min(10));
        for (found, (at, what)) in summary.first_skipped.iter().zip(&bad) {
            let lines = 1 + input[..*at].iter().filter(|&&byte| byte == b'\n').count() as u64;
            prop_assert_eq!(found.location.byte, *at as u64);
            prop_assert_eq!(found.location.line, (name != "x.cdb").then_some(lines));
            prop_assert!(found.what.contains(what), "{}: {}", found, what);
        }
    }
    Ok(())
}

/// The input's lines, each with its offset.
fn lines(input: &[u8]) -> Vec<(usize, &[u8])> {
    let mut at = 0;
    let parts = input.split_inclusive(|&byte| byte == b'\n');
    let place = |line: &[u8]| {
        at += line.len();
        at - line.len()
    };
    let places: Vec<usize> = parts.clone().map(place).collect();
    places.into_iter().zip(parts.map(|line| line.strip_suffix(b"\n").unwrap_or(line))).collect()
}

fn unescaped(field: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut bytes) = (vec![], field.iter());
    while let Some(&byte) = bytes.next() {
        out.push(match (byte, byte == b'\\') {
            (_, false) => byte,
            _ => match bytes.next()? {
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
        });
    }
    Some(out)
}

/// What keys and values must be.
fn checked(key: Vec<u8>, value: Vec<u8>, options: &ReadOptions) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    if options.key_type == KeyType::Text && !text(&key) {
        return Err("the key is not valid UTF-8");
    }
    if options.value_type != ValueType::Bytes && !text(&value) {
        return Err("is not valid UTF-8");
    }
    if options.value_type == ValueType::Json && serde_json::from_slice::<serde_json::Value>(&value).is_err() {
        return Err("is not valid JSON");
    }
    Ok((key, value))
}

fn tsv(input: &[u8], options: &ReadOptions) -> Vec<Row> {
    let row = |line: &[u8]| {
        let Some(tab) = line.iter().position(|&byte| byte == b'\t') else {
            return Err(if line.is_empty() { "the line is empty" } else { "has no TAB" });
        };
        let (mut key, mut value) = (line[..tab].to_vec(), line[tab + 1..].to_vec());
        if options.escape {
            key = unescaped(&key).ok_or("the key has an unknown escape")?;
            value = unescaped(&value).ok_or("has an unknown escape")?;
        }
        checked(key, value, options)
    };
    lines(input).into_iter().map(|(at, line)| (at, row(line))).collect()
}

/// Reads one byte at a time. A quote that is never closed is an error: its place.
fn csv(input: &[u8], options: &ReadOptions, key: usize, value: usize) -> Result<Vec<Row>, usize> {
    let (mut rows, mut fields, mut field): (Vec<Row>, Vec<Vec<u8>>, Vec<u8>) = Default::default();
    // Where the row and the field began, and the quote that is open.
    let (mut begin, mut fresh, mut open) = (None, true, None);
    let mut bytes = input.iter().copied().enumerate().chain([(input.len(), b'\n')]).peekable();
    while let Some((at, byte)) = bytes.next() {
        let is_end = at == input.len();
        match byte {
            b'"' if open.is_some()
                && bytes.peek().is_some_and(|&(at, next)| next == b'"' && at < input.len()) =>
            {
                bytes.next();
                field.push(b'"');
            }
            b'"' if open.is_some() => open = None,
            _ if open.is_some() && !is_end => field.push(byte),
            b'"' if fresh => {
                begin.get_or_insert(at);
                (fresh, open) = (false, Some(at));
            }
            b'\n' | b'\r' => {
                if let Some(quote) = open {
                    return Err(quote);
                }
                let Some(at) = begin.take() else { continue };
                fields.push(std::mem::take(&mut field));
                let row = match (fields.get(key), fields.get(value)) {
                    (Some(key), Some(value)) => checked(key.clone(), value.clone(), options),
                    _ => Err("is needed"),
                };
                rows.push((at, row));
                fields.clear();
                fresh = true;
            }
            b',' => {
                begin.get_or_insert(at);
                fields.push(std::mem::take(&mut field));
                fresh = true;
            }
            _ => {
                begin.get_or_insert(at);
                fresh = false;
                field.push(byte);
            }
        }
    }
    Ok(rows)
}

fn options() -> impl Strategy<Value = ReadOptions> {
    let keys = select(vec![KeyType::Text, KeyType::Bytes]);
    let values = select(vec![ValueType::Text, ValueType::Bytes, ValueType::Json]);
    (keys, values, any::<bool>()).prop_map(|(key_type, value_type, escape)| ReadOptions {
        key_type,
        value_type,
        escape,
        ..ReadOptions::default()
    })
}

/// Pieces in any order.
fn pieces(of: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(select(of), 0..60).prop_map(|pieces| pieces.concat())
}

/// A line or record as it is written, and as it is read.
type Sample<T> = (&'static [u8], Result<(T, T), &'static str>);

const JSON_LINES: &[Sample<&str>] = &[
    (b"[\"a\",\"b\"]", Ok(("a", "b"))),
    (b" [\"\\u00e4\\n\" , \"\xc3\xb6\"]\t\r", Ok(("ä\n", "ö"))),
    (b"{\"key\":\"k\",\"value\":\"v\"}", Ok(("k", "v"))),
    (b"{\"x\":[{}],\"value\":\"v\",\"key\":\"\"}", Ok(("", "v"))),
    (b"[\"a\"]", Err("exactly two elements")),
    (b"[]", Err("exactly two elements")),
    (b"[\"a\",\"b\",null]", Err("exactly two elements")),
    (b"[\"a\",1]", Err("the value is a number, not a string")),
    (b"[-1,\"b\"]", Err("the key is a number, not a string")),
    (b"[1.5,\"b\"]", Err("the key is a number, not a string")),
    (b"[true,\"b\"]", Err("the key is true or false, not a string")),
    (b"[\"a\",null]", Err("the value is null, not a string")),
    (b"[\"a\",[]]", Err("the value is an array, not a string")),
    (b"[\"a\",{}]", Err("the value is an object, not a string")),
    (b"{\"key\":\"k\"}", Err("the field \"value\" is missing")),
    (b"{\"value\":\"k\"}", Err("the field \"key\" is missing")),
    (b"{\"key\":\"k\",\"value\":\"v\",\"key\":\"k\"}", Err("the field \"key\" occurs twice")),
    (b"{\"value\":\"k\",\"value\":\"v\",\"key\":\"k\"}", Err("the field \"value\" occurs twice")),
    (b"[\"a\",\"b\"] x", Err("not valid JSON (trailing characters at column 11)")),
    (b"[\"a\",\"b\"", Err("not valid JSON (EOF")),
    (
        b"\"a\"",
        Err(
            "invalid type: string \"a\", expected an object with the fields \"key\" and \"value\", or an array",
        ),
    ),
    (b"[\"\\ud800\",\"b\"]", Err("half of a surrogate pair")),
    (b"[\"\xff\",\"b\"]", Err("not valid JSON (invalid unicode")),
];

const CDB_ROWS: &[Sample<&[u8]>] = &[
    (b"+1,1:a->b\n", Ok((b"a", b"b"))),
    (b"+0,00:->\n", Ok((b"", b""))),
    (b"+3,2:\n->->+\n\n", Ok((b"\n->", b"+\n"))),
    (b"+1,10:a->\xc3\xa4bcdefghi\n", Ok((b"a", b"\xc3\xa4bcdefghi"))),
    (b"+1,1:\xff->b\n", Err("the key is not valid UTF-8")),
    (b"+2,1:ab->\xc3\n", Err("the value of key \"ab\" is not valid UTF-8")),
];

const TSV_PIECES: &[&[u8]] = &[
    b"a",
    b"\t",
    b"\t",
    b"\n",
    b"\n",
    b"\r",
    b"\\",
    b"\\\\",
    b"\\t",
    b"\\n",
    b"\\r",
    b"\\x",
    b"1",
    b"\"",
    b"\xff",
    b"\xc3\xa4",
];

const CSV_PIECES: &[&[u8]] = &[
    b"a",
    b",",
    b",",
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\"",
    b"\"",
    b"\"\"",
    b",\"",
    b"1",
    b"\xff",
    b"\xc3\xa4",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tsv_lines(input in pieces(TSV_PIECES), options in options()) {
        compare("x.tsv", &input, &options, &tsv(&input, &options))?;
    }

    #[test]
    fn csv_rows(input in pieces(CSV_PIECES), options in options(), key in 0usize..3, value in 0usize..3) {
        let (key_column, value_column) = ((key + 1).to_string(), (value + 1).to_string());
        let options = ReadOptions {
            key_column: key_column.parse().unwrap(),
            value_column: value_column.parse().unwrap(),
            ..options
        };
        match csv(&input, &options, key, value) {
            Ok(rows) => compare("x.csv", &input, &options, &rows)?,
            Err(quote) => {
                let on_error = OnError::Skip { max_errors: None };
                for block_bytes in [1, 7, 30, 1 << 20] {
                    let options = ReadOptions { block_bytes, on_error, ..options.clone() };
                    let error = read_sources(&[memory("x.csv", &input)], &options, 2).unwrap_err().to_string();
                    let line = 1 + input[..quote].iter().filter(|&&byte| byte == b'\n').count();
                    let wanted = format!("x.csv, line {line}: the file ends inside quotes");
                    prop_assert!(error.starts_with(&wanted), "{}: {}", error, wanted);
                }
            }
        }
    }

    #[test]
    fn json_lines(choice in prop::collection::vec((select(JSON_LINES), select(&["", "\n", " \n\r\n"][..])), 0..20)) {
        let (mut input, mut rows) = (vec![], vec![]);
        for ((line, row), blank) in choice {
            input.extend(blank.as_bytes());
            rows.push((input.len(), row.map(|(key, value)| (key.into(), value.into()))));
            input.extend([line, b"\n"].concat());
        }
        compare("x.jsonl", &input, &ReadOptions::default(), &rows)?;
        input.pop();
        compare("x.jsonl", &input, &ReadOptions::default(), &rows)?;
    }

    #[test]
    fn cdbmake_records(choice in prop::collection::vec(select(CDB_ROWS), 0..20)) {
        let (mut input, mut rows) = (vec![], vec![]);
        for (row, record) in choice {
            rows.push((input.len(), record.map(|(key, value)| (key.into(), value.into()))));
            input.extend(row);
        }
        input.push(b'\n');
        compare("x.cdb", &input, &ReadOptions::default(), &rows)?;
    }
}
