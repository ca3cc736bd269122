//! A key that was found, and its value.

use crate::lookup::{Candidate, Lookup, Place, Record, changed};
use hashlith_format::{Error, Rule, ValueType, coding::Value};
use std::borrow::Cow;

/// A key that was found. Its value is decoded when it is asked for.
#[derive(Clone, Copy)]
pub struct Found<'a, 'k> {
    lookup: Lookup<'a>,
    key: &'k [u8],
    place: Place<'a>,
}

/// Leaves out the bytes of the file, which are too many.
impl std::fmt::Debug for Found<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("key", &self.key).field("id", &self.place.id).finish_non_exhaustive()
    }
}

impl<'a, 'k> Found<'a, 'k> {
    #[inline]
    pub(crate) fn new(lookup: Lookup<'a>, key: &'k [u8], place: Place<'a>) -> Self {
        Found { lookup, key, place }
    }

    /// The dense id: a number below [`Index::len`](crate::Index::len) that no other key of this index has.
    #[inline]
    pub fn id(&self) -> u64 {
        self.place.id
    }

    /// The value: borrowed from the file, if that stores values as they are.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the codes of the value are damaged (R19); in a set, [`Error::InPart`].
    #[inline]
    pub fn value(&self) -> Result<Cow<'a, [u8]>, Error> {
        match self.place.value {
            Value::Plain(value) => Ok(Cow::Borrowed(value)),
            Value::Coded(_) => {
                let mut value = Vec::new();
                self.append_value(&mut value)?;
                Ok(Cow::Owned(value))
            }
            Value::Apart => Ok(Cow::Borrowed(&[])),
        }
    }

    #[inline]
    pub(crate) fn value_type(&self) -> ValueType {
        self.lookup.header.value_type
    }

    /// The value, if the file stores values as they are.
    #[inline]
    pub fn stored_value(&self) -> Option<&'a [u8]> {
        if let Value::Plain(value) = self.place.value { Some(value) } else { None }
    }

    pub(crate) fn record(&self) -> Result<Record<'a>, Error> {
        let candidate = Candidate { record: self.place.record, id: self.place.id };
        self.lookup.record(&candidate).map_err(|fault| self.lookup.in_part(fault))
    }

    /// Appends the value to `out`.
    ///
    /// # Errors
    /// As [`Self::value`]; then `out` may hold a part of it.
    #[inline]
    pub fn append_value(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        match self.place.value {
            Value::Plain(value) => {
                out.extend_from_slice(value);
                Ok(())
            }
            Value::Coded(bit) => self.decode(bit, out),
            Value::Apart => Ok(()),
        }
    }

    fn decode(&self, bit: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        let Lookup { coding, .. } = self.lookup;
        let Some(coding) = coding else { return Err(changed(self.place.record)) };
        let (record, tables) = (self.lookup.rest(self.place.record)?, self.lookup.tables());
        match coding.decode_value(tables, record, bit, self.key, out) {
            Ok(_) => Ok(()),
            Err(fault) => Err(self.lookup.in_part(fault.at(self.place.record))),
        }
    }

    /// The corruption error for this value, for callers that find it to break a rule: the offset is that of the value, or of
    /// its record if it is coded.
    #[cold]
    pub fn fault(&self, rule: Rule, what: &'static str) -> Error {
        let offset = match self.place.value {
            Value::Plain(value) => {
                (value.as_ptr() as usize).wrapping_sub(self.lookup.bytes.as_ptr() as usize) as u64
            }
            Value::Coded(_) | Value::Apart => self.place.record,
        };
        self.lookup.in_part(Error::Corrupt { rule, offset, what })
    }
}
