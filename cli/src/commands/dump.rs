//! `hashlith dump`: writes all records in a format that `build` reads.

use crate::{
    failure::Failure,
    open::{self, Access},
    output::Output,
};
use hashlith::{DumpFormat, dump};
use std::path::PathBuf;

/// Write all records of an index, in a format that build reads
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith dump my.hlith | head
  hashlith dump my.hlith --format jsonl | zstd > my.jsonl.zst
  hashlith dump my.hlith --format cdbmake > any-bytes.cdbmake

The records come in the order of the file, which has no meaning. If the format cannot hold a record
(a newline in a TSV value, bytes in JSON that are not text), the dump fails with a message that
names its key; the records before it have been written. If keys are left out of the index, their
dense ids are written instead.")]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Format to write; cdbmake can hold any bytes
    #[arg(long, default_value = "tsv", value_parser = ["tsv", "jsonl", "cdbmake"])]
    format: String,
    /// TSV: write TAB, newline, CR and backslash as \t, \n, \r and \\ (and build with --escape)
    #[arg(long)]
    escape: bool,
}

impl Args {
    /// Writes all records.
    pub fn run(self) -> Result<(), Failure> {
        let format = match self.format.as_str() {
            "jsonl" => DumpFormat::Jsonl,
            "cdbmake" => DumpFormat::Cdbmake,
            _ => DumpFormat::Tsv { escape: self.escape },
        };
        if self.escape && !matches!(format, DumpFormat::Tsv { .. }) {
            return Err(Failure::usage("--escape is for --format tsv: the other formats need no escapes"));
        }
        let index = open::open(&self.index, Access::Whole)?;
        let mut out = Output::new();
        dump(&index, format, &mut out)?;
        out.flush()
    }
}
