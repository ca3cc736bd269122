//! Verification: a sound index, every kind of damage, and inputs that differ.

use crate::support::{Place, Run, many_lines};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn a_sound_index() {
    let place = Place::with_index(&many_lines(5000));
    let run = place.run("verify x.hlith").ok();
    assert!(run.text().contains("sound: 5,000 keys"), "{}", run.text());
    let run = place.run("verify x.hlith --against x.tsv --threads 3").ok();
    assert!(run.text().contains("5,000 records"), "{}", run.text());
    let json = place.run("verify x.hlith --against x.tsv --json").ok();
    let json: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
    assert_eq!(
        (&json["ok"], &json["keys"], &json["against"]["agrees"]),
        (&true.into(), &5000.into(), &true.into())
    );
    let info: serde_json::Value = serde_json::from_slice(&place.run("info x.hlith --json").ok().out).unwrap();
    assert_eq!(
        (&json["index"], &json["cells"], &json["bytes"]),
        (&"x.hlith".into(), &info["cells"], &info["file_bytes"])
    );
    assert!(json["seconds"].as_f64() > Some(0.0), "{json}");
}

#[test]
fn quiet_prints_faults_only() {
    let place = Place::with_index(&many_lines(50));
    for options in ["", " --against x.tsv"] {
        let run = place.run(&format!("verify x.hlith --quiet{options}")).ok();
        assert_eq!((run.text(), run.err.as_str()), ("", ""), "{options}");
    }
    let json = place.run("verify x.hlith -q --json").ok();
    assert!(json.text().starts_with('{') && json.err.is_empty());
    place.write("y.tsv", "other\tv\n");
    place.run("verify x.hlith -q --against y.tsv").fails(1, &["\"other\""]);
    place.write("bad.hlith", "x");
    place.run("verify bad.hlith -q").fails(4, &["bad.hlith"]);
}

#[test]
fn damage_has_exit_code_4_and_an_offset() {
    let place = Place::with_index(&many_lines(5000));
    let whole = place.read("x.hlith");
    for at in [8, 40, 3000, 4100, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        place.write("bad.hlith", bytes);
        let run = place.run("verify bad.hlith").fails(4, &["bad.hlith"]);
        assert_eq!(run.text(), "", "at {at}");
        let json = place.run("verify bad.hlith --json").fails(4, &[]);
        let json: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
        assert_eq!((&json["ok"], &json["file"]), (&false.into(), &"bad.hlith".into()), "at {at}");
        assert!(json["offset"].is_u64() && json["rule"].is_string(), "{json}");
        assert!(json["index"] == "bad.hlith" && json["seconds"].as_f64() > Some(0.0), "{json}");
    }
}

/// File and offset in a verdict that says nothing about the index.
#[track_caller]
fn unknown(run: Run) -> (String, Option<u64>) {
    let run = run.fails(1, &[]);
    let json: serde_json::Value = serde_json::from_slice(&run.out).unwrap();
    assert!(json["ok"] == false && json["rule"].is_null() && json["error"].is_string(), "{json}");
    (json["file"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned(), json["offset"].as_u64())
}

/// The kernel says that this file has 4,096 bytes, and gives fewer.
#[test]
fn a_file_that_cannot_be_read_is_named() {
    let path = "/sys/devices/system/cpu/online";
    let run = Place::new().run_args(["verify", path, "--json"]);
    assert_eq!(unknown(run), (path.to_owned(), Some(0)));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let place = Place::with_index("a\tb\n");
    place.run("build x.tsv -o set --parts 2 --quiet").ok();
    let names = fs::read_dir(place.path("set")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| format!("set/{}", name.to_str().unwrap())).collect();
    names.sort();
    let [manifest, _, second] = &names[..] else { panic!("{names:?}") };
    for name in [second, manifest] {
        fs::remove_file(place.path(name)).unwrap();
        mknodat(CWD, place.path(name), FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(unknown(place.run("verify set --json")), (name.clone(), None));
    }

    fs::set_permissions(place.path("x.hlith"), fs::Permissions::from_mode(0o000)).unwrap();
    let run = if rustix::process::geteuid().is_root() {
        fs::set_permissions(place.root(), fs::Permissions::from_mode(0o755)).unwrap();
        place.as_nobody("verify x.hlith --json")
    } else {
        place.run("verify x.hlith --json")
    };
    assert_eq!(unknown(run), ("x.hlith".to_owned(), None));
}

#[test]
fn inputs_that_do_not_agree_are_told_apart() {
    let place = Place::with_index("same\t1\nchanged\told\ngone\t3\n");
    place.write("new.tsv", "same\t1\nchanged\tnew\nadded\t4\n");
    let run = place.run("verify x.hlith --against new.tsv").fails(
        1,
        &[
            "new.tsv, line 2: key \"changed\" has another value",
            "new.tsv, line 3: key \"added\" is not in the index",
            "key \"gone\" of the index is not in the input",
        ],
    );
    assert_eq!(run.err.lines().filter(|line| line.starts_with("hashlith: x.hlith: 1 ")).count(), 3);
    assert!(run.text().contains("sound"), "the index itself is sound: {}", run.text());
    let json = place.run("verify x.hlith --against new.tsv --json --quiet");
    let json: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
    let counts = ["absent", "mismatched", "unseen"].map(|name| json["against"][name].as_u64());
    assert_eq!((counts, json["ok"].as_bool()), ([Some(1); 3], Some(false)));
}

#[test]
fn a_missing_input_is_found_out_before_the_long_check() {
    let place = Place::with_index("a\tb\n");
    let run = place.run("verify x.hlith --against missing.tsv").fails(1, &["missing.tsv"]);
    assert_eq!(run.text(), "");
}

/// Folders are read with all their subfolders, and files that are left out are reported.
#[test]
fn folders_within_folders_are_read() {
    let place = Place::new();
    for folder in ["in/sub/deeper", "in/other"] {
        fs::create_dir_all(place.path(folder)).unwrap();
    }
    place.write("in/a.tsv", "a\t1\n");
    place.write("in/sub/deeper/b.tsv", "b\t2\n");
    place.write("in/other/c.data", "c\t3\n");
    let run = place.run("build in -o x.hlith").ok();
    assert!(
        run.err.contains("left out a file without a known extension, such as in/other/c.data"),
        "{}",
        run.err
    );
    assert_eq!(place.run("get x.hlith a b").ok().text(), "1\n2\n");
    place.run("build in -o all.hlith --format tsv").ok();
    assert_eq!(place.run("get all.hlith c").ok().text(), "3\n");
    place.run("verify all.hlith --against in --format tsv").ok();
    let run =
        place.run("verify all.hlith --against in").fails(1, &["1 keys of the index are not in the input"]);
    assert!(run.err.contains("left out a file") && !run.err.contains(": 0 "), "{}", run.err);
    let quiet = place.run("verify all.hlith --against in --quiet").fails(1, &["1 keys of the index"]);
    assert!(!quiet.err.contains("left out"), "{}", quiet.err);
    assert!(run.text().ends_with("does NOT hold what the input holds: 2 records\n"), "{}", run.text());
}

#[test]
fn options_of_inputs_are_for_inputs() {
    let place = Place::with_index(&many_lines(5));
    for option in [
        "--format tsv",
        "--keys text",
        "--values text",
        "--on-error skip",
        "--max-errors 5",
        "--encoding utf-16",
        "--delimiter x",
        "--quotes off",
        "--escape",
        "--key-column 1",
        "--value-column 2",
        "--join x",
        "--header",
        "--no-header",
        "--comment x",
        "--skip-rows 0",
        "--key-field x",
        "--value-field x",
        "--query x",
        "--pick x",
        "--on-duplicate first",
    ] {
        place.run(&format!("verify x.hlith {option}")).fails(2, &["--against"]);
    }
}

#[test]
fn types_are_those_of_the_index() {
    let place = Place::new();
    place.write("x.csv", "k,v,w\na,1,2\n");
    for (types, columns) in [
        ("--values json", "--value-column v --value-column w"),
        ("--values none", "--key-column w"),
        ("--values int8 --keys int", "--key-column v --value-column w"),
    ] {
        place.run(&format!("build x.csv -o x.hlith {types} {columns}")).ok();
        place.run(&format!("verify x.hlith --against x.csv {columns}")).ok();
    }
}
