//! From the chunks of partitions to the records of a job, in groups that fit the processor's cache.

use crate::{
    Error,
    cell::{self, Record},
    jobs::{Job, Work},
    spill::{self, Partition},
};
use hashlith_format::KeyHash;
use std::sync::Arc;

/// Records are copied together into chunks of this many bytes.
const OWN_LEN: usize = 1 << 18;

/// Only keys that were made to share a cell come in such numbers where the plan has a fraction of the memory for
/// them; a few long records may.
const CROWD: usize = 4 * 4096;

/// Records of some neighbouring cells of a job.
#[derive(Default)]
pub(crate) struct Group {
    /// What the records lie in, apart from chunks of partitions in memory.
    pub own: Vec<Vec<u8>>,
    pub records: Vec<Record>,
    /// Bytes of the records in `own`.
    own_len: u64,
}

impl Group {
    /// Copies a record.
    #[inline]
    fn keep(&mut self, hash: KeyHash, place: crate::Place, record: &[u8]) {
        if self.own.last().is_none_or(|last| last.len() + record.len() > last.capacity()) {
            self.own.push(Vec::with_capacity(record.len().max(OWN_LEN)));
        }
        self.own_len += record.len() as u64;
        let number = self.own.len() - 1;
        let last = &mut self.own[number];
        self.records.push(Record { hash, place, chunk: number as u32, offset: last.len() as u32 });
        last.extend_from_slice(record);
    }

    fn cost(&self) -> u64 {
        self.own_len + (self.records.len() * size_of::<Record>()) as u64
    }
}

/// The records of a job as they are found.
pub(crate) struct Loader<'w> {
    work: &'w Work<'w>,
    job: &'w Job,
    groups: Vec<Group>,
    /// Cost of all groups at which duplicates are settled.
    settle_at: u64,
}

impl<'w> Loader<'w> {
    pub fn new(work: &'w Work<'w>, job: &'w Job) -> Self {
        let groups = job.groups().map(|_| Group::default()).collect();
        Loader { work, job, groups, settle_at: job.cost.max(work.memory / work.threads as u64) }
    }

    /// The job's records, a group for each of [`Job::groups`], copied out of these partitions.
    pub fn copy(mut self, partitions: &[Arc<Partition>]) -> Result<Vec<Group>, Error> {
        for partition in partitions {
            partition.in_memory().iter().try_for_each(|chunk| self.copy_chunk(chunk))?;
            let (work, job) = (self.work, self.job);
            let wanted = |beginning: &[u8]| is_for(work, job, beginning);
            partition.on_disk(work.spill_dir, wanted, |chunk| self.copy_chunk(chunk))?;
        }
        Ok(self.groups)
    }

    /// All records of these partitions, which lie in memory and stay where they are, as one group.
    pub fn in_place(mut self, partitions: &[Arc<Partition>]) -> Result<Vec<Group>, Error> {
        let expected: u64 = partitions.iter().map(|one| one.records).sum();
        self.groups[0].records.reserve(expected as usize);
        let chunks = partitions.iter().flat_map(|one| one.in_memory());
        (0..).zip(chunks).try_for_each(|(number, chunk)| self.parse(chunk, number))?;
        Ok(self.groups)
    }

    fn parse(&mut self, chunk: &[u8], number: u32) -> Result<(), Error> {
        self.work.progress.check()?;
        let records = &mut self.groups[0].records;
        let parsed = spill::read_chunk(chunk, |place, offset, lengths| {
            let hash = self.work.options.hasher.hash(cell::key_at(chunk, offset, lengths));
            records.push(Record { hash, place, chunk: number, offset: offset as u32 });
        });
        parsed.ok_or_else(|| damaged(self.work))
    }

    /// Copies the records of the job's cells, each to its group.
    fn copy_chunk(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.work.progress.check()?;
        let Self { work, job, groups, .. } = self;
        let cells = job.cells.end - job.cells.start;
        let parsed = spill::read_chunk(chunk, |place, offset, lengths| {
            let hash = work.options.hasher.hash(cell::key_at(chunk, offset, lengths));
            // Cells before the job's become large numbers.
            let cell = hash.cell(work.options.parts, work.cells).wrapping_sub(job.cells.start);
            if cell < cells {
                let len = lengths.total().unwrap_or(0) as usize;
                groups[(cell >> job.group_shift) as usize].keep(hash, place, &chunk[offset..offset + len]);
            }
        });
        parsed.ok_or_else(|| damaged(self.work))?;
        if self.cost() > self.settle_at { self.settle() } else { Ok(()) }
    }

    fn cost(&self) -> u64 {
        self.groups.iter().map(Group::cost).sum()
    }

    /// Far more records than were planned for: copies of few keys, or keys that were made to share a cell. Drops
    /// the copies now instead of later, and gives up on the other.
    fn settle(&mut self) -> Result<(), Error> {
        for group in &mut self.groups {
            let all = group.records.len();
            let chunks: Vec<&[u8]> = group.own.iter().map(Vec::as_slice).collect();
            cell::settle_duplicates(&mut group.records, &chunks, self.work.options.on_duplicate)?;
            // What is left is copied only where that is little.
            if group.records.len() <= all / 2 {
                let Group { own, records, .. } = std::mem::take(group);
                let chunks: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
                for record in &records {
                    group.keep(record.hash, record.place, cell::bytes_of(&chunks, record));
                }
            }
        }
        let cost = self.cost();
        self.settle_at = self.settle_at.max(cost.saturating_mul(2));
        let keys = self.groups.iter().map(|group| group.records.len()).sum();
        if keys > CROWD && cost > self.work.memory / 2 {
            return Err(Error::Crowded { cell: self.job.cells.start, keys, needed: cost });
        }
        Ok(())
    }
}

/// False if no record of a chunk belongs to the job, as far as its beginning tells.
fn is_for(work: &Work, job: &Job, beginning: &[u8]) -> bool {
    let mut found = false;
    let parsed = spill::read_chunk(beginning, |_, offset, lengths| {
        let start = offset + lengths.head as usize;
        let key = beginning.get(start..start.saturating_add(lengths.key as usize));
        found |= key.is_none_or(|key| {
            job.cells.contains(&work.options.hasher.hash(key).cell(work.options.parts, work.cells))
        });
    });
    found || parsed.is_none()
}

fn damaged(work: &Work) -> Error {
    Error::Io {
        action: "cannot read temporary records in",
        path: work.spill_dir.into(),
        source: std::io::Error::other("the temporary file was changed"),
    }
}
