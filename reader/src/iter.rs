//! All records, front to back.

use crate::{index::Index, lookup::Record, part::Part};
use hashlith_format::{Error, Rule};

impl<D: AsRef<[u8]>> Index<D> {
    /// All records in the order of their dense ids.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// for record in index.iter() {
    ///     let record = record?;
    ///     println!("{} {:?} {:?}", record.id, record.key, record.value);
    /// }
    /// # assert_eq!(index.iter().count(), 2);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, D> {
        self.iter_at(Position::default())
    }

    /// The records from a position on, which [`Iter::position`] returned for this index or for another one over the same
    /// bytes.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let mut iter = index.iter();
    /// iter.next();
    /// let position = iter.position();
    /// let rest: Vec<_> = index.iter_at(position).collect::<Result<_, _>>()?;
    /// assert_eq!((rest.len(), rest[0].id), (1, 1));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    #[inline]
    pub fn iter_at(&self, position: Position) -> Iter<'_, D> {
        Iter::new(self, position)
    }

    /// The records from a dense id on.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let ids: Vec<u64> = index.iter_from(1)?.map(|record| record.unwrap().id).collect();
    /// assert_eq!(ids, [1]);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn iter_from(&self, id: u64) -> Result<Iter<'_, D>, Error> {
        let Some((number, part)) = self.part_of_id(id) else { return Ok(self.iter_at(Position::END)) };
        let candidate = part.lookup().locate_id(id.wrapping_sub(part.first_id));
        Ok(self.iter_at(match candidate.map_err(|fault| part.lookup().in_part(fault))? {
            None => Position::END,
            Some(candidate) => {
                let pool = part.header().sections.pool;
                // Shared records are found by their ids.
                let record = if part.header().shared_records { pool.offset } else { candidate.record };
                Position::new(number, record.saturating_sub(pool.offset), id)
            }
        }))
    }
}

/// The records of an index in the order of their dense ids. Ends after the first error: damage (R16, R19; where keys share
/// records also R15), or bytes left over behind the last record (V4).
#[derive(Debug)]
pub struct Iter<'a, D> {
    index: &'a Index<D>,
    /// The part that is being read; `None` after the last one.
    part: Option<&'a Part<D>>,
    number: u32,
    /// The rest of its pool.
    rest: &'a [u8],
    /// Dense id of the next record.
    id: u64,
}

/// Where an iteration is. It borrows nothing: [`Index::iter_at`] can continue from it later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The part, from 0 in this index.
    part: u32,
    /// Where the next record begins, in bytes from the beginning of its pool.
    pool_offset: u64,
    /// The dense id of the next record.
    id: u64,
}

impl Position {
    /// After the last record.
    pub(crate) const END: Position = Position { part: u32::MAX, pool_offset: 0, id: u64::MAX };

    /// Before the record with this id, which begins at `pool_offset` in the pool of the part.
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

    /// Where the iteration is, for [`Index::iter_at`].
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let mut iter = index.iter();
    /// iter.next();
    /// let position = iter.position();
    /// assert!(index.iter_at(position).eq(iter));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn position(&self) -> Position {
        let pool_len = self.part.map_or(0, |part| part.header().sections.pool.len);
        Position {
            part: self.number,
            pool_offset: pool_len.saturating_sub(self.rest.len() as u64),
            id: self.id,
        }
    }

    /// Ends the iteration.
    fn end(&mut self) {
        *self = Iter { index: self.index, part: None, number: u32::MAX, rest: &[], id: self.index.keys };
    }

    fn offset(&self) -> u64 {
        self.part.map_or(0, |part| part.header().sections.pool.end().saturating_sub(self.rest.len() as u64))
    }

    /// Ends the iteration with a fault.
    #[cold]
    fn fail(&mut self, part: &Part<D>, fault: Error) -> Option<Result<Record<'a>, Error>> {
        self.end();
        Some(Err(part.lookup().in_part(fault)))
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
            if !self.rest.is_empty() && !part.header().shared_records {
                let what = "there are more records than keys";
                let fault = Error::Corrupt { rule: Rule::V(4), offset: self.offset(), what };
                return self.fail(part, fault);
            }
            let next = Position { part: self.number.saturating_add(1), pool_offset: 0, id: self.id };
            *self = Iter::new(self.index, next);
            part = self.part?;
        }
        if part.header().shared_records {
            let record = part.lookup().by_id(self.id.wrapping_sub(part.first_id)).transpose()?;
            self.id = self.id.saturating_add(1);
            return match record {
                Ok(record) => Some(Ok(record)),
                Err(fault) => self.fail(part, fault),
            };
        }
        let (record, len) = match part.lookup().decode(self.offset(), self.rest, self.id) {
            Ok(decoded) => decoded,
            Err(fault) => return self.fail(part, fault),
        };
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
