//! Operations on compressed indexes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use hashlith::{Builder, Compress, Index, merge, split};
use std::path::Path;

/// A few threads and as little memory as learning takes.
fn small() -> Builder {
    Builder::new().threads(2).memory_limit(96 << 20)
}

/// A split copies compressed records where it can; otherwise, and in a merge of several indexes, tokens are learnt anew.
#[test]
fn compressed_indexes_stay_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let compressed = |path: &Path, numbers: std::ops::Range<u32>| {
        let mut builder = small().compress(Compress::On);
        for number in numbers {
            builder.add(format!("user {number}").as_bytes(), b"https://example.org/users").unwrap();
        }
        builder.finish(path).unwrap();
        Index::load(path).unwrap()
    };
    let (one, two) = (compressed(&path("one"), 0..20_000), compressed(&path("two"), 20_000..40_000));
    let tables = |index: &Index<Vec<u8>>| {
        let header = index.first_header();
        assert!(header.key_tables > 0 && header.value_tables > 0);
        let span = header.sections.tables;
        index.parts()[0].as_bytes()[span.offset as usize..span.end() as usize].to_vec()
    };
    let check = |index: &Index<Vec<u8>>, keys: u32| {
        assert_eq!(index.len(), u64::from(keys));
        for number in 0..keys {
            let value = index.get(format!("user {number}").as_bytes()).unwrap();
            assert_eq!(value.as_deref(), Some(&b"https://example.org/users"[..]));
        }
    };
    for parts in [2, 1009] {
        let cut = path(&format!("{parts} parts"));
        split(Index::load(path("one")).unwrap(), &cut, small(), parts).unwrap();
        let cut = Index::load(cut).unwrap();
        check(&cut, 20_000);
        // Copied, or learnt from the same records.
        assert!(tables(&cut) == tables(&one));
    }
    merge(vec![one, two], path("both"), small()).unwrap();
    let both = Index::load(path("both")).unwrap();
    check(&both, 40_000);
    tables(&both);
}
