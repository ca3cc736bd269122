//! A key that occurs twice: an error that names the key and both places, or the record that the user chose.

use crate::support::Place;

#[test]
fn within_a_file_both_lines_are_named() {
    let place = Place::new();
    place.write("a.tsv", "x\t1\ntwice\t2\ny\t3\ntwice\t4\n");
    place
        .run("build a.tsv -o x.hlith")
        .fails(1, &["\"twice\"", "a.tsv, line 2", "a.tsv, line 4", "--on-duplicate"]);
    place.holds(&["a.tsv"]);
}

#[test]
fn across_files_and_formats_both_places_are_named() {
    let place = Place::new();
    place.write("a.tsv", "x\t1\ntwice\t2\n");
    place.write("b.csv", "k,v\nz,2\ntwice,4\n");
    place.run("build a.tsv b.csv -o x.hlith").fails(1, &["\"twice\"", "a.tsv, line 2", "b.csv, line 3"]);
    place.python("import pickle; pickle.dump({'k': 'v', 'twice': 'w'}, open('c.pkl', 'wb'))");
    place.run("build a.tsv c.pkl -o x.hlith").fails(1, &["\"twice\"", "a.tsv, line 2", "c.pkl, byte "]);
    place.holds(&["a.tsv", "b.csv", "c.pkl"]);
}

/// The same pair twice is a duplicate too: nothing is dropped without an option.
#[test]
fn equal_values_are_no_excuse() {
    let place = Place::new();
    place.write("a.tsv", "k\tv\nk\tv\n");
    place.run("build a.tsv -o x.hlith").fails(1, &["\"k\"", "line 1", "line 2"]);
}

#[test]
fn first_and_last_go_by_the_order_of_the_input() {
    let place = Place::new();
    place.write("a.tsv", "k\t1\nk\t2\nother\tx\n");
    place.write("b.tsv", "k\t3\n");
    for (files, policy, value) in [
        ("a.tsv b.tsv", "first", "1"),
        ("a.tsv b.tsv", "last", "3"),
        ("b.tsv a.tsv", "first", "3"),
        ("b.tsv a.tsv", "last", "2"),
    ] {
        let build = place.run(&format!("build {files} -o x.hlith --on-duplicate {policy}")).ok();
        assert!(build.err.contains("duplicates dropped"), "{}", build.err);
        assert_eq!(place.run("get x.hlith k").ok().text(), format!("{value}\n"), "{files} {policy}");
        place.run(&format!("verify x.hlith --against {files} --on-duplicate {policy}")).ok();
        place.run(&format!("verify x.hlith --against {files}")).fails(1, &["\"k\"", "another value"]);
    }
}

#[test]
fn unique_takes_equal_copies_only() {
    let place = Place::new();
    place.write("a.tsv", "k\tv\nother\tx\n");
    place.write("b.tsv", "k\tv\n");
    place.write("c.tsv", "k\tw\n");
    let build = place.run("build a.tsv b.tsv -o x.hlith --on-duplicate unique").ok();
    assert!(build.err.contains("duplicates dropped"), "{}", build.err);
    place.run("verify x.hlith --against a.tsv b.tsv --on-duplicate unique").ok();
    place.run("build a.tsv b.tsv c.tsv -o y.hlith --on-duplicate unique").fails(
        1,
        &[
            "\"k\" occurs twice with different values: a.tsv, line 1 and c.tsv, line 1",
            "--on-duplicate first",
        ],
    );
}

#[test]
fn collect_makes_arrays() {
    let place = Place::new();
    place.write("a.tsv", "k\t1\nk\t\"2\"\nother\tx\n");
    place.write("b.tsv", "k\t3\n");
    let build = place.run("build b.tsv a.tsv -o x.hlith --on-duplicate collect").ok();
    assert!(!build.err.contains("duplicates"), "{}", build.err);
    assert_eq!(place.run("get x.hlith k other").ok().text(), "[\"3\",\"1\",\"\\\"2\\\"\"]\n[\"x\"]\n");
    place.run("build a.tsv -o x.hlith --on-duplicate collect --values json").fails(1, &["a.tsv, line 3"]);
    place.run("build a.tsv -o y.hlith --on-duplicate collect --values bytes").fails(2, &["text or JSON"]);
    place
        .run("verify x.hlith --against b.tsv a.tsv --on-duplicate collect")
        .fails(2, &["build the index again"]);
    // What `merge` takes has one record for each key.
    place.run("build a.tsv -o a.hlith --on-duplicate last").ok();
    place.run("build b.tsv -o b.hlith").ok();
    place.run("merge a.hlith b.hlith -o ab.hlith --on-duplicate collect").ok();
    assert_eq!(place.run("get ab.hlith k other").ok().text(), "[\"\\\"2\\\"\",\"3\"]\n[\"x\"]\n");
    place.run("merge b.hlith -o one.hlith --on-duplicate collect").ok();
    assert_eq!(place.run("get one.hlith k").ok().text(), "[\"3\"]\n");
}
