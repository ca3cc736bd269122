//! The perfect hash of one block: pilots that send its keys to distinct slots (spec sections 6 and 7).
//!
//! The search is `ptr_hash`'s (R. Groot Koerkamp, "PtrHash: Minimal Perfect Hashing at RAM Throughput", SEA 2025).
//! The crate keeps its pilots to itself, so each is found again as the smallest one that sends the keys of its
//! bucket where the crate says they go (31 tries on average, about 10 ns a key). Then the block is proved with
//! `hashlith-format`'s own query code; nothing that the crate says is taken on trust.

use hashlith_format::{Geometry, block::SEEDS};
use ptr_hash::{PtrHash, PtrHashParams, bucket_fn::Linear, hash::KeyHasher};
use std::cell::Cell;

/// Up to this many keys a first-fit search is tried first. `ptr_hash` needs a second seed for up to a tenth of such
/// small blocks, and reports each on standard error, which a library must not do; from 132 keys up, none of 2,000
/// blocks of each size needed one.
const FIRST_FIT_KEYS: usize = 160;

/// How the keys of a block find their slots.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PerfectHash {
    /// Which of the ten seeds.
    pub seed_number: u8,
    /// For each bucket its pilot.
    pub pilots: Vec<u8>,
    /// For each slot from `n` up, the one it stands for.
    pub remap: Vec<u32>,
    /// For each key, in the order they were given, its final slot.
    pub slots: Vec<u32>,
}

/// Why a block has no perfect hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Two of the numbers are equal.
    EqualHashes,
    /// No pilots were found under any of the ten seeds.
    NoPilots,
}

/// Finds pilots for `xs` (salted, not yet XORed with a seed).
///
/// The same `xs`, in any order, give the same pilots; `block` seeds the random choices of the search.
pub(crate) fn solve(xs: &[u64], block: u64) -> Result<PerfectHash, Failure> {
    let geometry = Geometry::new(u32::try_from(xs.len()).map_err(|_| Failure::NoPilots)?);
    let by_bucket = buckets(xs, &geometry, SEEDS[0]);
    if by_bucket.has_equal() {
        return Err(Failure::EqualHashes);
    }
    search(xs, block, &geometry, by_bucket).ok_or(Failure::NoPilots)
}

fn search(xs: &[u64], block: u64, geometry: &Geometry, by_bucket: Buckets) -> Option<PerfectHash> {
    if xs.len() <= FIRST_FIT_KEYS {
        let found = (0u8..).zip(SEEDS).find_map(|(number, seed)| {
            prove(xs, geometry, number, seed, first_fit(&buckets(xs, geometry, seed), geometry, seed)?)
        });
        if found.is_some() {
            return found;
        }
    }
    fastrand::seed(block);
    let found = Crate::try_new(xs, PtrHashParams::default_fast())?;
    let first = found.index_no_remap(xs.first()?);
    let seed = LAST_SEED.get();
    let number = SEEDS.iter().position(|&known| known == seed)?;
    debug_assert!(first < geometry.slots as usize);
    let by_bucket = if number == 0 { by_bucket } else { buckets(xs, geometry, seed) };
    let pilots = recover_pilots(&found, &by_bucket, geometry, seed)?;
    prove(xs, geometry, u8::try_from(number).ok()?, seed, pilots)
}

type Crate = PtrHash<u64, Linear, Vec<u32>, SeedWatch, Vec<u8>, true, false>;

/// Passes keys through, and keeps the seed: the crate has no other way to tell which one it settled on.
#[derive(Clone)]
struct SeedWatch;

thread_local! {
    static LAST_SEED: Cell<u64> = const { Cell::new(0) };
}

impl KeyHasher<u64> for SeedWatch {
    type H = u64;
    #[inline]
    fn hash(x: &u64, seed: u64) -> u64 {
        LAST_SEED.set(seed);
        *x ^ seed
    }
}

/// The keys XORed with the seed, in order of their buckets, and where each bucket begins.
struct Buckets {
    xs: Vec<u64>,
    starts: Vec<u32>,
}

impl Buckets {
    fn get(&self, bucket: usize) -> &[u64] {
        match self.starts.get(bucket..bucket + 2) {
            Some(&[from, to]) => self.xs.get(from as usize..to as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    /// True if two keys are equal; those share a bucket.
    fn has_equal(&self) -> bool {
        (0..self.starts.len() - 1).any(|bucket| {
            let keys = self.get(bucket);
            if keys.len() <= 16 {
                (1..keys.len()).any(|i| keys[..i].contains(&keys[i]))
            } else {
                let mut sorted = keys.to_vec();
                sorted.sort_unstable();
                sorted.windows(2).any(|pair| pair[0] == pair[1])
            }
        })
    }
}

fn buckets(xs: &[u64], geometry: &Geometry, seed: u64) -> Buckets {
    let bucket = |x: u64| geometry.bucket(x ^ seed) as usize;
    let mut starts = vec![0u32; geometry.buckets as usize + 2];
    for &x in xs {
        starts[bucket(x) + 2] += 1;
    }
    for i in 2..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut sorted = vec![0; xs.len()];
    for &x in xs {
        let place = &mut starts[bucket(x) + 1];
        sorted[*place as usize] = x ^ seed;
        *place += 1;
    }
    starts.pop();
    Buckets { xs: sorted, starts }
}

/// Largest buckets first, each takes the first pilot under which its slots are free.
fn first_fit(buckets: &Buckets, geometry: &Geometry, seed: u64) -> Option<Vec<u8>> {
    let slot = geometry.slot_finder(seed);
    let mut order: Vec<usize> = (0..geometry.buckets as usize).collect();
    order.sort_by_key(|&bucket| std::cmp::Reverse(buckets.get(bucket).len()));
    let mut pilots = vec![0; order.len()];
    let mut taken = vec![false; geometry.slots as usize];
    for bucket in order {
        let keys = buckets.get(bucket);
        pilots[bucket] = (0..=u8::MAX).find(|&pilot| {
            let fits = |i: usize| {
                let here = slot(keys[i], pilot);
                !taken[here as usize] && keys[..i].iter().all(|&other| slot(other, pilot) != here)
            };
            (0..keys.len()).all(fits)
        })?;
        for &x in keys {
            taken[slot(x, pilots[bucket]) as usize] = true;
        }
    }
    Some(pilots)
}

/// For each bucket the smallest pilot that sends its keys where `found` says.
fn recover_pilots(found: &Crate, buckets: &Buckets, geometry: &Geometry, seed: u64) -> Option<Vec<u8>> {
    let slot = geometry.slot_finder(seed);
    let mut targets: Vec<(u64, u32)> = Vec::new();
    let mut pilots = vec![0; geometry.buckets as usize];
    for (bucket, pilot) in pilots.iter_mut().enumerate() {
        targets.clear();
        targets.extend(buckets.get(bucket).iter().map(|&x| (x, found.index_no_remap(&(x ^ seed)) as u32)));
        *pilot = (0..=u8::MAX).find(|&pilot| targets.iter().all(|&(x, target)| slot(x, pilot) == target))?;
    }
    Some(pilots)
}

/// Runs every key through the query of the spec: distinct slots, all below `n` after the remap, or `None`.
fn prove(
    xs: &[u64],
    geometry: &Geometry,
    seed_number: u8,
    seed: u64,
    pilots: Vec<u8>,
) -> Option<PerfectHash> {
    let slot = geometry.slot_finder(seed);
    let mut taken = vec![false; geometry.slots as usize];
    let mut slots = Vec::with_capacity(xs.len());
    for &x in xs {
        let here = slot(x ^ seed, pilots[geometry.bucket(x ^ seed) as usize]);
        if std::mem::replace(&mut taken[here as usize], true) {
            return None;
        }
        slots.push(here);
    }
    let (below, above) = taken.split_at(xs.len());
    let mut free = (0u32..).zip(below).filter(|(_, taken)| !**taken).map(|(slot, _)| slot);
    let remap: Vec<u32> =
        above.iter().map(|&used| if used { free.next() } else { Some(0) }).collect::<Option<_>>()?;
    for slot in &mut slots {
        if let Some(overflow) = slot.checked_sub(geometry.keys) {
            *slot = remap[overflow as usize];
        }
    }
    Some(PerfectHash { seed_number, pilots, remap, slots })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million keys and every small size, as the spec's query sees them.
    #[test]
    fn every_block_size_gets_a_minimal_perfect_hash() {
        let mut random = fastrand::Rng::with_seed(7);
        for keys in (1..400).chain([1000, 2048, 4096, 5000, 16_384, 65_536, 1_000_000]) {
            let xs: Vec<u64> = std::iter::repeat_with(|| random.u64(..)).take(keys).collect();
            let found = solve(&xs, keys as u64).unwrap();
            let mut slots = found.slots.clone();
            slots.sort_unstable();
            assert_eq!(slots, (0..keys as u32).collect::<Vec<_>>(), "{keys} keys");
        }
    }

    /// Our query code against the crate's own, key by key.
    #[test]
    fn query_is_that_of_ptr_hash() {
        let mut random = fastrand::Rng::with_seed(8);
        for keys in [500usize, 4096, 4099, 100_000, 2_000_000] {
            let xs: Vec<u64> = std::iter::repeat_with(|| random.u64(..)).take(keys).collect();
            let geometry = Geometry::new(keys as u32);
            fastrand::seed(keys as u64);
            let theirs = Crate::try_new(&xs, PtrHashParams::default_fast()).unwrap();
            theirs.index_no_remap(&xs[0]);
            let seed = LAST_SEED.get();
            assert!(SEEDS.contains(&seed));
            assert_eq!(theirs.max_index(), geometry.slots as usize);
            let pilots = recover_pilots(&theirs, &buckets(&xs, &geometry, seed), &geometry, seed).unwrap();
            for &x in &xs {
                let x1 = x ^ seed;
                let ours = geometry.slot(x1, pilots[geometry.bucket(x1) as usize], seed);
                assert_eq!(ours as usize, theirs.index_no_remap(&x));
            }
        }
    }

    /// Promise 6: the search is a function of the keys and the block number.
    #[test]
    fn same_keys_give_the_same_pilots() {
        let mut random = fastrand::Rng::with_seed(9);
        let xs: Vec<u64> = std::iter::repeat_with(|| random.u64(..)).take(5000).collect();
        let once = solve(&xs, 3).unwrap();
        fastrand::u64(..);
        assert_eq!(once, solve(&xs, 3).unwrap());
    }

    #[test]
    fn equal_hashes_are_told() {
        let mut xs: Vec<u64> = (0..3000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        xs.push(xs[1234]);
        assert_eq!(solve(&xs, 0), Err(Failure::EqualHashes));
        assert_eq!(solve(&[1; 40], 0), Err(Failure::EqualHashes));
    }

    #[test]
    fn a_proof_fails_when_two_keys_meet() {
        let geometry = Geometry::new(2);
        assert_eq!(prove(&[5, 5], &geometry, 0, SEEDS[0], vec![0; geometry.buckets as usize]), None);
    }
}
