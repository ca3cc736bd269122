//! Paths where the output cannot go.

use crate::support::Place;
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
        fs::copy(env!("CARGO_BIN_EXE_hashlith"), place.root().join("hashlith")).unwrap();
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
