//! A lookup by section 7 of `spec.md`, step by step, with a read for each piece.
//!
//! The reader has a lookup of its own, and that is on purpose: this one is plain, reads the file without mapping it, and
//! must find the mistakes of the other. They share `CellView` and the record parser.

use crate::{
    error::Error,
    read::{ReadAt, read_array, read_header, read_whole},
};
use hashlith_format::{
    CELL_LEN, CellView, Header,
    record::{Lengths, MAX_VARINT},
};
use std::ops::Range;

/// How many bytes of a record are read at first: all of it, for most records.
const HEAD: usize = 512;
/// How many bytes of the rest of a long record are compared at a time.
const PIECE: usize = 64 << 10;

/// A record that was found by its key or id.
pub(crate) struct Found {
    /// Dense id.
    pub(crate) id: u64,
    /// Where it begins, from the beginning of the file.
    pub(crate) at: u64,
    pub(crate) lengths: Lengths,
    /// Its first bytes.
    head: [u8; HEAD],
    head_len: usize,
}

/// One file, ready for lookups.
pub(crate) struct Lookup<'a, R: ?Sized> {
    pub(crate) file: &'a R,
    pub(crate) header: Header,
    /// The hot and the far section, and the eight bytes behind them, which reads of slot entries may touch. Empty if they
    /// are read from the file.
    hot: Vec<u8>,
    /// Number of keys in the parts before.
    first_id: u64,
}

/// A cell and the eight bytes behind it.
struct Cell {
    /// Where it begins, from the beginning of the file.
    at: u64,
    bytes: [u8; CELL_LEN as usize + 8],
    view: CellView,
}

impl<'a, R: ReadAt + ?Sized> Lookup<'a, R> {
    /// Opens a file. Keeps its hot and far section in memory if they have at most `hot_cache` bytes.
    pub(crate) fn open(file: &'a R, hot_cache: u64, first_id: u64) -> Result<Self, Error> {
        let header = read_header(file)?;
        let start = header.sections.hot.offset;
        let len = header.sections.far.end() - start;
        let mut hot = Vec::new();
        if len <= hot_cache {
            read_whole(file, start, len + 8, &mut hot)?;
        }
        Ok(Lookup { file, header, hot, first_id })
    }

    /// The record of `key`, or `None` if the file does not have it. Reads no more at first than a record with a value of
    /// `value_len` bytes takes.
    pub(crate) fn find(&self, key: &[u8], value_len: usize) -> Result<Option<Found>, Error> {
        let hasher = &self.header.hasher;
        let hash = hasher.hash(key);
        if hash.part(self.header.parts) != self.header.part {
            return Ok(None);
        }
        let cell = self.cell(hash.cell(self.header.parts, self.header.cells))?;
        let (view, head) = (&cell.view, &cell.view.head);
        if head.keys == 0 {
            return Ok(None);
        }
        let x = head.number(hasher, key, hash);
        let [pilot] = self.body(&cell, view.pilot_at(x))?;
        let slot = head.geometry().slot(x, pilot);
        let (fingerprint, delta) = view.split_entry(slot, self.body(&cell, view.entry_at(slot))?);
        if fingerprint != view.fingerprint(&hash) {
            return Ok(None);
        }
        let len = 2 * MAX_VARINT + key.len() + value_len;
        let record = self.read(view, slot, delta, len)?;
        Ok(record.key_is(self.file, key)?.then_some(record))
    }

    /// Bytes of memory for the hot and the far section.
    pub(crate) fn hot_bytes(&self) -> u64 {
        self.hot.len() as u64
    }

    /// Number of the part that this key belongs to.
    pub(crate) fn part_of(&self, key: &[u8]) -> u32 {
        self.header.hasher.hash(key).part(self.header.parts)
    }

    /// The dense ids of its keys.
    pub(crate) fn ids(&self) -> Range<u64> {
        self.first_id..self.first_id + self.header.keys
    }

    /// The record of a dense id, one of [`Self::ids`].
    pub(crate) fn record(&self, id: u64) -> Result<Found, Error> {
        let id = id - self.first_id;
        // The last cell whose first id is not above `id`, or else the first cell.
        let (mut number, mut end) = (0, self.header.cells);
        while end - number > 1 {
            let middle = number + (end - number) / 2;
            let [a, b, c, d, e, f] = self.hot(self.cell_at(middle))?;
            let first_id = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
            if first_id <= id { number = middle } else { end = middle }
        }
        let cell = self.cell(number)?;
        let view = &cell.view;
        let slot = id.checked_sub(view.head.first_id).and_then(|slot| u8::try_from(slot).ok());
        let slot = slot.filter(|&slot| slot < view.head.keys);
        let slot =
            slot.ok_or_else(|| Error::reader(15, cell.at, "a cell does not have the id that it should"))?;
        let (_, delta) = view.split_entry(slot, self.body(&cell, view.entry_at(slot))?);
        self.read(view, slot, delta, HEAD)
    }

    fn cell_at(&self, number: u64) -> u64 {
        self.header.sections.hot.offset + number * CELL_LEN
    }

    /// Cell `number`, which must be below C.
    fn cell(&self, number: u64) -> Result<Cell, Error> {
        let at = self.cell_at(number);
        let bytes: [u8; CELL_LEN as usize + 8] = self.hot(at)?;
        let cell = bytes.first_chunk().unwrap_or(&[0; CELL_LEN as usize]);
        let view = CellView::new(cell, at, self.header.fingerprint_bits, self.header.sections.far)?;
        Ok(Cell { at, bytes, view })
    }

    /// `N` bytes of a cell's body, in the cell or in the far section.
    #[inline]
    fn body<const N: usize>(&self, cell: &Cell, offset: u64) -> Result<[u8; N], Error> {
        match cell.bytes.get((offset - cell.at) as usize..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => Ok(*bytes),
            None => self.hot(offset),
        }
    }

    /// `N` bytes of the hot or the far section.
    #[inline]
    fn hot<const N: usize>(&self, offset: u64) -> Result<[u8; N], Error> {
        let start = (offset - self.header.sections.hot.offset) as usize;
        match self.hot.get(start..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => Ok(*bytes),
            None => read_array(self.file, offset),
        }
    }

    /// The record of a slot, with its first `len` bytes, but at most [`HEAD`].
    fn read(&self, view: &CellView, slot: u8, delta: i64, len: usize) -> Result<Found, Error> {
        let pool = self.header.sections.pool;
        let start = view.record_start(slot, delta);
        let rest = pool.len.checked_sub(start).filter(|&rest| rest > 0).ok_or_else(|| {
            Error::reader(16, view.entry_at(slot), "a slot has its record outside of the pool")
        })?;
        let at = pool.offset + start;
        let mut head = [0; HEAD];
        let head_len = rest.min(len.min(HEAD) as u64) as usize;
        let bytes = head.get_mut(..head_len).unwrap_or_default();
        self.file.read_exact_at(bytes, at).map_err(|source| Error::Io { offset: at, source })?;
        let lengths = bytes.get(..head_len.min(2 * MAX_VARINT)).and_then(Lengths::parse);
        let lengths = lengths.filter(|lengths| lengths.total().is_some_and(|len| len <= rest));
        let lengths =
            lengths.ok_or_else(|| Error::reader(16, at, "a record does not lie within the pool"))?;
        Ok(Found { id: self.first_id + view.head.first_id + u64::from(slot), at, lengths, head, head_len })
    }
}

impl Found {
    pub(crate) fn key_is<R: ReadAt + ?Sized>(&self, file: &R, key: &[u8]) -> Result<bool, Error> {
        Ok(self.lengths.key == key.len() as u64 && self.has(file, self.lengths.head, key)?)
    }

    pub(crate) fn value_is<R: ReadAt + ?Sized>(&self, file: &R, value: &[u8]) -> Result<bool, Error> {
        let start = self.lengths.head + self.lengths.key;
        Ok(self.lengths.value == value.len() as u64 && self.has(file, start, value)?)
    }

    /// The first bytes of the key, at most `most`.
    pub(crate) fn key_head<R: ReadAt + ?Sized>(&self, file: &R, most: usize) -> Result<Vec<u8>, Error> {
        let offset = self.at + self.lengths.head;
        let mut bytes = vec![0; usize::try_from(self.lengths.key).unwrap_or(most).min(most)];
        file.read_exact_at(&mut bytes, offset).map_err(|source| Error::Io { offset, source })?;
        Ok(bytes)
    }

    /// True if the record has exactly `bytes` from `start` on. The caller has checked that they lie within it.
    fn has<R: ReadAt + ?Sized>(&self, file: &R, start: u64, bytes: &[u8]) -> Result<bool, Error> {
        let head = self.head.get(..self.head_len).unwrap_or_default();
        let head = usize::try_from(start).ok().and_then(|start| head.get(start..)).unwrap_or_default();
        let (in_head, behind) = bytes.split_at(bytes.len().min(head.len()));
        if !head.starts_with(in_head) {
            return Ok(false);
        }
        let mut offset = self.at + start + in_head.len() as u64;
        let mut buffer = vec![0; behind.len().min(PIECE)];
        for piece in behind.chunks(PIECE) {
            let stored = buffer.get_mut(..piece.len()).unwrap_or_default();
            file.read_exact_at(stored, offset).map_err(|source| Error::Io { offset, source })?;
            if stored != piece {
                return Ok(false);
            }
            offset += piece.len() as u64;
        }
        Ok(true)
    }
}
