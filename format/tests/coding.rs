//! Section 4 of `spec.md`: records of each coding, laid out by hand.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use hashlith_format::{
    Coding, Header, KeyHash, KeyHasher, KeyType, Rule, Sections, ValueType,
    coding::{RecordFault, Value, int_width},
    header::Lens,
    int_key,
    tokens::{Fault, Text, Token, write_table},
};

/// Appends bits from the lowest on.
fn push(bytes: &mut Vec<u8>, end: &mut usize, number: u64, bits: u32) {
    for bit in 0..bits {
        if end.is_multiple_of(8) {
            bytes.push(0);
        }
        *bytes.last_mut().unwrap() |= ((number >> bit & 1) as u8) << (*end % 8);
        *end += 1;
    }
}

/// A header with these types and tables, and the tables section.
fn file(
    key_type: KeyType,
    key_width: u8,
    coded_keys: bool,
    value_type: ValueType,
    coded_values: bool,
) -> (Header, Vec<u8>) {
    let mut tables = Vec::new();
    let key_tables = u8::from(coded_keys);
    let text = |text| Token { text: Text::Bytes(text), ends: false };
    let end = Token { text: Text::Bytes(b""), ends: true };
    if coded_keys {
        // Codes of three bits.
        write_table(&[0; 8], &[text(b"k"), text(b"ey"), end], &mut tables).unwrap();
    }
    let value_tables = u8::from(coded_values);
    if coded_values {
        let own_key = Token { text: Text::Key, ends: false };
        write_table(
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[text(b"v"), text(b"al"), text(b"ue"), end, own_key],
            &mut tables,
        )
        .unwrap();
    }
    let lens = Lens { pool: 64, cells: 1, tables: tables.len() as u64, ..Lens::default() };
    let header = Header {
        ignorable_features: 0,
        keys: 1,
        cells: 1,
        part: 0,
        parts: 1,
        hasher: KeyHasher::xxh3(0),
        key_type,
        value_type,
        fingerprint_bits: 8,
        key_width,
        key_tables,
        value_tables,
        shared_records: false,
        sections: Sections::place(lens).unwrap(),
        sums_digest: 0,
    };
    (header, tables)
}

#[test]
fn records_of_each_coding() {
    let number: ValueType = "int16".parse().unwrap();
    for (key_type, key_width, coded_keys) in [
        (KeyType::Text, 0, false),
        (KeyType::Bytes, 0, true),
        (KeyType::Int, 2, false),
        (KeyType::None, 3, false),
        (KeyType::None, 0, false),
    ] {
        for (value_type, coded_values) in
            [(ValueType::Text, false), (ValueType::Json, true), (ValueType::None, false), (number, false)]
        {
            let (header, tables) = file(key_type, key_width, coded_keys, value_type, coded_values);
            let coding = Coding::parse(&header, &tables).unwrap();
            let is_string = key_type.is_string();
            let key = if key_type == KeyType::Int { int_key(-2).to_vec() } else { b"key".to_vec() };
            let hash = header.hasher.hash(&key);
            let is_apart = !value_type.is_string();
            let value: &[u8] = if is_apart { b"" } else { b"value" };

            let mut record = Vec::new();
            if is_string && !coded_keys {
                record.push(3);
            }
            if !is_apart && !coded_values {
                record.push(5);
            }
            let front_len = record.len();
            let mut end = 8 * record.len();
            let mut bits = |record: &mut Vec<u8>, codes: &[(u64, u32)]| {
                codes.iter().for_each(|&(code, bits)| push(record, &mut end, code, bits));
                end
            };
            match key_type {
                // Classes 0, 1, 2.
                _ if coded_keys => bits(&mut record, &[(0, 3), (1, 3), (2, 3)]),
                KeyType::Int => bits(&mut record, &[(0xfffe, 16)]),
                KeyType::None => bits(&mut record, &[(hash.lo, 8 * u32::from(key_width))]),
                _ => bits(&mut record, &[(u64::from_le_bytes(*b"key\0\0\0\0\0"), 24)]),
            };
            let value_at = bits(&mut record, &[]);
            if coded_values {
                // Class 0 holds the first two tokens.
                bits(&mut record, &[(0, 4), (8, 4), (1, 3), (2, 3)]);
            } else {
                record.extend_from_slice(value);
            }

            assert_eq!(coding.is_plain(), is_string && !coded_keys && !is_apart && !coded_values);
            assert_eq!(coding.keys().is_some(), coded_keys);
            let key_tables_len = coding.keys().map_or(0, |keys| keys.len());
            assert_eq!(coding.values().map(|(_, at)| at), coded_values.then_some(key_tables_len));
            assert_eq!(coding.keys_have_text(), is_string);
            let front = coding.front(&record).unwrap();
            let key_len = if is_string { 3 } else { u64::from(key_width) };
            assert_eq!(
                (front.key, front.value),
                ((!coded_keys).then_some(key_len), (!coded_values).then_some(value.len() as u64))
            );
            assert_eq!((front.len, front.least), (front_len, front_len as u64));

            let find = |record, key: &[u8], hash: &KeyHash| coding.find(&tables, record, key, hash).unwrap();
            let place = match find(&record, &key, &hash).unwrap() {
                Value::Apart => {
                    assert!(is_apart);
                    value_at
                }
                Value::Plain(found) => {
                    assert_eq!(found, value);
                    value_at
                }
                Value::Coded(bit) => bit as usize,
            };
            assert_eq!(place, value_at);
            if coded_values {
                let mut out = Vec::new();
                let bit = coding.decode_value(&tables, &record, place as u64, &key, &mut out).unwrap();
                assert_eq!((&out[..], bit.div_ceil(8)), (value, record.len() as u64));
            }
            let decoded = coding.decode(&tables, &record).unwrap();
            assert_eq!((&*decoded.value, decoded.len), (value, record.len()));
            assert_eq!(*decoded.key, if key_type == KeyType::None { vec![] } else { key.clone() });

            // Another key differs; without bytes of its hash no key does.
            let other = if key_type == KeyType::Int { int_key(2).to_vec() } else { b"kez".to_vec() };
            assert_eq!(
                find(&record, &other, &header.hasher.hash(&other)).is_some(),
                (key_type, key_width) == (KeyType::None, 0)
            );
            for len in 0..record.len() {
                let cut = coding.decode(&tables, &record[..len]);
                assert!(cut.is_err(), "{key_type} {value_type} {len}");
                assert!(len > 0 || cut == Err(RecordFault::Outside), "{key_type} {value_type}");
            }
        }
    }
}

/// A token of a value stands for the key, if that has text.
#[test]
fn the_key_in_a_value() {
    for key_type in [KeyType::Text, KeyType::Int] {
        let (header, tables) =
            file(key_type, if key_type == KeyType::Int { 1 } else { 0 }, false, ValueType::Text, true);
        let coding = Coding::parse(&header, &tables).unwrap();
        let record: &[u8] = if key_type == KeyType::Text { b"\x01k\x13" } else { b"\x05\x13" };
        let (found, checked) = (coding.decode(&tables, record), coding.check(&tables));
        if key_type == KeyType::Text {
            assert_eq!((&*found.unwrap().value, checked), (&b"k"[..], Ok(())));
        } else {
            assert_eq!(found, Err(RecordFault::Codes(Fault::Key)));
            assert_eq!(checked.unwrap_err().offset, 16 + 4 * 4);
        }
    }
    // The place of a fault counts from the beginning of the section.
    let (header, mut tables) = file(KeyType::Text, 0, true, ValueType::Text, true);
    let coding = Coding::parse(&header, &tables).unwrap();
    let keys_len = coding.keys().unwrap().len();
    tables[keys_len + 16 + 3] = 0x40;
    assert_eq!(coding.check(&tables).unwrap_err().offset, keys_len + 16);
    tables[16 + 3] = 0x40;
    assert_eq!(coding.check(&tables).unwrap_err().offset, 16);
}

/// R18, with the offset of the table.
#[test]
fn tables_that_do_not_fill_their_section() {
    let (header, mut tables) = file(KeyType::Text, 0, true, ValueType::Text, true);
    let begin = header.sections.tables.offset;
    tables.extend_from_slice(&[0; 16]);
    let fault = |tables: &[u8]| {
        Coding::parse(&header, tables).map(|_| ()).map_err(|error| (error.rule(), error.offset()))
    };
    assert_eq!(fault(&tables), Err((Rule::R(18), begin + tables.len() as u64 - 16)));
    tables.truncate(tables.len() - 16);
    assert_eq!(fault(&tables), Ok(()));
    let keys_len = Coding::parse(&header, &tables).unwrap().keys().unwrap().len();
    tables[keys_len] = 21;
    assert_eq!(fault(&tables), Err((Rule::R(18), begin + keys_len as u64)));
}

#[test]
fn integers_take_the_fewest_bytes() {
    for width in 1..=8u32 {
        let largest = i64::MAX >> (64 - 8 * width);
        assert_eq!((int_width(largest), int_width(-largest - 1)), (width as u8, width as u8));
        if width < 8 {
            assert_eq!((int_width(largest + 1), int_width(-largest - 2)), (width as u8 + 1, width as u8 + 1));
        }
    }
    assert_eq!((int_width(0), int_width(-1)), (1, 1));
    // As a key they come back.
    for key in [0, 1, -1, 127, -128, 128, 0x7fff, -0x8000, i64::MAX, i64::MIN] {
        let (header, tables) = file(KeyType::Int, int_width(key), false, ValueType::None, false);
        let coding = Coding::parse(&header, &tables).unwrap();
        let record = &int_key(key)[..int_width(key).into()];
        assert_eq!(*coding.decode(&tables, record).unwrap().key, int_key(key));
    }
}
