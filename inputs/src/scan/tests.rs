//! Work grows as the input does: no shape of input is searched, copied or read again and again.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::Write;

use hashlith_feedback::Progress;

use crate::{Format, OnError, ReadOptions, Sink, Source, Sources, read};

thread_local! {
    /// Bytes that were searched, copied or read again on this thread.
    pub(super) static WORK: Cell<u64> = const { Cell::new(0) };
}

/// Takes records.
struct Drop;

impl Sink for Drop {
    type Error = Infallible;

    fn record(&mut self, _: u32, _: u64, _: &[u8], _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What it takes to read these bytes on this thread. An error of the input ends the reading, as it may.
fn work(format: Format, bytes: Vec<u8>) -> u64 {
    let options = ReadOptions {
        format: Some(format),
        escape: format == Format::Tsv,
        header: (format == Format::Csv).then_some(false),
        on_error: OnError::Skip { max_errors: None },
        block_bytes: 1 << 12,
        ..ReadOptions::default()
    };
    let source = Source::Memory { name: "input".into(), bytes: bytes.into() };
    let sources = Sources::new(vec![source], &options).unwrap();
    WORK.with(|work| work.set(0));
    let _ = read(&sources, &options, 1, || Drop, &Progress::new());
    WORK.with(Cell::get)
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [b"X", &u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat()
}

/// A pickled dict with this between its opcodes for the dict and the end.
fn dict(body: &[u8]) -> Vec<u8> {
    [b"\x80\x04}", body, b"."].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Shape = (&'static str, Format, fn(usize) -> Vec<u8>);

/// Inputs of some multiple of `n` bytes.
const SHAPES: &[Shape] = &[
    ("empty lines", Format::Tsv, |n| b"\n".repeat(n)),
    ("lines without a TAB", Format::Tsv, |n| b"ab\n".repeat(n / 3)),
    ("unknown escapes", Format::Tsv, |n| b"a\t\\x\n".repeat(n / 5)),
    ("many escapes", Format::Tsv, |n| [b"a\t", &b"\\n".repeat(n / 2)[..]].concat()),
    ("one long line", Format::Tsv, |n| [b"a\t", &b"x".repeat(n)[..]].concat()),
    ("long and short lines", Format::Tsv, |n| {
        [b"a\tb\na\t", &b"x".repeat(9_999)[..], b"\n"].concat().repeat(n / 9_999)
    }),
    ("short rows", Format::Csv, |n| b"a\n".repeat(n / 2)),
    ("empty rows", Format::Csv, |n| b"\r\n".repeat(n / 2)),
    ("one long field", Format::Csv, |n| [b"a,\"", &b"x\n".repeat(n / 2)[..], b"\""].concat()),
    ("doubled quotes", Format::Csv, |n| [b"a,\"", &b"\"\"".repeat(n / 2)[..], b"\""].concat()),
    ("quotes within a field", Format::Csv, |n| [b"a,", &b"x\"".repeat(n / 2)[..]].concat()),
    ("a quote that is never closed", Format::Csv, |n| [b"a,b\na,\"", &b"x\n".repeat(n / 2)[..]].concat()),
    ("quoted fields", Format::Csv, |n| b"\"a\",\"b\"\n".repeat(n / 8)),
    ("long and short rows", Format::Csv, |n| {
        [b"a,b\na,\"", &b"x".repeat(9_999)[..], b"\"\n"].concat().repeat(n / 9_999)
    }),
    ("bad quotes", Format::Csv, |n| b"a\"b,\"c\"d\n".repeat(n / 10)),
    ("quotes that are never closed", Format::Csv, |n| b"a,\"\"\"\"b\n".repeat(n / 9)),
    ("one document of long and short values", Format::Json, |n| {
        let value = [b"\"a\":\"", &b"x".repeat(9_999)[..], b"\",\"b\":\"c\","].concat();
        [b"{", &value.repeat(n / 10_000)[..], b"\"d\":\"e\"}"].concat()
    }),
    ("one document of one long value", Format::Json, |n| {
        [b"{\"a\":[", &b"1,".repeat(n / 2)[..], b"1]}"].concat()
    }),
    ("lines that are not JSON", Format::Jsonl, |n| b"x\n".repeat(n / 2)),
    ("one long line", Format::Jsonl, |n| [b"[\"a\",\"", &b"x".repeat(n)[..], b"\"]"].concat()),
    ("keys that are not text", Format::Cdbmake, |n| [&b"+1,1:\xff->b\n".repeat(n / 10)[..], b"\n"].concat()),
    ("a long length", Format::Cdbmake, |n| [b"+", &b"0".repeat(n)[..], b"1,1:a->b\n\n"].concat()),
    ("pairs of None", Format::Pickle, |n| dict(&[b"(", &b"NN".repeat(n / 2)[..], b"u"].concat())),
    ("small batches", Format::Pickle, |n| dict(&b"(NNu".repeat(n / 4))),
    ("empty batches", Format::Pickle, |n| dict(&b"(u".repeat(n / 2))),
    ("frames of one opcode", Format::Pickle, |n| {
        dict(&b"\x95\x01\0\0\0\0\0\0\0N\x95\x01\0\0\0\0\0\0\x000".repeat(n / 20))
    }),
    ("marks", Format::Pickle, |n| dict(&[b"(".repeat(900), b"1".repeat(900)].concat().repeat(n / 1800))),
    ("nested lists", Format::Pickle, |n| {
        dict(&[&b"]".repeat(900), &b"a".repeat(899)[..], b"0"].concat().repeat(n / 1800))
    }),
    ("items put into a large list", Format::Pickle, |n| {
        dict(&[b"(N](", &b"N".repeat(n)[..], b"e", &b"(Ne".repeat(n / 3), b"u"].concat())
    }),
    ("many dicts", Format::Pickle, |n| dict(b"").repeat(n / 4)),
    ("references to strings far back", Format::Pickle, |n| {
        let strings: Vec<u8> =
            (0..n as u64 / 20).flat_map(|i| [&text(&i.to_le_bytes())[..], b"\x940"].concat()).collect();
        let references = (0..n / 20).map(|i| u32::try_from(i * 7919 % (n / 20)).unwrap().to_le_bytes());
        let pairs: Vec<u8> = references.flat_map(|to| [b"j", &to[..], b"N"].concat()).collect();
        dict(&[&strings[..], b"(", &pairs, b"u"].concat())
    }),
    ("dicts with one reference each", Format::Pickle, |n| {
        dict(&[&text(b"a")[..], b"r\x00\x00\x01\x000", &text(b"b"), b"0(j\x00\x00\x01\x00Nu"].concat())
            .repeat(n / 30)
    }),
    ("rows that refer to long bytes", Format::Pickle, |n| {
        let long = [b"B", &u32::try_from(n).unwrap().to_le_bytes()[..], &b"x".repeat(n), b"\x940("].concat();
        dict(&[&long[..], &[&text(b"k")[..], b"h\0"].concat().repeat(n / 16), b"u"].concat())
    }),
    ("rows whose key is long bytes", Format::Pickle, |n| {
        let long = [b"B", &u32::try_from(n).unwrap().to_le_bytes()[..], &b"x".repeat(n), b"\x940("].concat();
        dict(&[&long[..], &b"h\0N".repeat(n / 16), b"u"].concat())
    }),
    ("lines of text", Format::Pickle, |n| dict(&b"Vx\n0".repeat(n / 4))),
    ("one long line of text", Format::Pickle, |n| dict(&[b"V", &b"x".repeat(n)[..], b"\n0"].concat())),
    ("members of one byte", Format::Tsv, |n| [gzip(b"a"), gzip(b"\n")].concat().repeat(n / 42)),
];

#[test]
fn work_grows_no_faster_than_the_input() {
    // Large enough that whole blocks and caches that grow in steps weigh little.
    let (small, large) = (1 << 17, 1 << 19);
    let mut wrong = Vec::new();
    for &(name, format, make) in SHAPES {
        let (few, many) = (work(format, make(small)), work(format, make(large)));
        // Four times the input may take five times the work; what is done again and again takes sixteen.
        if !(1_000..100 * small as u64).contains(&few) || many > 5 * few {
            wrong.push(format!("{format}, {name}: {few} for {small} bytes, {many} for {large}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
