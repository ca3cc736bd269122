//! `hashlith verify`: every byte of an index, and every pair of its inputs.

use crate::failure::{Failure, code, tell};
use crate::input_args::{self, DuplicateWord, InputArgs};
use crate::meter::{Meter, Snapshot, Unit};
use crate::open;
use crate::output::Output;
use crate::process;
use crate::size::{Bytes, Count};
use hashlith_checker::{
    Against, AgainstOptions, AgainstReport, Duplicates, Error, FileError, Files, Mismatch, Progress, Report,
};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Expanded, Format, KeyKind, Sink, Source, ValueKind, Watch};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Check every byte of an index, and that it holds what its inputs hold
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith verify my.hlith
  hashlith verify my.hlith --against my-pickles/

Checks all sums, that each record is where its slot says, and that each key finds it. With --against
every record of the inputs is looked up, and every key of the index must have come from one.
Exit code 4: the index is damaged; 1: it is sound but does not hold what the inputs hold.")]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Files, folders or - that the index was built from
    #[arg(long, num_args = 1.., value_name = "INPUT")]
    against: Vec<PathBuf>,
    /// What the index was built with: `first` and `last` allow a key to come with other values too (which of them
    /// was kept is not checked)
    #[arg(long, value_enum, value_name = "POLICY", default_value = "error", requires = "against")]
    on_duplicate: DuplicateWord,
    /// Number of threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    input: InputArgs,
}

/// The result as JSON.
#[derive(Serialize)]
struct Verdict {
    index: String,
    /// The file that is at fault, if one is.
    file: Option<String>,
    ok: bool,
    keys: Option<u64>,
    cells: Option<u64>,
    bytes: Option<u64>,
    /// The broken rule of spec.md section 9.
    rule: Option<String>,
    /// Where it is broken, in bytes.
    offset: Option<u64>,
    error: Option<String>,
    against: Option<AgainstVerdict>,
    seconds: f64,
}

#[derive(Serialize)]
struct AgainstVerdict {
    records: u64,
    keys: u64,
    duplicates: u64,
    absent: u64,
    mismatched: u64,
    unseen: u64,
    skipped: u64,
    agrees: bool,
}

impl Args {
    /// Checks the index.
    pub fn run(self) -> Result<(), Failure> {
        let began = Instant::now();
        open::check_index(&self.index)?;
        // Names that are wrong are told before the long check, not after it.
        self.check_inputs()?;
        let (files, report) = match self.structure() {
            Ok(checked) => checked,
            Err(FileError { path, error }) => {
                if self.json {
                    Output::new().report(&self.verdict(None, Some((&path, &error)), None, began))?;
                }
                return Err(failure(&path, &error));
            }
        };
        for path in &files.left_over {
            tell(&format!(
                "{} is no part of this set: left over from a build that was broken off, or of one that is under way",
                path.display()
            ));
        }
        let against = match self.against.as_slice() {
            [] => None,
            _ => Some(self.compare(&files, &report)?),
        };
        let agrees = against.as_ref().is_none_or(|against| against.agrees);
        let mut out = Output::new();
        if self.json {
            out.report(&self.verdict(Some(&report), None, against, began))?;
        } else {
            let parts = match files.parts.len() {
                1 => String::new(),
                parts => format!("a set of {} parts, ", Count(parts as u64)),
            };
            let line = format!(
                "{}: sound: {parts}{} keys, {}, checked in {:.1} s\n",
                self.index.display(),
                Count(report.keys),
                Bytes(report.bytes),
                began.elapsed().as_secs_f64()
            );
            out.write(line.as_bytes())?;
            if let Some(against) = &against {
                let holds = if against.agrees { "holds" } else { "does NOT hold" };
                let skipped = match against.skipped {
                    0 => String::new(),
                    count => format!("; {} rows of the input were skipped", Count(count)),
                };
                let duplicates = match against.duplicates {
                    0 => String::new(),
                    count => format!(", {} of them duplicates", Count(count)),
                };
                let line = format!(
                    "{holds} what the input holds: {} records{duplicates}{skipped}\n",
                    Count(against.records)
                );
                out.write(line.as_bytes())?;
            }
            out.flush()?;
        }
        if agrees { Ok(()) } else { Err(Failure::Silent(code::FAILED)) }
    }

    fn threads(&self) -> usize {
        self.threads.map_or_else(process::threads, usize::from)
    }

    fn check_inputs(&self) -> Result<(), Failure> {
        if self.against.is_empty() {
            return Ok(());
        }
        let options = self.input.options(KeyKind::Bytes, ValueKind::Bytes)?;
        let (expanded, _) = input_args::sources(&self.against, &options)?;
        if !self.quiet {
            input_args::tell_left_out(&expanded.left_out);
        }
        Ok(())
    }

    fn structure(&self) -> Result<(Files, Report), FileError> {
        // Of a set all parts are open at a time.
        hashlith_builder::open_files(u64::from(hashlith_format::MAX_PARTS) + 64);
        let files = Files::open(&self.index)?;
        let progress = Arc::new(Progress::default());
        let seen = Arc::clone(&progress);
        let _meter = Meter::start(self.quiet, move || Snapshot {
            phase: "checking",
            done: seen.done.load(Ordering::Relaxed),
            total: Some(seen.total.load(Ordering::Relaxed)),
            unit: Unit::Bytes,
            records: None,
        });
        let options = hashlith_checker::Options { threads: self.threads() };
        let report = files.verify(&options, &progress)?;
        Ok((files, report))
    }

    /// Looks every record of the inputs up.
    fn compare(&self, files: &Files, report: &Report) -> Result<AgainstVerdict, Failure> {
        let keys = match report.header.key_type {
            KeyType::Bytes => KeyKind::Bytes,
            KeyType::Text => KeyKind::Text,
        };
        let values = match report.header.value_type {
            ValueType::Bytes => ValueKind::Bytes,
            ValueType::Text => ValueKind::Text,
            ValueType::Json => ValueKind::Json,
        };
        let options = self.input.options(keys, values)?;
        let (Expanded { sources, .. }, formats) = input_args::sources(&self.against, &options)?;
        let duplicates = match self.on_duplicate {
            DuplicateWord::Error => Duplicates::Unexpected,
            DuplicateWord::First | DuplicateWord::Last => Duplicates::Allowed,
        };
        let told = |error| failure(&self.index, &error);
        // With the hot section in memory a lookup is one read.
        let hot_cache = process::available().map_or(512 << 20, |available| available / 4);
        let against_options = AgainstOptions { duplicates, hot_cache };
        let against =
            Against::of_parts(files.parts.iter().map(|(_, file)| file), &against_options).map_err(told)?;
        let differences = Mutex::new(BTreeMap::new());
        let watch = Arc::new(Watch::default());
        let meter = self.comparison_meter(&sources, &watch);
        let new_sink = || Compare { against: &against, differences: &differences };
        let read = hashlith_inputs::read(&sources, &options, self.threads(), new_sink, &watch);
        drop(meter);
        let (summary, _) = read.map_err(|error| match error {
            hashlith_inputs::Error::Sink(error) => failure(&self.index, &error),
            error => Failure::from_error(code::FAILED, "", &error),
        })?;
        let compared = against.finish().map_err(told)?;
        if !compared.agrees() {
            let differences = differences.into_inner().unwrap_or_else(PoisonError::into_inner);
            tell_differences(&self.index, &compared, &differences, &sources, &formats);
        }
        Ok(AgainstVerdict {
            records: compared.records,
            keys: compared.keys,
            duplicates: compared.duplicates,
            absent: compared.absent,
            mismatched: compared.mismatched,
            unseen: compared.unseen,
            skipped: summary.skipped,
            agrees: compared.agrees(),
        })
    }

    fn comparison_meter(&self, sources: &[Source], watch: &Arc<Watch>) -> Meter {
        let total: Option<u64> = sources.iter().map(Source::size).sum();
        let watch = Arc::clone(watch);
        Meter::start(self.quiet, move || Snapshot {
            phase: "comparing",
            done: watch.bytes_done.load(Ordering::Relaxed),
            total,
            unit: Unit::Bytes,
            records: Some(watch.records.load(Ordering::Relaxed)),
        })
    }

    fn verdict(
        &self,
        report: Option<&Report>,
        failed: Option<(&Path, &Error)>,
        against: Option<AgainstVerdict>,
        began: Instant,
    ) -> Verdict {
        let error = failed.map(|(_, error)| error);
        let fault = match error {
            Some(Error::Fault(fault)) => Some(fault),
            _ => None,
        };
        Verdict {
            index: self.index.display().to_string(),
            file: failed.map(|(path, _)| path.display().to_string()),
            ok: error.is_none() && against.as_ref().is_none_or(|against| against.agrees),
            keys: report.map(|report| report.keys),
            cells: report.map(|report| report.cells),
            bytes: report.map(|report| report.bytes),
            rule: fault.map(|fault| fault.rule().to_string()),
            offset: error.and_then(Error::offset),
            error: error.map(ToString::to_string),
            against,
            seconds: began.elapsed().as_secs_f64(),
        }
    }
}

/// The first few differences in the order of the input, whichever thread met them.
type Differences = Mutex<BTreeMap<(u32, u64), Mismatch>>;

struct Compare<'a> {
    against: &'a Against<'a, File>,
    differences: &'a Differences,
}

impl Sink for Compare<'_> {
    type Error = Error;

    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match self.against.check(key, value) {
            Ok(()) => Ok(()),
            Err(Mismatch::Index(error)) => Err(error),
            Err(mismatch) => {
                let mut differences = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
                differences.insert((source, position), mismatch);
                if differences.len() > Against::<File>::SHOWN {
                    differences.pop_last();
                }
                Ok(())
            }
        }
    }
}

fn tell_differences(
    index: &Path,
    compared: &AgainstReport,
    differences: &BTreeMap<(u32, u64), Mismatch>,
    sources: &[Source],
    formats: &[Format],
) {
    let counts = [
        (compared.absent, "records of the input have a key that the index does not have"),
        (compared.mismatched, "records of the input have another value in the index"),
        (compared.unseen, "keys of the index are not in the input"),
    ];
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        tell(&format!("{}: {} {what}", index.display(), Count(*count)));
    }
    for (&(source, position), mismatch) in differences {
        let number = source as usize;
        if let (Some(source), Some(&format)) = (sources.get(number), formats.get(number)) {
            tell(&format!("{}: {mismatch}", hashlith_inputs::describe(source, format, position)));
        }
    }
    for key in &compared.mismatched_keys {
        tell(&format!("key {key} has none of its values of the input in the index"));
    }
    for key in &compared.unseen_keys {
        tell(&format!("key {key} of the index is not in the input"));
    }
    tell("the index was built from other records, or with other options; build it again");
}

/// Why an index was not found to be right.
pub fn failure(index: &Path, error: &Error) -> Failure {
    match error {
        Error::Fault(fault) => open::corrupt(index, fault),
        Error::Open { source } => Failure::io("open", index, source),
        error => Failure::from_error(code::FAILED, index.display(), error),
    }
}
