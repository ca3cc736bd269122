//! Takes records: hashes the key, finds the partition, hands over full chunks.

use crate::{
    Error,
    chunk::{ChunkWriter, LONG, Long, NewLong},
    codecs::Codecs,
    options::{Options, Shape},
    origin::Origin,
    shared::Distinct,
    sizing::LengthCounts,
    spill::{Disk, Partition, READ, Spill},
};
use hashlith_feedback::{Progress, Unit};
use hashlith_format::{KeyHasher, KeyType, ValueType, coding::int_width, key_int, tokens::MAX_TEXT};
use parking_lot::{Mutex, RwLock};
use std::{
    io,
    sync::{
        Arc,
        atomic::{
            AtomicU8, AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

/// Progress shows records in steps of this many per feeder.
const COUNTED: u64 = 1024;
/// Longest key, in bytes (spec section 11).
const MAX_KEY: u64 = u32::MAX as u64;
/// Longest value, in bytes: a cell's records stay below 2^48 bytes.
const MAX_VALUE: u64 = 1 << 47;

/// The state that all feeders of a build share.
pub(crate) struct Intake {
    /// `None` from [`Self::close`] on.
    pub spill: RwLock<Option<Spill>>,
    pub progress: Arc<Progress>,
    pub hasher: KeyHasher,
    pub key_type: KeyType,
    pub value_type: ValueType,
    /// How records are stored without codes.
    codecs: Codecs,
    /// Values may share records, if they are few.
    may_share: bool,
    /// Bytes of the widest integer key.
    int_width: AtomicU8,
    /// The part that all keys must belong to, and the number of parts.
    part: (u32, u32),
    pub partitions: usize,
    records: AtomicU64,
    /// Bytes of all keys and values, and two more per record.
    bytes: AtomicU64,
    lengths: Mutex<LengthCounts>,
    /// The different values, if they may share records.
    distinct: Mutex<Distinct>,
    sources: AtomicU32,
    /// Feeders that are not finished yet.
    open: AtomicU32,
}

impl Intake {
    pub fn new(spill: Spill, partitions: usize, options: &Options, progress: Arc<Progress>) -> Self {
        let part = match options.shape {
            Shape::Part { part, parts } => (part, parts),
            Shape::Set { .. } => (0, 1),
        };
        let Options { hasher, key_type, value_type, .. } = *options;
        // Whether they do, other options decide in the end.
        let may_share = key_type == KeyType::None && value_type.is_string();
        let mut stored = options.clone();
        stored.settle_widths(0);
        Intake {
            spill: RwLock::new(Some(spill)),
            progress,
            hasher,
            key_type,
            value_type,
            codecs: Codecs::new(key_type, stored.key_width, value_type, None),
            may_share,
            int_width: AtomicU8::new(0),
            part,
            partitions,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lengths: Mutex::default(),
            distinct: Mutex::new(Distinct::new(may_share)),
            sources: AtomicU32::new(0),
            open: AtomicU32::new(0),
        }
    }

    /// All records, when all feeders are finished. No record can follow.
    pub fn close(&self) -> Result<Taken, Error> {
        if self.open.load(Acquire) > 0 {
            return Err(Error::Options { what: "a feeder was not finished: its records would be missing" });
        }
        let spill = self.spill.write().take().ok_or(Error::Cancelled)?;
        let (partitions, disk) = spill.into_partitions();
        Ok(Taken {
            partitions,
            disk,
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            lengths: std::mem::take(&mut *self.lengths.lock()),
            distinct: std::mem::replace(&mut *self.distinct.lock(), Distinct::new(false)),
            int_width: self.int_width.load(Relaxed),
        })
    }
}

/// All records of a build, and what the choices of the builder follow from.
pub(crate) struct Taken {
    pub partitions: Vec<Arc<Partition>>,
    pub disk: Disk,
    pub records: u64,
    /// Bytes of all keys and values, and two more per record.
    pub bytes: u64,
    pub lengths: LengthCounts,
    /// The different values, if they may share records.
    pub distinct: Distinct,
    /// Bytes of the widest integer key.
    pub int_width: u8,
}

/// Adds records on one thread. A build may have any number of feeders at a time.
///
/// All records are in the build when [`Feeder::finish`] returns `Ok`. If a feeder is dropped before that, the build fails, so
/// that no record is lost silently.
pub struct Feeder {
    intake: Arc<Intake>,
    writers: Vec<ChunkWriter>,
    shift: u32,
    own_source: u32,
    position: u64,
    records: u64,
    bytes: u64,
    lengths: LengthCounts,
    distinct: Distinct,
    int_width: u8,
}

impl Feeder {
    pub(crate) fn new(intake: &Arc<Intake>) -> Self {
        intake.open.fetch_add(1, Relaxed);
        Feeder {
            writers: (0..intake.partitions).map(|_| ChunkWriter::default()).collect(),
            // With one partition the shift would be 64; `checked_shr` below makes that 0.
            shift: u64::BITS - intake.partitions.ilog2(),
            own_source: intake.sources.fetch_add(1, Relaxed),
            position: 0,
            records: 0,
            bytes: 0,
            lengths: LengthCounts::default(),
            distinct: Distinct::new(intake.may_share),
            int_width: 0,
            intake: intake.clone(),
        }
    }

    /// Adds a record. Its source is the number of this feeder, its position a count from 1.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let mut builder = Builder::new();
    /// let mut feeder = builder.feeder()?;
    /// feeder.add(b"sky", b"blue")?;
    /// feeder.finish()?;
    /// assert_eq!(builder.finish(dir.path().join("colours.hlith"))?.keys, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::add_from`].
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.position += 1;
        self.add_from(self.own_source, self.position, key, value)
    }

    /// Adds a record and says where it came from. [`OnDuplicate`](crate::OnDuplicate) compares records of one key by
    /// source, then by position; errors name both.
    ///
    /// ```
    /// use hashlith_builder::{Builder, Error, Origin};
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let mut builder = Builder::new();
    /// let mut feeder = builder.feeder()?;
    /// feeder.add_from(7, 100, b"sky", b"blue")?;
    /// feeder.add_from(3, 200, b"sky", b"grey")?;
    /// feeder.finish()?;
    /// let error = builder.finish(dir.path().join("colours.hlith")).unwrap_err();
    /// let Error::Duplicate { first, second, .. } = error else { panic!("{error}") };
    /// assert_eq!(first, Origin { source: 3, position: 200 });
    /// assert_eq!(second, Origin { source: 7, position: 100 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Width`], [`Error::OtherPart`], [`Error::Io`] when a temporary file cannot be written,
    /// [`Error::Cancelled`].
    #[inline]
    pub fn add_from(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Error> {
        for (what, len, limit) in
            [("key", key.len() as u64, MAX_KEY), ("value", value.len() as u64, MAX_VALUE)]
        {
            if len > limit {
                return Err(Error::TooLong { what, len, limit });
            }
        }
        self.check_widths(key, value.len() as u64)?;
        // The loader hashes the key again, which takes 2.4 ns. Keeping the hash would take 16 bytes of memory and disk per
        // record, and a gigabyte takes at least 0.4 core-seconds to write (`benches/README.md`).
        let hash = self.intake.hasher.hash(key);
        let (part, parts) = self.intake.part;
        if hash.part(parts) != part {
            return Err(Error::OtherPart { key: key.to_vec(), found: hash.part(parts), part, parts });
        }
        let number = hash.within(parts).checked_shr(self.shift).unwrap_or(0) as usize;
        self.note(key.len(), value.len());
        self.distinct.add(value);
        let origin = Origin { source, position };
        if key.len() + value.len() >= LONG {
            return self.add_long(number, origin, key, value);
        }
        if self.writers[number].push(origin, key, value) {
            self.hand_over(number)?;
        }
        Ok(())
    }

    /// Checks the lengths that follow from the types.
    #[inline]
    fn check_widths(&mut self, key: &[u8], value_len: u64) -> Result<(), Error> {
        let Intake { key_type, value_type, .. } = *self.intake;
        if key_type == KeyType::Int {
            match key_int(key) {
                Some(key) => self.int_width = self.int_width.max(int_width(key)),
                None => return Err(wrong_width("key", key.len() as u64, key_type, 8)),
            }
        }
        if !value_type.is_string() && value_len != value_type.width() {
            return Err(wrong_width("value", value_len, value_type, value_type.width()));
        }
        Ok(())
    }

    /// Counts a record.
    #[inline]
    fn note(&mut self, key_len: usize, value_len: usize) {
        self.records += 1;
        self.bytes += (key_len + value_len) as u64 + 2;
        self.lengths.add(self.intake.codecs.plain_len(key_len, value_len));
        if self.records >= COUNTED {
            self.count();
        }
    }

    #[cold]
    fn add_long(&mut self, number: usize, origin: Origin, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let new = NewLong::new(origin, key, value.len() as u64);
        self.with_spill(|spill, _| {
            spill.push_long(number, key.len(), new.len(), |at, buffer| {
                new.copy_to(at, buffer, |from, out| {
                    out.copy_from_slice(&value[from as usize..][..out.len()]);
                    Ok(())
                })
            })
        })
    }

    /// Adds a long record to the partition with this number. `value` copies the bytes of the value from an offset on.
    pub(crate) fn add_streamed(
        &mut self,
        number: usize,
        origin: Origin,
        key: &[u8],
        value_len: u64,
        value: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<(), Error> {
        if value_len > MAX_VALUE {
            return Err(Error::TooLong { what: "value", len: value_len, limit: MAX_VALUE });
        }
        self.note(key.len(), value_len as usize);
        // Values this long share no records.
        self.distinct = Distinct::new(false);
        let new = NewLong::new(origin, key, value_len);
        self.with_spill(|spill, _| {
            spill.push_long(number, key.len(), new.len(), |at, buffer| new.copy_to(at, buffer, &value))
        })
    }

    /// Adds a copy of a long record to the partition with this number.
    pub(crate) fn add_copy(&mut self, number: usize, long: &Long, disk: &Disk) -> Result<(), Error> {
        self.check_widths(long.key(), long.value_len())?;
        self.note(long.key().len(), long.value_len() as usize);
        if long.value_len() <= MAX_TEXT as u64 {
            let mut value = Vec::new();
            long.each_block_of_value(disk.failed(READ), |block| {
                value.extend_from_slice(block);
                Ok(())
            })?;
            self.distinct.add(&value);
        } else {
            self.distinct = Distinct::new(false);
        }
        self.with_spill(|spill, _| {
            spill.push_long(number, long.key().len(), long.chunk_len(), |at, buffer| long.read_at(at, buffer))
        })
    }

    #[cold]
    fn hand_over(&mut self, number: usize) -> Result<(), Error> {
        self.with_spill(|spill, writers| spill.push(number, &mut writers[number]))
    }

    fn with_spill(
        &mut self,
        push: impl FnOnce(&Spill, &mut [ChunkWriter]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.intake.progress.check()?;
        {
            let spill = self.intake.spill.read();
            let ended = Error::Options { what: "a record was added to a build that has ended" };
            push(spill.as_ref().ok_or(ended)?, &mut self.writers)?;
        }
        self.count();
        Ok(())
    }

    /// Adds the records since the last count to the build's [`Progress`]. A feeder also does so itself, every 1,024 records.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// let mut builder = Builder::new();
    /// let mut feeder = builder.feeder()?;
    /// feeder.add(b"sky", b"blue")?;
    /// feeder.count();
    /// assert_eq!(builder.progress_handle().snapshot().done, 1);
    /// # Ok::<(), hashlith_builder::Error>(())
    /// ```
    pub fn count(&mut self) {
        let records = std::mem::take(&mut self.records);
        self.intake.records.fetch_add(records, Relaxed);
        self.intake.progress.add(Unit::Records, records);
        self.intake.bytes.fetch_add(std::mem::take(&mut self.bytes), Relaxed);
    }

    /// Hands over the last records.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let mut builder = Builder::new();
    /// let mut feeder = builder.feeder()?;
    /// feeder.add(b"sky", b"blue")?;
    /// drop(feeder);
    /// // Its record would be missing.
    /// assert!(builder.finish(dir.path().join("colours.hlith")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::add_from`].
    pub fn finish(mut self) -> Result<(), Error> {
        for number in 0..self.writers.len() {
            if !self.writers[number].is_empty() {
                self.hand_over(number)?;
            }
        }
        self.count();
        self.intake.lengths.lock().take(&mut self.lengths);
        self.intake.distinct.lock().join(std::mem::replace(&mut self.distinct, Distinct::new(false)));
        self.intake.int_width.fetch_max(self.int_width, Relaxed);
        self.intake.open.fetch_sub(1, Release);
        Ok(())
    }
}

#[cold]
fn wrong_width(what: &'static str, len: u64, kind: impl ToString, width: u64) -> Error {
    Error::Width { what, len, kind: kind.to_string(), width }
}
