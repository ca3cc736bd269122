//! Builds beyond 4 GiB, up to the limits of `spec.md` section 11.

use hashlith_builder::Builder;
use hashlith_format::{CellData, Head, Header, KeyHasher, Sections, header::Lens};
use hashlith_reader::{Index, MapOptions};
use std::os::unix::fs::FileExt;

/// 4.2 GiB of records through the whole pipeline under a limit of 256 MiB, so that both the spill and the pool pass
/// 2^32 bytes.
#[test]
#[ignore = "4 GiB of records: make test-all"]
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
    assert!(report.headers[0].sections.pool.len > 1 << 32);
    // SAFETY: a file of this test's own.
    let index = unsafe { Index::map(&path, &MapOptions::default()) }.unwrap();
    for i in 0..540u32 {
        let found = index.get(format!("key {i}").as_bytes()).unwrap().unwrap();
        assert_eq!((found.len(), &found[..4], found[LEN - 1]), (LEN, &i.to_le_bytes()[..], b'v'));
    }
    assert_eq!(index.get(b"key 540").unwrap(), None);
}

/// The number of page faults of this thread.
fn page_faults() -> i64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<i64> = fields.split_whitespace().skip(1).flat_map(str::parse).collect();
    // The tenth and the twelfth field: without and with a read of the disk.
    fields[6] + fields[8]
}

/// One cell with records of 40 GiB, most of it a hole in the file: values above 4 GiB, and offsets within a cell that need
/// more than 32 bits. Except for the offsets, the file is that of a small index of the same keys.
#[test]
fn values_above_four_gib_and_wide_offsets() {
    const VALUE: u64 = (5 << 30) + 3;
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Builder::new();
    for i in 0..8u8 {
        builder.add(&[b'k', i], b"").unwrap();
    }
    builder.finish(dir.path().join("small")).unwrap();
    let small = Index::load(dir.path().join("small")).unwrap();
    let keys: Vec<_> = small.iter().map(|record| record.unwrap().key).collect();
    let cell: &[u8; 128] = small.parts()[0].as_bytes()[small.first_header().sections.hot.offset as usize..]
        .first_chunk()
        .unwrap();
    let small_head = Head::parse(cell);
    assert_eq!((small.first_header().cells, small_head.far), (1, None));

    let mut lengths = Vec::new();
    hashlith_format::record::write_varint(2, &mut lengths);
    hashlith_format::record::write_varint(VALUE, &mut lengths);
    let record_len = lengths.len() as u64 + 2 + VALUE;
    let hashes = keys.iter().map(|key| KeyHasher::xxh3(0).hash(key));
    let data = CellData {
        offsets: &(0..=8).map(|i| i * record_len).collect::<Vec<_>>(),
        fingerprints: &hashes.map(|hash| hash.fingerprint(8) as u32).collect::<Vec<_>>(),
        fingerprint_bits: 8,
        pilots: &cell[20..][..small_head.geometry().buckets() as usize],
        attempt: small_head.attempt,
        shared: None,
    };
    let mut hot = Vec::new();
    data.write(0, 0, &mut hot, &mut Vec::new()).unwrap();
    assert!(Head::parse(hot.first_chunk().unwrap()).width > 32);
    let sections = Sections::place(Lens { pool: 8 * record_len, cells: 1, ..Lens::default() }).unwrap();
    let header = Header { sections, ..*small.first_header() };
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(header.file_len()).unwrap();
    file.as_file().write_all_at(&header.to_bytes(), 0).unwrap();
    file.as_file().write_all_at(&hot, sections.hot.offset).unwrap();
    for (place, key) in (0..).zip(&keys) {
        let at = sections.pool.offset + place * record_len;
        file.as_file().write_all_at(&[&lengths[..], key].concat(), at).unwrap();
        file.as_file().write_all_at(key, at + record_len - 2).unwrap();
    }
    let before = page_faults();
    // SAFETY: a file of this test's own.
    let index = unsafe { Index::map(file.path(), &MapOptions::default()) }.unwrap();
    // Promise 1: opening reads the header alone, however long the file is.
    assert!(before > 0 && page_faults() - before < 100);
    for key in &keys {
        let value = index.get(key).unwrap().unwrap();
        assert_eq!((value.len() as u64, &value[value.len() - 2..]), (VALUE, &**key));
    }
    assert_eq!(index.iter().map(|record| record.unwrap().value.len() as u64).sum::<u64>(), 8 * VALUE);
}
