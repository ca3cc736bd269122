//! Bad rows can be left out: they are counted, the first are described, and too many are an error.

use crate::support::{memory, pairs, read_sources};
use hashlith_feedback::Advice;
use hashlith_inputs::{Error, OnError, ReadOptions};

fn skip(max_errors: Option<u64>) -> ReadOptions {
    ReadOptions { on_error: OnError::Skip { max_errors }, block_bytes: 50, ..ReadOptions::default() }
}

/// Every fifth of 500 lines is bad.
fn lines() -> Vec<u8> {
    (1..=500)
        .flat_map(|i| if i % 5 == 0 { format!("bad {i}\n") } else { format!("k{i}\tv\n") }.into_bytes())
        .collect()
}

#[test]
fn bad_lines_are_counted_and_the_first_described() {
    for threads in [1, 4] {
        let sources = [memory("a.tsv", &lines()), memory("b.tsv", &lines())];
        let (summary, records) = read_sources(&sources, &skip(None), threads).unwrap();
        assert_eq!((summary.skipped, records.len()), (200, 800));
        assert_eq!(summary.first_skipped.len(), 10);
        for (at, row) in summary.first_skipped.iter().enumerate() {
            assert_eq!((&row.location.name[..], row.location.line), ("a.tsv", Some(5 * (at as u64 + 1))));
            assert!(
                row.to_string().starts_with(&format!("a.tsv, line {}: the line ", 5 * (at + 1))),
                "{row}"
            );
        }
    }
}

#[test]
fn too_many_are_an_error() {
    assert_eq!(read_sources(&[memory("a.tsv", &lines())], &skip(Some(100)), 2).unwrap().0.skipped, 100);
    match read_sources(&[memory("a.tsv", &lines())], &skip(Some(99)), 2) {
        Err(Error::TooManyErrors { limit: 99, first }) => {
            assert_eq!(first[0].location.to_string(), "a.tsv, line 5");
        }
        other => panic!("{other:?}"),
    }
    let zero = pairs("a.tsv", b"bad\n", &skip(Some(0))).unwrap_err();
    assert!(zero.starts_with("more than 0 bad rows; the first: a.tsv, line 1: "), "{zero}");
}

#[test]
fn wrong_types_in_pickles_are_skipped_but_damage_is_not() {
    // {'a': 1, 'b': 'x', 2: 'y', 'c': b'z', 'd': None, 'e': ('k', 'v'), 'f': 'w'}
    let pickle = b"\x80\x04}(\x8c\x01aK\x01\x8c\x01b\x8c\x01xK\x02\x8c\x01y\x8c\x01cC\x01z\x8c\x01dN\
                   \x8c\x01e\x8c\x01k\x8c\x01v\x86\x8c\x01f\x8c\x01wu.";
    let (summary, records) = read_sources(&[memory("x.pkl", pickle)], &skip(None), 1).unwrap();
    let keys: Vec<&[u8]> = records.iter().map(|r| &r.key[..]).collect();
    assert_eq!(keys, [b"b", b"f"]);
    assert_eq!(summary.skipped, 5);
    let wanted = [
        "x.pkl, byte 4: the value of key \"a\" is an int",
        "x.pkl, byte 15: the key 2 is an int",
        "x.pkl, byte 20: the value of key \"c\" is a bytes object",
        "x.pkl, byte 26: the value of key \"d\" is None",
        "x.pkl, byte 30: the value of key \"e\" is a tuple",
    ];
    for (found, wanted) in summary.first_skipped.iter().zip(wanted) {
        assert!(found.to_string().starts_with(wanted), "{found}");
    }
    let advice: Vec<_> = summary.first_skipped.iter().map(|row| row.advice).collect();
    let json = Some(Advice::JsonValues);
    assert_eq!(advice, [json, Some(Advice::IntOrJsonKeys), Some(Advice::BytesValues), json, json]);
    // The earliest row has no advice, so it is the next one's.
    let numbers = b"}(c__builtin__\nint\nNNN\x8c\x01aK\x01u.";
    let error = read_sources(&[memory("x.pkl", numbers)], &skip(Some(2)), 1).unwrap_err();
    assert_eq!(error.advice(), Some(Advice::JsonKeys), "{error}");
    let cut = pairs("x.pkl", &pickle[..pickle.len() - 1], &skip(None)).unwrap_err();
    assert!(cut.contains("ends early"), "{cut}");
    // Elements of a list that are not pairs.
    let list = b"](\x8c\x01a\x8c\x01b\x86\x8c\x01ce.";
    let (summary, records) = read_sources(&[memory("x.pkl", list)], &skip(None), 1).unwrap();
    assert_eq!((summary.skipped, records.len()), (1, 1));
    assert!(summary.first_skipped[0].what.contains("is a str, not a pair"), "{:?}", summary.first_skipped);
}
