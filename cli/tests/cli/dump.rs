//! A dump refuses a record that its format cannot hold, and names the key.

use crate::support::Place;

fn index_of(records: &[u8], options: &str) -> Place {
    let place = Place::new();
    place.write("a.cdbmake", records);
    place.run(&format!("build a.cdbmake -o x.hlith {options}")).ok();
    place
}

#[test]
fn tsv_refuses_what_would_read_back_differently() {
    for (records, words) in [
        (&b"+3,1:a\tb->v\n\n"[..], r#"key "a\tb": the key has a TAB or a newline"#),
        (b"+3,1:a\nb->v\n\n", r#"key "a\nb": the key has a TAB or a newline"#),
        (b"+1,3:k->x\ny\n\n", r#"key "k": the value has a newline"#),
        (b"+1,2:k->x\r\n\n", r#"key "k": the value has a newline in it or a carriage return at its end"#),
    ] {
        let place = index_of(records, "");
        place.run("dump x.hlith").fails(1, &[words, "--escape"]);
        place.run("dump x.hlith --escape").ok();
        place.run("dump x.hlith --format jsonl").ok();
    }
}

/// Only the first TAB of a line separates key and value. A CR is a byte like any other, but not at the end of a line.
#[test]
fn tabs_and_returns_in_values_are_fine() {
    let records = b"+1,3:k->x\ty\n+2,2:k\r->\rv\n\n";
    let place = index_of(records, "");
    place.write("a.tsv", place.run("dump x.hlith").ok().out);
    place.run("build a.tsv -o y.hlith").ok();
    assert_eq!(place.read("x.hlith"), place.read("y.hlith"));
}

/// A reader takes one byte order mark away, and only one.
#[test]
fn a_key_may_begin_like_a_byte_order_mark() {
    let place = index_of(b"+4,1:\xef\xbb\xbfk->v\n\n", "");
    place.write("a.tsv", place.run("dump x.hlith").ok().out);
    place.run("build a.tsv -o y.hlith").ok();
    assert_eq!(place.read("x.hlith"), place.read("y.hlith"));
}

#[test]
fn json_lines_refuse_bytes_that_are_no_text() {
    let bytes = "--keys bytes --values bytes";
    for records in [&b"+1,1:\xff->v\n\n"[..], b"+1,1:k->\xff\n\n"] {
        let place = index_of(records, bytes);
        place.run("dump x.hlith --format jsonl").fails(1, &["UTF-8", "--format cdbmake"]);
        assert_eq!(place.run("dump x.hlith --format cdbmake").ok().out, records);
    }
    let place = index_of(b"+1,1:k->v\n\n", bytes);
    assert_eq!(place.run("dump x.hlith --format jsonl").ok().text(), "{\"key\":\"k\",\"value\":\"v\"}\n");
}

#[test]
fn json_values_that_do_not_fit_a_line_are_refused() {
    let place = index_of(b"+1,8:k->{\n\"a\":1}\n\n", "--values json");
    place.run("dump x.hlith --format jsonl").fails(1, &["key \"k\"", "newline", "--format cdbmake"]);
}

#[test]
fn escapes_are_for_tsv() {
    let place = index_of(b"\n", "");
    place.run("dump x.hlith --escape --format jsonl").fails(2, &["--escape", "tsv"]);
}

#[test]
fn json_with_newlines_goes_into_formats_that_hold_it() {
    let place = Place::new();
    place.write("x.json", "{\"a\":\n {\"x\": [1,\n 2]},\n \"b\": 3}");
    place.run("build x.json -o x.hlith --values json").ok();
    let said = place.run("dump x.hlith").fails(1, &["newline", "use --escape, or cdbmake output"]).err;
    assert!(!said.contains("JSON or"), "{said}");
    place.run("dump x.hlith --format jsonl").fails(1, &["use --format cdbmake"]);
    for options in ["--escape", "--format cdbmake"] {
        place.run(&format!("dump x.hlith {options}")).ok();
    }
}
