//! Standard input as input.

use crate::support::{Place, many_lines};

#[test]
fn records_come_on_standard_input() {
    let place = Place::new();
    let lines = many_lines(50_000);
    place.run_with_input("build - --format tsv -o x.hlith", lines.as_bytes()).ok();
    assert_eq!(place.run("get x.hlith key-49999").ok().text(), "value-49999\n");
    place.run_with_input("verify x.hlith --against - --format tsv", lines.as_bytes()).ok();
    place.write("x.tsv", &lines);
    place.run("build x.tsv -o y.hlith").ok();
    assert_eq!(place.read("x.hlith"), place.read("y.hlith"));
}

#[test]
fn a_file_as_standard_input_and_a_named_pipe_work_too() {
    let place = Place::new();
    place.write("x.tsv", many_lines(1000));
    place.shell("$HASHLITH build - --format tsv -o x.hlith < x.tsv").ok();
    place.shell("mkfifo p.tsv && (cat x.tsv > p.tsv & $HASHLITH build p.tsv -o y.hlith)").ok();
    assert_eq!(place.read("x.hlith"), place.read("y.hlith"));
}

#[test]
fn standard_input_has_no_name_that_tells_its_format() {
    let place = Place::new();
    place.run_with_input("build - -o x.hlith", b"a\tb\n").fails(1, &["standard input", "--format"]);
    place.run("build - - --format tsv -o x.hlith").fails(1, &["standard input", "once"]);
    place.holds(&[]);
}
