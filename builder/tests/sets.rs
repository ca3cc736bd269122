//! Sets: parts hold what a whole file would hold, come into force at once, and are cut anew without a change.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use hashlith_builder::{Builder, Error, KeyHasher, OnDuplicate, can_recut, commit_set};
use hashlith_format::{Header, Manifest};
use hashlith_reader::{Index, OpenError};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

fn small() -> Builder {
    Builder::new().threads(2).memory_limit(Builder::smallest_memory(2))
}

fn build(path: &Path, pairs: &Pairs, mut builder: Builder) -> Index<Vec<u8>> {
    for (key, value) in pairs {
        builder.add(key, value).unwrap();
    }
    builder.finish(path).unwrap();
    Index::load(path).unwrap()
}

fn numbered(count: u32) -> Pairs {
    (0..count).map(|i| (format!("key {i}").into_bytes(), format!("value {}", i * 7).into_bytes())).collect()
}

/// What is in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn manifest(dir: &Path) -> Manifest {
    Manifest::parse(&fs::read(dir.join("manifest.json")).unwrap()).unwrap()
}

/// The directory holds the set that its manifest names, and nothing else.
fn assert_clean(dir: &Path) {
    let mut expected: Vec<_> = manifest(dir).parts.into_iter().map(|part| part.file).collect();
    expected.push("manifest.json".to_owned());
    expected.sort();
    assert_eq!(names(dir), expected);
}

fn check(index: &Index<Vec<u8>>, model: &Pairs, absent: &[Vec<u8>]) {
    assert_eq!(index.len(), model.len() as u64);
    let mut ids = vec![false; model.len()];
    for (key, value) in model {
        let record = index.find(key).unwrap().unwrap();
        assert_eq!(record.value, &value[..]);
        assert!(!std::mem::replace(&mut ids[record.id as usize], true), "an id twice");
        assert_eq!(index.by_id(record.id).unwrap(), Some(record));
        let mut from = index.iter_from(record.id).unwrap();
        assert_eq!(from.next().unwrap().unwrap(), record);
        if record.id.is_multiple_of(index.len() / 20 + 1) {
            let position = from.position();
            let rest: Vec<_> = from.map(Result::unwrap).collect();
            assert_eq!(rest.len() as u64, index.len() - record.id - 1);
            assert_eq!(index.iter_at(position).map(Result::unwrap).collect::<Vec<_>>(), rest);
        }
    }
    assert_eq!(index.iter_from(index.len()).unwrap().count(), 0);
    let keys: Vec<_> = model.keys().chain(absent).collect();
    let expected: Vec<_> = keys.iter().map(|&key| model.get(key).map(|value| &value[..])).collect();
    assert_eq!(index.get_many(&keys).unwrap(), expected);
    let listed: Vec<_> = index.iter().map(Result::unwrap).collect();
    assert!(listed.iter().zip(0..).all(|(record, id)| record.id == id));
    let listed: Pairs = listed.iter().map(|record| (record.key.to_vec(), record.value.to_vec())).collect();
    assert_eq!(&listed, model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A set answers like the model, whatever the number of parts; its parts come out of builds of parts too, with
    /// any number of cells; and cut anew it is the same.
    #[test]
    fn a_set_is_a_dict(
        pairs in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..200), 0..300),
        absent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..50),
        parts in 1u32..10,
        seed in any::<u64>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let hasher = KeyHasher::xxh3(seed);
        let index = build(&path("set"), &pairs, small().hasher(hasher).parts(parts));
        check(&index, &pairs, &absent);
        assert_clean(&path("set"));
        prop_assert_eq!(index.parts().len(), parts as usize);

        let mut files = Vec::new();
        for part in (0..parts).rev() {
            let own: Pairs = pairs
                .iter()
                .filter(|(key, _)| hasher.hash(key).part(parts) == part)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let file = path(&format!("{part}.hlith"));
            let index = build(&file, &own, small().hasher(hasher).part(part, parts));
            // Alone, it has its own keys and no others.
            let others: Vec<_> = pairs.keys().filter(|key| !own.contains_key(*key)).cloned().collect();
            check(&index, &own, &others);
            files.push(file);
        }
        commit_set(&path("other"), &files).unwrap();
        check(&Index::load(path("other")).unwrap(), &pairs, &absent);
        assert_clean(&path("other"));
        prop_assert_eq!(names(dir.path()), ["other", "set"]);
    }
}

fn recut(from: &Index<Vec<u8>>, path: &Path, parts: Option<u32>) -> Result<(), Error> {
    let files: Vec<&[u8]> = from.parts().iter().map(|part| part.as_bytes()).collect();
    let builder = if let Some(parts) = parts { small().parts(parts) } else { small() };
    builder.finish_recut(&files, path).map(drop)
}

fn headers(index: &Index<Vec<u8>>) -> Vec<Header> {
    index.parts().iter().map(|part| *part.header()).collect()
}

/// Cells that are copied are those that a build would make: the bytes are the same.
#[test]
fn another_cut_gives_the_bytes_of_another_build() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // Some far cells, and records above the bytes that are copied at a time.
    let mut pairs = numbered(90_000);
    pairs.extend((0..40).map(|i| (format!("long {i}").into_bytes(), vec![b'x'; 100_000 * i])));
    let whole = build(&path("whole"), &pairs, small());
    assert!(whole.first_header().sections.far.len > 0);
    for parts in [1, 2, 8, 64] {
        let (built, cut) = (path(&format!("built {parts}")), path(&format!("cut {parts}")));
        let set = build(&built, &pairs, small().parts(parts));
        assert!(can_recut(&headers(&whole), parts));
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
    // Cells do not fit into three parts; and a set with other cells in each part only keeps its parts.
    assert!(!can_recut(&headers(&whole), 3));
    assert!(matches!(recut(&whole, &path("x"), Some(3)), Err(Error::Options { .. })));
    assert!(!path("x").exists() && !can_recut(&headers(&whole), 0));
    let bytes: Vec<&[u8]> = whole.parts().iter().map(|part| part.as_bytes()).collect();
    for builder in [small().parts(0), small().part(3, 8)] {
        assert!(matches!(builder.finish_recut(&bytes, path("x")), Err(Error::Options { .. })));
    }
}

/// Parts of builds of their own have numbers of cells of their own.
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
    commit_set(&set, &files).unwrap();
    let index = Index::load(&set).unwrap();
    let headers = headers(&index);
    assert_ne!(headers[0].cells, headers[1].cells);
    assert!(can_recut(&headers, 2) && can_recut(&headers, 4) && !can_recut(&headers, 1));
    recut(&index, &dir.path().join("four"), Some(4)).unwrap();
    let pairs: Pairs = index
        .iter()
        .map(|record| record.map(|record| (record.key.to_vec(), record.value.to_vec())).unwrap())
        .collect();
    check(&Index::load(dir.path().join("four")).unwrap(), &pairs, &[]);
}

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

/// Promise 3 for sets: a new version replaces the old one at once, whoever has that open keeps it, and what goes wrong
/// leaves everything as it was.
#[test]
fn a_set_is_replaced_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let old = numbered(1000);
    build(&set, &old, small().parts(4));
    let held = Index::load(&set).unwrap();
    let before = (fs::read(set.join("manifest.json")).unwrap(), names(&set));

    // A build that fails: the same key twice.
    let mut builder = small().parts(2);
    (0..2).for_each(|_| builder.add(b"key", b"value").unwrap());
    assert!(matches!(builder.finish(&set), Err(Error::Duplicate { .. })));
    assert_eq!(before, (fs::read(set.join("manifest.json")).unwrap(), names(&set)));
    let mut builder = small().parts(2);
    builder.add(b"key", b"value").unwrap();
    builder.progress().cancel();
    assert!(matches!(builder.finish(&set), Err(Error::Cancelled)));
    assert_eq!(before, (fs::read(set.join("manifest.json")).unwrap(), names(&set)));

    let new: Pairs = numbered(3000).into_iter().filter(|(key, _)| key.len() > 7).collect();
    check(&build(&set, &new, small().parts(7)), &new, &[]);
    assert_clean(&set);
    check(&held, &old, &[]);
    // The same again: the same files.
    let modified = |name: &str| fs::metadata(set.join(name)).unwrap().len();
    let lengths: Vec<_> = names(&set).iter().map(|name| modified(name)).collect();
    build(&set, &new, small().parts(7));
    assert_clean(&set);
    assert_eq!(lengths, names(&set).iter().map(|name| modified(name)).collect::<Vec<_>>());
    // One that was not there does not stay when its build fails.
    let mut builder = small().parts(2).on_duplicate(OnDuplicate::Error);
    (0..2).for_each(|_| builder.add(b"key", b"value").unwrap());
    assert!(builder.finish(dir.path().join("never")).is_err());
    assert_eq!(names(dir.path()), ["set"]);
}

#[test]
fn what_a_killed_build_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, &numbered(100), small().parts(2));
    fs::create_dir(set.join(".new.1-0.tmp")).unwrap();
    fs::write(set.join(".new.1-0.tmp/part-00000.1-0.tmp"), b"half").unwrap();
    fs::write(set.join("manifest.json.1-0.tmp"), b"half").unwrap();
    let orphan = format!("part-00000-{:016x}.hlith", 5);
    fs::write(set.join(&orphan), b"whole, but not in force").unwrap();
    // Readers do not mind.
    check(&Index::load(&set).unwrap(), &numbered(100), &[]);
    build(&set, &numbered(200), small().parts(2));
    assert_clean(&set);
}

#[test]
fn only_a_set_is_replaced_by_a_set() {
    let dir = tempfile::tempdir().unwrap();
    let mine = dir.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("letter.txt"), b"dear").unwrap();
    let error = small().parts(2).finish(&mine).unwrap_err();
    assert!(matches!(&error, Error::NoSet { holds, .. } if holds.ends_with("letter.txt")), "{error}");
    let mut builder = small().parts(2);
    assert!(matches!(builder.preflight(&mine), Err(Error::NoSet { .. })));
    assert_eq!(names(&mine), ["letter.txt"]);
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(small().parts(2).finish(&file).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"x");
    // An empty directory is as good as none, and so is what a killed first build has left.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    build(&empty, &numbered(10), small().parts(2));
    assert_clean(&empty);
    let killed = dir.path().join("killed");
    for left in
        [".new.1-0.tmp/part-00000.1-0.tmp", "part-00000-0000000000000005.hlith", "manifest.json.1-0.tmp"]
    {
        fs::create_dir_all(killed.join(left).parent().unwrap()).unwrap();
        fs::write(killed.join(left), b"half").unwrap();
        build(&killed, &numbered(10), small().parts(2));
        assert_clean(&killed);
        fs::remove_dir_all(&killed).unwrap();
    }
}

/// A part that the old set has too is touched only when the new set is in force.
#[test]
fn a_commit_that_fails_loses_no_part() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let hasher = KeyHasher::xxh3(0);
    let part = |name: &str, number: u32, keys: u32| {
        let own: Pairs =
            numbered(keys).into_iter().filter(|(key, _)| hasher.hash(key).part(2) == number).collect();
        let path = dir.path().join(name);
        build(&path, &own, small().part(number, 2));
        path
    };
    commit_set(&set, &[part("0", 0, 100), part("1", 1, 100)]).unwrap();
    let before = (names(&set), fs::read(set.join("manifest.json")).unwrap());
    // The same part 0, another part 1, whose place is taken by something that cannot be replaced.
    let (same, other) = (part("same", 0, 100), part("other", 1, 200));
    let name_of =
        |part: &Path| hashlith_format::manifest::PartFile::of(Index::load(part).unwrap().first_header()).file;
    let name = name_of(&other);
    fs::create_dir_all(set.join(&name).join("x")).unwrap();
    commit_set(&set, &[same.clone(), other.clone()]).unwrap_err();
    assert!(same.exists() && other.exists());
    // A file that no manifest names may be half of a copy: the new part takes its place before the new manifest comes.
    let third = part("third", 0, 200);
    let orphan = set.join(name_of(&third));
    fs::write(&orphan, b"half").unwrap();
    commit_set(&set, &[third.clone(), other.clone()]).unwrap_err();
    assert!(third.exists() && !orphan.exists());
    fs::remove_file(third).unwrap();
    fs::remove_dir_all(set.join(&name)).unwrap();
    assert_eq!((names(&set), fs::read(set.join("manifest.json")).unwrap()), before);
    check(&Index::load(&set).unwrap(), &numbered(100), &[]);
    commit_set(&set, &[same, other]).unwrap();
    assert_clean(&set);
    assert_eq!(names(dir.path()), ["set"]);
}

/// A directory that somebody has made keeps its rights, and stays when a build fails.
#[test]
fn a_directory_that_was_there_stays() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    fs::create_dir(&set).unwrap();
    fs::set_permissions(&set, fs::Permissions::from_mode(0o2770)).unwrap();
    let mode = || fs::metadata(&set).unwrap().permissions().mode() & 0o7777;
    let mut builder = small().parts(2);
    builder.preflight(&set).unwrap();
    (0..2).for_each(|_| builder.add(b"key", b"value").unwrap());
    assert!(builder.finish(&set).is_err());
    assert_eq!((mode(), names(&set).len()), (0o2770, 0));
    build(&set, &numbered(10), small().parts(2));
    assert_eq!(mode(), 0o2770);
    // Other programs have a manifest.json too.
    let theirs = dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("manifest.json"), b"{\"name\": \"an extension\"}").unwrap();
    assert!(matches!(small().parts(2).finish(&theirs), Err(Error::NoSet { .. })));
    assert_eq!(fs::read(theirs.join("manifest.json")).unwrap(), b"{\"name\": \"an extension\"}");
}

/// A manifest that cannot be put in place: the parts are where they were, and the old set is as it was.
#[test]
fn parts_come_back_from_a_commit_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let mut files = Vec::new();
    for part in 0..2 {
        files.push(dir.path().join(format!("{part}.hlith")));
        small().part(part, 2).finish(&files[part as usize]).unwrap();
    }
    fs::create_dir_all(set.join("manifest.json/x")).unwrap();
    let before = names(dir.path());
    commit_set(&set, &files).unwrap_err();
    assert_eq!((names(dir.path()), names(&set)), (before, vec!["manifest.json".to_owned()]));
    fs::remove_dir_all(&set).unwrap();
    commit_set(&set, &files).unwrap();
    assert_clean(&set);
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
        let error = commit_set(&set, &files).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!set.exists() && files.iter().all(|path| path.ends_with("missing") || path.exists()));
    };
    refused(&[], "at least one part");
    refused(&[&a], "is a part of a set of 2, not of the 1 that are here");
    refused(&[&a, &part("again", small().part(0, 2))], "is part 0, and so is");
    refused(
        &[&a, &part("seed", small().part(1, 2).hasher(KeyHasher::xxh3(1)))],
        "another hash, seed, or type",
    );
    refused(&[&a, &b, &part("third", small().part(2, 3))], "is a part of a set of 2, not of the 3");
    let broken = dir.path().join("broken");
    fs::write(&broken, b"no index").unwrap();
    refused(&[&a, &broken], "only 8 bytes long");
    refused(&[&a, &dir.path().join("missing")], "No such file");
    commit_set(&set, &[b, a]).unwrap();
    assert_clean(&set);
}

/// Spec section 15: M4 to M6, and faults of parts, with the file that is at fault.
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

    // Damage behind the header is met by lookups and iteration, which name the part.
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

/// M6, which no build of one set can break.
#[test]
fn all_parts_have_the_same_types() {
    use hashlith_builder::ValueType;
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
