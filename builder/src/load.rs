//! From the chunks of partitions to the records of a job, in groups that fit the processor's cache.

use crate::{
    Error,
    cell::{self, CellOptions, RecordRef},
    origin::Origin,
    plan::Job,
    spill::{self, Partition},
};
use hashlith_feedback::Progress;
use hashlith_format::KeyHash;
use std::{path::Path, sync::Arc};

/// Records are copied together into chunks of this many bytes.
const OWN_LEN: usize = 1 << 18;

/// If more records than this take far more memory than planned, their keys were made to share a cell. Fewer may just be long.
const CROWD: usize = 4 * 4096;

/// The state that all jobs of a build share.
#[derive(Clone, Copy)]
pub(crate) struct JobContext<'a> {
    pub options: CellOptions,
    /// The number of all cells.
    pub cells: u64,
    /// Threads that run jobs.
    pub threads: usize,
    /// Bytes of memory for all jobs together. A job keeps its share until its output is written.
    pub memory: u64,
    /// Directory of the temporary files.
    pub spill_dir: &'a Path,
    pub progress: &'a Progress,
}

impl JobContext<'_> {
    fn damaged(&self) -> Error {
        Error::Io {
            action: "cannot read temporary records in",
            path: self.spill_dir.into(),
            source: std::io::Error::other("the temporary file was changed"),
        }
    }
}

/// Records of adjacent cells of a job.
#[derive(Default)]
pub(crate) struct Group {
    /// The bytes of records that do not stay in chunks of partitions.
    pub own: Vec<Vec<u8>>,
    pub records: Vec<RecordRef>,
    /// Bytes of the records in `own`.
    own_len: u64,
}

impl Group {
    /// Copies a record.
    #[inline]
    fn keep(&mut self, hash: KeyHash, origin: Origin, record: &[u8]) {
        if self.own.last().is_none_or(|last| last.len() + record.len() > last.capacity()) {
            self.own.push(Vec::with_capacity(record.len().max(OWN_LEN)));
        }
        self.own_len += record.len() as u64;
        let number = self.own.len() - 1;
        let last = &mut self.own[number];
        self.records.push(RecordRef { hash, origin, chunk: number as u32, offset: last.len() as u32 });
        last.extend_from_slice(record);
    }

    fn cost(&self) -> u64 {
        self.own_len + (self.records.len() * size_of::<RecordRef>()) as u64
    }
}

/// Collects the records of a job.
pub(crate) struct Loader<'j> {
    context: &'j JobContext<'j>,
    job: &'j Job,
    groups: Vec<Group>,
    /// When all groups together cost this much, duplicates are settled.
    settle_at: u64,
}

impl<'j> Loader<'j> {
    pub fn new(context: &'j JobContext<'j>, job: &'j Job) -> Self {
        let groups = job.groups().map(|_| Group::default()).collect();
        Loader { context, job, groups, settle_at: job.cost.max(context.memory / context.threads as u64) }
    }

    /// The job's records, copied from these partitions, in a group for each of [`Job::groups`].
    pub fn copy(mut self, partitions: &[Arc<Partition>]) -> Result<Vec<Group>, Error> {
        for partition in partitions {
            partition.in_memory().iter().try_for_each(|chunk| self.copy_chunk(chunk))?;
            let (context, job) = (self.context, self.job);
            let wanted = |beginning: &[u8]| is_for(context, job, beginning);
            partition.on_disk(context.spill_dir, wanted, |chunk| self.copy_chunk(chunk))?;
        }
        Ok(self.groups)
    }

    /// All records of these partitions as one group. They are in memory, and are not copied.
    pub fn in_place(mut self, partitions: &[Arc<Partition>]) -> Result<Vec<Group>, Error> {
        let expected: u64 = partitions.iter().map(|one| one.records).sum();
        self.groups[0].records.reserve(expected as usize);
        let chunks = partitions.iter().flat_map(|one| one.in_memory());
        (0..).zip(chunks).try_for_each(|(number, chunk)| self.parse(chunk, number))?;
        Ok(self.groups)
    }

    fn parse(&mut self, chunk: &[u8], number: u32) -> Result<(), Error> {
        self.context.progress.check()?;
        let records = &mut self.groups[0].records;
        let parsed = spill::read_chunk(chunk, |origin, offset, lengths| {
            let hash = self.context.options.hasher.hash(cell::key_at(chunk, offset, lengths));
            records.push(RecordRef { hash, origin, chunk: number, offset: offset as u32 });
        });
        parsed.ok_or_else(|| self.context.damaged())
    }

    /// Copies the records of the job's cells, each to its group.
    fn copy_chunk(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.context.progress.check()?;
        let Self { context, job, groups, .. } = self;
        let cells = job.cells.end - job.cells.start;
        let parsed = spill::read_chunk(chunk, |origin, offset, lengths| {
            let hash = context.options.hasher.hash(cell::key_at(chunk, offset, lengths));
            // The subtraction makes large numbers of the cells before the job.
            let cell = hash.cell(context.options.parts, context.cells).wrapping_sub(job.cells.start);
            if cell < cells {
                let len = lengths.total().unwrap_or(0) as usize;
                groups[(cell >> job.group_shift) as usize].keep(hash, origin, &chunk[offset..offset + len]);
            }
        });
        parsed.ok_or_else(|| context.damaged())?;
        if self.cost() > self.settle_at { self.settle() } else { Ok(()) }
    }

    fn cost(&self) -> u64 {
        self.groups.iter().map(Group::cost).sum()
    }

    /// For far more records than planned: copies of few keys, or keys that were made to share a cell. Drops the copies now
    /// instead of later, and refuses keys that share a cell.
    fn settle(&mut self) -> Result<(), Error> {
        for group in &mut self.groups {
            let all = group.records.len();
            let chunks: Vec<&[u8]> = group.own.iter().map(Vec::as_slice).collect();
            cell::settle_duplicates(&mut group.records, &chunks, self.context.options.on_duplicate)?;
            // If few are left, they are copied, so that the memory of the others is freed.
            if group.records.len() <= all / 2 {
                let Group { own, records, .. } = std::mem::take(group);
                let chunks: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
                for record in &records {
                    group.keep(record.hash, record.origin, cell::bytes_of(&chunks, record));
                }
            }
        }
        let cost = self.cost();
        self.settle_at = self.settle_at.max(cost.saturating_mul(2));
        let keys = self.groups.iter().map(|group| group.records.len()).sum();
        if keys > CROWD && cost > self.context.memory / 2 {
            return Err(Error::Crowded { cell: self.job.cells.start, keys, needed: cost });
        }
        Ok(())
    }
}

/// False if the beginning of a chunk shows that none of its records belongs to the job.
fn is_for(context: &JobContext, job: &Job, beginning: &[u8]) -> bool {
    let mut found = false;
    let parsed = spill::read_chunk(beginning, |_, offset, lengths| {
        let start = offset + lengths.head as usize;
        let key = beginning.get(start..start.saturating_add(lengths.key as usize));
        found |= key.is_none_or(|key| {
            let hash = context.options.hasher.hash(key);
            job.cells.contains(&hash.cell(context.options.parts, context.cells))
        });
    });
    found || parsed.is_none()
}
