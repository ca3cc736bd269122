//! Taking records in: hash, route, hand over.

use crate::{Error, Progress, error::Place, sizing::Lengths, spill::ChunkWriter, spill::Spill};
use hashlith_format::KeyHasher;
use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Relaxed, Release},
    },
};

/// Longest key, in bytes (spec section 11).
pub(crate) const MAX_KEY: u64 = u32::MAX as u64;
/// Longest value, in bytes: a cell's records stay below 2^48 bytes.
pub(crate) const MAX_VALUE: u64 = 1 << 47;

/// What all feeders of a build share.
pub(crate) struct Intake {
    /// `None` once the build goes on to its next phase.
    pub spill: RwLock<Option<Spill>>,
    pub progress: Arc<Progress>,
    pub hasher: KeyHasher,
    /// The part that all keys must belong to, and the number of parts.
    pub part: (u32, u32),
    pub partitions: usize,
    pub records: AtomicU64,
    /// Bytes of all keys and values, and two more for each record.
    pub bytes: AtomicU64,
    pub lengths: Mutex<Lengths>,
    pub sources: AtomicU32,
    /// Feeders that have been made and not yet finished.
    pub open: AtomicU32,
}

/// Takes records in on one thread; a build may have any number of them at a time.
///
/// Records reach the build when [`Feeder::finish`] returns `Ok`. A feeder that is dropped before that makes the
/// build fail, so that nothing is lost unnoticed.
pub struct Feeder {
    intake: Arc<Intake>,
    writers: Vec<ChunkWriter>,
    shift: u32,
    own_source: u32,
    position: u64,
    records: u64,
    bytes: u64,
    lengths: Lengths,
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
            lengths: Lengths::default(),
            intake: intake.clone(),
        }
    }

    /// Adds a record. Its place is the number of this feeder and a count from 1.
    ///
    /// # Errors
    /// As [`Self::add_from`].
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.position += 1;
        self.add_from(self.own_source, self.position, key, value)
    }

    /// Adds a record with the place it came from: `first` and `last` go by source, then position, and errors name
    /// them.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::OtherPart`], [`Error::Io`] when a temporary file cannot be written, [`Error::Cancelled`].
    #[inline]
    pub fn add_from(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Error> {
        for (what, len, limit) in
            [("key", key.len() as u64, MAX_KEY), ("value", value.len() as u64, MAX_VALUE)]
        {
            if len > limit {
                return Err(Error::TooLong { what, len, limit });
            }
        }
        let hash = self.intake.hasher.hash(key);
        let (part, parts) = self.intake.part;
        if hash.part(parts) != part {
            return Err(Error::OtherPart { key: key.to_vec(), found: hash.part(parts), part, parts });
        }
        let number = hash.within(parts).checked_shr(self.shift).unwrap_or(0) as usize;
        self.records += 1;
        self.bytes += (key.len() + value.len()) as u64 + 2;
        self.lengths.add(key.len() + value.len() + 2);
        if self.writers[number].push(Place { source, position }, key, value) {
            self.hand_over(number)?;
        }
        Ok(())
    }

    #[cold]
    fn hand_over(&mut self, number: usize) -> Result<(), Error> {
        self.intake.progress.check()?;
        let intake = self.intake.clone();
        let spill = intake.spill.read().unwrap_or_else(PoisonError::into_inner);
        let spill =
            spill.as_ref().ok_or(Error::Options { what: "a record was added to a build that has ended" })?;
        spill.push(number, &mut self.writers[number])?;
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        let records = std::mem::take(&mut self.records);
        self.intake.records.fetch_add(records, Relaxed);
        self.intake.progress.add(records);
        self.intake.bytes.fetch_add(std::mem::take(&mut self.bytes), Relaxed);
    }

    /// Hands over what is still held back.
    ///
    /// # Errors
    /// As [`Self::add_from`].
    pub fn finish(mut self) -> Result<(), Error> {
        for number in 0..self.writers.len() {
            if !self.writers[number].is_empty() {
                self.hand_over(number)?;
            }
        }
        self.count();
        self.intake.lengths.lock().unwrap_or_else(PoisonError::into_inner).take(&mut self.lengths);
        self.intake.open.fetch_sub(1, Release);
        Ok(())
    }
}
