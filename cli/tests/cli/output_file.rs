//! Paths where the output cannot go.

use crate::support::Place;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn a_folder_that_does_not_exist() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    place.run("build a.tsv -o no/such/x.hlith").fails(1, &["no/such", "does not exist"]);
    place.run("build a.tsv -o a.tsv/x.hlith").fails(1, &["a.tsv", "directory"]);
    place.holds(&["a.tsv"]);
}

#[test]
fn a_folder_itself() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    fs::create_dir(place.path("folder")).unwrap();
    place.run("build a.tsv -o folder").fails(1, &["folder is a directory", "for example folder/"]);
    place.holds(&["a.tsv", "folder"]);
}

/// Root may write everywhere, so the test runs as another user.
#[test]
fn a_folder_that_may_not_be_written() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    place.write("folder/x.hlith", "old");
    for (path, mode) in [(place.path("folder"), 0o555), (place.path("a.tsv"), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let run = if rustix::process::geteuid().is_root() {
        for path in [place.root().to_owned(), place.path(".")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        place.as_nobody("build a.tsv -o folder/x.hlith")
    } else {
        place.run("build a.tsv -o folder/x.hlith")
    };
    run.fails(1, &["folder", "Permission denied"]);
    assert_eq!(place.read("folder/x.hlith"), b"old");
    fs::set_permissions(place.path("folder"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(crate::support::names_in(&place.path("folder")), ["x.hlith"]);
    place.holds(&["a.tsv", "folder"]);
}

/// Input and output are the same file, even under different names.
#[test]
fn an_input() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    fs::hard_link(place.path("a.tsv"), place.path("hard.tsv")).unwrap();
    std::os::unix::fs::symlink("a.tsv", place.path("soft.tsv")).unwrap();
    for output in ["a.tsv", "./a.tsv", "hard.tsv", "soft.tsv"] {
        place.run(&format!("build a.tsv -o {output}")).fails(1, &["same file", output, "another name"]);
    }
    place.run("build . -o a.tsv").fails(1, &["same file"]);
    place.shell("$HASHLITH build - --format tsv -o a.tsv < a.tsv").fails(1, &["same file", "standard input"]);
    assert_eq!(place.read("a.tsv"), b"a\tb\n");
    place.holds(&["a.tsv", "hard.tsv", "soft.tsv"]);
}

#[test]
fn a_new_index_replaces_the_old_one() {
    let place = Place::with_index("a\told\n");
    place.write("x.tsv", "a\tnew\n");
    place.run("build x.tsv -o x.hlith").ok();
    assert_eq!(place.run("get x.hlith a").ok().text(), "new\n");
    place.holds(&["x.hlith", "x.tsv"]);
}

#[test]
fn a_killed_build_is_cleared_away_by_the_next() {
    let place = Place::with_index("a\tb\n");
    place.write("x.hlith.4000000-0.tmp", "half of an index");
    place.run("build x.tsv -o x.hlith").ok();
    place.holds(&["x.hlith", "x.tsv"]);
}

/// An index that replaced /dev/null would take it from the whole machine.
#[test]
fn a_device_or_a_pipe() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    place.shell("mkfifo pipe && ln -s /dev/null null").ok();
    for output in ["pipe", "null", "/dev/stdout", "-"] {
        place.run(&format!("build a.tsv -o {output}")).fails(1, &[output, "is not a regular file"]);
    }
    place.holds(&["a.tsv", "null", "pipe"]);
}

/// Of the paths of files only: the directory of a set may end like that.
#[test]
fn a_directory_that_does_not_exist() {
    let place = Place::with_index("a\tb\n");
    for line in ["build x.tsv", "merge x.hlith"] {
        for output in ["new/", "new/.", "x.tsv/"] {
            place
                .run(&format!("{line} -o {output}"))
                .fails(1, &[output, "there is none: name a file, for example ", "index.hlith"]);
        }
    }
    // Before the input is read: a pipe has no end that one could wait for.
    place.shell("mkfifo pipe").ok();
    place.run("build pipe --format tsv -o new/").fails(1, &["new/ ends like a directory"]);
    place.holds(&["pipe", "x.hlith", "x.tsv"]);
    for line in ["build x.tsv --parts 2", "merge x.hlith --parts 2", "split x.hlith --parts 2"] {
        place.run(&format!("{line} -o set/")).ok();
        assert_eq!(place.run("get set/ a").ok().text(), "b\n");
        fs::remove_dir_all(place.path("set")).unwrap();
    }
}

/// The file that a link leads to is replaced, and keeps mode, owner and group; the link stays.
#[test]
fn a_link() {
    let place = Place::with_index("a\told\n");
    place.write("new.tsv", "a\tnew\n");
    fs::create_dir(place.path("links")).unwrap();
    for (name, to) in [("x", "../x.hlith"), ("new", "../new.hlith"), ("set", "../set"), ("loop", "loop")] {
        std::os::unix::fs::symlink(to, place.path("links").join(name)).unwrap();
    }
    fs::set_permissions(place.path("x.hlith"), fs::Permissions::from_mode(0o640)).unwrap();
    place.run("build new.tsv -o links/x").ok();
    place.run("merge x.hlith -o links/new").ok();
    assert_eq!(place.run("get x.hlith a").ok().text(), "new\n");
    assert_eq!(place.run("get new.hlith a").ok().text(), "new\n");
    assert_eq!(fs::metadata(place.path("x.hlith")).unwrap().permissions().mode() & 0o777, 0o640);
    place.run("build new.tsv -o links/loop").fails(1, &["cannot follow the link links/loop"]);
    place.run("build new.tsv -o links/set --parts 2").fails(1, &["links/set", "No such file"]);
    place.run("build new.tsv -o set --parts 2").ok();
    place.run("build x.tsv -o links/set --parts 3").ok();
    assert_eq!(place.run("get set a").ok().text(), "old\n");
    for name in crate::support::names_in(&place.path("links")) {
        assert!(fs::symlink_metadata(place.path("links").join(name)).unwrap().is_symlink());
    }
    place.holds(&["links", "new.hlith", "new.tsv", "set", "x.hlith", "x.tsv"]);
}

/// Who may replace a file without owning it, or being in its group, gives nobody more than there was.
#[test]
fn a_file_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::with_index("a\told\n");
    let access = |name: &str| {
        let found = fs::metadata(place.path(name)).unwrap();
        (found.mode() & 0o777, found.uid(), found.gid())
    };
    for path in [place.root().to_owned(), place.path(".")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(place.path("x.tsv"), fs::Permissions::from_mode(0o644)).unwrap();
    for (before, after) in [(0o640, 0o600), (0o664, 0o644), (0o646, 0o646), (0o600, 0o600)] {
        fs::set_permissions(place.path("x.hlith"), fs::Permissions::from_mode(before)).unwrap();
        std::os::unix::fs::chown(place.path("x.hlith"), Some(0), Some(0)).unwrap();
        place.as_nobody("build x.tsv -o x.hlith").ok();
        assert_eq!(access("x.hlith"), (after, 65_534, 65_534), "{before:o}");
        // Root may give a file to anybody.
        place.run("build x.tsv -o x.hlith").ok();
        assert_eq!(access("x.hlith"), (after, 65_534, 65_534));
    }
}
