//! Promise 1: no bytes make the reader panic, hang, or read out of bounds. An index that opens answers or reports damage.

use hashlith_builder::Builder;
use hashlith_reader::{Error, Found, Index};
use std::path::Path;

fn sample(keys: u32, path: &Path) -> Vec<u8> {
    let mut builder = Builder::new().threads(1).memory_limit(Builder::smallest_memory(1));
    for i in 0..keys {
        builder.add(format!("key {i}").as_bytes(), "v".repeat(i as usize % 200).as_bytes()).unwrap();
    }
    builder.finish(path).unwrap();
    std::fs::read(path).unwrap()
}

/// Calls everything a reader can do. The answers do not matter, only that it returns. False if the bytes do not open.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(index) = Index::new(bytes) else { return false };
    let keys: Vec<String> = (0..60).map(|i| format!("key {i}")).collect();
    for key in &keys {
        let _ = index.get(key.as_bytes());
        let _ = index.get_str(key);
    }
    let _ = index.get_many(&keys);
    for id in [0, 1, 49, 50, u64::MAX] {
        let _ = index.by_id(id);
    }
    assert!(index.iter().take(1 << 20).count() < 1 << 20);
    true
}

#[test]
fn every_bit_of_a_small_file_flipped() {
    let dir = tempfile::tempdir().unwrap();
    for keys in [0, 1, 50] {
        let mut bytes = sample(keys, &dir.path().join("x"));
        let opened = (0..bytes.len() * 8)
            .filter(|bit| {
                bytes[bit / 8] ^= 1 << (bit % 8);
                let opened = exercise(&bytes);
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(!opened || bit / 8 >= 4096, "bit {bit} of the header");
                opened
            })
            .count();
        // A reader does not check sums and padding, so some must open.
        assert!(opened > 0);
        assert!(exercise(&bytes));
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = sample(50, &dir.path().join("x"));
    for len in 0..bytes.len() {
        let error = Index::new(&bytes[..len]).unwrap_err();
        match error {
            Error::TooShort { len: found } => assert!(found == len as u64 && len < 4096),
            Error::Length { expected, found } => {
                assert_eq!((expected, found), (bytes.len() as u64, len as u64))
            }
            other => panic!("{len}: {other}"),
        }
    }
    for _ in 0..4096 {
        bytes.push(0);
        assert!(matches!(Index::new(&bytes[..]), Err(Error::Length { .. })));
    }
}

/// Damage with correct sums passes the digests and reaches the lookups.
#[test]
fn sealed_damage_is_answered_or_reported() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = sample(50, &dir.path().join("x"));
    let header = *Index::new(&bytes[..]).unwrap().first_header();
    let sections = header.sections;
    let mut opened = 0;
    for at in (72..228).chain(sections.hot.offset as usize..sections.far.end() as usize) {
        for value in [0u8, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let mut page: [u8; 4096] = damaged[..4096].try_into().unwrap();
            hashlith_format::header::seal(&mut page);
            damaged[..4096].copy_from_slice(&page);
            opened += u32::from(exercise(&damaged));
        }
    }
    assert!(opened > 0);
    for at in sections.pool.offset as usize..sections.hot.end() as usize {
        for value in [0u8, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert!(exercise(&damaged));
        }
    }
}

#[test]
fn a_record_outside_the_pool_is_reported_with_its_offset() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = sample(1, &dir.path().join("x"));
    // The only record: key length 5, value length 0.
    assert_eq!(&bytes[4096..4103], b"\x05\x00key 0");
    bytes[4097] = 9;
    let index = Index::new(&bytes[..]).unwrap();
    let error = index.get(b"key 0").unwrap_err();
    assert_eq!((error.rule().to_string(), error.offset()), ("R16".into(), 4096));
    assert_eq!(index.get_many(&["key 0"]).unwrap_err(), error);
    assert_eq!(index.iter().next().unwrap().unwrap_err(), error);
    assert!(index.iter().count() == 1);
}

#[test]
fn text_that_is_not_utf8_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut builder = Builder::new();
    builder.add(b"k", b"\xff").unwrap();
    builder.finish(&path).unwrap();
    let index = Index::load(&path).unwrap();
    let error = index.get_str("k").unwrap_err();
    assert_eq!((error.rule().to_string(), error.offset()), ("R17".into(), 4096 + 3));
    assert_eq!(index.get(b"k").unwrap().as_deref(), Some(&b"\xff"[..]));
}

#[test]
fn a_batch_answers_for_all_keys_before_the_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = sample(50, &dir.path().join("x"));
    let index = Index::new(&bytes[..]).unwrap();
    let mut order: Vec<Vec<u8>> = index.iter().map(|record| record.unwrap().key.to_vec()).collect();
    order.rotate_left(20);
    let victim = index.find(&order[25]).unwrap().unwrap();
    let at = index.parts()[0].offset_of(&victim.key) as usize - 2;
    // Lengths that never end.
    bytes[at..at + 11].fill(0xff);
    let index = Index::new(&bytes[..]).unwrap();
    let one_by_one: Vec<_> = order.iter().map_while(|key| index.find(key).ok()).collect();
    assert!(one_by_one.len() < order.len(), "nothing was damaged");
    let mut batch = Vec::new();
    let each = |found: Option<Found<'_, '_>>| {
        batch.push(found.map(|found| found.id()));
        Ok::<(), Error>(())
    };
    let error = index.lookup_many(&order, each).unwrap_err();
    let one_by_one: Vec<_> = one_by_one.into_iter().map(|record| record.map(|record| record.id)).collect();
    assert_eq!(batch, one_by_one);
    assert_eq!(index.find(&order[batch.len()]).unwrap_err(), error);
}
