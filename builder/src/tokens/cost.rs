//! What codes cost, in whole numbers, so that every machine makes the same tables.

/// A cost: 256 stand for a bit.
pub type Cost = u32;

/// A bit.
pub const BIT: Cost = 256;
/// The cost of a token that a table does not have: above that of any string.
pub const NEVER: Cost = 1 << 30;
/// No token costs more, however rare it is.
const MOST: Cost = 24 * BIT;

/// The logarithm of `number` to base 2, in 1/256, rounded down. That of 0 counts as 0.
pub fn log2(number: u64) -> Cost {
    let Some(whole) = number.checked_ilog2() else { return 0 };
    // Between 1 and 2, with 31 bits behind the point.
    let mut rest = if whole > 31 { number >> (whole - 31) } else { number << (31 - whole) };
    let mut log = whole;
    for _ in 0..8 {
        // The logarithm of the square is twice as large.
        rest = (rest * rest) >> 31;
        let bit = (rest >> 32) as u32;
        rest >>= bit;
        log = log << 1 | bit;
    }
    log
}

/// The cost of something that occurs `count` times among `all`.
pub fn of_count(count: u64, all: u64) -> Cost {
    log2(2 * all).saturating_sub(log2(2 * count + 1)).clamp(1, MOST)
}

/// The cost of each token by how often it occurs.
pub fn of_counts(counts: &[u64]) -> Vec<Cost> {
    let all = counts.iter().map(|count| count + 1).sum();
    counts.iter().map(|&count| of_count(count, all)).collect()
}
