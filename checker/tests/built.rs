//! What the builder builds is found to be right.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hashlith_builder::Builder;
use hashlith_checker::{Against, AgainstOptions, Options, Progress, verify};
use hashlith_format::{KeyType, ValueType};
use std::fs::File;

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
