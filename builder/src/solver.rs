//! The perfect hash of one cell: pilots that send its keys to distinct slots (spec sections 5 to 7).
//!
//! The scheme is that of PtrHash (R. Groot Koerkamp, "PtrHash: Minimal Perfect Hashing at RAM Throughput", SEA 2025), for a
//! few dozen keys. Buckets are served in order of size, the largest first. Each gets the first pilot that sends all its keys
//! to free slots. No key moves again.

use hashlith_format::{Attempt, Geometry, MAX_CELL_KEYS};

/// The number of tries under one salt: four bits of the attempt byte (spec section 5).
const ATTEMPTS: u8 = 16;
/// Most buckets.
const BUCKETS: usize = 3 * MAX_CELL_KEYS as usize / 8 + 1;

/// A bit for each slot of a cell.
type Slots = [u64; 4];

/// Why the keys of a cell have no pilots.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsolved {
    /// Two of the hashes are equal.
    EqualHashes,
    /// There are more keys than a cell can have.
    TooMany,
    /// No pilots were found in any of the attempts.
    NoPilots,
}

/// Finds pilots. Reuses its buffers from cell to cell.
#[derive(Default)]
pub struct Solver {
    /// The numbers of all keys, bucket by bucket, with the position of each key among those given.
    grouped: Vec<(u64, u8)>,
    /// For each bucket its pilot. Filled by [`Self::solve`].
    pub pilots: Vec<u8>,
    /// For each key, in the order they were given, its slot. Filled by [`Self::solve`].
    pub slots: Vec<u8>,
}

impl Solver {
    /// Finds pilots for keys with these lower halves of their hashes, and returns the attempt that found them. The same
    /// hashes, in any order, give the same pilots.
    ///
    /// # Errors
    /// Why there are no pilots.
    pub fn solve(&mut self, los: &[u64]) -> Result<u8, Unsolved> {
        let keys = u8::try_from(los.len()).map_err(|_| Unsolved::TooMany)?;
        let geometry = Geometry { keys };
        for attempt in 0..ATTEMPTS {
            if self.attempt(los, geometry, Attempt(attempt)) {
                return Ok(attempt);
            }
            if attempt == 0 && has_equal(los) {
                return Err(Unsolved::EqualHashes);
            }
        }
        Err(Unsolved::NoPilots)
    }

    fn attempt(&mut self, los: &[u64], geometry: Geometry, attempt: Attempt) -> bool {
        let buckets = geometry.buckets() as usize;
        let mut ends = [0u8; BUCKETS + 1];
        let number = |&lo: &u64| attempt.number(lo);
        for x in los.iter().map(number) {
            ends[geometry.bucket(x) as usize + 1] += 1;
        }
        // The buckets by size: those with `size` keys end before `by_size[size]`.
        let mut order = [0u8; BUCKETS];
        let mut by_size = [0u8; MAX_CELL_KEYS as usize + 2];
        for bucket in 0..buckets {
            by_size[ends[bucket + 1] as usize] += 1;
        }
        let mut above = 0;
        for count in by_size.iter_mut().rev() {
            above += std::mem::replace(count, above);
        }
        for bucket in 0..buckets {
            let place = &mut by_size[ends[bucket + 1] as usize];
            order[*place as usize] = bucket as u8;
            *place += 1;
        }
        for bucket in 0..buckets {
            ends[bucket + 1] += ends[bucket];
        }
        let mut next = ends;
        self.grouped.resize(los.len(), (0, 0));
        for (place, x) in (0..=u8::MAX).zip(los.iter().map(number)) {
            let at = &mut next[geometry.bucket(x) as usize];
            self.grouped[*at as usize] = (x, place);
            *at += 1;
        }
        self.pilots.clear();
        self.pilots.resize(buckets, 0);
        self.slots.resize(los.len(), 0);
        let mut taken = Slots::default();
        for &bucket in &order[..buckets] {
            let bucket = bucket as usize;
            let members = &self.grouped[ends[bucket] as usize..ends[bucket + 1] as usize];
            if members.is_empty() {
                break;
            }
            let found =
                (0..=u8::MAX).find_map(|pilot| Some((pilot, place_all(members, geometry, pilot, taken)?)));
            let Some((pilot, all)) = found else { return false };
            taken = all;
            self.pilots[bucket] = pilot;
            for &(x, place) in members {
                self.slots[place as usize] = geometry.slot(x, pilot);
            }
        }
        true
    }
}

/// The taken slots and those of a bucket's keys under this pilot, if the latter are all free.
#[inline]
fn place_all(members: &[(u64, u8)], geometry: Geometry, pilot: u8, taken: Slots) -> Option<Slots> {
    members.iter().try_fold(taken, |mut taken, &(x, _)| {
        let slot = geometry.slot(x, pilot);
        let (word, bit) = (&mut taken[usize::from(slot >> 6)], 1u64 << (slot & 63));
        let is_free = *word & bit == 0;
        *word |= bit;
        is_free.then_some(taken)
    })
}

fn has_equal(los: &[u64]) -> bool {
    let mut sorted = los.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(los: &[u64], solver: &Solver, attempt: u8) {
        let geometry = Geometry { keys: los.len() as u8 };
        let mut seen = vec![false; los.len()];
        for (&lo, &slot) in los.iter().zip(&solver.slots) {
            let x = Attempt(attempt).number(lo);
            assert_eq!(geometry.slot(x, solver.pilots[geometry.bucket(x) as usize]), slot);
            assert!(!std::mem::replace(&mut seen[slot as usize], true));
        }
    }

    #[test]
    fn every_number_of_keys_has_pilots_whatever_their_order() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut solver = Solver::default();
        for keys in 1..=MAX_CELL_KEYS as usize {
            for _ in 0..20 {
                // Very few of the largest cells have no pilots: with another salt they have other hashes.
                let mut salted = (0..3).map(|_| (0..keys).map(|_| random.u64(..)).collect::<Vec<_>>());
                let (mut los, attempt) =
                    salted.find_map(|los| solver.solve(&los).ok().map(|attempt| (los, attempt))).unwrap();
                check(&los, &solver, attempt);
                let pilots = solver.pilots.clone();
                random.shuffle(&mut los);
                assert_eq!((solver.solve(&los), &solver.pilots), (Ok(attempt), &pilots));
                check(&los, &solver, attempt);
            }
        }
    }

    #[test]
    fn equal_hashes_and_too_many_keys_are_reported() {
        let mut solver = Solver::default();
        let mut los: Vec<u64> = (0..40u64).map(|i| i.wrapping_mul(0x1234_5678_9abc_def1)).collect();
        los[17] = los[3];
        assert_eq!(solver.solve(&los), Err(Unsolved::EqualHashes));
        assert_eq!(solver.solve(&[0; MAX_CELL_KEYS as usize + 1]), Err(Unsolved::TooMany));
    }
}
