//! One lookup, in the steps of `spec.md` section 7. Single and batched lookups share the steps.
//!
//! The checker has a lookup of its own, and that is on purpose: this one reads memory and is as fast as it can be; the
//! other reads a file piece by piece and must find the mistakes of this one. They share `CellView` and the record parser.

use hashlith_format::{
    CELL_LEN, CellView, Coding, Error, Header, KeyHash, Rule, Span, coding::Value, record::Lengths,
};
use prefetch_index::prefetch_index;
use std::borrow::Cow;

/// A key with its value, and its dense id. Bytes that the file stores as they are, are borrowed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The key.
    pub key: Cow<'a, [u8]>,
    /// The value.
    pub value: Cow<'a, [u8]>,
    /// A number below [`Index::len`](crate::Index::len) that no other key of this index has.
    pub id: u64,
}

/// The bytes of a part, ready for lookups.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub bytes: &'a [u8],
    pub header: &'a Header,
    /// `None` if keys and values are stored as they are.
    pub coding: Option<&'a Coding>,
    /// Number of keys in the parts before.
    first_id: u64,
    /// The index has other parts, so that errors name this one.
    in_set: bool,
}

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Where a key was found.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Where its record begins, from the beginning of the file.
    pub record: u64,
    /// Its dense id.
    pub id: u64,
    pub value: Value<'a>,
}

/// A record that may be the one: its key is not compared yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Candidate {
    /// Where it begins, from the beginning of the file.
    pub record: u64,
    pub id: u64,
}

#[inline]
pub(crate) fn slice(bytes: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let from = usize::try_from(offset).ok()?;
    bytes.get(from..from.checked_add(usize::try_from(len).ok()?)?)
}

#[inline]
fn array<const N: usize>(bytes: &[u8], offset: u64) -> Option<[u8; N]> {
    bytes.get(usize::try_from(offset).ok()?..)?.first_chunk().copied()
}

/// Every section lay inside the bytes when the index was opened, so they have shrunk since.
#[cold]
pub(crate) fn changed(offset: u64) -> Error {
    Error::Corrupt { rule: Rule::R(7), offset, what: "the bytes have changed since the index was opened" }
}

// Every step is inlined: calls made batches a third slower.
impl<'a> Lookup<'a> {
    #[inline]
    pub fn new(
        bytes: &'a [u8],
        header: &'a Header,
        coding: Option<&'a Coding>,
        first_id: u64,
        in_set: bool,
    ) -> Self {
        Lookup { bytes, header, coding, first_id, in_set }
    }

    /// A fault of this part, with its number if the index has others.
    #[cold]
    pub fn in_part(&self, fault: Error) -> Error {
        if self.in_set { Error::InPart { part: self.header.part, fault: Box::new(fault) } } else { fault }
    }

    #[inline]
    pub fn find(&self, key: &[u8], hash: KeyHash) -> Result<Option<Place<'a>>, Error> {
        let Some(candidate) = self.locate(key, hash)? else { return Ok(None) };
        // Two of three records continue in the next cache line: asked for now, it arrives with the first.
        self.prefetch(candidate.record.wrapping_add(64));
        self.prefetch_row(&candidate);
        self.compare(&candidate, key, &hash)
    }

    /// Asks for the cell of a key, which step 3 reads.
    #[inline]
    pub fn prefetch_cell(&self, hash: KeyHash) {
        let at = self.cell_at(self.cell_number(hash));
        self.prefetch(at);
        self.prefetch(at.wrapping_add(64));
    }

    #[inline]
    fn cell_number(&self, hash: KeyHash) -> u64 {
        hash.cell(self.header.parts, self.header.cells)
    }

    #[inline]
    fn cell_at(&self, number: u64) -> u64 {
        self.header.sections.hot.offset.wrapping_add(number.wrapping_mul(CELL_LEN))
    }

    #[inline(always)]
    fn cell(&self, number: u64) -> Result<CellView, Error> {
        let at = self.cell_at(number);
        // In place: a copy would add a store and its load to the chain of every lookup.
        let cell = self.bytes.get(at as usize..).and_then(<[u8]>::first_chunk).ok_or_else(|| changed(at))?;
        prefetch_index(cell.as_slice(), 64);
        CellView::new(cell, at, self.header.fingerprint_bits, self.header.sections.far)
    }

    /// Asks for the cache line at an offset.
    #[inline]
    pub fn prefetch(&self, offset: u64) {
        prefetch_index(self.bytes, offset as usize);
    }

    /// Steps 3 to 7, which need the cell only. `None` if the key is absent.
    #[inline(always)]
    pub fn locate(&self, key: &[u8], hash: KeyHash) -> Result<Option<Candidate>, Error> {
        let view = self.cell(self.cell_number(hash))?;
        if view.head.keys == 0 {
            return Ok(None);
        }
        let x = view.head.number(&self.header.hasher, key, hash);
        let at = view.pilot_at(x);
        let [pilot] = array(self.bytes, at).ok_or_else(|| changed(at))?;
        let slot = view.head.geometry().slot(x, pilot);
        let (fingerprint, delta) = self.entry(&view, slot)?;
        if fingerprint != view.fingerprint(&hash) {
            return Ok(None);
        }
        self.candidate(&view, slot, delta).map(Some)
    }

    #[inline(always)]
    fn entry(&self, view: &CellView, slot: u8) -> Result<(u64, i64), Error> {
        let at = view.entry_at(slot);
        Ok(view.split_entry(slot, array(self.bytes, at).ok_or_else(|| changed(at))?))
    }

    #[inline(always)]
    fn candidate(&self, view: &CellView, slot: u8, delta: i64) -> Result<Candidate, Error> {
        let start = view.record_start(slot, delta);
        let pool = self.header.sections.pool;
        let id = self.first_id.wrapping_add(view.head.first_id).wrapping_add(u64::from(slot));
        if self.coding.is_some() && self.header.has_no_records() {
            return Ok(Candidate { record: pool.offset, id });
        }
        if start >= pool.len {
            return Err(outside(view.entry_at(slot)));
        }
        Ok(Candidate { record: pool.offset.wrapping_add(start), id })
    }

    /// Steps 8 and 9: where the value is, if the record has this key.
    #[inline(always)]
    pub fn compare(
        &self,
        candidate: &Candidate,
        key: &[u8],
        hash: &KeyHash,
    ) -> Result<Option<Place<'a>>, Error> {
        let (at, id) = (candidate.record, candidate.id);
        let rest = self.rest(at)?;
        if let Some(coding) = self.coding {
            let found = coding.find(self.tables(), rest, key, hash).map_err(|fault| fault.at(at))?;
            let Some(value) = found else { return Ok(None) };
            let value = if value == Value::Apart { Value::Plain(self.row(at, id)?) } else { value };
            return Ok(Some(Place { record: at, id, value }));
        }
        let (stored, value) = split_record(rest).ok_or_else(|| outside(at))?;
        // Slices by the length of `key`, which is at hand; the record's own length has only just been read.
        let same = stored.len() == key.len() && stored.get(..key.len()) == Some(key);
        Ok(same.then_some(Place { record: at, id, value: Value::Plain(value) }))
    }

    /// The pool from here on.
    #[inline(always)]
    pub fn rest(&self, at: u64) -> Result<&'a [u8], Error> {
        let len = self.header.sections.pool.end().wrapping_sub(at);
        slice(self.bytes, at, len).ok_or_else(|| changed(at))
    }

    #[inline]
    pub fn tables(&self) -> &'a [u8] {
        let span = self.header.sections.tables;
        slice(self.bytes, span.offset, span.len).unwrap_or_default()
    }

    /// Where the value of a dense id lies in the values section, from the beginning of the file.
    #[inline]
    fn row_at(&self, id: u64) -> u64 {
        let width = self.header.value_type.width();
        self.header.sections.values.offset.wrapping_add(id.wrapping_sub(self.first_id).wrapping_mul(width))
    }

    /// The value of a dense id in the values section; empty if the file has none. The record lies at `at`.
    #[inline]
    fn row(&self, at: u64, id: u64) -> Result<&'a [u8], Error> {
        let width = self.header.value_type.width();
        if width > 0 && id.wrapping_sub(self.first_id) >= self.header.keys {
            return Err(no_value(at));
        }
        slice(self.bytes, self.row_at(id), width).ok_or_else(|| changed(self.row_at(id)))
    }

    /// Where the value of a candidate lies, if that is the values section.
    pub fn row_span(&self, candidate: &Candidate) -> Option<Span> {
        let len = self.header.value_type.width();
        let span = Span { offset: self.row_at(candidate.id), len };
        (len > 0 && span.end() <= self.header.sections.values.end()).then_some(span)
    }

    /// Asks for the value of a candidate, if it lies in the values section.
    #[inline]
    pub fn prefetch_row(&self, candidate: &Candidate) {
        if self.header.sections.values.len > 0 {
            self.prefetch(self.row_at(candidate.id));
        }
    }

    /// The record of a candidate.
    pub fn record(&self, candidate: &Candidate) -> Result<Record<'a>, Error> {
        Ok(self.decode(candidate.record, self.rest(candidate.record)?, candidate.id)?.0)
    }

    /// The record at the beginning of `rest`, which lies at `at` in the file and has this id; and its length in bytes.
    #[inline]
    pub fn decode(&self, at: u64, rest: &'a [u8], id: u64) -> Result<(Record<'a>, usize), Error> {
        let Some(coding) = self.coding else {
            let (key, value) = split_record(rest).ok_or_else(|| outside(at))?;
            let len =
                (value.as_ptr() as usize).wrapping_sub(rest.as_ptr() as usize).wrapping_add(value.len());
            return Ok((Record { key: Cow::Borrowed(key), value: Cow::Borrowed(value), id }, len));
        };
        let decoded = coding.decode(self.tables(), rest).map_err(|fault| fault.at(at))?;
        let width = self.header.value_type.width();
        let value = if width > 0 { Cow::Borrowed(self.row(at, id)?) } else { decoded.value };
        Ok((Record { key: decoded.key, value, id }, decoded.len))
    }

    /// The corruption error for the key or the value of a record: of bytes that are stored as they are, with their own offset.
    #[cold]
    pub fn fault_of(&self, candidate: &Candidate, field: Field, rule: Rule, what: &'static str) -> Error {
        let own = |bytes: &[u8]| (bytes.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize) as u64;
        let offset = match self.record(candidate).map(|record| match field {
            Field::Key => record.key,
            Field::Value => record.value,
        }) {
            Ok(Cow::Borrowed(bytes)) => own(bytes),
            _ => candidate.record,
        };
        self.in_part(Error::Corrupt { rule, offset, what })
    }

    /// The record with an id, counted from the beginning of the part.
    pub fn by_id(&self, id: u64) -> Result<Option<Record<'a>>, Error> {
        self.locate_id(id)?.map(|candidate| self.record(&candidate)).transpose()
    }

    /// Where the record with an id lies, counted from the beginning of the part. `None` if the part has fewer keys.
    pub fn locate_id(&self, id: u64) -> Result<Option<Candidate>, Error> {
        if id >= self.header.keys {
            return Ok(None);
        }
        // The last cell whose first id is not above `id`.
        let (mut from, mut to) = (0, self.header.cells);
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            if self.cell(middle)?.head.first_id <= id { from = middle } else { to = middle }
        }
        let view = self.cell(from)?;
        let slot =
            u8::try_from(id.wrapping_sub(view.head.first_id)).ok().filter(|&slot| slot < view.head.keys);
        let missing =
            || Error::Corrupt { rule: Rule::R(15), offset: self.cell_at(from), what: "a cell lacks a key" };
        let slot = slot.ok_or_else(missing)?;
        let (_, delta) = self.entry(&view, slot)?;
        self.candidate(&view, slot, delta).map(Some)
    }
}

/// Key and value of the plain record at the beginning of `bytes`, if it ends within them.
#[inline]
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let lengths = Lengths::parse(bytes)?;
    let key_and_value = bytes.get(lengths.head as usize..)?;
    let (key, rest) = key_and_value.split_at_checked(usize::try_from(lengths.key).ok()?)?;
    Some((key, rest.get(..usize::try_from(lengths.value).ok()?)?))
}

#[cold]
fn no_value(offset: u64) -> Error {
    Error::Corrupt { rule: Rule::R(20), offset, what: "a key has an id for which there is no value" }
}

#[cold]
fn outside(offset: u64) -> Error {
    Error::Corrupt { rule: Rule::R(16), offset, what: "a record does not lie within the pool" }
}
