//! Cuts the work into jobs that fit the memory.

use crate::spill::Partition;
use hashlith_format::CELL_LEN;
use std::{ops::Range, sync::Arc};

/// Bytes of records that a thread works on at a time: enough for little overhead, and few enough to stay in the L2 cache
/// (`benches/README.md` has the measurements). Small partitions are joined to jobs of this size; a large one is a job of
/// several groups.
const GROUP_LEN: u64 = 1 << 20;
/// The shift of a job whose cells are all one group.
const ONE_GROUP: u32 = 48;
/// Bytes of memory that a record takes in addition to its copies: its
/// [`RecordRef`](crate::cell::RecordRef), its place in a cell's list, its share of the hot section.
const RECORD_COST: u64 = 56;
/// The copies of records: in a chunk and in the pool.
pub(crate) const COPIES: u64 = 2;
/// The same if they are encoded: what the sample did not show may become longer, up to twice as long.
pub(crate) const CODED_COPIES: u64 = 3;

/// Adjacent cells, and the partitions that hold their records and no others.
pub(crate) struct Job {
    /// Others may have them too: then they stay when the job is done.
    pub partitions: Vec<Arc<Partition>>,
    pub cells: Range<u64>,
    /// Bytes of memory that it takes.
    pub cost: u64,
    /// A group is 2^this cells.
    group_shift: u32,
}

impl Job {
    /// `copies`: how many times the bytes of its records take memory.
    pub fn new(partitions: Vec<Arc<Partition>>, cells: Range<u64>, copies: u64) -> Self {
        let of_records: u64 = partitions.iter().map(|one| cost(one.records, one.bytes, copies)).sum();
        let cost = of_records.saturating_add((cells.end - cells.start) * CELL_LEN);
        Job { partitions, cells, cost, group_shift: ONE_GROUP }
    }

    /// The number of cells.
    pub fn len(&self) -> u64 {
        self.cells.end - self.cells.start
    }

    /// The number of records.
    pub fn records(&self) -> u64 {
        self.partitions.iter().map(|one| one.records).sum()
    }

    /// The cells of each group.
    pub fn groups(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (cells, len) = (self.cells.clone(), 1 << self.group_shift);
        cells.clone().step_by(len as usize).map(move |start| start..cells.end.min(start + len))
    }

    /// The group of the cell with this number in the job.
    #[inline]
    pub fn group(&self, cell: u64) -> usize {
        (cell >> self.group_shift) as usize
    }

    /// True if all cells are one group.
    pub fn is_one_group(&self) -> bool {
        self.group_shift == ONE_GROUP
    }

    /// True if it takes more memory than a job may, and can be split.
    pub fn must_split(&self, budget: u64) -> bool {
        self.cost > budget && self.len() > 1
    }
}

fn cost(records: u64, bytes: u64, copies: u64) -> u64 {
    bytes.saturating_mul(copies).saturating_add(records.saturating_mul(RECORD_COST))
}

/// Jobs of `cells` cells, whose records lie in these partitions, as many as they have boundaries in common. The number of
/// partitions is a power of two.
pub(crate) fn smallest(partitions: Vec<Arc<Partition>>, cells: u64, copies: u64) -> Vec<Job> {
    let count = partitions.len() as u64;
    let units = 1 << count.trailing_zeros().min(cells.trailing_zeros());
    let (partitions_each, cells_each) = ((count / units) as usize, cells / units);
    let mut partitions = partitions.into_iter();
    let job = |unit: u64| {
        let own = partitions.by_ref().take(partitions_each).collect();
        Job::new(own, unit * cells_each..(unit + 1) * cells_each, copies)
    };
    (0..units).map(job).collect()
}

/// Joins small adjacent jobs, and cuts large ones into groups. A job takes at most `budget` bytes of memory, unless it has only
/// one cell or must be split.
pub(crate) fn join(jobs: Vec<Job>, budget: u64) -> Vec<Job> {
    let target = budget.min(cost(GROUP_LEN / 48, GROUP_LEN, COPIES));
    let mut joined: Vec<Job> = Vec::new();
    for mut job in jobs {
        if let Some(last) = joined.last_mut().filter(|last| last.cost + job.cost <= target) {
            last.partitions.append(&mut job.partitions);
            last.cells.end = job.cells.end;
            last.cost += job.cost;
        } else {
            joined.push(job);
        }
    }
    for job in &mut joined {
        let groups = job.cost.div_ceil(target.max(1));
        if groups > 1 && job.len() > 1 {
            job.group_shift = (job.len() / groups).max(1).ilog2();
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(sizes: &[(u64, u64)]) -> Vec<Arc<Partition>> {
        sizes.iter().map(|&(records, bytes)| Arc::new(Partition::of_size(records, bytes))).collect()
    }

    /// Every hash of a job's cells is in one of its partitions.
    #[test]
    fn jobs_cover_all_cells_and_their_partitions() {
        for count in [1usize, 16, 64, 1024] {
            for cells in [1u64, 2, 3, 10, 64, 500, 1024, 2048, 3000, 5 * 1024, 700 * 1024] {
                for budget in [1, 1 << 20, 1 << 30] {
                    for records in [0, 3, 100_000] {
                        let all = partitions(&vec![(records, records * 50); count]);
                        let (mut cell, mut partition) = (0, 0);
                        for job in join(smallest(all, cells, COPIES), budget) {
                            assert_eq!((job.cells.start, job.groups().next().unwrap().start), (cell, cell));
                            let end = partition + job.partitions.len();
                            for cell in [job.cells.start, job.cells.end - 1] {
                                let low = (u128::from(cell) << 64).div_ceil(u128::from(cells)) as u64;
                                let high =
                                    (((u128::from(cell) + 1) << 64).div_ceil(u128::from(cells)) - 1) as u64;
                                for hi in [low, high] {
                                    let found = ((u128::from(hi) * count as u128) >> 64) as usize;
                                    assert!((partition..end).contains(&found), "{cell} {found}");
                                }
                            }
                            (cell, partition) = (job.cells.end, end);
                            assert_eq!(job.groups().last().unwrap().end, cell);
                            assert_eq!(job.group(job.len() - 1) + 1, job.groups().count());
                        }
                        assert_eq!((cell, partition), (cells, count));
                    }
                }
            }
        }
    }

    #[test]
    fn small_jobs_are_joined_and_large_ones_must_be_split() {
        let sizes = [(1000, 50_000), (10, 500), (10, 500), (0, 0)];
        let jobs = join(smallest(partitions(&sizes), 16, COPIES), 52_200);
        let found: Vec<_> =
            jobs.iter().map(|job| (job.cells.clone(), job.cost, job.must_split(52_200))).collect();
        // 2 * 50,000 + 56 * 1,000 + 4 * 128 bytes of memory.
        assert_eq!(found, [(0..4, 156_512, true), (4..16, 2 * 2072 - 2 * 512 + 3 * 512, false)]);
        assert_eq!(jobs[0].records(), 1000);
        // A single cell cannot be split.
        assert!(!join(smallest(partitions(&sizes[..1]), 1, COPIES), 1)[0].must_split(1));
    }
}
