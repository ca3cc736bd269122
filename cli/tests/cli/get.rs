//! Lookups from the command line.

use crate::support::{Place, many_lines};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

#[test]
fn absent_keys_are_named_and_make_the_exit_code_3() {
    let place = Place::with_index("a\t1\nb\t2\n");
    let run = place.run("get x.hlith a nowhere b gone").fails(3, &["\"nowhere\"", "\"gone\"", "x.hlith"]);
    assert_eq!(run.text(), "1\n2\n");
    let run = place.run_with_input("get x.hlith -", b"b\nnowhere\na\n").fails(3, &["\"nowhere\""]);
    assert_eq!(run.text(), "b\t2\na\t1\n");
}

#[test]
fn keys_on_standard_input_come_back_in_their_order() {
    let place = Place::with_index(&many_lines(20_000));
    let keys: String = (0..20_000).rev().map(|n| format!("key-{n}\n")).collect();
    let expected: String = (0..20_000).rev().map(|n| format!("key-{n}\tvalue-{n}\n")).collect();
    let run = place.run_with_input("get x.hlith -", keys.as_bytes()).ok();
    assert!(run.text() == expected);
    // Without a newline at the end, and with one key twice.
    let run = place.run_with_input("get x.hlith -", b"key-1\nkey-2\nkey-1").ok();
    assert_eq!(run.text(), "key-1\tvalue-1\nkey-2\tvalue-2\nkey-1\tvalue-1\n");
    assert_eq!(place.run_with_input("get x.hlith -", b"").ok().text(), "");
}

/// A program may send a key, wait for the answer, and send the next.
#[test]
fn each_question_is_answered_at_once() {
    let place = Place::with_index("a\t1\nb\t2\n");
    let mut command = place.command(["get", "x.hlith", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut asks = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for (key, answer) in [("a", "a\t1"), ("b", "b\t2"), ("a", "a\t1")] {
        asks.write_all(format!("{key}\n").as_bytes()).unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), answer);
    }
    drop(asks);
    assert!(child.wait().unwrap().success());
}

#[test]
fn pairs_that_do_not_fit_a_line_are_refused_unless_escaped() {
    let place = Place::new();
    place.write("a.cdbmake", b"+1,3:k->x\ny\n+3,1:a\tb->v\n\n");
    place.run("build a.cdbmake -o x.hlith").ok();
    place.run_with_input("get x.hlith -", b"k\n").fails(1, &["key \"k\"", "newline", "--escape"]);
    place.run_with_input("get x.hlith -", b"a\tb\n").fails(1, &["TAB", "--escape"]);
    let run = place.run_with_input("get x.hlith - --escape", b"k\na\\tb\n").ok();
    assert_eq!(run.text(), "k\tx\\ny\na\\tb\tv\n");
    place.run_args(["get", "x.hlith", "--escape", r"bad\q"]).fails(2, &[r"\q", "escape"]);
    assert_eq!(place.run("get x.hlith k").ok().text(), "x\ny\n");
}

#[test]
fn json_has_a_line_for_each_key() {
    let place = Place::with_index("a\tx\"y\n");
    let run = place.run("get x.hlith a b --json").fails(3, &["\"b\""]);
    assert_eq!(run.text(), "{\"key\":\"a\",\"value\":\"x\\\"y\"}\n{\"key\":\"b\",\"value\":null}\n");
    place.write("b.jsonl", "{\"key\":\"n\",\"value\":{\"x\":[1]}}");
    place.run("build b.jsonl -o b.hlith --values json").ok();
    assert_eq!(place.run("get b.hlith n --json").ok().text(), "{\"key\":\"n\",\"value\":{\"x\":[1]}}\n");
    place.write("c.tsv", b"\xff\t1\n");
    place.run("build c.tsv -o c.hlith --keys bytes").ok();
    place.run_with_input("get c.hlith - --json", b"\xff\n").fails(1, &["UTF-8", "--json"]);
}

#[test]
fn what_is_no_index_has_exit_code_4_and_what_is_not_there_1() {
    let place = Place::with_index("a\t1\n");
    place.run("get missing.hlith a").fails(1, &["missing.hlith", "No such file"]);
    for command in ["get . a", "info .", "dump .", "verify ."] {
        place.run(command).fails(1, &["is a directory", "index file"]);
    }
    place.run("get x.tsv a").fails(4, &["x.tsv", "4096"]);
    place.write("long", vec![b'x'; 10_000]);
    place.run("get long a").fails(4, &["long", "not a hashlith index"]);
    let whole = place.read("x.hlith");
    place.write("cut.hlith", &whole[..whole.len() - 1]);
    for command in ["get cut.hlith a", "info cut.hlith", "dump cut.hlith", "verify cut.hlith"] {
        place.run(command).fails(4, &["cut.hlith", "cut off"]);
    }
    place.write("nothing", "");
    place.run("get nothing a").fails(4, &["nothing", "0 bytes"]);
}

#[test]
fn json_values_with_newlines_stay_on_one_line() {
    let place = Place::new();
    place.write("x.cdb", "+1,8:a->{\n\"b\":1}\n\n");
    place.run("build x.cdb -o x.hlith --values json").ok();
    assert_eq!(place.run("get x.hlith a --json").ok().text(), "{\"key\":\"a\",\"value\":{ \"b\":1}}\n");
}

#[test]
fn a_hundred_absent_keys_are_named_and_the_others_counted() {
    let place = Place::with_index("a\t1\n");
    for (absent, others) in [(100, None), (101, Some("and 1 more keys")), (110, Some("and 10 more keys"))] {
        let keys: String = (0..absent).map(|n| format!("no {n}\n")).collect();
        let run = place.run_with_input("get x.hlith -", keys.as_bytes()).fails(3, &[]);
        let named: Vec<_> = run.err.lines().filter(|line| line.starts_with("hashlith: key \"no ")).collect();
        assert_eq!(named.len(), 100);
        assert_eq!(run.err.lines().count(), 100 + usize::from(others.is_some()), "{}", run.err);
        assert!(run.err.contains(others.unwrap_or("")), "{}", run.err);
    }
}

#[test]
fn json_says_what_is_not_text() {
    let place = Place::new();
    place.write("a.cdbmake", b"+1,1:k->\xff\n+1,1:\xff->v\n\n");
    place.run("build a.cdbmake -o x.hlith --keys bytes --values bytes").ok();
    place.run_with_input("get x.hlith - --json", b"k\n").fails(1, &["key \"k\": its value is not UTF-8"]);
    place.run_with_input("get x.hlith - --json", b"\xff\n").fails(1, &["key \"\\xff\": it is not UTF-8"]);
}
