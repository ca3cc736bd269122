//! Decodes a string piece by piece, in memory of any size.

use super::{
    Fault, MAX_TEXT, Tables,
    decode::{end, load},
};
use alloc::vec::Vec;

/// Bytes of a pool that hold the longest code, and more: where fewer are left of a piece, the next piece goes on.
const LONGEST: u64 = 8;

/// How far a string is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// The next bit, from the beginning of the piece of the pool.
    pub bit: u64,
    /// The table of the next token.
    table: usize,
    /// The string has ended; `bit` is the one after it.
    pub ended: bool,
}

impl Decoding {
    /// A string that begins at this bit.
    pub fn at(bit: u64) -> Self {
        Decoding { bit, table: 0, ended: false }
    }
}

impl Tables {
    /// Decodes a string from where it stands, until it ends, `out` has `most` bytes, or the piece `pool` ends. `cut`: the pool
    /// goes on after it, and then the piece has at least 8 bytes from the one with the next bit on.
    ///
    /// # Errors
    /// As [`Self::decode`].
    #[expect(clippy::too_many_arguments, reason = "a piece, and what it needs")]
    pub fn decode_piece(
        &self,
        bytes: &[u8],
        pool: &[u8],
        cut: bool,
        state: &mut Decoding,
        key: Option<&[u8]>,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        while !state.ended && out.len() < most {
            if cut && (state.bit >> 3).saturating_add(LONGEST) > pool.len() as u64 {
                break;
            }
            let Some(table) = self.tables.get(state.table) else { return Err(Fault::NoToken) };
            let (entry, bits) = table.token(table.entries(bytes), load(pool, state.bit)?)?;
            out.try_reserve(MAX_TEXT).map_err(|_| Fault::Memory)?;
            out.extend_from_slice(entry.text(table.texts(bytes), key)?);
            state.bit = state.bit.wrapping_add(u64::from(bits));
            state.table = state.table.wrapping_add(1).min(self.last);
            if entry.ends() {
                state.bit = end(pool, state.bit)?;
                state.ended = true;
            }
        }
        Ok(())
    }
}
