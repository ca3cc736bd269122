//! `hashlith info`: shows what an index holds and what it costs.

use crate::{
    failure::Failure,
    open::{self, Access},
    output::Output,
    table::Table,
};
use hashlith::{Histogram, Info, info};
use indicatif::{BinaryBytes as Bytes, HumanCount as Count};
use serde::Serialize;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Show what an index holds: counts, sizes, lengths, and what it costs in memory
#[derive(clap::Args)]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// The JSON form.
#[derive(Serialize)]
struct InfoView<'a> {
    file: String,
    #[serde(flatten)]
    info: &'a Info,
}

impl Args {
    /// Shows the index.
    pub fn run(self) -> Result<(), Failure> {
        let index = open::open(&self.index, Access::Random)?;
        let info = info(&index)?;
        let mut out = Output::new();
        if self.json {
            return out.report(&InfoView { file: self.index.display().to_string(), info: &info });
        }
        write(&self.index, &info, &mut out).map_err(|error| Failure::output(&error))?;
        out.flush()
    }
}

/// Writes tables of counts, sections, page tables and lengths.
fn write(path: &Path, info: &Info, out: &mut Output) -> io::Result<()> {
    write_facts(path, info, out)?;
    write_sections(info, out)?;
    writeln!(out, "\npage tables of each process that has touched the whole index")?;
    let mut table = Table::words();
    table.row([&"  4 KiB pages", &Bytes(info.page_tables.with_4_kib_pages_bytes)]);
    table.row([&"  2 MiB pages", &Bytes(info.page_tables.with_2_mib_pages_bytes)]);
    table.write(out)?;
    let lengths = &info.lengths;
    let of_what = match lengths.complete {
        true => format!("all {} records", Count(lengths.sampled_records)),
        false => format!("a sample of {} records", Count(lengths.sampled_records)),
    };
    for (what, histogram) in [("keys", &lengths.keys), ("values", &lengths.values)] {
        if let Some(mean) = histogram.mean() {
            let longest = Count(histogram.longest());
            writeln!(out, "\nbytes of {what}, from {of_what}: {mean:.1} on average, longest {longest}")?;
            write_histogram(histogram, out)?;
        }
    }
    Ok(())
}

fn write_facts(path: &Path, info: &Info, out: &mut Output) -> io::Result<()> {
    let mut table = Table::words();
    table.row([&"index", &path.display()]);
    table.row([&"size", &format!("{} ({} bytes)", Bytes(info.file_bytes), Count(info.file_bytes))]);
    match info.part {
        Some(part) => {
            table.row([&"part", &format!("{part} of a set of {} files", Count(u64::from(info.parts)))])
        }
        None if info.parts > 1 => table.row([&"parts", &Count(u64::from(info.parts))]),
        None => {}
    }
    match info.check_bits {
        None => table.row([&"keys", &format!("{}, {}", Count(info.keys), info.key_type)]),
        Some(bits) => {
            let odds = format!("an absent key is taken for a present one once in 2^{bits} times");
            table.row([&"keys", &format!("{}, left out: {odds}", Count(info.keys))]);
        }
    }
    table.row([&"values", &info.value_type]);
    if let Some(bytes) = info.bytes_per_key {
        table.row([&"bytes per key", &format!("{bytes:.2}")]);
    }
    if let Some(compression) = &info.compression {
        let what = match (compression.key_tables, compression.value_tables) {
            (0, _) => "values",
            (_, 0) => "keys",
            _ => "keys and values",
        };
        let (stored, plain) = (compression.stored_bytes, compression.plain_bytes);
        let how = if compression.values_in_slots {
            format!("{what}: few are different, and slot entries say which one a key has")
        } else {
            format!("{what}: {} of records in {}, {}", Bytes(plain), Bytes(stored), percent(stored, plain))
        };
        table.row([&"compressed", &how]);
    }
    table.row([&"cells", &Count(info.cells)]);
    table.row([&"format", &format!("version {}", info.format_version)]);
    let seed = u128::from(info.second_seed) << 64 | u128::from(info.seed);
    table.row([&"hash", &format!("{}, seed {seed}", info.hash)]);
    table.row([&"fingerprints", &format!("{} bits", info.fingerprint_bits)]);
    if let Some(width) = info.key_width {
        table.row([&"key width", &format!("{width} bytes")]);
    }
    if let Some(metadata) = &info.metadata {
        table.row([&"metadata", &metadata.get()]);
    }
    table.write(out)
}

fn write_sections(info: &Info, out: &mut Output) -> io::Result<()> {
    let mut table = Table::numbers();
    table.row([&"section", &"offset", &"bytes", &"of file", &"bytes per key", &"in page cache"]);
    for section in &info.sections {
        let resident = match section.resident_bytes {
            Some(bytes) if section.bytes > 0 => percent(bytes, section.bytes),
            _ => String::new(),
        };
        table.row([
            &section.name,
            &section.offset.map_or(String::new(), |offset| Count(offset).to_string()),
            &Count(section.bytes),
            &percent(section.bytes, info.file_bytes),
            &section.bytes_per_key.map_or(String::new(), |bytes| format!("{bytes:.2}")),
            &resident,
        ]);
    }
    writeln!(out)?;
    table.write(out)
}

/// A line for each range of lengths, with a bar.
fn write_histogram(histogram: &Histogram, out: &mut Output) -> io::Result<()> {
    const BAR: u128 = 40;
    let most = histogram.ranges().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    let mut table = Table::numbers();
    let mut bars = Vec::new();
    for bucket in histogram.ranges() {
        let range = match bucket.from == bucket.to {
            true => Count(bucket.from).to_string(),
            false => format!("{}-{}", Count(bucket.from), Count(bucket.to)),
        };
        table.row([&"", &range, &Count(bucket.count), &percent(bucket.count, histogram.total())]);
        bars.push("#".repeat((u128::from(bucket.count) * BAR).div_ceil(u128::from(most)) as usize));
    }
    table.write_with_notes(out, &bars)
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}
