//! A bit per dense id.

use crate::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits, which many threads may set at once.
pub(crate) struct Bits(Vec<AtomicU64>);

impl Bits {
    pub(crate) fn new(count: u64) -> Result<Self, Error> {
        let words = count.div_ceil(64);
        let mut bits = Vec::new();
        match usize::try_from(words) {
            Ok(words) if bits.try_reserve_exact(words).is_ok() => bits.resize_with(words, AtomicU64::default),
            _ => return Err(Error::Memory { offset: 40, bytes: words * 8 }),
        }
        Ok(Bits(bits))
    }

    /// Bits `64 * number` to `64 * number + 63`.
    pub(crate) fn word(&self, number: usize) -> u64 {
        self.0.get(number).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Sets a bit; false if it was set before.
    pub(crate) fn set(&self, id: u64) -> bool {
        let bit = 1 << (id % 64);
        self.0.get((id / 64) as usize).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    /// Counts the bits below `count` that are clear in the first word and set in the second, for the pair of words that
    /// `words` returns for each number; and lists the first of them, at most `shown`.
    pub(crate) fn missing(count: u64, shown: usize, words: impl Fn(usize) -> (u64, u64)) -> (u64, Vec<u64>) {
        let mut total = 0;
        let mut first = Vec::new();
        for start in (0..count).step_by(64) {
            let (clear, set) = words((start / 64) as usize);
            let within = u64::MAX >> (64 - (count - start).min(64));
            let missing = !clear & set & within;
            total += u64::from(missing.count_ones());
            let ids = (0..64).filter(|bit| missing >> bit & 1 != 0).map(|bit| start + bit);
            first.extend(ids.take(shown - first.len()));
        }
        (total, first)
    }
}
