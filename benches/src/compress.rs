//! `bench-compress`: what compression saves and costs, on records of a TSV file.
//!
//! Builds the same records plain and compressed, and asks both for the same keys. Rounds are interleaved; figures are medians,
//! and ratios medians of the ratios within rounds.

use clap::Parser;
use hashlith_benches::{mix, spread};
use hashlith_builder::{Builder, Compress};
use hashlith_reader::{Error, Index};
use std::{fs, hint::black_box, io, path::PathBuf, time::Instant};

#[derive(Parser)]
struct Args {
    /// Files of records: key TAB value, without a header.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Lookups in each measurement.
    #[arg(long, default_value_t = 300_000)]
    lookups: usize,
    /// Rounds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Threads of a build.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// What is compared with plain records.
    #[arg(long, default_value = "on", value_parser = |word: &str| word.parse::<Compress>().map_err(|error| error.to_string()))]
    level: Compress,
    /// Bits of a fingerprint.
    #[arg(long, default_value_t = 8)]
    fingerprint_bits: u32,
}

type Failure = Box<dyn std::error::Error>;

/// Processor time of this process in seconds.
fn core_seconds() -> f64 {
    // Fields 14 and 15 of proc_pid_stat(5), in hundredths; the name before them may have blanks.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Nanoseconds of each of these lookups.
fn time<T>(count: usize, work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Each key is known only when the value before is, as in a walk from key to key.
fn dependent(index: &Index<Vec<u8>>, keys: &[&[u8]]) -> Result<usize, Error> {
    let mut buffer = Vec::new();
    let (mut sum, mut number) = (0, 0);
    let zero = black_box(0);
    while let Some(key) = keys.get(number) {
        let value = index.get_into(key, &mut buffer)?.unwrap_or_default();
        sum += value.len();
        number += 1 + (usize::from(value.last().copied().unwrap_or(0)) & zero);
    }
    Ok(sum)
}

/// The processor may begin a lookup before the last one ends.
fn single(index: &Index<Vec<u8>>, keys: &[&[u8]]) -> Result<usize, Error> {
    let mut buffer = Vec::new();
    let mut sum = 0;
    for key in keys {
        let value = index.get_into(key, &mut buffer)?.unwrap_or_default();
        sum += value.len() + usize::from(value.last().copied().unwrap_or(0));
    }
    Ok(sum)
}

fn batched(index: &Index<Vec<u8>>, keys: &[&[u8]]) -> Result<usize, Error> {
    let mut values = Vec::new();
    let mut sum = 0;
    for keys in keys.chunks(1024) {
        values.clear();
        index.lookup_many(keys, |found| match found {
            Some(found) => found.append_value(&mut values),
            None => Ok(()),
        })?;
        sum += values.len();
    }
    Ok(sum)
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    println!(
        "{:<16} {:>9} {:>15} {:>16} {:>20} {:>20} {:>20} {:>20}",
        "file",
        "pairs",
        "bytes per pair",
        "core-ns per pair",
        "get in a chain, ns",
        "get, ns",
        "absent, ns",
        "get_many, ns"
    );
    for file in &args.files {
        let text = fs::read(file)?;
        let pairs: Vec<(&[u8], &[u8])> = text
            .split(|&byte| byte == b'\n')
            .filter_map(|line| {
                let tab = line.iter().position(|&byte| byte == b'\t')?;
                Some((&line[..tab], &line[tab + 1..]))
            })
            .collect();
        let mut indexes = Vec::new();
        let mut built = Vec::new();
        for level in [Compress::Off, args.level] {
            let path =
                std::env::temp_dir().join(format!("bench-compress-{}-{level}.hlith", std::process::id()));
            let start = core_seconds();
            let mut builder = Builder::new().threads(args.threads).compress(level);
            builder = builder
                .fingerprint_bits(args.fingerprint_bits)
                .on_duplicate(hashlith_builder::OnDuplicate::First)
                .memory_limit(2 << 30);
            for (key, value) in &pairs {
                builder.add(key, value)?;
            }
            let report = builder.finish(&path)?;
            let keys = report.keys as f64;
            built.push((report.bytes() as f64 / keys, (core_seconds() - start) * 1e9 / pairs.len() as f64));
            indexes.push(Index::load(&path)?);
            fs::remove_file(path)?;
        }
        let pick = |number: usize, seed: u64| {
            pairs[(mix(number as u64 ^ seed << 40) % pairs.len() as u64) as usize].0
        };
        let mut rounds = Vec::new();
        for round in 0..args.rounds {
            let keys: Vec<&[u8]> = (0..args.lookups).map(|number| pick(number, round as u64)).collect();
            let absent: Vec<Vec<u8>> = keys.iter().map(|key| [key, &b"?"[..]].concat()).collect();
            let absent: Vec<&[u8]> = absent.iter().map(Vec::as_slice).collect();
            let mut of_round = Vec::new();
            for index in &indexes {
                assert!(single(index, &keys).is_ok() && batched(index, &keys).is_ok());
                of_round.push([
                    time(keys.len(), || dependent(index, &keys)),
                    time(keys.len(), || single(index, &keys)),
                    time(keys.len(), || single(index, &absent)),
                    time(keys.len(), || batched(index, &keys)),
                ]);
            }
            rounds.push(of_round);
        }
        let median =
            |of: &dyn Fn(&Vec<[f64; 4]>) -> f64| spread(&mut rounds.iter().map(of).collect::<Vec<_>>()).0;
        let column = |at: usize| {
            let (plain, coded) = (median(&|round| round[0][at]), median(&|round| round[1][at]));
            format!("{plain:.0} > {coded:.0} ({:.2}x)", median(&|round| round[1][at] / round[0][at]))
        };
        println!(
            "{:<16} {:>9} {:>15} {:>16} {:>20} {:>20} {:>20} {:>20}",
            file.file_stem().unwrap_or_default().to_string_lossy(),
            pairs.len(),
            format!("{:.2} > {:.2}", built[0].0, built[1].0),
            format!("{:.0} > {:.0}", built[0].1, built[1].1),
            column(0),
            column(1),
            column(2),
            column(3),
        );
        io::Write::flush(&mut io::stdout())?;
    }
    Ok(())
}
