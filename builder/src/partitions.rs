//! Partitions while jobs use them.

use crate::{plan::Job, spill::Partition};
use parking_lot::Mutex;
use std::{ops::Range, sync::Arc};

/// Partitions, each with the number of jobs that still need it. The last job takes it, and frees its disk space.
pub(crate) struct Partitions(Vec<Mutex<(Option<Arc<Partition>>, usize)>>);

impl Partitions {
    pub fn new(partitions: Vec<Partition>, jobs: &[Job]) -> Self {
        let mut users = vec![0; partitions.len()];
        jobs.iter().for_each(|job| users[job.partitions.clone()].iter_mut().for_each(|count| *count += 1));
        let counted = partitions.into_iter().zip(users);
        Partitions(counted.map(|(one, users)| Mutex::new((Some(Arc::new(one)), users))).collect())
    }

    /// Asks the kernel to begin to read what is on disk.
    pub fn prefetch(&self, numbers: Range<usize>) {
        numbers.filter_map(|number| self.0[number].lock().0.clone()).for_each(|one| one.prefetch());
    }

    /// The partitions of one more job.
    pub fn take(&self, numbers: Range<usize>) -> Vec<Arc<Partition>> {
        let take = |number: usize| {
            let mut slot = self.0[number].lock();
            slot.1 = slot.1.saturating_sub(1);
            if slot.1 == 0 { slot.0.take() } else { slot.0.clone() }
        };
        numbers.filter_map(take).collect()
    }
}
