//! Cells, which tell apart the keys of a small range of hashes (sections 5 to 7).

use crate::{
    CELL_LEN, Error, KeyHash, KeyHasher, MAX_ENTRY_BITS, Rule, Span,
    hash::{mask, mulhi},
};
use alloc::vec::Vec;

/// Mixes pilots.
const B: u64 = 0x517c_c1b7_2722_0a95;
/// Mixes slots.
const G: u64 = 0x9e37_79b9_7f4a_7c15;
/// Makes new numbers for the keys of a cell in each attempt.
const A: u64 = 0x5851_f42d_4c95_7f2d;

/// Bytes in front of a body.
const HEAD_LEN: u64 = 20;
/// The flag of a far cell, in the byte of the width.
const FAR: u8 = 0x80;

/// The attempt that found pilots for a cell: `try` in bits 0 to 3, `salt` in bits 4 to 7. It decides the numbers of the
/// keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt(pub u8);

impl Attempt {
    /// The salt, which is added to the hash seed: 0 in nearly all cells.
    #[inline]
    pub fn salt(self) -> u8 {
        self.0 >> 4
    }

    /// The number of a key whose lower hash under this salt is `lo` (step 4).
    #[inline]
    pub fn number(self, lo: u64) -> u64 {
        lo.wrapping_mul((u64::from(self.0 & 15) << 1).wrapping_mul(A) | 1)
    }
}

/// The sizes in a cell that follow from its number of keys (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// `n`, the number of keys.
    pub keys: u8,
}

impl Geometry {
    /// The number of pilots.
    #[inline]
    pub fn buckets(self) -> u64 {
        (3 * u64::from(self.keys) / 8).wrapping_add(1)
    }

    /// The bucket of a key's number (step 5).
    #[inline]
    pub fn bucket(self, x: u64) -> u64 {
        mulhi(x, self.buckets())
    }

    /// The slot of a key's number under its bucket's pilot (step 6).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "below the number of keys")]
    pub fn slot(self, x: u64, pilot: u8) -> u8 {
        let mixed = x ^ B.wrapping_mul(u64::from(pilot).wrapping_add(1));
        mulhi(mixed.wrapping_mul(G), u64::from(self.keys)) as u8
    }

    /// Bytes of a body whose slot entries have `entry_bits` bits.
    #[inline]
    pub fn body_len(self, entry_bits: u32) -> u64 {
        let bits = u64::from(self.keys).wrapping_mul(u64::from(entry_bits));
        if self.keys == 0 { 0 } else { self.buckets().wrapping_add(bits.div_ceil(8)) }
    }
}

/// The first bytes of a cell, decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The number of keys in the cells before.
    pub first_id: u64,
    /// Where its records begin, from the beginning of the pool.
    pub pool_start: u64,
    /// The number of keys.
    pub keys: u8,
    /// Bits of a delta.
    pub width: u8,
    /// The attempt that decides the numbers of its keys.
    pub attempt: Attempt,
    /// The mean length of a record in 1/256 bytes, at most 2^32 - 1.
    pub mean: u32,
    /// Where its body begins, from the beginning of the far section; `None` if the body is in the cell.
    pub far: Option<u64>,
}

/// A number of 48 bits.
const fn low48(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes) & ((1 << 48) - 1)
}

impl Head {
    /// Decodes the first bytes of a cell and checks nothing.
    #[inline]
    pub fn parse(cell: &[u8; CELL_LEN as usize]) -> Self {
        let word = |at: usize| -> [u8; 8] {
            cell.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default()
        };
        let [keys, width, attempt, _, mean @ ..] = word(12);
        Head {
            first_id: low48(word(0)),
            pool_start: low48(word(6)),
            keys,
            width: width & !FAR,
            attempt: Attempt(attempt),
            mean: u32::from_le_bytes(mean),
            far: (width & FAR != 0).then(|| low48(word(20))),
        }
    }

    /// Writes the first bytes of a cell: 20, or 26 for a far cell.
    pub fn write(&self, cell: &mut [u8; CELL_LEN as usize]) {
        let mut put = |at: usize, field: &[u8]| {
            cell.iter_mut().skip(at).zip(field).for_each(|(byte, &new)| *byte = new);
        };
        put(0, self.first_id.to_le_bytes().first_chunk::<6>().unwrap_or(&[0; 6]));
        put(6, self.pool_start.to_le_bytes().first_chunk::<6>().unwrap_or(&[0; 6]));
        put(12, &[self.keys, self.width | if self.far.is_some() { FAR } else { 0 }, self.attempt.0]);
        put(16, &self.mean.to_le_bytes());
        if let Some(far) = self.far {
            put(20, far.to_le_bytes().first_chunk::<6>().unwrap_or(&[0; 6]));
        }
    }

    /// The sizes that follow from the number of keys.
    #[inline]
    pub fn geometry(&self) -> Geometry {
        Geometry { keys: self.keys }
    }

    /// The number of a key with this hash (step 4).
    #[inline]
    pub fn number(&self, hasher: &KeyHasher, key: &[u8], hash: KeyHash) -> u64 {
        self.attempt.number(hasher.salted_lo(key, hash, self.attempt.salt()))
    }
}

/// A cell in the terms of a lookup: where its parts lie in the file, and the steps from a key's hash to its record.
///
/// It holds no bytes. Each step says where the bytes it needs are, and the caller reads or prefetches them.
#[derive(Clone, Copy, Debug)]
pub struct CellView {
    /// Its first bytes.
    pub head: Head,
    /// Where its body begins, from the beginning of the file.
    pub body: u64,
    fingerprint_bits: u32,
}

impl CellView {
    /// The cell at `at`, from the beginning of the file, of an index with a far section there.
    ///
    /// # Errors
    /// R15.
    #[inline]
    pub fn new(
        cell: &[u8; CELL_LEN as usize],
        at: u64,
        fingerprint_bits: u32,
        far: Span,
    ) -> Result<Self, Error> {
        let head = Head::parse(cell);
        let len = head.geometry().body_len(u32::from(head.width).wrapping_add(fingerprint_bits));
        let (start, room) = match head.far {
            None => (at.wrapping_add(HEAD_LEN), CELL_LEN - HEAD_LEN),
            Some(start) => (far.offset.wrapping_add(start), far.len.saturating_sub(start)),
        };
        if u32::from(head.width).wrapping_add(fingerprint_bits) > MAX_ENTRY_BITS || len > room {
            return Err(impossible(at));
        }
        Ok(CellView { head, body: start, fingerprint_bits })
    }

    /// Bits of a slot entry, at most 57.
    #[inline]
    pub fn entry_bits(&self) -> u32 {
        u32::from(self.head.width).wrapping_add(self.fingerprint_bits)
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> u64 {
        self.head.geometry().body_len(self.entry_bits())
    }

    /// Where the pilot for a key's number lies, from the beginning of the file (step 5).
    #[inline]
    pub fn pilot_at(&self, x: u64) -> u64 {
        self.body.wrapping_add(self.head.geometry().bucket(x))
    }

    /// Where the 8 bytes that hold entry `slot` begin, from the beginning of the file (section 6).
    #[inline]
    pub fn entry_at(&self, slot: u8) -> u64 {
        self.body.wrapping_add(self.head.geometry().buckets()).wrapping_add(self.entry_bit(slot) >> 3)
    }

    #[inline]
    fn entry_bit(&self, slot: u8) -> u64 {
        u64::from(slot).wrapping_mul(u64::from(self.entry_bits()))
    }

    /// The fingerprint and the delta of entry `slot`, from the 8 bytes at [`Self::entry_at`].
    #[inline]
    pub fn split_entry(&self, slot: u8, bytes: [u8; 8]) -> (u64, i64) {
        let entry = u64::from_le_bytes(bytes) >> (self.entry_bit(slot) & 7);
        let above = 64u32.wrapping_sub(self.entry_bits());
        // Arithmetic, so that the top bit of the delta is its sign.
        let delta =
            entry.wrapping_shl(above).cast_signed() >> (above.wrapping_add(self.fingerprint_bits) & 63);
        (entry & mask(self.fingerprint_bits), if self.head.width == 0 { 0 } else { delta })
    }

    /// The fingerprint of a key with this hash, as entries store it (step 7).
    #[inline]
    pub fn fingerprint(&self, hash: &KeyHash) -> u64 {
        hash.fingerprint(self.fingerprint_bits)
    }

    /// Where the record of `slot` begins, from the beginning of the pool (step 8). A damaged entry may lead anywhere.
    #[inline]
    pub fn record_start(&self, slot: u8, delta: i64) -> u64 {
        self.head.pool_start.wrapping_add(line(slot, self.head.mean)).wrapping_add_signed(delta)
    }
}

#[cold]
fn impossible(at: u64) -> Error {
    Error::Corrupt { rule: Rule::R(15), offset: at, what: "a cell is impossible" }
}

/// The straight line through a cell's records (section 6).
#[inline]
fn line(slot: u8, mean: u32) -> u64 {
    u64::from(slot).wrapping_mul(u64::from(mean)) >> 8
}

/// The pool start of every cell of a file with shared records, whose pool has `len` bytes: its middle, so that the deltas are
/// as short as they can be (section 6).
#[inline]
pub fn shared_start(len: u64) -> u64 {
    len / 2
}

/// The contents of a cell with at least one key.
pub struct CellData<'a> {
    /// Where the record of each slot begins, from the beginning of the cell's records; and where the last one ends.
    pub offsets: &'a [u64],
    /// The fingerprint of each slot.
    pub fingerprints: &'a [u32],
    /// Bits of a fingerprint.
    pub fingerprint_bits: u32,
    /// The pilot of each bucket.
    pub pilots: &'a [u8],
    /// The attempt that found the pilots.
    pub attempt: Attempt,
    /// The bytes of all records, if records are shared. `offsets` then begin with the pool, and there is none for an end.
    pub shared: Option<u64>,
}

impl CellData<'_> {
    /// Appends the cell to `cells`, and its body to `far` if it does not fit into the cell. `None` if an entry would need
    /// more than 57 bits.
    pub fn write(
        &self,
        first_id: u64,
        pool_start: u64,
        cells: &mut Vec<u8>,
        far: &mut Vec<u8>,
    ) -> Option<()> {
        let keys = u8::try_from(self.fingerprints.len()).ok()?;
        let total = self.offsets.last()?.checked_shl(8).unwrap_or(u64::MAX);
        let (mean, middle) = match self.shared {
            None => (u32::try_from(total.checked_div(u64::from(keys))?).unwrap_or(u32::MAX), 0),
            Some(len) => (0, shared_start(len)),
        };
        let deltas = || {
            (0..keys).zip(self.offsets).map(|(slot, &offset)| {
                offset.wrapping_sub(line(slot, mean)).wrapping_sub(middle).cast_signed()
            })
        };
        let width = deltas().map(signed_bits).max().unwrap_or(0);
        let entry_bits = width.checked_add(self.fingerprint_bits).filter(|&bits| bits <= MAX_ENTRY_BITS)?;
        let mut head = Head {
            first_id,
            pool_start,
            keys,
            width: u8::try_from(width).ok()?,
            attempt: self.attempt,
            mean,
            far: None,
        };
        let mut cell = [0; CELL_LEN as usize];
        let is_far = head.geometry().body_len(entry_bits) > CELL_LEN - HEAD_LEN;
        let mut body = Vec::with_capacity(CELL_LEN as usize);
        body.extend_from_slice(self.pilots);
        let mut bits = BitWriter { out: &mut body, pending: 0, filled: 0 };
        for (delta, &fingerprint) in deltas().zip(self.fingerprints) {
            let delta = delta.cast_unsigned() & mask(width);
            bits.push(
                delta.checked_shl(self.fingerprint_bits).unwrap_or(0) | u64::from(fingerprint),
                entry_bits,
            );
        }
        bits.finish();
        if is_far {
            head.far = Some(far.len() as u64);
            far.extend_from_slice(&body);
        } else {
            cell.iter_mut().skip(HEAD_LEN as usize).zip(&body).for_each(|(byte, &new)| *byte = new);
        }
        head.write(&mut cell);
        cells.extend_from_slice(&cell);
        Some(())
    }
}

/// Bits of a number with its sign; 0 for 0.
fn signed_bits(number: i64) -> u32 {
    let magnitude = if number < 0 { !number } else { number };
    if number == 0 { 0 } else { 65u32.saturating_sub(magnitude.leading_zeros()) }
}

/// Packs numbers of at most 57 bits, from the low bit of the first byte up.
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
