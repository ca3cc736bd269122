//! `hashlith verify`: checks every byte of an index, and compares it with its inputs.

use crate::{
    arguments::{InputArgs, on_duplicate, tell_left_out},
    failure::{Failure, code, tell},
    open::{Access, open},
    output::Output,
};
use hashlith::{
    Comparison, Duplicates, Error, KeyType, Meter, OnDuplicate, Progress, Sources, ValueType, Verified,
    VerifyOptions, available_threads, check_path, verify,
};
use indicatif::{BinaryBytes as Bytes, HumanCount as Count};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc, time::Instant};

/// Check every byte of an index, and compare it with its inputs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith verify my.hlith
  hashlith verify my.hlith --against my-pickles/

Checks all sums, that each record is where its slot says, and that each key finds its record.
With --against it also looks up every record of the inputs, and every key of the index must be in
one of them. Exit code 4: the index is damaged; 1: it is sound, but differs from the inputs.")]
#[command(mut_group("InputArgs", |group| group.requires("against")))]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Files, folders or - that the index was built from
    #[arg(long, num_args = 1.., value_name = "INPUT")]
    against: Vec<PathBuf>,
    /// The policy that the index was built with: with `first` and `last` a key may occur with several values, and the
    /// index may hold any of them. What `collect` has made cannot be compared: build it again, the bytes are the same
    #[arg(long, value_name = "POLICY", default_value = "error", requires = "against", value_parser = on_duplicate())]
    on_duplicate: OnDuplicate,
    /// Number of threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    /// Print nothing but faults
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    input: InputArgs,
}

/// The result as JSON.
#[derive(Default, Serialize)]
struct Verdict {
    index: String,
    /// The file at fault, if there is one.
    file: Option<String>,
    ok: bool,
    keys: Option<u64>,
    cells: Option<u64>,
    bytes: Option<u64>,
    /// Each key was looked up: false for keys that are left out, unless the inputs name them.
    keys_proved: Option<bool>,
    /// The broken rule of spec.md section 9 or 15.
    rule: Option<String>,
    /// Where the fault is, in bytes.
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
        let duplicates = self.duplicates()?;
        check_path(&self.index)?;
        // Wrong names are reported before the long check.
        let sources = match self.against.is_empty() {
            true => None,
            false => Some(self.sources()?),
        };
        let progress = Arc::new(Progress::new());
        let meter = Meter::start(self.quiet, Arc::clone(&progress));
        let verified = verify(&self.index, &VerifyOptions { threads: self.threads() }, &progress);
        drop(meter);
        let verified = verified.or_else(|error| self.report_fault(error, began))?;
        for path in verified.left_over().iter().filter(|_| !self.quiet) {
            tell(&format!(
                "{} is not part of this set: a killed or a running build has left it there",
                path.display()
            ));
        }
        let meter = sources.as_ref().map(|_| Meter::start(self.quiet, Arc::clone(&progress)));
        let comparison =
            sources.map(|sources| self.compare(&verified, &sources, duplicates, &progress)).transpose()?;
        drop(meter);
        if let Some(comparison) = comparison.as_ref().filter(|comparison| !comparison.report.agrees()) {
            self.tell_differences(comparison);
        }
        let agrees = comparison.as_ref().is_none_or(|comparison| comparison.report.agrees());
        match self.json {
            true => self.write_json(&verified, comparison, began)?,
            false if self.quiet => {}
            false => self.write_lines(&verified, comparison.as_ref(), began)?,
        }
        if agrees { Ok(()) } else { Err(Failure::Silent(code::FAILED)) }
    }

    /// What is expected of several records with the same key.
    fn duplicates(&self) -> Result<Duplicates, Failure> {
        match self.on_duplicate {
            OnDuplicate::Error | OnDuplicate::Unique => Ok(Duplicates::Unexpected),
            OnDuplicate::First | OnDuplicate::Last => Ok(Duplicates::Allowed),
            OnDuplicate::Collect => Err(Failure::usage(
                "collected values cannot be compared with records: build the index again with the same options, and compare \
                 the two files, which have the same bytes",
            )),
        }
    }

    fn threads(&self) -> usize {
        self.threads.map_or_else(available_threads, usize::from)
    }

    fn sources(&self) -> Result<Sources, Failure> {
        // One that cannot be opened is reported by the check.
        let (keys, values) =
            open(&self.index, Access::Whole).map_or((KeyType::Bytes, ValueType::Bytes), |index| {
                let header = index.first_header();
                (header.key_type, header.value_type)
            });
        let options = self.input.options(keys, values)?;
        let sources = Sources::expand(&self.against, &options).map_err(Error::from)?;
        if !self.quiet {
            tell_left_out(&sources);
        }
        Ok(sources)
    }

    /// With --json, a damaged index is a result too.
    fn report_fault(&self, error: Error, began: Instant) -> Result<Verified, Failure> {
        if self.json {
            let mut verdict = Verdict {
                index: self.index.display().to_string(),
                seconds: began.elapsed().as_secs_f64(),
                error: Some(error.to_string()),
                ..Verdict::default()
            };
            match &error {
                Error::Corrupt { path, fault } => {
                    verdict.file = Some(path.display().to_string());
                    verdict.rule = Some(fault.rule().to_string());
                    verdict.offset = Some(fault.offset());
                    verdict.error = Some(fault.to_string());
                }
                Error::Check { path, source } => {
                    verdict.file = Some(path.display().to_string());
                    verdict.offset = source.offset();
                    verdict.error = Some(source.to_string());
                }
                Error::Io { path, .. } => verdict.file = Some(path.display().to_string()),
                _ => {}
            }
            Output::new().report(&verdict)?;
        }
        Err(error.into())
    }

    /// Looks up every record of the inputs.
    fn compare(
        &self,
        verified: &Verified,
        sources: &Sources,
        duplicates: Duplicates,
        progress: &Progress,
    ) -> Result<Comparison, Failure> {
        let header = &verified.report.header;
        let options = self.input.options(header.key_type, header.value_type)?;
        Ok(verified.against(sources, &options, duplicates, self.threads(), progress)?)
    }

    fn write_json(
        &self,
        verified: &Verified,
        comparison: Option<Comparison>,
        began: Instant,
    ) -> Result<(), Failure> {
        let against = comparison.map(|Comparison { report, skipped, .. }| AgainstVerdict {
            records: report.records,
            keys: report.keys,
            duplicates: report.duplicates,
            absent: report.absent,
            mismatched: report.mismatched,
            unseen: report.unseen,
            skipped,
            agrees: report.agrees(),
        });
        Output::new().report(&Verdict {
            index: self.index.display().to_string(),
            ok: against.as_ref().is_none_or(|against| against.agrees),
            keys: Some(verified.report.keys),
            cells: Some(verified.report.cells),
            bytes: Some(verified.report.bytes),
            keys_proved: Some(!verified.report.header.keys_left_out() || against.is_some()),
            against,
            seconds: began.elapsed().as_secs_f64(),
            ..Verdict::default()
        })
    }

    fn write_lines(
        &self,
        verified: &Verified,
        comparison: Option<&Comparison>,
        began: Instant,
    ) -> Result<(), Failure> {
        let mut out = Output::new();
        let parts = match verified.files().count() {
            1 => String::new(),
            parts => format!("a set of {} parts, ", Count(parts as u64)),
        };
        let line = format!(
            "{}: sound: {parts}{} keys, {}, checked in {:.1} s\n",
            self.index.display(),
            Count(verified.report.keys),
            Bytes(verified.report.bytes),
            began.elapsed().as_secs_f64()
        );
        out.write(line.as_bytes())?;
        if verified.report.header.keys_left_out() && comparison.is_none() {
            let line = "its keys are left out: only --against INPUT proves that each of them is there\n";
            out.write(line.as_bytes())?;
        }
        if let Some(Comparison { report, skipped, .. }) = comparison {
            let holds = if report.agrees() { "holds" } else { "does NOT hold" };
            let skipped = match skipped {
                0 => String::new(),
                &count => format!("; {} rows of the input were skipped", Count(count)),
            };
            let duplicates = match report.duplicates {
                0 => String::new(),
                count => format!(", {} of them duplicates", Count(count)),
            };
            let records = Count(report.records);
            let line = format!("{holds} what the input holds: {records} records{duplicates}{skipped}\n");
            out.write(line.as_bytes())?;
        }
        out.flush()
    }

    fn tell_differences(&self, Comparison { report, differences, .. }: &Comparison) {
        let counts = [
            (report.absent, "records of the input have a key that the index does not have"),
            (report.mismatched, "records of the input have another value in the index"),
            (report.unseen, "keys of the index are not in the input"),
        ];
        for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
            tell(&format!("{}: {} {what}", self.index.display(), Count(*count)));
        }
        for (place, mismatch) in differences {
            tell(&format!("{place}: {mismatch}"));
        }
        for key in &report.mismatched_keys {
            tell(&format!("key {key} has another value in the index than in the input"));
        }
        for key in &report.unseen_keys {
            tell(&format!("key {key} of the index is not in the input"));
        }
        tell("the index was built from other records, or with other options; build it again");
    }
}
