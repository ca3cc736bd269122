//! The checker accepts what the builder builds, and compares it correctly with records.

use hashlith_builder::Builder;
use hashlith_checker::{Against, AgainstOptions, Mismatch, Options, Progress, verify};
use hashlith_format::{KeyType, ValueType};
use proptest::prelude::*;
use std::{
    fs::{self, File},
    path::Path,
};

fn build_and_check(value_type: ValueType, records: &[(String, String)]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut builder = Builder::new()
        .memory_limit(256 << 20)
        .threads(2)
        .temp_dir(dir.path())
        .key_type(KeyType::Text)
        .value_type(value_type)
        .metadata("{\"made\": \"by a test\"}");
    for (key, value) in records {
        builder.add(key.as_bytes(), value.as_bytes()).unwrap();
    }
    builder.finish(&path).unwrap();

    let file = File::open(&path).unwrap();
    let report = verify(&file, &Options { threads: 2 }, &Progress::default()).unwrap();
    assert_eq!(report.keys, records.len() as u64);
    let against = Against::new(&file, &AgainstOptions::default()).unwrap();
    for (key, value) in records {
        against.check(key.as_bytes(), value.as_bytes()).unwrap();
    }
    assert!(against.finish().unwrap().agrees());
}

#[test]
fn many_short_records() {
    let records: Vec<_> = (0..200_000).map(|i| (format!("key {i}"), format!("[{i}, \"€\"]"))).collect();
    for value_type in [ValueType::Bytes, ValueType::Text, ValueType::Json] {
        build_and_check(value_type, &records);
    }
}

#[test]
fn few_and_long_records() {
    build_and_check(ValueType::Bytes, &[]);
    build_and_check(ValueType::Json, &[(String::new(), "0".into())]);
    let long = |i: usize| ("k".repeat(i * 40_000), format!("[{}1]", "1, ".repeat(i * 100_000)));
    build_and_check(ValueType::Json, &(0..12).map(long).collect::<Vec<_>>());
}

/// The examples of two crates open it; in one of them it is a link.
#[test]
fn the_index_of_the_examples() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("colours.hlith");
    let mut builder = Builder::new().key_type(KeyType::Text).value_type(ValueType::Text);
    builder.add(b"sky", b"blue").unwrap();
    builder.add(b"grass", b"green").unwrap();
    builder.finish(&path).unwrap();
    let made = fs::read(&path).unwrap();
    for copy in ["reader/tests/colours.hlith", "checker/tests/colours.hlith"] {
        let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(copy);
        assert!(fs::read(&copy).unwrap() == made, "{}", copy.display());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// The comparison agrees with a map. Keys are short, so that many lookups find one.
    #[test]
    fn any_records_compared_with_a_map(
        model in prop::collection::btree_map(prop::collection::vec(0..6u8, 0..5), any::<Vec<u8>>(), 0..300),
        asked in prop::collection::vec((prop::collection::vec(0..6u8, 0..5), any::<Vec<u8>>()), 0..100),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let mut builder = Builder::new().threads(1).memory_limit(Builder::smallest_memory(1)).fingerprint_bits(1);
        for (key, value) in &model {
            builder.add(key, value).unwrap();
        }
        builder.finish(&path).unwrap();
        let file = File::open(&path).unwrap();
        let report = verify(&file, &Options { threads: 1 }, &Progress::default()).unwrap();
        prop_assert_eq!(report.keys, model.len() as u64);
        let against = Against::new(&file, &AgainstOptions::default()).unwrap();
        for (key, value) in model.iter().chain(asked.iter().map(|(key, value)| (key, value))) {
            match (against.check(key, value), model.get(key)) {
                (Ok(()), Some(stored)) => prop_assert_eq!(stored, value),
                (Err(Mismatch::Value { .. }), Some(stored)) => prop_assert_ne!(stored, value),
                (Err(Mismatch::Absent { .. }), stored) => prop_assert_eq!(stored, None),
                (checked, stored) => prop_assert!(false, "{checked:?} {stored:?}"),
            }
        }
        let named = asked.iter().filter(|(key, _)| model.contains_key(key)).count();
        let report = against.finish().unwrap();
        prop_assert_eq!((report.keys, report.unseen), (model.len() as u64, 0));
        prop_assert_eq!((report.duplicates, report.absent), (named as u64, (asked.len() - named) as u64));
    }
}
