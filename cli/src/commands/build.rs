//! `hashlith build`: builds an index from files of records.

use crate::{
    arguments::{InputArgs, OutputArgs, on_duplicate, parse_metadata, tell_left_out, word},
    failure::Failure,
    report::BuildView,
    signals::Signals,
    stdin_pump::{self, StdinPump},
    supervising::supervise,
};
use hashlith::{Compress, FileBuild, HashName, KeyType, Meter, OnDuplicate, Seed, ValueType};
use std::path::PathBuf;

/// Build an index from files of records
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith build my-pickles/ -o my.hlith
  hashlith build words.tsv.gz more.tsv -o words.hlith
  hashlith build table.csv --key-column id --value-column name -o names.hlith
  xzcat big.jsonl.xz | hashlith build - --format jsonl --key-field id -o big.hlith --memory 2G

The output gets its name only when it is complete, and then replaces an old file of that name in
one step. It keeps the mode, owner and group of the old file, as far as you may set them, and a
link is followed. If the build fails, the old file is unchanged.")]
pub struct Args {
    /// Files, folders, or - for standard input. Of a folder, all files in and below it with a known extension are
    /// read (with --format all files), in the order of their paths
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The index to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Make a set of this many files instead of one file; the output is its directory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    parts: Option<u32>,
    /// What to do when a key occurs twice: fail; keep the first or the last record in the order of the input; `unique`: keep
    /// one if the values are equal, otherwise fail; `collect`: keep the text or JSON values of each key as a JSON array
    #[arg(long, value_name = "POLICY", default_value = "error", value_parser = on_duplicate())]
    on_duplicate: OnDuplicate,
    /// Make the file smaller: `on` stores keys and values as codes of tokens that are learnt from a sample, where that
    /// saves a tenth; `fast` with fewer tokens, in less time
    #[arg(long, value_name = "LEVEL", default_value = "off", value_parser = word::<Compress>(Compress::NAMES))]
    compress: Compress,
    /// Hash of the keys: xxh3 is faster; siphash has a random 128-bit key, for keys that strangers choose
    #[arg(long, value_name = "HASH", default_value = "xxh3", value_parser = word::<HashName>(HashName::NAMES))]
    hash: HashName,
    /// Seed of the hash: a number, or `random` [default: 0 for xxh3, random for siphash]
    #[arg(long, value_name = "N|random")]
    seed: Option<Seed>,
    /// Bits of a key's fingerprint, 1 to 16: one lookup of an absent key in 2^BITS reads a record [default: 8]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(1..=16))]
    fingerprint_bits: Option<u32>,
    /// With --keys none: how many bits of its hash stand for each key, 8 to 64. A key that is not in the index is taken for
    /// one that is, once in 2^BITS times [default: 32]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(8..=64))]
    check_bits: Option<u32>,
    /// A JSON object to store in the index, for your own notes; `info` shows it
    #[arg(long, value_name = "JSON", value_parser = parse_metadata)]
    metadata: Option<String>,
    #[command(flatten)]
    resources: OutputArgs,
    #[command(flatten)]
    input: InputArgs,
}

impl Args {
    /// Builds the index.
    pub fn run(self) -> Result<(), Failure> {
        let options = self.input.options(KeyType::Text, ValueType::Text)?;
        let mut builder = self
            .resources
            .builder()
            .on_duplicate(self.on_duplicate)
            .compress(self.compress)
            .hasher(self.hash.hasher(self.seed).map_err(Failure::usage)?)
            .metadata(self.metadata.unwrap_or_default());
        if let Some(bits) = self.fingerprint_bits {
            builder = builder.fingerprint_bits(bits);
        }
        if let Some(bits) = self.check_bits {
            builder = builder.check_bits(bits);
        }
        if let Some(parts) = self.parts {
            builder = builder.parts(parts);
        }
        let build = FileBuild::new(&self.output, &self.inputs, options, builder)?;
        let OutputArgs { json, quiet, .. } = self.resources;
        if !quiet {
            tell_left_out(build.sources());
        }
        let signals = Signals::catch()?;
        let cannot_read = |error| Failure::new(format!("cannot read standard input: {error}"));
        let pump = match build.sources().reads_stdin() {
            true => stdin_pump::start(signals.clone()).map_err(cannot_read)?,
            false => StdinPump::default(),
        };
        let progress = build.progress();
        let meter = Meter::start(quiet, build.progress());
        let heard = signals.clone();
        let work = move || {
            build.run_if(|| match (heard.came(), pump.take_error()) {
                (Some(number), _) => Err(Failure::Signal(number)),
                (None, Some(error)) => Err(cannot_read(error)),
                (None, None) => Ok(()),
            })
        };
        let done = supervise(work, &signals, &progress);
        drop(meter);
        BuildView::new(&done?).write(json, quiet)
    }
}
