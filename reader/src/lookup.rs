//! One lookup, in the steps of `spec.md` section 7. Single and batched lookups share the steps.
//!
//! The checker has a lookup of its own, and that is on purpose: this one reads memory and is as fast as it can be; the
//! other reads a file piece by piece and must find the mistakes of this one. They share `CellView` and the record parser.

use hashlith_format::{CELL_LEN, CellView, Error, Header, KeyHash, Rule, record::Lengths};
use prefetch_index::prefetch_index;

/// A key with its value, and its dense id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// A number below [`Index::len`](crate::Index::len) that no other key of this index has.
    pub id: u64,
}

/// The bytes of a part, ready for lookups.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    /// Number of keys in the parts before.
    first_id: u64,
}

/// A record that may be the one: its key is not compared yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Candidate {
    /// Where it begins, from the beginning of the file.
    pub record: u64,
    id: u64,
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
fn changed(offset: u64) -> Error {
    Error::Corrupt { rule: Rule::R(7), offset, what: "the bytes have changed since the index was opened" }
}

// Every step is inlined: calls made batches a third slower.
impl<'a> Lookup<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8], header: &'a Header, first_id: u64) -> Self {
        Lookup { bytes, header, first_id }
    }

    #[inline]
    pub fn find(&self, key: &[u8], hash: KeyHash) -> Result<Option<Record<'a>>, Error> {
        let Some(candidate) = self.locate(key, hash)? else { return Ok(None) };
        // Two of three records continue in the next cache line: asked for now, it arrives with the first.
        self.prefetch(candidate.record.wrapping_add(64));
        self.compare(&candidate, key)
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
        if start >= pool.len {
            return Err(outside(view.entry_at(slot)));
        }
        Ok(Candidate {
            record: pool.offset.wrapping_add(start),
            id: self.first_id.wrapping_add(view.head.first_id).wrapping_add(u64::from(slot)),
        })
    }

    /// Steps 8 and 9: the record, if its key is `key`.
    #[inline(always)]
    pub fn compare(&self, candidate: &Candidate, key: &[u8]) -> Result<Option<Record<'a>>, Error> {
        let record = self.record(candidate)?;
        // Slices by the length of `key`, which is at hand; the record's own length has only just been read.
        let same = record.key.len() == key.len() && record.key.get(..key.len()) == Some(key);
        Ok(same.then_some(record))
    }

    #[inline]
    fn record(&self, candidate: &Candidate) -> Result<Record<'a>, Error> {
        let at = candidate.record;
        let rest = slice(self.bytes, at, self.header.sections.pool.end().wrapping_sub(at));
        let (key, value) = split_record(rest.ok_or_else(|| changed(at))?).ok_or_else(|| outside(at))?;
        Ok(Record { key, value, id: candidate.id })
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

/// Key and value of the record at the beginning of `bytes`, if it ends within them.
#[inline]
pub(crate) fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let lengths = Lengths::parse(bytes)?;
    let key_and_value = bytes.get(lengths.head as usize..)?;
    let (key, rest) = key_and_value.split_at_checked(usize::try_from(lengths.key).ok()?)?;
    Some((key, rest.get(..usize::try_from(lengths.value).ok()?)?))
}

#[cold]
pub(crate) fn outside(offset: u64) -> Error {
    Error::Corrupt { rule: Rule::R(16), offset, what: "a record does not lie within the pool" }
}
