//! A lookup by section 7 of `spec.md`, step by step, with a read for each piece.
//!
//! The reader has a lookup of its own, and that is on purpose: this one is plain, reads the file without mapping it, and
//! must find the mistakes of the other. They share `CellView` and the record parser.

use crate::{
    coded::{Codes, Decoder, KeyHead, Pool},
    error::Error,
    read::{ReadAt, read_array, read_codes, read_header, read_whole},
};
use hashlith_format::{
    CELL_LEN, CellView, Header,
    coding::RecordFault,
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
    /// Its lengths; `None` if key and value are not both as they are.
    lengths: Option<Lengths>,
    /// Its first bytes.
    head: [u8; HEAD],
    head_len: usize,
}

/// The pool of a file, read piece by piece.
struct FilePool<'a, R: ?Sized> {
    file: &'a R,
    end: u64,
    bytes: Vec<u8>,
    /// Where `bytes` begins.
    start: u64,
}

impl<R: ReadAt + ?Sized> Pool for FilePool<'_, R> {
    fn piece(&mut self, at: u64, most: usize) -> Result<&[u8], Error> {
        let len = self.end.saturating_sub(at).min(most as u64) as usize;
        let from = at.wrapping_sub(self.start);
        if from.saturating_add(len as u64) > self.bytes.len() as u64 {
            self.bytes.resize(len, 0);
            self.start = at;
            self.file
                .read_exact_at(&mut self.bytes, at)
                .map_err(|source| Error::Io { offset: at, source })?;
        }
        let from = at.wrapping_sub(self.start) as usize;
        Ok(self.bytes.get(from..).and_then(|bytes| bytes.get(..len)).unwrap_or_default())
    }

    fn end(&self) -> u64 {
        self.end
    }
}

/// One file, ready for lookups.
pub(crate) struct Lookup<'a, R: ?Sized> {
    pub(crate) file: &'a R,
    pub(crate) header: Header,
    codes: Codes,
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
        let codes = read_codes(file, &header)?;
        let start = header.sections.hot.offset;
        let len = header.sections.far.end() - start;
        let mut hot = Vec::new();
        if len <= hot_cache {
            read_whole(file, start, len + 8, &mut hot)?;
        }
        Ok(Lookup { file, header, codes, hot, first_id })
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
        Ok(self.key_is(&record, key)?.then_some(record))
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
        let id = self.first_id + view.head.first_id + u64::from(slot);
        if self.header.has_no_records() {
            return Ok(Found { id, at: pool.offset, lengths: None, head: [0; HEAD], head_len: 0 });
        }
        let rest = pool.len.checked_sub(start).filter(|&rest| rest > 0).ok_or_else(|| {
            Error::reader(16, view.entry_at(slot), "a slot has its record outside of the pool")
        })?;
        let at = pool.offset + start;
        let mut head = [0; HEAD];
        let head_len = rest.min(len.min(HEAD) as u64) as usize;
        let bytes = head.get_mut(..head_len).unwrap_or_default();
        self.file.read_exact_at(bytes, at).map_err(|source| Error::Io { offset: at, source })?;
        let lengths = if self.codes.coding.is_plain() {
            let lengths = bytes.get(..head_len.min(2 * MAX_VARINT)).and_then(Lengths::parse);
            let lengths = lengths.filter(|lengths| lengths.total().is_some_and(|len| len <= rest));
            Some(lengths.ok_or_else(|| Error::from(RecordFault::Outside.at(at)))?)
        } else {
            None
        };
        Ok(Found { id, at, lengths, head, head_len })
    }
}

impl<R: ReadAt + ?Sized> Lookup<'_, R> {
    fn key_is(&self, record: &Found, key: &[u8]) -> Result<bool, Error> {
        let Some(lengths) = record.lengths else { return Ok(self.compare(record, key, None)?.is_some()) };
        Ok(lengths.key == key.len() as u64 && record.has(self.file, lengths.head, key)?)
    }

    /// True if the record, which has this key, has this value.
    pub(crate) fn value_is(&self, record: &Found, key: &[u8], value: &[u8]) -> Result<bool, Error> {
        let Some(lengths) = record.lengths else {
            return Ok(self.compare(record, key, Some(value))?.is_some());
        };
        let start = lengths.head + lengths.key;
        Ok(lengths.value == value.len() as u64 && record.has(self.file, start, value)?)
    }

    /// True if the value of a record in the values section is this one.
    fn row_is(&self, record: &Found, width: u64, value: &[u8]) -> Result<bool, Error> {
        if !self.ids().contains(&record.id) {
            return Err(Error::reader(20, record.at, "a key has an id for which there is no value"));
        }
        if width != value.len() as u64 {
            return Ok(false);
        }
        let offset = self.header.sections.values.offset + (record.id - self.first_id) * width;
        let mut buffer = vec![0; value.len().min(PIECE)];
        for (number, piece) in (0..).zip(value.chunks(PIECE)) {
            let offset = offset + number * PIECE as u64;
            let stored = buffer.get_mut(..piece.len()).unwrap_or_default();
            self.file.read_exact_at(stored, offset).map_err(|source| Error::Io { offset, source })?;
            if stored != piece {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first bytes of the key, at most `most`, and how many it has; those of an integer are eight. None if keys are left out.
    pub(crate) fn key_head(&self, record: &Found, most: usize) -> Result<(Vec<u8>, u64), Error> {
        let Some(lengths) = record.lengths else {
            let mut key = KeyHead::new();
            let mut pool = self.pool(record);
            self.key(record, &mut pool, |piece| {
                key.add(&self.codes.coding.key(piece).unwrap_or_default());
                true
            })?;
            key.bytes.truncate(most);
            return Ok((key.bytes, key.len));
        };
        let offset = record.at + lengths.head;
        let mut bytes = vec![0; usize::try_from(lengths.key).unwrap_or(most).min(most)];
        self.file.read_exact_at(&mut bytes, offset).map_err(|source| Error::Io { offset, source })?;
        Ok((bytes, lengths.key))
    }

    /// The pool from a record on.
    fn pool(&self, record: &Found) -> FilePool<'_, R> {
        let bytes = record.head.get(..record.head_len).unwrap_or_default().to_vec();
        FilePool { file: self.file, end: self.header.sections.pool.end(), bytes, start: record.at }
    }

    /// Gives what the file has for the key of a record to `take`, piece by piece, until that returns false. Returns the length of the value
    /// if it is stored as it is, and the bit after the key, from the beginning of the file; `None` if `take` has returned false.
    fn key(
        &self,
        record: &Found,
        pool: &mut FilePool<'_, R>,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<Option<(Option<u64>, u64)>, Error> {
        let Codes { coding, tables } = &self.codes;
        let outside = || Error::from(RecordFault::Outside.at(record.at));
        let front = coding.front(pool.piece(record.at, 2 * MAX_VARINT)?).ok_or_else(outside)?;
        let mut at = record.at + front.len as u64;
        let Some(keys) = coding.keys() else {
            let end = at.saturating_add(front.key.unwrap_or(0));
            if end > pool.end {
                return Err(outside());
            }
            if !coding.keys_have_text() {
                let stored = pool.piece(at, (end - at) as usize)?;
                return Ok(take(stored).then_some((front.value, end * 8)));
            }
            while at < end {
                let piece = pool.piece(at, (end - at).min(PIECE as u64) as usize)?;
                if !take(piece) {
                    return Ok(None);
                }
                at += piece.len() as u64;
            }
            return Ok(Some((front.value, end * 8)));
        };
        let mut decoder = Decoder::new(keys, tables, record.at, at * 8);
        let mut decoded = Vec::new();
        while decoder.more(pool, None, &mut decoded)? {
            if !take(&decoded) {
                return Ok(None);
            }
            decoded.clear();
        }
        Ok(Some((front.value, decoder.bit())))
    }

    /// `Some` if the record, which is not plain, has this key, and this value, if there is one.
    fn compare(&self, record: &Found, key: &[u8], value: Option<&[u8]>) -> Result<Option<()>, Error> {
        let mut pool = self.pool(record);
        let coding = &self.codes.coding;
        let mut left = key;
        let found = self.key(record, &mut pool, |piece| {
            if coding.keys_have_text() {
                return starts_with(&mut left, piece);
            }
            left = &[];
            coding.is_key(piece, key, &self.header.hasher.hash(key))
        })?;
        let Some((value_len, bit)) = found.filter(|_| left.is_empty()) else { return Ok(None) };
        let Some(mut left) = value else { return Ok(Some(())) };
        if let Some(row) = self.header.value_type.row() {
            return Ok(self.row_is(record, row.width(), left)?.then_some(()));
        }
        if let Some((tables, from)) = self.codes.coding.values() {
            let bytes = self.codes.tables.get(from..).unwrap_or_default();
            let mut decoder = Decoder::new(tables, bytes, record.at, bit);
            let mut decoded = Vec::new();
            let own_key = coding.keys_have_text().then_some(key);
            while decoder.more(&mut pool, own_key, &mut decoded)? {
                if !starts_with(&mut left, &decoded) {
                    return Ok(None);
                }
                decoded.clear();
            }
            return Ok(left.is_empty().then_some(()));
        }
        let mut at = bit.div_ceil(8);
        let len = value_len.unwrap_or(0);
        if len > pool.end.saturating_sub(at) {
            return Err(RecordFault::Outside.at(record.at).into());
        }
        if len != left.len() as u64 {
            return Ok(None);
        }
        while !left.is_empty() {
            let piece = pool.piece(at, left.len().min(PIECE))?;
            at += piece.len() as u64;
            if !starts_with(&mut left, piece) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }
}

/// Takes `piece` from the beginning of `left`, if it is there.
fn starts_with(left: &mut &[u8], piece: &[u8]) -> bool {
    let rest = left.strip_prefix(piece);
    *left = rest.unwrap_or_default();
    rest.is_some()
}

impl Found {
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
