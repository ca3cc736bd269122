//! An index compared with the records that it was built from.

use crate::model::{Pair, Plan, cell_at, edited, header, pair, pairs};
use hashlith_checker::{Against, AgainstOptions, AgainstReport, Duplicates, Error, Mismatch, ReadAt};
use hashlith_format::Rule;
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

const PLAN: fn() -> Plan = || Plan { cells: 3, ..Plan::default() };

fn with(duplicates: Duplicates) -> AgainstOptions {
    AgainstOptions { duplicates, ..AgainstOptions::default() }
}

/// The mismatches and the report. They must not depend on whether the hot section is in memory.
fn compare(file: &[u8], records: &[Pair], duplicates: Duplicates) -> (Vec<Mismatch>, AgainstReport) {
    let [cached, read] = [u64::MAX, 0].map(|hot_cache| {
        let against = Against::new(file, &AgainstOptions { duplicates, hot_cache }).unwrap();
        let faults: Vec<_> =
            records.iter().filter_map(|(key, value)| against.check(key, value).err()).collect();
        (faults, against.finish().unwrap())
    });
    assert_eq!(format!("{cached:?}"), format!("{read:?}"));
    cached
}

#[test]
fn the_same_records_agree() {
    for count in [0, 1, 2, 30, 100] {
        for cells in [4, 9] {
            let records = pairs(count);
            let file = Plan { cells, ..Plan::default() }.file(&records);
            for duplicates in [Duplicates::Unexpected, Duplicates::Allowed] {
                let (faults, report) = compare(&file, &records, duplicates);
                assert!(faults.is_empty() && report.agrees(), "{faults:?} {report:?}");
                assert_eq!((report.records, report.keys, report.duplicates), (count as u64, count as u64, 0));
            }
        }
    }
}

/// Bytes that repeat late, so that no piece looks like another.
fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i / 7 + i / 251) as u8).collect()
}

#[test]
fn attempts_and_long_records() {
    let lens = [0, 1, 200, 508, 509, 510, 600, 65_536, 200_000];
    let records: Vec<Pair> = lens.iter().map(|&len| pair(noise(len), noise(len * 2))).collect();
    let file = Plan { first_attempt: 0x93, ..PLAN() }.file(&records);
    let (faults, report) = compare(&file, &records, Duplicates::Unexpected);
    assert!(faults.is_empty() && report.agrees(), "{faults:?} {report:?}");
    // The last byte of each counts.
    for (key, value) in &records {
        let against = Against::new(&file, &with(Duplicates::Unexpected)).unwrap();
        if let Some((last, start)) = value.split_last() {
            let other = [start, &[last ^ 1]].concat();
            assert!(matches!(against.check(key, &other), Err(Mismatch::Value { .. })));
        }
        if let Some((last, start)) = key.split_last() {
            let other = [start, &[last ^ 1]].concat();
            assert!(matches!(against.check(&other, value), Err(Mismatch::Absent { .. })));
        }
    }
}

#[test]
fn a_record_that_the_index_does_not_have() {
    let file = PLAN().file(&pairs(40));
    let (faults, report) = compare(&file, &pairs(41), Duplicates::Unexpected);
    let [Mismatch::Absent { key }] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!(key.head, b"key 40");
    assert_eq!((report.records, report.keys, report.absent, report.unseen), (41, 40, 1, 0));
    assert!(!report.agrees());
    assert!(faults[0].to_string().starts_with("key \"key 40\" is not in the index"));
}

/// With one-bit fingerprints half of all absent keys pass: the key itself decides.
#[test]
fn absent_keys_that_pass_the_fingerprint() {
    let stored = noise(700);
    let file = Plan { fingerprint_bits: 1, ..Plan::default() }.file(&[pair(stored.clone(), "x")]);
    let against = Against::new(&file, &AgainstOptions::default()).unwrap();
    for len in 0..700 {
        let mut other = stored.clone();
        other[len] ^= 1;
        for absent in [&stored[..len], &other] {
            assert!(matches!(against.check(absent, b"x"), Err(Mismatch::Absent { .. })));
        }
    }
    against.check(&stored, b"x").unwrap();
}

#[test]
fn a_value_that_is_the_beginning_of_the_other() {
    let file = PLAN().file(&pairs(40));
    let against = Against::new(&file, &AgainstOptions::default()).unwrap();
    for value in [&b""[..], b"value 3", b"value 355"] {
        assert!(matches!(against.check(b"key 5", value), Err(Mismatch::Value { .. })));
    }
    against.check(b"key 5", b"value 35").unwrap();
}

#[test]
fn keys_that_no_record_named() {
    let file = PLAN().file(&pairs(90));
    let (faults, report) = compare(&file, &pairs(60), Duplicates::Unexpected);
    assert!(faults.is_empty());
    assert_eq!((report.records, report.keys, report.unseen), (60, 60, 30));
    assert!(!report.agrees());
    assert_eq!(report.unseen_keys.len(), 10);
    let missing: Vec<Vec<u8>> = pairs(90).drain(60..).map(|(key, _)| key).collect();
    for key in &report.unseen_keys {
        assert!(missing.contains(&key.head) && key.len == key.head.len() as u64);
    }
    let (_, report) = compare(&file, &pairs(89), Duplicates::Allowed);
    assert_eq!((report.unseen, report.unseen_keys[0].head.as_slice()), (1, &b"key 89"[..]));
}

/// Their ids are far from each other.
#[test]
fn at_most_ten_keys_are_named() {
    let mut records = pairs(400);
    let model = Plan { cells: 20, ..Plan::default() }.model(&records);
    let keys: Vec<Vec<u8>> = model.cells.iter().flat_map(|cell| cell.keys.clone()).collect();
    let missing: Vec<&Vec<u8>> = keys.iter().step_by(23).collect();
    records.retain(|(key, _)| !missing.contains(&key));
    let (_, report) = compare(&model.file(), &records, Duplicates::Unexpected);
    assert_eq!(report.unseen, 18);
    let named: Vec<&Vec<u8>> = report.unseen_keys.iter().map(|key| &key.head).collect();
    assert_eq!(named, missing[..10]);
}

#[test]
fn a_record_with_another_value() {
    let model = PLAN().model(&pairs(40));
    let mut records = pairs(40);
    records[5].1 = b"value 36".to_vec();
    let (faults, report) = compare(&model.file(), &records, Duplicates::Unexpected);
    let [Mismatch::Value { key, id, offset }] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!(key.head, b"key 5");
    let keys: Vec<&Vec<u8>> = model.cells.iter().flat_map(|cell| &cell.keys).collect();
    assert_eq!(keys[*id as usize], b"key 5");
    assert!(model.file()[*offset as usize + 2..].starts_with(b"key 5value 35"));
    assert_eq!((report.mismatched, report.unseen, report.keys), (1, 0, 40));
    assert!(!report.agrees());
}

#[test]
fn duplicates_with_equal_values_are_counted() {
    let file = PLAN().file(&pairs(40));
    let records = [pairs(40), pairs(3)].concat();
    let (faults, report) = compare(&file, &records, Duplicates::Unexpected);
    assert!(faults.is_empty() && report.agrees());
    assert_eq!((report.records, report.keys, report.duplicates), (43, 40, 3));
}

#[test]
fn duplicates_of_which_one_has_the_value() {
    let file = PLAN().file(&pairs(40));
    let others: Vec<Pair> = pairs(7).into_iter().map(|(key, _)| pair(key, "other")).collect();
    for records in [[others.clone(), pairs(40)].concat(), [pairs(40), others.clone()].concat()] {
        let (faults, report) = compare(&file, &records, Duplicates::Unexpected);
        assert_eq!((faults.len(), report.mismatched), (7, 7));
        let (faults, report) = compare(&file, &records, Duplicates::Allowed);
        assert!(faults.is_empty() && report.agrees(), "{report:?}");
        assert_eq!((report.records, report.keys, report.duplicates), (47, 40, 7));
    }
}

#[test]
fn duplicates_of_which_none_has_the_value() {
    let file = PLAN().file(&pairs(40));
    let mut records = pairs(40);
    records[9].1 = b"first".to_vec();
    records.push(pair("key 9", "last"));
    let (faults, report) = compare(&file, &records, Duplicates::Allowed);
    assert!(faults.is_empty() && !report.agrees());
    assert_eq!((report.mismatched, report.duplicates, report.unseen), (1, 1, 0));
    assert_eq!(report.mismatched_keys[0].head, b"key 9");
}

#[test]
fn many_threads_at_once() {
    let records = pairs(120);
    let file = Plan { cells: 8, ..Plan::default() }.file(&records);
    let against = Against::new(&file, &with(Duplicates::Allowed)).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| records.iter().for_each(|(key, value)| against.check(key, value).unwrap()));
        }
    });
    let report = against.finish().unwrap();
    assert!(report.agrees());
    assert_eq!((report.records, report.keys, report.duplicates), (480, 120, 360));
}

#[test]
fn long_keys_are_shown_cut() {
    let file = PLAN().file(&pairs(3));
    let against = Against::new(&file, &with(Duplicates::Unexpected)).unwrap();
    let error = against.check(&[0xff; 1000], b"").unwrap_err().to_string();
    assert!(error.contains("\\xff\"... (1000 bytes)") && error.len() < 500, "{error}");
}

fn rule(file: &[u8], key: &[u8], hot_cache: u64) -> (Rule, u64) {
    let options = AgainstOptions { hot_cache, ..AgainstOptions::default() };
    match Against::new(file, &options).unwrap().check(key, b"x") {
        Err(Mismatch::Index(Error::Fault(fault))) => (fault.rule(), fault.offset()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lookup_that_meets_a_fault_names_it() {
    let clean = Plan::default().model(&[pair("key", "x")]);
    let cell = cell_at(&clean.file(), 0);
    for hot_cache in [0, 1 << 20] {
        let many = edited(&clean.file(), |file| file[cell + 12] = 128);
        assert_eq!(rule(&many, b"key", hot_cache), (Rule::R(15), cell as u64));
        // The slot's entry follows the one pilot, and says that the record begins where the pool ends.
        let mut model = clean.clone();
        model.cells[0].moved = Some((0, 6));
        assert_eq!(rule(&model.file(), b"key", hot_cache), (Rule::R(16), cell as u64 + 21));
        let mut model = clean.clone();
        model.cells[0].records[0][1] = 200;
        assert_eq!(rule(&model.file(), b"key", hot_cache), (Rule::R(16), 4096));
    }
    let broken = vec![0; 5000];
    assert!(matches!(Against::new(&broken, &with(Duplicates::Unexpected)), Err(Error::Fault(_))));
}

/// On the way to the keys of a report.
#[test]
fn an_id_that_no_cell_has() {
    let file = PLAN().file(&pairs(9));
    // The first id of the first cell, and the number of keys of each.
    for (cell, field, spoiled) in [(0, 0, 1), (0, 12, 0), (1, 12, 0), (2, 12, 0)] {
        let at = cell_at(&file, cell);
        let file = edited(&file, |file| file[at + field] = spoiled);
        let against = Against::new(&file, &AgainstOptions::default()).unwrap();
        let Err(Error::Fault(fault)) = against.finish() else { panic!("no fault of cell {cell}") };
        assert_eq!((fault.rule(), fault.offset()), (Rule::R(15), at as u64));
    }
}

#[test]
fn far_cells() {
    let records: Vec<Pair> = (0..1500).map(|i| pair(format!("{i}"), vec![0; i * i % 97 * 10])).collect();
    let file = Plan { cells: 30, ..Plan::default() }.file(&records);
    assert!(header(&file).sections.far.len > 0);
    let (faults, report) = compare(&file, &records, Duplicates::Unexpected);
    assert!(faults.is_empty() && report.agrees(), "{faults:?} {report:?}");
    let (_, report) = compare(&file, &records[9..], Duplicates::Unexpected);
    assert_eq!(report.unseen_keys.len(), 9);
}

/// Can be opened, and then breaks.
struct Breaks<'a>(&'a [u8], AtomicBool);

impl ReadAt for Breaks<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.1.load(Ordering::Relaxed) {
            return Err(io::Error::other("broken"));
        }
        self.0.read_exact_at(buf, offset)
    }
}

#[test]
fn a_read_that_fails_is_an_error_and_not_a_mismatch() {
    let file = PLAN().file(&pairs(40));
    let source = Breaks(&file, AtomicBool::new(false));
    let against = Against::new(&source, &with(Duplicates::Unexpected)).unwrap();
    source.1.store(true, Ordering::Relaxed);
    assert!(matches!(against.check(b"key 1", b"value 7"), Err(Mismatch::Index(Error::Io { .. }))));
    assert!(matches!(against.finish(), Err(Error::Io { .. })));
}

/// A verifier refuses lengths that take more bytes than they must (V6); a lookup reads them.
#[test]
fn lengths_of_ten_bytes_each() {
    let mut model = Plan { cells: 1, ..Plan::default() }.model(&[pair("abc", "1"), pair("de", "2")]);
    for record in &mut model.cells[0].records {
        let [key, value] = [record[0], record[1]].map(|len| [&[len | 0x80][..], &[0x80; 8], &[0]].concat());
        record.splice(..2, [key, value].concat());
    }
    let (faults, report) =
        compare(&model.file(), &[pair("abc", "1"), pair("de", "2")], Duplicates::Unexpected);
    assert!(faults.is_empty() && report.agrees(), "{faults:?} {report:?}");
}

/// A header, and zeros up to a length.
struct Endless(Vec<u8>, u64);

impl ReadAt for Endless {
    fn len(&self) -> io::Result<u64> {
        Ok(self.1)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        buf.fill(0);
        let page = self.0.get(offset as usize..).unwrap_or_default();
        buf.iter_mut().zip(page).for_each(|(byte, &found)| *byte = found);
        Ok(())
    }
}

/// Each key takes a bit of memory, so a file must not be free to choose their number.
#[test]
fn more_keys_than_the_cells_can_have() {
    let mut file = PLAN().file(&pairs(3));
    let sound = header(&file);
    for (keys, is_opened) in [(3 * 255, true), (3 * 255 + 1, false), ((1 << 48) - 1, false)] {
        let header = hashlith_format::Header { keys, ..sound };
        file[..4096].copy_from_slice(&header.to_bytes());
        match Against::new(&file[..], &AgainstOptions::default()) {
            Ok(against) => assert!(is_opened && against.keys() == keys),
            Err(Error::Fault(fault)) => {
                assert_eq!((fault.rule(), fault.offset(), is_opened), (Rule::R(8), 40, false));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A sparse file costs its maker nothing and may be longer than any memory.
#[test]
fn a_hot_section_above_all_memory_is_an_error() {
    let small = header(&PLAN().file(&pairs(3)));
    let cells = 1 << 40;
    let sections = {
        let lens =
            hashlith_format::header::Lens { pool: small.sections.pool.len, cells, ..Default::default() };
        hashlith_format::Sections::place(lens).unwrap()
    };
    let large = hashlith_format::Header { cells, sections, ..small };
    let file = Endless(large.to_bytes().to_vec(), large.file_len());
    let options = AgainstOptions { hot_cache: u64::MAX, ..AgainstOptions::default() };
    assert!(matches!(Against::new(&file, &options), Err(Error::Memory { .. })));
    assert!(!ReadAt::is_empty(&file).unwrap() && ReadAt::is_empty(&[0u8; 0][..]).unwrap());
}
