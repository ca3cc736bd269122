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
    assert_eq!(names.len(), 8, "{names:?}");
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

/// The table that people read says what the JSON text says.
#[test]
fn both_forms_agree() {
    let place = Place::new();
    // Lengths of 0 to 70: a range of one, and ranges of many.
    place.write("x.tsv", (0..70).map(|n| format!("{n}\t{}\n", "v".repeat(n))).collect::<String>());
    for (options, parts) in
        [("--hash siphash --seed 0x30000000000000005 --metadata {\"a\":1}", None), ("--parts 3", Some(3))]
    {
        let name = format!("x{}.hlith", parts.unwrap_or(1));
        place.run(&format!("build x.tsv -o {name} {options}")).ok();
        let text = place.run(&format!("info {name}")).ok();
        let lines: Vec<Vec<&str>> =
            text.text().lines().map(|line| line.split_whitespace().collect()).collect();
        let json: serde_json::Value =
            serde_json::from_slice(&place.run(&format!("info {name} --json")).ok().out).unwrap();
        let has = |words: String| {
            let words: Vec<_> = words.split_whitespace().collect();
            assert!(lines.contains(&words), "{words:?}: {}", text.text());
        };
        let count = |number: u64| match number {
            ..1_000 => number.to_string(),
            _ => format!("{},{:03}", number / 1_000, number % 1_000),
        };
        let percent = |part: u64, whole: u64| format!("{:.1} %", 100.0 * part as f64 / whole as f64);
        if let Some(parts) = parts {
            has(format!("parts {parts}"));
        } else {
            has("hash SipHash-1-3-128, seed 55340232221128654853".to_owned());
            assert!(!lines.iter().any(|line| line.first().is_some_and(|first| first.starts_with("part"))));
        }
        let whole = json["file_bytes"].as_u64().unwrap();
        // The parser of JSON may be wrong in the last bit.
        assert!((json["bytes_per_key"].as_f64().unwrap() - whole as f64 / 70.0).abs() < 1e-9);
        has(format!("bytes per key {:.2}", whole as f64 / 70.0));
        match parts {
            None => has(format!("metadata {}", json["metadata"])),
            Some(_) => assert!(json["metadata"].is_null()),
        }
        for section in json["sections"].as_array().unwrap() {
            let bytes = section["bytes"].as_u64().unwrap();
            assert_eq!(section["offset"].is_null(), parts.is_some());
            let offset = section["offset"].as_u64().map_or(String::new(), count);
            let resident = section["resident_bytes"].as_u64().filter(|_| bytes > 0);
            has(format!(
                "{} {offset} {} {} {:.2} {}",
                section["name"].as_str().unwrap(),
                count(bytes),
                percent(bytes, whole),
                section["bytes_per_key"].as_f64().unwrap(),
                resident.map_or(String::new(), |resident| percent(resident, bytes)),
            ));
        }
        for of in ["keys", "values"] {
            let buckets = json["lengths"][of]["buckets"].as_array().unwrap();
            let most = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).max().unwrap();
            for bucket in buckets {
                let [from, to, found] = ["from", "to", "count"].map(|name| bucket[name].as_u64().unwrap());
                let range = if from == to { format!("{from}") } else { format!("{from}-{to}") };
                let bar = "#".repeat((found * 40).div_ceil(most) as usize);
                has(format!("{range} {found} {} {bar}", percent(found, 70)));
            }
        }
    }
}

#[test]
fn an_index_without_keys_has_no_means() {
    let place = Place::with_index("");
    let json: serde_json::Value = serde_json::from_slice(&place.run("info x.hlith --json").ok().out).unwrap();
    assert!(json["bytes_per_key"].is_null() && json["lengths"]["keys"]["mean"].is_null(), "{json}");
    let text = place.run("info x.hlith").ok();
    let means = text.text().lines().filter(|line| line.starts_with("bytes "));
    assert_eq!(means.count(), 0, "{}", text.text());
}
