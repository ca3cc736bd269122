//! Copied cells are the same as those of a build.

use crate::{
    sets::{Pairs, assert_clean, build, check, numbered},
    small,
};
use hashlith_builder::{Error, KeyHasher, Progress, can_recut, commit_set};
use hashlith_reader::Index;
use std::{fs, path::Path};

fn recut(from: &Index<Vec<u8>>, path: &Path, parts: Option<u32>) -> Result<(), Error> {
    let files = files_of(from);
    let builder = if let Some(parts) = parts { small().parts(parts) } else { small() };
    builder.finish_recut(&files, path).map(drop)
}

fn files_of(index: &Index<Vec<u8>>) -> Vec<&[u8]> {
    index.parts().iter().map(|part| part.as_bytes()).collect()
}

/// Files of copied cells have the same bytes as a build of the records.
#[test]
fn another_cut_gives_the_bytes_of_another_build() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // Some far cells, and more bytes of records than are copied at a time.
    let mut pairs = numbered(90_000);
    pairs.extend((0..40).map(|i| (format!("long {i}").into_bytes(), vec![b'x'; 100_000 * i])));
    let whole = build(&path("whole"), &pairs, small());
    assert!(whole.first_header().sections.far.len > 0);
    for parts in [1, 2, 8, 32] {
        let (built, cut) = (path(&format!("built {parts}")), path(&format!("cut {parts}")));
        let set = build(&built, &pairs, small().parts(parts));
        assert!(can_recut(&files_of(&whole), parts));
        recut(&whole, &cut, Some(parts)).unwrap();
        assert_eq!(
            fs::read(built.join("manifest.json")).unwrap(),
            fs::read(cut.join("manifest.json")).unwrap()
        );
        assert_clean(&cut);
        recut(&set, &path("back"), None).unwrap();
        assert!(fs::read(path("back")).unwrap() == fs::read(path("whole")).unwrap());
        recut(&set, &path("halves"), Some(2)).unwrap();
        let halves = fs::read(path("halves").join("manifest.json")).unwrap();
        assert_eq!(halves, fs::read(path("built 2").join("manifest.json")).unwrap_or(halves.clone()));
    }
    // Cells do not fit into 1,009 parts. A set whose parts have different numbers of cells can only keep its parts.
    assert!(!can_recut(&files_of(&whole), 1009));
    assert!(matches!(recut(&whole, &path("x"), Some(1009)), Err(Error::Options { .. })));
    assert!(!path("x").exists() && !can_recut(&files_of(&whole), 0));
    let bytes = files_of(&whole);
    for builder in [small().parts(0), small().part(3, 8)] {
        assert!(matches!(builder.finish_recut(&bytes, path("x")), Err(Error::Options { .. })));
    }
}

/// Parts that were built separately have their own numbers of cells.
#[test]
fn parts_with_different_cells_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let hasher = KeyHasher::xxh3(0);
    let mut files = Vec::new();
    for part in 0..2 {
        let own: Pairs = numbered(if part == 0 { 100_000 } else { 100 })
            .into_iter()
            .filter(|(key, _)| hasher.hash(key).part(2) == part)
            .collect();
        files.push(dir.path().join(format!("{part}")));
        build(&files[part as usize], &own, small().part(part, 2));
    }
    let set = dir.path().join("set");
    commit_set(&set, &files, &Progress::new()).unwrap();
    let index = Index::load(&set).unwrap();
    let [first, second] = [0, 1].map(|part: usize| index.parts()[part].header().cells);
    assert_ne!(first, second);
    let files = files_of(&index);
    assert!(can_recut(&files, 2) && can_recut(&files, 4) && !can_recut(&files, 1));
    recut(&index, &dir.path().join("four"), Some(4)).unwrap();
    let pairs: Pairs = index
        .iter()
        .map(|record| record.map(|record| (record.key.to_vec(), record.value.to_vec())).unwrap())
        .collect();
    check(&Index::load(dir.path().join("four")).unwrap(), &pairs, &[]);
}
