//! What pickles may hold though Python seldom or never writes it, and the limits that are exact.

use crate::support::{error, memory, pairs, read_sources, text};
use hashlith_format::ValueType;
use hashlith_inputs::{OnError, ReadOptions};

fn json() -> ReadOptions {
    ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() }
}

/// A dict with one value, between its opcodes.
fn value(opcodes: &[u8]) -> Vec<u8> {
    [b"}S'x'\n", opcodes, b"s."].concat()
}

#[test]
fn ordered_dicts_are_made_of_pairs_or_of_a_dict() {
    let pair = b"](S'a'\nK\x01e";
    let list =
        |items: &[&[u8]]| value(&[b"ccollections\nOrderedDict\n(](", &items.concat()[..], b"etR"].concat());
    let good: [(&[&[u8]], &str); 4] = [
        (&[], "{}"),
        (&[pair], r#"{"a":1}"#),
        (&[pair, b"S'b'\nN\x86"], r#"{"a":1,"b":null}"#),
        (&[b"S'b'\n}\x86"], r#"{"b":{}}"#),
    ];
    for (items, wanted) in good {
        assert_eq!(pairs("x.pkl", &list(items), &json()).unwrap(), text(&[("x", wanted)]));
    }
    let bad: [(&[u8], &str); 6] = [
        (b"K\x01", "other than pairs"),
        (b"S'ab'\n", "other than pairs"),
        (b"](K\x01e", "other than pairs"),
        (b"](K\x01K\x02K\x03e", "other than pairs"),
        (b"}S'a'\nK\x01s", "other than pairs"),
        (b"g0\n", "other than pairs"),
    ];
    for (item, wanted) in bad {
        let list = list(&[pair, item]);
        let found = error("x.pkl", &[b"}p0\n", &list[1..]].concat(), &json());
        assert!(found.contains(wanted), "{item:?}: {found}");
    }
    let dict = value(b"ccollections\nOrderedDict\n(}(S'a'\nK\x01S'b'\nK\x02utR");
    assert_eq!(pairs("x.pkl", &dict, &json()).unwrap(), text(&[("x", r#"{"a":1,"b":2}"#)]));
}

#[test]
fn the_outermost_container_may_be_made_before_it_is_known_to_be_that() {
    type Case<'a> = (&'a [u8], &'a [(&'a str, &'a str)]);
    let table: [Case<'_>; 4] = [
        (b"N}(S'a'\nS'b'\nS'c'\nS'd'\nup1\n00g1\n.", &[("a", "b"), ("c", "d")]),
        (b"N](S'a'\nS'b'\n\x86ep1\n00g1\n.", &[("a", "b")]),
        (b"((S'a'\nS'b'\nt(S'c'\nS'd'\ntt.", &[("a", "b"), ("c", "d")]),
        (b"N}p1\n00g1\n.", &[]),
    ];
    for (pickle, wanted) in table {
        assert_eq!(pairs("x.pkl", pickle, &ReadOptions::default()).unwrap(), text(wanted), "{pickle:?}");
    }
    // The place is that of the key, unless that is before the reference: places of records rise.
    let table: [(&[u8], &str); 3] = [
        (b"N}(S'a'\nS'b'\nS'c'\nNup1\n00g1\n.", "x.pkl, byte 26: the value of key \"c\" is None"),
        (b"((S'a'\nS'b'\nt(S'c'\nNtt.", "x.pkl, byte 14: the value of key \"c\" is None"),
        (b"N]((S'a'\nNtep1\n00g1\n.", "x.pkl, byte 17: the value of key \"a\" is None"),
    ];
    for (pickle, wanted) in table {
        let found = error("x.pkl", pickle, &ReadOptions::default());
        assert!(found.starts_with(wanted), "{pickle:?}: {found}");
    }
}

#[test]
fn names_are_bounded() {
    for (length, wanted) in [(1_000, "asks for "), (1_001, "a name is very long")] {
        let (long, short) = (format!("V{}\n", "m".repeat(length)), "Vn\n");
        for names in [[&long, short].concat(), [short, &long].concat()] {
            let found = error("x.pkl", &[b"}", names.as_bytes(), b"\x93NR."].concat(), &json());
            assert!(found.contains(wanted), "{found}");
        }
    }
}

#[test]
fn json_texts_and_ints_are_bounded() {
    const LONGEST: usize = 16 << 20;
    // A bracket and quotes.
    for (length, is_read) in [(LONGEST - 3, true), (LONGEST - 2, false)] {
        let string = [b"X", &(length as u32).to_le_bytes()[..], &b"x".repeat(length)].concat();
        let found = pairs("x.pkl", &value(&[b"]", &string[..], b"a"].concat()), &json());
        assert_eq!(found.map(|pairs| pairs[0].1.len()).ok(), is_read.then_some(length + 4));
    }
    for (digits, is_read) in [(4_300, true), (4_301, false)] {
        for sign in ["", "-"] {
            let number = format!("{sign}{}", "9".repeat(digits));
            let found = pairs("x.pkl", &value(format!("L{number}L\n").as_bytes()), &json());
            assert_eq!(found.ok(), is_read.then(|| text(&[("x", &number)])));
        }
    }
    for (length, is_read) in [(8_600, true), (8_601, false)] {
        let found = pairs("x.pkl", &value(format!("L{:0length$}\n", 7).as_bytes()), &json());
        assert_eq!(found.ok(), is_read.then(|| text(&[("x", "7")])));
    }
}

/// Text that is not a pickle fails at once.
#[test]
fn only_an_early_error_of_a_file_without_a_version_doubts_that_it_is_a_pickle() {
    for (before, is_doubted) in [
        (&b"N0".repeat(7)[..], true),
        (&[&b"N0".repeat(7)[..], b"N"].concat(), true),
        (&b"N0".repeat(8), false),
    ] {
        for version in [&b""[..], b"\x80\x04"] {
            let found = error("x.pkl", &[version, before, b"?"].concat(), &ReadOptions::default());
            let is_doubted = is_doubted && version.is_empty();
            assert_eq!(found.contains("is this file a pickle at all?"), is_doubted, "{found}");
        }
    }
}

/// Kept objects make room for a large value, unless a reference could then find a string that they hide.
#[test]
fn objects_are_dropped_for_a_large_value() {
    let list = |items| [b"](", &b"N".repeat(items)[..], b"e"].concat();
    for (before, is_read) in [(&b""[..], true), (b"S'a'\np1\n0", false)] {
        let rows = [b"S'k'\n", &list(45_000)[..], b"p1\nu(S'l'\n", &list(370_000)].concat();
        let found = pairs("x.pkl", &[b"}", before, b"(", &rows, b"u."].concat(), &json());
        match found {
            Ok(found) => assert!(is_read && found.len() == 2),
            Err(error) => assert!(!is_read && error.contains("holds in memory"), "{error}"),
        }
    }
}

#[test]
fn stored_values_are_not_held() {
    let row = [b"(S'k'\n](", &b"N".repeat(10_000)[..], b"eu"].concat();
    let pickle = [b"}", &row.repeat(100)[..], b"."].concat();
    assert_eq!(pairs("x.pkl", &pickle, &json()).map(|pairs| pairs.len()), Ok(100));
}

#[test]
fn elements_that_are_no_pairs_are_named() {
    let table: [(&[u8], &str); 5] = [
        (b"K\x01", "an int"),
        (b"X\x02\0\0\0ab", "a str"),
        (b"](Ne", "a list of 1 elements"),
        (b"NNN\x87", "a tuple of 3 elements"),
        (b"\x8f(NN\x90", "a set"),
    ];
    for (element, wanted) in table {
        let found = error("x.pkl", &[b"]", element, b"a."].concat(), &json());
        assert!(found.contains(&format!("outermost list is {wanted}, not a pair")), "{found}");
    }
}

/// A pickle is read again if it refers to an object that was dropped, and its records before that are not taken twice.
#[test]
fn dropped_objects_are_found_again() {
    let list = |items| [b"](", &b"N".repeat(items)[..], b"e"].concat();
    let first = [&list(25_000)[..], b"p1\n"].concat();
    let second = [&list(20_000)[..], b"p2\n"].concat();
    let values = [&first[..], b"N", &second, &list(370_000), b"N", b"g1\n", b"N"];
    let rows = |end: &[u8]| -> Vec<u8> {
        values.iter().flat_map(|value| [&b"U\x01k"[..], value, end].concat()).collect()
    };
    let (dict, list, with_others) = (rows(b"s"), rows(b"\x86a"), rows(b"\x86aNa"));
    let skip = ReadOptions { on_error: OnError::Skip { max_errors: None }, ..json() };
    for pickle in [[b"}", &dict[..]].concat(), [b"]", &list[..]].concat(), [b"]", &with_others[..]].concat()]
    {
        // What follows is another pickle, with numbers of its own.
        let found = pairs("x.pkl", &[&pickle[..], b".}g1\n."].concat(), &skip).unwrap_err();
        assert!(found.contains("object number 1, which it never numbered"), "{found}");
        let (summary, records) =
            read_sources(&[memory("x.pkl", &[&pickle[..], b".}."].concat())], &skip, 1).unwrap();
        let lengths: Vec<usize> = records.iter().map(|record| record.value.len()).collect();
        assert_eq!(lengths, [125_001, 4, 100_001, 1_850_001, 4, 125_001, 4]);
        assert_eq!(summary.skipped, if pickle.ends_with(b"Na") { 7 } else { 0 });
    }
}

/// Keys of a large set or tuple go to the sink before it is known which of these it is.
#[test]
fn sets_of_keys_are_streamed() {
    let options = ReadOptions { value_type: ValueType::None, json_keys: true, ..ReadOptions::default() };
    let keys: Vec<u8> = (0..500_000).flat_map(|key| format!("V{key}\n").into_bytes()).collect();
    let sets: [(&[u8], &[u8]); 5] = [
        (b"\x8f(", b"\x90."),
        (b"(", b"\x91."),
        (b"(", b"t."),
        (b"c__builtin__\nset\n](", b"e\x85R."),
        (b"cbuiltins\nfrozenset\n](", b"e\x85R."),
    ];
    for (begin, end) in sets {
        let found = pairs("x.pkl", &[begin, &keys, end].concat(), &options);
        assert_eq!(found.map(|pairs| pairs.len()), Ok(500_000), "{begin:?}");
        let found = pairs("x.pkl", &[begin, &keys, b"](K\x01K\x02e", end].concat(), &options).unwrap();
        let last = if end == b"t." { "1" } else { "[1,2]" };
        assert_eq!(found[500_000].0, last.as_bytes(), "{begin:?}");
    }
    assert!(error("x.pkl", &[b"(", &keys[..], b"d."].concat(), &options).contains("neither a dict nor"));
}

/// A name and a type that come after very many objects are known when the parts of a pickle are looked for.
#[test]
fn names_behind_many_objects_are_found_again() {
    let lists: Vec<u8> = b"U\x01k]\x94N\x94as".repeat(120_000);
    let names = b"cnumpy\ndtype\n\x94U\x02f4\x85R\x940cm\nC\n\x94(NNtR0";
    // Numbers 240,001 and 240,002.
    let calls = b"cnumpy.core.multiarray\nscalar\n(j\x81\xa9\x03\0C\x04\0\0\x80\x3ftR0j\x82\xa9\x03\0(NNtR";
    let pickle = [b"}U\x01a}", &lists[..], b"sU\x01b", names, calls, b"sU\x01c}U\x01wU\x01xss."].concat();
    let options = ReadOptions { pick: Some("c".to_owned()), ..ReadOptions::default() };
    assert_eq!(pairs("x.pkl", &pickle, &options).unwrap(), text(&[("w", "x")]));
}
