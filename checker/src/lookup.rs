//! A lookup by section 7, step by step, with a read for each piece.

use crate::{
    Error, ReadAt,
    read::{read_array, read_whole},
    structure::Structure,
};
use hashlith_format::{
    BlockView,
    record::{Lengths, MAX_VARINT},
};

/// So much is read at once of a record, which for most is all of it.
const HEAD: usize = 512;
/// The rest of a long record is compared in pieces of so many bytes.
const PIECE: usize = 64 << 10;

/// A record that a key or an id led to.
pub(crate) struct Record {
    /// Dense id.
    pub(crate) id: u64,
    /// Where it begins, from the beginning of the file.
    pub(crate) at: u64,
    pub(crate) lengths: Lengths,
    /// Its first bytes.
    head: [u8; HEAD],
    head_len: usize,
}

/// An index that answers.
pub(crate) struct Lookup<'a, R: ?Sized> {
    pub(crate) file: &'a R,
    pub(crate) structure: Structure,
    /// The hot section and the eight bytes behind it, which reads of slot entries may touch; empty when it is to be
    /// read from the file.
    hot: Vec<u8>,
}

impl<'a, R: ReadAt + ?Sized> Lookup<'a, R> {
    /// Opens an index, and keeps its hot section in memory if it has at most `hot_cache` bytes.
    pub(crate) fn open(file: &'a R, hot_cache: u64) -> Result<Self, Error> {
        let structure = Structure::open(file)?;
        let span = structure.header.sections.hot;
        let mut hot = Vec::new();
        if span.len <= hot_cache {
            read_whole(file, span.offset, span.len + 8, &mut hot)?;
        }
        Ok(Lookup { file, structure, hot })
    }

    /// The record of `key`; `None` if the file does not have it. Only as much of it is read at once as a record with
    /// a value of `value_len` bytes has.
    pub(crate) fn find(&self, key: &[u8], value_len: usize) -> Result<Option<Record>, Error> {
        let header = &self.structure.header;
        let hash = header.hasher.hash(key);
        let Some(view) = self.structure.block(hash.block(header.blocks)) else { return Ok(None) };
        let keys = view.geometry.keys;
        if keys == 0 {
            return Ok(None);
        }
        let x = header.hasher.x(key, hash, view.layout.salt) ^ view.seed();
        let [pilot] = self.hot(view.pilot_at(x))?;
        let mut slot = view.geometry.slot(x, pilot, view.seed());
        if let Some(number) = slot.checked_sub(keys) {
            let at = view.remap_at(number);
            slot = u32::from_le_bytes(self.hot(at)?);
            if slot >= keys {
                return Err(Error::reader(21, at, "a remap entry leads out of its block"));
            }
        }
        let (fingerprint, delta) = view.split_entry(slot, self.hot(view.entry_at(slot))?);
        if fingerprint != view.fingerprint(&hash) {
            return Ok(None);
        }
        let len = 2 * MAX_VARINT + key.len() + value_len;
        let record = Record::read(self.file, &view, slot, delta, len)?;
        Ok(record.key_is(self.file, key)?.then_some(record))
    }

    /// The record of a dense id below N.
    pub(crate) fn record(&self, id: u64) -> Result<Option<Record>, Error> {
        let view = self.structure.directory().block_of_id(id).and_then(|block| self.structure.block(block));
        let Some(view) = view else { return Ok(None) };
        let Ok(slot) = u32::try_from(id.saturating_sub(view.first_id)) else { return Ok(None) };
        let (_, delta) = view.split_entry(slot, self.hot(view.entry_at(slot))?);
        Record::read(self.file, &view, slot, delta, HEAD).map(Some)
    }

    /// `N` bytes of the hot section.
    #[inline]
    fn hot<const N: usize>(&self, offset: u64) -> Result<[u8; N], Error> {
        let start = (offset - self.structure.header.sections.hot.offset) as usize;
        match self.hot.get(start..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => Ok(*bytes),
            None => read_array(self.file, offset),
        }
    }
}

impl Record {
    fn read<R: ReadAt + ?Sized>(
        file: &R,
        view: &BlockView,
        slot: u32,
        delta: u64,
        len: usize,
    ) -> Result<Self, Error> {
        let offset = view.record_offset(slot, delta).ok_or_else(|| {
            Error::reader(22, view.entry_at(slot), "a slot has its record outside of its block")
        })?;
        let at = view.pool + offset;
        let rest = view.pool_len - offset;
        let mut head = [0; HEAD];
        let head_len = rest.min(len.min(HEAD) as u64) as usize;
        let bytes = head.get_mut(..head_len).unwrap_or_default();
        file.read_exact_at(bytes, at).map_err(|source| Error::Io { offset: at, source })?;
        let lengths = bytes.get(..head_len.min(2 * MAX_VARINT)).and_then(Lengths::parse);
        let lengths = lengths.filter(|lengths| lengths.total().is_some_and(|len| len <= rest));
        let lengths =
            lengths.ok_or_else(|| Error::reader(22, at, "a record does not lie within its block"))?;
        Ok(Record { id: view.first_id + u64::from(slot), at, lengths, head, head_len })
    }

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

    /// True if the record, whose bounds are checked, has exactly `bytes` from `start` on.
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
