//! Which thread does what next, within the memory.

use crate::{plan::Job, spill::Extents, split::SPLIT_COST};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;

/// What a thread does next.
pub(crate) enum Task {
    /// Build the cells of the job with this number.
    Build(usize, Job),
    /// Split the job, and return what becomes of it to [`Queue::put_back`] with this number.
    Split(u64, Job),
}

enum Item {
    Waiting(Job),
    /// A thread splits it.
    Split(u64),
}

struct State {
    items: VecDeque<Item>,
    /// Bytes of memory that jobs may still take.
    free: u64,
    built: usize,
    splits: u64,
    stopped: bool,
}

/// Jobs in the order of their cells. They get memory in order, so none waits for a later one; a job that needs more than all
/// memory runs alone. A job that is too large for its share, `budget`, is split first, if it can be; up to `ahead` at a time.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    memory: u64,
    budget: u64,
    ahead: usize,
}

impl Queue {
    pub fn new(jobs: Vec<Job>, memory: u64, budget: u64, ahead: usize) -> Self {
        let items = jobs.into_iter().map(Item::Waiting).collect();
        let state = State { items, free: memory, built: 0, splits: 0, stopped: false };
        Queue { state: Mutex::new(state), changed: Condvar::new(), memory, budget, ahead }
    }

    /// The next task, as soon as there is memory for it; `None` at the end.
    pub fn next(&self) -> Option<Task> {
        let mut state = self.state.lock();
        loop {
            if state.stopped || state.items.is_empty() {
                return None;
            }
            let waiting = state.items.iter().take(self.ahead).enumerate().find_map(|(at, item)| match item {
                Item::Waiting(job) => Some((at, self.wanted(job))),
                Item::Split(_) => None,
            });
            // A job must wait for earlier ones that are being split; splitting need not.
            let task =
                waiting.filter(|&(at, (wanted, must_split))| wanted <= state.free && (at == 0 || must_split));
            if let Some((at, (wanted, must_split))) = task {
                let number = state.splits;
                let item = if must_split {
                    state.splits += 1;
                    Some(std::mem::replace(&mut state.items[at], Item::Split(number)))
                } else {
                    state.items.pop_front()
                };
                if let Some(Item::Waiting(job)) = item {
                    state.free -= wanted;
                    if must_split {
                        return Some(Task::Split(number, job));
                    }
                    state.built += 1;
                    return Some(Task::Build(state.built - 1, job));
                }
            }
            self.changed.wait(&mut state);
        }
    }

    /// Bytes of memory that this job takes next, and whether to split it.
    fn wanted(&self, job: &Job) -> (u64, bool) {
        let must_split = job.must_split(self.budget);
        (if must_split { SPLIT_COST } else { job.cost }.min(self.memory), must_split)
    }

    /// Jobs in place of the one that was split.
    pub fn put_back(&self, number: u64, jobs: Vec<Job>) {
        let mut state = self.state.lock();
        let at = state.items.iter().position(|item| matches!(item, Item::Split(found) if *found == number));
        let later = state.items.split_off(at.unwrap_or(0));
        state.items.extend(jobs.into_iter().map(Item::Waiting));
        state.items.extend(later.into_iter().skip(1));
        state.free += SPLIT_COST.min(self.memory);
        self.changed.notify_all();
    }

    /// Takes back the memory of a job with this cost.
    pub fn release(&self, cost: u64) {
        self.state.lock().free += cost.min(self.memory);
        self.changed.notify_all();
    }

    /// What the job that follows those of all threads has on disk.
    pub fn ahead(&self) -> Vec<Extents> {
        match self.state.lock().items.get(self.ahead - 1) {
            Some(Item::Waiting(job)) if !job.must_split(self.budget) => {
                job.partitions.iter().filter_map(|one| one.extents()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// No task follows.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::COPIES, spill::Partition};
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    fn job(cells: std::ops::Range<u64>, bytes: u64) -> Job {
        Job::new(vec![Arc::new(Partition::of_size(0, bytes))], cells, COPIES)
    }

    /// Threads build all cells in order, and take no more memory than there is, but for a job that runs alone.
    #[test]
    fn jobs_are_built_in_order_within_the_memory() {
        const MEMORY: u64 = 32 << 20;
        for (threads, seed) in [(1, 1), (2, 2), (5, 3), (16, 4)] {
            let mut random = fastrand::Rng::with_seed(seed);
            let sizes: Vec<u64> = (0..40).map(|_| 1 << random.u32(0..27)).collect();
            let jobs = (0..)
                .zip(&sizes)
                .map(|(number, &bytes)| job(number * 64..(number + 1) * 64, bytes))
                .collect();
            let queue = Queue::new(jobs, MEMORY, MEMORY / 8, threads);
            let (used, built, splits) = (AtomicU64::new(0), Mutex::new(Vec::new()), AtomicU64::new(0));
            let take = |cost: u64| {
                let before = used.fetch_add(cost, Relaxed);
                assert!(before + cost <= MEMORY || before == 0);
            };
            let work = || {
                while let Some(task) = queue.next() {
                    match task {
                        Task::Build(number, job) => {
                            assert!(job.cost <= MEMORY / 8 || job.len() == 1);
                            take(job.cost);
                            built.lock().push((number, job.cells));
                            std::thread::yield_now();
                            used.fetch_sub(job.cost, Relaxed);
                            queue.release(job.cost);
                        }
                        Task::Split(number, split) => {
                            assert!(split.cost > MEMORY / 8);
                            take(SPLIT_COST);
                            splits.fetch_add(1, Relaxed);
                            let (start, middle, end) = (
                                split.cells.start,
                                (split.cells.start + split.cells.end) / 2,
                                split.cells.end,
                            );
                            let bytes = split.partitions[0].bytes / 2;
                            std::thread::yield_now();
                            used.fetch_sub(SPLIT_COST, Relaxed);
                            queue.put_back(number, vec![job(start..middle, bytes), job(middle..end, bytes)]);
                        }
                    }
                }
            };
            std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
            let mut built = built.into_inner();
            built.sort_by_key(|one| one.0);
            assert!(splits.into_inner() > 10);
            let mut next = 0;
            for (number, (turn, cells)) in built.into_iter().enumerate() {
                assert_eq!((turn, cells.start), (number, next));
                next = cells.end;
            }
            assert_eq!(next, 40 * 64);
        }
    }

    #[test]
    fn a_stopped_queue_ends_all_threads() {
        let queue = Queue::new(vec![job(0..1, 10), job(1..2, 10)], 10, 10, 1);
        assert!(matches!(queue.next(), Some(Task::Build(0, _))));
        // The second job waits for the memory of the first one.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.next().is_none());
            queue.stop();
            assert!(waiting.join().unwrap());
        });
        assert!(queue.next().is_none());
    }
}
