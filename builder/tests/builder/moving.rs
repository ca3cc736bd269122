//! Files that a commit moves into a set: what they are, and where they are.

use crate::{
    names,
    sets::{assert_clean, build, check, manifest, numbered},
    small,
};
use hashlith_builder::{Error, PartFault, Progress, commit_set};
use hashlith_reader::Index;
use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

/// Two parts, `0` and `1`.
fn parts(dir: &Path) -> [PathBuf; 2] {
    [0, 1].map(|part| {
        let path = dir.join(part.to_string());
        small().part(part, 2).finish(&path).unwrap();
        path
    })
}

/// The commit fails for this reason, at this path, and changes nothing.
#[track_caller]
fn refused(set: &Path, files: &[PathBuf], at: &Path, wanted: PartFault) {
    let before = (names(set.parent().unwrap()), set.exists().then(|| names(set)));
    match commit_set(set, files, &Progress::new()).unwrap_err() {
        Error::PartFile { path, what } => assert_eq!((&*path, what), (at, wanted)),
        error => panic!("{error}"),
    }
    assert_eq!((names(set.parent().unwrap()), set.exists().then(|| names(set))), before);
}

/// Moving a link would leave a set without a part; moving what it leads to would take a file from where it belongs.
#[test]
fn a_link_is_no_part() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, &numbered(100), small().parts(2));
    fs::create_dir(dir.path().join("store")).unwrap();
    let [zero, one] = parts(&dir.path().join("store"));
    let link = dir.path().join("link");
    symlink("store/1", &link).unwrap();
    refused(&set, &[zero.clone(), link.clone()], &link, PartFault::Link);
    check(&Index::load(&set).unwrap(), &numbered(100), &[]);
    // A link to the folder is as good as the folder; and so is a link to the set.
    symlink("store", dir.path().join("way")).unwrap();
    symlink("set", dir.path().join("alias")).unwrap();
    let alias = dir.path().join("alias");
    commit_set(&alias, &[dir.path().join("way/0"), one], &Progress::new()).unwrap();
    assert_clean(&set);
    assert!(fs::symlink_metadata(alias).unwrap().is_symlink());
}

#[test]
fn the_same_file_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [zero, one] = parts(dir.path());
    let hard = dir.path().join("hard");
    fs::hard_link(&zero, &hard).unwrap();
    for files in [[zero.clone(), hard.clone(), one.clone()], [zero.clone(), one.clone(), one.clone()]] {
        let error = commit_set(&dir.path().join("set"), &files, &Progress::new()).unwrap_err();
        assert!(error.to_string().contains("again: name each part once"), "{error}");
    }
    assert_eq!(names(dir.path()), ["0", "1", "hard"]);
    commit_set(&dir.path().join("set"), &[hard, one], &Progress::new()).unwrap();
    assert_clean(&dir.path().join("set"));
}

#[test]
fn a_part_on_another_file_system_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let elsewhere = ["/dev/shm", env!("CARGO_TARGET_TMPDIR")].map(Path::new);
    let elsewhere = elsewhere.into_iter().find(|path| device(path) != device(dir.path())).unwrap();
    let other = tempfile::tempdir_in(elsewhere).unwrap();
    let (set, [zero, one]) = (dir.path().join("set"), parts(dir.path()));
    let far = other.path().join("1");
    fs::copy(&one, &far).unwrap();
    refused(&set, &[zero.clone(), far.clone()], &far, PartFault::OtherFileSystem);
    assert!(!set.exists());
    fs::remove_file(&one).unwrap();
    fs::copy(&far, &one).unwrap();
    commit_set(&set, &[zero, one], &Progress::new()).unwrap();
    assert_clean(&set);
}

/// A part that is already in the directory: under its name, under another one, and as a part of the present set.
#[test]
fn parts_within_the_set() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, &numbered(100), small().parts(2));
    let file = |number: usize| set.join(&manifest(&set).parts[number].file);
    // The present set again.
    commit_set(&set, &[file(0), file(1)], &Progress::new()).unwrap();
    assert_clean(&set);
    check(&Index::load(&set).unwrap(), &numbered(100), &[]);
    // Files of other names, which no manifest names.
    let [zero, one] = parts(&set);
    commit_set(&set, &[zero, one], &Progress::new()).unwrap();
    assert_clean(&set);
    check(&Index::load(&set).unwrap(), &numbered(0), &[]);
    // A set whose parts have names of another program.
    let mut text = fs::read_to_string(set.join("manifest.json")).unwrap();
    for (old, new) in [(file(0), "a"), (file(1), "b")] {
        fs::rename(&old, set.join(new)).unwrap();
        text = text.replace(old.file_name().unwrap().to_str().unwrap(), new);
    }
    fs::write(set.join("manifest.json"), text).unwrap();
    check(&Index::load(&set).unwrap(), &numbered(0), &[]);
    refused(&set, &[set.join("a"), set.join("b")], &set.join("a"), PartFault::InForce);
    check(&Index::load(&set).unwrap(), &numbered(0), &[]);
}

/// A manifest that is a link is replaced: the new one lies with its parts.
#[test]
fn a_manifest_that_is_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, &numbered(100), small().parts(2));
    fs::rename(set.join("manifest.json"), dir.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", set.join("manifest.json")).unwrap();
    check(&Index::load(&set).unwrap(), &numbered(100), &[]);
    let before = fs::read(dir.path().join("elsewhere")).unwrap();
    build(&set, &numbered(200), small().parts(2));
    assert_clean(&set);
    assert!(fs::symlink_metadata(set.join("manifest.json")).unwrap().is_file());
    assert_eq!(fs::read(dir.path().join("elsewhere")).unwrap(), before);
}
