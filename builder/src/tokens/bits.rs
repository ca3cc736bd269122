//! Writes codes of any number of bits.

/// Packs numbers into bytes, from the low bit of the first byte up.
#[derive(Debug)]
pub struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    /// Bits of `pending`, below 32.
    filled: u32,
}

impl<'a> BitWriter<'a> {
    /// Appends to `out`, from its next byte on.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        BitWriter { out, pending: 0, filled: 0 }
    }

    /// Appends the low `bits` bits of `number`, at most 32; the others are zero.
    #[inline]
    pub fn push(&mut self, number: u32, bits: u32) {
        debug_assert!(bits <= 32 && u64::from(number) >> bits == 0);
        self.pending |= u64::from(number) << self.filled;
        self.filled += bits;
        if self.filled >= 32 {
            self.out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.filled -= 32;
        }
    }

    /// Goes on where another writer has [paused](Self::pause).
    pub fn resume(out: &'a mut Vec<u8>, (pending, filled): (u64, u32)) -> Self {
        BitWriter { out, pending, filled }
    }

    /// Stops, and returns the bits that do not fill a word yet.
    pub fn pause(self) -> (u64, u32) {
        (self.pending, self.filled)
    }

    /// Fills the last byte with zeros.
    pub fn finish(self) {
        let bytes = self.filled.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
    }
}
