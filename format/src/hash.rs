//! From a key to its part, its cell and its fingerprint (section 7, steps 1 to 4).

use core::hash::Hasher;
use siphasher::sip128::{Hasher128, SipHasher13};
use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

/// The hash function for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashId {
    /// XXH3-128 with a 64-bit seed: fast.
    Xxh3 = 1,
    /// SipHash-1-3-128 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012) with a key of
    /// 128 bits: for keys chosen by strangers.
    SipHash13 = 2,
}

/// The hash function of a file, with its seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHasher {
    id: HashId,
    seed: u64,
    second_seed: u64,
}

impl KeyHasher {
    /// XXH3-128 with this seed.
    pub const fn xxh3(seed: u64) -> Self {
        KeyHasher { id: HashId::Xxh3, seed, second_seed: 0 }
    }

    /// SipHash-1-3-128 whose key is these two seeds, one after the other.
    pub const fn siphash(seed: u64, second_seed: u64) -> Self {
        KeyHasher { id: HashId::SipHash13, seed, second_seed }
    }

    /// Which hash function it is.
    pub const fn id(&self) -> HashId {
        self.id
    }

    /// The hash seed, and the second one, which is 0 for XXH3-128.
    pub const fn seeds(&self) -> [u64; 2] {
        [self.seed, self.second_seed]
    }

    /// The hash of `key` (step 1).
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        match self.id {
            HashId::Xxh3 => KeyHash::of(xxh3_128_with_seed(key, self.seed)),
            HashId::SipHash13 => self.siphash_of(key),
        }
    }

    /// Out of line, so that it costs the other hash nothing.
    #[inline(never)]
    fn siphash_of(&self, key: &[u8]) -> KeyHash {
        KeyHash::of(SipHasher13::new_with_keys(self.seed, self.second_seed).hash(key).as_u128())
    }

    /// The hash function for cells with this salt (step 4).
    #[must_use]
    pub fn salted(self, salt: u8) -> Self {
        KeyHasher { seed: self.seed.wrapping_add(u64::from(salt)), ..self }
    }

    /// The lower half of a key's hash under a salt (step 4). `hash` is its hash without salt.
    #[inline]
    pub fn salted_lo(&self, key: &[u8], hash: KeyHash, salt: u8) -> u64 {
        if salt == 0 { hash.lo } else { self.rehashed(key, salt) }
    }

    /// Out of line: hardly any cell has a salt.
    #[cold]
    #[inline(never)]
    fn rehashed(&self, key: &[u8], salt: u8) -> u64 {
        self.salted(salt).hash(key).lo
    }

    /// Hashes a key that arrives in pieces.
    pub fn stream(&self) -> KeyStream {
        KeyStream(match self.id {
            HashId::Xxh3 => State::Xxh3(Xxh3::with_seed(self.seed)),
            HashId::SipHash13 => State::SipHash(SipHasher13::new_with_keys(self.seed, self.second_seed)),
        })
    }
}

/// The hash of a key that arrives in pieces.
pub struct KeyStream(State);

#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
enum State {
    Xxh3(Xxh3),
    SipHash(SipHasher13),
}

impl KeyStream {
    /// Adds the next bytes.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Xxh3(state) => state.update(piece),
            State::SipHash(state) => state.write(piece),
        }
    }

    /// The hash of all bytes so far.
    pub fn finish(&self) -> KeyHash {
        KeyHash::of(match &self.0 {
            State::Xxh3(state) => state.digest128(),
            State::SipHash(state) => state.finish128().as_u128(),
        })
    }
}

/// The two halves of a key's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash {
    /// Upper 64 bits: they choose the part and the cell, and their low bits are the fingerprint.
    pub hi: u64,
    /// Lower 64 bits: they choose the slot in the cell.
    pub lo: u64,
}

impl KeyHash {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    fn of(hash: u128) -> Self {
        KeyHash { hi: (hash >> 64) as u64, lo: hash as u64 }
    }

    /// The number of the key's part in a set of `parts` (step 2).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is below `parts`")]
    pub fn part(&self, parts: u32) -> u32 {
        mulhi(self.hi, u64::from(parts)) as u32
    }

    /// `h`, which replaces `hi` within the key's part (step 2).
    #[inline]
    pub fn within(&self, parts: u32) -> u64 {
        self.hi.wrapping_mul(u64::from(parts))
    }

    /// The number of the key's cell among the `cells` of its part (step 3).
    #[inline]
    pub fn cell(&self, parts: u32, cells: u64) -> u64 {
        // Most indexes have one part: a product with 1 would only make each lookup wait.
        mulhi(if parts == 1 { self.hi } else { self.within(parts) }, cells)
    }

    /// The low `bits` bits of `hi` (step 7).
    #[inline]
    pub fn fingerprint(&self, bits: u32) -> u64 {
        self.hi & mask(bits)
    }
}

/// The upper 64 bits of the 128-bit product.
#[inline]
#[expect(clippy::arithmetic_side_effects, reason = "64 by 64 bits fit 128")]
pub fn mulhi(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// A number whose low `bits` bits are set; all of them from 64 up.
#[inline]
pub fn mask(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit.wrapping_sub(1))
}
