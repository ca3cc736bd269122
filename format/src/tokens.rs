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
pub const CLASS_BITS: u8 = 3;
/// Most bits of an index within a class.
pub const MAX_INDEX_BITS: u8 = 20;
/// Most tables of a side.
pub const MAX_TABLES: usize = 4;
/// Most bytes that a code stands for.
pub const MAX_TEXT: usize = 255;
/// Bits that a word of the pool has at least, wherever it begins.
const WORD_BITS: u8 = 57;
/// Bytes in front of the entries of a table.
const HEAD_LEN: usize = 16;
/// Bytes of an entry.
const ENTRY_LEN: usize = 4;
/// What the length of a table is a multiple of.
const TABLE_ALIGN: usize = 16;
/// Most bytes of all texts of a table.
pub const MAX_TEXTS: usize = 1 << 20;

/// An entry, bits 0 to 19: where the text begins among the texts of the table.
const BEGIN: u32 = MAX_TEXTS as u32 - 1;
/// Where the other fields of an entry begin: the length of the text in a byte, the kind in three bits.
const LEN_SHIFT: u32 = 20;
const KIND_SHIFT: u32 = 28;
/// The kind of a text.
const TEXT: u32 = 0;
/// The key of the record.
const KEY: u32 = 1;
/// The key of the record behind its last separator.
const KEY_TAIL: u32 = 2;
/// An entry: the token ends its string.
const ENDS: u32 = 1 << 31;

/// One entry of a table, as the table has it.
type Bytes = [u8; ENTRY_LEN];

/// An entry of a table: a token.
#[derive(Clone, Copy)]
struct Entry(u32);

impl Entry {
    #[inline(always)]
    fn new(bytes: Bytes) -> Self {
        Entry(u32::from_le_bytes(bytes))
    }

    /// Where the text begins.
    #[inline(always)]
    fn begin(self) -> usize {
        (self.0 & BEGIN) as usize
    }

    /// Bytes of the text.
    #[inline(always)]
    fn len(self) -> usize {
        (self.0 >> LEN_SHIFT & 0xff) as usize
    }

    #[inline(always)]
    fn kind(self) -> u32 {
        self.0 >> KIND_SHIFT & 7
    }

    /// True if the token ends its string.
    #[inline(always)]
    fn ends(self) -> bool {
        self.0 & ENDS != 0
    }
}

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
    /// The text of the token is not among those of its table.
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
    /// Where its texts begin.
    texts: usize,
    /// Where its texts end.
    end: usize,
    classes: [Class; CLASSES],
    /// Bits of the codes of each class, a byte for each, that of class 0 lowest.
    code_bits: u64,
    /// Three codes are in a word, of whatever classes.
    three_in_word: bool,
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
            let texts = table.end.saturating_sub(table.texts);
            let offsets = (table.entries..).step_by(ENTRY_LEN);
            for (offset, &entry) in offsets.zip(table.entries(bytes)) {
                check_entry(Entry::new(entry), texts, keys).map_err(|what| TableFault { offset, what })?;
            }
            end = table.end.next_multiple_of(TABLE_ALIGN);
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
        let (count, texts_len) = (u32::from_le_bytes([c0, c1, c2, c3]), u32::from_le_bytes([l0, l1, l2, l3]));
        let mut classes = [Class::default(); CLASSES];
        let mut first = 0u32;
        let code_bits = index_bits.map(|bits| bits.wrapping_add(CLASS_BITS));
        for (class, bits) in classes.iter_mut().zip(index_bits) {
            if bits > MAX_INDEX_BITS {
                return Err("a class of tokens has more than 20 bits");
            }
            let held = 1u32.wrapping_shl(u32::from(bits));
            *class = Class { first, mask: held.wrapping_sub(1) };
            // Eight times 2^20 at most.
            first = first.wrapping_add(held);
        }
        let three_in_word = code_bits.into_iter().all(|bits| bits <= WORD_BITS / 3);
        if count > first {
            return Err("a table has more tokens than its classes hold");
        }
        let span = |from: usize, len: u64| from.checked_add(usize::try_from(len).ok()?);
        let entries = at.wrapping_add(HEAD_LEN);
        let end = span(entries, u64::from(count).wrapping_mul(ENTRY_LEN as u64))
            .and_then(|texts| Some((texts, span(texts, u64::from(texts_len))?)))
            .and_then(|(texts, end)| Some((texts, end, end.checked_next_multiple_of(TABLE_ALIGN)?)));
        let code_bits = u64::from_le_bytes(code_bits);
        match end {
            Some((texts, end, next)) if next <= bytes.len() => {
                Ok((Table { entries, texts, end, classes, code_bits, three_in_word }, next))
            }
            _ => Err(CUT),
        }
    }

    #[inline]
    fn entries<'a>(&self, bytes: &'a [u8]) -> &'a [Bytes] {
        bytes.get(self.entries..self.texts).unwrap_or_default().as_chunks().0
    }

    /// The texts of its tokens.
    #[inline]
    fn texts<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.texts..self.end).unwrap_or_default()
    }
}

/// What is wrong with an entry of a table with `texts` bytes of texts.
fn check_entry(entry: Entry, texts: usize, keys: bool) -> Result<(), &'static str> {
    match entry.kind() {
        TEXT if entry.begin().wrapping_add(entry.len()) > texts => Err(Fault::Outside.what()),
        TEXT if entry.len() == 0 && !entry.ends() => Err("a token stands for nothing"),
        TEXT => Ok(()),
        KEY | KEY_TAIL if keys => Err("a token of keys stands for the key"),
        KEY | KEY_TAIL if entry.begin() | entry.len() != 0 => {
            Err("a token that stands for the key has a text")
        }
        KEY | KEY_TAIL => Ok(()),
        _ => Err(Fault::Kind.what()),
    }
}
