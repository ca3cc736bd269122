//! The limits of `spec.md` section 11, passed for real.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use hashlith_builder::Builder;
use hashlith_format::{
    Entry, Header, KeyHash, KeyHasher, KeyType, Sections, ValueType, block::HotData, checksum,
};
use hashlith_reader::{Index, MapOptions};
use std::{fs::File, os::unix::fs::FileExt};

/// 4.2 GiB of records through the whole pipeline under a limit of 256 MiB, so that both the spill and the pool pass
/// 2^32 bytes.
#[test]
fn a_pool_above_four_gib() {
    const LEN: usize = 8 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut builder = Builder::new().threads(2).memory_limit(256 << 20).temp_dir(dir.path());
    let mut value = vec![b'v'; LEN];
    for i in 0..540u32 {
        value[..4].copy_from_slice(&i.to_le_bytes());
        builder.add(format!("key {i}").as_bytes(), &value).unwrap();
    }
    let report = builder.finish(&path).unwrap();
    assert!(report.spilled_bytes > 1 << 32);
    assert!(report.header.sections.pool.len > 1 << 32);
    // SAFETY: a file of this test's own.
    let index = unsafe { Index::map(&path, &MapOptions::default()) }.unwrap();
    for i in 0..540u32 {
        let found = index.get(format!("key {i}").as_bytes()).unwrap().unwrap();
        assert_eq!((found.len(), &found[..4], found[LEN - 1]), (LEN, &i.to_le_bytes()[..], b'v'));
    }
    assert_eq!(index.get(b"key 540").unwrap(), None);
}

/// One block with records of 40 GiB, most of it a hole in the file: values above 4 GiB, and offsets within a block
/// that need more than 32 bits.
#[test]
fn values_above_four_gib_and_wide_offsets() {
    const VALUE: u64 = (5 << 30) + 3;
    let keys: Vec<Vec<u8>> = (0..8u8).map(|i| vec![b'k', i]).collect();
    let hashes: Vec<_> = keys.iter().map(|key| KeyHasher::xxh3(0).hash(key)).collect();
    let geometry = hashlith_format::Geometry::new(8);
    let (seed_number, pilots) = first_pilots(&hashes, &geometry);
    let slot_of = |hash: &KeyHash| {
        let seed = hashlith_format::block::SEEDS[usize::from(seed_number)];
        let x = hash.lo ^ seed;
        geometry.slot(x, pilots[geometry.bucket(x) as usize], seed)
    };
    let mut by_slot: Vec<usize> = (0..8).collect();
    by_slot.sort_by_key(|&i| slot_of(&hashes[i]));
    // Slots in order; those from 8 up are remapped to the free ones below.
    let mut order = [None; 8];
    let mut remap = vec![0; geometry.remaps() as usize];
    for &i in &by_slot {
        let slot = slot_of(&hashes[i]) as usize;
        let place = if slot < 8 {
            slot
        } else {
            let taken: Vec<_> = by_slot.iter().map(|&i| slot_of(&hashes[i]) as usize).collect();
            let free = (0..8).find(|free| order[*free].is_none() && !taken.contains(free)).unwrap();
            remap[slot - 8] = free as u32;
            free
        };
        order[place] = Some(i);
    }
    let mut head = Vec::new();
    hashlith_format::record::write_varint(2, &mut head);
    hashlith_format::record::write_varint(VALUE, &mut head);
    let record_len = head.len() as u64 + 2 + VALUE;
    let data = HotData {
        pool_len: 8 * record_len,
        offsets: &(0..8).map(|i| i * record_len).collect::<Vec<_>>(),
        fingerprints: &order.iter().map(|i| hashes[i.unwrap()].fingerprint(8) as u16).collect::<Vec<_>>(),
        fingerprint_bits: 8,
        remap: &remap,
        pilots: &pilots,
        seed_number,
        salt: 0,
    };
    let mut hot = Vec::new();
    let layout = data.write(&mut hot).unwrap();
    let closing = Entry {
        first_id: 8,
        hot_start: hot.len() as u64,
        pool_start: 8 * record_len,
        layout: Default::default(),
    };
    let directory = [Entry { layout, ..Entry::default() }.to_bytes(), closing.to_bytes()].concat();
    let sections = Sections::place(8 * record_len, hot.len() as u64, 1, 0).unwrap();
    let header = Header {
        ignorable_features: 0,
        keys: 8,
        blocks: 1,
        hasher: KeyHasher::xxh3(0),
        key_type: KeyType::Bytes,
        value_type: ValueType::Bytes,
        fingerprint_bits: 8,
        sections,
        directory_digest: checksum::digest(&directory),
        sums_digest: 0,
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    write_sparse(file.as_file(), &header, &hot, &directory);
    for (place, i) in order.iter().enumerate() {
        let at = sections.pool.offset + place as u64 * record_len;
        let key = &keys[i.unwrap()];
        file.as_file().write_all_at(&[&head[..], key].concat(), at).unwrap();
        file.as_file().write_all_at(key, at + record_len - 2).unwrap();
    }
    // SAFETY: a file of this test's own.
    let index = unsafe { Index::map(file.path(), &MapOptions::default()) }.unwrap();
    for key in &keys {
        let value = index.get(key).unwrap().unwrap();
        assert_eq!((value.len() as u64, &value[value.len() - 2..]), (VALUE, &key[..]));
    }
    assert_eq!(index.iter().map(|record| record.unwrap().value.len() as u64).sum::<u64>(), 8 * VALUE);
}

fn write_sparse(file: &File, header: &Header, hot: &[u8], directory: &[u8]) {
    file.set_len(header.file_len()).unwrap();
    file.write_all_at(&header.to_bytes(), 0).unwrap();
    file.write_all_at(hot, header.sections.hot.offset).unwrap();
    file.write_all_at(directory, header.sections.directory.offset).unwrap();
}

/// First fit, bucket by bucket, under the first seed that has one.
fn first_pilots(hashes: &[KeyHash], geometry: &hashlith_format::Geometry) -> (u8, Vec<u8>) {
    for (number, seed) in (0u8..).zip(hashlith_format::block::SEEDS) {
        let mut taken = std::collections::BTreeSet::new();
        let pilots: Option<Vec<u8>> = (0..u64::from(geometry.buckets))
            .map(|bucket| {
                let xs: Vec<u64> = hashes
                    .iter()
                    .map(|hash| hash.lo ^ seed)
                    .filter(|&x| geometry.bucket(x) == bucket)
                    .collect();
                let pilot = (0..=255).find(|&pilot| {
                    let slots: std::collections::BTreeSet<_> =
                        xs.iter().map(|&x| geometry.slot(x, pilot, seed)).collect();
                    slots.len() == xs.len() && slots.is_disjoint(&taken)
                })?;
                taken.extend(xs.iter().map(|&x| geometry.slot(x, pilot, seed)));
                Some(pilot)
            })
            .collect();
        if let Some(pilots) = pilots {
            return (number, pilots);
        }
    }
    panic!("no pilots for eight keys");
}
