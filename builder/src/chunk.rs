//! Runs of records while they wait: what a chunk looks like, in memory and on disk.
//!
//! A chunk begins with its length in bytes (8 bytes, this number included), whose top bit marks the chunk of a long record.
//! Then come records, each after its origin: the step from the position of the record before it as a varint, or 0 and then
//! the source and the position as varints. The record itself is as the pool will hold it.

use crate::{
    direct::{self, ALIGN, Buffer},
    origin::Origin,
};
use hashlith_format::record::{self, Lengths};
use std::{cmp::Ordering, fs::File, io, sync::Arc};

/// Bytes of a chunk, unless its last record, or its only one, makes it longer.
pub(crate) const CHUNK_LEN: usize = 64 << 10;
/// A chunk is full when it has this many bytes: the next record might exceed [`CHUNK_LEN`].
const FULL_AT: usize = CHUNK_LEN - 512;
/// A record whose key and value have at least this many bytes gets a chunk of its own.
pub(crate) const LONG: usize = CHUNK_LEN;
/// Bytes in front of the records of a chunk.
const CHUNK_HEAD: usize = 8;
const LONG_FLAG: u64 = 1 << 63;
/// Bytes that are read from a temporary file, or written to it, at a time.
pub(crate) const BLOCK: usize = 1 << 20;

/// The length of a chunk that begins with these bytes, and whether it holds a long record. `None` if this is no chunk.
pub(crate) fn parse_head(chunk: &[u8]) -> Option<(u64, bool)> {
    let head = u64::from_le_bytes(*chunk.first_chunk()?);
    let len = head & !LONG_FLAG;
    (len >= CHUNK_HEAD as u64).then_some((len, head >= LONG_FLAG))
}

/// Records of one partition on their way to the spill.
#[derive(Default)]
pub(crate) struct ChunkWriter {
    data: Vec<u8>,
    last: Option<Origin>,
    records: u64,
}

impl ChunkWriter {
    /// Appends a record. Returns true if the chunk is full.
    #[inline]
    pub fn push(&mut self, origin: Origin, key: &[u8], value: &[u8]) -> bool {
        if self.data.is_empty() {
            self.data.reserve(CHUNK_LEN);
            self.data.extend_from_slice(&[0; CHUNK_HEAD]);
        }
        match self.last {
            Some(last) if last.source == origin.source && last.position < origin.position => {
                record::write_varint(origin.position - last.position, &mut self.data);
            }
            _ => write_origin(origin, &mut self.data),
        }
        self.last = Some(origin);
        self.records += 1;
        record::write(key, value, &mut self.data);
        self.data.len() >= FULL_AT
    }

    /// True if there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The chunk, and how many records it has. The next record begins a new one.
    pub fn finish(&mut self) -> (&mut Vec<u8>, u64) {
        let len = self.data.len() as u64;
        self.data[..CHUNK_HEAD].copy_from_slice(&len.to_le_bytes());
        self.last = None;
        (&mut self.data, std::mem::take(&mut self.records))
    }
}

fn write_origin(origin: Origin, out: &mut Vec<u8>) {
    out.push(0);
    record::write_varint(u64::from(origin.source), out);
    record::write_varint(origin.position, out);
}

/// Calls `each` with the origin, the offset in the chunk and the lengths of every record of a chunk. `None` if the chunk is
/// damaged.
#[inline]
pub(crate) fn read_chunk(chunk: &[u8], mut each: impl FnMut(Origin, usize, Lengths)) -> Option<()> {
    let mut place = Place::default();
    while place.at < chunk.len() {
        let (offset, lengths) = place.step(chunk)?;
        each(place.origin, offset, lengths);
    }
    Some(())
}

/// How far a chunk has been read.
pub(crate) struct Place {
    /// Where the next record begins.
    pub at: usize,
    /// Of the record before it.
    pub origin: Origin,
}

impl Default for Place {
    fn default() -> Self {
        Place { at: CHUNK_HEAD, origin: Origin { source: 0, position: 0 } }
    }
}

impl Place {
    /// Goes behind the next record, and says where it is. `None` if the chunk is damaged.
    #[inline]
    pub fn step(&mut self, chunk: &[u8]) -> Option<(usize, Lengths)> {
        let mut at = self.at;
        let (step, len) = record::read_varint(&chunk[at..])?;
        at += len;
        if step == 0 {
            let (source, len) = record::read_varint(&chunk[at..])?;
            at += len;
            let (position, len) = record::read_varint(&chunk[at..])?;
            at += len;
            self.origin = Origin { source: u32::try_from(source).ok()?, position };
        } else {
            self.origin.position = self.origin.position.checked_add(step)?;
        }
        let lengths = Lengths::parse(&chunk[at..])?;
        let end = (at as u64).checked_add(lengths.total()?).filter(|&end| end <= chunk.len() as u64)?;
        self.at = end as usize;
        Some((at, lengths))
    }
}

/// The key of the record at an offset of a chunk.
#[inline]
pub(crate) fn key_at(chunk: &[u8], offset: usize, lengths: Lengths) -> &[u8] {
    &chunk[offset + lengths.head as usize..][..lengths.key as usize]
}

/// The value of the record at an offset of a chunk.
#[inline]
pub(crate) fn value_at(chunk: &[u8], offset: usize, lengths: Lengths) -> &[u8] {
    &chunk[offset + (lengths.head + lengths.key) as usize..][..lengths.value as usize]
}

/// The chunk of a long record before it is stored.
pub(crate) struct NewLong<'r> {
    front: Vec<u8>,
    key: &'r [u8],
    value_len: u64,
}

impl<'r> NewLong<'r> {
    pub fn new(origin: Origin, key: &'r [u8], value_len: u64) -> Self {
        let mut front = vec![0; CHUNK_HEAD];
        write_origin(origin, &mut front);
        record::write_varint(key.len() as u64, &mut front);
        record::write_varint(value_len, &mut front);
        let mut new = NewLong { front, key, value_len };
        let head = new.len() | LONG_FLAG;
        new.front[..CHUNK_HEAD].copy_from_slice(&head.to_le_bytes());
        new
    }

    /// Bytes of the chunk.
    pub fn len(&self) -> u64 {
        (self.front.len() + self.key.len()) as u64 + self.value_len
    }

    /// Copies the bytes of the chunk from this offset on; the buffer may be longer than what is left. `value` copies those of the
    /// value from an offset of it on.
    pub fn copy_to(
        &self,
        at: u64,
        buffer: &mut [u8],
        value: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut skipped, mut filled) = (at, 0);
        for part in [&self.front, self.key] {
            let skip = skipped.min(part.len() as u64);
            skipped -= skip;
            let from = &part[skip as usize..];
            let len = from.len().min(buffer.len() - filled);
            buffer[filled..filled + len].copy_from_slice(&from[..len]);
            filled += len;
        }
        let len = (self.value_len - skipped).min((buffer.len() - filled) as u64) as usize;
        value(skipped, &mut buffer[filled..filled + len])
    }
}

/// A long record, alone in its chunk. If the chunk is on disk, only its front is in memory: up to the end of the key, and at
/// least [`LONG`] bytes. So the values of long records take no memory while cells are built.
pub(crate) struct Long {
    front: Buffer,
    pub origin: Origin,
    /// Where the record begins in the chunk.
    pub at: usize,
    pub lengths: Lengths,
    /// Bytes of the chunk.
    chunk_len: u64,
    /// The file, and where in it the chunk begins.
    disk: Option<(Arc<File>, u64)>,
}

impl Long {
    /// `None` if the front is damaged.
    pub fn new(front: Buffer, chunk_len: u64, disk: Option<(Arc<File>, u64)>) -> Option<Self> {
        let (zero, first) = record::read_varint(front.get(CHUNK_HEAD..)?)?;
        let (source, second) = record::read_varint(&front[CHUNK_HEAD + first..])?;
        let (position, third) = record::read_varint(&front[CHUNK_HEAD + first + second..])?;
        let at = CHUNK_HEAD + first + second + third;
        let lengths = Lengths::parse(&front[at..])?;
        let origin = Origin { source: u32::try_from(source).ok()?, position };
        let is_whole = (at as u64).checked_add(lengths.total()?)? == chunk_len && zero == 0;
        is_whole.then_some(Long { front, origin, at, lengths, chunk_len, disk })
    }

    /// The chunk of this length at an offset of a file. `None` if it is damaged.
    pub fn on_disk(file: &Arc<File>, at: u64, chunk_len: u64) -> io::Result<Option<Self>> {
        let read = |len: u64| {
            let mut front = Buffer::new(len.min(chunk_len) as usize);
            direct::read_exact_at(file, &mut front, at).map(|()| front)
        };
        let disk = || Some((file.clone(), at));
        let front = read(LONG as u64)?;
        Ok(match Self::new(front, chunk_len, disk()) {
            Some(long) if long.key_end() > long.front.len() as u64 => {
                Self::new(read(long.key_end())?, chunk_len, disk())
            }
            long => long,
        })
    }

    fn key_end(&self) -> u64 {
        self.at as u64 + self.lengths.head + self.lengths.key
    }

    /// Bytes of memory that the front takes.
    pub fn front_len(key: usize, chunk_len: u64) -> u64 {
        chunk_len.min((key + ALIGN).max(LONG) as u64)
    }

    /// The beginning of the chunk, at least up to the end of the key.
    pub fn front(&self) -> &[u8] {
        &self.front
    }

    pub fn key(&self) -> &[u8] {
        &self.front[self.at + self.lengths.head as usize..][..self.lengths.key as usize]
    }

    /// The beginning of the value, as far as it is in memory.
    pub fn value_front(&self) -> &[u8] {
        &self.front[self.at + (self.lengths.head + self.lengths.key) as usize..]
    }

    /// Bytes of the value.
    pub fn value_len(&self) -> u64 {
        self.lengths.value
    }

    /// Bytes of the chunk.
    pub fn chunk_len(&self) -> u64 {
        self.chunk_len
    }

    /// Bytes of the record.
    pub fn len(&self) -> u64 {
        self.chunk_len - self.at as u64
    }

    /// Copies the bytes of the chunk from `at`, a multiple of [`ALIGN`]. The buffer may be longer than what is left.
    pub fn read_at(&self, at: u64, buffer: &mut Buffer) -> io::Result<()> {
        match &self.disk {
            Some((file, start)) => {
                let len = (self.chunk_len - at).next_multiple_of(ALIGN as u64).min(buffer.len() as u64);
                direct::read_exact_at(file, &mut buffer[..len as usize], start + at)
            }
            None => {
                let rest = &self.front[at as usize..];
                let len = rest.len().min(buffer.len());
                buffer[..len].copy_from_slice(&rest[..len]);
                Ok(())
            }
        }
    }

    /// Calls `each` with the bytes of the record, block after block.
    pub fn each_block<E>(
        &self,
        failed: impl Fn(io::Error) -> E,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = Buffer::new(BLOCK.min(self.chunk_len as usize));
        for start in (0..self.chunk_len).step_by(buffer.len()) {
            self.read_at(start, &mut buffer).map_err(&failed)?;
            let skipped = (self.at as u64).saturating_sub(start) as usize;
            let end = (self.chunk_len - start).min(buffer.len() as u64) as usize;
            each(&buffer[skipped.min(end)..end])?;
        }
        Ok(())
    }

    /// As [`Self::each_block`], with the bytes of the value only; at least once.
    pub fn each_block_of_value<E>(
        &self,
        failed: impl Fn(io::Error) -> E,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        // The record's lengths and key come first.
        let mut skipped = self.lengths.head + self.lengths.key;
        self.each_block(failed, |block| {
            let skip = skipped.min(block.len() as u64);
            skipped -= skip;
            let part = &block[skip as usize..];
            if skipped > 0 || part.is_empty() && self.lengths.value > 0 {
                return Ok(());
            }
            each(part)
        })
    }

    /// True if another record, with the same key, has the same value.
    pub fn has_value_of(&self, other: &Long) -> io::Result<bool> {
        if self.value_len() != other.value_len() {
            return Ok(false);
        }
        let mut equal = true;
        let mut at = 0;
        let mut block = Vec::new();
        self.each_block_of_value(
            |error| error,
            |own| {
                block.resize(own.len(), 0);
                other.read_value_at(at, &mut block)?;
                equal &= block == own;
                at += own.len() as u64;
                Ok(())
            },
        )?;
        Ok(equal)
    }

    /// Copies the bytes of the value from an offset on.
    fn read_value_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let start = self.key_end() + at;
        match &self.disk {
            // Direct transfers begin at multiples.
            Some(_) => {
                let begin = start / ALIGN as u64 * ALIGN as u64;
                let skipped = (start - begin) as usize;
                let mut buffer = Buffer::new(skipped + out.len());
                self.read_at(begin, &mut buffer)?;
                out.copy_from_slice(&buffer[skipped..skipped + out.len()]);
            }
            None => out.copy_from_slice(&self.front[start as usize..][..out.len()]),
        }
        Ok(())
    }

    /// Compares the bytes of two records with the same origin. What cannot be read counts as equal: writing it fails later.
    pub fn cmp_bytes(&self, other: &Long) -> Ordering {
        let (mut own, mut others) = (Buffer::new(BLOCK), Buffer::new(BLOCK));
        for start in (0..self.chunk_len.min(other.chunk_len)).step_by(BLOCK) {
            let read = self.read_at(start, &mut own).and_then(|()| other.read_at(start, &mut others));
            let len = (self.chunk_len.min(other.chunk_len) - start).min(BLOCK as u64) as usize;
            let skipped = if start == 0 { self.at } else { 0 };
            match own[skipped..len].cmp(&others[skipped..len]) {
                Ordering::Equal if read.is_ok() => {}
                _ if read.is_err() => return Ordering::Equal,
                different => return different,
            }
        }
        self.chunk_len.cmp(&other.chunk_len)
    }
}
