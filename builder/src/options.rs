//! The options of a build, and the numbers that follow from them.

use crate::{Error, chunk::CHUNK_LEN, limits, shared::Shared};
use hashlith_format::{KeyHasher, KeyType, MAX_FINGERPRINT_BITS, MAX_METADATA, MAX_PARTS, ValueType};
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

/// Most partitions.
const MAX_PARTITIONS: usize = 1024;
/// Fewest partitions, unless fewer files may be open.
const MIN_PARTITIONS: usize = 16;
/// Open files other than those of partitions: inputs, output, standard streams, libraries.
const OTHER_FILES: u64 = 64;

/// What happens when a key occurs more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The build fails with [`Error::Duplicate`].
    #[default]
    Error,
    /// The record with the smallest [`crate::Origin`] stays.
    First,
    /// The record with the largest [`crate::Origin`] stays.
    Last,
    /// One record stays if all have the same value; otherwise the build fails with [`Error::Duplicate`].
    Unique,
    /// The values of all records, in the order of their [`crate::Origin`]s, become one JSON array; that of a key that occurs once
    /// too. The values must be text or JSON, and the values of the index are JSON. The array may be longer than the memory limit.
    Collect,
}

impl OnDuplicate {
    /// The names of all policies.
    pub const NAMES: &[&str] = &["error", "first", "last", "unique", "collect"];
}

impl fmt::Display for OnDuplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            OnDuplicate::Error => "error",
            OnDuplicate::First => "first",
            OnDuplicate::Last => "last",
            OnDuplicate::Unique => "unique",
            OnDuplicate::Collect => "collect",
        })
    }
}

impl FromStr for OnDuplicate {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "error" => Ok(OnDuplicate::Error),
            "first" => Ok(OnDuplicate::First),
            "last" => Ok(OnDuplicate::Last),
            "unique" => Ok(OnDuplicate::Unique),
            "collect" => Ok(OnDuplicate::Collect),
            _ => Err(Error::Options {
                what: "the policy for duplicates must be one of error, first, last, unique, collect",
            }),
        }
    }
}

/// How much smaller the records are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    /// Keys and values are stored as they are.
    #[default]
    Off,
    /// As [`Self::On`], with fewer tokens: builds take half to two thirds of the processor time, and the file is 2 to 40 % larger.
    Fast,
    /// Keys, and values, are stored as codes of tokens that are learnt from a sample, where that makes them smaller by a tenth.
    On,
}

impl Compress {
    /// The names of all levels.
    pub const NAMES: &[&str] = &["off", "fast", "on"];
}

impl fmt::Display for Compress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Compress::Off => "off",
            Compress::Fast => "fast",
            Compress::On => "on",
        })
    }
}

impl FromStr for Compress {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "off" => Ok(Compress::Off),
            "fast" => Ok(Compress::Fast),
            "on" => Ok(Compress::On),
            _ => Err(Error::Options { what: "compress must be one of off, fast, on" }),
        }
    }
}

/// What a build makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One file: a whole index if it is part 0 of 1.
    Part { part: u32, parts: u32 },
    /// A directory with all parts.
    Set { parts: u32 },
}

impl Shape {
    pub fn is_set(self) -> bool {
        matches!(self, Shape::Set { .. })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// In bytes; half of `available` by default.
    pub memory_limit: Option<u64>,
    /// Bytes of memory that were available when the builder was made, so that the default does not change later.
    pub available: Option<u64>,
    pub threads: usize,
    pub temp_dir: Option<PathBuf>,
    pub on_duplicate: OnDuplicate,
    pub compress: Compress,
    pub key_type: KeyType,
    pub value_type: ValueType,
    pub fingerprint_bits: u32,
    /// [`Self::fingerprint_bits`] was set.
    pub fingerprint_bits_set: bool,
    /// If keys are left out: how many bits of the hash stand for a key; 32 by default.
    pub check_bits: Option<u32>,
    /// Bytes of a key in its record, if that has a fixed width; known when all records are.
    pub key_width: u8,
    /// Values that keys share; `None` if each has a record of its own.
    pub shared: Option<Arc<Shared>>,
    pub hasher: KeyHasher,
    pub metadata: String,
    pub expected_bytes: u64,
    pub cell_keys: Option<f64>,
    pub page_cache: u64,
    pub shape: Shape,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            memory_limit: None,
            available: limits::available_memory(),
            threads: limits::available_threads(),
            temp_dir: None,
            on_duplicate: OnDuplicate::Error,
            compress: Compress::default(),
            key_type: KeyType::Bytes,
            value_type: ValueType::Bytes,
            fingerprint_bits: 8,
            fingerprint_bits_set: false,
            check_bits: None,
            key_width: 0,
            shared: None,
            hasher: KeyHasher::xxh3(0),
            metadata: String::new(),
            expected_bytes: 0,
            cell_keys: None,
            page_cache: limits::machine_memory(),
            shape: Shape::Part { part: 0, parts: 1 },
        }
    }
}

impl Options {
    /// The memory limit, set or default, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory_limit.unwrap_or_else(|| limits::default_memory(self.available, self.smallest_memory()))
    }

    /// The smallest memory limit, in bytes, that works with these options.
    pub fn smallest_memory(&self) -> u64 {
        let smallest = limits::smallest_memory(self.threads);
        if self.compress == Compress::Off { smallest } else { smallest.max(limits::LEARNING) }
    }

    pub fn check(&self) -> Result<(), Error> {
        if self.threads > usize::from(u16::MAX) {
            return Err(Error::Options { what: "a build has at most 65,535 threads" });
        }
        let (given, smallest) = (self.memory(), self.smallest_memory());
        if given < smallest {
            return Err(Error::MemoryLimit { given, smallest, threads: self.threads });
        }
        limits::check_addresses(given, self.threads)?;
        self.check_types()?;
        let (part, parts) = match self.shape {
            Shape::Part { part, parts } => (part, parts),
            Shape::Set { parts } => (0, parts),
        };
        if part >= parts || parts > MAX_PARTS {
            return Err(Error::Options { what: "a set has 1 to 65,536 parts, numbered from 0" });
        }
        let len = self.metadata.len() as u64;
        if len > MAX_METADATA { Err(Error::Metadata { len }) } else { Ok(()) }
    }

    /// Checks options that have an effect with some types only.
    pub fn check_types(&self) -> Result<(), Error> {
        let left_out = self.key_type == KeyType::None;
        let what = match self.check_bits {
            _ if !(1..=16).contains(&self.fingerprint_bits) => "fingerprints have 1 to 16 bits",
            Some(_) if !left_out => "check bits are for keys that are left out",
            Some(bits) if !(8..=64).contains(&bits) => "keys that are left out have 8 to 64 check bits",
            _ if left_out && self.fingerprint_bits_set => {
                "keys that are left out have check bits instead of fingerprint bits"
            }
            _ if self.on_duplicate == OnDuplicate::Collect
                && !matches!(self.value_type, ValueType::Text | ValueType::Json) =>
            {
                "to collect the values of a key in a JSON array, they must be text or JSON"
            }
            _ if self.compress != Compress::Off && !self.can_compress() => {
                "there is nothing to compress: integers and numbers are stored as they are"
            }
            _ => return Ok(()),
        };
        Err(Error::Options { what })
    }

    /// True if keys or values are strings.
    fn can_compress(&self) -> bool {
        self.key_type.is_string() || self.value_type.is_string()
    }

    /// Sets what follows from the types: bits of a fingerprint, and bytes of a key in its record. `int_width` is what the widest
    /// integer among the keys takes.
    pub fn settle_widths(&mut self, int_width: u8) {
        let can_share = self.shared.is_some();
        match self.key_type {
            KeyType::Bytes | KeyType::Text => self.key_width = 0,
            KeyType::Int => self.key_width = int_width.clamp(1, 8),
            KeyType::None => {
                let check_bits = self.check_bits.unwrap_or(32);
                let bytes = if can_share || !self.value_type.is_string() {
                    // If the slot entry has all bits, a lookup need not go to the record.
                    check_bits.saturating_sub(2 * MAX_FINGERPRINT_BITS).div_ceil(8)
                } else {
                    // It goes there for the value anyway, and bits of records take less room than bits of cells.
                    check_bits.saturating_sub(8) / 8
                };
                self.key_width = bytes as u8;
                self.fingerprint_bits = check_bits - 8 * bytes;
            }
        }
    }

    /// True if records may be shared: there are values, and all check bits fit into the slot entries. Records of codes are
    /// smaller, so not if records shall be compressed; nor in a part alone, whose records must be those of the other parts.
    pub fn can_share(&self) -> bool {
        self.key_type == KeyType::None
            && self.value_type.is_string()
            && self.check_bits.unwrap_or(32) <= 2 * MAX_FINGERPRINT_BITS
            && self.compress == Compress::Off
            && !matches!(self.shape, Shape::Part { parts: 2.., .. })
    }

    /// As many partitions as an eighth of the memory can buffer for every feeder, capped by the limit on open files. A partition
    /// has a file only if its records do not fit into the memory.
    pub fn partitions(&self) -> usize {
        let chunks = self.memory() / 8 / (CHUNK_LEN as u64) / (self.threads as u64 + 1);
        let wanted = previous_power_of_two(chunks).clamp(MIN_PARTITIONS, MAX_PARTITIONS);
        within_open_files(wanted, limits::open_files(wanted as u64 + OTHER_FILES))
    }
}

/// How many of the partitions that are wanted there can be, if so many files may be open.
fn within_open_files(wanted: usize, limit: u64) -> usize {
    let possible = limit.saturating_sub(OTHER_FILES).max(limit / 4);
    wanted.min(previous_power_of_two(possible)).max(1)
}

fn previous_power_of_two(number: u64) -> usize {
    number.checked_ilog2().map_or(0, |log| 1 << log)
}

#[cfg(test)]
mod tests;
