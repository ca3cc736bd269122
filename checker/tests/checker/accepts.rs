//! Files that obey `spec.md` are found sound.

use crate::model::{Pair, Plan, cell_at, check, header, pair, pairs};
use hashlith_checker::{Error, Options, Progress, ReadAt, verify};
use hashlith_format::{KeyHasher, KeyType, ValueType};
use std::io;

#[test]
fn files_of_any_number_of_keys_and_cells() {
    for cells in [1, 2, 3, 7, 40] {
        for count in [0, 1, 2, 3, 4, 5, 16, 31, 60, 127] {
            let file = Plan { cells, ..Plan::default() }.file(&pairs(count));
            let report = check(&file, 2).unwrap();
            assert_eq!((report.keys, report.cells), (count as u64, cells));
            assert_eq!(report.bytes, file.len() as u64);
        }
    }
}

#[test]
fn all_fingerprints_seeds_and_attempts() {
    for fingerprint_bits in 1..=16 {
        let seed = u64::MAX - u64::from(fingerprint_bits);
        let hashers = [KeyHasher::xxh3(seed), KeyHasher::siphash(seed, 7)];
        let plan = Plan {
            fingerprint_bits,
            hasher: hashers[fingerprint_bits as usize % 2],
            first_attempt: fingerprint_bits as u8 * 15,
            cells: 3,
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
    for cells in [1, 4] {
        check(&Plan { cells, ..Plan::default() }.file(&all), 1).unwrap();
    }
}

/// Longer than the window through which records are read, with characters that its end cuts.
#[test]
fn long_keys_and_values_of_every_type() {
    // The window is a multiple of these eight bytes: the number of bytes before them decides where it cuts.
    let cut = |start: usize, count: usize| format!("{}{}", "b".repeat(start), "a€𝄞".repeat(count));
    let text: Vec<Pair> = (0..8).map(|i| pair(cut(i, 40_000), cut(8 - i, 90_000))).collect();
    let json: Vec<Pair> = text.iter().map(|(key, value)| pair(key.clone(), quoted(value))).collect();
    for first_attempt in [0, 5, 0x57] {
        let text_plan = Plan {
            key_type: KeyType::Text,
            value_type: ValueType::Text,
            first_attempt,
            cells: 2,
            ..Plan::default()
        };
        check(&text_plan.file(&text), 1).unwrap();
        check(&Plan { value_type: ValueType::Json, ..text_plan }.file(&json), 1).unwrap();
    }
}

/// Some cells of a file are far, or all, or only the last ones.
#[test]
fn far_cells() {
    let mixed: Vec<Pair> = (0..800).map(|i| pair(format!("{i}"), vec![0; i * i % 97 * 10])).collect();
    for (cells, all) in [(20, &mixed[..]), (16, &mixed), (12, &mixed), (1, &mixed[..90]), (9, &mixed[..90])] {
        let file = Plan { cells, ..Plan::default() }.file(all);
        let far = (0..cells as usize).filter(|&cell| file[cell_at(&file, cell) + 13] >= 0x80).count();
        assert_eq!(far > 0, header(&file).sections.far.len > 0);
        assert!(cells != 12 || far == 12);
        assert!(cells != 9 || far == 0);
        check(&file, 2).unwrap();
    }
}

/// More cells than a task has, most of them empty, and some with long records.
#[test]
fn many_cells() {
    let short = Plan { cells: 5000, ..Plan::default() }.file(&pairs(3000));
    let mut records = pairs(3000);
    records.extend((0..40).map(|i| pair([i], vec![i; 300_000])));
    let long = Plan { cells: 300, ..Plan::default() }.file(&records);
    for threads in [1, 2, 5] {
        assert_eq!(check(&short, threads).unwrap().cells, 5000);
        assert_eq!(check(&long, threads).unwrap().keys, 3040);
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
        let file = Plan { cells: 2, ..Plan::default() }.file(&pairs(count));
        let progress = Progress::default();
        verify(&file, &Options { threads: 2 }, &progress).unwrap();
        let (end, len) = (progress.snapshot(), file.len() as u64);
        assert_eq!((end.done, end.total), (len, Some(len)));
    }
}

#[test]
fn a_cancelled_check_says_so() {
    let file = Plan::default().file(&pairs(30));
    let progress = Progress::default();
    progress.cancel();
    assert!(matches!(verify(&file, &Options::default(), &progress), Err(Error::Cancelled)));
}

/// Cancels the check when a read reaches the hot section.
struct CancelOnHot<'a>(&'a [u8], u64, &'a Progress);

impl ReadAt for CancelOnHot<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if offset == self.1 {
            self.2.cancel();
        }
        self.0.read_exact_at(buf, offset)
    }
}

/// A fault that was found before is not reported: it might not be the first.
#[test]
fn a_check_that_is_cancelled_midway_says_so() {
    let mut model = Plan { cells: 2, ..Plan::default() }.model(&pairs(40));
    model.metadata = b"no object".to_vec();
    let file = model.file();
    let progress = Progress::default();
    let source = CancelOnHot(&file, header(&file).sections.hot.offset, &progress);
    assert!(matches!(verify(&source, &Options { threads: 1 }, &progress), Err(Error::Cancelled)));
}
