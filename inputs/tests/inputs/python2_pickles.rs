//! What Python 2 wrote, byte by byte: `str` as STRING, BINSTRING and SHORT_BINSTRING, `unicode` as UNICODE, `long`,
//! and containers as its picklers make them.

use crate::support::{pairs, text};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::ReadOptions;

/// A pickle and what is in it.
type Case<'a> = (&'a [u8], &'a [(&'a str, &'a str)]);

#[test]
fn as_text() {
    let table: [Case<'_>; 11] = [
        // pickle.dumps({'a': 'b'}), cPickle.dumps with numbers from 1
        (b"(dp0\nS'a'\np1\nS'b'\np2\ns.", &[("a", "b")]),
        (b"(dp1\nS'a'\np2\nS'b'\np3\nsS'c'\np4\nS\"it's\"\np5\ns.", &[("a", "b"), ("c", "it's")]),
        (b"(dp1\nS'\\xc3\\xa4\\n\\t\\\\\\''\np2\nV\\u20ac\\U0001f600\\u000a\xe4\np3\ns.", &[("ä\n\t\\'", "€😀\nä")]),
        // protocols 1 and 2
        (b"}q\x01(U\x01aq\x02U\x01bq\x03U\x01cq\x04U\x01dq\x05u.", &[("a", "b"), ("c", "d")]),
        (b"\x80\x02}q\x01U\x01aX\x02\0\0\0\xc3\xa4q\x02s.", &[("a", "ä")]),
        (b"\x80\x02}q\x01T\x01\0\0\0aU\x01bs.", &[("a", "b")]),
        // A dict made in one go, and a tuple and a list of pairs in protocol 0.
        (b"(S'a'\nS'b'\nS'c'\nS'd'\nd.", &[("a", "b"), ("c", "d")]),
        (b"((S'a'\nS'b'\ntp0\n(S'c'\nS'd'\ntp1\ntp2\n.", &[("a", "b"), ("c", "d")]),
        (b"(lp0\n(S'a'\nS'b'\ntp1\na(S'c'\nS'd'\ntp2\na.", &[("a", "b"), ("c", "d")]),
        // OrderedDict([('a', 'b'), ('c', 'd')]), protocols 0 and 2
        (
            b"ccollections\nOrderedDict\np0\n((lp1\n(lp2\nS'a'\np3\naS'b'\np4\naa(lp5\nS'c'\np6\naS'd'\np7\naatp8\nRp9\n.",
            &[("a", "b"), ("c", "d")],
        ),
        (
            b"\x80\x02ccollections\nOrderedDict\nq\0]q\x01(]q\x02(U\x01aq\x03U\x01bq\x04e]q\x05(U\x01cq\x06U\x01dq\x07ee\x85q\x08Rq\t.",
            &[("a", "b"), ("c", "d")],
        ),
    ];
    for (pickle, wanted) in table {
        for block_bytes in [1, 1 << 20] {
            let options = ReadOptions { block_bytes, ..ReadOptions::default() };
            let found =
                pairs("x.pkl", pickle, &options).unwrap_or_else(|error| panic!("{pickle:?}: {error}"));
            assert_eq!(found, text(wanted), "{pickle:?}");
        }
    }
}

#[test]
fn defaultdict_and_counter() {
    let default = b"ccollections\ndefaultdict\np0\n(c__builtin__\nlist\np1\ntp2\nRp3\nS'a'\np4\nS'b'\np5\ns.";
    assert_eq!(pairs("x.pkl", default, &ReadOptions::default()).unwrap(), text(&[("a", "b")]));
    let counter = b"ccollections\nCounter\np0\n((dp1\nS'a'\np2\nI2\nsS'b'\np3\nI1\nstp4\nRp5\n.";
    let json = ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() };
    assert_eq!(pairs("x.pkl", counter, &json).unwrap(), text(&[("a", "2"), ("b", "1")]));
    let long = b"(dp0\nS'a'\nL12345678901234567890L\nsS'b'\nI01\nsS'c'\nI00\nsS'd'\nF1e+100\ns.";
    let wanted = [("a", "12345678901234567890"), ("b", "true"), ("c", "false"), ("d", "1e+100")];
    assert_eq!(pairs("x.pkl", long, &json).unwrap(), text(&wanted));
}

#[test]
fn as_bytes() {
    let options =
        ReadOptions { key_type: KeyType::Bytes, value_type: ValueType::Bytes, ..ReadOptions::default() };
    let old = b"(dp0\nS'\\xff\\x00\\101\\7'\nU\x02\xfe\0s.";
    assert_eq!(pairs("x.pkl", old, &options).unwrap(), [(b"\xff\0A\x07".to_vec(), b"\xfe\0".to_vec())]);
    // b'\xff' of Python 3 in protocol 2, and an empty one.
    let encoded =
        b"\x80\x02}q\0(c_codecs\nencode\nq\x01X\x02\0\0\0\xc3\xbfq\x02X\x06\0\0\0latin1q\x03\x86q\x04Rq\x05\
                    c__builtin__\nbytes\nq\x06)Rq\x07h\x01X\x01\0\0\0ah\x03\x86Rq\x08h\x05u.";
    let wanted = [(b"\xff".to_vec(), vec![]), (b"a".to_vec(), b"\xff".to_vec())];
    assert_eq!(pairs("x.pkl", encoded, &options).unwrap(), wanted);
}
