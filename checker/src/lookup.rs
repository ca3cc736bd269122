//! A lookup by section 7, step by step, with a read for each piece.

use crate::{Error, ReadAt, read::read_array, structure::Structure};
use hashlith_format::{
    BlockView, KeyHash,
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

impl Structure {
    /// The record of `key`; `None` if the file does not have it.
    pub(crate) fn find<R: ReadAt + ?Sized>(&self, file: &R, key: &[u8]) -> Result<Option<Record>, Error> {
        let hash = KeyHash::new(key, self.header.seed);
        let Some(view) = self.block(hash.block(self.header.blocks)) else { return Ok(None) };
        let keys = view.geometry.keys;
        if keys == 0 {
            return Ok(None);
        }
        let x = hash.salted(key, self.header.seed, view.layout.salt) ^ view.seed();
        let [pilot] = read_array(file, view.pilot_at(x))?;
        let mut slot = view.geometry.slot(x, pilot, view.seed());
        if let Some(number) = slot.checked_sub(keys) {
            let at = view.remap_at(number);
            slot = u32::from_le_bytes(read_array(file, at)?);
            if slot >= keys {
                return Err(Error::reader(21, at, "a remap entry leads out of its block"));
            }
        }
        let (fingerprint, delta) = view.split_entry(slot, read_array(file, view.entry_at(slot))?);
        if fingerprint != view.fingerprint(&hash) {
            return Ok(None);
        }
        let record = Record::read(file, &view, slot, delta)?;
        Ok(record.key_is(file, key)?.then_some(record))
    }

    /// The record of a dense id below N.
    pub(crate) fn record<R: ReadAt + ?Sized>(&self, file: &R, id: u64) -> Result<Option<Record>, Error> {
        let view = self.directory().block_of_id(id).and_then(|block| self.block(block));
        let Some(view) = view else { return Ok(None) };
        let Ok(slot) = u32::try_from(id.saturating_sub(view.first_id)) else { return Ok(None) };
        let (_, delta) = view.split_entry(slot, read_array(file, view.entry_at(slot))?);
        Record::read(file, &view, slot, delta).map(Some)
    }
}

impl Record {
    fn read<R: ReadAt + ?Sized>(file: &R, view: &BlockView, slot: u32, delta: u64) -> Result<Self, Error> {
        let offset = view
            .record_offset(slot, delta)
            .ok_or_else(|| Error::reader(22, view.pool, "a slot has its record outside of its block"))?;
        let at = view.pool + offset;
        let rest = view.pool_len - offset;
        let mut head = [0; HEAD];
        let head_len = rest.min(HEAD as u64) as usize;
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
