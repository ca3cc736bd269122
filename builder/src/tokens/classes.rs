//! Which codes tokens get.

use super::cost::{BIT, Cost};
use hashlith_format::tokens::{CLASS_BITS, CLASSES};

/// Sizes of classes up to 2^15 are tried: tables have hardly more tokens.
const MAX_BITS: u8 = 15;

/// The code of each token, by its place in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Code {
    pub code: u32,
    /// Bits of the code; 0: the table does not have the token.
    pub bits: u8,
}

impl Code {
    pub fn cost(self) -> Cost {
        Cost::from(self.bits) * BIT
    }
}

/// The sizes of the classes that cost the fewest bits for tokens which occur as often as `counts` says, the most frequent first.
pub fn best(counts: &[u64]) -> [u8; CLASSES] {
    let all = counts.len();
    // One is added for 64, so that what was not seen costs something too.
    let sums: Vec<u64> = [0]
        .into_iter()
        .chain(counts.iter().scan(0, |sum, count| {
            *sum += 64 * count + 1;
            Some(*sum)
        }))
        .collect();
    // The cheapest way to give codes to the first `i` tokens with the classes so far.
    let mut best = vec![u64::MAX; all + 1];
    best[0] = 0;
    // For each class, where it begins if it ends at `i`, and its size; none if it cannot. Fewer tokens than classes leave some of
    // them unused.
    let mut ways: Vec<Vec<Option<(u32, u8)>>> = Vec::new();
    for _ in 0..CLASSES {
        let mut next = vec![u64::MAX; all + 1];
        let mut way = vec![None; all + 1];
        for from in (0..all).filter(|&from| best[from] != u64::MAX) {
            for bits in 0..=MAX_BITS {
                let to = (from + (1 << bits)).min(all);
                let cost = best[from] + (sums[to] - sums[from]) * (u64::from(bits) + u64::from(CLASS_BITS));
                if cost < next[to] {
                    (next[to], way[to]) = (cost, Some((from as u32, bits)));
                }
                if to == all {
                    break;
                }
            }
        }
        best = next;
        ways.push(way);
    }
    let mut index_bits = [0; CLASSES];
    let mut to = all;
    for (size, way) in index_bits.iter_mut().zip(&ways).rev() {
        if let Some((from, bits)) = way[to] {
            *size = bits;
            to = from as usize;
        }
    }
    index_bits
}

/// The codes of the first `count` tokens of a table.
pub fn codes(index_bits: &[u8; CLASSES], count: usize) -> Vec<Code> {
    let class = |(class, &bits): (usize, &u8)| {
        let code =
            move |index: u32| Code { code: index << CLASS_BITS | class as u32, bits: bits + CLASS_BITS };
        (0..1 << bits).map(code)
    };
    index_bits.iter().enumerate().flat_map(class).take(count).collect()
}
