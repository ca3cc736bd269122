//! All records, front to back.

use crate::{
    Index, Part, Record,
    lookup::{outside, split_record},
};
use hashlith_format::{Error, Rule};

/// The records of an index in the order of their dense ids. Ends after the first error.
#[derive(Debug)]
pub struct Iter<'a, D> {
    index: &'a Index<D>,
    /// The part that is being read; `None` behind the last one.
    part: Option<&'a Part<D>>,
    number: u32,
    /// What is left of its pool.
    rest: &'a [u8],
    /// Dense id of the next record.
    id: u64,
}

/// Where an iteration is, for going on without a borrow of the index: see [`Index::iter_at`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The part, from 0 in this index.
    part: u32,
    /// Bytes of its pool that are behind it.
    pool_offset: u64,
    /// The dense id of the next record.
    id: u64,
}

impl Position {
    /// Behind the last record.
    pub(crate) const END: Position = Position { part: u32::MAX, pool_offset: 0, id: u64::MAX };

    /// So far into the pool of a part, where the record of a dense id begins.
    pub(crate) fn new(part: usize, pool_offset: u64, id: u64) -> Self {
        Position { part: u32::try_from(part).unwrap_or(u32::MAX), pool_offset, id }
    }
}

impl<'a, D: AsRef<[u8]>> Iter<'a, D> {
    #[inline]
    pub(crate) fn new(index: &'a Index<D>, position: Position) -> Self {
        let part = index.parts.get(position.part as usize);
        let rest = part.and_then(|part| {
            let pool = part.section(part.header().sections.pool);
            pool.get(usize::try_from(position.pool_offset).ok()?..)
        });
        let mut iter =
            Iter { index, part, number: position.part, rest: rest.unwrap_or_default(), id: position.id };
        if rest.is_none() {
            iter.end();
        }
        iter
    }

    /// Where the iteration is.
    pub fn position(&self) -> Position {
        let pool_len = self.part.map_or(0, |part| part.header().sections.pool.len);
        Position {
            part: self.number,
            pool_offset: pool_len.saturating_sub(self.rest.len() as u64),
            id: self.id,
        }
    }

    /// Nothing more comes.
    fn end(&mut self) {
        *self = Iter { index: self.index, part: None, number: u32::MAX, rest: &[], id: self.index.keys };
    }

    fn offset(&self) -> u64 {
        self.part.map_or(0, |part| part.header().sections.pool.end().saturating_sub(self.rest.len() as u64))
    }

    /// Ends with this fault.
    #[cold]
    fn fail(&mut self, part: &Part<D>, fault: Error) -> Option<Result<Record<'a>, Error>> {
        self.end();
        Some(Err(self.index.in_part(part, fault)))
    }
}

impl<D> Clone for Iter<'_, D> {
    fn clone(&self) -> Self {
        Iter { index: self.index, part: self.part, number: self.number, rest: self.rest, id: self.id }
    }
}

impl<'a, D: AsRef<[u8]>> Iterator for Iter<'a, D> {
    type Item = Result<Record<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let mut part = self.part?;
        while self.id >= part.first_id.saturating_add(part.header().keys) {
            if !self.rest.is_empty() {
                let what = "there are more records than keys";
                let fault = Error::Corrupt { rule: Rule::V(4), offset: self.offset(), what };
                return self.fail(part, fault);
            }
            let next = Position { part: self.number.saturating_add(1), pool_offset: 0, id: self.id };
            *self = Iter::new(self.index, next);
            part = self.part?;
        }
        let Some((key, value)) = split_record(self.rest) else {
            return self.fail(part, outside(self.offset()));
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
        (
            0,
            usize::try_from(self.index.keys.saturating_sub(self.id))
                .ok()
                .and_then(|left| left.checked_add(1)),
        )
    }
}
