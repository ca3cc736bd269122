//! Files that obey `spec.md` are found to be right.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod model;

use hashlith_checker::{Error, Options, Progress, ReadAt, verify};
use hashlith_format::{KeyHasher, KeyType, ValueType};
use model::{Pair, Plan, check, pair, pairs};
use std::{io, sync::atomic::Ordering};

#[test]
fn files_of_any_number_of_keys_and_blocks() {
    for blocks in [1, 2, 3, 7, 40] {
        for count in [0, 1, 2, 3, 4, 5, 16, 31, 32, 33] {
            let file = Plan { blocks, ..Plan::default() }.file(&pairs(count));
            let report = check(&file, 2).unwrap();
            assert_eq!((report.keys, report.blocks), (count as u64, blocks));
            assert_eq!(report.bytes, file.len() as u64);
        }
    }
}

#[test]
fn all_fingerprints_seeds_and_salts() {
    for fingerprint_bits in 1..=16 {
        let seed = u64::MAX - u64::from(fingerprint_bits);
        let hashers = [KeyHasher::xxh3(seed), KeyHasher::siphash(seed, 7)];
        let plan = Plan {
            fingerprint_bits,
            hasher: hashers[fingerprint_bits as usize % 2],
            first_salt: fingerprint_bits as u8 * 3,
            blocks: 3,
            ..Plan::default()
        };
        check(&plan.file(&pairs(50)), 1).unwrap();
    }
}

#[test]
fn empty_and_odd_keys_and_values() {
    let all = [
        pair("", ""),
        pair([0], ""),
        pair([0, 0], [0xff; 200]),
        pair([0x80; 127], "x"),
        pair([0xff; 128], "y"),
    ];
    for blocks in [1, 4] {
        check(&Plan { blocks, ..Plan::default() }.file(&all), 1).unwrap();
    }
}

/// Longer than the window through which records are read, with characters that its end cuts.
#[test]
fn long_keys_and_values_of_every_type() {
    // Eight bytes that the window is a multiple of: what stands before them says where it cuts.
    let cut = |start: usize, count: usize| format!("{}{}", "b".repeat(start), "a€𝄞".repeat(count));
    let text: Vec<Pair> = (0..8).map(|i| pair(cut(i, 40_000), cut(8 - i, 90_000))).collect();
    let json: Vec<Pair> = text.iter().map(|(key, value)| pair(key.clone(), quoted(value))).collect();
    for first_salt in [0, 5] {
        let text_plan = Plan {
            key_type: KeyType::Text,
            value_type: ValueType::Text,
            first_salt,
            blocks: 2,
            ..Plan::default()
        };
        check(&text_plan.file(&text), 1).unwrap();
        check(&Plan { value_type: ValueType::Json, ..text_plan }.file(&json), 1).unwrap();
    }
}

fn quoted(text: &[u8]) -> Vec<u8> {
    [b" [\"", text, b"\", 1] "].concat()
}

#[test]
fn json_of_every_kind() {
    let values = ["0", "-1e999", "null", "\"\\ud800\"", " {\"a\": [1, 2]} \n", "\"\u{0080}\u{10ffff}\""];
    let mut all: Vec<Pair> = values.iter().map(|value| pair(*value, *value)).collect();
    // Deeper than any stack.
    all.push(pair("deep", format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))));
    check(&Plan { value_type: ValueType::Json, ..Plan::default() }.file(&all), 1).unwrap();
}

#[test]
fn metadata_that_is_a_json_object() {
    for metadata in ["{}", " \t\r\n{ \"name\": \"x\" }\n", "{\"€\": {\"a\": [[[]]]}}"] {
        let mut model = Plan::default().model(&pairs(3));
        model.metadata = metadata.into();
        check(&model.file(), 1).unwrap();
    }
}

#[test]
fn the_progress_ends_with_every_byte_done() {
    for count in [0, 30] {
        let file = Plan { blocks: 2, ..Plan::default() }.file(&pairs(count));
        let progress = Progress::default();
        verify(&file, &Options { threads: 2 }, &progress).unwrap();
        assert_eq!(progress.total.load(Ordering::Relaxed), file.len() as u64);
        assert_eq!(progress.done.load(Ordering::Relaxed), file.len() as u64);
    }
}

#[test]
fn a_cancelled_check_says_so() {
    let file = Plan::default().file(&pairs(30));
    let progress = Progress::default();
    progress.cancel.store(true, Ordering::Relaxed);
    assert!(matches!(verify(&file, &Options::default(), &progress), Err(Error::Cancelled)));
}

/// Sets `cancel` when a read reaches the hot section.
struct CancelOnHot<'a>(&'a [u8], u64, &'a Progress);

impl ReadAt for CancelOnHot<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if offset == self.1 {
            self.2.cancel.store(true, Ordering::Relaxed);
        }
        self.0.read_exact_at(buf, offset)
    }
}

/// A fault that was found before is not told: it might not be the first.
#[test]
fn a_check_that_is_cancelled_midway_says_so() {
    let mut model = Plan { blocks: 2, ..Plan::default() }.model(&pairs(40));
    model.metadata = b"no object".to_vec();
    let file = model.file();
    let progress = Progress::default();
    let source = CancelOnHot(&file, model::header(&file).sections.hot.offset, &progress);
    assert!(matches!(verify(&source, &Options { threads: 1 }, &progress), Err(Error::Cancelled)));
}
