//! `bench-lookup`: compares the time of a lookup with that of a memory read, in one run over the same mapping.
//!
//! Rounds are interleaved. Each figure is the median over the rounds, with the least and the greatest. Ratios are medians
//! of the ratios within rounds.

use clap::{Parser, ValueEnum};
use hashlith_benches::{
    Shape,
    memory::{dependent_reads, huge_share, prefetched_reads, touch},
    mix, pick, record, spread,
};
use hashlith_builder::Builder;
use hashlith_reader::{Error, Index, MapOptions, Mapping, WINDOW};
use rustix::{
    fs::{Advice, fadvise},
    thread::disable_transparent_huge_pages,
};
use std::{fs::File, io, path::PathBuf, sync::Barrier, time::Instant};

#[derive(Parser)]
struct Args {
    /// How many records the index has.
    records: u64,
    /// The path of the index. It is built if it does not exist.
    #[arg(long)]
    index: PathBuf,
    /// Lookups in each measurement.
    #[arg(long, default_value_t = 1_000_000)]
    lookups: usize,
    /// Rounds.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Also measure this many threads at a time, in each round after one thread, each with its own keys.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Keys per cell when the index is built; by default the builder chooses.
    #[arg(long)]
    cell_keys: Option<f64>,
    /// Bits of a fingerprint when the index is built.
    #[arg(long, default_value_t = 8)]
    fingerprint_bits: u32,
    /// How the index is mapped.
    #[arg(long, value_enum, default_value_t = Pages::AsIs)]
    pages: Pages,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pages {
    /// The default options.
    AsIs,
    /// 4 KiB pages, whatever is in the page cache.
    Small,
    /// 2 MiB pages where the kernel grants them: the index is dropped from the page cache and read again.
    Huge,
    /// The same bytes mapped twice, in 2 MiB and in 4 KiB pages, in turn.
    Both,
}

type Failure = Box<dyn std::error::Error>;

const ROWS: [&str; 6] =
    ["dependent read", "prefetched read", "get, hit", "get, absent", "get_many, hit", "get_many, absent"];

/// The goals of the rows, in ns, if a dependent read takes `read` and a prefetched one `line`.
fn aims(read: f64, line: f64) -> [Option<f64>; 6] {
    let single = [Some(1.3 * read + 80.0), Some(0.7 * read + 60.0)];
    [None, None, single[0], single[1], Some(3.5 * line), Some(1.5 * line)]
}

/// Keys side by side in memory, so that fetching them costs almost nothing.
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Keys {
    fn new(count: usize, number: impl Fn(u64) -> u64) -> Self {
        let mut keys = Keys { bytes: Vec::new(), ends: vec![0] };
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for at in 0..count as u64 {
            record(Shape::Strings, number(at), &mut key, &mut value);
            keys.bytes.extend_from_slice(&key);
            keys.ends.push(keys.bytes.len() as u32);
        }
        keys
    }

    fn list(&self) -> Vec<&[u8]> {
        self.ends.windows(2).map(|ends| &self.bytes[ends[0] as usize..ends[1] as usize]).collect()
    }
}

fn single(index: &Index<Mapping>, keys: &[&[u8]], expected: usize) -> f64 {
    let start = Instant::now();
    let found = keys.iter().filter(|key| index.get(key).is_ok_and(|value| value.is_some())).count();
    let time = start.elapsed();
    assert_eq!(found, expected, "a lookup answered wrongly");
    time.as_nanos() as f64 / keys.len() as f64
}

fn batched(index: &Index<Mapping>, keys: &[&[u8]], expected: usize) -> f64 {
    let mut found = 0;
    let start = Instant::now();
    let done = index.lookup_many(keys, |one| -> Result<(), Error> {
        found += usize::from(one.is_some());
        Ok(())
    });
    let time = start.elapsed();
    assert!(done.is_ok() && found == expected, "a lookup answered wrongly");
    time.as_nanos() as f64 / keys.len() as f64
}

fn build(args: &Args) -> Result<(), Failure> {
    let mut builder = Builder::new().memory_limit(4 << 30).fingerprint_bits(args.fingerprint_bits);
    if let Some(keys) = args.cell_keys {
        builder = builder.cell_keys(keys);
    }
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in 0..args.records {
        record(Shape::Strings, number, &mut key, &mut value);
        builder.add(&key, &value)?;
    }
    builder.finish(&args.index)?;
    Ok(())
}

/// Measures every row once, with the keys of this `salt`. All threads that share `together` measure the same row at a time.
fn round(index: &Index<Mapping>, args: &Args, salt: u64, together: &Barrier) -> [f64; 6] {
    let (count, records) = (args.lookups, args.records);
    let number = |at| pick(at, salt, records);
    let hits = Keys::new(count, number);
    let absent = Keys::new(count, |at| records + number(at));
    let (hits, absent) = (hits.list(), absent.list());
    let pool = index.first_header().sections.pool;
    let pool = &index.parts()[0].as_bytes()[pool.offset as usize..pool.end() as usize];
    let rows: [&dyn Fn() -> f64; 6] = [
        &|| dependent_reads(pool, count, mix(!salt)),
        &|| prefetched_reads(pool, count, WINDOW, salt),
        &|| single(index, &hits, count),
        &|| single(index, &absent, 0),
        &|| batched(index, &hits, count),
        &|| batched(index, &absent, 0),
    ];
    rows.map(|row| {
        together.wait();
        row()
    })
}

/// Measures every row once on several threads: ns from one lookup to the next, of all threads together.
fn round_of(threads: u64, index: &Index<Mapping>, args: &Args, salt: u64) -> [f64; 6] {
    let together = Barrier::new(threads as usize);
    let mut per_ns = [0.0; 6];
    std::thread::scope(|scope| {
        let run = |thread| round(index, args, mix(salt.wrapping_add(thread)), &together);
        let runs: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        for run in runs {
            let figures = run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            per_ns.iter_mut().zip(figures).for_each(|(sum, ns)| *sum += 1.0 / ns);
        }
    });
    per_ns.map(|rate| 1.0 / rate)
}

/// The index in one kind of pages, and its measurements.
struct Mapped {
    pages: Pages,
    index: Index<Mapping>,
    /// Opening with the hot section loaded, ms.
    opened: f64,
    huge_share: f64,
    alone: Vec<[f64; 6]>,
    together: Vec<[f64; 6]>,
}

fn map(args: &Args, pages: Pages) -> Result<Mapped, Failure> {
    if pages == Pages::Huge {
        let file = File::open(&args.index)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed).map_err(io::Error::from)?;
    }
    // Page faults of this process get small pages from here on, until all pages are mapped (PR_SET_THP_DISABLE(2const)).
    disable_transparent_huge_pages(pages == Pages::Small)?;
    let options = MapOptions { huge_pages: pages == Pages::Huge, preload: true, ..MapOptions::default() };
    let start = Instant::now();
    // SAFETY: a benchmark's own file, which nobody else writes.
    let index = unsafe { Index::map(&args.index, &options)? };
    let opened = start.elapsed().as_secs_f64() * 1e3;
    touch(index.parts()[0].as_bytes());
    disable_transparent_huge_pages(false)?;
    let huge_share = huge_share(index.parts()[0].as_bytes());
    assert_eq!(index.len(), args.records, "the index at that path has another number of records");
    Ok(Mapped { pages, index, opened, huge_share, alone: Vec::new(), together: Vec::new() })
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if !args.index.exists() {
        build(&args)?;
    }
    let pages: &[Pages] =
        if args.pages == Pages::Both { &[Pages::Huge, Pages::Small] } else { &[args.pages] };
    let mut mapped = pages.iter().map(|&pages| map(&args, pages)).collect::<Result<Vec<_>, _>>()?;
    let mut opens = [0.0; 5];
    for ms in &mut opens {
        let start = Instant::now();
        // SAFETY: as above.
        unsafe { Index::map(&args.index, &MapOptions::default())? };
        *ms = start.elapsed().as_secs_f64() * 1e3;
    }
    let (open, ..) = spread(&mut opens);
    for number in 0..args.rounds as u64 {
        for (which, Mapped { index, alone, together, .. }) in (0u64..).zip(&mut mapped) {
            // Other keys each time: the last ones may still be in the processor's caches.
            let salt = mix(number << 8 | which);
            alone.push(round_of(1, index, &args, salt));
            if args.threads > 1 {
                together.push(round_of(args.threads, index, &args, !salt));
            }
        }
    }
    if args.json {
        print_json(&args, open, &mapped);
    } else {
        print(&args, open, &mapped);
    }
    Ok(())
}

/// Median, least and greatest of a row.
fn row(samples: &[[f64; 6]], row: usize) -> [f64; 3] {
    let (median, least, greatest) = spread(&mut samples.iter().map(|round| round[row]).collect::<Vec<_>>());
    [median, least, greatest]
}

/// How many times as fast as `base` the samples are: the median of the rounds.
fn times(base: &[[f64; 6]], samples: &[[f64; 6]], row: usize) -> f64 {
    spread(&mut base.iter().zip(samples).map(|(base, ns)| base[row] / ns[row]).collect::<Vec<_>>()).0
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn print(args: &Args, open: f64, mapped: &[Mapped]) {
    let info = mapped[0].index.first_header();
    let (keys, len) = (args.records as f64, info.file_len());
    println!(
        "{} keys, {:.1} B/key in the file, {:.3} B/key of index overhead, open {open:.2} ms, {} lookups x {} rounds",
        args.records,
        len as f64 / keys,
        (len - info.sections.pool.end()) as f64 / keys,
        args.lookups,
        args.rounds
    );
    for Mapped { opened, huge_share, alone, together, .. } in mapped {
        println!(
            "\n{:.0} % of it in 2 MiB pages, first opened with preload in {opened:.1} ms",
            huge_share * 100.0
        );
        println!(
            "{:<18} {:>8} {:>8} {:>8} {:>7} {:>7} {:>8}",
            "", "ns", "least", "greatest", "reads", "lines", "goal, ns"
        );
        let (read, line) = (row(alone, 0)[0], row(alone, 1)[0]);
        for ((number, name), aim) in ROWS.iter().enumerate().zip(aims(read, line)) {
            let [median, least, greatest] = row(alone, number);
            print!("{name:<18} {median:>8.1} {least:>8.1} {greatest:>8.1} ");
            print!("{:>7.2} {:>7.2}", median / read, median / line);
            println!(
                "{}",
                aim.map_or(String::new(), |aim| format!(" {aim:>8.1} {}", verdict(median <= aim)))
            );
        }
        if !together.is_empty() {
            println!("{} threads at a time   millions/s   x one thread", args.threads);
            let aim = 0.95 * args.threads as f64;
            for (number, name) in ROWS.iter().enumerate() {
                let times = times(alone, together, number);
                let verdict =
                    if number < 2 { String::new() } else { format!(" {aim:>8.2} {}", verdict(times >= aim)) };
                println!("{name:<18} {:>14.2} {times:>18.2}{verdict}", 1e3 / row(together, number)[0]);
            }
        }
    }
    if let [huge, small] = mapped {
        println!("\nspeed with 2 MiB pages relative to 4 KiB pages");
        for (number, name) in ROWS.iter().enumerate() {
            let times = times(&small.alone, &huge.alone, number);
            let verdict =
                if number < 2 { String::new() } else { format!(" {:>8.2} {}", 1.2, verdict(times >= 1.2)) };
            println!("{name:<18} {times:>14.2}{verdict}");
        }
    }
}

fn print_json(args: &Args, open: f64, mapped: &[Mapped]) {
    let list = |samples: &[[f64; 6]]| {
        let figures = ROWS.iter().enumerate().map(|(number, name)| {
            let [median, least, greatest] = row(samples, number);
            format!("{name:?}: [{median:.1}, {least:.1}, {greatest:.1}]")
        });
        figures.collect::<Vec<_>>().join(", ")
    };
    print!("{{\"keys\": {}, \"open_ms\": {open:.3}, {}", args.records, list(&mapped[0].alone));
    print!(", \"huge_share\": {:.3}", mapped[0].huge_share);
    for Mapped { pages, huge_share, alone, together, .. } in mapped {
        if !together.is_empty() {
            let name = if *pages == Pages::Small { "together, 4 KiB pages" } else { "together" };
            print!(", {name:?}: {{{}}}", list(together));
        }
        if mapped.len() > 1 && *pages == Pages::Small {
            print!(", \"4 KiB pages\": {{\"huge_share\": {huge_share:.3}, {}}}", list(alone));
        }
    }
    println!("}}");
}
