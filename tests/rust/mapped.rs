//! The mapping constructor and its options; promise 5.

use hashlith_builder::Builder;
use hashlith_reader::{Error, Index, MapOptions, Mapping, OpenError, Span};
use std::path::Path;

fn build(path: &Path, value: &str) {
    let mut builder = Builder::new();
    for i in 0..5000 {
        builder.add(format!("key {i}").as_bytes(), value.as_bytes()).unwrap();
    }
    builder.finish(path).unwrap();
}

fn map(path: &Path, options: &MapOptions) -> Result<Index<Mapping>, OpenError> {
    // SAFETY: the files of these tests are only ever replaced by a rename.
    unsafe { Index::map(path, options) }
}

#[test]
fn every_option_answers_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    build(&path, "v");
    for bits in 0..32u8 {
        let on = |bit: u8| bits & 1 << bit != 0;
        let options =
            MapOptions { huge_pages: on(0), preload: on(1), lock: on(2), random: on(3), cold: on(4) };
        let index = map(&path, &options).unwrap();
        assert_eq!(index.get(b"key 77").unwrap().as_deref(), Some(&b"v"[..]));
        let info = index.first_header();
        let hot =
            index.parts()[0].data().resident_bytes(info.sections.hot.offset, info.sections.hot.len).unwrap();
        assert_eq!(hot, info.sections.hot.len, "just written, so in the page cache");
    }
}

/// /proc/self/smaps shows it for each mapping: `rr` stands for `MADV_RANDOM` (proc(5)).
#[test]
fn what_a_lookup_reads_is_mapped_for_random_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut builder = Builder::new().cell_keys(60.0);
    (0..20_000u32).for_each(|i| builder.add(&i.to_le_bytes(), &vec![b'v'; i as usize % 300]).unwrap());
    builder.finish(&path).unwrap();
    for random in [true, false] {
        let index = map(&path, &MapOptions { random, ..MapOptions::default() }).unwrap();
        let sections = index.first_header().sections;
        for section in [sections.pool, sections.hot, sections.far] {
            assert!(section.len > 4096);
            for at in [section.offset, section.end() - 1] {
                let address = &raw const index.parts()[0].as_bytes()[at as usize] as usize;
                assert_eq!(is_read_at_random(address), random, "{at}");
            }
        }
    }
}

fn is_read_at_random(address: usize) -> bool {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in text.lines() {
        let (first, rest) = line.split_once(' ').unwrap();
        if let Some((from, to)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            inside = (number(from)..number(to)).contains(&address);
        } else if inside && first == "VmFlags:" {
            return rest.split(' ').any(|flag| flag == "rr");
        }
    }
    panic!("no mapping at {address:x}");
}

#[test]
fn an_open_index_keeps_its_version_when_the_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    build(&path, "one");
    let old = map(&path, &MapOptions::default()).unwrap();
    let clone = old.clone();
    build(&path, "two");
    drop(old);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(clone.get(b"key 1").unwrap().as_deref(), Some(&b"one"[..])));
        }
    });
    assert_eq!(
        map(&path, &MapOptions::default()).unwrap().get(b"key 1").unwrap().as_deref(),
        Some(&b"two"[..])
    );
}

#[test]
fn an_iteration_continues_from_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.hlith");
    build(&path, "value");
    let index = map(&path, &MapOptions::default()).unwrap();
    let all: Vec<_> = index.iter().map(Result::unwrap).collect();
    assert_eq!(all.len(), 5000);
    let mut iter = index.iter();
    for from in 0..=5000 {
        let rest: Vec<_> = index.iter_at(iter.position()).map(Result::unwrap).collect();
        assert_eq!(rest, all[from..]);
        iter.next();
    }
}

#[test]
fn errors_name_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = map(&missing, &MapOptions::default()).unwrap_err();
    assert!(
        matches!(&error, OpenError::Io { path, .. } if *path == missing)
            && error.to_string().contains("missing")
    );
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(map(&empty, &MapOptions::default()), Err(OpenError::Invalid { .. })));
    let other = dir.path().join("other");
    std::fs::write(&other, "x".repeat(5000)).unwrap();
    let error = map(&other, &MapOptions::default()).unwrap_err();
    assert!(error.to_string().contains("not a hashlith index"), "{error}");
    assert!(matches!(map(dir.path(), &MapOptions::default()), Err(OpenError::Io { .. })));
}

#[test]
fn the_handle_is_send_sync_and_cheap_to_clone() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Index<Mapping>>();
    check::<Index<std::sync::Arc<Vec<u8>>>>();
}

/// A batch asks for every record before it answers, but not for all records before the first answer. The answers are the same.
#[test]
fn batches_ask_for_records_ahead() {
    thread_local! {
        static ASKED: std::cell::RefCell<Vec<Span>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    build(&path, "v");
    let index = Index::load(&path).unwrap();
    let plain = index.clone();
    let index = index.read_ahead_with(|_, span| ASKED.with_borrow_mut(|asked| asked.push(span)));
    // More keys than a batch asks for at a time, alternating present and absent ones.
    let keys: Vec<String> = (0..3000).map(|i| format!("key {}", i * 3)).collect();
    let mut answers = Vec::new();
    let mut asked_before_first = None;
    index
        .lookup_many(&keys, |found| -> Result<(), Error> {
            asked_before_first.get_or_insert_with(|| ASKED.with_borrow(Vec::len));
            if let Some(found) = found {
                let record = index.by_id(found.id())?.unwrap();
                let (at, end) =
                    (index.parts()[0].offset_of(&record.key), index.parts()[0].offset_of(&record.value) + 1);
                let covered = |part: &Span| part.offset < at && end <= part.end();
                ASKED.with_borrow(|asked| assert!(asked.iter().any(covered)));
            }
            answers.push(found.map(|found| found.value()).transpose()?);
            Ok(())
        })
        .unwrap();
    assert_eq!(answers, plain.get_many(&keys).unwrap());
    let present = answers.iter().flatten().count();
    assert!((1500..2000).contains(&present));
    let asked = ASKED.with_borrow(Vec::len);
    // One absent key of 256 has the fingerprint of a present one.
    assert!((present..present + 50).contains(&asked), "{asked}");
    assert!(asked_before_first.unwrap() < asked);
    let end = index.first_header().sections.pool.end();
    ASKED.with_borrow(|asked| assert!(asked.iter().all(|part| part.end() <= end)));
    let mapped = map(&path, &MapOptions { cold: true, preload: true, ..MapOptions::default() }).unwrap();
    assert_eq!(mapped.get_many(&keys).unwrap(), answers);
}
