//! How a file stores its records: keys and values as they are, as codes of tokens, with a fixed width, or not at all (section 4).

use crate::{
    Error, Header, KeyHash, KeyType, Rule, ValueType,
    record::{read_varint, varint_len},
    tokens::{Fault, TableFault, Tables},
};
use alloc::{borrow::Cow, vec::Vec};

/// Where the value of a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// As it is.
    Plain(&'a [u8]),
    /// As codes, from this bit of the record on.
    Coded(u64),
    /// Not in the record: in the values section, if there is a value.
    Apart,
}

/// How a file stores its keys.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each file")]
enum Keys {
    /// As they are, after their lengths.
    Plain,
    /// As codes.
    Coded(Tables),
    /// Integers of this many bytes.
    Int(u8),
    /// This many bytes of their hashes.
    Hash(u8),
}

/// How a file stores its values.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each file")]
enum Values {
    /// As they are, after their lengths.
    Plain,
    /// As codes.
    Coded(Tables),
    /// Not in the records.
    Apart,
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// R16: it does not lie within the pool.
    Outside,
    /// R19: its codes are not those of a string.
    Codes(Fault),
}

impl From<Fault> for RecordFault {
    fn from(fault: Fault) -> Self {
        RecordFault::Codes(fault)
    }
}

impl RecordFault {
    /// The error for a record that begins at `offset` of the file.
    #[cold]
    pub fn at(self, offset: u64) -> Error {
        match self {
            RecordFault::Outside => {
                Error::Corrupt { rule: Rule::R(16), offset, what: "a record does not lie within the pool" }
            }
            RecordFault::Codes(fault) => Error::Corrupt { rule: Rule::R(19), offset, what: fault.what() },
        }
    }
}

/// A record, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The key.
    pub key: Cow<'a, [u8]>,
    /// The value.
    pub value: Cow<'a, [u8]>,
    /// Bytes of the record in the pool.
    pub len: usize,
}

/// What is in front of a record: the lengths of a key and a value that are stored as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Bytes of the key; `None` if it is coded. One of a fixed width has that many.
    pub key: Option<u64>,
    /// The same of the value. One that is not in the record has none.
    pub value: Option<u64>,
    /// Bytes that the lengths take.
    pub len: usize,
    /// Bytes that they would take at least (V6).
    pub least: u64,
}

/// How a file stores its records; without the bytes of its token tables: functions take the tables section.
///
/// Where they take the bytes of a record, these may go on, but not beyond the end of the pool.
#[derive(Clone, Debug)]
pub struct Coding {
    keys: Keys,
    values: Values,
}

impl Coding {
    /// The coding of a file, from its header and its tables section. Looks at 16 bytes of each table.
    ///
    /// # Errors
    /// R18.
    pub fn parse(header: &Header, tables: &[u8]) -> Result<Self, Error> {
        let span = header.sections.tables;
        let fault = |from: usize| {
            move |fault: TableFault| Error::Corrupt {
                rule: Rule::R(18),
                offset: span.offset.saturating_add((from as u64).saturating_add(fault.offset as u64)),
                what: fault.what,
            }
        };
        let parse = |count: u8, from: usize| {
            let bytes = tables.get(from..).unwrap_or_default();
            Tables::parse(bytes, count).map_err(fault(from))
        };
        let keys = match header.key_type {
            KeyType::Int => Keys::Int(header.key_width.min(8)),
            KeyType::None => Keys::Hash(header.key_width.min(8)),
            _ if header.key_tables == 0 => Keys::Plain,
            _ => Keys::Coded(parse(header.key_tables, 0)?),
        };
        let mut coding = Coding { keys, values: Values::Apart };
        let values_at = coding.values_at();
        coding.values = match header.value_type {
            ValueType::None | ValueType::Numbers(_) => Values::Apart,
            _ if header.value_tables == 0 => Values::Plain,
            _ => Values::Coded(parse(header.value_tables, values_at)?),
        };
        let end = values_at.saturating_add(coding.values().map_or(0, |(values, _)| values.len()));
        if end != tables.len() {
            let what = "the tables section is longer than its tables";
            return Err(fault(end)(TableFault { offset: 0, what }));
        }
        Ok(coding)
    }

    /// True if keys and values are stored as they are, after their lengths.
    #[inline]
    pub fn is_plain(&self) -> bool {
        matches!((&self.keys, &self.values), (Keys::Plain, Values::Plain))
    }

    /// The token tables of the keys; `None` if keys are not coded.
    pub fn keys(&self) -> Option<&Tables> {
        if let Keys::Coded(tables) = &self.keys { Some(tables) } else { None }
    }

    /// The token tables of the values, and where they begin in the tables section; `None` if values are not coded.
    pub fn values(&self) -> Option<(&Tables, usize)> {
        if let Values::Coded(tables) = &self.values { Some((tables, self.values_at())) } else { None }
    }

    #[inline]
    fn values_at(&self) -> usize {
        if let Keys::Coded(tables) = &self.keys { tables.len() } else { 0 }
    }

    /// True if tokens of values may stand for the key.
    #[inline]
    pub fn keys_have_text(&self) -> bool {
        matches!(self.keys, Keys::Plain | Keys::Coded(_))
    }

    /// Checks all bytes of the tables (V13). `offset` of a fault counts from the beginning of the section.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, tables: &[u8]) -> Result<(), TableFault> {
        if let Some(keys) = self.keys() {
            keys.check(tables, true)?;
        }
        let Some((values, at)) = self.values() else { return Ok(()) };
        values
            .check(tables.get(at..).unwrap_or_default(), !self.keys_have_text())
            .map_err(|fault| TableFault { offset: fault.offset.saturating_add(at), ..fault })
    }

    /// What is in front of a record; `None` if a length is cut off, too long or too large.
    #[inline]
    pub fn front(&self, record: &[u8]) -> Option<Front> {
        let mut front = Front { key: None, value: None, len: 0, least: 0 };
        let length = |front: &mut Front| {
            let (length, len) = read_varint(record.get(front.len..)?)?;
            front.len = front.len.wrapping_add(len);
            front.least = front.least.wrapping_add(varint_len(length));
            Some(length)
        };
        match self.keys {
            Keys::Plain => front.key = Some(length(&mut front)?),
            Keys::Coded(_) => {}
            Keys::Int(width) | Keys::Hash(width) => front.key = Some(u64::from(width)),
        }
        match self.values {
            Values::Plain => front.value = Some(length(&mut front)?),
            Values::Coded(_) => {}
            Values::Apart => front.value = Some(0),
        }
        Some(front)
    }

    /// True if these bytes, which the file has for a key, are those of `key`, whose hash is `hash`.
    #[inline]
    pub fn is_key(&self, stored: &[u8], key: &[u8], hash: &KeyHash) -> bool {
        match self.keys {
            Keys::Int(_) => widened(stored) == *key,
            Keys::Hash(_) => hash.lo.to_le_bytes().starts_with(stored),
            _ => stored == key,
        }
    }

    /// A key from the bytes that the file has for it; `None` if those are of its hash.
    #[inline]
    pub fn key<'a>(&self, stored: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self.keys {
            Keys::Int(_) => Some(Cow::Owned(widened(stored).to_vec())),
            Keys::Hash(_) => None,
            _ => Some(Cow::Borrowed(stored)),
        }
    }

    /// Where the value of the record at the beginning of `record` lies, if its key is `key`, whose hash is `hash`.
    ///
    /// # Errors
    /// R16, and R19 up to the first byte that differs.
    #[inline]
    pub fn find<'a>(
        &self,
        tables: &[u8],
        record: &'a [u8],
        key: &[u8],
        hash: &KeyHash,
    ) -> Result<Option<Value<'a>>, RecordFault> {
        let front = self.front(record).ok_or(RecordFault::Outside)?;
        let end = match (front.key, &self.keys) {
            (None, Keys::Coded(keys)) => match keys.compare(tables, record, bits(front.len), key)? {
                Some(end) => end,
                None => return Ok(None),
            },
            (len, _) => {
                let (stored, end) = part(record, front.len, len.unwrap_or(0))?;
                if !self.is_key(stored, key, hash) {
                    return Ok(None);
                }
                bits(end)
            }
        };
        Ok(Some(match (front.value, &self.values) {
            (_, Values::Apart) => Value::Apart,
            (Some(len), _) => Value::Plain(part(record, bytes(end), len)?.0),
            (None, _) => Value::Coded(end),
        }))
    }

    /// Appends to `out` the value whose codes begin at bit `bit` of `record`, and returns the bit after it. `key` is that of the
    /// record.
    ///
    /// # Errors
    /// R19.
    #[inline]
    pub fn decode_value(
        &self,
        tables: &[u8],
        record: &[u8],
        bit: u64,
        key: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<u64, RecordFault> {
        let (values, at) = self.values().ok_or(RecordFault::Outside)?;
        let key = self.keys_have_text().then_some(key);
        Ok(values.decode(tables.get(at..).unwrap_or_default(), record, bit, key, out)?)
    }

    /// The record at the beginning of `record`. Its key is empty if keys are left out, its value if that is not in the record.
    ///
    /// # Errors
    /// R16, R19.
    pub fn decode<'a>(&self, tables: &[u8], record: &'a [u8]) -> Result<Decoded<'a>, RecordFault> {
        // One of codes alone, too: it begins at the end of the pool.
        if record.is_empty() && !matches!((&self.keys, &self.values), (Keys::Hash(0), Values::Apart)) {
            return Err(RecordFault::Outside);
        }
        let front = self.front(record).ok_or(RecordFault::Outside)?;
        let (key, end) = match (front.key, &self.keys) {
            (None, Keys::Coded(keys)) => {
                let mut key = Vec::new();
                let end = keys.decode(tables, record, bits(front.len), None, &mut key)?;
                (Cow::Owned(key), end)
            }
            (len, _) => {
                let (stored, end) = part(record, front.len, len.unwrap_or(0))?;
                (self.key(stored).unwrap_or_default(), bits(end))
            }
        };
        let (value, len) = match front.value {
            Some(len) => {
                let (value, end) = part(record, bytes(end), len)?;
                (Cow::Borrowed(value), end)
            }
            None => {
                let mut value = Vec::new();
                let end = self.decode_value(tables, record, end, &key, &mut value)?;
                (Cow::Owned(value), bytes(end))
            }
        };
        Ok(Decoded { key, value, len })
    }
}

/// An integer of 0 to 8 bytes, widened to 8.
#[inline]
fn widened(stored: &[u8]) -> [u8; 8] {
    let sign = if stored.last().is_some_and(|&last| last >= 0x80) { 0xff } else { 0 };
    let mut key = [sign; 8];
    key.iter_mut().zip(stored).for_each(|(byte, &stored)| *byte = stored);
    key
}

/// How many bytes an integer takes at least, as a key in its record: 1 to 8.
pub fn int_width(key: i64) -> u8 {
    // With the sign bit.
    let bits = 65u32.saturating_sub((key ^ (key >> 63)).leading_zeros());
    u8::try_from(bits.div_ceil(8)).unwrap_or(8)
}

/// The bit at the beginning of byte `at`.
#[inline]
fn bits(at: usize) -> u64 {
    (at as u64).wrapping_mul(8)
}

/// The first byte that begins at or after bit `bit`, which is not beyond the end of a slice.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a place in a slice")]
fn bytes(bit: u64) -> usize {
    bit.div_ceil(8) as usize
}

/// The `len` bytes of a record from `at` on, and where they end.
#[inline]
fn part(record: &[u8], at: usize, len: u64) -> Result<(&[u8], usize), RecordFault> {
    let end = usize::try_from(len).ok().and_then(|len| at.checked_add(len)).ok_or(RecordFault::Outside)?;
    Ok((record.get(at..end).ok_or(RecordFault::Outside)?, end))
}
