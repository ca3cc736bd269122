//! Workers: errors, panics and cancelling end all of them, and the earliest error is the one reported.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Keep, checked, memory, read_sources};
use hashlith_feedback::{Progress, Unit};
use hashlith_inputs::{Error, ReadError, ReadOptions, Sink, Source, read};

fn lines(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| format!("key {i}\tvalue {i}\n").into_bytes()).collect()
}

fn small_blocks() -> ReadOptions {
    ReadOptions { block_bytes: 200, ..ReadOptions::default() }
}

/// Does something at one key.
struct At<'a, F> {
    key: &'a str,
    act: F,
}

impl<F: FnMut() -> Result<(), String> + Send> Sink for At<'_, F> {
    type Error = String;

    fn record(&mut self, _: u32, _: u64, key: &[u8], _: &[u8]) -> Result<(), String> {
        if key == self.key.as_bytes() { (self.act)() } else { Ok(()) }
    }
}

#[test]
fn one_source_is_shared_by_all_workers() {
    let workers = AtomicUsize::new(0);
    let new_sink = || {
        workers.fetch_add(1, Ordering::Relaxed);
        Keep::default()
    };
    let sources = checked(&[memory("x.tsv", &lines(10_000))]);
    let (summary, sinks) = read(&sources, &small_blocks(), 4, new_sink, &Progress::new()).unwrap();
    assert_eq!((sinks.len(), workers.into_inner(), summary.records), (4, 4, 10_000));
}

#[test]
fn no_more_workers_than_pickles() {
    let sources = checked(&[memory("a.pkl", b"}."), memory("b.pkl", b"}.")]);
    let (_, sinks) = read(&sources, &ReadOptions::default(), 8, Keep::default, &Progress::new()).unwrap();
    assert_eq!(sinks.len(), 2);
    let (_, sinks) = read(&sources, &ReadOptions::default(), 0, Keep::default, &Progress::new()).unwrap();
    assert_eq!(sinks.len(), 1, "no threads means one");
}

#[test]
fn a_sink_error_ends_the_reading() {
    let sink = || At { key: "key 70", act: || Err("disk full".to_owned()) };
    let sources = checked(&[memory("x.tsv", &lines(200_000))]);
    match read(&sources, &small_blocks(), 3, sink, &Progress::new()) {
        Err(ReadError::Sink(error)) => assert_eq!(error, "disk full"),
        other => panic!("{:?}", other.map(|(summary, _)| summary)),
    }
}

/// Cancels at a record, and counts all of them.
struct Cancel<'a> {
    progress: &'a Progress,
    records: &'a AtomicUsize,
}

impl Sink for Cancel<'_> {
    type Error = Infallible;

    fn record(&mut self, _: u32, _: u64, key: &[u8], _: &[u8]) -> Result<(), Infallible> {
        self.records.fetch_add(1, Ordering::Relaxed);
        if key == b"key 70" {
            self.progress.cancel();
        }
        Ok(())
    }
}

#[test]
fn cancelling_ends_the_reading() {
    let pickle = [b"}(", &b"U\x06key 70U\x01v".repeat(500_000)[..], b"u."].concat();
    for (name, bytes) in [("x.tsv", lines(500_000)), ("x.pkl", pickle)] {
        let (progress, records) = (Progress::new(), AtomicUsize::new(0));
        let sink = || Cancel { progress: &progress, records: &records };
        let result = read(&checked(&[memory(name, &bytes)]), &small_blocks(), 2, sink, &progress);
        assert!(matches!(result, Err(ReadError::Input(Error::Cancelled))));
        assert!(records.into_inner() < 100_000, "{name}");
    }
    let progress = Progress::new();
    progress.cancel();
    let result = read(&checked(&[memory("x.tsv", b"bad")]), &small_blocks(), 2, Keep::default, &progress);
    assert!(matches!(result, Err(ReadError::Input(Error::Cancelled))));
}

#[test]
fn a_panic_is_passed_on_and_nothing_hangs() {
    for threads in [1, 4] {
        let sink = || At { key: "key 70", act: || panic!("sink panics") };
        let sources = checked(&[memory("x.tsv", &lines(200_000)), memory("y.pkl", b"}.")]);
        let end = catch_unwind(AssertUnwindSafe(|| {
            let _ = read(&sources, &small_blocks(), threads, sink, &Progress::new());
        }));
        assert_eq!(end.unwrap_err().downcast_ref::<&str>(), Some(&"sink panics"));
    }
}

#[test]
fn the_earliest_bad_line_is_reported() {
    // The first is in a block which its worker is slow to finish.
    let mut bytes = lines(1000);
    let first = bytes.windows(7).position(|window| window == b"key 400").unwrap();
    bytes[first + 7] = b' ';
    for later in 401..1000 {
        let name = format!("key {later}\t");
        let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
        bytes[at + name.len() - 1] = b' ';
    }
    for _ in 0..20 {
        let sink = || At {
            key: "key 399",
            act: || {
                std::thread::sleep(Duration::from_millis(5));
                Ok(())
            },
        };
        let result = read(&checked(&[memory("x.tsv", &bytes)]), &small_blocks(), 4, sink, &Progress::new());
        let Err(error) = result else { panic!("no error") };
        assert!(error.to_string().starts_with("x.tsv, line 401: "), "{error}");
    }
}

#[test]
fn progress_counts_raw_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tsv");
    std::fs::write(&path, lines(5000)).unwrap();
    let progress = Progress::new();
    progress.add(Unit::Bytes, 7);
    let sources = checked(&[Source::Path(path.clone())]);
    let (summary, _) = read(&sources, &small_blocks(), 2, Keep::default, &progress).unwrap();
    assert_eq!((summary.bytes, summary.records), (path.metadata().unwrap().len(), 5000));
    assert_eq!(progress.done(Unit::Bytes), 7 + summary.bytes);
    assert_eq!(progress.done(Unit::Records), 0, "records are for the sinks to count");
}

#[test]
fn formats_may_be_mixed() {
    let sources = [
        memory("a.tsv", b"a\t1\n"),
        memory("b.pkl", b"}S'b'\nS'2'\ns."),
        memory("c.jsonl", b"[\"c\",\"3\"]"),
        memory("d.csv", b"k,v\nd,4"),
        memory("e.cdb", b"+1,1:e->5\n\n"),
        memory("f.p", b"}S'f'\nS'6'\ns."),
    ];
    for threads in 1..8 {
        let (_, records) = read_sources(&sources, &ReadOptions::default(), threads).unwrap();
        let keys: Vec<u8> = records.iter().map(|r| r.key[0]).collect();
        assert_eq!(keys, b"abcdef");
    }
}

#[test]
fn a_pickle_that_becomes_shorter_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.pkl");
    // A string, and so much behind it that it is read again.
    let string =
        [b"X", &100_000u32.to_le_bytes()[..], &b"x".repeat(100_000), b"\x940", &b"N0".repeat(500_000)]
            .concat();
    std::fs::write(&path, [b"\x80\x04}", &string[..], b"(U\x01aU\x01bU\x01ch\x00u."].concat()).unwrap();
    let cut = || At { key: "a", act: || std::fs::write(&path, b"").map_err(|error| error.to_string()) };
    let sources = checked(&[Source::Path(path.clone())]);
    let result = read(&sources, &small_blocks(), 1, cut, &Progress::new());
    let Err(error) = result else { panic!("no error") };
    assert!(error.to_string().contains("became shorter while it was read"), "{error}");
}
