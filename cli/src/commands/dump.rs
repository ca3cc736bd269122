//! `hashlith dump`: all records, in a format that `build` reads.

use crate::escaped::{Lines, shown};
use crate::failure::Failure;
use crate::open::{self, Access};
use crate::output::Output;
use clap::ValueEnum;
use hashlith_format::ValueType;
use std::io::Write;
use std::path::PathBuf;

/// Write all records of an index, in a format that build reads
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith dump my.hlith | head
  hashlith dump my.hlith --format jsonl | zstd > my.jsonl.zst
  hashlith dump my.hlith --format cdbmake > any-bytes.cdbmake

The order of the records is that of the file, which is no order to rely on. A record that the format
cannot hold (a newline in a TSV value, bytes that are no text in JSON) ends the dump with a message
that names it; what has been written by then is not all.")]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Format to write; cdbmake can hold any bytes
    #[arg(long, value_enum, default_value = "tsv")]
    format: DumpFormat,
    /// TSV: write TAB, newline, CR and backslash as \t, \n, \r and \\ (and build with --escape)
    #[arg(long)]
    escape: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DumpFormat {
    Tsv,
    Jsonl,
    Cdbmake,
}

impl Args {
    /// Writes all records.
    pub fn run(self) -> Result<(), Failure> {
        if self.escape && self.format != DumpFormat::Tsv {
            return Err(Failure::usage("--escape is for --format tsv: the other formats need no escapes"));
        }
        let index = open::open(&self.index, Access::Whole)?;
        let json_values = index.first_header().value_type == ValueType::Json;
        let lines = Lines { escape: self.escape };
        let mut out = Output::new();
        let mut line = Vec::new();
        for record in index.iter() {
            let record = record.map_err(|error| open::corrupt(&self.index, &error))?;
            line.clear();
            match self.format {
                DumpFormat::Tsv => lines.pair(record.key, record.value, &mut line)?,
                DumpFormat::Jsonl => json_line(record.key, record.value, json_values, &mut line)?,
                DumpFormat::Cdbmake => cdbmake(record.key, record.value, &mut line),
            }
            out.write(&line)?;
        }
        if self.format == DumpFormat::Cdbmake {
            out.write(b"\n")?;
        }
        out.flush()
    }
}

fn cdbmake(key: &[u8], value: &[u8], line: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(line, "+{},{}:", key.len(), value.len());
    line.extend_from_slice(key);
    line.extend_from_slice(b"->");
    line.extend_from_slice(value);
    line.push(b'\n');
}

fn json_line(key: &[u8], value: &[u8], json_values: bool, line: &mut Vec<u8>) -> Result<(), Failure> {
    let text = |what: &str, bytes| {
        std::str::from_utf8(bytes).map_err(|_| refuse(key, &format!("{what} is not UTF-8, which JSON needs")))
    };
    let string = |text: &str, line: &mut Vec<u8>| {
        serde_json::to_writer(line, text).map_err(|error| refuse(key, &error.to_string()))
    };
    line.extend_from_slice(b"{\"key\":");
    string(text("the key", key)?, line)?;
    line.extend_from_slice(b",\"value\":");
    let value = text("the value", value)?;
    if json_values {
        // Inside a line its newlines, and at its ends its blanks, would get lost.
        if value.contains('\n') || value.trim_ascii() != value {
            return Err(refuse(key, "its JSON value has a newline in it or blanks around it"));
        }
        line.extend_from_slice(value.as_bytes());
    } else {
        string(value, line)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

fn refuse(key: &[u8], why: &str) -> Failure {
    Failure::new(format!("key {}: {why}: use --format cdbmake, which holds any bytes", shown(key)))
}
