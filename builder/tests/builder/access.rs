//! A file that replaces another one keeps its mode, owner and group, and a link as the output is followed.

use crate::{
    names,
    sets::{assert_clean, build, check, numbered},
    small,
};
use hashlith_builder::{Error, Progress, commit_set};
use hashlith_reader::Index;
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink},
    path::Path,
};

/// Mode, owner and group.
fn access(path: &Path) -> (u32, u32, u32) {
    let found = fs::metadata(path).unwrap();
    (found.mode() & 0o7777, found.uid(), found.gid())
}

/// Sets the mode, and as root another owner and group.
fn restrict(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(path, Some(65_534), Some(65_533)).unwrap();
    }
}

#[test]
fn a_file_keeps_the_access_of_the_one_it_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.hlith");
    let plain = dir.path().join("plain");
    fs::write(&plain, b"").unwrap();
    build(&path, &numbered(10), small());
    assert_eq!(access(&path), access(&plain));
    for mode in [0o600, 0o640, 0o666, 0o444, 0o755] {
        restrict(&path, mode);
        let before = access(&path);
        build(&path, &numbered(20), small());
        assert_eq!(access(&path), before, "{mode:o}");
    }
    // A merge that copies cells, too.
    let copied = fs::read(&path).unwrap();
    restrict(&path, 0o604);
    let before = access(&path);
    small().finish_recut(&[&copied], &path).unwrap();
    assert_eq!((access(&path), names(dir.path())), (before, vec!["plain".into(), "x.hlith".into()]));
}

#[test]
fn the_files_of_a_set_get_the_access_of_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let all = || names(&set).iter().map(|name| access(&set.join(name))).collect::<Vec<_>>();
    build(&set, &numbered(10), small().parts(3));
    for (mode, keys) in [(0o600, 20), (0o640, 30), (0o664, 30)] {
        restrict(&set.join("manifest.json"), mode);
        let before = access(&set.join("manifest.json"));
        build(&set, &numbered(keys), small().parts(3));
        assert_eq!(all(), [before; 4]);
        assert_clean(&set);
    }
    // So do parts that were built elsewhere. If they do not become a set, they keep their own.
    let before = access(&set.join("manifest.json"));
    let parts: Vec<_> = (0..2).map(|part| dir.path().join(format!("{part}"))).collect();
    for (path, part) in parts.iter().zip(0..) {
        small().part(part, 2).finish(path).unwrap();
    }
    let own = access(&parts[0]);
    let header = *Index::load(&parts[1]).unwrap().first_header();
    let taken = set.join(hashlith_format::manifest::PartFile::of(&header).file).join("x");
    fs::create_dir_all(&taken).unwrap();
    commit_set(&set, &parts, &Progress::new()).unwrap_err();
    assert_eq!(parts.iter().map(|path| access(path)).collect::<Vec<_>>(), [own; 2]);
    fs::remove_dir_all(taken.parent().unwrap()).unwrap();
    commit_set(&set, &parts, &Progress::new()).unwrap();
    assert_eq!(all(), [before; 3]);
}

/// A link stays; the file that it leads to is replaced, or made. Temporary files are next to that one.
#[test]
fn a_link_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for folder in ["here", "there", "there/deep"] {
        fs::create_dir(path(folder)).unwrap();
    }
    symlink("there/deep", path("way")).unwrap();
    for (link, to) in [
        ("here/a", "../there/a"),
        ("here/chain", "a"),
        ("here/absolute", path("there/b").to_str().unwrap()),
        ("here/through", "../way/../c"),
        ("there/deep/self", "./../deep/d"),
    ] {
        symlink(to, path(link)).unwrap();
    }
    for (link, target, keys) in [
        ("here/a", "there/a", 5),
        ("here/a", "there/a", 6),
        ("here/chain", "there/a", 7),
        ("here/absolute", "there/b", 8),
        ("here/through", "there/c", 9),
        ("way/self", "there/deep/d", 10),
    ] {
        build(&path(link), &numbered(keys), small());
        assert!(fs::symlink_metadata(path(link)).unwrap().is_symlink(), "{link}");
        assert!(fs::symlink_metadata(path(target)).unwrap().is_file(), "{target}");
        check(&Index::load(path(target)).unwrap(), &numbered(keys), &[]);
    }
    assert_eq!(names(&path("here")), ["a", "absolute", "chain", "through"]);
    assert_eq!(names(&path("there")), ["a", "b", "c", "deep"]);
}

#[test]
fn a_link_that_leads_nowhere_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (link, to) in [("loop", "pool"), ("pool", "loop"), ("folder", "."), ("missing", "no/such/x")] {
        symlink(to, path(link)).unwrap();
    }
    for (link, wanted) in [
        ("loop", "cannot follow the link"),
        ("folder", "is a directory: name a file"),
        ("missing", "no/such does not exist"),
    ] {
        let error = small().preflight(&path(link)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        small().finish(path(link)).unwrap_err();
    }
    assert_eq!(names(dir.path()), ["folder", "loop", "missing", "pool"]);
}

/// Makes the system follow no links of strangers, as most do, until this is dropped.
struct Protected(String);

const POLICY: &str = "/proc/sys/fs/protected_symlinks";

impl Protected {
    fn new() -> std::io::Result<Self> {
        let before = fs::read_to_string(POLICY)?;
        if before.trim() == "0" {
            fs::write(POLICY, "1")?;
        }
        Ok(Protected(before))
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        let _ = fs::write(POLICY, &self.0);
    }
}

/// As the system itself does, in a directory where everyone may put links.
#[test]
fn a_link_of_a_stranger_is_not_followed() {
    let is_root = rustix::process::geteuid().is_root();
    let protected = Protected::new().map_err(|error| error.to_string());
    let Some(_protected) = protected.as_ref().ok().filter(|_| is_root) else {
        let why = format!("root: {is_root}; {POLICY}: {:?}", protected.err());
        assert!(std::env::var_os("HASHLITH_NO_SKIPS").is_none(), "this cannot be tested: {why}");
        return eprintln!("skipped: {why}");
    };
    let dir = tempfile::tempdir().unwrap();
    let (shared, link) = (dir.path().join("shared"), dir.path().join("shared/x"));
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    for target in ["file", "none"] {
        symlink(dir.path().join(target), &link).unwrap();
        lchown(&link, Some(65_534), None).unwrap();
        fs::write(dir.path().join("file"), b"old").unwrap();
        let error = small().finish(&link).unwrap_err().to_string();
        assert!(error.contains("cannot follow the link"), "{error}");
        assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"old");
        fs::remove_file(&link).unwrap();
    }
    assert_eq!((names(dir.path()), names(&shared)), (vec!["file".into(), "shared".into()], vec![]));
}

/// Only a directory ends like that; for a set that is right.
#[test]
fn a_directory_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"old").unwrap();
    for output in ["new/", "new/.", "file/", "new//"] {
        let path = dir.path().join(output);
        let error = small().preflight(&path).unwrap_err();
        assert!(error.to_string().contains("name a file, for example"), "{error}");
        assert!(matches!(error, Error::Output { .. }));
        small().finish(&path).unwrap_err();
    }
    assert_eq!(names(dir.path()), ["file"]);
    small().parts(2).finish(dir.path().join("new/")).unwrap();
    assert_clean(&dir.path().join("new"));
}
