//! Promises 1 and 2: files of every kind, damaged in every place. The reader and the checker refuse the same files on
//! opening, the checker refuses all of them, and no lookup panics.

use crate::golden;
use hashlith_builder::Builder;
use hashlith_checker::{Error, Options, Progress, verify};
use hashlith_format::{Rule, ValueType};
use hashlith_reader::Index;
use std::{fs, path::Path, sync::Mutex, thread};

/// Files with no keys, one key, one cell, many cells, far cells, long values, every type, 16-bit fingerprints and SipHash.
fn files() -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(golden("")).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "hlith"));
    let mut files: Vec<_> = files
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() > 10);
    files
}

/// True for the long form of the tests.
fn soak() -> bool {
    std::env::var_os("HASHLITH_SOAK").is_some()
}

/// Fails if the checker accepts damaged bytes, or if the reader and the checker disagree.
fn refused(what: &str, bytes: &[u8], keys: &[Vec<u8>]) {
    let Err(Error::Fault(fault)) = verify(bytes, &Options { threads: 1 }, &Progress::default()) else {
        panic!("{what}: not refused");
    };
    match Index::new(bytes) {
        Err(error) => assert_eq!((error.rule(), error.offset()), (fault.rule(), fault.offset()), "{what}"),
        Ok(index) => {
            assert!(!matches!(fault.rule(), Rule::R(1..=14 | 18)), "{what}: opened in spite of {fault}");
            for key in keys {
                let _ = index.get(key);
            }
            let _ = index.get_many(keys);
            index.iter().take(keys.len() + 2).for_each(drop);
        }
    }
}

/// The same keys with other values of the same lengths, so that all sections keep their places. `None` for JSON, whose
/// bytes cannot be changed one by one, and for files whose values are empty or whose keys are left out.
fn twin(bytes: &[u8]) -> Option<Vec<u8>> {
    let index = Index::new(bytes).unwrap();
    let header = index.first_header();
    if header.keys_left_out() {
        return None;
    }
    let mut builder = Builder::new().threads(1).memory_limit(64 << 20);
    builder = builder.key_type(header.key_type).value_type(header.value_type).hasher(header.hasher);
    builder = builder.fingerprint_bits(header.fingerprint_bits);
    builder = builder.metadata(String::from_utf8(index.metadata().to_vec()).unwrap());
    let mut changed = 0;
    for record in index.iter() {
        let record = record.unwrap();
        // Text stays text: only ASCII changes.
        let value: Vec<u8> =
            record.value.iter().map(|&byte| if byte < 128 { byte ^ 1 } else { byte }).collect();
        changed += usize::from(value != *record.value);
        builder.add(&record.key, &value).unwrap();
    }
    if changed == 0 || header.value_type == ValueType::Json {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("twin.hlith");
    builder.finish(&path).unwrap();
    let twin = fs::read(path).unwrap();
    let made = *Index::new(&twin[..]).unwrap().first_header();
    let same = made.sections == header.sections;
    // The builder makes no such files, or only with codes, which differ in length.
    let is_special = made.cells != header.cells
        || header.key_tables > 0
        || header.key_width > 0
        || header.value_tables > 0
        || header.sections.extension.len > 0
        || has_salt(bytes);
    assert!(same || is_special);
    same.then_some(twin)
}

/// True if a cell has a salt.
fn has_salt(bytes: &[u8]) -> bool {
    let hot = Index::new(bytes).unwrap().first_header().sections.hot;
    bytes[hot.offset as usize..hot.end() as usize].chunks(128).any(|cell| cell[14] > 15)
}

fn keys(bytes: &[u8]) -> Vec<Vec<u8>> {
    Index::new(bytes).unwrap().iter().take(20).map(|record| record.unwrap().key.to_vec()).collect()
}

/// Calls `each` with all numbers below `count`, on two threads.
fn shared(count: usize, each: impl Fn(usize) + Sync) {
    let next = Mutex::new(0);
    let take = || {
        let mut next = next.lock().unwrap();
        let from = *next;
        *next = (from + 1000).min(count);
        from..*next
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let numbers = take();
                    if numbers.is_empty() {
                        break;
                    }
                    numbers.for_each(&each);
                }
            });
        }
    });
}

/// Records a figure for `docs/reliability.md`, if `HASHLITH_EVIDENCE` names a folder.
fn evidence(what: &str, number: usize) {
    if let Some(folder) = std::env::var_os("HASHLITH_EVIDENCE") {
        let path = Path::new(&folder).join(format!("damage_matrix.{what}.json"));
        let form = if soak() { "long" } else { "short" };
        fs::write(path, format!("{{\"number\": {number}, \"form\": \"{form}\"}}\n")).unwrap();
    }
}

/// Damages a file in `count` ways, or in every `step`-th of them; none may be accepted. Returns the number of ways tried.
fn each_damage(
    name: &str,
    file: &[u8],
    count: usize,
    step: usize,
    damage: impl Fn(&mut [u8], usize) + Sync,
) -> usize {
    let keys = keys(file);
    shared(count.div_ceil(step), |number| {
        let mut file = file.to_vec();
        damage(&mut file, number * step);
        refused(&format!("{name}, damage {}", number * step), &file, &keys);
    });
    count.div_ceil(step)
}

#[test]
fn every_bit_flipped() {
    let mut flipped = 0;
    for (name, file) in files() {
        // The long form flips every bit. The short form does so only in small files, and flips a sample in others.
        let step = match (soak(), file.len()) {
            (true, _) | (_, ..9000) => 1,
            (false, ..30_000) => 13,
            (false, _) => 97,
        };
        flipped +=
            each_damage(&name, &file, 8 * file.len(), step, |file, bit| file[bit / 8] ^= 1 << (bit % 8));
    }
    evidence("bits", flipped);
}

#[test]
fn every_byte_set_to_every_other_value() {
    let mut set = 0;
    for (name, file) in files().into_iter().filter(|(name, _)| soak() || name == "no_keys") {
        let step = match (soak(), file.len()) {
            (true, ..100_000) => 1,
            (true, _) => 16,
            (false, _) => 5,
        };
        set += each_damage(&name, &file, 255 * file.len(), step, |file, number| {
            file[number / 255] = file[number / 255].wrapping_add((number % 255 + 1) as u8);
        });
    }
    evidence("bytes", set);
}

#[test]
fn every_length() {
    let mut lengths = 0;
    for (name, file) in files() {
        lengths += file.len() + 4096;
        for len in 0..file.len() {
            let error = Index::new(&file[..len]).unwrap_err();
            let expected = if len < 4096 { (Rule::R(1), len as u64) } else { (Rule::R(7), 32) };
            assert_eq!((error.rule(), error.offset()), expected, "{name} of {len} bytes");
            if len % 500 == 0 {
                refused(&format!("{name} of {len} bytes"), &file[..len], &[]);
            }
        }
        for more in 1..=4096 {
            let longer = [&file[..], &vec![0; more]].concat();
            let error = Index::new(&longer).unwrap_err();
            assert_eq!((error.rule(), error.offset()), (Rule::R(7), 32), "{name} and {more} bytes");
        }
    }
    evidence("lengths", lengths);
}

/// Spans of 64 KiB, whole sections and spans of another file, in the wrong place.
#[test]
fn spans_in_the_wrong_place() {
    const SPAN: usize = 65_536;
    let mut tried = 0;
    let mut files = files();
    // A file of the same shape, for spans from the same place of another file.
    let twins: Vec<_> = files
        .iter()
        .filter_map(|(name, file)| Some((format!("{name}, other values"), twin(file)?)))
        .collect();
    assert!(twins.len() > 5);
    files.extend(twins);
    for (name, file) in &files {
        let keys = keys(file);
        let mut check = |what: String, damaged: Vec<u8>| {
            if damaged != *file {
                refused(&format!("{name}: {what}"), &damaged, &keys);
                tried += 1;
            }
        };
        let header = *Index::new(&file[..]).unwrap().first_header();
        let chunks = (4096..file.len()).step_by(SPAN).map(|at| at..file.len().min(at + SPAN));
        let sections = header.sections.all().map(|(_, span)| span.offset as usize..span.end() as usize);
        let pages = (0..file.len()).step_by(4096).map(|at| at..file.len().min(at + 4096));
        let spans: Vec<_> = chunks.chain(sections).chain(pages).filter(|span| !span.is_empty()).collect();
        for a in &spans {
            let mut zeroed = file.clone();
            zeroed[a.clone()].fill(0);
            check(format!("{a:?} zeroed"), zeroed);
            for by in [1, 8, a.len() / 2, a.len() - 1] {
                let mut rotated = file.clone();
                rotated[a.clone()].rotate_left(by % a.len());
                check(format!("{a:?} rotated by {by}"), rotated);
            }
            for b in &spans {
                let len = a.len().min(b.len());
                let mut copied = file.clone();
                copied.copy_within(a.start..a.start + len, b.start);
                check(format!("{a:?} over {b:?}"), copied);
                let mut swapped = file.clone();
                let (of_a, of_b) =
                    (file[a.start..a.start + len].to_vec(), file[b.start..b.start + len].to_vec());
                swapped[a.start..a.start + len].copy_from_slice(&of_b);
                swapped[b.start..b.start + len].copy_from_slice(&of_a);
                check(format!("{a:?} and {b:?} swapped"), swapped);
            }
            for (other_name, other) in &files {
                if let Some(bytes) = other.get(a.clone()) {
                    let mut spliced = file.clone();
                    spliced[a.clone()].copy_from_slice(bytes);
                    // Replacing the whole file is not damage.
                    if a.len() < file.len() && spliced != *other {
                        check(format!("{a:?} of {other_name}"), spliced);
                    }
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    evidence("spans", tried);
}
