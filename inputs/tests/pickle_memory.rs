//! Memory stays below 64 MB for pickles of any size, as counted by an allocator of this test. No other test may run in its
//! process.

#![allow(clippy::unwrap_used, reason = "tests may unwrap, in their helper functions too")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashlith_feedback::Progress;
use hashlith_format::ValueType;
use hashlith_inputs::{ReadOptions, Sink, Source, Sources, Summary, read};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(size: usize) {
    let now = NOW.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promises about the layout are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promises about the layout are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above with this layout, that is from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The tests share one counter.
static ALONE: Mutex<()> = Mutex::new(());

const MOST: usize = 64 << 20;

#[derive(Default)]
struct Count {
    records: u64,
    bytes: u64,
}

impl Sink for Count {
    type Error = Infallible;

    fn record(&mut self, _: u32, _: u64, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.records += 1;
        self.bytes += (key.len() + value.len()) as u64;
        Ok(())
    }
}

/// Reads a pickle, checks the peak, and returns what was read and how many bytes it was.
fn peak(path: &Path, options: &ReadOptions) -> (Result<Summary, String>, u64) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let sources = Sources::new(vec![Source::Path(path.to_owned())], options).unwrap();
    let result = read(&sources, options, 2, Count::default, &Progress::new());
    let peak = PEAK.load(Ordering::Relaxed) - before;
    assert!(peak < MOST, "{path:?} took {:.1} MB", peak as f64 / 1e6);
    match result {
        Ok((summary, sinks)) => (Ok(summary), sinks.iter().map(|sink| sink.bytes).sum()),
        Err(error) => (Err(error.to_string()), 0),
    }
}

fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    fill(&mut file).unwrap();
    file.flush().unwrap();
}

fn string(out: &mut impl Write, text: &[u8]) -> std::io::Result<()> {
    match u8::try_from(text.len()) {
        Ok(length) => out.write_all(&[0x8c, length])?,
        Err(_) => {
            out.write_all(b"X")?;
            out.write_all(&(text.len() as u32).to_le_bytes())?;
        }
    }
    out.write_all(text)?;
    out.write_all(b"\x94")
}

#[test]
fn a_large_dict_of_short_strings() {
    let _alone = ALONE.lock().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.pkl");
    const PAIRS: u64 = 3_000_000;
    write(&path, |out| {
        out.write_all(b"\x80\x04}\x94(")?;
        for i in 0..PAIRS {
            string(out, format!("a key of some length {i:012}").as_bytes())?;
            // Every eleventh value refers far back.
            if i % 11 == 10 {
                out.write_all(b"j")?;
                out.write_all(&((i * 7 % (2 * (i - i / 11))) as u32 + 1).to_le_bytes())?;
            } else {
                string(out, format!("and a value of some length {i:012}").as_bytes())?;
            }
            if i % 1000 == 999 {
                out.write_all(b"u(")?;
            }
        }
        out.write_all(b"u.")
    });
    let size = path.metadata().unwrap().len();
    assert!(size > 200_000_000, "{size}");
    let (summary, _) = peak(&path, &ReadOptions::default());
    let summary = summary.unwrap();
    assert_eq!((summary.records, summary.bytes), (PAIRS, size));
}

#[test]
fn batches_without_an_end_and_long_strings() {
    let _alone = ALONE.lock().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("batch.pkl");
    // One batch of two million pairs, as other languages' picklers write it.
    write(&path, |out| {
        out.write_all(b"\x80\x04}\x94(")?;
        for i in 0..2_000_000 {
            string(out, format!("key {i}").as_bytes())?;
            string(out, b"value")?;
        }
        out.write_all(b"u.")
    });
    assert_eq!(peak(&path, &ReadOptions::default()).0.unwrap().records, 2_000_000);
    // A tuple of a million pairs, made from a mark.
    write(&path, |out| {
        out.write_all(b"\x80\x04(")?;
        for i in 0..1_000_000 {
            string(out, format!("key {i}").as_bytes())?;
            string(out, b"value")?;
            out.write_all(b"\x86\x94")?;
        }
        out.write_all(b"t\x94.")
    });
    assert_eq!(peak(&path, &ReadOptions::default()).0.unwrap().records, 1_000_000);
    // A thousand pairs of 200 kB in one batch: keys and values before the window are read again.
    let long = vec![b'x'; 200_000];
    write(&path, |out| {
        out.write_all(b"\x80\x04}\x94(")?;
        for i in 0..1000 {
            string(out, format!("key {i}").as_bytes())?;
            string(out, &long)?;
        }
        out.write_all(b"u.")
    });
    let (summary, bytes) = peak(&path, &ReadOptions::default());
    assert_eq!(summary.unwrap().records, 1000);
    assert_eq!(bytes, 200_000 * 1000 + (0..1000).map(|i| format!("key {i}").len() as u64).sum::<u64>());
}

#[test]
fn lists_referred_to_from_afar() {
    let _alone = ALONE.lock().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lists.pkl");
    // Too many lists to keep; the last values refer to some of them, which takes a second pass over the pickle.
    const PAIRS: u32 = 400_000;
    write(&path, |out| {
        out.write_all(b"\x80\x04}\x94(")?;
        for i in 0..PAIRS {
            string(out, format!("key {i}").as_bytes())?;
            out.write_all(b"]\x94(K\x01K\x02K\x03e")?;
        }
        for i in 0..1000 {
            string(out, format!("again {i}").as_bytes())?;
            out.write_all(b"j")?;
            // The dict is number 0, then come key and list in turn.
            out.write_all(&(i * 300 * 2 + 2u32).to_le_bytes())?;
        }
        out.write_all(b"u.")
    });
    let options = ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() };
    let (summary, bytes) = peak(&path, &options);
    assert_eq!(summary.unwrap().records, u64::from(PAIRS) + 1000);
    let keys: usize = (0..PAIRS).map(|i| format!("key {i}").len()).sum::<usize>();
    let again: usize = (0..1000).map(|i| format!("again {i}").len()).sum();
    assert_eq!(bytes, (keys + again) as u64 + (u64::from(PAIRS) + 1000) * "[1,2,3]".len() as u64);
    // When all of them are referred to, there is a clear end.
    write(&path, |out| {
        out.write_all(b"\x80\x04}\x94(")?;
        for i in 0..PAIRS {
            string(out, format!("key {i}").as_bytes())?;
            out.write_all(b"]\x94(K\x01K\x02K\x03e")?;
        }
        for i in 0..PAIRS {
            string(out, format!("again {i}").as_bytes())?;
            out.write_all(b"j")?;
            out.write_all(&(i * 2 + 2).to_le_bytes())?;
        }
        out.write_all(b"u.")
    });
    let (result, _) = peak(&path, &options);
    assert!(result.unwrap_err().contains("than this reader holds in memory"));
}

#[test]
fn hostile_pickles_take_no_memory() {
    let _alone = ALONE.lock().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hostile.pkl");
    let huge = |head: &[u8]| [b"}", head, b"abc"].concat();
    // Each list holds the one before ten times.
    let mut doubling = b"}S'x'\n](S'0123456789'\nep0\n".to_vec();
    for level in 1..=20 {
        let get = format!("g{}\n", level - 1).repeat(10);
        doubling.extend(format!("0](N{get}ep{level}\n").into_bytes());
    }
    doubling.extend(b"s.");
    let mut falling = b"}(".to_vec();
    for number in (0..5_000_000u32).rev() {
        falling.extend(b"U\x01ar");
        falling.extend(number.to_le_bytes());
    }
    let table: [(&str, Vec<u8>); 20] = [
        ("huge text", huge(b"X\xff\xff\xff\xff")),
        ("huge text, 8 bytes", huge(b"\x8d\xff\xff\xff\xff\xff\xff\0\0")),
        ("huge bytes", huge(b"B\xff\xff\xff\xff")),
        ("huge bytes, 8 bytes", huge(b"\x8e\xff\xff\xff\xff\xff\xff\0\0")),
        ("huge bytearray", huge(b"\x96\xff\xff\xff\xff\xff\xff\0\0")),
        ("huge string", huge(b"T\xff\xff\xff\x7f")),
        ("huge number", huge(b"\x8b\xff\xff\xff\x7f")),
        ("huge frame", huge(b"\x95\xff\xff\xff\xff\xff\xff\0\0N")),
        ("nones", b"N".repeat(50_000_000)),
        ("marks", b"(".repeat(50_000_000)),
        ("lists", b"]".repeat(50_000_000)),
        ("lists with numbers", b"]\x94".repeat(20_000_000)),
        ("nones in a value", [b"}\x8c\x01a(", &b"N".repeat(50_000_000)[..], b"ls."].concat()),
        ("pairs of nones", [b"}(", &b"N".repeat(50_000_000)[..], b"u."].concat()),
        ("lists of lists of lists", doubling),
        ("memo numbers in falling order", falling),
        ("a list that holds itself", [b"}S'x'\n]p1\n(", &b"g1\n".repeat(10_000_000)[..], b"es."].concat()),
        ("a dict that holds itself", b"}p0\nS'x'\ng0\ns.".to_vec()),
        ("deep tuples", [b"}S'x'\n)", &b"\x85".repeat(50_000_000)[..], b"s."].concat()),
        ("one line", [b"}V", &b"x".repeat(15_000_000)[..], b"\nV1\ns."].concat()),
    ];
    if let Some(folder) = std::env::var_os("HASHLITH_EVIDENCE") {
        let figure = format!("{{\"number\": {}}}\n", table.len());
        std::fs::write(Path::new(&folder).join("pickle_memory.hostile.json"), figure).unwrap();
    }
    for (name, pickle) in table {
        std::fs::write(&path, &pickle).unwrap();
        drop(pickle);
        let (result, _) = peak(&path, &ReadOptions { value_type: ValueType::Json, ..ReadOptions::default() });
        // The long line is a key of 15 MB, which is in memory twice to be decoded. All others are refused.
        assert_eq!(result.is_ok(), name == "one line", "{name}: {result:?}");
    }
}
