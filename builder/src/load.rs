//! From the chunks of partitions to the records of a job.

use crate::{
    Error,
    block::{self, Record},
    jobs::{Job, Work},
    spill::{self, Partition},
};
use hashlith_format::KeyHash;
use std::sync::Arc;

/// A piece keeps its records in chunks of this many bytes.
const OWN_LEN: usize = 1 << 20;

/// Only keys that were made to share a block come in such numbers where the plan has a fraction of the memory for
/// them; a few long records may.
const CROWD: usize = 4 * 4096;

/// The records of a job as they are found.
pub(crate) struct Loader<'w> {
    work: &'w Work<'w>,
    job: &'w Job,
    /// Chunks that belong to the job alone: read from disk, or copied together.
    pub own: Vec<Vec<u8>>,
    pub records: Vec<Record>,
    /// For each block of the job how many records it has.
    pub counts: Vec<u32>,
    /// Bytes of records in `own` of a piece.
    own_len: u64,
    /// Cost at which duplicates are settled.
    settle_at: u64,
}

impl<'w> Loader<'w> {
    pub fn new(work: &'w Work<'w>, job: &'w Job, partitions: &[Arc<Partition>]) -> Self {
        let expected: u64 = partitions.iter().map(|one| one.records).sum();
        Loader {
            work,
            job,
            own: Vec::new(),
            records: Vec::with_capacity(if job.is_piece { 0 } else { expected as usize }),
            counts: vec![0; (job.blocks.end - job.blocks.start) as usize],
            own_len: 0,
            settle_at: work.memory,
        }
    }

    fn damaged(&self) -> Error {
        Error::Io {
            action: "cannot read temporary records in",
            path: self.work.spill_dir.into(),
            source: std::io::Error::other("the temporary file was changed"),
        }
    }

    /// All records of whole partitions, which stay where they are.
    pub fn load_whole(&mut self, partitions: &[Arc<Partition>]) -> Result<(), Error> {
        let mut number = 0;
        for chunk in partitions.iter().flat_map(|one| one.in_memory()) {
            self.parse(chunk, number)?;
            number += 1;
        }
        for partition in partitions {
            partition.on_disk(self.work.spill_dir, |chunk| {
                self.parse(chunk, number)?;
                self.own.push(std::mem::take(chunk));
                number += 1;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn parse(&mut self, chunk: &[u8], number: u32) -> Result<(), Error> {
        self.work.progress.check()?;
        let Self { work, job, records, counts, .. } = self;
        let parsed = spill::read_chunk(chunk, |place, offset, lengths| {
            let hash = KeyHash::new(block::key_at(chunk, offset, lengths), work.options.seed);
            counts[(hash.block(work.blocks) - job.blocks.start) as usize] += 1;
            records.push(Record { hash, place, chunk: number, offset: offset as u32 });
        });
        parsed.ok_or_else(|| self.damaged())
    }

    /// The records of the job's blocks, copied together.
    pub fn load_piece(&mut self, partitions: &[Arc<Partition>]) -> Result<(), Error> {
        for partition in partitions {
            for chunk in partition.in_memory() {
                self.copy_own(chunk)?;
            }
            partition.on_disk(self.work.spill_dir, |chunk| self.copy_own(chunk))?;
        }
        for record in &self.records {
            self.counts[(record.hash.block(self.work.blocks) - self.job.blocks.start) as usize] += 1;
        }
        Ok(())
    }

    fn copy_own(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.work.progress.check()?;
        let parsed = spill::read_chunk(chunk, |place, offset, lengths| {
            let hash = KeyHash::new(block::key_at(chunk, offset, lengths), self.work.options.seed);
            if self.job.blocks.contains(&hash.block(self.work.blocks)) {
                let len = lengths.total().unwrap_or(0) as usize;
                let (chunk, offset) = self.keep(&chunk[offset..offset + len]);
                self.records.push(Record { hash, place, chunk, offset });
            }
        });
        parsed.ok_or_else(|| self.damaged())?;
        if self.cost() > self.settle_at { self.settle() } else { Ok(()) }
    }

    fn keep(&mut self, record: &[u8]) -> (u32, u32) {
        if self.own.last().is_none_or(|last| last.len() + record.len() > last.capacity()) {
            self.own.push(Vec::with_capacity(record.len().max(OWN_LEN)));
        }
        self.own_len += record.len() as u64;
        let number = self.own.len() - 1;
        let last = &mut self.own[number];
        last.extend_from_slice(record);
        (number as u32, (last.len() - record.len()) as u32)
    }

    fn cost(&self) -> u64 {
        self.own_len + (self.records.len() * size_of::<Record>()) as u64
    }

    /// Far more records than were planned for: copies of few keys, or keys that were made to share a block. Drops
    /// the copies now instead of later, and gives up on the other.
    fn settle(&mut self) -> Result<(), Error> {
        let own = std::mem::take(&mut self.own);
        let chunks: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
        let mut records = std::mem::take(&mut self.records);
        block::settle_duplicates(&mut records, &chunks, self.work.options.on_duplicate)?;
        self.own_len = 0;
        for record in &mut records {
            (record.chunk, record.offset) = self.keep(block::bytes_of(&chunks, record));
        }
        records.shrink_to_fit();
        self.records = records;
        let cost = self.cost();
        self.settle_at = self.settle_at.max(cost.saturating_mul(2));
        if self.records.len() > CROWD && cost > self.work.memory / 2 {
            return Err(Error::Crowded {
                block: self.job.blocks.start,
                keys: self.records.len(),
                needed: cost,
            });
        }
        Ok(())
    }
}
