//! From partitions to cells: runs the jobs on all threads, and passes on their results in order.

use crate::{
    Error,
    cell::{CellBuilder, Output, RecordRef},
    chunk::LONG,
    codecs::Codecs,
    load::{Group, JobContext, Loader},
    plan::Job,
    pool::Pool,
    queue::{Queue, Task},
    spill::{Chunk, Extents},
    split::split,
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
    context: JobContext<'a>,
    queue: Queue,
    /// Number of the job whose output is sent next.
    turn: Mutex<usize>,
    turned: Condvar,
    stop: AtomicBool,
}

impl<'a> Work<'a> {
    pub fn new(jobs: Vec<Job>, context: JobContext<'a>) -> Self {
        Work {
            queue: Queue::new(jobs, context.memory, context.budget, context.threads),
            context,
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
        while let Some(task) = self.queue.next() {
            let (number, job) = match task {
                Task::Build(number, job) => (number, job),
                Task::Split(number, job) => {
                    self.queue.put_back(number, split(job, &self.context)?);
                    continue;
                }
            };
            self.queue.ahead().iter().for_each(Extents::prefetch);
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

    /// Releases the memory of a job whose output has been written.
    pub fn written(&self, output: Output) {
        let cost = output.cost;
        drop(output);
        self.queue.release(cost);
    }

    /// Ends all workers, also those that wait.
    pub fn stop(&self) {
        drop(StopOnDrop(self));
    }

    fn run_job(&self, job: Job) -> Result<Output, Error> {
        let in_place = job.is_one_group() && job.partitions.iter().all(|one| one.is_in_memory());
        let loader = Loader::new(&self.context, &job);
        let groups = if in_place { loader.in_place()? } else { loader.copy()? };
        let held = || job.partitions.iter().filter(|_| in_place).flat_map(|one| one.in_memory());
        let bytes =
            held().map(|chunk| if let Chunk::Short(bytes) = chunk { bytes.len() } else { 0 }).sum::<usize>()
                + groups.iter().map(Group::copied).sum::<usize>();
        let loaded = groups.iter().map(|group| group.records.len() as u64).sum::<u64>();
        let width = self.context.options.codecs.map_or(0, Codecs::width);
        let values = if width < LONG as u64 { ((loaded * width) as usize).min(bytes) } else { 0 };
        let mut output = Output {
            pool: Pool::with_capacity(bytes.saturating_sub(values)),
            values: Pool::with_capacity(values),
            cells: Vec::with_capacity((job.len() * CELL_LEN) as usize),
            cost: job.cost,
            loaded,
            ..Output::default()
        };
        for (cells, group) in job.groups().zip(groups) {
            let mut chunks: Vec<Chunk<'_>> = held().collect();
            chunks.extend(group.chunks());
            self.build_cells(cells, &chunks, &group.records, &mut output)?;
        }
        Ok(output)
    }

    fn build_cells(
        &self,
        cells: Range<u64>,
        chunks: &[Chunk<'_>],
        records: &[RecordRef],
        output: &mut Output,
    ) -> Result<(), Error> {
        let JobContext { options, cells: all, progress, disk, .. } = self.context;
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
        let mut builder = CellBuilder::new(options, disk, chunks, records, output);
        let mut members = Vec::new();
        let mut start = 0;
        for (cell, &end) in cells.zip(&places) {
            progress.check()?;
            members.clear();
            members.extend_from_slice(&grouped[start as usize..end as usize]);
            builder.build(cell, &members)?;
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
        self.0.queue.stop();
    }
}
