//! `hashlith build`: from files of records to an index.

use crate::failure::{Failure, code, tell};
use crate::input_args::{self, InputArgs};
use crate::meter::{Meter, Snapshot, Unit};
use crate::signals::Signals;
use crate::stdin_pump;
use crate::{build_report, process, size};
use clap::ValueEnum;
use hashlith_builder::{Builder, Feeder, OnDuplicate, Phase, Progress};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Format, KeyKind, Sink, Source, Summary, ValueKind, Watch};
use std::hash::{BuildHasher, Hasher};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a build may take to clean up after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// Build an index from files of records
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith build my-pickles/ -o my.hlith
  hashlith build words.tsv.gz more.tsv -o words.hlith
  zcat huge.jsonl.gz | hashlith build - --format jsonl --key-field id --value-field name -o names.hlith
  hashlith build table.csv --key-column id --value-column name -o names.hlith --memory 2G --threads 4

The output appears under its name only when it is complete; an old file of that name is replaced in one step,
and stays as it is when the build fails.")]
pub struct Args {
    /// Files, folders (all files in them with a known extension, in the order of their names), or - for standard
    /// input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The index to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Memory to use, such as 512M, 4G or 1GiB [default: half of what is available, at least 256M]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    memory: Option<u64>,
    /// Number of threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder for temporary files, which take about as much as the records [default: that of the output]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// What to do when a key comes twice: end with an error, or keep the first or the last in the order of the input
    #[arg(long, value_enum, default_value = "error")]
    on_duplicate: DuplicateWord,
    /// Seed of the hash: a number, or `random` for keys that strangers choose
    #[arg(long, value_name = "N|random", default_value = "0", value_parser = parse_seed)]
    seed: u64,
    /// Bits of a key's fingerprint, 1 to 16: one absent key in 2^BITS costs a read of a record
    #[arg(long, value_name = "BITS", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=16))]
    fingerprint_bits: u32,
    /// A JSON object to store in the index, for your own notes; `info` shows it
    #[arg(long, value_name = "JSON")]
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

#[derive(Clone, Copy, ValueEnum)]
enum DuplicateWord {
    Error,
    First,
    Last,
}

fn parse_seed(text: &str) -> Result<u64, String> {
    if text == "random" {
        // The standard library's hash keys come from the system's random numbers.
        return Ok(std::hash::RandomState::new().build_hasher().finish());
    }
    text.parse().map_err(|_| "write a number from 0 to 18446744073709551615, or `random`".to_owned())
}

impl Args {
    /// Builds the index.
    pub fn run(self) -> Result<(), Failure> {
        let began = Instant::now();
        let options = self.input.options(KeyKind::Text, ValueKind::Text, self.temp_dir.as_deref())?;
        let (sources, formats) = input_args::sources(&self.inputs, &options)?;
        refuse_input_as_output(&self.output, &sources)?;

        let signals = Signals::catch().map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))?;
        let pump = match sources.contains(&Source::Stdin) {
            true => stdin_pump::start(signals.clone())
                .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?,
            false => stdin_pump::StdinPump::default(),
        };
        let threads = self.threads.map_or_else(available_threads, usize::from);
        let builder = self.builder(&options, threads, expected_bytes(&sources));
        let progress = builder.progress();
        let watch = Arc::new(Watch::default());

        let meter = Meter::start(self.quiet, sampler(&sources, &watch, &progress));
        let work = Work { builder, sources, formats, options, threads, watch, output: self.output.clone(), pump };
        let done = supervise(work, &signals, &progress);
        drop(meter);
        let (report, summary) = done?;

        let report = build_report::Report::new(&self.output, &report, &summary, &progress, began.elapsed());
        if self.json {
            report.write_json()?;
        }
        if !self.quiet && !(self.json && std::io::stderr().is_terminal() && std::io::stdout().is_terminal()) {
            report.write_table();
        }
        Ok(())
    }

    fn builder(&self, options: &hashlith_inputs::Options, threads: usize, expected: Option<u64>) -> Builder {
        let mut builder = Builder::new()
            .memory_limit(self.memory.unwrap_or_else(default_memory))
            .threads(threads)
            .on_duplicate(match self.on_duplicate {
                DuplicateWord::Error => OnDuplicate::Error,
                DuplicateWord::First => OnDuplicate::First,
                DuplicateWord::Last => OnDuplicate::Last,
            })
            .key_type(match options.keys {
                KeyKind::Text => KeyType::Text,
                KeyKind::Bytes => KeyType::Bytes,
            })
            .value_type(match options.values {
                ValueKind::Text => ValueType::Text,
                ValueKind::Bytes => ValueType::Bytes,
                ValueKind::Json => ValueType::Json,
            })
            .fingerprint_bits(self.fingerprint_bits)
            .seed(self.seed);
        if let Some(dir) = &self.temp_dir {
            builder = builder.temp_dir(dir.clone());
        }
        if let Some(metadata) = &self.metadata {
            builder = builder.metadata(metadata.clone());
        }
        if let Some(bytes) = expected {
            builder = builder.expected_bytes(bytes);
        }
        builder
    }
}

fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Half of what is available, so that the page cache and the neighbours have the other half.
fn default_memory() -> u64 {
    const LEAST: u64 = 256 << 20;
    process::available().map_or(1 << 30, |available| (available / 2).max(LEAST))
}
