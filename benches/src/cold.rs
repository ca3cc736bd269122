//! `bench-cold`: lookups in a file that is not in memory, one by one and in batches: pages read and time per lookup.
//!
//! Before each measurement the file is dropped from the page cache. The kernel counts the pages, as bytes that this process
//! made the disk read (`read_bytes` of /proc/self/io), and the waits, as major page faults.
//!
//! A cgroup with less memory makes a file larger than memory:
//! `systemd-run --scope -p MemoryMax=1G target/release/bench-cold FILE RECORDS`.

use clap::Parser;
use hashlith_benches::{Shape, memory::read_at_random, mix, pick};
use hashlith_reader::{Error, Index, MapOptions, Mapping};
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
    /// Ask for 2 MiB pages too.
    #[arg(long)]
    huge_pages: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

const PAGE: f64 = 4096.0;

struct Row {
    name: &'static str,
    lookups: u64,
    /// Pages read from the disk per lookup.
    pages: f64,
    /// Page faults per lookup that waited for the disk.
    waits: f64,
    per_second: f64,
}

type Failure = Box<dyn std::error::Error>;

/// Bytes that this process has made the disk read so far.
fn disk_bytes() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    Ok(line.ok_or("/proc/self/io has no read_bytes")?.parse()?)
}

/// Page faults of this process so far that waited for the disk (`majflt`, proc_pid_stat(5)).
fn major_faults() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may contain blanks.
    let fields = text.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(9));
    Ok(fields.ok_or("/proc/self/stat has no majflt")?.parse()?)
}

/// Drops the pages of the file that nobody maps from the page cache, and maps the file again.
fn open(args: &Args, options: &MapOptions) -> Result<Index<Mapping>, Failure> {
    let file = File::open(&args.index)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed).map_err(io::Error::from)?;
    // SAFETY: a benchmark's own file, which nobody else writes.
    Ok(unsafe { Index::map(&args.index, options)? })
}

fn keys(args: &Args, count: u64, present: bool, salt: u64) -> Vec<Vec<u8>> {
    let from = if present { 0 } else { args.records };
    let number = |at| from + pick(at, mix(salt), args.records);
    (0..count).map(|at| Shape::of(args.short).pair(number(at)).0).collect()
}

/// Times `look`, which returns how many keys it found, and counts the pages that it reads.
fn measure(
    name: &'static str,
    keys: &[Vec<u8>],
    present: bool,
    look: impl FnOnce(&[Vec<u8>]) -> Result<usize, Failure>,
) -> Result<Row, Failure> {
    let (bytes, faults) = (disk_bytes()?, major_faults()?);
    let start = Instant::now();
    let found = look(keys)?;
    let seconds = start.elapsed().as_secs_f64();
    if found != if present { keys.len() } else { 0 } {
        return Err(format!("{name}: {found} of {} keys were found", keys.len()).into());
    }
    let lookups = keys.len() as f64;
    let pages = (disk_bytes()? - bytes) / PAGE / lookups;
    let waits = (major_faults()? - faults) / lookups;
    Ok(Row { name, lookups: keys.len() as u64, pages, waits, per_second: lookups / seconds })
}

fn single(index: &Index<Mapping>, keys: &[Vec<u8>]) -> Result<usize, Failure> {
    keys.iter().try_fold(0, |found, key| Ok(found + usize::from(index.get(key)?.is_some())))
}

fn batched(index: &Index<Mapping>, keys: &[Vec<u8>]) -> Result<usize, Failure> {
    let mut found = 0;
    index.lookup_many(keys, |one| -> Result<(), Error> {
        found += usize::from(one.is_some());
        Ok(())
    })?;
    Ok(found)
}

/// The figures of a run.
struct Found {
    rows: Vec<Row>,
    /// Loading the hot section, bytes per second.
    preload: f64,
    /// The kernel knows that everything a lookup reads is read in random order.
    at_random: bool,
    /// The share of keys that, with the lengths before them, span two pages: what a lookup reads.
    keys_across: f64,
    /// The same for the whole record.
    records_across: f64,
}

/// The shares of keys and of records that span two pages or more.
fn across(index: &Index<Mapping>, keys: &[Vec<u8>]) -> Result<(f64, f64), Failure> {
    let (mut crossing_keys, mut crossing_records) = (0, 0);
    for key in keys {
        let Some(record) = index.find(key)? else { continue };
        // One byte for each of the two lengths, as in all records of the generator.
        let first = index.parts()[0].offset_of(&record.key) - 2;
        let key_end = first + 1 + record.key.len() as u64;
        let page = |offset: u64| offset / PAGE as u64;
        crossing_keys += u64::from(page(first) != page(key_end));
        crossing_records += u64::from(page(first) != page(key_end + record.value.len() as u64));
    }
    Ok((crossing_keys as f64 / keys.len() as f64, crossing_records as f64 / keys.len() as f64))
}

fn run(args: &Args) -> Result<Found, Failure> {
    let plain = MapOptions { huge_pages: args.huge_pages, ..MapOptions::default() };
    let few = (args.lookups / 10).max(1);
    let mut rows = Vec::new();

    let index = open(args, &plain)?;
    rows.push(measure("get, hit, nothing loaded", &keys(args, few, true, 1), true, |keys| {
        single(&index, keys)
    })?);
    drop(index);

    let index = open(args, &plain)?;
    rows.push(measure("get, absent, nothing loaded", &keys(args, few, false, 6), false, |keys| {
        single(&index, keys)
    })?);
    drop(index);

    let start = Instant::now();
    let index = open(args, &MapOptions { preload: true, ..plain })?;
    let sections = &index.first_header().sections;
    let loaded = (sections.far.end() - sections.hot.offset) as f64;
    let preload = loaded / start.elapsed().as_secs_f64();
    rows.push(measure("get, hit", &keys(args, few, true, 2), true, |keys| single(&index, keys))?);
    rows.push(measure("get, absent", &keys(args, few, false, 3), false, |keys| single(&index, keys))?);
    rows.push(measure("get_many, hit", &keys(args, few, true, 4), true, |keys| batched(&index, keys))?);
    drop(index);

    let index = open(args, &MapOptions { preload: true, cold: true, ..plain })?;
    let hits = keys(args, args.lookups, true, 5);
    rows.push(measure("get_many, hit, cold", &hits, true, |keys| batched(&index, keys))?);
    // The same keys again: asking for their pages is now in vain.
    rows.push(measure("the same, now warm", &hits, true, |keys| batched(&index, keys))?);
    rows.push(measure("get, hit, cold", &keys(args, few, true, 7), true, |keys| single(&index, keys))?);
    let sections = index.first_header().sections;
    let records_to_far = sections.pool.offset as usize..sections.far.end() as usize;
    let at_random = read_at_random(&index.parts()[0].as_bytes()[records_to_far]);
    let (keys_across, records_across) = across(&index, &hits)?;
    Ok(Found { rows, preload, at_random, keys_across, records_across })
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let Found { rows, preload, at_random, keys_across, records_across } = run(&args)?;
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let Row { name, lookups, pages, waits, per_second } = row;
                format!(
                    "{name:?}: {{\"lookups\": {lookups}, \"pages\": {pages:.3}, \"waits\": {waits:.3}, \
                     \"per_second\": {per_second:.0}}}"
                )
            })
            .collect();
        println!(
            "{{\"keys\": {}, \"preload_bytes_per_second\": {preload:.0}, \"at_random\": {at_random}, \
             \"keys_across\": {keys_across:.4}, \"records_across\": {records_across:.4}, {}}}",
            args.records,
            rows.join(", ")
        );
        return Ok(());
    }
    println!("{} keys; the hot section was loaded at {:.0} MB/s", args.records, preload / 1e6);
    println!(
        "read-ahead of records is {}; {:.2} % of keys lie across two pages, {:.2} % of records",
        if at_random { "off" } else { "on" },
        keys_across * 100.0,
        records_across * 100.0
    );
    println!(
        "{:<28} {:>9} {:>7} {:>7} {:>7} {:>11}",
        "", "lookups", "pages", "at most", "waits", "lookups/s"
    );
    for row in rows {
        let loaded = if row.name.contains("nothing loaded") { 2.0 } else { 0.0 };
        let most = loaded + if row.name.contains("absent") { 0.01 } else { 1.0 + keys_across };
        print!("{:<28} {:>9} {:>7.3} {most:>7.3} {:>7.3}", row.name, row.lookups, row.pages, row.waits);
        println!(" {:>11.0}", row.per_second);
    }
    Ok(())
}
