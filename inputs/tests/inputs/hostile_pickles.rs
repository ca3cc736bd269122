//! A pickle is data: nothing in it is run, no length in it takes memory, no nesting takes the stack, and every kind of
//! damage is an error that says where.

use crate::support::{error, failure, pairs, text};
use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{OnError, ReadOptions};

fn json() -> ReadOptions {
    ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() }
}

fn bytes() -> ReadOptions {
    ReadOptions { key_type: KeyType::Bytes, value_type: ValueType::Bytes, ..ReadOptions::default() }
}

#[test]
fn whatever_would_run_code_is_refused_by_opcode_and_offset() {
    let table: [(&[u8], &str, usize); 29] = [
        (b"cos\nsystem\n(S'true'\ntR.", "GLOBAL at byte 0 asks for os.system", 0),
        (b"\x8c\x02os\x8c\x06system\x93(NtR.", "STACK_GLOBAL at byte 12 asks for os.system", 12),
        (b"c__builtin__\neval\n(S'1'\ntR.", "asks for __builtin__.eval", 0),
        (b"cbuiltins\ngetattr\n(NNtR(NtR.", "asks for builtins.getattr", 0),
        (b"ccollections\nnamedtuple\n(NtR.", "asks for collections.namedtuple", 0),
        (b"ccollections\nnamedtuple\n)R}b.", "asks for collections.namedtuple", 0),
        (b"c_codecs\ndecode\n.", "asks for _codecs.decode", 0),
        (b"cbuiltins\nint\n(S'1'\ntR.", "REDUCE at byte 21 would run code", 21),
        (b"cbuiltins\nint\n)R.", "REDUCE at byte 15 would run code", 15),
        (b"c_codecs\nencode\n)R.", "REDUCE at byte 17 would run code", 17),
        (b"c_codecs\nencode\n(VA\nVrot13\ntR.", "REDUCE at byte 28 would run code", 28),
        (b"ccollections\nOrderedDict\n(S'a'\ntR.", "REDUCE at byte 32 would run code", 32),
        (b"(S'true'\nios\nsystem\n.", "INST at byte 9 asks for os.system", 9),
        (b"(cos\nsystem\nS'true'\no.", "GLOBAL at byte 1 asks for os.system", 1),
        (b"cos\nsystem\n(S'true'\nt}\x92.", "GLOBAL at byte 0 asks for os.system", 0),
        (b"}(S'a'\n(cbuiltins\nint\no", "OBJ at byte 22 would run code", 22),
        (b"N}b.", "BUILD at byte 2 would run code", 2),
        (b"cbuiltins\nint\n)\x81.", "NEWOBJ at byte 15 would run code", 15),
        (b"cbuiltins\nint\n)}\x92.", "NEWOBJ_EX at byte 16 would run code", 16),
        (b"\x82\x01.", "EXT1 at byte 0 would run code", 0),
        (b"}\x83\x01\x02.", "EXT2 at byte 1 would run code", 1),
        (b"}\x84\x01\x02\x03\x04.", "EXT4 at byte 1 would run code", 1),
        (b"}Pname\n.", "PERSID at byte 1 refers to an object outside", 1),
        (b"}NQ.", "BINPERSID at byte 2 refers to an object outside", 2),
        (b"}\x97.", "NEXT_BUFFER at byte 1 refers to an object outside", 1),
        (b"}\x98.", "READONLY_BUFFER at byte 1 refers to an object outside", 1),
        (b"NNR.", "REDUCE at byte 2 would run code", 2),
        (b"c\n\n(NtR.", "GLOBAL at byte 0 asks for .", 0),
        (b"cos\nsystem\x1b[31m\n(NtR.", "\\u{1b}", 0),
    ];
    for (pickle, wanted, at) in table {
        for options in [ReadOptions::default(), json(), bytes()] {
            for on_error in [OnError::Stop, OnError::Skip { max_errors: None }] {
                let found = error("evil.pkl", pickle, &ReadOptions { on_error, ..options.clone() });
                assert!(
                    found.starts_with(&format!("evil.pkl, byte {at}: ")) && found.contains(wanted),
                    "{found}"
                );
            }
        }
    }
}

/// An object that no record needs is carried along, and one that a record needs makes that record bad.
#[test]
fn objects_of_classes_that_are_not_known() {
    let objects: [(&[u8], &str); 13] = [
        (b"cos\nsystem\n(S'true'\ntR", "os.system"),
        (b"\x8c\x02os\x8c\x06system\x93)R", "os.system"),
        (b"cos\nsystem\n(S'true'\ntR}b", "os.system"),
        (b"(S'true'\nios\nsystem\n", "os.system"),
        (b"(S'true'\nios\nsystem\n}S'a'\nNsb", "os.system"),
        (b"(cos\nsystem\nS'true'\no", "os.system"),
        (b"cos\nsystem\n(S'true'\nt\x81", "os.system"),
        (b"cos\nsystem\n)\x81}S'a'\nNsb", "os.system"),
        (b"cos\nsystem\n(S'true'\nt}\x92", "os.system"),
        (b"cbuiltins\ngetattr\n(NS'x'\ntR(NtR", "builtins.getattr"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cm\nC\n)NtR)b", "m.C"),
        (b"ccopyreg\n_reconstructor\n(cm\nC\ncbuiltins\nobject\nNtR}b", "m.C"),
        (b"cm\nf\n(NtR(](NNe](NNee(S'k'\nNu(NN\x90}b", "m.f"),
    ];
    let skip = ReadOptions { on_error: OnError::Skip { max_errors: None }, ..ReadOptions::default() };
    for (object, name) in objects {
        let pickle = [b"}(S'a'\n", object, b"S'b'\nS'c'\nu."].concat();
        let found = error("x.pkl", &pickle, &ReadOptions::default());
        let wanted =
            format!("the value of key \"a\" is an object of {name}, not a string; this reader runs nothing");
        assert!(found.starts_with("x.pkl, byte 2: ") && found.contains(&wanted), "{found}");
        let wanted = format!("is or holds an object of {name}, which JSON cannot hold; convert it before");
        assert!(error("x.pkl", &pickle, &json()).contains(&wanted));
        assert_eq!(pairs("x.pkl", &pickle, &skip).unwrap(), text(&[("b", "c")]));
        let list = [b"]}(S'key'\nS'b'\nS'value'\nS'c'\nS'other'\n", object, b"ua."].concat();
        assert_eq!(pairs("x.pkl", &list, &ReadOptions::default()).unwrap(), text(&[("b", "c")]));
        let key = error("x.pkl", &[b"}", object, b"S'c'\ns."].concat(), &ReadOptions::default());
        assert!(key.contains(&format!("the key is an object of {name}, not a string")), "{key}");
    }
}

#[test]
fn damage_is_named_with_its_offset() {
    let table: [(&[u8], &str); 31] = [
        (b"", "byte 0: the file is empty"),
        (b"hello", "is this file a pickle at all?"),
        (b"\xff\xfe", "byte 0: the byte 0xff is not a pickle opcode: the file is not a pickle"),
        (
            b"}.\n",
            "byte 2: the byte 0x0a is not a pickle opcode: the pickle is damaged, or something follows",
        ),
        (b"\x80\x06}.", "byte 0: pickle protocol 6 is not known"),
        (b".", "byte 0: the pickle is malformed: it ends with 0 objects"),
        (b"}}.", "it ends with 2 objects"),
        (b"K\x01.", "byte 0: the pickle is an int; it must be a dict"),
        (b"X\x01\0\0\0a.", "the pickle is a str; it must be a dict"),
        (b"\x8f.", "the pickle is a set; it must be a dict"),
        (b"}(K\x01u.", "a key has no value"),
        (b"}u.", "there is no mark"),
        (
            b"}S'a'\nS'b'\ns0](S'c'\nS'd'\n\x86e.",
            "byte 27: the pickle is malformed: it builds a container and then",
        ),
        (b"}S'a'\nS'b'\ns\x85.", "the pickle is a tuple that holds dicts: 0"),
        (b"}s.", "finds too little on the stack"),
        (b"}(s.", "finds too little on the stack"),
        (b"}((Ns.", "finds too little on the stack"),
        (b"}S'x'\n}(Nus.", "a key has no value"),
        (b"}S'x'\n]NNss.", "SETITEM finds a list to put items into"),
        (b"0.", "finds nothing on the stack"),
        (b"(2.", "finds nothing on the stack"),
        (b"\x94.", "finds nothing on the stack"),
        (b"N(NNu.", "SETITEMS finds None to put items into"),
        (b"]NNs.", "SETITEM finds a dict or list to put items into"),
        (b"}g5\n.", "byte 1: the pickle refers to object number 5, which it never numbered"),
        (b"}gx\n.", "byte 1: the pickle is malformed: GET is followed by a malformed line"),
        (b"}p-1\n.", "byte 1: the pickle is malformed: PUT is followed by a malformed line"),
        (b"}Fabc\n.", "byte 1: the pickle is malformed: FLOAT is followed by a malformed line"),
        (b"}q\0\x94.", "byte 3: MEMOIZE and PUT are mixed"),
        (b"}T\xff\xff\xff\xffabc", "byte 1: BINSTRING has a negative length"),
        (b"}\x8b\xff\xff\xff\xffabc", "byte 1: LONG4 has a negative length"),
    ];
    for (pickle, wanted) in table {
        let found = error("x.pkl", pickle, &ReadOptions::default());
        assert!(found.contains(wanted), "{pickle:?}: {found}");
    }
}

#[test]
fn wrong_types_name_the_key_and_what_helps() {
    let table: [(&[u8], &str, Advice); 21] = [
        (b"}K\x01S'b'\ns.", "the key 1 is an int, not a string", Advice::IntOrJsonKeys),
        (b"}\x8a\x01\x05S'b'\ns.", "the key is an int, not a string", Advice::IntOrJsonKeys),
        (b"}NS'b'\ns.", "the key is None, not a string", Advice::JsonKeys),
        (b"}F1.5\nS'b'\ns.", "the key 1.5 is a float, not a string", Advice::JsonKeys),
        (b"}(NtS'b'\ns.", "the key is a tuple, not a string", Advice::JsonKeys),
        (b"}S'x'\nI1\ns.", "the value of key \"x\" is an int, not a string", Advice::JsonValues),
        (b"}S'x'\nNs.", "the value of key \"x\" is None, not a string", Advice::JsonValues),
        (b"}S'x'\n\x88s.", "is a bool, not a string", Advice::JsonValues),
        (b"}S'x'\nF1.5\ns.", "is a float, not a string", Advice::JsonValues),
        (b"}S'x'\n]s.", "is a list, not a string", Advice::JsonValues),
        (b"}S'x'\n}s.", "is a dict, not a string", Advice::JsonValues),
        (b"}S'x'\n)s.", "is a tuple, not a string", Advice::JsonValues),
        (b"}S'x'\n\x8a\x01\x05s.", "is an int, not a string", Advice::JsonValues),
        (b"}S'x'\nC\x01bs.", "the value of key \"x\" is a bytes object, not text", Advice::BytesValues),
        (b"}C\x01xS'b'\ns.", "the key \"x\" is a bytes object, not text", Advice::BytesKeys),
        (b"}X\x03\0\0\0\xed\xa0\x80S'b'\ns.", "holds a lone surrogate, which is not text", Advice::BytesKeys),
        (b"}X\x03\0\0\0\xed\xa0\x80U\x01bs.", "holds a lone surrogate, which is not text", Advice::BytesKeys),
        (
            b"}U\x01xX\x03\0\0\0\xed\xa0\x80s.",
            "holds a lone surrogate, which is not text",
            Advice::BytesValues,
        ),
        (b"}U\x01\xffU\x01bs.", "is a Python 2 str that is not valid UTF-8", Advice::EncodingOrBytes),
        (b"}X\x04\0\0\0\xed\x9f\xbf\xffU\x01bs.", "is not valid UTF-8", Advice::BytesKeys),
        (b"}S'\\xff'\nS'b'\ns.", "is a Python 2 str that is not valid UTF-8", Advice::EncodingOrBytes),
    ];
    for (pickle, wanted, advice) in table {
        let found = failure("x.pkl", pickle, &ReadOptions::default());
        assert_eq!(found.advice(), Some(advice), "{found}");
        let found = found.to_string();
        assert!(found.starts_with("x.pkl, byte 1: ") && found.ends_with(wanted), "{found}");
        let options = match advice {
            Advice::JsonValues => json(),
            Advice::IntOrJsonKeys => ReadOptions { key_type: KeyType::Int, ..ReadOptions::default() },
            Advice::JsonKeys => ReadOptions { json_keys: true, ..ReadOptions::default() },
            _ => bytes(),
        };
        assert_eq!(pairs("x.pkl", pickle, &options).map(|pairs| pairs.len()), Ok(1), "{pickle:?}");
    }
}

#[test]
fn wrong_types_that_no_option_makes_right() {
    let table: [(&[u8], &str); 15] = [
        (b"}S'\\x4'\nS'b'\ns.", "is malformed (a \\x escape has a wrong digit)"),
        (b"}c__builtin__\nint\nS'b'\ns.", "the key is a type, not a string; make all keys strings"),
        (b"}S'x'\ncnumpy\ndtype\n)R.", "REDUCE at byte 20 would run code"),
        (b"}S'x'\ncm\nC\n)Rs.", "an object of m.C, which JSON cannot hold"),
        (b"}S'x'\ncm\nC\n(NNt\x81}b}bs.", "is or holds an object, which JSON cannot hold"),
        (b"}S'x'\nC\x01bs.", "the value of key \"x\" is a bytes object, which JSON cannot hold"),
        (b"}S'x'\n]C\x01bas.", "the value of key \"x\" holds a bytes object, which JSON cannot hold"),
        (b"}S'x'\nG\x7f\xf0\0\0\0\0\0\0s.", "is inf, a float that JSON does not have"),
        (b"}S'x'\n]Fnan\nas.", "holds NaN, a float that JSON does not have"),
        (b"}S'x'\n\x8fs.", "is or holds a set, which JSON cannot hold"),
        (b"}S'x'\nc__builtin__\nset\n(]tRs.", "is or holds a set, which JSON cannot hold"),
        (b"}S'x'\n}C\x01bNss.", "the value of key \"x\" holds a bytes object"),
        (b"}S'x'\n})Nss.", "is or holds a dict whose key is a tuple"),
        (b"}S'x'\n]X\x03\0\0\0\xed\xa0\x80as.", "holds a string that holds a lone surrogate"),
        (b"}S'x'\ncbuiltins\nint\ns.", "is a type, which JSON does not have"),
    ];
    for (pickle, wanted) in table {
        let found = failure("x.pkl", pickle, &json());
        assert!(found.to_string().contains(wanted) && found.advice().is_none(), "{found}");
    }
    let digits = format!("}}S'x'\nL{}L\ns.", "9".repeat(4301));
    assert!(error("x.pkl", digits.as_bytes(), &json()).contains("an int of more than 4300 digits"));
}

/// A pickle with most opcodes.
const ALL_SORTS: &[u8] = b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94\x8c\x01b\x94X\x01\0\0\0c\x94\
    \x8d\x01\0\0\0\0\0\0\0d\x94U\x01eT\x01\0\0\0fVg\nS'h'\nuS'i'\nh\x01sS'j'\n(S'k'\nl0S'k'\ns(S'l'\nh\x02u.";

#[test]
fn every_truncation_is_found() {
    let wanted = [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"), ("i", "a"), ("j", "k"), ("l", "b")];
    assert_eq!(pairs("x.pkl", ALL_SORTS, &ReadOptions::default()).unwrap(), text(&wanted));
    for block_bytes in [1, 1 << 20] {
        for length in 1..ALL_SORTS.len() {
            let options = ReadOptions { block_bytes, ..ReadOptions::default() };
            let found = error("x.pkl", &ALL_SORTS[..length], &options);
            assert!(found.contains(&format!("ends early at byte {length}")), "{length}: {found}");
        }
    }
}

#[test]
fn no_change_of_a_byte_makes_it_panic() {
    for at in 0..ALL_SORTS.len() {
        for byte in 0..=255 {
            let mut changed = ALL_SORTS.to_vec();
            changed[at] = byte;
            let _ = pairs("x.pkl", &changed, &json());
        }
    }
}

#[test]
fn huge_lengths_end_early() {
    for header in
        [&b"X\xff\xff\xff\xff"[..], b"\x8d\0\0\0\0\0\0\0\x01", b"B\xff\xff\xff\xff", b"T\xff\xff\xff\x7f"]
    {
        let pickle = [b"}(", header, b"abc"].concat();
        let found = error("x.pkl", &pickle, &ReadOptions::default());
        assert!(found.contains(&format!("ends early at byte {}", pickle.len())), "{found}");
    }
    let negative = error("x.pkl", b"}\x8d\0\0\0\0\0\0\0\x80abc", &ReadOptions::default());
    assert!(negative.contains("BINUNICODE8 has a negative length"), "{negative}");
}

#[test]
fn deep_nesting_takes_no_stack() {
    let key: &[u8] = b"}S'x'\n";
    for (open, close, most) in
        [(&b"]"[..], &b"a"[..], 1001), (b"(", b"l", 1001), (b")", b"\x86", 1000), (b"}S'k'\n", b"s", 1001)]
    {
        for depth in [most, most + 1, 100_000] {
            let inner: &[u8] = if close == b"\x86" { b"" } else { b"N" };
            let mut pickle = key.to_vec();
            pickle.extend(open.repeat(depth));
            if close == b"\x86" {
                pickle.extend(open);
            }
            pickle.extend(inner);
            pickle.extend(close.repeat(depth));
            pickle.extend(b"s.");
            let found = pairs("x.pkl", &pickle, &json());
            match depth {
                _ if depth == most => assert_eq!(found.map(|pairs| pairs.len()), Ok(1), "{open:?}"),
                _ => {
                    let found = found.unwrap_err();
                    // Without marks, open containers are only objects on the stack.
                    let bounded = found.contains("more than 1000 deep")
                        || depth > most + 1 && found.contains("holds in memory");
                    assert!(bounded, "{open:?}: {found}");
                }
            }
        }
    }
    let one: Vec<u8> = [key, b")", &b"\x85".repeat(1_000_000), b"s."].concat();
    assert!(error("x.pkl", &one, &json()).contains("more than 1000 deep"));
    assert!(error("x.pkl", &b"(".repeat(1_000_000), &json()).contains("more than 1000 deep"));
}

#[test]
fn structures_that_hold_themselves_are_bad_values() {
    let table: [&[u8]; 7] = [
        b"}p0\nS'x'\ng0\ns.",
        b"}S'x'\n]p1\ng1\nas.",
        b"}S'x'\n}p1\nS'k'\ng1\nss.",
        b"}S'x'\n]p1\n]p2\ng1\naas.",
        b"}S'x'\n]p1\n(g1\ntas.",
        b"}S'x'\n]2as.",
        b"]((S'x'\n]p1\ng1\nate.",
    ];
    for pickle in table {
        let found = error("x.pkl", pickle, &json());
        assert!(found.contains("contains itself"), "{pickle:?}: {found}");
    }
    // Fields that hold no such thing may be records.
    let record = b"(S'key'\nS'a'\nS'child'\n}S'parent'\ng1\nsS'value'\nS'x'\nS'list'\ng0\nu";
    let pickle = [b"]p0\n(}p1\n", &record[..], b"}p1\n", record, b"e."].concat();
    assert_eq!(pairs("x.pkl", &pickle, &json()).unwrap(), text(&[("a", "\"x\""), ("a", "\"x\"")]));
}

#[test]
fn small_objects_may_be_referred_to_again() {
    let pickle = b"}(S'a'\n](K\x01K\x02ep1\nS'b'\ng1\nS'c'\n](g1\ng1\ne";
    let list = b"u(S'd'\ng1\nu.";
    let found = pairs("x.pkl", &[&pickle[..], list].concat(), &json()).unwrap();
    assert_eq!(found, text(&[("a", "[1,2]"), ("b", "[1,2]"), ("c", "[[1,2],[1,2]]"), ("d", "[1,2]")]));
    // A pair that is in a list twice, and a DUP.
    let found = pairs("x.pkl", b"](S'a'\nS'b'\n\x86p1\ng1\n2e.", &ReadOptions::default()).unwrap();
    assert_eq!(found, text(&[("a", "b"), ("a", "b"), ("a", "b")]));
}

#[test]
fn bombs_are_bounded() {
    // Each list holds the one before ten times.
    let mut pickle = b"}S'x'\n](S'0123456789'\nep0\n".to_vec();
    for level in 1..=20 {
        let get = format!("g{}\n", level - 1).repeat(10);
        pickle.extend(format!("0](N{get}ep{level}\n").into_bytes());
    }
    let found = error("x.pkl", &[&pickle[..], b"s."].concat(), &json());
    assert!(found.contains("longer than 16777216 bytes as JSON text"), "{found}");
    // A value with very many parts.
    let many: Vec<u8> = [b"}S'x'\n](", &b"N".repeat(1_000_000)[..], b"es."].concat();
    assert!(error("x.pkl", &many, &json()).contains("more than this reader holds in memory"));
    // Very many objects on the stack.
    let stack: Vec<u8> = b"N".repeat(1_000_000);
    assert!(error("x.pkl", &stack, &json()).contains("more than this reader holds in memory"));
    // Numbers in falling order.
    let mut falling = b"}(".to_vec();
    for number in (0..300_000u32).rev() {
        falling.extend(b"U\x01ar");
        falling.extend(number.to_le_bytes());
    }
    let found = error("x.pkl", &falling, &json());
    assert!(found.contains("too many memo numbers are out of order"), "{found}");
}

#[test]
fn a_number_given_twice_means_the_later_object() {
    let table: [(&[u8], &str); 6] = [
        (b"}(S'k'\nS'a'\n2p1\n0S'l'\ng1\nu.", "\"a\""),
        (b"}(S'a'\np1\nS'b'\np1\nS'k'\ng1\nu.", "\"b\""),
        (b"}(S'a'\np1\nS'b'\np2\n0N0S'c'\np1\nS'k'\ng1\nu.", "\"c\""),
        (b"}(S'a'\np1\nNp1\nS'k'\ng1\nu.", "null"),
        (b"}(Np1\nNp2\nS'a'\np1\nNS'k'\ng1\nu.", "\"a\""),
        (b"}(S'a'\np5\nS'b'\np3\nS'k'\ng3\nu.", "\"b\""),
    ];
    for (pickle, wanted) in table {
        // Keys before the last may be anything.
        let options = ReadOptions { on_error: OnError::Skip { max_errors: None }, ..json() };
        let found = pairs("x.pkl", pickle, &options);
        let found = found.unwrap_or_else(|error| panic!("{pickle:?}: {error}"));
        assert_eq!(found.last().unwrap().1, wanted.as_bytes(), "{pickle:?}");
    }
}
