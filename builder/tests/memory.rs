//! Memory stays within the limit, whatever the records are like. Each case builds in a process of its own,
//! whose peak the kernel counts.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod support;

use hashlith_builder::{Builder, OnDuplicate, ValueType};
use support::{BASE, LIMIT, in_child, in_child_with};

/// As `BASE`, for builds of few records.
const SMALL_BASE: u64 = 16 << 20;

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

/// Values in a section of their own: short ones many times, and some that wait on disk until they are written.
#[test]
fn numbers() {
    let vectors = |kind: &str, limit| {
        let value_type: ValueType = kind.parse().unwrap();
        let value = vec![b'v'; value_type.width() as usize];
        let count = if value.len() < 100 { 3_500_000 } else { 200 };
        numbered(builder(limit).value_type(value_type), count, &value).to_string()
    };
    let case = || vectors(&std::env::var("HASHLITH_CASE").unwrap(), LIMIT);
    for kind in ["uint8[60]", "float32[262144]"] {
        let Some((peak, answer)) = in_child_with(module_path!(), "numbers", &[("HASHLITH_CASE", kind)], case)
        else {
            return;
        };
        assert!(peak < LIMIT + BASE, "{kind}: {peak}");
        assert_eq!(answer, vectors(kind, 4 << 30));
    }
}

/// Long records of many sizes, from several feeders. Only the callers' records come on top of the limit.
#[test]
fn long_records() {
    // Threads, MiB of memory, bytes of a key, bytes of a value, records.
    let cases = [
        (1, 32, 20, 1 << 20, 200),
        (4, 80, 20, 4 << 20, 100),
        (1, 32, 20, 16 << 20, 24),
        (2, 48, 20, 64 << 20, 12),
        (2, 48, 3 << 19, 20, 200),
        (16, 272, 20, 700_000, 400),
    ];
    let case = || {
        let number: usize = std::env::var("HASHLITH_CASE").unwrap().parse().unwrap();
        let (threads, memory, key_len, value_len, count) = cases[number];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut builder = Builder::new().threads(threads).memory_limit(memory << 20);
        let feeders: Vec<_> = (0..threads).map(|_| builder.feeder().unwrap()).collect();
        let key = |i: usize| format!("{i:020}{}", "k".repeat(key_len - 20)).into_bytes();
        std::thread::scope(|scope| {
            for (first, mut feeder) in feeders.into_iter().enumerate() {
                scope.spawn(move || {
                    let mut value = vec![b'v'; value_len];
                    for i in (first..count).step_by(threads) {
                        value[..8].copy_from_slice(&(i as u64).to_le_bytes());
                        feeder.add(&key(i), &value).unwrap();
                    }
                    feeder.finish().unwrap();
                });
            }
        });
        let report = builder.finish(&path).unwrap();
        assert_eq!(report.keys, count as u64);
        assert!(report.spilled_bytes > 0);
        let caller = threads * (value_len + 2 * key_len);
        format!("{} {}", memory << 20, caller)
    };
    for (number, described) in cases.iter().enumerate() {
        let found =
            in_child_with(module_path!(), "long_records", &[("HASHLITH_CASE", &number.to_string())], case);
        let Some((peak, answer)) = found else { return };
        let (memory, caller) = answer.split_once(' ').unwrap();
        let most = memory.parse::<u64>().unwrap() + caller.parse::<u64>().unwrap() + SMALL_BASE;
        assert!(peak < most, "{described:?}: {peak} of {most}");
    }
}

/// 100 keys of 1.5 MB, of which the builder holds far more than the memory.
#[test]
fn long_keys_are_all_found() {
    let case = || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut builder = Builder::new().threads(1).memory_limit(32 << 20);
        let key = |i: u32| i.to_string().repeat(750_000).into_bytes();
        (10..110).for_each(|i| builder.add(&key(i), &i.to_le_bytes()).unwrap());
        let report = builder.finish(&path).unwrap();
        let index = hashlith_reader::Index::load(&path).unwrap();
        let found = (10..110)
            .filter(|&i| index.get(&key(i)).unwrap().as_deref() == Some(&i.to_le_bytes()[..]))
            .count();
        format!("{} {found}", report.keys)
    };
    let Some((_, answer)) = in_child(module_path!(), "long_keys_are_all_found", case) else { return };
    assert_eq!(answer, "100 100");
}

/// Their array is longer than the memory.
#[test]
fn collected_values() {
    let case = || {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = builder(LIMIT).on_duplicate(OnDuplicate::Collect).value_type(ValueType::Text);
        for i in 0..2_000_000u32 {
            builder
                .add(if i % 20 == 0 { b"rare" } else { b"most" }, format!("value {i:030}").as_bytes())
                .unwrap();
        }
        let path = dir.path().join("x");
        let report = builder.finish(&path).unwrap();
        // A value takes 36 bytes, two quotes and a comma.
        let bytes = std::fs::metadata(path).unwrap().len();
        format!("{} {}", report.keys, bytes / 39 / 2_000_000)
    };
    let Some((peak, answer)) = in_child(module_path!(), "collected_values", case) else { return };
    assert_eq!(answer, "2 1");
    assert!(peak < LIMIT + BASE, "{peak}");
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
