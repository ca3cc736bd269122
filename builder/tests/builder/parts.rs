//! Which files are the parts of one set, and which keys belong to which part.

use crate::{
    names,
    sets::{assert_clean, build, check, manifest, numbered},
    small,
};
use hashlith_builder::{Builder, Error, KeyHasher, Progress, ValueType, commit_set};
use hashlith_reader::{Index, OpenError};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn a_key_of_another_part_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = small().part(1, 3);
    let hasher = KeyHasher::xxh3(0);
    for (key, value) in numbered(50) {
        let home = hasher.hash(&key).part(3);
        match builder.add(&key, &value) {
            Ok(()) => assert_eq!(home, 1),
            Err(Error::OtherPart { key: named, found, part: 1, parts: 3 }) => {
                assert_eq!((named, found), (key, home));
                assert_ne!(home, 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
    for (part, parts) in [(3, 3), (0, 0), (0, 65_537)] {
        let error = small().part(part, parts).finish(dir.path().join("x")).unwrap_err();
        assert!(matches!(error, Error::Options { .. }));
    }
    assert!(small().parts(0).finish(dir.path().join("x")).is_err());
    assert!(names(dir.path()).is_empty());
}

#[test]
fn parts_that_do_not_belong_together_make_no_set() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let part = |name: &str, builder: Builder| {
        let path = dir.path().join(name);
        builder.finish(&path).unwrap();
        path
    };
    let a = part("a", small().part(0, 2));
    let b = part("b", small().part(1, 2));
    let refused = |files: &[&PathBuf], wanted: &str| {
        let files: Vec<_> = files.iter().map(|&path| path.clone()).collect();
        let error = commit_set(&set, &files, &Progress::new()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!set.exists() && files.iter().all(|path| path.ends_with("missing") || path.exists()));
    };
    refused(&[], "at least one part");
    refused(&[&a], "part 1 of 2 is missing");
    refused(&[&a, &part("again", small().part(0, 2))], "is part 0 again");
    refused(
        &[&a, &part("seed", small().part(1, 2).hasher(KeyHasher::xxh3(1)))],
        "seed belongs to another set",
    );
    refused(&[&a, &b, &part("third", small().part(2, 3))], "third belongs to another set");
    let broken = dir.path().join("broken");
    fs::write(&broken, b"no index").unwrap();
    refused(&[&a, &broken], "only 8 bytes long");
    refused(&[&a, &dir.path().join("missing")], "No such file");
    commit_set(&set, &[b, a], &Progress::new()).unwrap();
    assert_clean(&set);
}

/// Spec section 15, M1 to M5, and faults of parts: the error names the file at fault.
#[test]
fn sets_that_are_no_sets_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, &numbered(500), small().parts(3));
    let files: Vec<String> = manifest(&set).parts.into_iter().map(|part| part.file).collect();
    let refused = |rule: &str, file: &str| match Index::load(&set).unwrap_err() {
        OpenError::Invalid { path, source } => {
            assert_eq!(source.rule().to_string(), rule, "{source}");
            assert!(path.ends_with(file) || source.to_string().contains(file), "{path:?}: {source}");
        }
        error => panic!("{error}"),
    };
    let whole = |name: &str| fs::read(set.join(name)).unwrap();
    let kept: Vec<Vec<u8>> = files.iter().map(|name| whole(name)).collect();
    let text = whole("manifest.json");
    let restore = || {
        files.iter().zip(&kept).for_each(|(name, bytes)| fs::write(set.join(name), bytes).unwrap());
        fs::write(set.join("manifest.json"), &text).unwrap();
        check(&Index::load(&set).unwrap(), &numbered(500), &[]);
    };
    fs::remove_file(set.join(&files[1])).unwrap();
    refused("M4", &files[1]);
    fs::write(set.join(&files[1]), &kept[0]).unwrap();
    refused("M5", &files[1]);
    fs::write(set.join(&files[1]), &kept[1][..5000]).unwrap();
    refused("R7", &files[1]);
    let other = dir.path().join("other");
    build(&other, &numbered(999), small().parts(3));
    fs::write(set.join(&files[1]), fs::read(other.join(&manifest(&other).parts[1].file)).unwrap()).unwrap();
    refused("M5", &files[1]);
    restore();
    fs::write(
        set.join("manifest.json"),
        String::from_utf8(text.clone()).unwrap().replace("\"parts\": 3", "\"parts\": 2"),
    )
    .unwrap();
    refused("M3", &files[0]);
    fs::write(set.join("manifest.json"), b"").unwrap();
    refused("M1", "manifest.json");
    restore();

    // Lookups and iteration find damage after the header, and name the part.
    let mut damaged = kept[2].clone();
    let header = *Index::load(&set).unwrap().parts()[2].header();
    damaged[header.sections.pool.offset as usize..][..2].fill(0xff);
    fs::write(set.join(&files[2]), damaged).unwrap();
    let index = Index::load(&set).unwrap();
    let fault = index.iter().find_map(Result::err).unwrap();
    assert_eq!(fault.part(), Some(2));
    let first = index.parts()[2].first_id();
    assert_eq!(index.by_id(first).unwrap_err().part(), Some(2));
    let found = numbered(500).into_keys().filter_map(|key| index.get(&key).err()).collect::<Vec<_>>();
    assert!(!found.is_empty() && found.iter().all(|fault| fault.part() == Some(2)));
    assert_eq!(index.get_many(&numbered(500).into_keys().collect::<Vec<_>>()).unwrap_err().part(), Some(2));
}

/// M6. No build of a set breaks it.
#[test]
fn all_parts_have_the_same_types() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    let bytes = dir.path().join("bytes");
    let build = |path: &Path, value_type| small().value_type(value_type).parts(2).finish(path).unwrap();
    build(&text, ValueType::Text);
    build(&bytes, ValueType::Bytes);
    let (mut mixed, other) = (manifest(&text), manifest(&bytes));
    mixed.parts[1] = other.parts[1].clone();
    fs::copy(bytes.join(&other.parts[1].file), text.join(&other.parts[1].file)).unwrap();
    fs::write(text.join("manifest.json"), mixed.to_text()).unwrap();
    match Index::load(&text).unwrap_err() {
        OpenError::Invalid { source, .. } => assert_eq!(source.rule().to_string(), "M6"),
        error => panic!("{error}"),
    }
}
