//! How a file stores its records: keys and values as they are, or as codes of tokens (section 4).

use crate::{
    Error, Header, Rule,
    record::read_varint,
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

/// The token tables of a file, without their bytes: functions take the tables section.
///
/// Where they take the bytes of a record, these may go on, but not beyond the end of the pool.
#[derive(Clone, Debug, Default)]
pub struct Coding {
    keys: Option<Tables>,
    values: Option<Tables>,
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
            (count > 0).then(|| Tables::parse(bytes, count).map_err(fault(from))).transpose()
        };
        let keys = parse(header.key_tables, 0)?;
        let values_at = keys.as_ref().map_or(0, Tables::len);
        let values = parse(header.value_tables, values_at)?;
        let end = values_at.saturating_add(values.as_ref().map_or(0, Tables::len));
        if end != tables.len() {
            let what = "the tables section is longer than its tables";
            return Err(fault(end)(TableFault { offset: 0, what }));
        }
        Ok(Coding { keys, values })
    }

    /// True if keys and values are stored as they are.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.keys.is_none() && self.values.is_none()
    }

    /// The token tables of the keys; `None` if keys are stored as they are.
    pub fn keys(&self) -> Option<&Tables> {
        self.keys.as_ref()
    }

    /// The token tables of the values, and where they begin in the tables section; `None` if values are stored as they are.
    pub fn values(&self) -> Option<(&Tables, usize)> {
        self.values.as_ref().map(|values| (values, self.values_at()))
    }

    #[inline]
    fn values_at(&self) -> usize {
        self.keys.as_ref().map_or(0, Tables::len)
    }

    /// Checks all bytes of the tables (V13). `offset` of a fault counts from the beginning of the section.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, tables: &[u8]) -> Result<(), TableFault> {
        if let Some(keys) = &self.keys {
            keys.check(tables, true)?;
        }
        let Some((values, at)) = self.values() else { return Ok(()) };
        values
            .check(tables.get(at..).unwrap_or_default(), false)
            .map_err(|fault| TableFault { offset: fault.offset.saturating_add(at), ..fault })
    }

    /// The lengths in front of a record, those of plain keys and values: the key's, the value's, and how many bytes they take.
    #[inline]
    pub fn lengths(&self, record: &[u8]) -> Option<(Option<u64>, Option<u64>, usize)> {
        let mut at = 0usize;
        let mut length = |is_coded: bool| {
            if is_coded {
                return Some(None);
            }
            let (length, len) = read_varint(record.get(at..)?)?;
            at = at.wrapping_add(len);
            Some(Some(length))
        };
        let (key, value) = (length(self.keys.is_some())?, length(self.values.is_some())?);
        Some((key, value, at))
    }

    /// Where the value of the record at the beginning of `record` lies, if its key is `key`.
    ///
    /// # Errors
    /// R16, and R19 up to the first byte that differs.
    #[inline]
    pub fn find<'a>(
        &self,
        tables: &[u8],
        record: &'a [u8],
        key: &[u8],
    ) -> Result<Option<Value<'a>>, RecordFault> {
        let (key_len, value_len, head) = self.lengths(record).ok_or(RecordFault::Outside)?;
        let end = match (key_len, &self.keys) {
            (Some(len), _) => {
                let (stored, end) = part(record, head, len)?;
                if stored != key {
                    return Ok(None);
                }
                bits(end)
            }
            (None, Some(keys)) => match keys.compare(tables, record, bits(head), key)? {
                Some(end) => end,
                None => return Ok(None),
            },
            (None, None) => return Err(RecordFault::Outside),
        };
        match value_len {
            Some(len) => Ok(Some(Value::Plain(part(record, bytes(end), len)?.0))),
            None => Ok(Some(Value::Coded(end))),
        }
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
        let values = self.values.as_ref().ok_or(RecordFault::Outside)?;
        let tables = tables.get(self.values_at()..).unwrap_or_default();
        Ok(values.decode(tables, record, bit, Some(key), out)?)
    }

    /// The record at the beginning of `record`.
    ///
    /// # Errors
    /// R16, R19.
    pub fn decode<'a>(&self, tables: &[u8], record: &'a [u8]) -> Result<Decoded<'a>, RecordFault> {
        let (key_len, value_len, head) = self.lengths(record).ok_or(RecordFault::Outside)?;
        let (key, end) = match (key_len, &self.keys) {
            (Some(len), _) => {
                let (key, end) = part(record, head, len)?;
                (Cow::Borrowed(key), bits(end))
            }
            (None, Some(keys)) => {
                let mut key = Vec::new();
                let end = keys.decode(tables, record, bits(head), None, &mut key)?;
                (Cow::Owned(key), end)
            }
            (None, None) => return Err(RecordFault::Outside),
        };
        let (value, len) = match value_len {
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
