//! Records that keys share, where keys are left out and few values are different.

use crate::typed::{Map, Plan, check, files};
use hashlith_builder::{Builder, can_recut};
use hashlith_format::{KeyHasher, KeyType, ValueType};
use hashlith_reader::Index;
use std::fs;

/// Without keys, slot entries say which of up to 256 different values a key has; with more than 16 check bits records do.
#[test]
fn few_different_values_lie_in_slots() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (1, 16, 1),
        (2, 12, 1),
        (3, 8, 3),
        (50, 16, 4),
        (255, 16, 1),
        (256, 9, 2),
        (257, 16, 1),
        (50, 17, 1),
    ];
    for (values, check_bits, parts) in cases {
        let plan = Plan {
            keys: KeyType::None,
            values: ValueType::Bytes,
            check_bits,
            siphash: parts > 1,
            compress: values == 50,
            parts,
            threads: 2,
        };
        let value = |i: u32| vec![b'v'; (i % values) as usize];
        let mut records: Map = (0..3000u32).map(|i| (i.to_le_bytes().to_vec(), value(i * 7))).collect();
        // The value of a long key is not at hand when its cell is built.
        records.insert(vec![b'k'; 100_000], value(1));
        let path = dir.path().join(format!("{values}-{check_bits}"));
        plan.build(&records, &path);
        check(&plan, &records, &[], &path);
        let index = Index::load(&path).unwrap();
        assert_eq!(index.check_bits(), Some(check_bits));
        for part in index.parts() {
            let header = part.header();
            assert_eq!(header.shared_records, values <= 256 && check_bits <= 16);
            assert!(!header.shared_records || header.sections.pool.len == u64::from(values));
        }
        // Other parts of the same cells are as if they were built so.
        let files = files(&path);
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let (cut, joined) = (dir.path().join("cut"), dir.path().join("joined"));
        if can_recut(&files, 1) {
            Builder::new().finish_recut(&files, &joined).unwrap();
            check(&plan, &records, &[], &joined);
            let whole = fs::read(&joined).unwrap();
            if can_recut(&[&whole], parts) {
                Builder::new().parts(parts).finish_recut(&[&whole], &cut).unwrap();
                check(&plan, &records, &[], &cut);
                fs::remove_dir_all(&cut).unwrap();
            }
        }
    }
}

/// Neither order nor threads nor memory make a difference to the bytes, and copies of records none to what is shared.
#[test]
fn shared_values_do_not_depend_on_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut records: Vec<u32> = (0..20_000).collect();
    let mut seen = Vec::new();
    for (threads, memory) in [(1, 48 << 20), (3, 1 << 30), (2, 64 << 20)] {
        // Another order each time.
        records.reverse();
        records.rotate_left(919 * threads);
        let mut builder =
            Builder::new().threads(threads).memory_limit(memory).key_type(KeyType::None).check_bits(16);
        let feeders: Vec<_> = (0..threads).map(|_| builder.feeder().unwrap()).collect();
        for (share, mut feeder) in records.chunks(records.len().div_ceil(threads)).zip(feeders) {
            share
                .iter()
                .for_each(|i| feeder.add(&i.to_le_bytes(), format!("{}", i % 40).as_bytes()).unwrap());
            feeder.finish().unwrap();
        }
        builder.finish(&path).unwrap();
        seen.push(fs::read(&path).unwrap());
    }
    assert!(seen.iter().all(|bytes| *bytes == seen[0]));
    assert!(Index::load(&path).unwrap().first_header().shared_records);
}

/// Files whose records are not the same bytes cannot share them in one file.
#[test]
fn other_shared_records_are_not_joined() {
    let dir = tempfile::tempdir().unwrap();
    let part = |part: u32, value: &[u8]| {
        let path = dir.path().join(format!("{part}"));
        let mut builder = Builder::new().key_type(KeyType::None).check_bits(16).part(part, 2);
        let own = |key: &[u8; 4]| KeyHasher::xxh3(0).hash(key).part(2) == part;
        (0..16u32).map(u32::to_le_bytes).filter(own).for_each(|key| builder.add(&key, value).unwrap());
        builder.finish(&path).unwrap();
        fs::read(path).unwrap()
    };
    let (first, same, other) = (part(0, b"one"), part(1, b"one"), part(1, b"two"));
    assert!(can_recut(&[&first, &same], 1));
    assert!(!can_recut(&[&first, &other], 1));
}
