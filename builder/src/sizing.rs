//! The number of cells of an index: large enough that nearly all bodies fit inline (spec section 10, point 5).

use hashlith_format::CELL_LEN;

/// Lengths up to this many bytes are counted one by one, longer ones by their bits.
const SHORT: usize = 1024;
/// Only this share of the records counts, without the longest: a few long records make only a few cells far.
const COUNTED: f64 = 0.99;
/// Most bytes of records in a cell on average: a build holds the records of some cells in memory.
const CELL_BYTES: u64 = 1 << 20;
/// Most keys in a cell on average: far enough below 255 that chance never puts more than 255 into a cell.
const MOST_KEYS: f64 = 120.0;
/// Rounding adds at most one cell in this many.
const ROUNDING: u64 = 32;

/// How many records have each length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LengthCounts {
    short: Box<[u64; SHORT]>,
    long: [u64; 64],
}

impl Default for LengthCounts {
    fn default() -> Self {
        LengthCounts { short: Box::new([0; SHORT]), long: [0; 64] }
    }
}

impl LengthCounts {
    /// Counts a record of `len` bytes.
    #[inline]
    pub fn add(&mut self, len: usize) {
        match self.short.get_mut(len) {
            Some(count) => *count += 1,
            None => self.long[len.ilog2() as usize & 63] += 1,
        }
    }

    /// Moves the counts of another into this one.
    pub fn take(&mut self, other: &mut LengthCounts) {
        self.short
            .iter_mut()
            .zip(other.short.iter_mut())
            .for_each(|(sum, count)| *sum += std::mem::take(count));
        self.long.iter_mut().zip(&mut other.long).for_each(|(sum, count)| *sum += std::mem::take(count));
    }

    /// Standard deviation of the counted lengths, in bytes.
    fn deviation(&self) -> f64 {
        let short = self.short.iter().enumerate().map(|(len, &count)| (len as f64, 0.0, count));
        // Between 2^b and 2^(b+1), evenly.
        let long = (0..).zip(&self.long).map(|(bits, &count)| {
            let low = 2f64.powi(bits);
            (1.5 * low, low * low / 12.0, count)
        });
        let all: u64 = self.short.iter().chain(&self.long).sum();
        let mut left = (all as f64 * COUNTED).ceil();
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (len, variance, found) in short.chain(long) {
            let found = (found as f64).min(left);
            left -= found;
            count += found;
            sum += found * len;
            squares += found * (len * len + variance);
        }
        let mean = sum / f64::max(count, 1.0);
        (squares / f64::max(count, 1.0) - mean * mean).max(0.0).sqrt()
    }

    /// The best average number of keys per cell.
    ///
    /// The offsets of `n` records whose lengths deviate by `d` are a random walk around a straight line. It strays from the
    /// line by about `d * sqrt(n)`; a delta has the bits of that number and a sign. The number of keys in a cell has a Poisson
    /// distribution: only three or four cells in a hundred have more than its mean plus 1.8 deviations.
    pub fn cell_keys(&self, fingerprint_bits: u32) -> f64 {
        let deviation = self.deviation();
        let mut keys: f64 = 40.0;
        for _ in 0..8 {
            let astray = deviation * keys.sqrt();
            let width = if astray < 0.25 { 0.0 } else { (astray.log2() + 1.0).max(1.0) };
            keys = keys_of_entries(f64::from(fingerprint_bits) + width);
        }
        keys
    }
}

/// The best average number of keys per cell, if slot entries have so many bits.
pub(crate) fn keys_of_entries(bits: f64) -> f64 {
    // A byte of pilots per 8/3 keys, and one more; the rest of the cell is its head.
    let room = (8 * (CELL_LEN - 22)) as f64 / (bits + 3.0);
    (room - 1.8 * room.sqrt()).clamp(1.0, MOST_KEYS)
}

/// The number of cells of each of `parts` parts, for `records` records of `bytes` bytes in all parts together, at `keys` keys
/// per cell. The cells of all parts together are a multiple of a power of two, up to 1,024, so that cells and partitions share
/// as many boundaries as they can without many more cells.
pub(crate) fn cell_count(records: u64, bytes: u64, keys: f64, parts: u32) -> u64 {
    let cells = ((records as f64 / keys).ceil() as u64).max(bytes.div_ceil(CELL_BYTES)).max(1);
    let parts = parts.max(1);
    let each = cells.div_ceil(u64::from(parts));
    // The parts bring a power of two themselves.
    let most = 1024 >> parts.trailing_zeros().min(10);
    each.next_multiple_of((each / ROUNDING).checked_ilog2().map_or(1, |log| 1 << log).min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_cells_share_boundaries_with_partitions() {
        assert_eq!(cell_count(3, 100 << 20, 40.0, 1), 100);
        for (records, cells) in [(0, 1), (40, 1), (41, 2), (120, 3), (1_000_000, 25_088)] {
            assert_eq!(cell_count(records, 0, 40.0, 1), cells);
        }
        for (records, parts, cells) in
            [(0, 4, 1), (8 * 40, 4, 2), (500, 5, 3), (1_000_000, 4, 6272), (0, 2048, 1), (0, 3, 1)]
        {
            assert_eq!(cell_count(records, 0, 40.0, parts), cells);
        }
        for parts in 1..5000 {
            for records in [0u64, 100, 1_000_000, 10_000_000_000] {
                let each = cell_count(records, 0, 40.0, parts);
                let least = records.div_ceil(40).div_ceil(parts.into()).max(1);
                assert!(each >= least && each <= least + least / 16, "{records} {parts}");
                // Enough boundaries in common to cut the work into pieces of a few megabytes of records.
                let pieces = (u64::from(parts) * each).trailing_zeros().min(10);
                assert!(records / 1_000_000 <= 10 << pieces || parts > 1000, "{records} {parts}");
            }
        }
    }

    #[test]
    fn a_few_long_records_do_not_count() {
        let mut lengths = LengthCounts::default();
        (0..1000).for_each(|_| lengths.add(25));
        assert!(lengths.cell_keys(8) > 60.0);
        assert!(lengths.cell_keys(4) > 80.0);
        lengths.add(1 << 30);
        assert!(lengths.cell_keys(8) > 60.0);
        (0..500).for_each(|i| lengths.add(20 + i % 40));
        assert!(lengths.cell_keys(8) < 50.0);
        assert!(lengths.cell_keys(16) < lengths.cell_keys(8));
    }
}
