//! Sets: built, split, merged, used like a file. Paths that are no sets are refused by name.

use crate::support::{Place, many_lines};
use std::fs;

fn manifest_names(place: &Place, set: &str) -> Vec<String> {
    let text = String::from_utf8(place.read(&format!("{set}/manifest.json"))).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("{\"file\": \""));
    names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

fn sorted(bytes: &[u8]) -> Vec<&str> {
    let mut lines: Vec<&str> = std::str::from_utf8(bytes).unwrap().lines().collect();
    lines.sort_unstable();
    lines
}

/// From a file to a set, another set, and a file again: the records stay the same, and so do the bytes if the cells do.
#[test]
fn there_and_back() {
    let place = Place::new();
    place.write("a.tsv", many_lines(20_000));
    place.run("build a.tsv -o a.hlith").ok();
    let report = place.run("build a.tsv -o set --parts 4 --json").ok();
    let report: serde_json::Value = serde_json::from_slice(&report.out).unwrap();
    assert_eq!((&report["parts"], &report["keys"]), (&4.into(), &20_000.into()));
    place.run("split a.hlith --parts 4 -o cut").ok();
    assert_eq!(place.read("set/manifest.json"), place.read("cut/manifest.json"));
    place.run("merge set -o back.hlith").ok();
    assert!(place.read("back.hlith") == place.read("a.hlith"));
    // With three parts the cells differ, but not the records.
    place.run("split set --parts 3 -o three").ok();
    place.run("verify three --against a.tsv").ok();
    assert_eq!(sorted(&place.run("dump three").ok().out), sorted(&place.read("a.tsv")));
    // A set may be split again in place.
    place.run("split three --parts 7 -o three").ok();
    assert_eq!(manifest_names(&place, "three").len(), 7);
    place.run("verify three --against a.tsv").ok();
    place.holds(&["a.hlith", "a.tsv", "back.hlith", "cut", "set", "three"]);
}

#[test]
fn a_set_answers_like_a_file() {
    let place = Place::new();
    place.write("a.tsv", "apple\tred\npear\tgreen\nplum\tblue\n");
    place.run("build a.tsv -o fruit --parts 2").ok();
    assert_eq!(place.run("get fruit plum apple").ok().text(), "blue\nred\n");
    place.run("get fruit kiwi").fails(3, &["kiwi", "fruit"]);
    let info = place.run("info fruit").ok();
    assert!(info.text().contains("parts          2\n"), "{}", info.text());
    let part = format!("fruit/{}", manifest_names(&place, "fruit")[1]);
    let info = place.run(&format!("info {part}")).ok();
    assert!(info.text().contains("part           1 of a set of 2 files"), "{}", info.text());
    assert!(place.run("verify fruit").ok().text().contains("sound: a set of 2 parts, 3 keys"));
    place.write("fruit/part-00000-0000000000000007.hlith", "left by a build that was killed");
    let checked = place.run("verify fruit").ok();
    assert!(
        checked.err.contains("part-00000-0000000000000007.hlith is not part of this set"),
        "{}",
        checked.err
    );
}

#[test]
fn several_indexes_become_one() {
    let place = Place::new();
    place.write("a.tsv", "both\t1\na\tx\n");
    place.write("b.tsv", "both\t2\nb\ty\n");
    place.run("build a.tsv -o a.hlith").ok();
    place.run("build b.tsv -o b --parts 3").ok();
    place
        .run("merge a.hlith b -o ab.hlith")
        .fails(1, &["\"both\"", "a.hlith, record ", "b/part-0000", "--on-duplicate"]);
    place.holds(&["a.hlith", "a.tsv", "b", "b.tsv"]);
    for (policy, value) in [("first", "1\n"), ("last", "2\n")] {
        place.run(&format!("merge a.hlith b -o ab --parts 2 --on-duplicate {policy}")).ok();
        assert_eq!(place.run("get ab both").ok().text(), value);
        assert_eq!(place.run("get ab a b").ok().text(), "x\ny\n");
        let swapped = if policy == "first" { "2\n" } else { "1\n" };
        place.run(&format!("merge b a.hlith -o ba.hlith --on-duplicate {policy}")).ok();
        assert_eq!(place.run("get ba.hlith both").ok().text(), swapped);
    }
}

#[test]
fn parts_are_named_one_by_one() {
    let place = Place::new();
    place.write("a.tsv", many_lines(500));
    place.run("build a.tsv -o set --parts 3").ok();
    let [zero, one, two] = &manifest_names(&place, "set")[..] else { panic!("three parts") };
    let merge = |parts: &[&str], output: &str| {
        let paths: Vec<String> = parts.iter().map(|part| format!("set/{part}")).collect();
        place.run(&format!("merge {} -o {output}", paths.join(" ")))
    };
    merge(&[two, zero, one], "again --parts 3").ok();
    assert_eq!(place.read("again/manifest.json"), place.read("set/manifest.json"));
    merge(&[one, two, zero], "one.hlith").ok();
    place.run("verify one.hlith --against a.tsv").ok();
    merge(&[zero, two], "x").fails(1, &["part 1 of 3 is missing"]);
    merge(&[zero, one], "x").fails(1, &["part 2 of 3 is missing"]);
    merge(&[zero, one, one, two], "x").fails(1, &[one, "is part 1 again"]);
    place.run("build a.tsv -o other --parts 3 --seed 5").ok();
    let foreign = format!("../other/{}", manifest_names(&place, "other")[1]);
    merge(&[zero, &foreign, two], "x").fails(1, &["belongs to another set"]);
}

/// Parts that are named one by one count as one input, in the place of the first of them.
#[test]
fn the_order_of_inputs_is_that_of_their_names() {
    let place = Place::new();
    place.write("old.tsv", "k\told\na\t1\nb\t2\n");
    place.write("new.tsv", "k\tnew\n");
    place.run("build old.tsv -o old --parts 2").ok();
    place.run("build new.tsv -o new.hlith").ok();
    let parts: Vec<String> = manifest_names(&place, "old").iter().map(|name| format!("old/{name}")).collect();
    let parts = parts.join(" ");
    for (inputs, policy, value) in [
        (format!("{parts} new.hlith"), "last", "new\n"),
        (format!("{parts} new.hlith"), "first", "old\n"),
        (format!("new.hlith {parts}"), "last", "old\n"),
        (format!("new.hlith {parts}"), "first", "new\n"),
    ] {
        place.run(&format!("merge {inputs} -o x.hlith --on-duplicate {policy}")).ok();
        assert_eq!(place.run("get x.hlith k").ok().text(), value, "{inputs} {policy}");
    }
    // The message names the file of each record.
    let failed =
        place.run(&format!("merge {parts} new.hlith -o x.hlith")).fails(1, &["\"k\"", "new.hlith, record 1"]);
    assert!(failed.err.contains("old/part-0000"), "{}", failed.err);
}

/// Opening a pipe instead of a file would wait for its writer.
#[test]
fn a_pipe_in_a_set_is_refused() {
    let place = Place::new();
    place.write("a.tsv", many_lines(100));
    for victim in ["manifest.json", "part"] {
        place.run("build a.tsv -o set --parts 2").ok();
        let name =
            if victim == "part" { manifest_names(&place, "set")[1].clone() } else { victim.to_owned() };
        let path = place.path("set").join(&name);
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        place.run("get set key").fails(1, &[&name, "not a file"]);
        place.run("verify set").fails(1, &[&name, "not a file"]);
        fs::remove_dir_all(place.path("set")).unwrap();
    }
}

/// A set with more parts than the soft limit on open files: the limit is raised.
#[test]
fn many_parts_are_verified() {
    let place = Place::new();
    place.write("a.tsv", many_lines(100));
    place.run("build a.tsv -o set --parts 300").ok();
    let binary = env!("CARGO_BIN_EXE_hashlith");
    let line = format!("ulimit -S -n 100 && {binary} verify set --quiet && {binary} get set absent");
    let done =
        std::process::Command::new("sh").args(["-c", &line]).current_dir(place.path(".")).output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{done:?}");
}

/// More parts than the hard limit on open files: they are verified one by one.
#[test]
fn more_parts_than_files_may_be_open() {
    let place = Place::new();
    place.write("a.tsv", many_lines(100));
    place.run("build a.tsv -o set --parts 200").ok();
    let limited = |line: &str| place.shell(&format!("ulimit -n 64; exec $HASHLITH {line}"));
    let run = limited("verify set").ok();
    assert!(run.text().contains("sound: a set of 200 parts, 100 keys"), "{}", run.text());
    // Any of them may be asked for any key.
    limited("verify set --against a.tsv").fails(1, &["Too many open files", "ulimit -n"]);
    let part = place.names().into_iter().find(|name| name.starts_with("set")).unwrap();
    let part = format!("{part}/{}", crate::support::names_in(&place.path(&part))[150]);
    let mut bytes = place.read(&part);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    place.write(&part, bytes);
    limited("verify set").fails(4, &[&part]);
    fs::remove_file(place.path(&part)).unwrap();
    limited("verify set").fails(4, &["M4"]);
}

#[test]
fn what_cannot_be_merged() {
    let place = Place::new();
    place.write("a.tsv", "k\tv\n");
    place.run("build a.tsv -o text.hlith").ok();
    place.run("build a.tsv -o bytes.hlith --keys bytes").ok();
    place
        .run("merge text.hlith bytes.hlith -o x")
        .fails(1, &["bytes.hlith has another type of keys or values"]);
    place.write("b.tsv", "other\tv\n");
    place.run_args(["build", "b.tsv", "-o", "noted.hlith", "--metadata", "{\"by\": \"me\"}"]).ok();
    place.run("merge text.hlith noted.hlith -o x").fails(1, &["different metadata", "--metadata"]);
    place.run_args(["merge", "text.hlith", "noted.hlith", "-o", "x", "--metadata", "{\"by\": \"us\"}"]).ok();
    assert!(place.run("info x").ok().text().contains("{\"by\": \"us\"}"));
    place.run("split noted.hlith --parts 2 -o set").ok();
    assert!(place.run("info set").ok().text().contains("{\"by\": \"me\"}"));
    place.run("merge nothing -o x").fails(1, &["nothing", "No such file"]);
    place.run("merge -o x").fails(2, &["INDEX"]);
    place.run("split x --parts 0 -o y").fails(2, &["parts"]);
    place.run("build a.tsv -o a.tsv --parts 2").fails(1, &["a.tsv is a file: a set is a directory"]);
    place.write("mine/letter", "dear");
    place.run("build a.tsv -o mine --parts 2").fails(1, &["mine is not a set, and holds mine/letter"]);
    place.run("build a.tsv -o set").fails(1, &["set is a directory"]);
    place.run("get mine k").fails(1, &["mine is a directory without a manifest.json"]);
}

/// New sums would hide faults of copied cells, so the input is verified first.
#[test]
fn damage_is_not_sealed_again() {
    let place = Place::new();
    place.write("a.tsv", many_lines(2000));
    place.run("build a.tsv -o a.hlith").ok();
    let mut bytes = place.read("a.hlith");
    bytes[5000] ^= 1;
    place.write("a.hlith", bytes);
    place.run("split a.hlith --parts 2 -o x").fails(4, &["a.hlith", "V1"]);
    place.run("merge a.hlith -o x").fails(4, &["a.hlith", "V1"]);
    place.run("build a.tsv -o set --parts 2").ok();
    let part = manifest_names(&place, "set")[1].clone();
    let path = place.path("set").join(&part);
    let mut bytes = fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    fs::write(&path, bytes).unwrap();
    place.run("merge set -o x").fails(4, &[&part, "V1"]);
    place.run("verify set").fails(4, &[&part, "V1"]);
    let checked = place.run("verify set --json");
    let report: serde_json::Value = serde_json::from_slice(&checked.out).unwrap();
    assert_eq!((&report["ok"], &report["file"]), (&false.into(), &format!("set/{part}").into()));
    place.holds(&["a.hlith", "a.tsv", "set"]);
}

/// A merge keeps to its memory limit although it maps all inputs: mapped files do not count.
#[test]
fn a_merge_keeps_within_its_memory() {
    let place = Place::new();
    let lines =
        |from: u32| -> String { (from..from + 400_000).map(|i| format!("key {i}\t{i:0200}\n")).collect() };
    place.write("a.tsv", lines(0));
    place.write("b.tsv", lines(400_000));
    place.run("build a.tsv -o a.hlith --memory 64M").ok();
    place.run("build b.tsv -o b.hlith --memory 64M").ok();
    let mut command =
        place.command(["merge", "a.hlith", "b.hlith", "-o", "ab", "--parts", "3", "--memory", "64M"]);
    let child = command.arg("--threads").arg("2").stderr(std::process::Stdio::piped()).spawn().unwrap();
    let (own, child) = crate::support::peak_anonymous(child);
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(own > 16 << 20 && own < 100 << 20, "{own} bytes");
    place.run("verify ab --against a.tsv b.tsv").ok();
}

/// Whoever may read a directory may lock it; a build does not mind.
#[test]
fn a_locked_directory_can_be_replaced() {
    let place = Place::new();
    place.write("a.tsv", many_lines(100));
    for line in ["build a.tsv", "merge set", "split set"] {
        place.run("build a.tsv -o set --parts 2").ok();
        let (directory, manifest) = (place.path("set"), place.path("set/manifest.json"));
        let locked = [directory, manifest].map(|path| fs::File::open(path).unwrap());
        locked.iter().for_each(|file| file.lock().unwrap());
        place.run(&format!("{line} -o set --parts 3")).ok();
        assert_eq!(manifest_names(&place, "set").len(), 3);
    }
}
