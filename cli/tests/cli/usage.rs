//! Wrong command lines: exit code 2, and a message that says what is right. Help: exit code 0, and it lists all codes.

use crate::support::Place;

#[test]
fn mistakes_are_explained() {
    let place = Place::with_index("a\tb\n");
    for (line, words) in [
        ("", "Usage: hashlith"),
        ("bild", "build"),
        ("build x.tsv", "--output"),
        ("build -o y.hlith", "INPUT"),
        ("build x.tsv -o y.hlith --format xml", "jsonl"),
        ("build x.tsv -o y.hlith --on-duplicate keep", "first"),
        ("build x.tsv -o y.hlith --threads 0", "--threads"),
        ("build x.tsv -o y.hlith --fingerprint-bits 17", "16"),
        ("build x.tsv -o y.hlith --seed seven", "random"),
        ("build x.tsv -o y.hlith --seed 18446744073709551616", "at most 18446744073709551615"),
        ("build x.tsv -o y.hlith --hash md5", "siphash"),
        ("build x.tsv -o y.hlith --on-error stop --max-errors 3", "--on-error skip"),
        ("build x.tsv -o y.hlith --key-column 0", "from 1"),
        ("build x.tsv -o y.hlith --key-field id", "--key-field has no effect"),
        ("build x.tsv -o y.hlith --value-column name --no-header", "there is no header"),
        ("build x.tsv -o y.hlith --encoding utf-42", "utf-16le"),
        ("build x.tsv -o y.hlith --delimiter \\q", "blanks"),
        ("verify x.hlith --against x.tsv --value-field v", "--value-field has no effect"),
        ("get x.hlith", "KEY"),
        ("get x.hlith a --json --escape", "--escape"),
        ("verify x.hlith --on-duplicate first", "--against"),
    ] {
        let run = place.run(line);
        assert_eq!((run.code, run.out.len()), (2, 0), "{line}: {run:?}");
        assert!(run.err.contains(words), "{line}: {}", run.err);
    }
    place.holds(&["x.hlith", "x.tsv"]);
}

#[test]
fn help_and_version_are_data() {
    let place = Place::new();
    let help = place.run("--help").ok();
    for words in
        ["build", "get", "info", "verify", "dump", "completions", "Exit codes", "hashlith build my-pickles/"]
    {
        assert!(help.text().contains(words), "{words}");
    }
    for (code, words) in [("3", "not in the index"), ("4", "damaged"), ("130, 143", "SIGTERM")] {
        assert!(help.text().lines().any(|line| line.trim().starts_with(code) && line.contains(words)));
    }
    assert!(place.run("--version").ok().text().starts_with("hashlith "));
    for command in ["build", "get", "info", "verify", "dump", "completions"] {
        let help = place.run(&format!("{command} --help")).ok();
        assert!(help.err.is_empty() && help.text().lines().all(|line| line.chars().count() <= 100));
    }
}
