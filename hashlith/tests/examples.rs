//! The examples do what they say, one after the other on one index.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{path::Path, process::Command};

/// Runs an example, which `cargo test` has built next to this program, and gives what it prints.
fn run(dir: &Path, name: &str, arguments: &[&str]) -> String {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is missing: run `cargo test -p hashlith`, which builds it",
        program.display()
    );
    let output = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn examples_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let built = run(dir, "build", &["squares.hlith"]);
    assert!(built.contains("1000000 records are in\nsquares.hlith: 1000000 keys, "), "{built}");
    assert!(built.contains("building"), "{built}");
    let found = run(dir, "lookup", &["squares.hlith", "1234"]);
    assert!(found.starts_with("\"1522756\" (record ") && found.ends_with(" of 1000000)\n"), "{found}");
    assert_eq!(run(dir, "lookup", &["squares.hlith", "x"]), "\"x\" is not in the index\n");
    let batch = run(dir, "batch", &["squares.hlith"]);
    assert!(batch.contains(" of 200000 keys found: "), "{batch}");
    let set = run(dir, "set", &["squares-set"]);
    assert_eq!(set, "squares-set: 10000 keys in 4 parts; 99 -> Some(\"9801\")\n");
}
