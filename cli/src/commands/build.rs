//! `hashlith build`: from files of records to an index.

use crate::building::{BuildError, Ended, FileBuild, Settings};
use crate::failure::Failure;
use crate::hash_choice::{HashName, Seed};
use crate::input_args::{self, DuplicateWord, InputArgs};
use crate::meter::Meter;
use crate::output::Output;
use crate::signals::Signals;
use crate::stdin_pump::{self, StdinPump};
use crate::supervising::supervise;
use crate::{build_report, size};
use hashlith_inputs::{KeyKind, Source, ValueKind};
use std::path::PathBuf;
use std::time::Instant;

/// Build an index from files of records
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith build my-pickles/ -o my.hlith
  hashlith build words.tsv.gz more.tsv -o words.hlith
  hashlith build table.csv --key-column id --value-column name -o names.hlith
  xzcat big.jsonl.xz | hashlith build - --format jsonl --key-field id -o big.hlith --memory 2G

The output appears under its name only when it is complete. An old file of that name is replaced in
one step then, and stays as it is when the build fails.")]
pub struct Args {
    /// Files, folders (all files in and below them with a known extension, or with --format all, in the order of
    /// their paths), or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The index to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Make a set of this many files instead of one file; the output is then its directory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    parts: Option<u32>,
    /// Memory to use, such as 512M, 4G or 1GiB [default: half of what is available]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    memory: Option<u64>,
    /// Number of threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder for temporary files, which take about as much as the records [default: that of the output]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// What to do when a key comes twice: end with an error, or keep the first or the last in the order of the input
    #[arg(long, value_enum, value_name = "POLICY", default_value = "error")]
    on_duplicate: DuplicateWord,
    /// Hash of the keys: the quick one, or one with a random key of 128 bits, for keys that strangers choose
    #[arg(long, value_enum, value_name = "HASH", default_value = "xxh3")]
    hash: HashName,
    /// Seed of the hash: a number, or `random` [default: 0 for xxh3, random for siphash]
    #[arg(long, value_name = "N|random")]
    seed: Option<Seed>,
    /// Bits of a key's fingerprint, 1 to 16: one absent key in 2^BITS costs a read of a record
    #[arg(long, value_name = "BITS", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=16))]
    fingerprint_bits: u32,
    /// A JSON object to store in the index, for your own notes; `info` shows it
    #[arg(long, value_name = "JSON", value_parser = parse_metadata)]
    metadata: Option<String>,
    /// Write the report as JSON to standard output
    #[arg(long)]
    json: bool,
    /// No progress and no report, only errors
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    input: InputArgs,
}

pub fn parse_metadata(text: &str) -> Result<String, String> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            Err(format!("not a JSON object ({error}): write, for example, '{{\"source\": \"wiki\"}}'"))
        }
    }
}

impl Args {
    /// Builds the index.
    pub fn run(self) -> Result<(), Failure> {
        let began = Instant::now();
        let options = self.input.options(KeyKind::Text, ValueKind::Text)?;
        let build = FileBuild::new(&self.output, &self.inputs, options, &self.settings()?)?;
        if !self.quiet {
            input_args::tell_left_out(&build.left_out);
        }
        let cannot = |what: &'static str| move |error| Failure::new(format!("cannot {what}: {error}"));
        let signals = Signals::catch().map_err(cannot("watch for signals"))?;
        let pump = match build.sources.contains(&Source::Stdin) {
            true => stdin_pump::start(signals.clone()).map_err(cannot("read standard input"))?,
            false => StdinPump::default(),
        };
        let watch = build.watch();
        let shown = build.watch();
        let meter = Meter::start(self.quiet, move || shown.snapshot());
        let work_signals = signals.clone();
        let work = move || {
            let go_on = || match (work_signals.came(), pump.take_error()) {
                (Some(number), _) => Err(Failure::Signal(number)),
                (None, Some(error)) => Err(cannot("read standard input")(error)),
                (None, None) => Ok(()),
            };
            build.run(go_on).map_err(|ended| match (ended, work_signals.came()) {
                (Ended::Stopped(failure), _) => failure,
                (Ended::Failed(error), Some(number)) if is_cancelled(&error) => Failure::Signal(number),
                (Ended::Failed(error), _) => build.failure(&error),
            })
        };
        let done = supervise(work, &signals, || watch.cancel(), || watch.is_reading());
        drop(meter);
        let (report, summary) = done?;

        let report = build_report::Report::new(&self.output, &report, &summary, began.elapsed());
        match (self.json, self.quiet) {
            (true, _) => Output::new().report(&report)?,
            (false, false) => report.write_table(),
            (false, true) => {}
        }
        Ok(())
    }

    fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings {
            memory: self.memory,
            threads: self.threads.map(usize::from),
            temp_dir: self.temp_dir.clone(),
            on_duplicate: self.on_duplicate.policy(),
            fingerprint_bits: self.fingerprint_bits,
            hasher: self.hash.hasher(self.seed).map_err(Failure::usage)?,
            metadata: self.metadata.clone().unwrap_or_default(),
            parts: self.parts,
            part: None,
        })
    }
}

fn is_cancelled(error: &BuildError) -> bool {
    matches!(error, BuildError::Cancelled | BuildError::Sink(hashlith_builder::Error::Cancelled))
}
