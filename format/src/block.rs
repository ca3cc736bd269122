//! The hot data of a block, reading and writing (sections 5 to 7).

use crate::{
    Entry, Header, Layout, MAX_BLOCK_KEYS, MAX_ENTRY_BITS,
    hash::{mask, mulhi},
};
use alloc::vec::Vec;

/// The seeds that a block may choose from: the ten that `ptr_hash` 2.1.3 tries.
pub const SEEDS: [u64; 10] = [
    0x7011_7436_dfa7_c587,
    0x4a0c_aef1_ae5c_974f,
    0x8eb2_7b6d_7aba_63c8,
    0xb3f6_ff09_c2b3_d7c3,
    0x471d_d8a6_5bf0_43e3,
    0x1515_ef67_5e21_abd6,
    0x6d63_c1ab_aa64_b69d,
    0x134e_20a9_e1ab_e293,
    0x4092_5a9d_e35f_3d8a,
    0x628b_ddc0_e4ac_6001,
];

/// The multiplier that mixes pilots.
const C: u64 = 0x517c_c1b7_2722_0a95;

/// The sizes of a block that follow from its number of keys (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// `n`, the number of keys.
    pub keys: u32,
    /// `S`, the number of slots before the remap.
    pub slots: u32,
    /// The number of pilots.
    pub buckets: u32,
}

impl Geometry {
    /// For a block of `keys` keys, at most 2^31; more are taken as 2^31.
    #[inline]
    #[expect(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "100 * 2^31 / 99 and 2^31 / 3 + 4 fit 32 bits"
    )]
    pub fn new(keys: u32) -> Self {
        let keys = keys.min(MAX_BLOCK_KEYS as u32);
        let slots = (u64::from(keys) * 100 / 99) as u32;
        let slots = slots + u32::from(slots.is_power_of_two());
        Geometry { keys, slots, buckets: keys.div_ceil(3) + 3 }
    }

    /// `R`, the number of remap entries.
    #[inline]
    pub fn remaps(&self) -> u32 {
        self.slots.saturating_sub(self.keys)
    }

    /// Bytes of the slot entries, of `entry_bits` bits each.
    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "2^31 entries of at most 2^8 bits")]
    pub fn entries_len(&self, entry_bits: u32) -> u64 {
        (u64::from(self.keys) * u64::from(entry_bits & 0xff)).div_ceil(8)
    }

    /// Bytes of the block's hot data with slot entries of `entry_bits` bits.
    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "far below 2^64")]
    pub fn hot_len(&self, entry_bits: u32) -> u64 {
        if self.keys == 0 {
            return 0;
        }
        self.entries_len(entry_bits) + 4 * u64::from(self.remaps()) + u64::from(self.buckets)
    }

    /// The bucket of `x` (step 6).
    #[inline]
    pub fn bucket(&self, x: u64) -> u64 {
        mulhi(u64::from(self.buckets), x)
    }

    /// `M` of step 7.
    #[inline]
    fn multiplier(&self) -> u64 {
        u64::MAX.checked_div(u64::from(self.slots)).unwrap_or(0).wrapping_add(1)
    }

    /// The slot of `x` under a pilot, before the remap (step 7). `x` is already XORed with `seed`.
    #[inline]
    pub fn slot(&self, x: u64, pilot: u8, seed: u64) -> u32 {
        self.mix(x, pilot_hash(pilot, seed), self.multiplier())
    }

    /// A function that does [`Self::slot`] for one seed, quicker when it is called for many keys.
    pub fn slot_finder(&self, seed: u64) -> impl Fn(u64, u8) -> u32 + use<> {
        let (geometry, multiplier) = (*self, self.multiplier());
        move |x, pilot| geometry.mix(x, pilot_hash(pilot, seed), multiplier)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "below `slots`, which has 32 bits")]
    fn mix(&self, x: u64, pilot_hash: u64, multiplier: u64) -> u32 {
        mulhi(multiplier.wrapping_mul(x ^ pilot_hash), u64::from(self.slots)) as u32
    }
}

#[inline]
fn pilot_hash(pilot: u8, seed: u64) -> u64 {
    C.wrapping_mul(u64::from(pilot) ^ seed)
}

/// A block in the terms of a lookup: where its parts lie in the file, and the steps from a key's hash to its record.
///
/// It holds no bytes: a caller fetches those that a step asks for, so that it may prefetch many before it looks.
#[derive(Clone, Copy, Debug)]
pub struct BlockView {
    /// Sizes that follow from the number of keys.
    pub geometry: Geometry,
    /// Dense id of slot 0.
    pub first_id: u64,
    /// Where the slot entries begin, from the beginning of the file.
    pub hot: u64,
    /// Where the records begin, from the beginning of the file.
    pub pool: u64,
    /// Bytes of the records.
    pub pool_len: u64,
    /// How the hot data is to be read.
    pub layout: Layout,
    fingerprint_bits: u32,
}

impl BlockView {
    /// From two neighbouring entries, which [`crate::Directory::check`] has found in order and not too far apart.
    /// Others give a view whose places may lie anywhere.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a block has at most 2^31 keys (R18)")]
    pub fn new(entry: &Entry, next: &Entry, header: &Header) -> Self {
        let sections = &header.sections;
        BlockView {
            geometry: Geometry::new(next.first_id.wrapping_sub(entry.first_id) as u32),
            first_id: entry.first_id,
            hot: sections.hot.offset.wrapping_add(entry.hot_start),
            pool: sections.pool.offset.wrapping_add(entry.pool_start),
            pool_len: next.pool_start.wrapping_sub(entry.pool_start),
            layout: entry.layout,
            fingerprint_bits: header.fingerprint_bits,
        }
    }

    /// Bits of a slot entry, at most 57.
    #[inline]
    pub fn entry_bits(&self) -> u32 {
        self.layout.width.wrapping_add(self.fingerprint_bits)
    }

    /// Bytes of the hot data.
    pub fn hot_len(&self) -> u64 {
        self.geometry.hot_len(self.entry_bits())
    }

    /// The block's seed.
    #[inline]
    pub fn seed(&self) -> u64 {
        SEEDS.get(usize::from(self.layout.seed_number)).copied().unwrap_or_default()
    }

    /// Where remap entry `number` lies, from the beginning of the file.
    #[inline]
    pub fn remap_at(&self, number: u32) -> u64 {
        let entries = self.geometry.entries_len(self.entry_bits());
        self.hot.wrapping_add(entries).wrapping_add(u64::from(number) << 2)
    }

    /// Where the pilot of `x` lies, from the beginning of the file (step 6). `x` is already XORed with the seed.
    #[inline]
    pub fn pilot_at(&self, x: u64) -> u64 {
        self.remap_at(self.geometry.remaps()).wrapping_add(self.geometry.bucket(x))
    }

    /// Where the 8 bytes that hold slot entry `slot` begin, from the beginning of the file (section 6).
    #[inline]
    pub fn entry_at(&self, slot: u32) -> u64 {
        self.hot.wrapping_add(self.entry_bit(slot) >> 3)
    }

    #[inline]
    fn entry_bit(&self, slot: u32) -> u64 {
        u64::from(slot).wrapping_mul(u64::from(self.entry_bits()))
    }

    /// Cuts entry `slot` out of the 8 bytes at [`Self::entry_at`]: its fingerprint and its delta.
    #[inline]
    pub fn split_entry(&self, slot: u32, bytes: [u8; 8]) -> (u64, u64) {
        let shifted = u64::from_le_bytes(bytes) >> (self.entry_bit(slot) & 7);
        let delta = shifted.checked_shr(self.fingerprint_bits).unwrap_or(0) & mask(self.layout.width);
        (shifted & mask(self.fingerprint_bits), delta)
    }

    /// The fingerprint that entries of this block would store for a key with this hash.
    #[inline]
    pub fn fingerprint(&self, hash: &crate::KeyHash) -> u64 {
        hash.fingerprint(self.fingerprint_bits)
    }

    /// Where the record of `slot` begins, from the beginning of the block's records; `None` if that is not within them.
    #[inline]
    pub fn record_offset(&self, slot: u32, delta: u64) -> Option<u64> {
        // Below the beginning, it wraps to more than any length of records.
        let line = line(slot, self.pool_len, self.geometry.keys);
        let offset = line.wrapping_add(delta).wrapping_sub(self.layout.bias);
        (offset < self.pool_len).then_some(offset)
    }
}

/// `slot * pool_len / keys`: the straight line through the block (section 6).
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "slot is below keys, so the result is below pool_len")]
fn line(slot: u32, pool_len: u64, keys: u32) -> u64 {
    match u64::from(slot).checked_mul(pool_len) {
        Some(product) => product.checked_div(u64::from(keys)).unwrap_or(0),
        None => (u128::from(slot).saturating_mul(u128::from(pool_len)))
            .checked_div(u128::from(keys))
            .unwrap_or(0) as u64,
    }
}

/// The hot data of a block of at least one key, before it is packed.
pub struct HotData<'a> {
    /// Bytes of the block's records.
    pub pool_len: u64,
    /// For each slot where its record begins, from the beginning of the block's records.
    pub offsets: &'a [u64],
    /// For each slot its fingerprint.
    pub fingerprints: &'a [u16],
    /// Bits of a fingerprint.
    pub fingerprint_bits: u32,
    /// For each slot from `n` up the slot that it stands for.
    pub remap: &'a [u32],
    /// For each bucket its pilot.
    pub pilots: &'a [u8],
    /// Which of the ten seeds.
    pub seed_number: u8,
    /// The block's salt.
    pub salt: u8,
}

impl HotData<'_> {
    /// Appends the packed bytes, and returns the layout that reads them. `None` if an entry would need more than 57
    /// bits, which takes records of 2^48 bytes.
    pub fn write(&self, hot: &mut Vec<u8>) -> Option<Layout> {
        let keys = u32::try_from(self.offsets.len()).ok()?;
        let lines =
            || (0u32..).zip(self.offsets).map(|(slot, &offset)| (line(slot, self.pool_len, keys), offset));
        let bias = lines().map(|(line, offset)| line.saturating_sub(offset)).max().unwrap_or(0);
        let delta = |(line, offset): (u64, u64)| offset.wrapping_add(bias).wrapping_sub(line);
        let width = lines().map(|pair| bits_of(delta(pair))).max().unwrap_or(0);
        let entry_bits = width.checked_add(self.fingerprint_bits).filter(|&bits| bits <= MAX_ENTRY_BITS)?;

        let mut bits = BitWriter { out: hot, pending: 0, filled: 0 };
        for (pair, &fingerprint) in lines().zip(self.fingerprints) {
            let delta = delta(pair).checked_shl(self.fingerprint_bits).unwrap_or(0);
            bits.push(delta | u64::from(fingerprint), entry_bits);
        }
        bits.finish();
        self.remap.iter().for_each(|slot| hot.extend_from_slice(&slot.to_le_bytes()));
        hot.extend_from_slice(self.pilots);
        Some(Layout { bias, width, seed_number: self.seed_number, salt: self.salt })
    }
}

fn bits_of(number: u64) -> u32 {
    number.checked_ilog2().map_or(0, |log| log.saturating_add(1))
}

/// Packs numbers of up to 57 bits, the low bit of the first byte first.
struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    filled: u32,
}

impl BitWriter<'_> {
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "fewer than 8 bits are pending, so at most 64 after a push"
    )]
    fn push(&mut self, number: u64, bits: u32) {
        self.pending |= number << self.filled;
        self.filled += bits;
        let whole = (self.filled / 8) as usize;
        self.out.extend(self.pending.to_le_bytes().iter().take(whole));
        self.pending = self.pending.checked_shr(self.filled & !7).unwrap_or(0);
        self.filled &= 7;
    }

    fn finish(self) {
        if self.filled > 0 {
            self.out.extend(self.pending.to_le_bytes().iter().take(1));
        }
    }
}
