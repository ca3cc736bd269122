//! What `info` says about an index.

use crate::support::{Place, many_lines};

#[test]
fn people_see_counts_sections_and_lengths() {
    let place = Place::with_index(&many_lines(10_000));
    let info = place.run("info x.hlith").ok();
    for words in
        ["10,000, text", "bytes per key", "pool", "hot", "page cache", "4 KiB pages", "all 10,000 records"]
    {
        assert!(info.text().contains(words), "{words}: {}", info.text());
    }
    assert!(info.text().lines().all(|line| line.len() <= 100 && line.trim_end() == line), "{}", info.text());
}

#[test]
fn programs_get_json() {
    let place = Place::with_index(&many_lines(1000));
    let info = place.run("info x.hlith --json").ok();
    let info: serde_json::Value = serde_json::from_slice(&info.out).unwrap();
    assert_eq!(info["keys"], 1000);
    assert_eq!(info["file_bytes"].as_u64(), Some(place.read("x.hlith").len() as u64));
    let names: Vec<_> =
        info["sections"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    let counted: u64 = info["lengths"]["keys"]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["count"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, 1000);
    assert_eq!(info["lengths"]["complete"], true);
}

#[test]
fn a_large_index_is_sampled_and_that_is_said() {
    let place = Place::with_index(&many_lines(250_000));
    let info = place.run("info x.hlith").ok();
    assert!(info.text().contains("a sample of 200,000 records"), "{}", info.text());
}
