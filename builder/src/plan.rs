//! Cuts the work into jobs that fit the memory.

use hashlith_format::CELL_LEN;
use std::ops::Range;

/// Bytes of records that a thread works on at a time: enough for little overhead, and few enough to stay in the L2 cache
/// (`benches/README.md` has the measurements). Small partitions are joined to jobs of this size; a large one is a job of
/// several groups.
const GROUP_LEN: u64 = 1 << 20;
/// The shift of a job whose cells are all one group.
const ONE_GROUP: u32 = 48;
/// Bytes of memory that a record takes in addition to twice its length (in a chunk and in the pool): its
/// [`RecordRef`](crate::cell::RecordRef), its place in a cell's list, its share of the hot section.
const RECORD_COST: u64 = 56;

/// Adjacent cells, and the partitions that hold all their records.
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

/// Cuts `cells` cells, whose records lie in partitions of these (records, bytes), into jobs. Each takes at most
/// `budget` bytes of memory, unless a single cell takes more.
///
/// A partition has a whole number of cells, or a cell a whole number of partitions. If a partition is too large for one job,
/// several jobs read it, and each keeps the records of its own cells.
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
