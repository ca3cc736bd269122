//! Bytes as an index or as a manifest.

use hashlith_checker::{Options as CheckOptions, verify};
use hashlith_feedback::Progress;
use hashlith_format::{Manifest, PAGE, checksum, header, manifest::range};
use hashlith_reader::Index;

/// Bytes as an index, as they are and with all sums corrected. The reader may return an error, but never panics.
pub fn reader(bytes: &[u8]) {
    ask(bytes);
    sealed(bytes).iter().for_each(|bytes| ask(bytes));
}

/// Bytes as a manifest. An accepted one has the only valid form, and its ranges have neither gaps nor overlaps.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    assert_eq!(manifest.to_text().as_bytes(), bytes);
    let ranges: Vec<_> = (0..manifest.count()).map(|part| range(part, manifest.count())).collect();
    assert!(ranges.windows(2).all(|pair| pair[0].1.checked_add(1) == Some(pair[1].0)));
    assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u64::MAX));
}

fn ask(bytes: &[u8]) {
    let Ok(index) = Index::new(bytes) else { return };
    let mut keys: Vec<Vec<u8>> = index.iter().take(50).flatten().map(|record| record.key.to_vec()).collect();
    keys.extend([b"key 1".to_vec(), bytes[bytes.len() - 9..].to_vec(), Vec::new()]);
    for key in &keys {
        let one = index.find(key);
        let _ = index.get_str(&String::from_utf8_lossy(key));
        if let Ok(Some(record)) = one
            && !index.first_header().keys_left_out()
        {
            assert_eq!(&*record.key, &key[..]);
        }
    }
    if let Ok(found) = index.get_many(&keys) {
        for (key, value) in keys.iter().zip(found) {
            assert_eq!(index.get(key), Ok(value));
        }
    }
    for id in [0, 1, index.len() / 2, index.len().wrapping_sub(1), index.len()] {
        let _ = index.by_id(id);
    }
}

/// Bytes as an index. If the checker accepts it, the reader finds each key at its own place and never fails; and both agree
/// on the error when the file cannot be opened.
pub fn checker(bytes: &[u8]) {
    check(bytes);
    sealed(bytes).iter().for_each(|bytes| check(bytes));
}

fn check(bytes: &[u8]) {
    let found = verify(bytes, &CheckOptions { threads: 1 }, &Progress::new());
    match (Index::new(bytes), found) {
        (Ok(index), Ok(report)) => {
            assert_eq!(report.keys, index.len());
            for (id, record) in (0..).zip(index.iter()) {
                let record = record.expect("a record that the checker accepts");
                assert_eq!(record.id, id);
                if !report.header.keys_left_out() {
                    assert_eq!(index.find(&record.key).as_ref(), Ok(&Some(record.clone())));
                }
                assert_eq!(index.by_id(id), Ok(Some(record)));
            }
        }
        (Err(opening), Err(hashlith_checker::Error::Fault(fault))) => {
            assert_eq!((opening.rule(), opening.offset()), (fault.rule(), fault.offset()));
        }
        (Err(opening), Ok(_)) => panic!("accepted, but not opened: {opening}"),
        (_, Err(_)) => {}
    }
}

/// The same bytes with the length of the file, all sums and the digests corrected, if there is room for the sums.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = bytes.to_vec();
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (sums, len) = (number(192)?, number(200)?);
    let end = sums.checked_add(len).filter(|&end| sums >= PAGE && end <= bytes.len() as u64)?;
    if len != 8 * checksum::chunk_count(sums) {
        return None;
    }
    let mut chunks = checksum::ChunkSums::default();
    chunks.update(&bytes[PAGE as usize..sums as usize]);
    sealed[sums as usize..end as usize].copy_from_slice(&chunks.finish());
    let digest = checksum::digest(&sealed[sums as usize..end as usize]);
    sealed[32..40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    sealed[208..216].copy_from_slice(&digest.to_le_bytes());
    let page: &mut [u8; PAGE as usize] = sealed.first_chunk_mut()?;
    header::seal(page);
    Some(sealed)
}
