//! Memory stays within the limit, whatever the records are like. Each case builds in a process of its own,
//! whose peak the kernel counts.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod support;

use hashlith_builder::{Builder, OnDuplicate};
use support::{BASE, LIMIT, in_child};

fn builder(limit: u64) -> Builder {
    Builder::new().threads(2).memory_limit(limit)
}

fn numbered(mut builder: Builder, count: u32, value: &[u8]) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for i in 0..count {
        builder.add(format!("key number {i}").as_bytes(), value).unwrap();
    }
    builder.finish(&path).unwrap();
    let mut file = std::fs::File::open(path).unwrap();
    let mut digest = hashlith_format::checksum::Digest::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).unwrap() {
            0 => return digest.finish(),
            len => digest.update(&buffer[..len]),
        }
    }
}

/// Twelve times the limit, so that partitions are cut into pieces. The bytes are the same as with memory for all records.
#[test]
fn many_records() {
    let Some((peak, answer)) = in_child(module_path!(), "many_records", || {
        numbered(builder(LIMIT), 7_000_000, &[b'v'; 60]).to_string()
    }) else {
        return;
    };
    assert!(peak < LIMIT + BASE, "{peak}");
    assert_eq!(answer, numbered(builder(4 << 30), 7_000_000, &[b'v'; 60]).to_string());
}

#[test]
fn values_of_some_kilobytes() {
    let case = || numbered(builder(LIMIT), 100_000, &[b'v'; 4096]).to_string();
    let Some((peak, _)) = in_child(module_path!(), "values_of_some_kilobytes", case) else { return };
    assert!(peak < LIMIT + BASE, "{peak}");
}

/// A few copies of the largest record come on top of the limit.
#[test]
fn long_values() {
    const LEN: usize = 64 << 20;
    let case = || numbered(builder(LIMIT), 12, &vec![b'v'; LEN]).to_string();
    let Some((peak, _)) = in_child(module_path!(), "long_values", case) else { return };
    assert!(peak < LIMIT + BASE + 4 * LEN as u64, "{peak}");
}

#[test]
fn one_key_many_times() {
    let case = || {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = builder(LIMIT).on_duplicate(OnDuplicate::Last);
        for i in 0..4_000_000u32 {
            builder.add(b"the same", format!("value {i:040}").as_bytes()).unwrap();
        }
        let report = builder.finish(dir.path().join("x")).unwrap();
        let index = hashlith_reader::Index::load(dir.path().join("x")).unwrap();
        let value = String::from_utf8(index.get(b"the same").unwrap().unwrap().to_vec()).unwrap();
        format!("{} {} {value}", report.keys, report.duplicates)
    };
    let Some((peak, answer)) = in_child(module_path!(), "one_key_many_times", case) else { return };
    assert_eq!(answer, format!("1 3999999 value {:040}", 3_999_999));
    assert!(peak < LIMIT + BASE, "{peak}");
}
