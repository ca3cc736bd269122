//! `bench-check`: looks up random records of the generator in an index, and as many absent ones, and compares every answer.
//! The index may be larger than memory.

use clap::Parser;
use hashlith_benches::{Shape, mix, pick};
use hashlith_reader::{Index, MapOptions, Mapping};
use std::{path::PathBuf, process::ExitCode, time::Duration, time::Instant};

/// Looks up random records, and compares every answer with the generator's.
#[derive(Parser)]
struct Args {
    /// The index of records 0..RECORDS.
    index: PathBuf,
    /// How many records the generator made.
    records: u64,
    /// The records are those of `hashlith-gen --short`.
    #[arg(long)]
    short: bool,
    /// How many present and how many absent keys are looked up in batches.
    #[arg(long, default_value_t = 10_000_000)]
    lookups: u64,
    /// How many present and how many absent keys are looked up one by one.
    #[arg(long, default_value_t = 1_000_000)]
    single: u64,
    /// The index is larger than memory: batches ask for pages ahead.
    #[arg(long)]
    cold: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Keys that are made, looked up and compared at a time.
const CHUNK: u64 = 100_000;

/// One kind of lookup, for one kind of keys.
struct Row {
    name: &'static str,
    lookups: u64,
    time: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(rows) => {
            print(&args, &rows);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-check: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    // SAFETY: a benchmark's own file, which nobody else writes.
    let index = unsafe {
        Index::map(&args.index, &MapOptions { preload: true, cold: args.cold, ..MapOptions::default() })?
    };
    if index.len() != args.records {
        return Err(format!("the index has {} keys, not {}", index.len(), args.records).into());
    }
    let mut rows = Vec::new();
    for (batch, present, lookups, name) in [
        (true, true, args.lookups, "get_many, hit"),
        (true, false, args.lookups, "get_many, absent"),
        (false, true, args.single, "get, hit"),
        (false, false, args.single, "get, absent"),
    ] {
        rows.push(Row { name, lookups, time: check(&index, args, batch, present, lookups)? });
    }
    Ok(rows)
}

/// The time of the lookups alone. Fails at the first wrong answer.
fn check(
    index: &Index<Mapping>,
    args: &Args,
    batch: bool,
    present: bool,
    lookups: u64,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let shape = Shape::of(args.short);
    let salt = mix(u64::from(batch) * 2 + u64::from(present));
    let mut time = Duration::ZERO;
    for chunk in (0..lookups).step_by(CHUNK as usize) {
        let numbers = (chunk..lookups.min(chunk + CHUNK)).map(|at| {
            let number = pick(at, salt, args.records);
            if present { number } else { args.records + number }
        });
        let (keys, values): (Vec<_>, Vec<_>) = numbers
            .map(|number| {
                let (key, value) = shape.pair(number);
                (key, present.then_some(value))
            })
            .unzip();
        let start = Instant::now();
        let answers = if batch {
            index.get_many(&keys)?
        } else {
            keys.iter().map(|key| index.get(key)).collect::<Result<_, _>>()?
        };
        time += start.elapsed();
        if let Some(at) = (0..keys.len()).find(|&at| answers[at].as_deref() != values[at].as_deref()) {
            let key = String::from_utf8_lossy(&keys[at]);
            return Err(format!("wrong answer for {key}: {:?}, not {:?}", answers[at], values[at]).into());
        }
    }
    Ok(time)
}

fn print(args: &Args, rows: &[Row]) {
    let ns = |row: &Row| row.time.as_nanos() as f64 / row.lookups.max(1) as f64;
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| format!("{:?}: {{\"lookups\": {}, \"ns\": {:.1}}}", row.name, row.lookups, ns(row)))
            .collect();
        println!("{{\"keys\": {}, {}}}", args.records, rows.join(", "));
        return;
    }
    println!("{} keys; every answer was right", args.records);
    println!("{:<18} {:>12} {:>9}", "", "lookups", "ns each");
    for row in rows {
        println!("{:<18} {:>12} {:>9.1}", row.name, row.lookups, ns(row));
    }
}
