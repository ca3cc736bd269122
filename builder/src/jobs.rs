//! From partitions to cells: cut the work into jobs that fit the memory, do them on all threads, hand the results
//! on in order.

use crate::{
    Error, Progress,
    cell::{CellBuilder, CellOptions, Output, Record},
    load::Loader,
    spill::Partition,
};
use hashlith_format::CELL_LEN;
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::SyncSender,
    },
};

/// Bytes of records that are worked on at a time: enough to make the overhead small, little enough to stay in the L2
/// cache (`benches/README.md` has the sweep). Small partitions come together to a job of so many, a large one is a
/// job of several groups.
const GROUP_LEN: u64 = 1 << 20;
/// As the shift of a job: all its cells are one group.
const ONE_GROUP: u32 = 48;
/// Memory that a record takes besides twice its bytes (in a chunk and in the pool): its [`Record`], its place in a
/// cell's list, its share of the hot data.
const RECORD_COST: u64 = 56;

/// Some neighbouring cells, and the partitions that hold all their records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub partitions: Range<usize>,
    pub cells: Range<u64>,
    /// Bytes of memory that it takes.
    pub cost: u64,
    /// Its partition is too large for one job; it keeps only the records of its own cells.
    pub is_piece: bool,
    /// A group is 2^this cells.
    pub group_shift: u32,
}

impl Job {
    /// The cells of each group.
    pub fn groups(&self) -> impl Iterator<Item = Range<u64>> + use<'_> {
        let len = 1 << self.group_shift;
        self.cells.clone().step_by(len as usize).map(move |start| start..self.cells.end.min(start + len))
    }

    /// One group, which takes all records of its partitions.
    pub fn is_whole(&self) -> bool {
        self.group_shift == ONE_GROUP && !self.is_piece
    }
}

fn cost(records: u64, bytes: u64) -> u64 {
    bytes.saturating_mul(2).saturating_add(records.saturating_mul(RECORD_COST))
}

/// Cuts `cells` cells, whose records lie in partitions of these (records, bytes), into jobs of at most `budget`
/// bytes of memory where one cell is not more than that.
///
/// Either there is a whole number of cells to a partition, or of partitions to a cell. A partition that is too
/// large for one job is read by several, each of which keeps the records of its own cells.
pub(crate) fn plan(sizes: &[(u64, u64)], cells: u64, budget: u64) -> Vec<Job> {
    let count = sizes.len() as u64;
    let units = count.min(cells);
    let (partitions_each, cells_each) = ((count / units) as usize, cells / units);
    let target = budget.min(cost(GROUP_LEN / 48, GROUP_LEN));
    let mut jobs: Vec<Job> = Vec::new();
    for unit in 0..units {
        let partitions = unit as usize * partitions_each..(unit as usize + 1) * partitions_each;
        let unit_cells = unit * cells_each..(unit + 1) * cells_each;
        let unit_cost =
            sizes[partitions.clone()].iter().map(|&(records, bytes)| cost(records, bytes)).sum::<u64>()
                + cells_each * CELL_LEN;
        if let Some(last) = jobs.last_mut().filter(|last| !last.is_piece && last.cost + unit_cost <= target) {
            last.partitions.end = partitions.end;
            last.cells.end = unit_cells.end;
            last.cost += unit_cost;
            continue;
        }
        let pieces = unit_cost.div_ceil(budget.max(1)).clamp(1, cells_each);
        let cut = |piece: u64| unit_cells.start + cells_each * piece / pieces;
        jobs.extend((0..pieces).map(|piece| {
            let (cells, cost) = (cut(piece)..cut(piece + 1), unit_cost / pieces);
            Job {
                partitions: partitions.clone(),
                group_shift: group_shift(cells.end - cells.start, cost, target),
                cells,
                cost,
                is_piece: unit_cost > budget,
            }
        }));
    }
    jobs
}

fn group_shift(cells: u64, cost: u64, target: u64) -> u32 {
    let groups = cost.div_ceil(target.max(1));
    if groups <= 1 || cells == 1 { ONE_GROUP } else { (cells / groups).max(1).ilog2() }
}

/// What the workers share.
pub(crate) struct Work<'a> {
    pub jobs: &'a [Job],
    pub cells: u64,
    pub options: CellOptions,
    pub spill_dir: &'a Path,
    pub progress: &'a Progress,
    partitions: Partitions,
    /// Threads that do jobs.
    pub threads: usize,
    /// Number of the next job, and the memory that jobs may still take.
    next: Mutex<(usize, u64)>,
    freed: Condvar,
    /// Bytes of memory that all jobs together may take.
    pub memory: u64,
    turn: Mutex<usize>,
    turned: Condvar,
    stop: AtomicBool,
}

/// Partitions, each dropped (and its disk space freed) when the last job that needs it is done.
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

    fn prefetch(&self, numbers: Range<usize>) {
        numbers.filter_map(|number| lock(&self.0[number]).0.clone()).for_each(|one| one.prefetch());
    }

    fn take(&self, number: usize) -> Option<Arc<Partition>> {
        let mut slot = lock(&self.0[number]);
        slot.1 = slot.1.saturating_sub(1);
        if slot.1 == 0 { slot.0.take() } else { slot.0.clone() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Work<'a> {
    /// Jobs that may take `memory` bytes together, from their beginning until their output is written.
    pub fn new(
        jobs: &'a [Job],
        (partitions, threads): (Partitions, usize),
        (cells, memory): (u64, u64),
        options: CellOptions,
        spill_dir: &'a Path,
        progress: &'a Progress,
    ) -> Self {
        Work {
            jobs,
            cells,
            options,
            spill_dir,
            progress,
            partitions,
            threads,
            next: Mutex::new((0, memory)),
            freed: Condvar::new(),
            memory,
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
        while let Some((number, job)) = self.next_job() {
            // Every other thread has a job too; this is the one after those.
            if let Some(later) = self.jobs.get(number + self.threads) {
                self.partitions.prefetch(later.partitions.clone());
            }
            let output = self.run_job(job)?;
            let mut turn = lock(&self.turn);
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

    /// The next job, once there is memory for it. Jobs get theirs in order, so the one whose turn it is never waits
    /// for a later one; a job that wants more than there is gets all of it, alone.
    fn next_job(&self) -> Option<(usize, &'a Job)> {
        let mut next = lock(&self.next);
        loop {
            let number = next.0;
            let job = self.jobs.get(number).filter(|_| !self.stop.load(Relaxed))?;
            let wanted = job.cost.min(self.memory);
            if wanted <= next.1 {
                *next = (number + 1, next.1 - wanted);
                return Some((number, job));
            }
            next = self.freed.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives back the memory of a job whose output has been written.
    pub fn written(&self, output: Output) {
        let cost = output.cost.min(self.memory);
        drop(output);
        lock(&self.next).1 += cost;
        self.freed.notify_all();
    }

    /// Ends all workers: those that wait would wait for ever.
    pub fn stop(&self) {
        drop(StopOnDrop(self));
    }

    fn run_job(&self, job: &Job) -> Result<Output, Error> {
        let partitions: Vec<_> =
            job.partitions.clone().filter_map(|number| self.partitions.take(number)).collect();
        let in_place = job.is_whole() && partitions.iter().all(|one| one.is_in_memory());
        let loader = Loader::new(self, job);
        let groups = if in_place { loader.in_place(&partitions) } else { loader.copy(&partitions) }?;
        let held = partitions.iter().filter(|_| in_place).flat_map(|one| one.in_memory());
        let held: Vec<&[u8]> = held.map(Vec::as_slice).collect();
        let bytes = held.iter().map(|chunk| chunk.len()).sum::<usize>()
            + groups.iter().flat_map(|group| &group.own).map(Vec::len).sum::<usize>();
        let cells = (job.cells.end - job.cells.start) * CELL_LEN;
        let mut output = Output {
            pool: Vec::with_capacity(bytes),
            cells: Vec::with_capacity(cells as usize),
            cost: job.cost,
            ..Output::default()
        };
        for (cells, group) in job.groups().zip(groups) {
            let own = group.own.iter().map(Vec::as_slice);
            let chunks: Vec<&[u8]> = held.iter().copied().chain(own).collect();
            self.build_cells(cells, &chunks, &group.records, &mut output)?;
        }
        Ok(output)
    }

    fn build_cells(
        &self,
        cells: Range<u64>,
        chunks: &[&[u8]],
        records: &[Record],
        output: &mut Output,
    ) -> Result<(), Error> {
        let cell_of =
            |record: &Record| (record.hash.cell(self.options.parts, self.cells) - cells.start) as usize;
        // Where each cell begins in `grouped`; after that, where it ends.
        let mut places = vec![0u32; (cells.end - cells.start) as usize + 1];
        records.iter().for_each(|record| places[cell_of(record) + 1] += 1);
        for cell in 1..places.len() {
            places[cell] += places[cell - 1];
        }
        let mut grouped = vec![0u32; records.len()];
        for (number, record) in (0u32..).zip(records) {
            let place = &mut places[cell_of(record)];
            grouped[*place as usize] = number;
            *place += 1;
        }
        let mut builder = CellBuilder::new(self.options, chunks, records, output);
        let mut members = Vec::new();
        let mut start = 0;
        for (cell, &end) in cells.zip(&places) {
            self.progress.check()?;
            members.clear();
            members.extend_from_slice(&grouped[start as usize..end as usize]);
            builder.build(cell, &mut members)?;
            self.progress.add(u64::from(end - start));
            start = end;
        }
        Ok(())
    }
}

/// Stops all workers when one ends early, be it by an error or a panic, so that none waits for its turn for ever.
struct StopOnDrop<'w, 'a>(&'w Work<'a>);

impl Drop for StopOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Relaxed);
        // Whoever has seen the old value of `stop` waits by now, or holds the lock.
        drop(lock(&self.0.turn));
        self.0.turned.notify_all();
        drop(lock(&self.0.next));
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(jobs: &[Job], cells: u64, partitions: usize) {
        let mut next = 0;
        for job in jobs {
            assert_eq!(job.cells.start, next);
            assert!(job.cells.end > next);
            next = job.cells.end;
            // Every hash of the job's cells routes to one of its partitions.
            for cell in [job.cells.start, job.cells.end - 1] {
                let low = (u128::from(cell) << 64).div_ceil(u128::from(cells)) as u64;
                let high = (((u128::from(cell) + 1) << 64).div_ceil(u128::from(cells)) - 1) as u64;
                for hi in [low, high] {
                    let partition = ((u128::from(hi) * partitions as u128) >> 64) as usize;
                    assert!(job.partitions.contains(&partition), "{job:?} {partition}");
                }
            }
        }
        assert_eq!(next, cells);
    }

    #[test]
    fn jobs_cover_all_cells_and_their_partitions() {
        for partitions in [1usize, 16, 64, 1024] {
            for cells in [1u64, 2, 64, 512, 1024, 2048, 5 * 1024, 700 * 1024] {
                for budget in [1, 1 << 20, 1 << 30] {
                    for records in [0, 3, 100_000] {
                        let jobs = plan(&vec![(records, records * 50); partitions], cells, budget);
                        covers(&jobs, cells, partitions);
                    }
                }
            }
        }
    }

    #[test]
    fn a_partition_above_the_budget_is_shared_by_jobs() {
        let jobs = plan(&[(1000, 50_000), (10, 500)], 8, 52_200);
        assert_eq!(
            jobs[0],
            Job { partitions: 0..1, cells: 0..1, cost: 52_170, is_piece: true, group_shift: ONE_GROUP }
        );
        // 2 * 50,000 + 56 * 1,000 + 4 * 128 bytes of memory, and at most 52,200 for a job: three jobs.
        assert_eq!(jobs.len(), 4);
        assert_eq!(
            jobs[3],
            Job { partitions: 1..2, cells: 4..8, cost: 2072, is_piece: false, group_shift: ONE_GROUP }
        );
    }
}
