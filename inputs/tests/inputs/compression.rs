//! Compression is recognized by the first bytes; damage and early ends are errors that name the file.

use std::io::Write;

use crate::support::{error, failure, memory, pairs, python, read_sources};
use hashlith_feedback::Advice;
use hashlith_inputs::{ReadOptions, Source};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lines() -> Vec<u8> {
    (0..2000).flat_map(|i| format!("key {i}\tvalue {i}\n").into_bytes()).collect()
}

#[test]
fn compressed_lines_are_read_by_all_workers() {
    let plain = pairs("x.tsv", &lines(), &ReadOptions::default()).unwrap();
    for (name, packed) in
        [("x.tsv.gz", gzip(&lines())), ("x.tsv.zst", zstd(&lines())), ("x.tsv", gzip(&lines()))]
    {
        let options = ReadOptions { block_bytes: 1000, ..ReadOptions::default() };
        let (summary, records) = read_sources(&[memory(name, &packed)], &options, 3).unwrap();
        assert_eq!(summary.bytes, packed.len() as u64, "raw bytes are counted");
        assert_eq!(records.into_iter().map(|r| (r.key, r.value)).collect::<Vec<_>>(), plain);
    }
}

#[test]
fn members_follow_one_another() {
    let lines = lines();
    let (first, second) = lines.split_at(1003);
    for packed in [[gzip(first), gzip(second)].concat(), [zstd(first), zstd(second)].concat()] {
        assert_eq!(pairs("x.tsv", &packed, &ReadOptions::default()).unwrap().len(), 2000);
    }
}

#[test]
fn early_ends_are_named() {
    for (name, packed) in [("x.tsv.gz", gzip(b"a\tb\n")), ("x.tsv.zst", zstd(b"a\tb\n"))] {
        for length in 4..packed.len() {
            let found = error(name, &packed[..length], &ReadOptions::default());
            assert!(
                found.starts_with(&format!("{name}: ")) && found.contains("ends early"),
                "{length}: {found}"
            );
        }
    }
}

#[test]
fn damage_is_named() {
    for (name, mut packed) in [("x.tsv.gz", gzip(&lines())), ("x.tsv.zst", zstd(&lines()))] {
        let middle = packed.len() / 2;
        packed[middle..middle + 50].fill(0xaa);
        let found = error(name, &packed, &ReadOptions::default());
        assert!(found.contains("damaged") || found.contains("TAB"), "{found}");
    }
}

/// They are not a member or frame that is cut off.
#[test]
fn other_bytes_behind_compressed_data_are_named() {
    let packed = [("gzip", gzip(&lines())), ("zstd", zstd(&lines()))];
    for (kind, one) in &packed {
        let two = one.repeat(2);
        for tail in [&b"x"[..], b"The end", b"(c)", b"(", b"key\tvalue\n", b"\x1f\x8c", &packed[0].1[..1]] {
            let found = error("x.tsv", &[&two[..], tail].concat(), &ReadOptions::default());
            let begins = tail.starts_with(&one[..1]) && tail.len() == 1;
            let wanted = if begins {
                format!("the {kind} data ends early")
            } else {
                format!(
                    "x.tsv: the {kind} data ends at byte {}, but other bytes follow it; cut them off",
                    two.len()
                )
            };
            assert!(found.contains(&wanted), "{kind} {tail:?}: {found}");
        }
    }
}

#[test]
fn compressed_pickles_may_refer_back() {
    let directory = tempfile::tempdir().unwrap();
    python(
        r#"
import pickle
v = [f"value {i}" * 20 for i in range(2000)]
pickle.dump({f"k{i}": v[i * 7919 % 2000] for i in range(20000)}, open("x.pkl", "wb"))
"#,
        directory.path(),
    );
    let plain = std::fs::read(directory.path().join("x.pkl")).unwrap();
    let options = ReadOptions {
        temp_dir: Some(directory.path().to_owned()),
        block_bytes: 4096,
        ..ReadOptions::default()
    };
    let wanted = pairs("x.pkl", &plain, &options).unwrap();
    assert_eq!(wanted.len(), 20000);
    // What is not compressed needs no copy.
    let nowhere = ReadOptions { temp_dir: Some(directory.path().join("nowhere")), ..options.clone() };
    for source in [memory("x.pkl", &plain), Source::Path(directory.path().join("x.pkl"))] {
        assert_eq!(read_sources(&[source], &nowhere, 1).unwrap().1.len(), 20000);
    }
    for (name, packed) in [("x.pkl.gz", gzip(&plain)), ("x.pkl.zst", zstd(&plain))] {
        assert_eq!(pairs(name, &packed, &options).unwrap(), wanted);
        let cut = error(name, &packed[..packed.len() - 9], &options);
        assert!(cut.contains("ends early"), "{cut}");
        let found = failure(name, &packed, &nowhere);
        assert_eq!(found.advice(), Some(Advice::TempDir));
        let found = found.to_string();
        assert!(
            found.contains("no temporary copy could be written in") && found.contains("nowhere"),
            "{found}"
        );
    }
}
