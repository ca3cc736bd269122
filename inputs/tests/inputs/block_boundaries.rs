//! No matter where blocks are cut and how many workers share them, the records are those of a naive parser.

use crate::support::{Pairs, memory, read_sources};
use hashlith_inputs::{Column, Format, ReadOptions};

fn naive_tsv(input: &str) -> Pairs {
    input.lines().map(|line| line.split_once('\t').unwrap()).map(own).collect()
}

fn own((key, value): (&str, &str)) -> (Vec<u8>, Vec<u8>) {
    (key.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn naive_jsonl(input: &str) -> Pairs {
    let parse = |line: &str| serde_json::from_str::<(String, String)>(line).unwrap();
    input.lines().filter(|line| !line.is_empty()).map(parse).map(|(k, v)| own((&k, &v))).collect()
}

/// Parses one character at a time.
fn naive_csv(input: &str) -> Pairs {
    let (mut rows, mut row, mut field) = (vec![], vec![], String::new());
    let (mut quoted, mut chars) = (false, input.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    rows.iter().filter(|row| row.len() > 1).map(|row| own((&row[0], &row[1]))).collect()
}

fn compare(name: &str, input: &str, wanted: &Pairs, options: &ReadOptions) {
    // The shortest good file of the format.
    let empty: &[u8] = if name == "x.cdb" {
        b"\n"
    } else if name == "x.json" {
        b"{}"
    } else if name == "x.csv" {
        b"k,v"
    } else {
        b""
    };
    for threads in [1, 2, 5] {
        for block_bytes in 1..=64 {
            let options = ReadOptions { block_bytes, ..options.clone() };
            let sources =
                [memory(name, input.as_bytes()), memory(name, empty), memory(name, input.as_bytes())];
            let (_, records) = read_sources(&sources, &options, threads).unwrap();
            assert!(records.iter().all(|record| record.source != 1));
            let found: Pairs = records.into_iter().map(|r| (r.key, r.value)).collect();
            let twice: Pairs = [&wanted[..], wanted].concat();
            assert!(found == twice, "{name} in blocks of {block_bytes} with {threads} threads");
        }
    }
}

#[test]
fn tsv() {
    let lines: Vec<String> =
        (0..40).map(|i| format!("k{i}{}\t{}", "ä".repeat(i % 7), "v\t".repeat(i % 11))).collect();
    let input = lines.join("\n");
    compare("x.tsv", &input, &naive_tsv(&input), &ReadOptions::default());
    let escaped = ReadOptions { escape: true, ..ReadOptions::default() };
    compare("x.tsv", &input, &naive_tsv(&input), &escaped);
}

#[test]
fn jsonl() {
    let line = |i: usize| serde_json::to_string(&(format!("k{i}\n\""), "ö\t".repeat(i % 9))).unwrap();
    let input = (0..40).map(line).collect::<Vec<_>>().join("\n") + "\n\n";
    compare("x.jsonl", &input, &naive_jsonl(&input), &ReadOptions::default());
}

#[test]
fn csv() {
    let pieces = [
        "plain",
        "\"a,b\"",
        "\"two\nlines\"",
        "\"say \"\"hi\"\"\"",
        "",
        "\"\"",
        "\"\"\"\"",
        "5' wide",
        "x y",
    ];
    let mut input = String::new();
    for i in 0..60 {
        let end = if i % 3 == 0 { "\r\n" } else { "\n" };
        input += &format!("{},{},{}{end}", pieces[i % 9], pieces[(i / 2 + 1) % 9], pieces[(i * 5) % 9]);
    }
    let wanted = naive_csv(&input);
    assert_eq!(wanted.len(), 60);
    let named = ReadOptions {
        key_columns: vec![Column::Name("k".into())],
        value_columns: vec![Column::Name("v".into())],
        ..ReadOptions::default()
    };
    compare("x.csv", &format!("k,v,\"last\none\"\n{input}"), &wanted, &named);
}

#[test]
fn json() {
    let key = |i: usize| format!("k{i}\n\"}}],");
    let value = |i: usize| "ö{[\",\\".repeat(i % 9);
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let wanted: Pairs = (0..40).map(|i| own((&key(i), &value(i)))).collect();
    let join = |separator: &str, element: &dyn Fn(usize) -> String| {
        (0..40).map(element).collect::<Vec<_>>().join(separator)
    };
    let pairs = join(",\n ", &|i| format!("{} : {}", text(&key(i)), text(&value(i))));
    let rows = join(" , ", &|i| format!("[{},{}]", text(&key(i)), text(&value(i))));
    let objects = join(",", &|i| {
        format!("{{\"x\": [{{}}], \"value\": {}, \"key\": {}}}", text(&value(i)), text(&key(i)))
    });
    for document in [format!("{{{pairs}}}\n"), format!(" [{rows}]"), format!("[\n{objects}\n]\n\n")] {
        compare("x.json", &document, &wanted, &ReadOptions::default());
        let explicit = ReadOptions { format: Some(Format::Json), ..ReadOptions::default() };
        compare("x.json", &document, &wanted, &explicit);
    }
}

#[test]
fn cdbmake() {
    let mut input = String::new();
    let mut wanted = vec![];
    for i in 0..40 {
        let (key, value) = (format!("k\n{i}"), "->\n+".repeat(i % 6));
        input += &format!("+{},{}:{key}->{value}\n", key.len(), value.len());
        wanted.push(own((&key, &value)));
    }
    compare("x.cdb", &(input + "\n"), &wanted, &ReadOptions::default());
}

/// The first error in a file is the reported one, no matter what follows it in the same block.
#[test]
fn errors_in_the_order_of_the_file() {
    let csv = |header| ReadOptions {
        key_columns: vec![if header { Column::Name("k".into()) } else { Column::Number(1) }],
        value_columns: vec![Column::Number(2)],
        header: Some(header),
        ..ReadOptions::default()
    };
    let cases: [(&str, &[u8], ReadOptions, &str); 10] = [
        ("x.csv", b"a,b\nk,v\n\"open", csv(true), "line 1: there is no column"),
        ("x.csv", b"k,v\none\n\"open\n", csv(true), "line 2: the row has 1 column"),
        ("x.csv", b"\n\r\n\n\xef,v\n\"open\n", csv(false), "line 4: "),
        ("x.csv", b"\xef\xbb\xbf\n\n\nk,v\na,b\n\"open", csv(true), "line 6: no quote ends"),
        ("x.csv", b"\n\n\"open", csv(false), "line 3: no quote ends"),
        ("x.csv", b"a,b\nc,\"d\ne,f\ng,\"h\"\n", csv(false), "line 2: no quote ends"),
        (
            "x.json",
            b"{\"a\":\"b\",\n\"c\":1,\n\"d\":",
            ReadOptions::default(),
            "line 2: the value is an integer",
        ),
        ("x.cdb", b"+1,1:a->b\n+1,1:\xff->b\nrubbish", ReadOptions::default(), "byte 10: "),
        ("x.cdb", b"+1,1:a->b\n+1,1:\xff->b\n\nrubbish", ReadOptions::default(), "byte 10: "),
        ("x.cdb", b"+1,1:a->b\n+1,1:\xff->b\n+3", ReadOptions::default(), "byte 10: "),
    ];
    for (name, input, options, wanted) in cases {
        for threads in [1, 3] {
            for block_bytes in 1..=64 {
                let options = ReadOptions { block_bytes, ..options.clone() };
                let error = read_sources(&[memory(name, input)], &options, threads).unwrap_err().to_string();
                assert!(error.contains(wanted), "blocks of {block_bytes}, {threads} threads: {error}");
            }
        }
    }
}
