//! Options that change the index or the report, and options that must not change the index.

use crate::support::{Place, many_lines};

#[test]
fn threads_memory_and_order_do_not_change_a_byte() {
    let place = Place::new();
    place.write("a.tsv", many_lines(30_000));
    place.shell("tac a.tsv > b.tsv; split -n l/5 --additional-suffix .tsv a.tsv part-").ok();
    place.run("build a.tsv -o expected.hlith --threads 1").ok();
    for args in ["a.tsv --threads 5", "b.tsv", "a.tsv --threads 1 --memory 32M", ". --threads 2"] {
        if args.starts_with('.') {
            std::fs::create_dir(place.path("parts")).unwrap();
            place.shell("mv part-* parts").ok();
        }
        let args = args.replace('.', if args.starts_with('.') { "parts" } else { "." });
        place.run(&format!("build {args} -o x.hlith")).ok();
        assert_eq!(place.read("x.hlith"), place.read("expected.hlith"), "{args}");
    }
}

#[test]
fn seeds_fingerprints_and_metadata_are_stored() {
    let place = Place::new();
    place.write("a.tsv", many_lines(1000));
    place
        .run_args([
            "build",
            "a.tsv",
            "-o",
            "x.hlith",
            "--seed",
            "17",
            "--fingerprint-bits",
            "12",
            "--metadata",
            "{\"source\":\n\"test\u{9b}2J\u{7f}\"}",
        ])
        .ok();
    let info = place.run("info x.hlith --json").ok();
    let json: serde_json::Value = serde_json::from_slice(&info.out).unwrap();
    assert_eq!((&json["seed"], &json["fingerprint_bits"]), (&17.into(), &12.into()));
    assert_eq!(json["metadata"]["source"], "test\u{9b}2J\u{7f}");
    // Characters that a terminal would obey are escaped.
    let in_lines = place.run("info x.hlith").ok();
    for (out, is_one_line) in [(info.out, true), (in_lines.out, false)] {
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count() == 1, is_one_line, "{text}");
        assert!(text.contains(r#""test\u009b2J\u007f""#), "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    }
    place.run("verify x.hlith --against a.tsv").ok();
    place.run("build a.tsv -o x.hlith --metadata [1]").fails(2, &["JSON object"]);
}

#[test]
fn a_random_seed_is_another_one_each_time() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    let seed = || {
        place.run("build a.tsv -o x.hlith --seed random").ok();
        let info: serde_json::Value =
            serde_json::from_slice(&place.run("info x.hlith --json").ok().out).unwrap();
        info["seed"].as_u64().unwrap()
    };
    assert_ne!(seed(), seed());
}

#[test]
fn siphash_has_a_random_key_unless_told() {
    let place = Place::new();
    place.write("a.tsv", many_lines(10_000));
    let build = |options: &str| {
        place.run(&format!("build a.tsv -o x.hlith --hash siphash {options}")).ok();
        place.run("verify x.hlith --against a.tsv").ok();
        let info: serde_json::Value =
            serde_json::from_slice(&place.run("info x.hlith --json").ok().out).unwrap();
        assert_eq!(info["hash"], "SipHash-1-3-128");
        (info["seed"].as_u64().unwrap(), info["second_seed"].as_u64().unwrap(), place.read("x.hlith"))
    };
    let (first, second) = (build(""), build("--seed random"));
    assert!(first.0 != second.0 && first.1 != second.1);
    let again = build(&format!("--seed {}", u128::from(first.1) << 64 | u128::from(first.0)));
    assert_eq!(again, first);
    let info = place.run("info x.hlith").ok();
    assert!(info.text().contains("SipHash-1-3-128"), "{}", info.text());
}

#[test]
fn quiet_says_nothing_and_json_goes_to_standard_output() {
    let place = Place::new();
    place.write("a.tsv", "a\t1\nb\t2\n");
    let quiet = place.run("build a.tsv -o x.hlith --quiet").ok();
    assert_eq!((quiet.text(), quiet.err.as_str()), ("", ""));

    let json = place.run("build a.tsv -o x.hlith --json --quiet").ok();
    assert_eq!(json.err, "");
    let report: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
    assert_eq!((&report["records"], &report["keys"]), (&2.into(), &2.into()));
    assert_eq!(report["file_bytes"].as_u64(), Some(place.read("x.hlith").len() as u64));
    for field in ["seconds", "peak_memory_bytes", "core_seconds_user", "hot_bytes_per_key"] {
        assert!(report[field].is_number(), "{field}: {report}");
    }
}

#[test]
fn the_report_ends_with_a_command_that_works() {
    let place = Place::new();
    place.write("a.tsv", "it's a key\tand its value\n");
    let build = place.run("build a.tsv -o x.hlith").ok();
    let last = build.err.lines().last().unwrap();
    let command = last.strip_prefix("next").unwrap().trim().replacen("hashlith", "$HASHLITH", 1);
    assert_eq!(place.shell(&command).ok().text(), "and its value\n", "{command}");
}

#[test]
fn the_table_has_the_rows_that_apply() {
    let place = Place::new();
    let lines = |good: usize, bad: usize| many_lines(good) + &"bad\n".repeat(bad);
    let rows = ["a set of 2 parts", "duplicates dropped  1", "rows skipped", "and 1 more", "ns per record"];
    let table: [(String, &str, &[usize]); 6] = [
        (lines(9, 0), "", &[]),
        (lines(9, 0), "--parts 2", &[0]),
        (lines(9, 0) + "key-0\tx\n", "--on-duplicate last", &[1]),
        (lines(9, 10), "--on-error skip", &[2]),
        (lines(9, 11), "--on-error skip", &[2, 3]),
        (lines(100_000, 0), "", &[4]),
    ];
    for (number, (lines, options, wanted)) in table.into_iter().enumerate() {
        place.write("x.tsv", lines);
        let run = place.run(&format!("build x.tsv -o {number}.hlith {options}")).ok();
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(run.err.contains(row), wanted.contains(&at), "{row}: {}", run.err);
        }
        // All core-seconds, those of both modes, and nanoseconds per record.
        let line = run.err.lines().find(|line| line.starts_with("core-seconds")).unwrap();
        let words = line.split([' ', ',', ')']);
        let numbers: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
        assert!((numbers[0] - numbers[1] - numbers[2]).abs() < 0.02, "{line}");
        if let Some(each) = numbers.get(3) {
            assert!((each - numbers[0] * 1e4).abs() < 60.0, "{line}");
        }
    }
}
