//! Records that keys share, where keys are left out and few values are different.

use crate::typed::{Map, Plan, check, files};
use hashlith_builder::{Builder, Compress, can_recut};
use hashlith_format::{KeyHasher, KeyType, ValueType};
use hashlith_reader::Index;
use std::fs;

/// Without keys, slot entries say which of up to 256 different values a key has; not if that leaves no room for the check bits,
/// or if records shall be compressed.
#[test]
fn few_different_values_lie_in_slots() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (1, 16, 1),
        (2, 32, 1),
        (3, 8, 3),
        (50, 16, 4),
        (255, 16, 1),
        (256, 9, 2),
        (257, 16, 1),
        (50, 33, 1),
        (40, 16, 1),
    ];
    for (values, check_bits, parts) in cases {
        let plan = Plan {
            keys: KeyType::None,
            values: ValueType::Bytes,
            check_bits,
            siphash: parts > 1,
            compress: values == 40,
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
            assert_eq!(header.shared_records, values <= 256 && check_bits <= 32 && !plan.compress);
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

/// Records that are not the same bytes cannot be shared in one file. A part alone shares none, so that all parts fit together.
#[test]
fn parts_that_can_be_joined() {
    let dir = tempfile::tempdir().unwrap();
    let keys = || (0..16u32).map(u32::to_le_bytes);
    let new = || Builder::new().key_type(KeyType::None).check_bits(16);
    let set = |value: &[u8]| {
        let path = dir.path().join(value.len().to_string());
        let mut builder = new().parts(2);
        keys().for_each(|key| builder.add(&key, value).unwrap());
        builder.finish(&path).unwrap();
        files(&path)
    };
    let (one, other) = (set(b"one"), set(b"other"));
    assert!(can_recut(&[&one[0], &one[1]], 1));
    assert!(!can_recut(&[&one[0], &other[1]], 1));
    let alone = |part: u32, value: &[u8]| {
        let path = dir.path().join(format!("part {part}"));
        let mut builder = new().part(part, 2);
        let own = |key: &[u8; 4]| KeyHasher::xxh3(0).hash(key).part(2) == part;
        keys().filter(own).for_each(|key| builder.add(&key, value).unwrap());
        builder.finish(&path).unwrap();
        assert!(!Index::load(&path).unwrap().first_header().shared_records);
        fs::read(path).unwrap()
    };
    assert!(can_recut(&[&alone(0, b"one"), &alone(1, b"other")], 2));
}

/// Options may be set after records were added.
#[test]
fn options_that_come_late() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let build = |before: u32, after: u32, compress: Compress| {
        let mut builder = Builder::new().key_type(KeyType::None).check_bits(before);
        (0..500u32).for_each(|i| builder.add(&i.to_le_bytes(), &[i as u8 % 3]).unwrap());
        builder.check_bits(after).compress(compress).finish(&path).unwrap();
        fs::read(&path).unwrap()
    };
    for (bits, compress) in [(16, Compress::Off), (40, Compress::Off), (16, Compress::Fast)] {
        let same = build(bits, bits, compress);
        assert!(build(16, bits, compress) == same && build(40, bits, compress) == same);
        let shares = Index::new(&same[..]).unwrap().first_header().shared_records;
        assert_eq!(shares, bits == 16 && compress == Compress::Off);
    }
}

/// An iteration from an id is the one that came there, also as a position.
#[test]
fn positions_among_shared_records() {
    let mut builder = Builder::new().key_type(KeyType::None);
    (0..500u32).for_each(|i| builder.add(&i.to_le_bytes(), &[i as u8 % 7]).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    builder.finish(&path).unwrap();
    let index = Index::load(&path).unwrap();
    let mut iter = index.iter();
    for id in 0..500 {
        let from = index.iter_from(id).unwrap();
        assert_eq!(from.position(), iter.position());
        assert!(from.map(Result::unwrap).eq(iter.clone().map(Result::unwrap)));
        iter.next();
    }
}
