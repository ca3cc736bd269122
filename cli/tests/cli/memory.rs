//! The memory limit.

use crate::support::{Place, many_lines};

#[test]
fn too_little_is_refused_with_the_smallest_that_works() {
    let place = Place::new();
    place.write("a.tsv", many_lines(1000));
    let refused = place
        .run("build a.tsv -o x.hlith --memory 1M --threads 2")
        .fails(2, &["--memory", "MiB is the smallest"]);
    place.holds(&["a.tsv"]);
    let (before, _) = refused.err.split_once(" MiB").unwrap();
    let smallest = before.rsplit(' ').next().unwrap();
    place.run(&format!("build a.tsv -o x.hlith --threads 2 --memory {smallest}MiB")).ok();
    place.run("verify x.hlith --against a.tsv").ok();
}

#[test]
fn sizes_are_written_in_the_usual_ways() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    for size in ["512M", "1G", "1GiB", "0.5g", "600000000", "600MB"] {
        place.run(&format!("build a.tsv -o x.hlith --memory {size}")).ok();
    }
    for size in ["lots", "4X", "-1G"] {
        place.run(&format!("build a.tsv -o x.hlith --memory={size}")).fails(2, &["512M"]);
    }
}

/// Records above the limit go through temporary files, which vanish. The index has the same bytes.
#[test]
fn what_does_not_fit_goes_through_temporary_files() {
    let place = Place::new();
    place.shell("yes 'some value that is repeated' | head -n 1000000 | nl -w1 > a.tsv").ok();
    place.run("build a.tsv -o roomy.hlith --memory 1G").ok();
    let report = place.run("build a.tsv -o x.hlith --memory 32M --threads 1 --json --quiet").ok();
    let report: serde_json::Value = serde_json::from_slice(&report.out).unwrap();
    assert!(report["spilled_bytes"].as_u64() > Some(1 << 20), "{report}");
    assert!(place.read("x.hlith") == place.read("roomy.hlith"));
    place.holds(&["a.tsv", "roomy.hlith", "x.hlith"]);
}

/// A file that does not fit into the addresses.
#[test]
fn opening_names_the_limit_on_addresses() {
    let place = Place::new();
    let value = "x".repeat(100_000);
    let lines: String = (0..3000).map(|number| format!("k{number}\t{value}\n")).collect();
    place.write("a.tsv", lines);
    place.run("build a.tsv -o x.hlith --memory 128M --threads 2").ok();
    place
        .shell("ulimit -v 250000; exec $HASHLITH get x.hlith k1")
        .fails(1, &["cannot open x.hlith: it has 287 MiB", "244 MiB of addresses", "raise it (ulimit -v)"]);
}
