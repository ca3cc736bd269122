//! Bad input: the message names the file, the place, the fault and what to do. The exit code is 1, and an old index does not
//! change.

use crate::support::{Place, many_lines};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Checks that the build of `args` fails with these words, both without and with an old index.
#[track_caller]
fn refused(place: &Place, args: &str, words: &[&str]) {
    let before = place.names();
    place.run(&format!("build {args} -o x.hlith")).fails(1, words);
    assert_eq!(place.names(), before);

    place.write("old.tsv", "old\tindex\n");
    place.run("build old.tsv -o x.hlith").ok();
    let (old, before) = (place.read("x.hlith"), place.names());
    place.run(&format!("build {args} -o x.hlith")).fails(1, words);
    assert_eq!(place.read("x.hlith"), old);
    assert_eq!(place.names(), before);
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    place.holds(&before);
}

#[test]
fn a_missing_file() {
    let place = Place::new();
    place.write("there.tsv", "a\tb\n");
    refused(&place, "there.tsv missing.tsv", &["missing.tsv", "No such file"]);
}

#[test]
fn an_empty_folder() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    place.write("folder/notes.md", "no records");
    refused(&place, "folder", &["folder", ".tsv"]);
}

/// Root may read everything, so the test runs as another user.
#[test]
fn an_unreadable_file() {
    let place = Place::new();
    place.write("secret.tsv", "a\tb\n");
    fs::set_permissions(place.path("secret.tsv"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.path("."), fs::Permissions::from_mode(0o777)).unwrap();
    let run = if rustix::process::geteuid().is_root() {
        place.as_nobody("build secret.tsv -o x.hlith")
    } else {
        place.run("build secret.tsv -o x.hlith")
    };
    run.fails(1, &["secret.tsv", "Permission denied"]);
    place.holds(&["secret.tsv"]);
}

#[test]
fn a_truncated_pickle() {
    let place = Place::new();
    let script = "import pickle; pickle.dump({str(i): 'v' * 20 for i in range(5000)}, open('a.pkl', 'wb'))";
    place.python(script);
    let whole = place.read("a.pkl");
    for length in [0, 1, 5000, whole.len() / 2, whole.len() - 1] {
        place.write("a.pkl", &whole[..length]);
        refused(&place, "a.pkl", &["a.pkl", "byte"]);
        fs::remove_file(place.path("x.hlith")).unwrap();
        fs::remove_file(place.path("old.tsv")).unwrap();
    }
}

#[test]
fn truncated_compression() {
    let place = Place::new();
    place.write("a.tsv", many_lines(20_000));
    place.shell("gzip -k a.tsv").ok();
    let packed = zstd::encode_all(place.read("a.tsv").as_slice(), 3).unwrap();
    for (name, packed) in [("a.tsv.gz", place.read("a.tsv.gz")), ("b.tsv.zst", packed)] {
        place.write(name, &packed[..packed.len() / 2]);
        refused(&place, name, &[name, "cut off"]);
        fs::remove_file(place.path("x.hlith")).unwrap();
    }
}

#[test]
fn a_line_without_a_tab() {
    let place = Place::new();
    place.write("a.tsv", "one\t1\ntwo 2\nthree\t3\n");
    refused(&place, "a.tsv", &["a.tsv, line 2", "\"two 2\"", "TAB"]);
}

#[test]
fn broken_json() {
    let place = Place::new();
    place.write("a.jsonl", "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\n");
    refused(&place, "a.jsonl", &["a.jsonl, line 2", "JSON"]);
}

#[test]
fn a_csv_row_without_the_column() {
    let place = Place::new();
    place.write("a.csv", "k,v\na,1\nb\n");
    refused(&place, "a.csv", &["a.csv, line 3"]);
}

#[test]
fn bad_rows_can_be_skipped_and_are_counted_and_named() {
    let place = Place::new();
    place.write("a.tsv", "one\t1\nbad one\nthree\t3\nbad two\n");
    let build = place.run("build a.tsv -o x.hlith --on-error skip").ok();
    for words in ["rows skipped", "a.tsv, line 2", "a.tsv, line 4"] {
        assert!(build.err.contains(words), "{}", build.err);
    }
    assert_eq!(place.run("get x.hlith one three").ok().text(), "1\n3\n");
    place.run("build a.tsv -o x.hlith --max-errors 2").ok();
    place.run("build a.tsv -o x.hlith --max-errors 1").fails(1, &["more than 1 bad row", "a.tsv, line 2"]);
}
