//! Keys and values at the edges: none, one, empty, NULs, newlines.

use crate::support::{Place, sorted};

#[test]
fn no_records_at_all_make_an_index_of_no_keys() {
    let place = Place::new();
    for (name, bytes) in [("a.tsv", ""), ("a.jsonl", ""), ("a.csv", ""), ("a.cdbmake", "\n")] {
        place.write(name, bytes);
        place.run(&format!("build {name} -o x.hlith")).ok();
        place.run("get x.hlith anything").fails(3, &["anything"]);
        place.run("get x.hlith -- ").fails(2, &["KEY"]);
        assert_eq!(place.run("dump x.hlith").ok().text(), "", "{name}");
        place.run(&format!("verify x.hlith --against {name}")).ok();
        place.run("info x.hlith").ok();
    }
    place.python("import pickle; pickle.dump({}, open('a.pkl', 'wb'))");
    place.run("build a.pkl -o x.hlith").ok();
    place.run("verify x.hlith --against a.pkl").ok();
}

#[test]
fn one_key() {
    let place = Place::with_index("only\tone\n");
    assert_eq!(place.run("get x.hlith only").ok().text(), "one\n");
    place.run("get x.hlith other").fails(3, &["other"]);
    place.run("verify x.hlith --against x.tsv").ok();
}

#[test]
fn the_empty_key_and_the_empty_value() {
    let place = Place::with_index("\tvalue of nothing\nkey\t\n");
    assert_eq!(place.run_args(["get", "x.hlith", "", "key"]).ok().text(), "value of nothing\n\n");
    assert_eq!(place.run_with_input("get x.hlith -", b"\nkey\n").ok().text(), "\tvalue of nothing\nkey\t\n");
    place.run("verify x.hlith --against x.tsv").ok();
}

#[test]
fn nuls_newlines_and_tabs_survive() {
    let place = Place::new();
    let records = b"+3,3:a\0b->\0\0\0\n+3,3:a\nb->x\ny\n+3,1:a\tb->\t\n+1,1:\\->\\\n\n";
    place.write("a.cdbmake", records);
    place.run("build a.cdbmake -o x.hlith").ok();
    place.run("verify x.hlith --against a.cdbmake").ok();
    let dump = place.run("dump x.hlith --format cdbmake").ok();
    place.write("b.cdbmake", dump.out);
    place.run("build b.cdbmake -o y.hlith").ok();
    assert_eq!(place.read("x.hlith"), place.read("y.hlith"));

    let escaped = place.run("dump x.hlith --escape").ok();
    assert_eq!(sorted(&escaped.out), sorted(b"a\0b\t\0\0\0\na\\nb\tx\\ny\na\\tb\t\\t\n\\\\\t\\\\\n"));
    place.write("c.tsv", escaped.out);
    place.run("build c.tsv -o z.hlith --escape").ok();
    assert_eq!(place.read("x.hlith"), place.read("z.hlith"));
    assert_eq!(place.run_args(["get", "x.hlith", "--escape", r"a\nb", r"\\"]).ok().text(), "x\\ny\n\\\\\n");
}

#[test]
fn bytes_that_are_no_text() {
    let place = Place::new();
    place.write("a.tsv", b"good\tfine\n\xff\xfe\t\x80\n");
    let refused = place.run("build a.tsv -o x.hlith");
    refused.fails(1, &["a.tsv, line 2", "UTF-8", "--keys bytes", "--values bytes"]);
    place.holds(&["a.tsv"]);
    place.run("build a.tsv -o x.hlith --keys bytes --values bytes").ok();
    let dump = place.run("dump x.hlith").ok();
    assert_eq!(sorted(&dump.out), sorted(b"good\tfine\n\xff\xfe\t\x80\n"));
    place.run("verify x.hlith --against a.tsv").ok();
    place.run("dump x.hlith --format jsonl").fails(1, &["UTF-8", "--format cdbmake"]);
}

#[test]
fn long_keys_and_values() {
    let place = Place::new();
    let (key, value) = ("k".repeat(70_000), "v".repeat(3_000_000));
    place.write("a.tsv", format!("{key}\t{value}\nshort\t1\n"));
    place.run("build a.tsv -o x.hlith").ok();
    assert_eq!(place.run_args(["get", "x.hlith", &key]).ok().text(), format!("{value}\n"));
    place.run("verify x.hlith --against a.tsv").ok();
}
