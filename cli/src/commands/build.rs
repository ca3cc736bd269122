//! `hashlith build`: from files of records to an index.

use crate::building::{Intake, builder_failure, sampler, supervise};
use crate::failure::Failure;
use crate::input_args::{self, DuplicateWord, InputArgs};
use crate::meter::Meter;
use crate::output::Output;
use crate::signals::Signals;
use crate::stdin_pump::{self, StdinPump};
use crate::{build_report, process, size};
use hashlith_builder::{Builder, OnDuplicate};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Format, KeyKind, OnError, Source, ValueKind, Watch};
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use std::{fs, io};

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
    #[arg(long, value_enum, value_name = "POLICY", default_value = "error")]
    on_duplicate: DuplicateWord,
    /// Seed of the hash: a number, or `random` for keys that strangers choose
    #[arg(long, value_name = "N|random", default_value = "0", value_parser = parse_seed)]
    seed: u64,
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

fn parse_seed(text: &str) -> Result<u64, String> {
    if text == "random" {
        // The standard library's hash keys come from the system's random numbers.
        return Ok(std::hash::RandomState::new().build_hasher().finish());
    }
    text.parse().map_err(|_| "write a number from 0 to 18446744073709551615, or `random`".to_owned())
}

fn parse_metadata(text: &str) -> Result<String, String> {
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
        // What the system does not tell ahead goes wrong late: folders and names are looked at before any work.
        let dir = output_dir(&self.output)?;
        let temp_dir = self.temp_dir.clone().unwrap_or_else(|| dir.to_owned());
        let options = self.input.options(KeyKind::Text, ValueKind::Text, Some(&temp_dir))?;
        let (sources, formats) = input_args::sources(&self.inputs, &options, self.quiet)?;
        refuse_input_as_output(&self.output, &sources)?;

        let signals =
            Signals::catch().map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))?;
        let threads = self.threads.map_or_else(process::threads, usize::from);
        let mut builder = self.builder(&options, threads, temp_dir);
        if options.on_error == OnError::Stop && !options.escape {
            builder = builder.expected_bytes(self.least_bytes(&sources, &formats));
        }
        builder.preflight(&self.output).map_err(|error| builder_failure(error, &sources, &formats))?;
        let pump = match sources.contains(&Source::Stdin) {
            true => stdin_pump::start(signals.clone())
                .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?,
            false => StdinPump::default(),
        };

        let progress = builder.progress();
        let watch = Arc::new(Watch::default());
        let meter = Meter::start(self.quiet, sampler(&sources, &watch, &progress));
        let output = self.output.clone();
        let shared_watch = Arc::clone(&watch);
        let work_signals = signals.clone();
        let work = move || {
            let intake = Intake { sources: &sources, formats: &formats, options: &options, threads };
            intake.read(builder, &shared_watch, &pump, &work_signals, &output)
        };
        let done = supervise(work, &signals, &watch, &progress);
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

    fn builder(&self, options: &hashlith_inputs::Options, threads: usize, temp_dir: PathBuf) -> Builder {
        let on_duplicate = match self.on_duplicate {
            DuplicateWord::Error => OnDuplicate::Error,
            DuplicateWord::First => OnDuplicate::First,
            DuplicateWord::Last => OnDuplicate::Last,
        };
        let key_type = match options.keys {
            KeyKind::Text => KeyType::Text,
            KeyKind::Bytes => KeyType::Bytes,
        };
        let value_type = match options.values {
            ValueKind::Text => ValueType::Text,
            ValueKind::Bytes => ValueType::Bytes,
            ValueKind::Json => ValueType::Json,
        };
        Builder::new()
            .memory_limit(self.memory.unwrap_or_else(|| default_memory(threads)))
            .threads(threads)
            .temp_dir(temp_dir)
            .on_duplicate(on_duplicate)
            .key_type(key_type)
            .value_type(value_type)
            .fingerprint_bits(self.fingerprint_bits)
            .seed(self.seed)
            .metadata(self.metadata.clone().unwrap_or_default())
    }

    /// How many bytes of records there are at least, as far as file sizes tell: for the check of free space, which
    /// must not refuse what would have fitted.
    fn least_bytes(&self, sources: &[Source], formats: &[Format]) -> u64 {
        let least = |source: &Source, format: &Format| {
            let plain = matches!(source, Source::Path(path) if !path.extension().is_some_and(is_packed));
            match (format, source.size().filter(|_| plain)) {
                // A TAB and a newline become two lengths and the share of the hot section.
                (Format::Tsv, Some(bytes)) => bytes / 10 * 9,
                // Old protocols and short records have more around the records than in them.
                (Format::Pickle | Format::Cdbmake, Some(bytes)) => bytes / 3,
                _ => 0,
            }
        };
        match self.on_duplicate {
            DuplicateWord::Error => {
                sources.iter().zip(formats).map(|(source, format)| least(source, format)).sum()
            }
            // Nobody knows how many will be dropped.
            DuplicateWord::First | DuplicateWord::Last => 0,
        }
    }
}

fn is_packed(extension: &OsStr) -> bool {
    ["gz", "zst", "zstd"].iter().any(|packed| extension.eq_ignore_ascii_case(packed))
}

/// Half of what is available, so that the page cache and the neighbours have the other half.
fn default_memory(threads: usize) -> u64 {
    let least = Builder::smallest_memory(threads).max(256 << 20);
    process::available().map_or(1 << 30, |available| (available / 2).max(least))
}

/// The folder of the output, which must be there.
fn output_dir(output: &Path) -> Result<&Path, Failure> {
    if output.is_dir() {
        let name = output.join("index.hlith");
        let (output, name) = (output.display(), name.display());
        return Err(Failure::new(format!("{output} is a directory: name a file, for example -o {name}")));
    }
    // A rename would put a file in the place of a device or pipe: /dev/null, /dev/stdout.
    if output == Path::new("-") || fs::metadata(output).is_ok_and(|found| !found.is_file()) {
        let output = output.display();
        return Err(Failure::new(format!(
            "cannot write to {output}: an index has to be a file; name one with -o"
        )));
    }
    let dir = output.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(dir),
        Ok(_) => Err(Failure::new(format!(
            "cannot write {}: {} is not a directory; choose another place",
            output.display(),
            dir.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::new(format!(
            "cannot write {}: the directory {} does not exist; make it first (mkdir -p) or choose another place",
            output.display(),
            dir.display()
        ))),
        Err(error) => Err(Failure::io("write to", dir, &error)),
    }
}

/// An index written over its own input would destroy it.
fn refuse_input_as_output(output: &Path, sources: &[Source]) -> Result<(), Failure> {
    let Ok(output_is) = fs::metadata(output) else { return Ok(()) };
    for source in sources {
        let same = match source {
            Source::Path(path) => fs::metadata(path)
                .is_ok_and(|input| (input.dev(), input.ino()) == (output_is.dev(), output_is.ino())),
            _ => rustix::fs::fstat(io::stdin())
                .is_ok_and(|input| (input.st_dev, input.st_ino) == (output_is.dev(), output_is.ino())),
        };
        if same {
            let (output, source) = (output.display(), source.name());
            return Err(Failure::new(format!(
                "the output {output} is the same file as the input {source}: choose another name for the output"
            )));
        }
    }
    Ok(())
}
