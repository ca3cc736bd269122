//! `hashlith info`: what an index holds and what it costs.

use crate::escaped;
use crate::failure::{Failure, code};
use crate::histogram::Histogram;
use crate::open::{self, Access};
use crate::output::Output;
use crate::size::{Bytes, Count};
use crate::table::Table;
use hashlith_format::{HashId, KeyType, Span, ValueType};
use hashlith_reader::{Index, Mapping};
use serde::Serialize;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

/// Records that are looked at for the histograms, about; an index of no more is looked at as a whole.
const SAMPLE: u64 = 200_000;
/// The sample is this many runs of neighbours, spread over the file.
const RUNS: u64 = 64;

/// Show what an index holds: counts, sizes, lengths, and what it costs in memory
#[derive(clap::Args)]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Info {
    file: String,
    file_bytes: u64,
    format_version: u32,
    /// Number of this file in its set, if it was opened without the others.
    part: Option<u32>,
    /// How many files the set has; 1 for a file that stands alone.
    parts: u32,
    keys: u64,
    key_type: &'static str,
    value_type: &'static str,
    cells: u64,
    hash: &'static str,
    seed: u64,
    second_seed: u64,
    fingerprint_bits: u32,
    bytes_per_key: Option<f64>,
    sections: Vec<Section>,
    page_tables: PageTables,
    lengths: Lengths,
    /// On one line, without characters that a terminal would obey.
    metadata: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Section {
    name: &'static str,
    /// In a set each part has its own.
    offset: Option<u64>,
    bytes: u64,
    bytes_per_key: Option<f64>,
    resident_bytes: Option<u64>,
}

/// What each process that touches the whole file needs for its page tables.
#[derive(Serialize)]
struct PageTables {
    with_4_kib_pages_bytes: u64,
    with_2_mib_pages_bytes: u64,
}

#[derive(Serialize)]
struct Lengths {
    /// Of how many records.
    sampled_records: u64,
    /// True if those are all.
    complete: bool,
    keys: Histogram,
    values: Histogram,
}

impl Args {
    /// Looks at the index.
    pub fn run(self) -> Result<(), Failure> {
        let index = open::open(&self.index, Access::Random)?;
        let info = Info::of(&self.index, &index)?;
        let mut out = Output::new();
        if self.json {
            return out.report(&info);
        }
        info.write(&mut out).map_err(|error| Failure::output(&error))?;
        out.flush()
    }
}

/// What an index holds, as the JSON of `hashlith info --json`.
///
/// # Errors
/// It cannot be opened, or is damaged where it was looked at.
pub fn info_json(path: &Path) -> Result<String, Failure> {
    let index = open::open(path, Access::Random)?;
    let info = Info::of(path, &index)?;
    serde_json::to_string(&info).map_err(|error| Failure::from_error(code::FAILED, "", &error))
}

impl Info {
    fn of(path: &Path, index: &Index<Mapping>) -> Result<Self, Failure> {
        let header = *index.first_header();
        let (bytes, keys) = (index.bytes(), index.len());
        let [seed, second_seed] = header.hasher.seeds();
        let lengths = sample(index).map_err(|error| open::corrupt(path, &error))?;
        let metadata = std::str::from_utf8(index.metadata()).ok().filter(|text| !text.is_empty());
        let metadata = metadata.and_then(|text| RawValue::from_string(escaped::json(text)).ok());
        Ok(Info {
            file: path.display().to_string(),
            file_bytes: bytes,
            format_version: hashlith_format::VERSION,
            part: (!index.is_whole()).then_some(header.part),
            parts: header.parts,
            keys,
            key_type: match header.key_type {
                KeyType::Bytes => "bytes",
                KeyType::Text => "text",
            },
            value_type: match header.value_type {
                ValueType::Bytes => "bytes",
                ValueType::Text => "text",
                ValueType::Json => "json",
            },
            cells: index.parts().iter().map(|part| part.header().cells).sum(),
            hash: match header.hasher.id() {
                HashId::SipHash13 => "SipHash-1-3-128",
                _ => "XXH3-128",
            },
            seed,
            second_seed,
            fingerprint_bits: header.fingerprint_bits,
            bytes_per_key: per_key(bytes, keys),
            sections: sections(index),
            page_tables: page_tables(bytes),
            lengths,
            metadata,
        })
    }
}

fn per_key(bytes: u64, keys: u64) -> Option<f64> {
    (keys > 0).then(|| bytes as f64 / keys as f64)
}

/// The sections of the file, or the sums over all parts.
fn sections(index: &Index<Mapping>) -> Vec<Section> {
    let of_first = index.first_header().sections.all();
    let section = |(number, (name, first)): (usize, (&'static str, Span))| {
        let spans = || index.parts().iter().map(|part| (part, part.header().sections.all()[number].1));
        let bytes = spans().map(|(_, span)| span.len).sum();
        let resident = spans().map(|(part, span)| part.data().resident_bytes(span.offset, span.len).ok());
        Section {
            name,
            offset: (index.parts().len() == 1).then_some(first.offset),
            bytes,
            bytes_per_key: per_key(bytes, index.len()),
            resident_bytes: resident.sum(),
        }
    };
    of_first.into_iter().enumerate().map(section).collect()
}

/// Lower page tables and the two levels above them: 8 bytes for each page that is mapped.
fn page_tables(bytes: u64) -> PageTables {
    let entries = |page: u64| bytes.div_ceil(page);
    let tables = |entries: u64| entries.div_ceil(512) * 4096;
    let upper = tables(entries(1 << 30));
    let middle = tables(entries(2 << 20)) + upper;
    PageTables { with_4_kib_pages_bytes: tables(entries(4096)) + middle, with_2_mib_pages_bytes: middle }
}

/// Lengths of the keys and values of all records, or of runs of them that are spread evenly.
fn sample(index: &Index<Mapping>) -> Result<Lengths, hashlith_format::Error> {
    let keys = index.len();
    let complete = keys <= SAMPLE;
    let (runs, length) = if complete { (1, keys) } else { (RUNS, SAMPLE / RUNS) };
    let mut lengths =
        Lengths { sampled_records: 0, complete, keys: Histogram::default(), values: Histogram::default() };
    for run in 0..runs {
        // 64 * 2^48 does not overflow.
        let first = (keys - length) * run / (runs - 1).max(1);
        for id in first..first + length {
            let Some(record) = index.by_id(id)? else { break };
            lengths.sampled_records += 1;
            lengths.keys.add(record.key.len() as u64);
            lengths.values.add(record.value.len() as u64);
        }
    }
    Ok(lengths)
}

impl Info {
    fn write(&self, out: &mut Output) -> std::io::Result<()> {
        use std::io::Write;
        let mut table = Table::words();
        table.row([&"index", &self.file]);
        table.row([&"size", &format!("{} ({} bytes)", Bytes(self.file_bytes), Count(self.file_bytes))]);
        match self.part {
            Some(part) => {
                table.row([&"part", &format!("{part} of a set of {} files", Count(u64::from(self.parts)))])
            }
            None if self.parts > 1 => table.row([&"parts", &Count(u64::from(self.parts))]),
            None => {}
        }
        table.row([&"keys", &format!("{}, {}", Count(self.keys), self.key_type)]);
        table.row([&"values", &self.value_type]);
        if let Some(bytes) = self.bytes_per_key {
            table.row([&"bytes a key", &format!("{bytes:.2}")]);
        }
        table.row([&"cells", &Count(self.cells)]);
        table.row([&"format", &format!("version {}", self.format_version)]);
        let seed = u128::from(self.second_seed) << 64 | u128::from(self.seed);
        table.row([&"hash", &format!("{}, seed {seed}", self.hash)]);
        table.row([&"fingerprints", &format!("{} bits", self.fingerprint_bits)]);
        if let Some(metadata) = &self.metadata {
            table.row([&"metadata", &metadata.get()]);
        }
        table.write(out)?;

        let mut table = Table::numbers();
        table.row([&"section", &"offset", &"bytes", &"of file", &"bytes a key", &"in page cache"]);
        for section in &self.sections {
            let resident = match section.resident_bytes {
                Some(bytes) if section.bytes > 0 => percent(bytes, section.bytes),
                _ => String::new(),
            };
            table.row([
                &section.name,
                &section.offset.map_or(String::new(), |offset| Count(offset).to_string()),
                &Count(section.bytes),
                &percent(section.bytes, self.file_bytes),
                &section.bytes_per_key.map_or(String::new(), |bytes| format!("{bytes:.2}")),
                &resident,
            ]);
        }
        writeln!(out)?;
        table.write(out)?;

        writeln!(out, "\npage tables of each process that has touched all of it")?;
        let mut table = Table::words();
        table.row([&"  4 KiB pages", &Bytes(self.page_tables.with_4_kib_pages_bytes)]);
        table.row([&"  2 MiB pages", &Bytes(self.page_tables.with_2_mib_pages_bytes)]);
        table.write(out)?;

        let of_what = match self.lengths.complete {
            true => format!("all {} records", Count(self.lengths.sampled_records)),
            false => format!("a sample of {} records", Count(self.lengths.sampled_records)),
        };
        for (what, histogram) in [("keys", &self.lengths.keys), ("values", &self.lengths.values)] {
            if let Some(mean) = histogram.mean() {
                writeln!(
                    out,
                    "\nbytes of {what}, from {of_what}: {mean:.1} on average, longest {}",
                    Count(histogram.longest())
                )?;
                histogram.write(out)?;
            }
        }
        Ok(())
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::page_tables;

    /// 86 GB: 168 MB of page tables in 4 KiB pages, 0.3 MB in 2 MiB pages.
    #[test]
    fn page_tables_cost_what_was_measured() {
        let tables = page_tables(86_000_000_000);
        assert_eq!(tables.with_4_kib_pages_bytes / 1_000_000, 168);
        assert_eq!(tables.with_2_mib_pages_bytes / 100_000, 3);
    }
}
