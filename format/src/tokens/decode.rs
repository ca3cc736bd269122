//! Decodes strings of codes, and compares them.
//!
//! A step is a chain: the class of a code says how long it is, and so where the next one begins. Nothing else is in that
//! chain: the lengths of all classes fit into a number, and most tokens are copied by one store of 16 bytes.

use super::{
    ENDS, Entry, Fault, INLINE_LEN, KEY, KEY_TAIL, KIND, LONG, MAX_TEXT, RESERVED, Table, Tables, key_tail,
};
use alloc::vec::Vec;

/// By how many bytes a string grows while it is decoded.
const ROOM: usize = 128;
/// Bytes of a key that are decoded before they are compared.
const COMPARED: usize = 96;

/// Why [`Walk::run`] stops.
enum Pause<'a> {
    /// At a token that ends the string, or is not in its entry. The walk is behind its code.
    At(&'a Table, &'a Entry),
    /// At a token for which there is no room.
    Full,
}

/// Where a string of codes is read.
struct Walk<'a> {
    tables: &'a Tables,
    /// The tables.
    bytes: &'a [u8],
    pool: &'a [u8],
    /// The next code.
    bit: u64,
    /// The table of the next token.
    table: usize,
}

impl Tables {
    /// Appends to `out` the string that begins at bit `bit` of `pool`, and returns the bit behind it. `key` is that of the
    /// record, if the string is a value.
    ///
    /// It decodes at most 680 bytes for each byte of the pool. If it fails, `out` may hold a part of the string.
    ///
    /// # Errors
    /// If the codes are corrupt, lead to a corrupt token, or do not end before the pool does.
    #[inline]
    pub fn decode(
        &self,
        bytes: &[u8],
        pool: &[u8],
        bit: u64,
        key: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<u64, Fault> {
        let mut at = out.len();
        let mut walk = Walk { tables: self, bytes, pool, bit, table: 0 };
        loop {
            out.try_reserve(ROOM).map_err(|_| Fault::Memory)?;
            out.resize(at.saturating_add(ROOM), 0);
            let pause = walk.run(out, &mut at);
            out.truncate(at);
            let Pause::At(table, entry) = pause? else { continue };
            if is_elsewhere(entry) {
                out.try_reserve(MAX_TEXT).map_err(|_| Fault::Memory)?;
                out.extend_from_slice(table.text_elsewhere(bytes, entry, key)?);
                at = out.len();
            }
            if ends(entry) {
                return walk.end();
            }
        }
    }

    /// The bit behind the string that begins at bit `bit` of `pool`, if it is `expected`, a key; otherwise `None`.
    ///
    /// It stops soon after the first difference.
    ///
    /// # Errors
    /// If the codes up to there are corrupt, as for [`Self::decode`].
    #[inline]
    pub fn compare(
        &self,
        bytes: &[u8],
        pool: &[u8],
        bit: u64,
        expected: &[u8],
    ) -> Result<Option<u64>, Fault> {
        let mut rest = expected;
        let mut walk = Walk { tables: self, bytes, pool, bit, table: 0 };
        loop {
            let (mut buffer, mut at) = ([0; COMPARED], 0);
            let pause = walk.run(&mut buffer, &mut at);
            match rest.strip_prefix(buffer.get(..at).unwrap_or_default()) {
                Some(behind) => rest = behind,
                None => return Ok(None),
            }
            let Pause::At(table, entry) = pause? else { continue };
            if is_elsewhere(entry) {
                match rest.strip_prefix(table.text_elsewhere(bytes, entry, None)?) {
                    Some(behind) => rest = behind,
                    None => return Ok(None),
                }
            }
            if ends(entry) {
                let end = walk.end()?;
                return Ok(rest.is_empty().then_some(end));
            }
        }
    }
}

impl<'a> Walk<'a> {
    /// Writes texts of tokens to `buffer` from `at` on, up to one that ends the string or is not in its entry. On an error `at`
    /// is behind the texts before.
    #[inline(always)]
    fn run(&mut self, buffer: &mut [u8], at: &mut usize) -> Result<Pause<'a>, Fault> {
        while let Some(table) = self.tables.tables.get(self.table).filter(|_| self.table < self.tables.last) {
            let (entry, bits) = table.step(table.entries(self.bytes), load(self.pool, self.bit)?)?;
            if !put(entry, buffer, at) {
                return Ok(Pause::Full);
            }
            self.pass(bits);
            self.table = self.table.wrapping_add(1);
            if is_special(entry) {
                return Ok(pause_at(table, entry, at));
            }
        }
        let Some(last) = self.tables.tables.get(self.tables.last) else { return Err(Fault::NoToken) };
        // A word has 57 bits or more, and a code at most 23.
        if last.three_in_word {
            self.run_last::<3>(last, buffer, at)
        } else {
            self.run_last::<2>(last, buffer, at)
        }
    }

    /// [`Self::run`] in the last table, where any `CODES` codes are in a word.
    #[inline(always)]
    fn run_last<const CODES: usize>(
        &mut self,
        table: &'a Table,
        buffer: &mut [u8],
        at: &mut usize,
    ) -> Result<Pause<'a>, Fault> {
        let entries = table.entries(self.bytes);
        loop {
            let mut word = load(self.pool, self.bit)?;
            for _ in 0..CODES {
                let (entry, bits) = table.step(entries, word)?;
                if !put(entry, buffer, at) {
                    return Ok(Pause::Full);
                }
                self.pass(bits);
                if is_special(entry) {
                    return Ok(pause_at(table, entry, at));
                }
                word >>= bits & 63;
            }
        }
    }

    #[inline(always)]
    fn pass(&mut self, bits: u32) {
        self.bit = self.bit.wrapping_add(u64::from(bits));
    }

    /// The bit behind the last code, unless that reaches beyond the pool.
    #[inline(always)]
    fn end(&self) -> Result<u64, Fault> {
        end(self.pool, self.bit)
    }
}

/// Writes an entry to `buffer`, and moves `at` behind the text that it holds; `false` if there is no room for all 16 bytes.
#[inline(always)]
fn put(entry: &Entry, buffer: &mut [u8], at: &mut usize) -> bool {
    let Some(place) = buffer.get_mut(*at..).and_then(<[u8]>::first_chunk_mut) else { return false };
    *place = *entry;
    *at = at.wrapping_add(inline_len(entry));
    true
}

/// The pause at this token, which was [`put`]: what is not text does not count.
#[inline(always)]
fn pause_at<'a>(table: &'a Table, entry: &'a Entry, at: &mut usize) -> Pause<'a> {
    if is_elsewhere(entry) {
        *at = at.wrapping_sub(inline_len(entry));
    }
    Pause::At(table, entry)
}

/// At least 57 bits of the pool from bit `bit` on, the first one lowest; zeros behind the end of the pool.
#[inline(always)]
pub(super) fn load(pool: &[u8], bit: u64) -> Result<u64, Fault> {
    let at = usize::try_from(bit >> 3).unwrap_or(usize::MAX);
    // A jump that is never taken costs less than a number that depends on the length.
    let word = match pool.get(at..at.wrapping_add(8)).and_then(<[u8]>::first_chunk) {
        Some(word) => u64::from_le_bytes(*word),
        None => load_last(pool, at)?,
    };
    Ok(word >> (bit & 7))
}

#[cold]
fn load_last(pool: &[u8], at: usize) -> Result<u64, Fault> {
    let rest = pool.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return Err(Fault::NoEnd);
    }
    Ok(rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

/// `at`, unless the last code reaches beyond the pool.
#[inline(always)]
pub(super) fn end(pool: &[u8], at: u64) -> Result<u64, Fault> {
    if at.div_ceil(8) <= pool.len() as u64 { Ok(at) } else { Err(Fault::NoEnd) }
}

impl Table {
    /// The token of the lowest code of `word`, and the bits of the code.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a length is a byte, and the mask has 20 bits")]
    pub(super) fn step<'a>(&self, entries: &'a [Entry], word: u64) -> Result<(&'a Entry, u32), Fault> {
        let class = word & 7;
        let bits = (self.code_bits >> class.wrapping_mul(8)) as u32 & 0xff;
        let class = self.classes.get(class as usize).copied().unwrap_or_default();
        let number = class.first.wrapping_add((word >> 3) as u32 & class.mask);
        let entry = entries.get(number as usize).ok_or(Fault::NoToken)?;
        Ok((entry, bits))
    }

    /// The text of a token that has it not in its entry. `key` is that of the record, if the string is a value.
    #[inline(never)]
    pub(super) fn text_elsewhere<'a>(
        &self,
        bytes: &'a [u8],
        entry: &Entry,
        key: Option<&'a [u8]>,
    ) -> Result<&'a [u8], Fault> {
        let [o0, o1, o2, o3, len, ..] = *entry;
        let key = || key.filter(|key| key.len() <= MAX_TEXT).ok_or(Fault::Key);
        match flags(entry) & (KIND | RESERVED) {
            LONG => {
                let long = bytes.get(self.long..self.end).unwrap_or_default();
                let at = u32::from_le_bytes([o0, o1, o2, o3]) as usize;
                long.get(at..at.wrapping_add(usize::from(len))).ok_or(Fault::Outside)
            }
            KEY => key(),
            KEY_TAIL => key().map(key_tail),
            _ => Err(Fault::Kind),
        }
    }
}

#[inline(always)]
fn flags(entry: &Entry) -> u8 {
    let [.., flags] = *entry;
    flags
}

/// True if the token ends its string.
#[inline(always)]
pub(super) fn ends(entry: &Entry) -> bool {
    flags(entry) & ENDS != 0
}

/// True if the text of the token is not in its entry.
#[inline(always)]
pub(super) fn is_elsewhere(entry: &Entry) -> bool {
    flags(entry) & (KIND | RESERVED) != 0
}

/// True if either.
#[inline(always)]
fn is_special(entry: &Entry) -> bool {
    flags(entry) & (ENDS | KIND | RESERVED) != 0
}

/// Bytes of a text in the entry.
#[inline(always)]
pub(super) fn inline_len(entry: &Entry) -> usize {
    usize::from(flags(entry) & INLINE_LEN)
}
