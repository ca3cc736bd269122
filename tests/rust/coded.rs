//! Files with one record of codes, made by hand: what only a verifier looks at, and strings that come in many pieces.

use hashlith_checker::{Against, AgainstOptions, Error, Options, Progress, verify};
use hashlith_format::{
    Attempt, CellData, Geometry, Header, KeyHasher, KeyType, Rule, Sections, ValueType,
    checksum::{ChunkSums, digest},
    header::Lens,
    record::write_varint,
    tokens::{Text, Token, write_table},
};
use hashlith_reader::Index;

/// Where the record lies.
const RECORD: u64 = 4096;

/// A string of codes: class 0 has a token for each byte, and the others one each.
#[derive(Clone, Default)]
struct Codes {
    bytes: Vec<u8>,
    bits: usize,
}

/// The class of the token that ends a string, of the key, and of a long text.
const END: u64 = 1;
const KEY: u64 = 2;
const LONG: u64 = 3;
const LONG_TEXT: &[u8] = "a text of many words, €\"".as_bytes();

impl Codes {
    fn push(mut self, number: u64, bits: u32) -> Self {
        for bit in 0..bits {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((number >> bit & 1) as u8) << (self.bits % 8);
            self.bits += 1;
        }
        self
    }

    fn text(self, text: &[u8]) -> Self {
        text.iter().fold(self, |codes, &byte| codes.push(u64::from(byte) << 3, 11))
    }

    fn token(self, class: u64) -> Self {
        self.push(class, 3)
    }

    fn end(self) -> Self {
        self.token(END)
    }
}

fn table(of_keys: bool) -> Vec<u8> {
    let each: Vec<u8> = (0..=255).collect();
    let token = |text| Token { text, ends: false };
    let mut tokens: Vec<_> = each.chunks(1).map(|byte| token(Text::Bytes(byte))).collect();
    tokens.push(Token { text: Text::Bytes(b""), ends: true });
    tokens.push(token(if of_keys { Text::Bytes(b"no") } else { Text::Key }));
    tokens.push(token(Text::Bytes(LONG_TEXT)));
    let mut out = Vec::new();
    write_table(&[8, 0, 0, 0, 0, 0, 0, 0], &tokens, &mut out).unwrap();
    out
}

/// A file with this key and this record. Which sides have tables: keys, values.
fn file(types: (KeyType, ValueType), coded: (bool, bool), key: &[u8], record: &[u8]) -> Vec<u8> {
    file_of(types, coded, &[(key, record)], Attempt(0))
}

/// The same with one or two records, in a cell of this attempt.
fn file_of(
    types: (KeyType, ValueType),
    coded: (bool, bool),
    records: &[(&[u8], &[u8])],
    attempt: Attempt,
) -> Vec<u8> {
    let hasher = KeyHasher::xxh3(0);
    let geometry = Geometry { keys: records.len() as u8 };
    let slot = |key: &[u8], pilot| {
        let lo = hasher.salted_lo(key, hasher.hash(key), attempt.salt());
        geometry.slot(attempt.number(lo), pilot)
    };
    let mut records = records.to_vec();
    let (first, last) = (records[0].0, records[records.len() - 1].0);
    let parts_them = |&pilot: &u8| records.len() == 1 || slot(first, pilot) != slot(last, pilot);
    let pilot = (0..=255).find(parts_them).unwrap();
    records.sort_by_key(|(key, _)| slot(key, pilot));
    let mut offsets = vec![0];
    records.iter().for_each(|(_, record)| offsets.push(offsets.last().unwrap() + record.len() as u64));
    let fingerprint = |(key, _): &(&[u8], _)| hasher.hash(key).fingerprint(8) as u32;
    let (mut cells, mut far) = (Vec::new(), Vec::new());
    let cell = CellData {
        offsets: &offsets,
        fingerprints: &records.iter().map(fingerprint).collect::<Vec<_>>(),
        fingerprint_bits: 8,
        pilots: &[pilot],
        attempt,
        shared: None,
    };
    cell.write(0, 0, &mut cells, &mut far).unwrap();
    let pool = records.iter().map(|(_, record)| *record).collect::<Vec<_>>().concat();
    let tables =
        [coded.0.then(|| table(true)), coded.1.then(|| table(false))].map(Option::unwrap_or_default).concat();
    let lens = Lens { pool: pool.len() as u64, cells: 1, tables: tables.len() as u64, ..Lens::default() };
    let sections = Sections::place(lens).unwrap();
    let mut bytes = vec![0; sections.sums.offset as usize];
    for (section, content) in [(sections.pool, &pool), (sections.hot, &cells), (sections.tables, &tables)] {
        bytes[section.offset as usize..section.end() as usize].copy_from_slice(content);
    }
    let mut sums = ChunkSums::default();
    sums.update(&bytes[4096..]);
    let sums = sums.finish();
    let header = Header {
        ignorable_features: 0,
        keys: records.len() as u64,
        cells: 1,
        part: 0,
        parts: 1,
        hasher,
        key_type: types.0,
        value_type: types.1,
        fingerprint_bits: 8,
        key_width: 0,
        key_tables: coded.0.into(),
        value_tables: coded.1.into(),
        shared_records: false,
        sections,
        sums_digest: digest(&sums),
    };
    bytes.extend_from_slice(&sums);
    bytes[..4096].copy_from_slice(&header.to_bytes());
    bytes
}

/// The fault that a verifier finds, which is one of the record.
fn fault(bytes: &[u8]) -> Option<Rule> {
    match verify(bytes, &Options { threads: 1 }, &Progress::default()) {
        Ok(_) => None,
        Err(Error::Fault(fault)) => {
            assert_eq!(fault.offset(), RECORD);
            Some(fault.rule())
        }
        Err(error) => panic!("{error}"),
    }
}

/// More than is decoded or read at a time. Each shift cuts characters at other places.
fn long_text(shift: usize) -> Vec<u8> {
    [&b"xyz"[..shift], "€".repeat(100_000).as_bytes()].concat()
}

/// A coded value, or a plain one, after a coded key.
fn with_value(value_type: ValueType, is_coded: bool, value: &[u8]) -> Vec<u8> {
    let key = Codes::default().text(b"key");
    let record = if is_coded {
        key.end().text(value).end().bytes
    } else {
        let mut record = Vec::new();
        write_varint(value.len() as u64, &mut record);
        [&record, &key.end().bytes, value].concat()
    };
    file((KeyType::Text, value_type), (true, is_coded), b"key", &record)
}

#[test]
fn long_text_has_its_type() {
    for shift in 0..3 {
        let text = long_text(shift);
        // Neither is in the first piece.
        let [second, last] = [100_001, text.len() - 3].map(|at| {
            let mut text = text.clone();
            text[at] = 0xff;
            text
        });
        let wrong = Some(Rule::V(8));
        let cut = text[..text.len() - 1].to_vec();
        for (bytes, rule) in [(&text, None), (&second, wrong), (&last, wrong), (&cut, wrong)] {
            let record = [&[0][..], &Codes::default().text(bytes).end().bytes].concat();
            assert_eq!(fault(&file((KeyType::Text, ValueType::Bytes), (true, false), bytes, &record)), rule);
            assert_eq!(fault(&file((KeyType::Bytes, ValueType::Text), (true, false), bytes, &record)), None);
            for is_coded in [false, true] {
                assert_eq!(fault(&with_value(ValueType::Text, is_coded, bytes)), rule, "{shift} {is_coded}");
                assert_eq!(fault(&with_value(ValueType::Bytes, is_coded, bytes)), None);
            }
        }
    }
}

#[test]
fn long_json_has_its_type() {
    for is_coded in [false, true] {
        for text in [&b"short"[..], &long_text(1)] {
            let json = [b"\"", text, b"\""].concat();
            let wrong = Some(Rule::V(8));
            assert_eq!(fault(&with_value(ValueType::Json, is_coded, &json)), None);
            assert_eq!(fault(&with_value(ValueType::Json, is_coded, &json[..json.len() - 1])), wrong);
            assert_eq!(fault(&with_value(ValueType::Json, is_coded, &[&json[..], b"1"].concat())), wrong);
            let mut other = json.clone();
            other[2] = 0xff;
            assert_eq!(fault(&with_value(ValueType::Json, is_coded, &other)), wrong);
        }
        assert_eq!(fault(&with_value(ValueType::Json, is_coded, b"")), Some(Rule::V(8)));
    }
}

/// A token that stands for the key does so if the key has at most 255 bytes (R19), whether the key is coded or not.
#[test]
fn keys_in_values() {
    for coded_keys in [false, true] {
        let of_key = |key: &[u8], value_type| {
            let codes = Codes::default();
            let (front, codes) = if coded_keys {
                (Vec::new(), codes.text(key).end())
            } else {
                let mut front = Vec::new();
                write_varint(key.len() as u64, &mut front);
                (front, Codes { bits: key.len() * 8, bytes: key.to_vec() })
            };
            let record = [front, codes.token(KEY).end().bytes].concat();
            file((KeyType::Text, value_type), (coded_keys, true), key, &record)
        };
        for (key, value_type, rule) in [
            ("12".into(), ValueType::Json, None),
            ("x".into(), ValueType::Json, Some(Rule::V(8))),
            ("1".repeat(255), ValueType::Json, None),
            ("1".repeat(256), ValueType::Json, Some(Rule::R(19))),
            ("1".repeat(70_000), ValueType::Text, Some(Rule::R(19))),
        ] {
            let bytes = of_key(key.as_bytes(), value_type);
            assert_eq!(fault(&bytes), rule, "{} bytes", key.len());
            if rule.is_none() {
                let index = Index::new(&bytes[..]).unwrap();
                assert_eq!(index.get(key.as_bytes()).unwrap().as_deref(), Some(key.as_bytes()));
            }
        }
    }
}

/// A comparison says how long a key is that it misses.
#[test]
fn the_length_of_a_missed_key() {
    for len in [3, 64, 65, 300, 100_000] {
        let key = vec![b'k'; len];
        let record = [&[0][..], &Codes::default().text(&key).end().bytes].concat();
        let bytes = file((KeyType::Text, ValueType::Text), (true, false), &key, &record);
        let against = Against::new(&bytes[..], &AgainstOptions::default()).unwrap();
        let report = against.finish().unwrap();
        assert_eq!((report.unseen_keys[0].len, report.unseen_keys[0].head.len()), (len as u64, len.min(64)));
    }
}

/// Bits after the last code (V14), lengths of too many bytes (V6), strings without an end (R19), a value that is cut off (R16).
#[test]
fn records_at_fault() {
    let key = || Codes::default().text(b"k").end();
    let plain = |front: &[u8], codes: Codes, value: &[u8]| [front, &codes.bytes, value].concat();
    // 14 bits, then two unused ones.
    for (record, rule) in [
        (plain(&[2], key(), b"vv"), None),
        (plain(&[2], key().push(1, 1), b"vv"), Some(Rule::V(14))),
        (plain(&[2], key().push(2, 2), b"vv"), Some(Rule::V(14))),
        (plain(&[0x82, 0], key(), b"vv"), Some(Rule::V(6))),
        (plain(&[0x82, 0], key().push(2, 2), b"vv"), Some(Rule::V(6))),
        (plain(&[3], key(), b"vv"), Some(Rule::R(16))),
        (plain(&[0], Codes::default().text(b"kkk"), b""), Some(Rule::R(19))),
        (plain(&[0x80; 12], key(), b""), Some(Rule::R(16))),
    ] {
        assert_eq!(
            fault(&file((KeyType::Bytes, ValueType::Bytes), (true, false), b"k", &record)),
            rule,
            "{record:x?}"
        );
    }
    // 14 bits for the key, 3 for an empty value.
    for (codes, rule) in [(key().end(), None), (key().end().push(64, 7), Some(Rule::V(14)))] {
        assert_eq!(fault(&file((KeyType::Bytes, ValueType::Bytes), (true, true), b"k", &codes.bytes)), rule);
    }
    let long = key().token(LONG).end();
    let bytes = file((KeyType::Bytes, ValueType::Text), (true, true), b"k", &long.bytes);
    assert_eq!(fault(&bytes), None);
    assert_eq!(Index::new(&bytes[..]).unwrap().get(b"k").unwrap().as_deref(), Some(LONG_TEXT));
}

#[test]
fn messages_name_key_or_value_and_its_type() {
    let message = |bytes: &[u8]| {
        let verified = verify(bytes, &Options { threads: 1 }, &Progress::default());
        verified.unwrap_err().to_string()
    };
    for is_coded in [false, true] {
        for (value_type, words) in
            [(ValueType::Text, "a value is not UTF-8"), (ValueType::Json, "a value is not JSON")]
        {
            let message = message(&with_value(value_type, is_coded, b"\xff"));
            assert!(message.contains(words), "{message}");
        }
    }
    let record = [&[0][..], &Codes::default().text(b"\xff").end().bytes].concat();
    let message = message(&file((KeyType::Text, ValueType::Text), (true, false), b"\xff", &record));
    assert!(message.contains("a key is not UTF-8"), "{message}");
}

/// A key in pieces has the hash of the whole.
#[test]
fn a_long_key_before_a_coded_value() {
    let key = vec![b'k'; 300_000];
    let mut front = Vec::new();
    write_varint(key.len() as u64, &mut front);
    let record = [&front[..], &key, &Codes::default().text(b"v").end().bytes].concat();
    assert_eq!(fault(&file((KeyType::Text, ValueType::Text), (false, true), &key, &record)), None);
}

/// Under a salt, a key in pieces has another hash, which leads to its slot (V5).
#[test]
fn salts() {
    let keys = ["a".to_owned(), "b".repeat(300_000)];
    for coded_keys in [true, false] {
        let records = keys.each_ref().map(|key| {
            if coded_keys {
                return Codes::default().text(key.as_bytes()).end().text(b"v").end().bytes;
            }
            let mut front = Vec::new();
            write_varint(key.len() as u64, &mut front);
            [&front[..], key.as_bytes(), &Codes::default().text(b"v").end().bytes].concat()
        });
        let records = [(keys[0].as_bytes(), &records[0][..]), (keys[1].as_bytes(), &records[1][..])];
        for attempt in (0..=255).step_by(15) {
            let types = (KeyType::Text, ValueType::Text);
            let bytes = file_of(types, (coded_keys, true), &records, Attempt(attempt));
            assert_eq!(fault(&bytes), None, "{attempt}");
            let index = Index::new(&bytes[..]).unwrap();
            assert!(keys.iter().all(|key| index.contains(key.as_bytes()).unwrap()));
        }
    }
}
