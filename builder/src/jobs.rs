//! From partitions to cells: runs the jobs on all threads, and passes on their results in order.

use crate::{
    Error,
    cell::{CellBuilder, Output, RecordRef},
    load::{JobContext, Loader},
    partitions::Partitions,
    plan::Job,
    spill::Partition,
};
use hashlith_feedback::Unit;
use hashlith_format::CELL_LEN;
use parking_lot::{Condvar, Mutex};
use std::{
    ops::Range,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::SyncSender,
    },
};

/// The state that all workers share.
pub(crate) struct Work<'a> {
    jobs: &'a [Job],
    context: JobContext<'a>,
    partitions: Partitions,
    /// Number of the next job, and the memory that jobs may still take.
    next: Mutex<(usize, u64)>,
    freed: Condvar,
    /// Number of the job whose output is sent next.
    turn: Mutex<usize>,
    turned: Condvar,
    stop: AtomicBool,
}

impl<'a> Work<'a> {
    pub fn new(jobs: &'a [Job], partitions: Vec<Partition>, context: JobContext<'a>) -> Self {
        Work {
            jobs,
            partitions: Partitions::new(partitions, jobs),
            next: Mutex::new((0, context.memory)),
            context,
            freed: Condvar::new(),
            turn: Mutex::new(0),
            turned: Condvar::new(),
            stop: AtomicBool::new(false),
        }
    }

    /// Runs jobs until none is left, and sends their outputs in the order of the jobs.
    ///
    /// # Errors
    /// The first error on this thread; the other threads stop too.
    pub fn run(&self, outputs: &SyncSender<Output>) -> Result<(), Error> {
        let stopper = StopOnDrop(self);
        while let Some((number, job)) = self.next_job() {
            // The job that follows those of all threads.
            if let Some(later) = self.jobs.get(number + self.context.threads) {
                self.partitions.prefetch(later.partitions.clone());
            }
            let output = self.run_job(job)?;
            let mut turn = self.turn.lock();
            while *turn != number && !self.stop.load(Relaxed) {
                self.turned.wait(&mut turn);
            }
            // If the writer fails, it closes the channel and has the error.
            if self.stop.load(Relaxed) || outputs.send(output).is_err() {
                return Ok(());
            }
            *turn += 1;
            self.turned.notify_all();
        }
        std::mem::forget(stopper);
        Ok(())
    }

    /// The next job, as soon as there is memory for it. Jobs get memory in order, so none waits for a later one. A job that
    /// needs more than all memory runs alone.
    fn next_job(&self) -> Option<(usize, &'a Job)> {
        let mut next = self.next.lock();
        loop {
            let number = next.0;
            let job = self.jobs.get(number).filter(|_| !self.stop.load(Relaxed))?;
            let wanted = job.cost.min(self.context.memory);
            if wanted <= next.1 {
                *next = (number + 1, next.1 - wanted);
                return Some((number, job));
            }
            self.freed.wait(&mut next);
        }
    }

    /// Releases the memory of a job whose output has been written.
    pub fn written(&self, output: Output) {
        let cost = output.cost.min(self.context.memory);
        drop(output);
        self.next.lock().1 += cost;
        self.freed.notify_all();
    }

    /// Ends all workers, also those that wait.
    pub fn stop(&self) {
        drop(StopOnDrop(self));
    }

    fn run_job(&self, job: &Job) -> Result<Output, Error> {
        let partitions = self.partitions.take(job.partitions.clone());
        let in_place = job.is_whole() && partitions.iter().all(|one| one.is_in_memory());
        let loader = Loader::new(&self.context, job);
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
        records: &[RecordRef],
        output: &mut Output,
    ) -> Result<(), Error> {
        let JobContext { options, cells: all, progress, .. } = self.context;
        let cell_of = |record: &RecordRef| (record.hash.cell(options.parts, all) - cells.start) as usize;
        // Where each cell begins in `grouped`; after the loop below, where it ends.
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
        let mut builder = CellBuilder::new(options, chunks, records, output);
        let mut members = Vec::new();
        let mut start = 0;
        for (cell, &end) in cells.zip(&places) {
            progress.check()?;
            members.clear();
            members.extend_from_slice(&grouped[start as usize..end as usize]);
            builder.build(cell, &mut members)?;
            progress.add(Unit::Records, u64::from(end - start));
            start = end;
        }
        Ok(())
    }
}

/// Stops all workers when one ends early, with an error or a panic, so that none waits forever.
struct StopOnDrop<'w, 'a>(&'w Work<'a>);

impl Drop for StopOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Relaxed);
        // A worker that has read the old value of `stop` already waits, or holds the lock.
        drop(self.0.turn.lock());
        self.0.turned.notify_all();
        drop(self.0.next.lock());
        self.0.freed.notify_all();
    }
}
