//! `hashlith merge` and `hashlith split`: from indexes to another index or set.

use crate::build_report::Report;
use crate::building::{self, Settings, after_feeding, builder_failure};
use crate::commands::build::parse_metadata;
use crate::failure::{Failure, code};
use crate::input_args::DuplicateWord;
use crate::meter::{Meter, Snapshot, Unit};
use crate::open::{self, Access};
use crate::output::Output;
use crate::signals::Signals;
use crate::size;
use crate::supervising::supervise;
use hashlith_builder::{Builder, OnDuplicate, Place, can_recut};
use hashlith_format::Header;
use hashlith_inputs::Summary;
use hashlith_reader::{Index, Mapping, Part};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Make one index, or one set, of several
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith merge monday.hlith tuesday.hlith -o both.hlith --on-duplicate last
  hashlith merge my-set/ -o one-file.hlith
  hashlith merge part-*.hlith -o my-set/ --parts 8

Inputs are index files, sets, and parts of sets, of which all must be there. They are verified first. Where the
cells stay the same, as when a set becomes one file, they are copied; otherwise the records are built anew.")]
pub struct Merge {
    /// Index files, sets (directories), or all part files of a set
    #[arg(required = true, value_name = "INDEX")]
    inputs: Vec<PathBuf>,
    /// Make a set of this many files instead of one file; the output is its directory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    parts: Option<u32>,
    /// What to do when a key is in more than one: end with an error, or keep that of the first or of the last
    #[arg(long, value_enum, value_name = "POLICY", default_value = "error")]
    on_duplicate: DuplicateWord,
    #[command(flatten)]
    common: Common,
}

/// Cut an index into the files of a set
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  hashlith split my.hlith --parts 8 -o my-set/

The set is a directory, and is used like a file. The input is verified first. With 2, 4, 8, ... parts its cells are
copied; otherwise the records are built anew.")]
pub struct Split {
    /// An index file, or a set that is to be cut otherwise
    #[arg(value_name = "INDEX")]
    input: PathBuf,
    /// Number of files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    parts: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Common {
    /// The index, or the directory of the set, to write
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Memory to use, such as 512M, 4G or 1GiB [default: half of what is available]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    memory: Option<u64>,
    /// Number of threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder for temporary files [default: that of the output]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// A JSON object to store in the output [default: that of the inputs, if it is the same in all]
    #[arg(long, value_name = "JSON", value_parser = parse_metadata)]
    metadata: Option<String>,
    /// Write the report as JSON to standard output
    #[arg(long)]
    json: bool,
    /// No progress and no report, only errors
    #[arg(short, long)]
    quiet: bool,
}

impl Merge {
    /// Merges.
    pub fn run(self) -> Result<(), Failure> {
        self.common.run(&self.inputs, self.parts, self.on_duplicate)
    }
}

impl Split {
    /// Splits.
    pub fn run(self) -> Result<(), Failure> {
        self.common.run(&[self.input], Some(self.parts), DuplicateWord::Error)
    }
}

impl Common {
    fn run(self, inputs: &[PathBuf], parts: Option<u32>, on_duplicate: DuplicateWord) -> Result<(), Failure> {
        let began = Instant::now();
        let dir = building::output_dir(&self.output, parts.is_some())?;
        let inputs = Inputs::open(inputs)?;
        let first = inputs.first()?;
        let metadata = match &self.metadata {
            Some(metadata) => metadata.clone(),
            None => inputs.metadata()?,
        };
        let settings = Settings {
            memory: self.memory,
            threads: self.threads.map(usize::from),
            temp_dir: self.temp_dir.clone(),
            on_duplicate: on_duplicate.policy(),
            fingerprint_bits: first.fingerprint_bits,
            hasher: first.hasher,
            metadata,
            parts,
            part: None,
        };
        let mut builder = settings.builder_of(first.key_type, first.value_type, &dir);
        builder = builder.expected_bytes(if on_duplicate.policy() == OnDuplicate::Error {
            inputs.bytes()
        } else {
            0
        });
        let failure = {
            let names = inputs.paths.concat();
            move |error: &hashlith_builder::Error| builder_failure(error, &|place| place_in(&names, place))
        };
        builder.preflight(&self.output).map_err(|error| failure(&error))?;

        let cannot = |what: &'static str| move |error| Failure::new(format!("cannot {what}: {error}"));
        let signals = Signals::catch().map_err(cannot("watch for signals"))?;
        let progress = builder.progress();
        let checking = Arc::new(hashlith_checker::Progress::default());
        let (shown, seen, total) = (Arc::clone(&progress), Arc::clone(&checking), inputs.bytes());
        let meter = Meter::start(self.quiet, move || {
            after_feeding(&shown).unwrap_or_else(|| Snapshot {
                phase: "checking",
                done: seen.done.load(Ordering::Relaxed),
                total: Some(total),
                unit: Unit::Bytes,
                records: Some(shown.event().done).filter(|&records| records > 0),
            })
        });
        let (output, work_signals) = (self.output.clone(), signals.clone());
        let cancelled = Arc::clone(&checking);
        let input_bytes = inputs.bytes();
        let work = move || {
            let interrupted = |failure| work_signals.came().map_or(failure, Failure::Signal);
            inputs.verify(settings.threads(), &cancelled).map_err(&interrupted)?;
            let built = inputs.write(builder, parts.unwrap_or(1), &output, settings.threads());
            built.map_err(|error| {
                interrupted(match error {
                    Stopped::Build(error) => failure(&error),
                    Stopped::Read(failure) => failure,
                })
            })
        };
        let watched = Arc::clone(&progress);
        let cancel = move || {
            checking.cancel.store(true, Ordering::Relaxed);
            progress.cancel();
        };
        let report = supervise(work, &signals, cancel, || building::is_reading(&watched));
        drop(meter);
        let report = report?;
        let mut read = Summary::default();
        (read.records, read.bytes) = (report.records, input_bytes);
        let report = Report::new(&self.output, &report, &read, began.elapsed());
        match (self.json, self.quiet) {
            (true, _) => Output::new().report(&report),
            (false, false) => {
                report.write_table();
                Ok(())
            }
            (false, true) => Ok(()),
        }
    }
}

/// Where a record came from: `monday.hlith, record 17`.
fn place_in(names: &[PathBuf], place: &Place) -> String {
    let name = names.get(place.source as usize).map(|name| name.display().to_string()).unwrap_or_default();
    format!("{name}, record {}", place.position)
}

enum Stopped {
    Build(hashlith_builder::Error),
    Read(Failure),
}

impl From<hashlith_builder::Error> for Stopped {
    fn from(error: hashlith_builder::Error) -> Self {
        Stopped::Build(error)
    }
}

/// What is merged: whole indexes.
struct Inputs {
    indexes: Vec<Index<Mapping>>,
    /// The files of each.
    paths: Vec<Vec<PathBuf>>,
}

impl Inputs {
    fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut inputs = Inputs { indexes: Vec::new(), paths: Vec::new() };
        // Parts that were named one by one, all of a set in any order, are the input that the first of them is.
        let mut lone: Vec<(PathBuf, Index<Mapping>)> = Vec::new();
        let mut lone_place = 0;
        for path in paths {
            let index = open::open(path, Access::Whole)?;
            if !index.is_whole() {
                if lone.is_empty() {
                    lone_place = inputs.indexes.len();
                }
                lone.push((path.clone(), index));
                continue;
            }
            inputs.paths.push(open::part_paths(path, &index));
            inputs.indexes.push(index);
        }
        if let Some(first) = lone.first().map(|(_, index)| *index.first_header()) {
            lone.sort_by_key(|(_, index)| index.first_header().part);
            check_parts(&lone, &first)?;
            let (paths, parts): (Vec<_>, Vec<_>) = lone.into_iter().unzip();
            inputs.paths.insert(lone_place, paths);
            inputs.indexes.insert(lone_place, Index::join(parts));
        }
        Ok(inputs)
    }

    fn first(&self) -> Result<Header, Failure> {
        let types = |header: &Header| (header.key_type, header.value_type);
        let headers: Vec<Header> = self.indexes.iter().map(|index| *index.first_header()).collect();
        let first = *headers.first().ok_or_else(|| Failure::usage("there is nothing to merge"))?;
        let name = |number: usize| self.paths.get(number).and_then(|paths| paths.first());
        let shown = |number| name(number).map(|name| name.display().to_string()).unwrap_or_default();
        match headers.iter().position(|header| types(header) != types(&first)) {
            None => Ok(first),
            Some(number) => Err(Failure::new(format!(
                "{} has another type of keys or values than {}: dump it and build it anew with the type of the other",
                shown(number),
                shown(0)
            ))),
        }
    }

    fn metadata(&self) -> Result<String, Failure> {
        let mut all = self.indexes.iter().map(Index::metadata);
        let first = all.next().unwrap_or_default();
        if all.any(|other| other != first) {
            return Err(Failure::new(
                "the inputs have different metadata: give that of the output (--metadata)",
            ));
        }
        Ok(String::from_utf8_lossy(first).into_owned())
    }

    fn bytes(&self) -> u64 {
        self.indexes.iter().map(Index::bytes).sum()
    }

    /// All files, in order.
    fn parts(&self) -> impl Iterator<Item = (&PathBuf, &Part<Mapping>)> {
        self.paths.iter().zip(&self.indexes).flat_map(|(paths, index)| paths.iter().zip(index.parts()))
    }

    /// What is copied must be right: its new sums would hide what is wrong.
    fn verify(&self, threads: usize, progress: &hashlith_checker::Progress) -> Result<(), Failure> {
        let options = hashlith_checker::Options { threads };
        for (path, part) in self.parts() {
            let checked = hashlith_checker::verify(part.as_bytes(), &options, progress);
            checked.map_err(|error| super::verify::failure(path, &error))?;
        }
        Ok(())
    }

    fn write(
        &self,
        mut builder: Builder,
        parts: u32,
        output: &Path,
        threads: usize,
    ) -> Result<hashlith_builder::Report, Stopped> {
        if let [only] = self.indexes.as_slice() {
            let headers: Vec<Header> = only.parts().iter().map(|part| *part.header()).collect();
            if can_recut(&headers, parts) {
                let files: Vec<&[u8]> = only.parts().iter().map(Part::as_bytes).collect();
                return Ok(builder.finish_recut(&files, output)?);
            }
        }
        let next = AtomicUsize::new(0);
        let parts: Vec<_> = self.parts().collect();
        let failed = Mutex::new(None);
        let feeders = (0..threads).map(|_| builder.feeder()).collect::<Result<Vec<_>, _>>()?;
        std::thread::scope(|scope| {
            for mut feeder in feeders {
                let (next, parts, failed) = (&next, &parts, &failed);
                let feed = move || -> Result<(), Stopped> {
                    loop {
                        // The number of a file is that of the source of its records.
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some((path, part)) = parts.get(number) else { break };
                        for record in part.alone().iter() {
                            let record =
                                record.map_err(|error| Stopped::Read(open::corrupt(path, &error)))?;
                            feeder.add_from(number as u32, record.id + 1, record.key, record.value)?;
                        }
                    }
                    Ok(feeder.finish()?)
                };
                scope.spawn(move || {
                    if let Err(error) = feed() {
                        // The others need not begin another file.
                        next.store(parts.len(), Ordering::Relaxed);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(builder.finish(output)?),
        }
    }
}

/// All parts of one set, which are sorted by their numbers.
fn check_parts(parts: &[(PathBuf, Index<Mapping>)], first: &Header) -> Result<(), Failure> {
    let fail = |message: String| Err(Failure::with_code(code::FAILED, message));
    let facts = |header: &Header| (header.parts, header.hasher, header.key_type, header.value_type);
    for (number, (path, index)) in (0..).zip(parts) {
        let header = index.first_header();
        let shown = path.display();
        if facts(header) != facts(first) {
            return fail(format!(
                "{shown} is a part of another set than {}: merge one set after the other",
                parts.first().map(|(path, _)| path.display().to_string()).unwrap_or_default()
            ));
        }
        if header.part < number {
            return fail(format!(
                "{shown} is part {} of {}, and so is another: name each part once",
                header.part, header.parts
            ));
        }
        if header.part > number {
            return fail(format!("part {number} of {} is missing: name all parts of the set", header.parts));
        }
    }
    match u32::try_from(parts.len()) {
        Ok(count) if count == first.parts => Ok(()),
        _ => fail(format!("part {} of {} is missing: name all parts of the set", parts.len(), first.parts)),
    }
}
