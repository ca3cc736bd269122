//! Damage that nobody sealed, sealed damage at random, and disks that fail.

use crate::model::{Pair, Plan, check, edited, fault, header, pair, pairs};
use hashlith_checker::{Against, AgainstOptions, Duplicates, Error, Options, Progress, ReadAt, verify};
use hashlith_format::Rule;
use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

fn small_pairs() -> Vec<Pair> {
    let mut pairs = pairs(60);
    // Makes its cell far.
    pairs.push(pair("long", vec![0; 3000]));
    pairs
}

fn small_file() -> Vec<u8> {
    let mut model = Plan { cells: 2, fingerprint_bits: 16, ..Plan::default() }.model(&small_pairs());
    model.metadata = b"{\"name\":\"small\"}".to_vec();
    let file = model.file();
    assert!(header(&file).sections.far.len > 0);
    file
}

#[test]
fn every_flipped_bit_is_found() {
    let mut file = small_file();
    check(&file, 1).unwrap();
    for at in 0..file.len() {
        for bit in 0..8 {
            file[at] ^= 1 << bit;
            assert!(matches!(check(&file, 1), Err(Error::Fault(_))), "bit {bit} of byte {at}");
            file[at] ^= 1 << bit;
        }
    }
}

#[test]
fn every_truncation_and_extension_is_found() {
    let file = small_file();
    for len in 0..file.len() {
        let rule = fault(&file[..len]).0;
        assert_eq!(rule, if len < 4096 { Rule::R(1) } else { Rule::R(7) });
    }
    for more in [1, 7, 4096, 70_000] {
        assert_eq!(fault(&[&file[..], &vec![0; more]].concat()), (Rule::R(7), 32));
    }
}

#[test]
fn moved_chunks_are_found() {
    let long: Vec<Pair> = (0..9u8).map(|i| pair([i], vec![i; 65_536])).collect();
    let file = Plan::default().file(&long);
    for first in 0..5 {
        let mut swapped = file.clone();
        let (low, high) = swapped.split_at_mut(4096 + 65_536 * (first + 1));
        low[4096 + 65_536 * first..].swap_with_slice(&mut high[..65_536]);
        let (rule, offset) = fault(&swapped);
        assert_eq!((rule, offset), (Rule::V(1), 4096 + 65_536 * first as u64));
    }
}

/// Simple numbers that look random.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A file can be sealed again by anyone who can write it: nothing in it may cause a panic.
#[test]
fn sealed_damage_never_panics() {
    let file = small_file();
    let sections = header(&file).sections;
    let mut random = Lcg(1);
    for _ in 0..20_000 {
        let spoiled = edited(&file, |file| {
            for _ in 0..=random.below(3) {
                let spans = [sections.pool, sections.hot, sections.far];
                let span = spans[random.below(3)];
                let at = span.offset as usize + random.below(span.len as usize);
                file[at] = [0, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(5)];
            }
        });
        let verified = check(&spoiled, 1);
        let options = AgainstOptions { duplicates: Duplicates::Allowed, ..AgainstOptions::default() };
        let Ok(against) = Against::new(&spoiled, &options) else { continue };
        for (key, value) in small_pairs() {
            let _ = against.check(&key, &value);
        }
        // A changed value is not a fault if the sums are right.
        if let (Ok(_), Ok(report)) = (verified, against.finish()) {
            assert_eq!((report.absent, report.unseen), (0, 0));
        }
    }
}

#[test]
fn the_answer_does_not_depend_on_the_threads() {
    let long: Vec<Pair> = (0..200u32).map(|i| pair(i.to_le_bytes(), vec![i as u8; 40_000])).collect();
    let mut model = Plan { cells: 20, ..Plan::default() }.model(&long);
    check(&model.file(), 4).unwrap();
    model.metadata = b"no object".to_vec();
    for cell in [3, 4, 11, 19] {
        model.cells[cell].fingerprints[1] ^= 1;
    }
    let file = model.file();
    for threads in 0..8 {
        for _ in 0..5 {
            let error = check(&file, threads).unwrap_err();
            assert_eq!(error.offset(), Some(model.record_at(3, 1)), "{error} with {threads} threads");
        }
    }
}

/// Any damage to the cells and the far section, in a file with one or two cells per task.
#[test]
fn the_answer_to_sealed_damage_does_not_depend_on_the_threads() {
    let mut records = pairs(400);
    records.extend((0..12u8).map(|i| pair([i], vec![i; 500_000])));
    let file = Plan { cells: 12, ..Plan::default() }.file(&records);
    let sections = header(&file).sections;
    let mut random = Lcg(2);
    for _ in 0..150 {
        let spoiled = edited(&file, |file| {
            for _ in 0..=random.below(4) {
                let at = sections.hot.offset as usize + random.below(sections.hot.len as usize);
                let in_far = sections.far.offset as usize + random.below(sections.far.len as usize);
                file[[at, at, at & !127 | random.below(26), in_far][random.below(4)]] =
                    random.below(256) as u8;
            }
        });
        let [one, two, five] = [1, 2, 5].map(|threads| check(&spoiled, threads).map_err(|e| e.to_string()));
        assert_eq!(one, two);
        assert_eq!(one, five);
    }
}

/// Fails when a read touches one byte.
struct BadSector<'a>(&'a [u8], u64);

impl ReadAt for BadSector<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if (offset..offset + buf.len() as u64).contains(&self.1) {
            return Err(io::Error::other("bad sector"));
        }
        self.0.read_exact_at(buf, offset)
    }
}

#[test]
fn a_bad_sector_anywhere_is_an_error_with_its_place() {
    let file = small_file();
    for bad in (0..file.len() as u64).step_by(61) {
        for threads in [1, 3] {
            let result = verify(&BadSector(&file, bad), &Options { threads }, &Progress::default());
            let Err(Error::Io { offset, .. }) = result else { panic!("{result:?} at {bad}") };
            assert!(offset <= bad && bad - offset < 65_536);
        }
    }
}

/// Fails at the nth read.
struct Countdown<'a>(&'a [u8], AtomicUsize);

impl ReadAt for Countdown<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(io::Error::other("broken"));
        }
        self.0.read_exact_at(buf, offset)
    }
}

#[test]
fn every_read_may_fail() {
    let file = small_file();
    let mut reads = 0;
    while let Err(error) =
        verify(&Countdown(&file, AtomicUsize::new(reads)), &Options { threads: 1 }, &Progress::default())
    {
        assert!(matches!(error, Error::Io { .. }), "{error} at read {reads}");
        reads += 1;
    }
    assert!(reads > 10);
    let long = Plan { value_type: hashlith_format::ValueType::Json, ..Plan::default() }
        .file(&[pair("x", format!("[{}1]", "1,".repeat(400_000)))]);
    for reads in 0.. {
        match verify(
            &Countdown(&long, AtomicUsize::new(reads)),
            &Options { threads: 1 },
            &Progress::default(),
        ) {
            Err(Error::Io { .. }) => {}
            Err(error) => panic!("{error} at read {reads}"),
            Ok(_) => break,
        }
    }
}

/// Counts the bytes that are read.
struct Counting<'a>(&'a [u8], AtomicUsize);

impl ReadAt for Counting<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(buf.len(), Ordering::Relaxed);
        self.0.read_exact_at(buf, offset)
    }
}

/// Nothing behind a known fault can change the answer.
#[test]
fn the_check_ends_soon_after_a_fault() {
    let long: Vec<Pair> = (0..200u32).map(|i| pair(i.to_le_bytes(), vec![i as u8; 40_000])).collect();
    let mut file = Plan { cells: 20, ..Plan::default() }.model(&long).file();
    // In the first chunk: nothing comes before that.
    file[5000] ^= 1;
    let source = Counting(&file, AtomicUsize::new(0));
    assert!(verify(&source, &Options { threads: 1 }, &Progress::default()).is_err());
    assert!(source.1.into_inner() < file.len() / 2);
}
