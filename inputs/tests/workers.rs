//! Workers: errors, panics and cancelling end all of them, and the earliest error is the one reported.

#![allow(clippy::unwrap_used, reason = "tests may unwrap, in their helper functions too")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hashlith_inputs::{Error, Options, Sink, Source, Watch, read};
use support::{Keep, memory, read_sources};

fn lines(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| format!("key {i}\tvalue {i}\n").into_bytes()).collect()
}

fn small_blocks() -> Options {
    Options { block_bytes: 200, ..Options::default() }
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
    let source = memory("x.tsv", &lines(10_000));
    let (summary, sinks) = read(&[source], &small_blocks(), 4, new_sink, &Watch::default()).unwrap();
    assert_eq!((sinks.len(), workers.into_inner(), summary.records), (4, 4, 10_000));
}

#[test]
fn no_more_workers_than_pickles() {
    let sources = [memory("a.pkl", b"}."), memory("b.pkl", b"}.")];
    let (_, sinks) = read(&sources, &Options::default(), 8, Keep::default, &Watch::default()).unwrap();
    assert_eq!(sinks.len(), 2);
    let (_, sinks) = read(&sources, &Options::default(), 0, Keep::default, &Watch::default()).unwrap();
    assert_eq!(sinks.len(), 1, "no threads means one");
}

#[test]
fn a_sink_error_ends_the_reading() {
    let watch = Watch::default();
    let sink = || At { key: "key 70", act: || Err("disk full".to_owned()) };
    let sources = [memory("x.tsv", &lines(200_000))];
    match read(&sources, &small_blocks(), 3, sink, &watch) {
        Err(Error::Sink(error)) => assert_eq!(error, "disk full"),
        other => panic!("{:?}", other.map(|(summary, _)| summary)),
    }
}

#[test]
fn cancelling_ends_the_reading() {
    for name in ["x.tsv", "x.pkl"] {
        let watch = Watch::default();
        let pickle = b"}("
            .iter()
            .copied()
            .chain(b"U\x06key 70U\x01v".repeat(500_000))
            .chain(*b"u.")
            .collect::<Vec<_>>();
        let bytes = if name == "x.tsv" { lines(500_000) } else { pickle };
        let sink = || At {
            key: "key 70",
            act: || {
                watch.cancel.store(true, Ordering::Relaxed);
                Ok(())
            },
        };
        let result = read(&[memory(name, &bytes)], &small_blocks(), 2, sink, &watch);
        assert!(matches!(result, Err(Error::Cancelled)));
        assert!(watch.records.load(Ordering::Relaxed) < 100_000, "{name}");
    }
    let watch = Watch::default();
    watch.cancel.store(true, Ordering::Relaxed);
    assert!(matches!(
        read(&[memory("x.tsv", b"bad")], &small_blocks(), 2, Keep::default, &watch),
        Err(Error::Cancelled)
    ));
}

#[test]
fn a_panic_is_passed_on_and_nothing_hangs() {
    for threads in [1, 4] {
        let sink = || At { key: "key 70", act: || panic!("sink panics") };
        let sources = [memory("x.tsv", &lines(200_000)), memory("y.pkl", b"}.")];
        let end = catch_unwind(AssertUnwindSafe(|| {
            let _ = read(&sources, &small_blocks(), threads, sink, &Watch::default());
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
        let result = read(&[memory("x.tsv", &bytes)], &small_blocks(), 4, sink, &Watch::default());
        let Err(error) = result else { panic!("no error") };
        assert!(error.to_string().starts_with("x.tsv, line 401: "), "{error}");
    }
}

#[test]
fn the_watch_counts_bytes_and_records() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tsv");
    std::fs::write(&path, lines(5000)).unwrap();
    let watch = Watch { records: AtomicU64::new(7), ..Watch::default() };
    let (summary, _) =
        read(&[Source::Path(path.clone())], &small_blocks(), 2, Keep::default, &watch).unwrap();
    assert_eq!(summary.bytes, path.metadata().unwrap().len());
    assert_eq!(watch.bytes_done.into_inner(), summary.bytes);
    assert_eq!(watch.records.into_inner(), 5007);
}

#[test]
fn formats_may_be_mixed() {
    let sources = [
        memory("a.tsv", b"a\t1\n"),
        memory("b.pkl", b"}S'b'\nS'2'\ns."),
        memory("c.jsonl", b"[\"c\",\"3\"]"),
        memory("d.csv", b"d,4"),
        memory("e.cdb", b"+1,1:e->5\n\n"),
        memory("f.p", b"}S'f'\nS'6'\ns."),
    ];
    for threads in 1..8 {
        let (_, records) = read_sources(&sources, &Options::default(), threads).unwrap();
        let keys: Vec<u8> = records.iter().map(|r| r.key[0]).collect();
        assert_eq!(keys, b"abcdef");
    }
}
