//! `bench-cold`: lookups in a file that is not in memory: pages read and time for each, one by one and in batches.
//!
//! Before each measurement the file is dropped from the page cache. Pages are counted by the kernel, as the bytes that
//! this process caused to be fetched from the disk (`read_bytes` of /proc/self/io).

use clap::Parser;
use hashlith_benches::{Shape, mix, record};
use hashlith_reader::{Index, MapOptions, Mapping};
use rustix::fs::{Advice, fadvise};
use std::{fs::File, io, path::PathBuf, time::Instant};

/// Measures lookups in a cold file.
#[derive(Parser)]
struct Args {
    /// The index of the generator's records 0..RECORDS. Best larger than memory.
    index: PathBuf,
    /// How many records the generator made.
    records: u64,
    /// The records are those of `hashlith-gen --short`.
    #[arg(long)]
    short: bool,
    /// Lookups in batches that ask ahead; a tenth of it otherwise.
    #[arg(long, default_value_t = 100_000)]
    lookups: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

const PAGE: f64 = 4096.0;

struct Row {
    name: &'static str,
    lookups: u64,
    /// Pages that were read from the disk, for each lookup.
    pages: f64,
    per_second: f64,
}

type Failure = Box<dyn std::error::Error>;

/// Bytes that this process has had the disk read so far.
fn disk_bytes() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    Ok(line.ok_or("/proc/self/io has no read_bytes")?.parse()?)
}

/// Drops the file from the page cache, as far as nobody maps it, and maps it anew.
fn open(args: &Args, options: &MapOptions) -> Result<Index<Mapping>, Failure> {
    let file = File::open(&args.index)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed).map_err(io::Error::from)?;
    // SAFETY: a benchmark's own file, which nobody else writes.
    Ok(unsafe { Index::map(&args.index, options)? })
}

fn keys(args: &Args, count: u64, present: bool, salt: u64) -> Vec<Vec<u8>> {
    let shape = if args.short { Shape::Short } else { Shape::Strings };
    let from = if present { 0 } else { args.records };
    (0..count)
        .map(|at| {
            let number = ((u128::from(mix(at ^ mix(salt))) * u128::from(args.records)) >> 64) as u64;
            let (mut key, mut value) = (Vec::new(), Vec::new());
            record(shape, from + number, &mut key, &mut value);
            key
        })
        .collect()
}

/// Times `look`, which returns how many keys it found, and counts the pages that it has read.
fn measure(
    name: &'static str,
    keys: &[Vec<u8>],
    present: bool,
    look: impl FnOnce(&[Vec<u8>]) -> Result<usize, Failure>,
) -> Result<Row, Failure> {
    let before = disk_bytes()?;
    let start = Instant::now();
    let found = look(keys)?;
    let seconds = start.elapsed().as_secs_f64();
    if found != if present { keys.len() } else { 0 } {
        return Err(format!("{name}: {found} of {} keys were found", keys.len()).into());
    }
    let lookups = keys.len() as f64;
    let pages = (disk_bytes()? - before) / PAGE / lookups;
    Ok(Row { name, lookups: keys.len() as u64, pages, per_second: lookups / seconds })
}

fn single(index: &Index<Mapping>, keys: &[Vec<u8>]) -> Result<usize, Failure> {
    keys.iter().try_fold(0, |found, key| Ok(found + usize::from(index.get(key)?.is_some())))
}

fn batched(index: &Index<Mapping>, keys: &[Vec<u8>]) -> Result<usize, Failure> {
    let mut found = 0;
    index.find_many(keys, |record| found += usize::from(record.is_some()))?;
    Ok(found)
}

fn run(args: &Args) -> Result<(Vec<Row>, f64), Failure> {
    let plain = MapOptions::default();
    let few = (args.lookups / 10).max(1);
    let mut rows = Vec::new();

    let index = open(args, &plain)?;
    rows.push(measure("get, hit, nothing loaded", &keys(args, few, true, 1), true, |keys| {
        single(&index, keys)
    })?);
    drop(index);

    let start = Instant::now();
    let index = open(args, &plain.preload(true))?;
    let sections = &index.info().sections;
    let loaded = (sections.directory.end() - sections.hot.offset) as f64;
    let preload = loaded / start.elapsed().as_secs_f64();
    rows.push(measure("get, hit", &keys(args, few, true, 2), true, |keys| single(&index, keys))?);
    rows.push(measure("get, absent", &keys(args, few, false, 3), false, |keys| single(&index, keys))?);
    rows.push(measure("get_many, hit", &keys(args, few, true, 4), true, |keys| batched(&index, keys))?);
    drop(index);

    let index = open(args, &plain.preload(true).cold(true))?;
    let hits = keys(args, args.lookups, true, 5);
    rows.push(measure("get_many, hit, cold", &hits, true, |keys| batched(&index, keys))?);
    // The same keys again: their pages are there, and asked for in vain.
    rows.push(measure("the same, now warm", &hits, true, |keys| batched(&index, keys))?);
    Ok((rows, preload))
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let (rows, preload) = run(&args)?;
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let Row { name, lookups, pages, per_second } = row;
                format!("{name:?}: {{\"lookups\": {lookups}, \"pages\": {pages:.3}, \"per_second\": {per_second:.0}}}")
            })
            .collect();
        println!(
            "{{\"keys\": {}, \"preload_bytes_per_second\": {preload:.0}, {}}}",
            args.records,
            rows.join(", ")
        );
        return Ok(());
    }
    println!("{} keys; the hot section was loaded at {:.0} MB/s", args.records, preload / 1e6);
    println!("{:<28} {:>9} {:>14} {:>12}", "", "lookups", "pages/lookup", "lookups/s");
    for row in rows {
        println!("{:<28} {:>9} {:>14.3} {:>12.0}", row.name, row.lookups, row.pages, row.per_second);
    }
    Ok(())
}
