//! All records, front to back.

use crate::{
    Record,
    lookup::{outside, split_record},
};
use hashlith_format::{Error, Header, Rule, Span};

/// The records of an index in the order of their dense ids. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
    pool: Span,
    id: u64,
    keys: u64,
}

/// Where an iteration is, for going on without a borrow of the index: see [`Index::iter_at`](crate::Index::iter_at).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes of the pool that are behind it.
    pool_offset: u64,
    /// The dense id of the next record.
    id: u64,
}

impl<'a> Iter<'a> {
    pub(crate) fn new(pool: &'a [u8], header: &Header, position: Position) -> Self {
        let rest = usize::try_from(position.pool_offset).ok().and_then(|from| pool.get(from..));
        Iter {
            rest: rest.unwrap_or_default(),
            pool: header.sections.pool,
            id: position.id.min(header.keys),
            keys: header.keys,
        }
    }

    /// Where the iteration is.
    pub fn position(&self) -> Position {
        Position { pool_offset: self.pool.len.saturating_sub(self.rest.len() as u64), id: self.id }
    }

    fn offset(&self) -> u64 {
        self.pool.end().saturating_sub(self.rest.len() as u64)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<Record<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.id == self.keys {
            if self.rest.is_empty() {
                return None;
            }
            let what = "there are more records than keys";
            let fault = Error::Corrupt { rule: Rule::V(4), offset: self.offset(), what };
            self.rest = &[];
            return Some(Err(fault));
        }
        let Some((key, value)) = split_record(self.rest) else {
            let fault = outside(self.offset());
            (self.rest, self.id) = (&[], self.keys);
            return Some(Err(fault));
        };
        let record = Record { key, value, id: self.id };
        let len =
            (value.as_ptr() as usize).wrapping_sub(self.rest.as_ptr() as usize).saturating_add(value.len());
        self.rest = self.rest.get(len..).unwrap_or_default();
        self.id = self.id.saturating_add(1);
        Some(Ok(record))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Only an upper bound: a damaged file may hold fewer.
        (0, usize::try_from(self.keys.saturating_sub(self.id)).ok().and_then(|left| left.checked_add(1)))
    }
}
