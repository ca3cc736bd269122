//! Decodes strings of codes, and compares them.
//!
//! A step is a chain: the class of a code says how long it is, and so where the next one begins. Nothing else is in that
//! chain: the lengths of all classes fit into a number, and most texts are copied as 32 bytes, whatever their length.

use super::{Bytes, Entry, Fault, KEY, KEY_TAIL, LEN_SHIFT, MAX_TEXT, TEXT, Table, Tables, key_tail};
use alloc::vec::Vec;

/// By how many bytes a string grows while it is decoded.
const ROOM: usize = 128;
/// Bytes of a key that are decoded before they are compared.
const COMPARED: usize = 96;

/// Bytes that are copied at once, for any text that has no more.
const COPIED: usize = 32;

/// Why [`Walk::run`] stops.
enum Pause<'a> {
    /// The string has ended.
    End,
    /// At this text, for which there is no room; and whether it ends the string. The walk is behind its code.
    Text(&'a [u8], bool),
}

/// What a step of [`Walk`] does.
enum Step<'a> {
    /// It goes on behind a code of so many bits.
    Code(u32),
    Pause(Pause<'a>),
}

/// What becomes of a text.
enum Put<'a> {
    /// It is written, up to here.
    Behind(usize),
    /// There is no room for it.
    NoRoom(&'a [u8]),
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
    /// The key of the record, if the string is a value.
    key: Option<&'a [u8]>,
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
        let start = out.len();
        let mut at = start;
        let mut walk = Walk { tables: self, bytes, pool, bit, table: 0, key };
        loop {
            let room = at.saturating_sub(start).max(ROOM);
            out.try_reserve(room).map_err(|_| Fault::Memory)?;
            out.resize(at.saturating_add(room), 0);
            let pause = walk.run(out, &mut at);
            out.truncate(at);
            match pause? {
                Pause::End => return walk.end(),
                Pause::Text(text, ends) => {
                    out.try_reserve(MAX_TEXT).map_err(|_| Fault::Memory)?;
                    out.extend_from_slice(text);
                    at = out.len();
                    if ends {
                        return walk.end();
                    }
                }
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
        let mut walk = Walk { tables: self, bytes, pool, bit, table: 0, key: None };
        loop {
            let (mut buffer, mut at) = ([0; COMPARED], 0);
            let pause = walk.run(&mut buffer, &mut at);
            let Some(behind) = rest.strip_prefix(buffer.get(..at).unwrap_or_default()) else {
                // Zeros behind the pool are no codes.
                return walk.end().map(|_| None);
            };
            rest = behind;
            let ended = match pause? {
                Pause::End => true,
                Pause::Text(text, ends) => {
                    let Some(behind) = rest.strip_prefix(text) else { return walk.end().map(|_| None) };
                    rest = behind;
                    ends
                }
            };
            if ended {
                let end = walk.end()?;
                return Ok(rest.is_empty().then_some(end));
            }
        }
    }
}

impl<'a> Walk<'a> {
    /// Writes texts of tokens to `buffer` from `at` on, until the string ends or there is no room. On an error `at` is behind
    /// the texts before.
    #[inline(always)]
    fn run(&mut self, buffer: &mut [u8], at: &mut usize) -> Result<Pause<'a>, Fault> {
        while let Some(table) = self.tables.tables.get(self.table).filter(|_| self.table < self.tables.last) {
            let word = load(self.pool, self.bit)?;
            let (entries, texts) = (table.entries(self.bytes), table.texts(self.bytes));
            self.table = self.table.wrapping_add(1);
            if let Step::Pause(pause) = self.step(table, entries, texts, word, buffer, at)? {
                return Ok(pause);
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
        let (entries, texts) = (table.entries(self.bytes), table.texts(self.bytes));
        loop {
            let mut word = load(self.pool, self.bit)?;
            for _ in 0..CODES {
                match self.step(table, entries, texts, word, buffer, at)? {
                    Step::Code(bits) => word >>= bits & 63,
                    Step::Pause(pause) => return Ok(pause),
                }
            }
        }
    }

    /// Writes the text of the lowest code of `word`.
    #[inline(always)]
    fn step(
        &mut self,
        table: &Table,
        entries: &[Bytes],
        texts: &'a [u8],
        word: u64,
        buffer: &mut [u8],
        at: &mut usize,
    ) -> Result<Step<'a>, Fault> {
        let (entry, bits) = table.token(entries, word)?;
        let behind = self.bit.wrapping_add(u64::from(bits));
        let text = texts.get(entry.begin()..).and_then(<[u8]>::first_chunk::<COPIED>);
        let place = buffer.get_mut(*at..).and_then(<[u8]>::first_chunk_mut::<COPIED>);
        // Without the bit that says that it ends: the length, if it is a text.
        let kind_and_len = (entry.0 << 1 >> (LEN_SHIFT + 1)) as usize;
        if let (Some(text), Some(place), 0..=COPIED) = (text, place, kind_and_len) {
            *place = *text;
            *at = at.wrapping_add(kind_and_len);
            self.bit = behind;
        } else {
            let put = put(entry, texts, self.key, buffer, *at)?;
            self.bit = behind;
            match put {
                Put::Behind(behind) => *at = behind,
                Put::NoRoom(text) => return Ok(Step::Pause(Pause::Text(text, entry.ends()))),
            }
        }
        Ok(if entry.ends() { Step::Pause(Pause::End) } else { Step::Code(bits) })
    }

    /// The bit behind the last code, unless that reaches beyond the pool.
    #[inline(always)]
    fn end(&self) -> Result<u64, Fault> {
        end(self.pool, self.bit)
    }
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
    pub(super) fn token(&self, entries: &[Bytes], word: u64) -> Result<(Entry, u32), Fault> {
        let class = word & 7;
        let bits = (self.code_bits >> class.wrapping_mul(8)) as u32 & 0xff;
        let class = self.classes.get(class as usize).copied().unwrap_or_default();
        let number = class.first.wrapping_add((word >> 3) as u32 & class.mask);
        let entry = entries.get(number as usize).ok_or(Fault::NoToken)?;
        Ok((Entry::new(*entry), bits))
    }
}

/// Writes the text of a token to `buffer`, if there is room.
#[inline(never)]
fn put<'a>(
    entry: Entry,
    texts: &'a [u8],
    key: Option<&'a [u8]>,
    buffer: &mut [u8],
    at: usize,
) -> Result<Put<'a>, Fault> {
    let text = entry.text(texts, key)?;
    let Some(place) = buffer.get_mut(at..).and_then(|rest| rest.get_mut(..text.len())) else {
        return Ok(Put::NoRoom(text));
    };
    place.copy_from_slice(text);
    Ok(Put::Behind(at.wrapping_add(text.len())))
}

impl Entry {
    /// What the token stands for. `texts` are those of its table, `key` is that of the record, if the string is a value.
    #[inline]
    pub(super) fn text<'a>(self, texts: &'a [u8], key: Option<&'a [u8]>) -> Result<&'a [u8], Fault> {
        let key = || key.filter(|key| key.len() <= MAX_TEXT).ok_or(Fault::Key);
        match self.kind() {
            TEXT => texts.get(self.begin()..self.begin().wrapping_add(self.len())).ok_or(Fault::Outside),
            KEY => key(),
            KEY_TAIL => key().map(key_tail),
            _ => Err(Fault::Kind),
        }
    }
}
