//! What an index holds and what it costs.

use crate::{Error, Histogram, Index, Mapping, json_line};
use hashlith_format::{HashId, KeyType, Span, VERSION, ValueType};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Lengths are those of about this many records, or of all in an index with no more than that.
const SAMPLE: u64 = 200_000;
/// The sample is this many runs of adjacent records, spread over the file.
const RUNS: u64 = 64;

/// What an index holds and what it costs. Serialized as JSON it is what `hashlith info --json` prints, without the path.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Info {
    /// Length of all files together, in bytes.
    pub file_bytes: u64,
    /// Version of the format.
    pub format_version: u32,
    /// The number of this part, if it was opened without the rest of its set.
    pub part: Option<u32>,
    /// The number of parts of the set; 1 for an index that is not a set.
    pub parts: u32,
    /// Number of keys.
    pub keys: u64,
    /// What keys are.
    #[serde(serialize_with = "as_text")]
    pub key_type: KeyType,
    /// What values are.
    #[serde(serialize_with = "as_text")]
    pub value_type: ValueType,
    /// Number of cells.
    pub cells: u64,
    /// Name of the hash.
    pub hash: &'static str,
    /// Seed of the hash.
    pub seed: u64,
    /// The second half of the seed; 0 if the hash has none.
    pub second_seed: u64,
    /// Bits of a fingerprint.
    pub fingerprint_bits: u32,
    /// How many bits of its hash stand for each key, if keys are left out: an absent key is taken for a present one once in 2^bits
    /// times.
    pub check_bits: Option<u32>,
    /// Bytes of a key in its record, if all have the same number; of a set, the most.
    pub key_width: Option<u8>,
    /// How keys and values are compressed; `None` if both are stored as they are.
    pub compression: Option<CompressionInfo>,
    /// `file_bytes` per key; `None` without keys.
    pub bytes_per_key: Option<f64>,
    /// The sections of the file; of a set, the sums over all parts.
    pub sections: Vec<SectionInfo>,
    /// What each process that touches the whole file needs for its page tables.
    pub page_tables: PageTables,
    /// Lengths of keys and values.
    pub lengths: LengthStats,
    /// The user's JSON on one line, without characters that a terminal would obey.
    pub metadata: Option<Box<RawValue>>,
}

/// How keys and values are compressed.
#[derive(Debug, Serialize)]
pub struct CompressionInfo {
    /// Number of token tables of the keys; 0 if they are stored as they are.
    pub key_tables: u8,
    /// The same for the values.
    pub value_tables: u8,
    /// Bytes of keys and values before they were compressed, from the mean lengths of the sample.
    pub plain_bytes: u64,
    /// Bytes of the pool and the token tables, which hold them.
    pub stored_bytes: u64,
    /// Few values are different, and slot entries say which one a key has.
    pub values_in_slots: bool,
}

/// One section.
#[derive(Debug, Serialize)]
pub struct SectionInfo {
    /// Its name in `spec.md`.
    pub name: &'static str,
    /// Where it begins; `None` in a set, where each part has its own.
    pub offset: Option<u64>,
    /// Its length.
    pub bytes: u64,
    /// Its length per key.
    pub bytes_per_key: Option<f64>,
    /// How many of its bytes are in the page cache; `None` if the kernel does not say.
    pub resident_bytes: Option<u64>,
}

/// What each process that touches the whole file needs for its page tables.
#[derive(Debug, Serialize)]
pub struct PageTables {
    /// With pages of 4 KiB.
    pub with_4_kib_pages_bytes: u64,
    /// With pages of 2 MiB.
    pub with_2_mib_pages_bytes: u64,
}

/// Lengths of keys and values.
#[derive(Debug, Serialize)]
pub struct LengthStats {
    /// The number of records in the sample.
    pub sampled_records: u64,
    /// True if the sample is all records.
    pub complete: bool,
    /// Bytes of keys.
    pub keys: Histogram,
    /// Bytes of values.
    pub values: Histogram,
}

fn as_text<S: Serializer>(name: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

/// Describes an index: counts, lengths, sections, and how much of it is in memory.
///
/// # Errors
/// [`Error::Corrupt`] if a record of the sample is damaged.
///
/// ```
/// use hashlith::{Builder, Index, MapOptions, info};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("colours.hlith");
/// # let mut builder = Builder::new();
/// # builder.add(b"sky", b"blue")?;
/// # builder.finish(&path)?;
/// // SAFETY: nobody changes this file in place.
/// let index = unsafe { Index::map(&path, &MapOptions::default())? };
/// let info = info(&index)?;
/// assert_eq!((info.keys, info.lengths.keys.longest()), (1, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn info(index: &Index<Mapping>) -> Result<Info, Error> {
    let header = *index.first_header();
    let (bytes, keys) = (index.bytes(), index.len());
    let [seed, second_seed] = header.hasher.seeds();
    let lengths = sample(index).map_err(|error| Error::corrupt(index, &error))?;
    let metadata = std::str::from_utf8(index.metadata()).ok().filter(|text| !text.is_empty());
    Ok(Info {
        file_bytes: bytes,
        format_version: VERSION,
        part: (!index.is_whole()).then_some(header.part),
        parts: header.parts,
        keys,
        key_type: header.key_type,
        value_type: header.value_type,
        cells: index.parts().iter().map(|part| part.header().cells).sum(),
        hash: match header.hasher.id() {
            HashId::SipHash13 => "SipHash-1-3-128",
            _ => "XXH3-128",
        },
        seed,
        second_seed,
        fingerprint_bits: header.fingerprint_bits,
        check_bits: index.check_bits(),
        key_width: (header.key_type == KeyType::Int)
            .then(|| index.parts().iter().map(|part| part.header().key_width).max().unwrap_or_default()),
        compression: compression(index, &lengths),
        bytes_per_key: per_key(bytes, keys),
        sections: sections(index),
        page_tables: page_tables(bytes),
        lengths,
        metadata: metadata.and_then(|text| RawValue::from_string(json_line(text)).ok()),
    })
}

fn compression(index: &Index<Mapping>, lengths: &LengthStats) -> Option<CompressionInfo> {
    let headers = || index.parts().iter().map(|part| part.header());
    let key_tables = headers().map(|header| header.key_tables).max()?;
    let value_tables = headers().map(|header| header.value_tables).max()?;
    let mean = lengths.keys.mean().unwrap_or(0.0) + lengths.values.mean().unwrap_or(0.0);
    let stored = headers().map(|header| header.sections.pool.len + header.sections.tables.len).sum();
    (key_tables > 0 || value_tables > 0).then_some(CompressionInfo {
        key_tables,
        value_tables,
        plain_bytes: (mean * index.len() as f64) as u64,
        stored_bytes: stored,
        values_in_slots: headers().all(|header| header.shared_records),
    })
}

fn per_key(bytes: u64, keys: u64) -> Option<f64> {
    (keys > 0).then(|| bytes as f64 / keys as f64)
}

fn sections(index: &Index<Mapping>) -> Vec<SectionInfo> {
    let of_first = index.first_header().sections.all();
    let section = |(number, (name, first)): (usize, (&'static str, Span))| {
        let all = index.parts().iter().filter_map(|part| {
            let (_, span) = *part.header().sections.all().get(number)?;
            Some((part, span))
        });
        let bytes = all.clone().map(|(_, span)| span.len).sum();
        let resident = all.map(|(part, span)| part.data().resident_bytes(span.offset, span.len).ok());
        SectionInfo {
            name,
            offset: (index.parts().len() == 1).then_some(first.offset),
            bytes,
            bytes_per_key: per_key(bytes, index.len()),
            resident_bytes: resident.sum(),
        }
    };
    of_first.into_iter().enumerate().map(section).collect()
}

/// The page tables of the lowest level and of the two above it: 8 bytes per mapped page.
fn page_tables(bytes: u64) -> PageTables {
    let entries = |page: u64| bytes.div_ceil(page);
    let tables = |entries: u64| entries.div_ceil(512) * 4096;
    let upper = tables(entries(1 << 30));
    let middle = tables(entries(2 << 20)) + upper;
    PageTables { with_4_kib_pages_bytes: tables(entries(4096)) + middle, with_2_mib_pages_bytes: middle }
}

/// The lengths of keys and values in all records, or in evenly spread runs of them.
fn sample(index: &Index<Mapping>) -> Result<LengthStats, hashlith_format::Error> {
    let keys = index.len();
    let complete = keys <= SAMPLE;
    let (runs, length) = if complete { (1, keys) } else { (RUNS, SAMPLE / RUNS) };
    let (mut key_lengths, mut value_lengths) = (Histogram::default(), Histogram::default());
    for run in 0..runs {
        // 64 * 2^48 does not overflow.
        let first = (keys - length) * run / (runs - 1).max(1);
        for id in first..first + length {
            let Some(record) = index.by_id(id)? else { break };
            key_lengths.add(record.key.len() as u64);
            value_lengths.add(record.value.len() as u64);
        }
    }
    let sampled_records = key_lengths.total();
    Ok(LengthStats { sampled_records, complete, keys: key_lengths, values: value_lengths })
}

#[cfg(test)]
mod tests {
    use super::page_tables;

    /// 86 GB: 168 MB of page tables in 4 KiB pages, 0.3 MB in 2 MiB pages.
    #[test]
    fn page_tables_have_their_measured_size() {
        let tables = page_tables(86_000_000_000);
        assert_eq!(tables.with_4_kib_pages_bytes / 1_000_000, 168);
        assert_eq!(tables.with_2_mib_pages_bytes / 100_000, 3);
        // Of a GiB: 512 tables of the lowest level, and one of each level above.
        let tables = page_tables(1 << 30);
        assert_eq!((tables.with_4_kib_pages_bytes, tables.with_2_mib_pages_bytes), (514 * 4096, 2 * 4096));
    }
}
