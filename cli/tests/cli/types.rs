//! Integer keys, numbers, sets of keys, keys left out: built, looked up, dumped, verified.

use crate::support::Place;

/// Builds from a TSV, verifies against it, and dumps it in each format that a build reads back as the same index.
fn round_trip(tsv: &str, options: &str) -> Place {
    let place = Place::new();
    place.write("a.tsv", tsv);
    place.run(&format!("build a.tsv -o x.hlith {options}")).ok();
    let verified = place.run("verify x.hlith --against a.tsv").ok();
    assert!(verified.text().contains("holds what the input holds"), "{verified:?}");
    for (format, name) in [("tsv", "b.tsv"), ("jsonl", "b.jsonl"), ("cdbmake", "b.cdb")] {
        place.write(name, place.run(&format!("dump x.hlith --format {format}")).ok().out);
        place.run(&format!("build {name} -o y.hlith {options}")).ok();
        assert_eq!(place.read("x.hlith"), place.read("y.hlith"), "{format} {options}");
    }
    place
}

#[test]
fn integers_and_numbers_come_back() {
    let place = round_trip("5\tfive\n-7\tminus seven\n", "--keys int");
    assert_eq!(place.run("get x.hlith -7 5").ok().text(), "minus seven\nfive\n");
    assert_eq!(place.run("get x.hlith 007").fails(3, &["key \"7\" is not in x.hlith"]).text(), "");
    place.run("get x.hlith five").fails(2, &["the key \"five\" is not an integer"]);
    place.run("get x.hlith 9223372036854775808").fails(2, &["outside of the integers of 64 bits"]);
    assert_eq!(place.run("get x.hlith --json 5").ok().text(), "{\"key\":5,\"value\":\"five\"}\n");

    let place = round_trip("a\t1.5\nb\t-0.25\n", "--values float32");
    assert_eq!(place.run("get x.hlith b a").ok().text(), "-0.25\n1.5\n");
    let place = round_trip("1\t1 2 3\n2\t[4,5,6]\n", "--keys int --values int16[3]");
    assert_eq!(place.run("get x.hlith 2").ok().text(), "[4,5,6]\n");
    assert_eq!(place.run("get x.hlith --json 2").ok().text(), "{\"key\":2,\"value\":[4,5,6]}\n");
    assert!(place.run("info x.hlith").ok().text().contains("int16[3]"));
}

#[test]
fn sets_of_keys() {
    let place = round_trip("a\nb\nc\n", "--values none");
    assert_eq!(place.run("get x.hlith b").ok().text(), "b\n");
    place.run("get x.hlith z").fails(3, &["key \"z\" is not in"]);
    let lines = place.run("dump x.hlith").ok().text().lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(lines.len() == 3 && lines.contains(&"a".to_owned()));
    round_trip("1\n-2\n", "--values none --keys int");
}

#[test]
fn keys_left_out() {
    let place = Place::new();
    let records: String = (0..500).map(|i| format!("key {i}\t{}\n", i * 3)).collect();
    place.write("a.tsv", &records);
    place.run("build a.tsv -o x.hlith --keys none --check-bits 16 --values uint16").ok();
    assert_eq!(place.run("get x.hlith").fails(2, &[]).text(), "");
    assert_eq!(place.run("get x.hlith key\\ 7").code, 3);
    let place_of_seven = place.run_args(["get", "x.hlith", "key 7"]).ok();
    assert_eq!(place_of_seven.text(), "21\n");
    let alone = place.run("verify x.hlith").ok();
    assert!(alone.text().contains("only --against INPUT proves"), "{alone:?}");
    for (against, proved) in [("", false), (" --against a.tsv", true)] {
        let json = place.run(&format!("verify x.hlith --json{against}")).ok();
        assert!(json.text().contains(&format!("\"keys_proved\":{proved}")), "{json:?}");
    }
    let info = place.run("info x.hlith").ok();
    assert!(info.text().contains("an absent key is taken for a present one once in 2^16 times"), "{info:?}");
    let dump = place.run("dump x.hlith").ok();
    assert!(dump.text().lines().enumerate().all(|(id, line)| line.starts_with(&format!("{id}\t"))));
    // Its cells can be cut, but not moved.
    place.run("split x.hlith -o set --parts 4").ok();
    place.run("verify set --against a.tsv").ok();
    place.run("merge set -o y.hlith").ok();
    assert_eq!(place.read("x.hlith"), place.read("y.hlith"));
    place.run("merge x.hlith y.hlith -o z.hlith").fails(1, &["left out", "build it again"]);
    // Another record is noticed.
    place.write("a.tsv", records.replace("key 9\t27\n", "key 9\t28\n"));
    place.run("verify x.hlith --against a.tsv").fails(1, &["another value"]);
    place.write("a.tsv", records.replace("key 9\t27\n", ""));
    place.run("verify x.hlith --against a.tsv").fails(1, &["left out, dense id", "not in the input"]);
}

#[test]
fn options_that_have_no_effect_are_errors() {
    let place = Place::new();
    place.write("a.tsv", "1\t2\n");
    for (options, words) in [
        ("--check-bits 16", "check bits are for keys that are left out"),
        ("--keys none --fingerprint-bits 8", "check bits instead of fingerprint bits"),
        ("--keys int --values int8 --compress on", "nothing to compress"),
    ] {
        place.run(&format!("build a.tsv -o x.hlith {options}")).fails(2, &[words]);
    }
    for (options, words) in
        [("--values float", "type of values must be one of"), ("--keys none --check-bits 7", "8..=64")]
    {
        place.run(&format!("build a.tsv -o x.hlith {options}")).fails(2, &[words]);
    }
    place.run("build a.tsv -o x.hlith --keys int --values int8").ok();
    place.write("a.tsv", "1\t2\n1\t3\n");
    place
        .run("build a.tsv -o x.hlith --keys int --values int8")
        .fails(1, &["the key \"1\" occurs twice", "line 1", "line 2"]);
    place.write("a.tsv", "1\tnan\n");
    place.run("build a.tsv -o x.hlith --keys int --values float32").ok();
    place.run("dump x.hlith --format jsonl").fails(1, &["NaN or an infinity"]);
}
