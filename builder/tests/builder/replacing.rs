//! Promise 3 for sets: a set is replaced as a whole or not at all.

use crate::{
    names,
    sets::{Pairs, assert_clean, build, check, numbered},
    small,
};
use hashlith_builder::{Error, KeyHasher, OnDuplicate, Progress, commit_set};
use hashlith_format::SetFiles;
use hashlith_reader::Index;
use std::{cell::Cell, fs, path::Path};

/// Promise 3 for sets: a new version replaces the old one at once, readers keep the version they opened, and a failure
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
    builder.progress_handle().cancel();
    assert!(matches!(builder.finish(&set), Err(Error::Cancelled)));
    assert_eq!(before, (fs::read(set.join("manifest.json")).unwrap(), names(&set)));

    let new: Pairs = numbered(3000).into_iter().filter(|(key, _)| key.len() > 7).collect();
    check(&build(&set, &new, small().parts(7)), &new, &[]);
    assert_clean(&set);
    check(&held, &old, &[]);
    // The same build again gives the same files.
    let modified = |name: &str| fs::metadata(set.join(name)).unwrap().len();
    let lengths: Vec<_> = names(&set).iter().map(|name| modified(name)).collect();
    build(&set, &new, small().parts(7));
    assert_clean(&set);
    assert_eq!(lengths, names(&set).iter().map(|name| modified(name)).collect::<Vec<_>>());
    // A failing build removes the directory that it has created.
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
    // Readers ignore it.
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
    // An empty directory may become a set, and so may what a killed first build has left.
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

/// A part that the old set also has is replaced only after the new manifest is in place.
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
    commit_set(&set, &[part("0", 0, 100), part("1", 1, 100)], &Progress::new()).unwrap();
    let before = (names(&set), fs::read(set.join("manifest.json")).unwrap());
    // The same part 0, and another part 1, whose name belongs to something that cannot be replaced.
    let (same, other) = (part("same", 0, 100), part("other", 1, 200));
    let name_of =
        |part: &Path| hashlith_format::manifest::PartFile::of(Index::load(part).unwrap().first_header()).file;
    let name = name_of(&other);
    fs::create_dir_all(set.join(&name).join("x")).unwrap();
    commit_set(&set, &[same.clone(), other.clone()], &Progress::new()).unwrap_err();
    assert!(same.exists() && other.exists());
    // A file that no manifest names may be half of a copy: the new part replaces it before the new manifest is written.
    let third = part("third", 0, 200);
    let orphan = set.join(name_of(&third));
    fs::write(&orphan, b"half").unwrap();
    commit_set(&set, &[third.clone(), other.clone()], &Progress::new()).unwrap_err();
    assert!(third.exists() && !orphan.exists());
    fs::remove_file(third).unwrap();
    fs::remove_dir_all(set.join(&name)).unwrap();
    assert_eq!((names(&set), fs::read(set.join("manifest.json")).unwrap()), before);
    check(&Index::load(&set).unwrap(), &numbered(100), &[]);
    commit_set(&set, &[same, other], &Progress::new()).unwrap();
    assert_clean(&set);
    assert_eq!(names(dir.path()), ["set"]);
}

/// An existing directory keeps its permissions, and stays when a build fails.
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
    // Other programs write a manifest.json too.
    let theirs = dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("manifest.json"), b"{\"name\": \"an extension\"}").unwrap();
    assert!(matches!(small().parts(2).finish(&theirs), Err(Error::NoSet { .. })));
    assert_eq!(fs::read(theirs.join("manifest.json")).unwrap(), b"{\"name\": \"an extension\"}");
}

/// If the manifest cannot be put in place, the parts go back to where they were, and the old set is unchanged.
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
    commit_set(&set, &files, &Progress::new()).unwrap_err();
    assert_eq!((names(dir.path()), names(&set)), (before, vec!["manifest.json".to_owned()]));
    fs::remove_dir_all(&set).unwrap();
    commit_set(&set, &files, &Progress::new()).unwrap();
    assert_clean(&set);
}

/// A set that goes from one version to another and back has the same manifest again, but lacked its parts meanwhile.
#[test]
fn a_reader_starts_again_when_the_set_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let version = |keys| drop(build(&set, &numbered(keys), small().parts(2)));
    version(100);
    let opened = Cell::new(0);
    let found = SetFiles::open_current(&set, |files| {
        opened.set(opened.get() + 1);
        if opened.get() > 1 {
            return Ok(());
        }
        version(200);
        let path = files.part_paths().next().unwrap();
        let missing = fs::read(&path).map(drop).map_err(|source| files.part_error(0, &path, source));
        version(100);
        missing
    });
    assert!(found.is_ok() && opened.get() == 2, "{found:?}");
    // If nobody replaces the set, a fault is found once.
    fs::remove_file(set.join(SetFiles::read(&set).unwrap().part_paths().next().unwrap())).unwrap();
    opened.set(0);
    let found = SetFiles::open_current(&set, |files| {
        opened.set(opened.get() + 1);
        fs::read(files.part_paths().next().unwrap())
            .map(drop)
            .map_err(|source| files.part_error(0, "".as_ref(), source))
    });
    assert!(found.is_err() && opened.get() == 1, "{found:?}");
}
