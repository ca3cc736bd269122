//! From the chunks of a job's partitions to its records, in groups that fit the processor's cache.

use crate::{
    Error,
    cell::{self, CellOptions, RecordRef},
    chunk::{Long, key_at, read_chunk},
    origin::Origin,
    plan::Job,
    spill::{Chunk, Disk},
};
use hashlith_feedback::Progress;
use hashlith_format::KeyHash;
use std::sync::Arc;

/// Records are copied together into chunks of this many bytes.
const OWN_LEN: usize = 1 << 18;

/// If more records than this take far more memory than a job may, their keys were made to share a cell. Fewer may just be long.
const CROWD: usize = 4 * 4096;

/// The state that all jobs of a build share.
#[derive(Clone, Copy)]
pub(crate) struct JobContext<'a> {
    pub options: CellOptions<'a>,
    /// The number of all cells.
    pub cells: u64,
    /// Threads that run jobs.
    pub threads: usize,
    /// Bytes of memory for all jobs together. A job keeps its share until its output is written.
    pub memory: u64,
    /// Bytes of memory for one job, if it is possible.
    pub budget: u64,
    /// How many times the bytes of its records take memory.
    pub copies: u64,
    /// The temporary files.
    pub disk: &'a Disk,
    pub progress: &'a Progress,
}

/// Bytes that a group owns.
enum Own {
    /// Records that were copied out of chunks of partitions.
    Copies(Vec<u8>),
    Long(Arc<Long>),
}

/// Records of adjacent cells of a job.
#[derive(Default)]
pub(crate) struct Group {
    own: Vec<Own>,
    pub records: Vec<RecordRef>,
    /// Bytes of memory that the records in `own` take.
    own_len: u64,
}

impl Group {
    /// The chunks that its records are in, after those that stay in partitions.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        self.own.iter().map(|own| match own {
            Own::Copies(bytes) => Chunk::Short(bytes),
            Own::Long(long) => Chunk::Long(long.clone()),
        })
    }

    /// Bytes of the short records that it owns.
    pub fn copied(&self) -> usize {
        let copied = self.own.iter().map(|own| if let Own::Copies(bytes) = own { bytes.len() } else { 0 });
        copied.sum()
    }

    /// Copies a record.
    #[inline]
    pub fn keep(&mut self, hash: KeyHash, origin: Origin, record: &[u8]) {
        let has_room = matches!(self.own.last(), Some(Own::Copies(last)) if last.len() + record.len() <= last.capacity());
        if !has_room {
            self.own.push(Own::Copies(Vec::with_capacity(record.len().max(OWN_LEN))));
        }
        let number = self.own.len() - 1;
        if let Own::Copies(last) = &mut self.own[number] {
            self.own_len += record.len() as u64;
            self.records.push(RecordRef { hash, origin, chunk: number as u32, offset: last.len() as u32 });
            last.extend_from_slice(record);
        }
    }

    pub fn keep_long(&mut self, hash: KeyHash, long: Arc<Long>) {
        self.own_len += long.front().len() as u64;
        let (chunk, offset) = (self.own.len() as u32, long.at as u32);
        self.records.push(RecordRef { hash, origin: long.origin, chunk, offset });
        self.own.push(Own::Long(long));
    }

    /// Bytes of memory that it takes.
    pub fn cost(&self) -> u64 {
        self.own_len + (self.records.len() * size_of::<RecordRef>()) as u64
    }
}

/// Collects the records of a job.
pub(crate) struct Loader<'j> {
    context: &'j JobContext<'j>,
    job: &'j Job,
    groups: Vec<Group>,
    /// When all groups together cost this much, they are checked for duplicates.
    check_at: u64,
}

impl<'j> Loader<'j> {
    pub fn new(context: &'j JobContext<'j>, job: &'j Job) -> Self {
        let groups = job.groups().map(|_| Group::default()).collect();
        let check_at = context.budget.max(context.memory / context.threads as u64);
        Loader { context, job, groups, check_at }
    }

    /// The job's records, copied, in a group for each of [`Job::groups`].
    pub fn copy(mut self) -> Result<Vec<Group>, Error> {
        for partition in &self.job.partitions {
            partition.in_memory().try_for_each(|chunk| self.copy_chunk(chunk))?;
            partition.on_disk(self.context.disk, |chunk| self.copy_chunk(chunk), |_, _, _| {})?;
        }
        Ok(self.groups)
    }

    /// The job's records as one group. They are in memory, and are not copied.
    pub fn in_place(mut self) -> Result<Vec<Group>, Error> {
        self.groups[0].records.reserve(self.job.records() as usize);
        let chunks = self.job.partitions.iter().flat_map(|one| one.in_memory());
        (0..).zip(chunks).try_for_each(|(number, chunk)| self.parse(&chunk, number))?;
        Ok(self.groups)
    }

    fn parse(&mut self, chunk: &Chunk<'_>, number: u32) -> Result<(), Error> {
        self.context.progress.check()?;
        let records = &mut self.groups[0].records;
        let hasher = self.context.options.hasher;
        match chunk {
            Chunk::Short(chunk) => {
                let parsed = read_chunk(chunk, |origin, offset, lengths| {
                    let hash = hasher.hash(key_at(chunk, offset, lengths));
                    records.push(RecordRef { hash, origin, chunk: number, offset: offset as u32 });
                });
                parsed.ok_or_else(|| self.context.disk.damaged())
            }
            Chunk::Long(long) => {
                let (hash, offset) = (hasher.hash(long.key()), long.at as u32);
                records.push(RecordRef { hash, origin: long.origin, chunk: number, offset });
                Ok(())
            }
        }
    }

    /// Copies the records, each to its group. Long ones stay where they are.
    fn copy_chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        self.context.progress.check()?;
        let Self { context, job, groups, .. } = self;
        let cells = job.len();
        // The hash of the key, and its cell's number in the job. The subtraction makes large numbers of the cells before the job.
        let place = |key: &[u8]| {
            let hash = context.options.hasher.hash(key);
            (hash, hash.cell(context.options.parts, context.cells).wrapping_sub(job.cells.start))
        };
        let mut others = 0;
        match chunk {
            Chunk::Short(chunk) => {
                let parsed = read_chunk(chunk, |origin, offset, lengths| {
                    let (hash, cell) = place(key_at(chunk, offset, lengths));
                    if cell < cells {
                        let len = lengths.total().unwrap_or(0) as usize;
                        groups[job.group(cell)].keep(hash, origin, &chunk[offset..offset + len]);
                    } else {
                        others += 1;
                    }
                });
                parsed.ok_or_else(|| context.disk.damaged())?;
            }
            Chunk::Long(long) => match place(long.key()) {
                (hash, cell) if cell < cells => groups[job.group(cell)].keep_long(hash, long),
                _ => others += 1,
            },
        }
        if others > 0 {
            return Err(context.disk.damaged());
        }
        if self.cost() > self.check_at { self.check() } else { Ok(()) }
    }

    fn cost(&self) -> u64 {
        self.groups.iter().map(Group::cost).sum()
    }

    /// For far more records in a cell than usual: refuses copies of few keys, and keys that were made to share a cell.
    fn check(&mut self) -> Result<(), Error> {
        for group in &mut self.groups {
            let mut records = std::mem::take(&mut group.records);
            let chunks: Vec<Chunk<'_>> = group.chunks().collect();
            cell::refuse_duplicates(&mut records, &chunks)?;
            drop(chunks);
            group.records = records;
        }
        let cost = self.cost();
        self.check_at = self.check_at.max(cost.saturating_mul(2));
        let keys = self.groups.iter().map(|group| group.records.len()).sum();
        if keys > CROWD && cost > self.context.memory / 2 {
            return Err(Error::Crowded { cell: self.job.cells.start, keys, needed: cost });
        }
        Ok(())
    }
}
