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
    /// Threads that look up at the same time, each on its own keys.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Keys in a block, when the index is made.
    #[arg(long, default_value_t = 4096)]
    block_keys: u64,
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
    let mut builder = Builder::new().memory_limit(4 << 30).block_keys(args.block_keys);
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

    let mut rows = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..args.threads as u64)
            .map(|thread| {
                let (index, args) = (index.clone(), &args);
                scope.spawn(move || run(&index, args, thread))
            })
            .collect();
        let mut all: Vec<(&str, Vec<f64>)> = Vec::new();
        for run in runs {
            let rows = run.join().unwrap_or_default();
            if all.is_empty() {
                all = rows;
            } else {
                all.iter_mut().zip(rows).for_each(|(all, (_, more))| all.1.extend(more));
            }
        }
        all
    });
    let (read, ..) = spread(&mut rows[0].1);
    let info = index.info();
    let hot = info.file_len() - info.sections.pool.end();
    if !args.json {
        println!(
            "{} keys, {:.1} B/key in the file, {:.3} B/key beside the pool, open {open:.2} ms (first, with preload: {:.1} ms), \
             {} thread(s), {} lookups x {} rounds, huge pages {}",
            args.records,
            info.file_len() as f64 / args.records as f64,
            hot as f64 / args.records as f64,
            opened_warm.as_secs_f64() * 1e3,
            args.threads,
            args.lookups,
            args.rounds,
            if args.huge_pages { "asked for" } else { "not asked for" },
        );
        println!("{:<18} {:>9} {:>9} {:>9} {:>8}", "", "ns", "least", "greatest", "reads");
    }
    let mut json = Vec::new();
    for (name, samples) in &mut rows {
        let (median, least, greatest) = spread(samples);
        if args.json {
            json.push(format!("{name:?}: [{median:.1}, {least:.1}, {greatest:.1}]"));
        } else {
            println!("{name:<18} {median:>9.1} {least:>9.1} {greatest:>9.1} {:>8.2}", median / read);
        }
    }
    if args.json {
        println!("{{\"keys\": {}, \"open_ms\": {open:.3}, {}}}", args.records, json.join(", "));
    }
    Ok(())
}
