//! The peers of hashlith in Rust, measured as `benches/peers/worker.py` measures those in Python.

mod contenders;
mod data;
mod group;

use clap::Parser;
use contenders::{Contender, Result};
use data::Data;
use std::{
    io::{BufWriter, Write},
    path::PathBuf,
};

/// How many values a worker compares.
const CHECKED: usize = 1000;

#[derive(Parser)]
enum Command {
    /// Prints the contenders, a line of JSON for each.
    List,
    /// Writes pairs as a TSV file.
    Generate { data: Data, pairs: u64, output: PathBuf },
    /// Prints keys in random order: present ones, as many absent ones, then the values of the first thousand.
    Sample { data: Data, pairs: u64, seed: u64, count: u64 },
    /// Builds one contender's files.
    Build { name: String, source: PathBuf, dir: PathBuf },
    /// Looks keys up in several processes at the same time.
    Lookup(Lookup),
}

#[derive(clap::Args)]
struct Lookup {
    name: String,
    source: PathBuf,
    dir: PathBuf,
    data: Data,
    pairs: u64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long, default_value_t = 200_000)]
    lookups: u64,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 8])]
    processes: Vec<u32>,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::List => list(),
        Command::Generate { data, pairs, output } => Ok(data.write(pairs, &output)?),
        Command::Sample { data, pairs, seed, count } => sample(data, pairs, seed, count),
        Command::Build { name, source, dir } => contender(&name)?.build(&source, &dir),
        Command::Lookup(args) => {
            let Lookup { name, source, dir, data, pairs, seed, lookups, seconds, processes } = args;
            let plan = group::Plan { source, dir, data, pairs, seed, lookups, seconds, processes };
            group::run(&*contender(&name)?, &plan)
        }
    }
}

fn contender(name: &str) -> Result<Box<dyn Contender>> {
    contenders::all()
        .into_iter()
        .find(|contender| contender.about().name == name)
        .ok_or_else(|| format!("no contender {name}; `list` prints them").into())
}

fn list() -> Result<()> {
    for contender in contenders::all() {
        let about = contender.about();
        let limit = about.limit.map_or("null".to_owned(), |limit| limit.to_string());
        println!(
            "{{\"name\": {:?}, \"version\": {:?}, \"settings\": {:?}, \"kind\": {:?}, \"limit\": {limit}, \
             \"before_fork\": {}}}",
            about.name, about.version, about.settings, about.kind, about.before_fork
        );
    }
    Ok(())
}

fn sample(data: Data, pairs: u64, seed: u64, count: u64) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let (present, absent) = (data.sample(pairs, seed, count, true), data.sample(pairs, seed, count, false));
    let values = present.values.list();
    for text in present.keys.list().iter().chain(&absent.keys.list()).chain(values.iter().take(CHECKED)) {
        out.write_all(text)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
