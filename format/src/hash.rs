//! From a key to the numbers that a lookup uses (section 7, steps 1 to 5).

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The two halves of a key's XXH3-128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash {
    /// Upper 64 bits: they choose part and block, and the lowest of them are the fingerprint.
    pub hi: u64,
    /// Lower 64 bits: they choose the slot within the block.
    pub lo: u64,
}

impl KeyHash {
    /// Hash of `key` under the file's seed.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    pub fn new(key: &[u8], seed: u64) -> Self {
        let hash = xxh3_128_with_seed(key, seed);
        KeyHash { hi: (hash >> 64) as u64, lo: hash as u64 }
    }

    /// Number of the key's block among `blocks` (one part).
    #[inline]
    pub fn block(&self, blocks: u64) -> u64 {
        mulhi(self.hi, blocks)
    }

    /// The low `bits` bits of `hi`.
    #[inline]
    pub fn fingerprint(&self, bits: u32) -> u64 {
        self.hi & mask(bits)
    }

    /// The 64 bits that the block's perfect hash takes: `lo`, or with a salt the lower half of another hash.
    #[inline]
    pub fn salted(&self, key: &[u8], seed: u64, salt: u8) -> u64 {
        if salt == 0 { self.lo } else { salted(key, seed.wrapping_add(u64::from(salt))) }
    }
}

/// Out of line: next to no block has a salt.
#[cold]
#[inline(never)]
fn salted(key: &[u8], seed: u64) -> u64 {
    KeyHash::new(key, seed).lo
}

/// Upper 64 bits of the 128-bit product.
#[inline]
#[expect(clippy::arithmetic_side_effects, reason = "64 by 64 bits fit 128")]
pub fn mulhi(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// The low `bits` bits set; all of them from 64 up.
#[inline]
pub fn mask(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit.wrapping_sub(1))
}
