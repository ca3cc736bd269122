//! Random lines and rows of each text format, read as a naive parser reads them: records, places, and what is wrong with bad rows.

use crate::support::{Record, memory, read_sources};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Column, OnError, ReadOptions};
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
        let line = line.strip_suffix(b"\r").unwrap_or(line);
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

/// A field of strict CSV that begins at `at`: its bytes, and where it ends; or the place of what is wrong. `lone` is where the row has a
/// carriage return that may not be there.
fn field(
    input: &[u8],
    mut at: usize,
    lone: &mut Option<usize>,
) -> Result<(Vec<u8>, usize), (usize, &'static str)> {
    let mut field = vec![];
    let ends = |at: usize| match &input[at..] {
        [] | [b'\r'] => true,
        rest => rest[0] == b',' || rest[0] == b'\n' || rest.starts_with(b"\r\n"),
    };
    if input.get(at) == Some(&b'"') {
        let quote = at;
        loop {
            at += 1;
            match &input[at.min(input.len())..] {
                [] => return Err((quote, "no quote ends the field")),
                [b'"', b'"', ..] => {
                    field.push(b'"');
                    at += 1;
                }
                [b'"', ..] if ends(at + 1) => return Ok((field, at + 1)),
                [b'"', ..] => return Err((quote, "no quote ends the field")),
                [byte, ..] => field.push(*byte),
            }
        }
    }
    let begin = at;
    while at < input.len() && input[at] != b',' && input[at] != b'\n' {
        if input[at] == b'"' {
            return Err((at, "a quote is within a field"));
        }
        at += 1;
    }
    let is_line = input.get(at) != Some(&b',');
    let end = at - usize::from(is_line && input[begin..at].ends_with(b"\r"));
    if let (None, Some(cr)) = (*lone, input[begin..end].iter().position(|&byte| byte == b'\r')) {
        *lone = Some(begin + cr);
    }
    Ok((input[begin..end].to_vec(), end))
}

fn csv(input: &[u8], options: &ReadOptions, key: usize, value: usize) -> Vec<Row> {
    let (mut rows, mut width, mut at): (Vec<Row>, _, _) = (vec![], None, 0);
    while at < input.len() {
        let rest = &input[at..];
        if let Some(blank) = [&b"\n"[..], b"\r\n"].iter().find(|blank| rest.starts_with(blank)) {
            at += blank.len();
            continue;
        }
        if rest == b"\r" {
            break;
        }
        let begin = at;
        let (mut fields, mut lone) = (vec![], None);
        let read = loop {
            match field(input, at, &mut lone) {
                Ok((bytes, end)) => {
                    fields.push(bytes);
                    at = end + 1;
                    if input.get(end) != Some(&b',') {
                        break Ok(());
                    }
                }
                Err(wrong) => break Err(wrong),
            }
        };
        let after = |from: usize| {
            input[from.min(input.len())..]
                .iter()
                .position(|&byte| byte == b'\n')
                .map_or(input.len(), |line| from + line + 1)
        };
        match read {
            Err((place, what)) => {
                rows.push((place, Err(what)));
                at = after(place);
            }
            Ok(()) => {
                at = after(at - 1);
                if width.is_none() && lone.is_none() && fields.len() > key.max(value) {
                    width = Some(fields.len());
                }
                let row = match (fields.get(key), fields.get(value)) {
                    _ if lone.is_some() => Err("a carriage return"),
                    _ if width.is_some_and(|width| width != fields.len()) => Err("the row has"),
                    (Some(key), Some(value)) => checked(key.clone(), value.clone(), options),
                    _ => Err("the row has"),
                };
                rows.push((lone.unwrap_or(begin), row));
            }
        }
    }
    rows
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
    (b"[\"a\",1]", Err("the value is an integer, not a string")),
    (b"[-1,\"b\"]", Err("the key is an integer, not a string")),
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
    (b"[\"\xff\",\"b\"]", Err("a string is not valid UTF-8")),
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
        let column = |number: usize| vec![Column::Number(number + 1)];
        let options = ReadOptions {
            key_columns: column(key),
            value_columns: column(value),
            header: Some(false),
            escape: false,
            ..options
        };
        compare("x.csv", &input, &options, &csv(&input, &options, key, value))?;
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
