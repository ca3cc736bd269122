//! Builds hashlith indexes in bounded memory.
//!
//! Records go in through [`Builder::add`] or, from many threads at once, through [`Feeder`]s. They are hashed and
//! routed by the top bits of their hash to partitions, which are kept in memory as far as the limit allows and else
//! in temporary files. [`Builder::finish`] turns the partitions into cells on all threads, writes them in order to
//! a file beside the final path, and renames it when it is complete and durable.
//!
//! The same records and options give the same bytes, whatever the order, the number of threads or the memory limit.
//!
//! ```
//! use hashlith_builder::Builder;
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("colours.hlith");
//! let mut builder = Builder::new().memory_limit(64 << 20);
//! builder.add(b"sky", b"blue")?;
//! builder.add(b"grass", b"green")?;
//! let report = builder.finish(&path)?;
//! assert_eq!(report.keys, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the builder's numbers are its own: counts and lengths of what it holds in memory, on 64-bit machines"
)]

mod assembly;
mod cell;
mod direct;
mod error;
mod feeder;
mod finish;
mod jobs;
mod limits;
mod load;
mod progress;
mod publish;
mod recut;
mod set;
mod sizing;
mod solver;
mod spill;

pub use error::{Error, Place};
pub use feeder::Feeder;
pub use finish::Report;
pub use hashlith_format::{HashId, KeyHasher, KeyType, ValueType};
pub use limits::open_files;
pub use progress::{Event, Phase, Progress};
pub use recut::can_recut;
pub use set::{commit as commit_set, prepare as prepare_set};

use feeder::Intake;
use spill::Spill;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock, atomic::AtomicU32, atomic::AtomicU64},
};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("hashlith-builder holds 64-bit lengths in usize");

/// What happens when a key comes more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The build fails, and names the key and both places.
    #[default]
    Error,
    /// The record that came first, by source and position, stays.
    First,
    /// The record that came last, by source and position, stays.
    Last,
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
    /// The directory that the files at this path go to.
    pub fn directory(self, path: &Path) -> Result<PathBuf, Error> {
        match self {
            Shape::Part { .. } => publish::split(path).map(|(dir, _)| dir),
            Shape::Set { .. } => Ok(path.into()),
        }
    }
}

/// Most partitions.
const MAX_PARTITIONS: usize = 1024;
/// Fewest partitions.
const MIN_PARTITIONS: usize = 16;
/// Open files besides those of partitions: inputs, output, standard streams, libraries.
const OTHER_FILES: u64 = 64;

/// Collects options and records, and makes an index of them.
pub struct Builder {
    options: Options,
    progress: Arc<Progress>,
    intake: Option<Arc<Intake>>,
    own_feeder: Option<Feeder>,
}

#[derive(Clone)]
struct Options {
    memory_limit: u64,
    threads: usize,
    temp_dir: Option<PathBuf>,
    on_duplicate: OnDuplicate,
    key_type: KeyType,
    value_type: ValueType,
    fingerprint_bits: u32,
    hasher: KeyHasher,
    metadata: String,
    expected_bytes: u64,
    cell_keys: Option<f64>,
    page_cache: u64,
    shape: Shape,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A builder with 1 GiB of memory, all cores, byte-string keys and values, and duplicates as errors.
    pub fn new() -> Self {
        Builder {
            options: Options {
                memory_limit: 1 << 30,
                threads: std::thread::available_parallelism().map_or(2, usize::from),
                temp_dir: None,
                on_duplicate: OnDuplicate::Error,
                key_type: KeyType::Bytes,
                value_type: ValueType::Bytes,
                fingerprint_bits: 8,
                hasher: KeyHasher::xxh3(0),
                metadata: String::new(),
                expected_bytes: 0,
                cell_keys: None,
                page_cache: direct::machine_memory(),
                shape: Shape::Part { part: 0, parts: 1 },
            },
            progress: Arc::new(Progress::new()),
            intake: None,
            own_feeder: None,
        }
    }

    /// How many bytes of memory the build may take, besides a few times the largest single record and the caller's
    /// own.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.memory_limit = bytes;
        self
    }

    /// How many threads build cells, and how many feeders the memory is laid out for.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = threads.max(1);
        self
    }

    /// Directory of temporary files; by default that of the output if [`Self::preflight`] is called, else the system's.
    #[must_use]
    pub fn temp_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.options.temp_dir = Some(dir.into());
        self
    }

    /// What happens when a key comes more than once.
    #[must_use]
    pub fn on_duplicate(mut self, policy: OnDuplicate) -> Self {
        self.options.on_duplicate = policy;
        self
    }

    /// What keys are, for the header; the builder does not look.
    #[must_use]
    pub fn key_type(mut self, key_type: KeyType) -> Self {
        self.options.key_type = key_type;
        self
    }

    /// What values are, for the header; the builder does not look.
    #[must_use]
    pub fn value_type(mut self, value_type: ValueType) -> Self {
        self.options.value_type = value_type;
        self
    }

    /// Bits of a fingerprint, 1 to 16; 8 by default. An absent key costs a far read once in 2^bits times.
    #[must_use]
    pub fn fingerprint_bits(mut self, bits: u32) -> Self {
        self.options.fingerprint_bits = bits;
        self
    }

    /// Hash of the keys, XXH3-128 with a seed of 0 by default. Another hash or seed gives other bytes. Where strangers
    /// choose the keys, [`KeyHasher::siphash`] with random seeds keeps them from choosing many that share a cell.
    #[must_use]
    pub fn hasher(mut self, hasher: KeyHasher) -> Self {
        self.options.hasher = hasher;
        self
    }

    /// A JSON object of the user's, kept in the file: at most 1 MiB. The builder does not parse it.
    #[must_use]
    pub fn metadata(mut self, json: impl Into<String>) -> Self {
        self.options.metadata = json.into();
        self
    }

    /// Builds a set of this many files, 1 to 65,536, in a directory, instead of one file (spec section 15).
    #[must_use]
    pub fn parts(mut self, parts: u32) -> Self {
        self.options.shape = Shape::Set { parts };
        self
    }

    /// Builds one file that is this part of a set of `parts` files. All keys must belong to it; [`commit_set`] makes a set of
    /// such files.
    #[must_use]
    pub fn part(mut self, part: u32, parts: u32) -> Self {
        self.options.shape = Shape::Part { part, parts };
        self
    }

    /// About how many bytes of keys and values will come, if that is known: then [`Self::preflight`] checks the free
    /// disk space.
    #[must_use]
    pub fn expected_bytes(mut self, bytes: u64) -> Self {
        self.options.expected_bytes = bytes;
        self
    }

    /// Keys in a cell on average, for measurements; the default goes by the lengths of the records.
    #[doc(hidden)]
    #[must_use]
    pub fn cell_keys(mut self, keys: f64) -> Self {
        self.options.cell_keys = Some(keys.max(1.0));
        self
    }

    /// Bytes of memory that the page cache may grow to, for tests; all of the machine's by default. What is large beside
    /// it is written past it.
    #[doc(hidden)]
    #[must_use]
    pub fn page_cache(mut self, bytes: u64) -> Self {
        self.options.page_cache = bytes;
        self
    }

    /// Where the build is, and the switch that cancels it.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// The smallest memory limit, in bytes, that works with this many threads.
    pub fn smallest_memory(threads: usize) -> u64 {
        (16 << 20) + (16 << 20) * threads.max(1) as u64
    }

    /// Checks early what would make the build fail late: options, that a file can be made where the output will go,
    /// that the disk has room for [`Self::expected_bytes`].
    ///
    /// # Errors
    /// [`Error::MemoryLimit`], [`Error::Addresses`], [`Error::Options`], [`Error::Metadata`], [`Error::Io`],
    /// [`Error::DiskSpace`], [`Error::OpenFiles`].
    pub fn preflight(&mut self, output: &Path) -> Result<(), Error> {
        self.options.check()?;
        let beside = match self.options.shape {
            Shape::Part { .. } => {
                drop(publish::NewFile::create(output)?);
                self.options.shape.directory(output)?
            }
            // It may be another file system than the one that it lies in.
            Shape::Set { .. } if output.is_dir() => {
                drop(set::Staging::create(output)?);
                output.into()
            }
            Shape::Set { .. } => {
                drop(set::Staging::create(output)?);
                match output.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    Some(parent) => parent.into(),
                    None => PathBuf::from("."),
                }
            }
        };
        let dir = beside.clone();
        let temp_dir = self.options.temp_dir.get_or_insert(beside).clone();
        tempfile::tempfile_in(&temp_dir).map_err(Error::io("cannot create temporary files in", &temp_dir))?;
        let expected = self.options.expected_bytes;
        let spilled = expected.saturating_sub(self.options.memory_limit / 2);
        // What is spilled is freed while the output grows, so on one disk the larger of the two is enough.
        finish::check_space(&dir, expected)?;
        finish::check_space(&temp_dir, spilled)?;
        self.intake().map(drop)
    }

    /// Adds a record, in order. For more than one thread, see [`Self::feeder`].
    ///
    /// # Errors
    /// As [`Feeder::add_from`], and on the first call as [`Self::feeder`].
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if self.own_feeder.is_none() {
            self.own_feeder = Some(self.feeder()?);
        }
        self.own_feeder.as_mut().map_or(Ok(()), |feeder| feeder.add(key, value))
    }

    /// Another way in, to be used on a thread of its own. Options must not change after the first.
    ///
    /// # Errors
    /// [`Error::MemoryLimit`], [`Error::Addresses`], [`Error::Options`], [`Error::Metadata`], [`Error::OpenFiles`].
    pub fn feeder(&mut self) -> Result<Feeder, Error> {
        Ok(Feeder::new(self.intake()?))
    }

    fn intake(&mut self) -> Result<&Arc<Intake>, Error> {
        if self.intake.is_none() {
            self.options.check()?;
            let partitions = self.options.partitions()?;
            let temp_dir = self.options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
            let memory = self.options.memory_limit * 7 / 16;
            let spill = Spill::new(partitions, memory, temp_dir, self.options.page_cache);
            self.intake = Some(Arc::new(Intake {
                spill: RwLock::new(Some(spill)),
                progress: self.progress.clone(),
                hasher: self.options.hasher,
                part: match self.options.shape {
                    Shape::Part { part, parts } => (part, parts),
                    Shape::Set { .. } => (0, 1),
                },
                partitions,
                records: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                lengths: Mutex::default(),
                sources: AtomicU32::new(0),
                open: AtomicU32::new(0),
            }));
        }
        self.intake.as_ref().ok_or(Error::Cancelled)
    }
}

impl Options {
    fn check(&self) -> Result<(), Error> {
        let smallest = Builder::smallest_memory(self.threads);
        if self.memory_limit < smallest {
            return Err(Error::MemoryLimit { given: self.memory_limit, smallest, threads: self.threads });
        }
        limits::check_addresses(self.memory_limit, self.threads)?;
        if !(1..=16).contains(&self.fingerprint_bits) {
            return Err(Error::Options { what: "fingerprints have 1 to 16 bits" });
        }
        let (part, parts) = match self.shape {
            Shape::Part { part, parts } => (part, parts),
            Shape::Set { parts } => (0, parts),
        };
        if part >= parts || parts > hashlith_format::MAX_PARTS {
            return Err(Error::Options { what: "a set has 1 to 65,536 parts, numbered from 0" });
        }
        if self.metadata.len() as u64 > hashlith_format::MAX_METADATA {
            return Err(Error::Metadata { len: self.metadata.len() as u64 });
        }
        Ok(())
    }

    /// As many partitions as an eighth of the memory has chunks for every feeder, and as files may be open.
    fn partitions(&self) -> Result<usize, Error> {
        let chunks = self.memory_limit / 8 / (spill::CHUNK_LEN as u64) / (self.threads as u64 + 1);
        let wanted = previous_power_of_two(chunks).clamp(MIN_PARTITIONS, MAX_PARTITIONS);
        let limit = open_files(wanted as u64 + OTHER_FILES);
        let possible = previous_power_of_two(limit.saturating_sub(OTHER_FILES));
        if possible < MIN_PARTITIONS {
            return Err(Error::OpenFiles { limit, needed: MIN_PARTITIONS as u64 + OTHER_FILES });
        }
        Ok(wanted.min(possible))
    }
}

fn previous_power_of_two(number: u64) -> usize {
    number.checked_ilog2().map_or(0, |log| 1 << log)
}
