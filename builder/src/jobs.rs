//! From partitions to blocks: cut the work into jobs that fit the memory, do them on all threads, hand the results
//! on in order.

use crate::{
    Error, Progress,
    block::{BlockBuilder, BlockOptions, Output, Record},
    spill::{self, Partition},
};
use hashlith_format::KeyHash;
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::SyncSender,
    },
};

/// Bytes of records that a job takes when it may choose: enough to make its overhead small, little enough to stay
/// near the processor.
const JOB_LEN: u64 = 8 << 20;
/// Memory that a record takes besides its bytes: its [`Record`], its place in a block's list, its share of the hot
/// data.
const RECORD_COST: u64 = 56;

/// Some neighbouring blocks, and the partitions that hold all their records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub partitions: Range<usize>,
    pub blocks: Range<u64>,
}

/// Cuts `blocks` blocks, whose records lie in partitions of these (records, bytes), into jobs of at most `budget`
/// bytes of memory where one block is not more than that.
///
/// Either there is a whole number of blocks to a partition, or of partitions to a block. A partition that is too
/// large for one job is read by several, each of which keeps the records of its own blocks.
pub(crate) fn plan(sizes: &[(u64, u64)], blocks: u64, budget: u64) -> Vec<Job> {
    let count = sizes.len() as u64;
    let units = count.min(blocks);
    let (partitions_each, blocks_each) = ((count / units) as usize, blocks / units);
    let target = budget.min(2 * JOB_LEN + RECORD_COST * JOB_LEN / 48);
    let mut jobs: Vec<Job> = Vec::new();
    let mut last_cost = u64::MAX;
    for unit in 0..units {
        let partitions = unit as usize * partitions_each..(unit as usize + 1) * partitions_each;
        let unit_blocks = unit * blocks_each..(unit + 1) * blocks_each;
        let cost: u64 =
            sizes[partitions.clone()].iter().map(|(records, bytes)| 2 * bytes + RECORD_COST * records).sum();
        if let Some(last) = jobs.last_mut().filter(|_| last_cost.saturating_add(cost) <= target) {
            last.partitions.end = partitions.end;
            last.blocks.end = unit_blocks.end;
            last_cost += cost;
            continue;
        }
        let pieces = cost.div_ceil(budget.max(1)).clamp(1, blocks_each);
        let cut = |piece: u64| unit_blocks.start + blocks_each * piece / pieces;
        jobs.extend(
            (0..pieces)
                .map(|piece| Job { partitions: partitions.clone(), blocks: cut(piece)..cut(piece + 1) }),
        );
        last_cost = if pieces == 1 { cost } else { u64::MAX };
    }
    jobs
}

/// What the workers share.
pub(crate) struct Work<'a> {
    pub jobs: &'a [Job],
    pub blocks: u64,
    pub options: BlockOptions,
    pub spill_dir: &'a Path,
    pub progress: &'a Progress,
    pub partitions: Partitions,
    next: AtomicUsize,
    turn: Mutex<usize>,
    turned: Condvar,
    stop: AtomicBool,
}

/// Partitions, each dropped (and its disk space freed) when the last job that needs it has loaded it.
pub(crate) struct Partitions(Vec<Mutex<(Option<Arc<Partition>>, usize)>>);

impl Partitions {
    pub fn new(partitions: Vec<Partition>, jobs: &[Job]) -> Self {
        let mut users = vec![0; partitions.len()];
        jobs.iter().for_each(|job| users[job.partitions.clone()].iter_mut().for_each(|count| *count += 1));
        Partitions(
            partitions
                .into_iter()
                .zip(users)
                .map(|(one, users)| Mutex::new((Some(Arc::new(one)), users)))
                .collect(),
        )
    }

    fn take(&self, number: usize) -> Option<Arc<Partition>> {
        let mut slot = self.0[number].lock().unwrap_or_else(PoisonError::into_inner);
        slot.1 = slot.1.saturating_sub(1);
        if slot.1 == 0 { slot.0.take() } else { slot.0.clone() }
    }
}

impl<'a> Work<'a> {
    pub fn new(
        jobs: &'a [Job],
        partitions: Partitions,
        blocks: u64,
        options: BlockOptions,
        spill_dir: &'a Path,
        progress: &'a Progress,
    ) -> Self {
        Work {
            jobs,
            blocks,
            options,
            spill_dir,
            progress,
            partitions,
            next: AtomicUsize::new(0),
            turn: Mutex::new(0),
            turned: Condvar::new(),
            stop: AtomicBool::new(false),
        }
    }

    /// Does jobs until there are none left, and sends their outputs in the order of the jobs.
    ///
    /// # Errors
    /// The first thing that went wrong on this thread; the others stop too.
    pub fn run(&self, outputs: &SyncSender<Output>) -> Result<(), Error> {
        let stopper = StopOnDrop(self);
        loop {
            let number = self.next.fetch_add(1, Relaxed);
            let Some(job) = self.jobs.get(number) else { break };
            let output = self.run_job(job)?;
            let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            while *turn != number && !self.stop.load(Relaxed) {
                turn = self.turned.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            // The writer hangs up when it fails; it has the error.
            if self.stop.load(Relaxed) || outputs.send(output).is_err() {
                return Ok(());
            }
            *turn += 1;
            self.turned.notify_all();
        }
        std::mem::forget(stopper);
        Ok(())
    }

    fn run_job(&self, job: &Job) -> Result<Output, Error> {
        let partitions: Vec<_> =
            job.partitions.clone().filter_map(|number| self.partitions.take(number)).collect();
        let mut from_disk = Vec::new();
        let mut records = Vec::new();
        let mut counts = vec![0u32; (job.blocks.end - job.blocks.start) as usize + 1];
        let mut parse = |chunk: &[u8], number: usize| {
            let before = records.len();
            spill::read_chunk(chunk, |place, offset, lengths| {
                let key = &chunk[offset + lengths.head as usize..][..lengths.key as usize];
                let hash = KeyHash::new(key, self.options.seed);
                let block = hash.block(self.blocks);
                if job.blocks.contains(&block) {
                    counts[(block - job.blocks.start) as usize] += 1;
                    records.push(Record { hash, place, chunk: number as u32, offset: offset as u32 });
                }
            })
            .map(|()| records.len() > before)
        };
        let damaged = || Error::Io {
            action: "cannot read temporary records in",
            path: self.spill_dir.into(),
            source: std::io::Error::other("the temporary file was changed"),
        };
        let in_memory: Vec<&[u8]> =
            partitions.iter().flat_map(|one| one.in_memory()).map(Vec::as_slice).collect();
        for (number, chunk) in in_memory.iter().enumerate() {
            self.progress.check()?;
            parse(chunk, number).ok_or_else(damaged)?;
        }
        for partition in &partitions {
            let mut broken = false;
            partition.on_disk(self.spill_dir, |chunk| {
                match parse(&chunk, in_memory.len() + from_disk.len()) {
                    Some(true) => from_disk.push(chunk),
                    Some(false) => {}
                    None => broken = true,
                }
            })?;
            self.progress.check()?;
            if broken {
                return Err(damaged());
            }
        }
        let chunks: Vec<&[u8]> = in_memory.into_iter().chain(from_disk.iter().map(Vec::as_slice)).collect();
        self.build_blocks(job, &chunks, &records, &counts)
    }

    fn build_blocks(
        &self,
        job: &Job,
        chunks: &[&[u8]],
        records: &[Record],
        counts: &[u32],
    ) -> Result<Output, Error> {
        let mut places: Vec<u32> = counts
            .iter()
            .scan(0, |sum, &count| {
                let start = *sum;
                *sum += count;
                Some(start)
            })
            .collect();
        let mut grouped = vec![0u32; records.len()];
        for (number, record) in (0u32..).zip(records) {
            let place = &mut places[(record.hash.block(self.blocks) - job.blocks.start) as usize];
            grouped[*place as usize] = number;
            *place += 1;
        }
        let mut builder = BlockBuilder::new(self.options, chunks, records);
        let mut members = Vec::new();
        let mut start = 0;
        for (block, &count) in job.blocks.clone().zip(counts) {
            self.progress.check()?;
            members.clear();
            members.extend_from_slice(&grouped[start as usize..(start + count) as usize]);
            start += count;
            builder.build(block, &mut members)?;
            self.progress.add(u64::from(count));
        }
        Ok(builder.output)
    }
}

/// Stops all workers when one ends early, be it by an error or a panic, so that none waits for its turn for ever.
struct StopOnDrop<'w, 'a>(&'w Work<'a>);

impl Drop for StopOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Relaxed);
        // Whoever has seen the old value of `stop` waits by now, or holds the lock.
        drop(self.0.turn.lock());
        self.0.turned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(jobs: &[Job], blocks: u64, partitions: usize) {
        let mut next = 0;
        for job in jobs {
            assert_eq!(job.blocks.start, next);
            assert!(job.blocks.end > next);
            next = job.blocks.end;
            // Every hash of the job's blocks routes to one of its partitions.
            for block in [job.blocks.start, job.blocks.end - 1] {
                let low = (u128::from(block) << 64).div_ceil(u128::from(blocks)) as u64;
                let high = (((u128::from(block) + 1) << 64).div_ceil(u128::from(blocks)) - 1) as u64;
                for hi in [low, high] {
                    let partition = ((u128::from(hi) * partitions as u128) >> 64) as usize;
                    assert!(job.partitions.contains(&partition), "{job:?} {partition}");
                }
            }
        }
        assert_eq!(next, blocks);
    }

    #[test]
    fn jobs_cover_all_blocks_and_their_partitions() {
        for partitions in [1usize, 16, 64, 1024] {
            for blocks in [1u64, 2, 64, 512, 1024, 2048, 5 * 1024, 700 * 1024] {
                for budget in [1, 1 << 20, 1 << 30] {
                    for records in [0, 3, 100_000] {
                        let jobs = plan(&vec![(records, records * 50); partitions], blocks, budget);
                        covers(&jobs, blocks, partitions);
                    }
                }
            }
        }
    }

    #[test]
    fn a_partition_above_the_budget_is_shared_by_jobs() {
        let jobs = plan(&[(1000, 50_000), (10, 500)], 8, 52_000);
        assert_eq!(jobs[0], Job { partitions: 0..1, blocks: 0..1 });
        // 2 * 50,000 + 56 * 1,000 bytes of memory: three jobs.
        assert_eq!(jobs.len(), 4);
        assert_eq!(jobs[3], Job { partitions: 1..2, blocks: 4..8 });
    }
}
