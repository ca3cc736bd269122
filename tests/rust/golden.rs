//! `tests/golden`: reader and checker find in each file what its list of records says.

use crate::golden;
use hashlith_checker::{Against, AgainstOptions, Mismatch, Options, Progress, verify};
use hashlith_reader::{Field, Index, Rule};
use std::{
    borrow::Cow,
    fs::{self, File},
};

/// The records of a list, in the order of their ids: lines of two words in hexadecimal digits, `["6b","76*3"]`. With a number
/// after it, a word is repeated.
fn records(list: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |word: &str| {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        let digit = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
        (0..digits.len() / 2).map(digit).collect::<Vec<u8>>().repeat(times.parse().unwrap())
    };
    list.lines()
        .map(|line| {
            let mut words = line.split('"').skip(1).step_by(2);
            (bytes(words.next().unwrap()), bytes(words.next().unwrap()))
        })
        .collect()
}

#[test]
fn each_file_has_its_records() {
    let mut files = 0;
    for entry in fs::read_dir(golden("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "hlith") {
            continue;
        }
        files += 1;
        let name = path.display();
        let records = records(&fs::read_to_string(path.with_extension("jsonl")).unwrap());
        let index = Index::load(&path).unwrap();
        let part = &index.parts()[0];
        let pool = part.header().sections.pool;
        let left_out = index.first_header().keys_left_out();
        let keys: Vec<_> = records.iter().map(|(key, _)| key).collect();
        let many = index.get_many(&keys).unwrap();
        let mut walk = index.iter();
        for (id, ((key, value), found)) in (0..).zip(records.iter().zip(many)) {
            assert_eq!(found.as_deref(), Some(&value[..]), "{name} {id}");
            assert_eq!(index.id(key).unwrap(), Some(id), "{name}");
            let mut buffer = b"before".to_vec();
            index.lookup(key).unwrap().unwrap().append_value(&mut buffer).unwrap();
            assert_eq!(buffer.strip_prefix(b"before"), Some(&value[..]), "{name} {id}");
            assert_eq!(index.get_into(key, &mut buffer).unwrap(), Some(&value[..]), "{name} {id}");
            let record = walk.next().unwrap().unwrap();
            let stored: &[u8] = if left_out { b"" } else { key };
            assert_eq!((&*record.key, &*record.value, record.id), (stored, &value[..], id), "{name}");
            for (field, bytes) in [(Field::Value, &record.value), (Field::Key, &record.key)] {
                let at = index.fault_of(id, field, Rule::R(17), "not a word").offset();
                match bytes {
                    _ if field == Field::Key && left_out => {}
                    Cow::Borrowed(bytes) => assert_eq!(at, part.offset_of(bytes), "{name} {id}"),
                    // Of what is coded, the offset is that of the record.
                    Cow::Owned(_) => assert!((pool.offset..pool.end()).contains(&at), "{name} {id}"),
                }
            }
            assert_eq!(index.by_id(id).unwrap(), Some(record), "{name}");
        }
        assert!(walk.next().is_none(), "{name}");

        let file = File::open(&path).unwrap();
        let report = verify(&file, &Options { threads: 2 }, &Progress::default()).unwrap();
        assert_eq!(report.header.keys, records.len() as u64, "{name}");
        let against = Against::new(&file, &AgainstOptions::default()).unwrap();
        records.iter().for_each(|(key, value)| against.check(key, value).unwrap());
        assert!(against.finish().unwrap().agrees(), "{name}");
        let against = Against::new(&file, &AgainstOptions::default()).unwrap();
        for (key, value) in &records {
            let mut other = value.clone();
            // One byte, the last, is another one; a key of a set has no value that could be.
            let Some(last) = other.last_mut() else { continue };
            *last ^= 1;
            assert!(matches!(against.check(key, &other), Err(Mismatch::Value { .. })), "{name}");
        }
    }
    assert!(files > 35);
}
