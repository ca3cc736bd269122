//! `hashlith merge` and `hashlith split`: make an index or a set from others.

use crate::{
    arguments::{OutputArgs, on_duplicate, parse_metadata},
    failure::Failure,
    open::{self, Access},
    report::BuildView,
    signals::Signals,
    supervising::supervise,
};
use hashlith::{Meter, OnDuplicate};
use std::path::PathBuf;

/// Make one index, or one set, from several indexes
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith merge monday.hlith tuesday.hlith -o both.hlith --on-duplicate last
  hashlith merge my-set/ -o one-file.hlith
  hashlith merge part-*.hlith -o my-set/ --parts 8

Inputs are index files, sets, and all part files of a set. They are verified first. If all cells
stay the same, for example when a set becomes one file, merge copies them; otherwise it builds the
index again from the records.")]
pub struct Merge {
    /// Index files, sets (directories), or all part files of a set
    #[arg(required = true, value_name = "INDEX")]
    inputs: Vec<PathBuf>,
    /// Make a set of this many files instead of one file; the output is its directory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    parts: Option<u32>,
    /// What to do when a key is in more than one input: fail; keep the record of the first or of the last; `unique`: keep it if
    /// the values are equal, otherwise fail; `collect`: keep the text or JSON values of each key as a JSON array
    #[arg(long, value_name = "POLICY", default_value = "error", value_parser = on_duplicate())]
    on_duplicate: OnDuplicate,
    #[command(flatten)]
    common: Common,
}

/// Split an index into the files of a set
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  hashlith split my.hlith --parts 8 -o my-set/

The set is a directory, and is used like a file. The input is verified first. With 2, 4, 8, ...
parts split copies the cells of a large index, if the parts can have equally many; otherwise it builds
the set again.")]
pub struct Split {
    /// An index file, or a set with another number of files
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
    /// A JSON object to store in the output [default: that of the inputs, if all have the same]
    #[arg(long, value_name = "JSON", value_parser = parse_metadata)]
    metadata: Option<String>,
    #[command(flatten)]
    resources: OutputArgs,
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
        self.common.run(&[self.input], Some(self.parts), OnDuplicate::Error)
    }
}

impl Common {
    fn run(self, inputs: &[PathBuf], parts: Option<u32>, on_duplicate: OnDuplicate) -> Result<(), Failure> {
        let OutputArgs { json, quiet, .. } = self.resources;
        let mut builder =
            self.resources.builder().on_duplicate(on_duplicate).metadata(self.metadata.unwrap_or_default());
        if let Some(parts) = parts {
            builder = builder.parts(parts);
        }
        let inputs = inputs.iter().map(|path| open::open(path, Access::Whole)).collect::<Result<_, _>>()?;
        let merge = hashlith::Merge::new(inputs, &self.output, builder)?;
        let signals = Signals::catch()?;
        let progress = merge.progress();
        let meter = Meter::start(quiet, merge.progress());
        let done = supervise(move || merge.run().map_err(Failure::from), &signals, &progress);
        drop(meter);
        BuildView::new(&done?).write(json, quiet)
    }
}
