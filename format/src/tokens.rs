//! Tables of tokens, and strings as codes of tokens.
//!
//! A string is a row of codes, each of a token: some bytes, or the key of the record; the last one ends the string. The
//! strings of a side, keys or values, share one to four tables: token `p` of a string comes from table `min(p, T - 1)`.

mod decode;
mod piece;
#[cfg(test)]
mod tests;
mod write;

pub use piece::Decoding;
pub use write::{Text, Token, write_table};

use core::fmt;

/// Classes of codes.
pub const CLASSES: usize = 8;
/// Bits of a code that name its class.
pub const CLASS_BITS: u32 = 3;
/// Most bits of an index within a class.
pub const MAX_INDEX_BITS: u8 = 20;
/// Most tables of a side.
pub const MAX_TABLES: usize = 4;
/// Most bytes that a code stands for.
pub const MAX_TEXT: usize = 255;
/// Most bytes of a text that is in the entry of its token.
pub const MAX_INLINE: usize = 15;

/// Bytes in front of the entries of a table.
const HEAD_LEN: usize = 16;
/// Bytes of an entry, and what the length of a table is a multiple of.
const ENTRY_LEN: usize = 16;

/// The last byte of an entry: the length of a text in the entry.
const INLINE_LEN: u8 = 0x0f;
/// The last byte of an entry: the kind.
const KIND: u8 = 0x30;
/// A text among the long ones of the table: their offset in 4 bytes, their length in one.
const LONG: u8 = 0x10;
/// The key of the record.
const KEY: u8 = 0x20;
/// The key of the record behind its last separator.
const KEY_TAIL: u8 = 0x30;
/// The last byte of an entry: must be zero.
const RESERVED: u8 = 0x40;
/// The last byte of an entry: the token ends its string.
const ENDS: u8 = 0x80;

/// One entry of a table.
type Entry = [u8; ENTRY_LEN];

/// The key behind its last `:`, `/`, `|` or `#`; the whole key if it has none.
pub fn key_tail(key: &[u8]) -> &[u8] {
    key.rsplit(|byte| matches!(byte, b':' | b'/' | b'|' | b'#')).next().unwrap_or(key)
}

/// Why a code does not stand for a token, or its token not for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No token ends the string.
    NoEnd,
    /// The table has fewer tokens.
    NoToken,
    /// The kind of the token does not exist.
    Kind,
    /// The text of the token is not among the long ones.
    Outside,
    /// The token stands for the key, but this is a key, or one of more than 255 bytes.
    Key,
    /// No memory for the string.
    Memory,
}

/// For people: what is wrong.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

impl core::error::Error for Fault {}

impl Fault {
    /// What is wrong, in a few words.
    pub fn what(self) -> &'static str {
        match self {
            Fault::NoEnd => "a string of tokens does not end",
            Fault::NoToken => "a code stands for no token",
            Fault::Kind => "a token has a kind that does not exist",
            Fault::Outside => "the text of a token is outside of its table",
            Fault::Key => "a token stands for a key that cannot be there",
            Fault::Memory => "a string of tokens is longer than memory",
        }
    }
}

/// A fault of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFault {
    /// Where, in bytes from the beginning of the tables of this side.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// A class of codes.
#[derive(Clone, Copy, Debug, Default)]
struct Class {
    /// Bits of a code.
    bits: u32,
    /// The number of its first token.
    first: u32,
    /// The bits of an index.
    mask: u32,
}

/// Where a table lies, and its classes.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    /// Where its entries begin.
    entries: usize,
    /// Where its long texts begin.
    long: usize,
    /// Where its long texts end.
    end: usize,
    classes: [Class; CLASSES],
}

/// The tables of a side, keys or values: where they lie in the bytes that hold them.
///
/// It owns no bytes: every function takes those that it was parsed from.
#[derive(Clone, Debug)]
pub struct Tables {
    tables: [Table; MAX_TABLES],
    /// Number of the last table.
    last: usize,
    /// Bytes of all tables.
    len: usize,
}

impl Tables {
    /// Finds `count` tables at the beginning of `bytes`. It looks at 16 bytes of each, whatever they say.
    ///
    /// # Errors
    /// If there are not one to four, if one reaches beyond `bytes`, has a class above 20 bits, or more tokens than its classes
    /// hold.
    pub fn parse(bytes: &[u8], count: u8) -> Result<Self, TableFault> {
        let fault = |offset, what| TableFault { offset, what };
        let last = usize::from(count).wrapping_sub(1);
        if last >= MAX_TABLES {
            return Err(fault(0, "there are not one to four tables of tokens"));
        }
        let mut found = Tables { tables: [Table::default(); MAX_TABLES], last, len: 0 };
        for table in found.tables.iter_mut().take(usize::from(count)) {
            let (parsed, end) = Table::parse(bytes, found.len).map_err(|what| fault(found.len, what))?;
            *table = parsed;
            found.len = end;
        }
        Ok(found)
    }

    /// Bytes of the tables.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one table")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of tables.
    pub fn count(&self) -> usize {
        self.last.wrapping_add(1)
    }

    /// Checks every token, and all bytes that must be zero. `keys`: the tables are those of keys, where no token stands for
    /// the key.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, bytes: &[u8], keys: bool) -> Result<(), TableFault> {
        let mut end = 0;
        for table in self.tables.iter().take(self.count()) {
            let long = table.end.saturating_sub(table.long);
            let offsets = (table.entries..).step_by(ENTRY_LEN);
            for (offset, entry) in offsets.zip(table.entries(bytes)) {
                check_entry(entry, long, keys).map_err(|what| TableFault { offset, what })?;
            }
            end = table.end.next_multiple_of(ENTRY_LEN);
            let padding = (table.end..).zip(bytes.get(table.end..end).unwrap_or_default());
            if let Some((offset, _)) = padding.into_iter().find(|(_, byte)| **byte != 0) {
                return Err(TableFault { offset, what: "padding behind a table of tokens is not zero" });
            }
        }
        debug_assert_eq!(end, self.len);
        Ok(())
    }
}

impl Table {
    /// The table at `at`, and where the next one begins.
    fn parse(bytes: &[u8], at: usize) -> Result<(Self, usize), &'static str> {
        const CUT: &str = "a table of tokens is cut off";
        let head: &[u8; HEAD_LEN] = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(CUT)?;
        let [index_bits @ .., c0, c1, c2, c3, l0, l1, l2, l3] = *head;
        let (count, long_len) = (u32::from_le_bytes([c0, c1, c2, c3]), u32::from_le_bytes([l0, l1, l2, l3]));
        let mut classes = [Class::default(); CLASSES];
        let mut first = 0u32;
        for (class, bits) in classes.iter_mut().zip(index_bits) {
            if bits > MAX_INDEX_BITS {
                return Err("a class of tokens has more than 20 bits");
            }
            let held = 1u32.wrapping_shl(u32::from(bits));
            *class =
                Class { bits: CLASS_BITS.wrapping_add(u32::from(bits)), first, mask: held.wrapping_sub(1) };
            // Eight times 2^20 at most.
            first = first.wrapping_add(held);
        }
        if count > first {
            return Err("a table has more tokens than its classes hold");
        }
        let span = |from: usize, len: u64| from.checked_add(usize::try_from(len).ok()?);
        let entries = at.wrapping_add(HEAD_LEN);
        let end = span(entries, u64::from(count).wrapping_mul(ENTRY_LEN as u64))
            .and_then(|long| Some((long, span(long, u64::from(long_len))?)))
            .and_then(|(long, end)| Some((long, end, end.checked_next_multiple_of(ENTRY_LEN)?)));
        match end {
            Some((long, end, next)) if next <= bytes.len() => {
                Ok((Table { entries, long, end, classes }, next))
            }
            _ => Err(CUT),
        }
    }

    #[inline]
    fn entries<'a>(&self, bytes: &'a [u8]) -> &'a [Entry] {
        bytes.get(self.entries..self.long).unwrap_or_default().as_chunks().0
    }
}

/// What is wrong with an entry of a table with `long` bytes of long texts.
fn check_entry(entry: &Entry, long: usize, keys: bool) -> Result<(), &'static str> {
    let [text @ .., flags] = entry;
    let len = flags & INLINE_LEN;
    let zero_from = match flags & KIND {
        0 => usize::from(len),
        LONG => 5,
        _ => 0,
    };
    if flags & RESERVED != 0 || flags & KIND != 0 && len != 0 {
        return Err("a token has a kind that does not exist");
    }
    if text.iter().skip(zero_from).any(|&byte| byte != 0) {
        return Err("bytes behind the text of a token are not zero");
    }
    match flags & KIND {
        0 if len == 0 && flags & ENDS == 0 => Err("a token stands for nothing"),
        LONG => {
            let &[o0, o1, o2, o3, len, ..] = text;
            let end = u64::from(u32::from_le_bytes([o0, o1, o2, o3])).saturating_add(u64::from(len));
            if usize::from(len) <= MAX_INLINE {
                Err("the text of a token is short, but among the long ones")
            } else if end > long as u64 {
                Err(Fault::Outside.what())
            } else {
                Ok(())
            }
        }
        KEY | KEY_TAIL if keys => Err("a token of keys stands for the key"),
        _ => Ok(()),
    }
}
