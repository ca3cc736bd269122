//! `bench-lookup`: what a lookup costs beside what the machine can do, in one run over the same mapping.
//!
//! Rounds are interleaved; each figure is the median over the rounds, with the least and the greatest.

use clap::Parser;
use hashlith_benches::{Shape, mix, record, spread};
use hashlith_builder::Builder;
use hashlith_reader::{Index, MapOptions, Mapping};
use std::{hint::black_box, path::PathBuf, time::Instant};

#[derive(Parser)]
struct Args {
    /// How many records the index has.
    records: u64,
    /// Where the index is, or will be made. It is made if it is not there.
    #[arg(long)]
    index: PathBuf,
    /// Lookups in each measurement.
    #[arg(long, default_value_t = 1_000_000)]
    lookups: usize,
    /// Rounds.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// After the measurement with one thread, another with so many at a time, each on its own keys.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Keys in a block, when the index is made.
    #[arg(long, default_value_t = 4096)]
    block_keys: u64,
    /// Bits of a fingerprint, when the index is made.
    #[arg(long, default_value_t = 8)]
    fingerprint_bits: u32,
    /// Ask for 2 MiB pages.
    #[arg(long)]
    huge_pages: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Keys one after the other in memory, so that fetching them costs next to nothing.
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

/// One far read after the other, each at a place that depends on the one before: ns a read.
fn dependent_reads(bytes: &[u8], count: usize) -> f64 {
    let lines = (bytes.len() / 64) as u64;
    let start = Instant::now();
    let mut at = 0u64;
    for number in 0..count as u64 {
        let line = ((u128::from(mix(at ^ number)) * u128::from(lines)) >> 64) as usize;
        at = u64::from(bytes[line * 64]) + 1;
    }
    black_box(at);
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Far reads that do not depend on each other: ns a read.
fn independent_reads(bytes: &[u8], count: usize) -> f64 {
    let lines = (bytes.len() / 64) as u64;
    let start = Instant::now();
    let mut sum = 0u64;
    for number in 0..count as u64 {
        let line = ((u128::from(mix(number ^ 0xabcd_ef01)) * u128::from(lines)) >> 64) as usize;
        sum = sum.wrapping_add(u64::from(bytes[line * 64]));
    }
    black_box(sum);
    start.elapsed().as_nanos() as f64 / count as f64
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
    let done = index.find_many(keys, |record| found += usize::from(record.is_some()));
    let time = start.elapsed();
    assert!(done.is_ok() && found == expected, "a lookup answered wrongly");
    time.as_nanos() as f64 / keys.len() as f64
}

fn build(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let builder = Builder::new().memory_limit(4 << 30).block_keys(args.block_keys);
    let mut builder = builder.fingerprint_bits(args.fingerprint_bits);
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in 0..args.records {
        record(Shape::Strings, number, &mut key, &mut value);
        builder.add(&key, &value)?;
    }
    builder.finish(&args.index)?;
    Ok(())
}

fn run(index: &Index<Mapping>, args: &Args, thread: u64) -> Vec<(&'static str, Vec<f64>)> {
    let records = args.records;
    let mut rows = [
        "dependent read",
        "independent read",
        "get, hit",
        "get, absent",
        "get_many, hit",
        "get_many, absent",
    ]
    .map(|name| (name, Vec::new()));
    let pool = index.info().sections.pool;
    let pool = &index.as_bytes()[pool.offset as usize..pool.end() as usize];
    for round in 0..args.rounds as u64 {
        let salt = mix(round + 1000 * thread);
        let pick = |at: u64| ((u128::from(mix(at ^ salt)) * u128::from(records)) >> 64) as u64;
        let hits = Keys::new(args.lookups, pick);
        let absent = Keys::new(args.lookups, |at| records + pick(at));
        let (hits, absent) = (hits.list(), absent.list());
        let figures = [
            dependent_reads(pool, args.lookups),
            independent_reads(pool, args.lookups),
            single(index, &hits, hits.len()),
            single(index, &absent, 0),
            batched(index, &hits, hits.len()),
            batched(index, &absent, 0),
        ];
        for ((_, samples), figure) in rows.iter_mut().zip(figures) {
            samples.push(figure);
        }
    }
    rows.to_vec()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    if !args.index.exists() {
        build(&args)?;
    }
    let options = MapOptions::default().huge_pages(args.huge_pages).preload(true);
    let start = Instant::now();
    // SAFETY: a benchmark's own file, which nobody else writes.
    let index = unsafe { Index::map(&args.index, &options)? };
    let opened_warm = start.elapsed();
    assert_eq!(index.len(), args.records, "the index at that path has another number of records");
    let mut opens: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            // SAFETY: as above.
            let opened = unsafe { Index::map(&args.index, &MapOptions::default()) };
            assert!(opened.is_ok());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let (open, ..) = spread(&mut opens);
    // Fault the pool in once, so that the first round measures memory and not page faults.
    black_box(index.as_bytes().iter().step_by(4096).fold(0u8, |sum, &byte| sum ^ byte));

    let alone = measure(&index, &args, 1);
    let together = (args.threads > 1).then(|| measure(&index, &args, args.threads as u64));
    let info = index.info();
    let hot = info.file_len() - info.sections.pool.end();
    if args.json {
        let row = |(name, [median, least, greatest]): &(&str, [f64; 3])| {
            format!("{name:?}: [{median:.1}, {least:.1}, {greatest:.1}]")
        };
        let list = |rows: &[(&str, [f64; 3])]| rows.iter().map(row).collect::<Vec<_>>().join(", ");
        let together = together.iter().map(|rows| format!(", \"together\": {{{}}}", list(rows)));
        println!(
            "{{\"keys\": {}, \"open_ms\": {open:.3}, {}{}}}",
            args.records,
            list(&alone),
            together.collect::<String>()
        );
        return Ok(());
    }
    println!(
        "{} keys, {:.1} B/key in the file, {:.3} B/key beside the pool, open {open:.2} ms (first, with preload: {:.1} ms), \
         {} lookups x {} rounds, {:.0} % of the file in 2 MiB pages",
        args.records,
        info.file_len() as f64 / args.records as f64,
        hot as f64 / args.records as f64,
        opened_warm.as_secs_f64() * 1e3,
        args.lookups,
        args.rounds,
        huge_share(info.file_len()) * 100.0,
    );
    println!("{:<18} {:>9} {:>9} {:>9} {:>8} {:>9}", "", "ns", "least", "greatest", "reads", "goal, ns");
    let (read, line) = (alone[0].1[0], alone[1].1[0]);
    let goals =
        [None, None, Some(1.3 * read + 80.0), Some(0.7 * read + 60.0), Some(3.5 * line), Some(1.5 * line)];
    for ((name, [median, least, greatest]), goal) in alone.iter().zip(goals) {
        let goal = goal.map_or(String::new(), |goal| format!("{goal:.1}"));
        println!("{name:<18} {median:>9.1} {least:>9.1} {greatest:>9.1} {:>8.2} {goal:>9}", median / read);
    }
    if let Some(together) = together {
        println!("{} threads at a time: ns each, and how many times the lookups of one", args.threads);
        for ((name, [one, ..]), (_, [many, ..])) in alone.iter().zip(&together) {
            println!("{name:<18} {many:>9.1} {:>9.2}", one / many * args.threads as f64);
        }
    }
    Ok(())
}

/// Median, least and greatest of each row, with so many threads at a time.
fn measure(index: &Index<Mapping>, args: &Args, threads: u64) -> Vec<(&'static str, [f64; 3])> {
    let mut all: Vec<(&str, Vec<f64>)> = Vec::new();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(index, args, thread))).collect();
        for rows in runs.into_iter().filter_map(|run| run.join().ok()) {
            if all.is_empty() {
                all = rows;
            } else {
                all.iter_mut().zip(rows).for_each(|(all, (_, more))| all.1.extend(more));
            }
        }
    });
    all.iter_mut()
        .map(|(name, samples)| {
            let (median, least, greatest) = spread(samples);
            (*name, [median, least, greatest])
        })
        .collect()
}

/// Which share of the mapped file the kernel really maps with 2 MiB pages (`FilePmdMapped` of /proc/self/smaps).
fn huge_share(len: u64) -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let kib = text.lines().filter_map(|line| line.strip_prefix("FilePmdMapped:"));
    let kib = kib.filter_map(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.sum::<u64>() as f64 * 1024.0 / len.max(1) as f64
}
