//! Decodes strings of codes, compares them and passes over them.

use super::{
    CLASSES, Class, ENDS, Entry, Fault, INLINE_LEN, KEY, KEY_TAIL, KIND, LONG, MAX_TEXT, RESERVED, Table,
    Tables, key_tail,
};
use alloc::vec::Vec;

/// Why a walk over codes stops before the end of the string.
pub(super) enum Stop {
    /// The codes are corrupt.
    Fault(Fault),
    /// The string is not the expected one.
    Differs,
}

/// What takes the texts of a string, one after another.
pub(super) trait Sink {
    /// Takes the first `len` bytes of `entry`, at most 15.
    fn short(&mut self, entry: &Entry, len: usize) -> Result<(), Stop>;
    fn long(&mut self, text: &[u8]) -> Result<(), Stop>;
    fn key(&mut self, tail: bool) -> Result<(), Stop>;
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
        self.walk(bytes, pool, bit, &mut Append { out, key }).map_err(fault)
    }

    /// The bit behind the string that begins at bit `bit` of `pool`, if it is `expected`, a key; otherwise `None`.
    ///
    /// It stops at the first difference.
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
        let mut compare = Compare::new(expected);
        match self.walk(bytes, pool, bit, &mut compare) {
            Ok(end) => Ok((compare.at == expected.len()).then_some(end)),
            Err(Stop::Differs) => Ok(None),
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }

    /// The bit behind the string that begins at bit `bit` of `pool`.
    ///
    /// # Errors
    /// As for [`Self::decode`], except that the key is not looked at.
    #[inline]
    pub fn skip(&self, bytes: &[u8], pool: &[u8], bit: u64) -> Result<u64, Fault> {
        self.walk(bytes, pool, bit, &mut Pass).map_err(fault)
    }

    #[inline(always)]
    fn walk<S: Sink>(&self, bytes: &[u8], pool: &[u8], bit: u64, sink: &mut S) -> Result<u64, Stop> {
        let mut at = bit;
        for table in self.tables.iter().take(self.last) {
            let (bits, ends) = table.view(bytes).step(load(pool, at)?, sink)?;
            at = at.wrapping_add(u64::from(bits));
            if ends {
                return end(pool, at);
            }
        }
        let Some(last) = self.tables.get(self.last) else { return Err(Stop::Fault(Fault::NoToken)) };
        let last = last.view(bytes);
        loop {
            // A word has 57 bits or more, and a code at most 23: two in a word need no question between them.
            let word = load(pool, at)?;
            let (bits, ends) = last.step(word, sink)?;
            at = at.wrapping_add(u64::from(bits));
            if ends {
                return end(pool, at);
            }
            let (bits, ends) = last.step(word >> (bits & 63), sink)?;
            at = at.wrapping_add(u64::from(bits));
            if ends {
                return end(pool, at);
            }
        }
    }
}

pub(super) fn fault(stop: Stop) -> Fault {
    match stop {
        Stop::Fault(fault) => fault,
        // Only a comparison finds a difference.
        Stop::Differs => Fault::NoEnd,
    }
}

/// At least 57 bits of the pool from bit `bit` on, the first one lowest; zeros behind the end of the pool.
#[inline(always)]
pub(super) fn load(pool: &[u8], bit: u64) -> Result<u64, Stop> {
    let at = usize::try_from(bit >> 3).unwrap_or(usize::MAX);
    // A jump that is never taken costs less than a number that depends on the length.
    let word = match pool.get(at..at.wrapping_add(8)).and_then(<[u8]>::first_chunk) {
        Some(word) => u64::from_le_bytes(*word),
        None => load_last(pool, at)?,
    };
    Ok(word >> (bit & 7))
}

#[cold]
fn load_last(pool: &[u8], at: usize) -> Result<u64, Stop> {
    let rest = pool.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return Err(Stop::Fault(Fault::NoEnd));
    }
    Ok(rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

/// `at`, unless the last code reaches beyond the pool.
#[inline(always)]
pub(super) fn end(pool: &[u8], at: u64) -> Result<u64, Stop> {
    if at.div_ceil(8) <= pool.len() as u64 { Ok(at) } else { Err(Stop::Fault(Fault::NoEnd)) }
}

/// A table with its bytes.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    classes: &'a [Class; CLASSES],
    entries: &'a [Entry],
    long: &'a [u8],
}

impl Table {
    #[inline(always)]
    pub(super) fn view<'a>(&'a self, bytes: &'a [u8]) -> View<'a> {
        View {
            classes: &self.classes,
            entries: self.entries(bytes),
            long: bytes.get(self.long..self.end).unwrap_or_default(),
        }
    }
}

impl View<'_> {
    /// Gives the text of the lowest code of `word` to `sink`. Returns the bits of the code, and whether it ends the string.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the mask has 20 bits")]
    pub(super) fn step<S: Sink>(&self, word: u64, sink: &mut S) -> Result<(u32, bool), Stop> {
        let class = self.classes.get((word & 7) as usize).copied().unwrap_or_default();
        let number = class.first.wrapping_add((word >> 3) as u32 & class.mask);
        let entry = self.entries.get(number as usize).ok_or(Stop::Fault(Fault::NoToken))?;
        let [.., flags] = *entry;
        if flags & (KIND | RESERVED) == 0 {
            sink.short(entry, usize::from(flags & INLINE_LEN))?;
        } else {
            self.other(entry, sink)?;
        }
        Ok((class.bits, flags & ENDS != 0))
    }

    /// Gives a text that is not in its entry to `sink`.
    #[inline(never)]
    fn other<S: Sink>(&self, entry: &Entry, sink: &mut S) -> Result<(), Stop> {
        let [o0, o1, o2, o3, len, .., flags] = *entry;
        match flags & (KIND | RESERVED) {
            LONG => {
                let at = u32::from_le_bytes([o0, o1, o2, o3]) as usize;
                let text = self.long.get(at..at.wrapping_add(usize::from(len)));
                sink.long(text.ok_or(Stop::Fault(Fault::Outside))?)
            }
            KEY => sink.key(false),
            KEY_TAIL => sink.key(true),
            _ => Err(Stop::Fault(Fault::Kind)),
        }
    }
}

/// Appends to a vector.
pub(super) struct Append<'a> {
    pub out: &'a mut Vec<u8>,
    pub key: Option<&'a [u8]>,
}

impl Append<'_> {
    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Result<(), Stop> {
        self.out.try_reserve(MAX_TEXT).map_err(|_| Stop::Fault(Fault::Memory))
    }
}

impl Sink for Append<'_> {
    #[inline(always)]
    fn short(&mut self, entry: &Entry, len: usize) -> Result<(), Stop> {
        let start = self.out.len();
        if self.out.capacity().wrapping_sub(start) < entry.len() {
            self.grow()?;
        }
        // Sixteen bytes take one instruction; a number that differs takes a call.
        self.out.extend_from_slice(entry);
        self.out.truncate(start.wrapping_add(len));
        Ok(())
    }

    #[inline]
    fn long(&mut self, text: &[u8]) -> Result<(), Stop> {
        if self.out.capacity().wrapping_sub(self.out.len()) < text.len() {
            self.grow()?;
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn key(&mut self, tail: bool) -> Result<(), Stop> {
        match self.key {
            Some(key) if key.len() <= MAX_TEXT => self.long(if tail { key_tail(key) } else { key }),
            _ => Err(Stop::Fault(Fault::Key)),
        }
    }
}

/// Compares with an expected string.
struct Compare<'a> {
    expected: &'a [u8],
    /// Bytes of it that are found.
    at: usize,
    /// Its last 16 bytes, or all it has, the first one lowest.
    last: u128,
    /// Where `last` begins in it.
    last_at: usize,
}

impl<'a> Compare<'a> {
    #[inline(always)]
    fn new(expected: &'a [u8]) -> Self {
        let (last, last_at) = match expected.last_chunk() {
            Some(chunk) => (u128::from_le_bytes(*chunk), expected.len().wrapping_sub(chunk.len())),
            None => (expected.iter().rev().fold(0, |word, &byte| word << 8 | u128::from(byte)), 0),
        };
        Compare { expected, at: 0, last, last_at }
    }
}

impl Sink for Compare<'_> {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "fewer than 16 bytes, 128 bits")]
    fn short(&mut self, entry: &Entry, len: usize) -> Result<(), Stop> {
        let expected = match self.expected.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(chunk) => u128::from_le_bytes(*chunk),
            None => {
                let behind = self.at.wrapping_sub(self.last_at).wrapping_mul(8);
                self.last.checked_shr(behind as u32).unwrap_or(0)
            }
        };
        let mask = 1u128.wrapping_shl(len.wrapping_mul(8) as u32).wrapping_sub(1);
        self.at = self.at.wrapping_add(len);
        // Zeros seem to lie behind the end; the length tells at last.
        if (u128::from_le_bytes(*entry) ^ expected) & mask == 0 { Ok(()) } else { Err(Stop::Differs) }
    }

    #[inline]
    fn long(&mut self, text: &[u8]) -> Result<(), Stop> {
        if self.expected.get(self.at..).is_some_and(|rest| rest.starts_with(text)) {
            self.at = self.at.wrapping_add(text.len());
            Ok(())
        } else {
            Err(Stop::Differs)
        }
    }

    fn key(&mut self, _: bool) -> Result<(), Stop> {
        Err(Stop::Fault(Fault::Key))
    }
}

/// Takes nothing.
struct Pass;

impl Sink for Pass {
    #[inline(always)]
    fn short(&mut self, _: &Entry, _: usize) -> Result<(), Stop> {
        Ok(())
    }

    #[inline]
    fn long(&mut self, _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }

    fn key(&mut self, _: bool) -> Result<(), Stop> {
        Ok(())
    }
}
