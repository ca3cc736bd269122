//! Where records wait from feeding to building: in partitions by the top bits of the hash, in memory up to a limit, then in
//! nameless temporary files, which vanish with the process, whatever ends it.
//!
//! A partition is a list of chunks. A chunk begins with its length in bytes (8 bytes, this number included). Then come
//! records, each after its origin: the step from the position of the record before it as a varint, or 0 and then the source
//! and the position as varints. The record itself is as the pool will hold it.

use crate::{
    Error,
    direct::{self, ALIGN, Buffer},
    origin::Origin,
};
use hashlith_format::record::{self, Lengths};
use parking_lot::Mutex;
use rustix::fs::{Advice, fadvise};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes of a chunk, unless it holds a long record.
pub(crate) const CHUNK_LEN: usize = 64 << 10;
/// A chunk is full when it has this many bytes: the next record might exceed [`CHUNK_LEN`].
const FULL_AT: usize = CHUNK_LEN - 512;
/// Bytes that are read from a temporary file at a time.
const READ_LEN: usize = 1 << 20;
/// Temporary files bypass the page cache once they fill this share of it, one in `CACHED_SHARE`: then it is busy writing back,
/// and Linux makes writers wait at a fifth.
const CACHED_SHARE: u64 = 8;
/// Bytes in front of the records of a chunk.
const CHUNK_HEAD: usize = 8;

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
            _ => {
                self.data.push(0);
                record::write_varint(u64::from(origin.source), &mut self.data);
                record::write_varint(origin.position, &mut self.data);
            }
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
}

/// Calls `each` with the origin, the offset in the chunk and the lengths of every record of a chunk. `None` if the chunk is
/// damaged.
#[inline]
pub(crate) fn read_chunk(chunk: &[u8], mut each: impl FnMut(Origin, usize, Lengths)) -> Option<()> {
    let mut origin = Origin { source: 0, position: 0 };
    let mut at = CHUNK_HEAD;
    while at < chunk.len() {
        let (step, len) = record::read_varint(&chunk[at..])?;
        at += len;
        if step == 0 {
            let (source, len) = record::read_varint(&chunk[at..])?;
            at += len;
            let (position, len) = record::read_varint(&chunk[at..])?;
            at += len;
            origin = Origin { source: u32::try_from(source).ok()?, position };
        } else {
            origin.position += step;
        }
        let lengths = Lengths::parse(&chunk[at..])?;
        each(origin, at, lengths);
        at += usize::try_from(lengths.total()?).ok()?;
    }
    Some(())
}

/// The chunks of one partition.
#[derive(Default)]
pub(crate) struct Partition {
    chunks: Vec<Vec<u8>>,
    file: Option<File>,
    /// Bytes of the file: each chunk, and zeros up to a multiple of [`ALIGN`].
    file_len: u64,
    is_direct: bool,
    /// Number of records.
    pub records: u64,
    /// Bytes of all chunks.
    pub bytes: u64,
}

impl Partition {
    /// The chunks that are held in memory.
    pub fn in_memory(&self) -> &[Vec<u8>] {
        &self.chunks
    }

    /// True if none of its chunks is on disk.
    pub fn is_in_memory(&self) -> bool {
        self.file.is_none()
    }

    /// Asks the kernel to begin to read what is on disk, so that it is in memory when a job needs it.
    pub fn prefetch(&self) {
        if let Some(file) = &self.file {
            direct::set_direct(file, false);
            // Only a hint.
            let _ = fadvise(file, 0, None, Advice::WillNeed);
        }
    }

    /// Reads the chunks on disk, one after the other. A chunk that ends with a long record may be long: then it is read as a
    /// whole only if its beginning is `wanted`.
    pub fn on_disk(
        &self,
        dir: &Path,
        wanted: impl Fn(&[u8]) -> bool,
        mut each: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let failed =
            |source| Error::Io { action: "cannot read temporary records in", path: dir.into(), source };
        let mut buffer = Buffer::new(self.file_len.min(READ_LEN as u64) as usize);
        let mut at = 0;
        while at < self.file_len {
            let len = (self.file_len - at).min(buffer.len() as u64) as usize;
            direct::read_exact_at(file, &mut buffer[..len], at).map_err(failed)?;
            let mut used = 0;
            while used < len {
                let chunk = &buffer[used..len];
                let chunk_len = u64::from_le_bytes(chunk.first_chunk().copied().unwrap_or_default());
                if chunk_len < CHUNK_HEAD as u64 || chunk_len > self.file_len - at - used as u64 {
                    return Err(failed(std::io::Error::other("the temporary file was changed")));
                }
                let padded = (chunk_len as usize).next_multiple_of(ALIGN);
                if padded <= chunk.len() {
                    each(&chunk[..chunk_len as usize])?;
                } else if used > 0 {
                    // The next read begins with this chunk.
                    break;
                } else if wanted(chunk) {
                    let mut whole = Buffer::new(padded);
                    direct::read_exact_at(file, &mut whole[..padded], at).map_err(failed)?;
                    each(&whole[..chunk_len as usize])?;
                }
                used += padded;
            }
            at += used as u64;
        }
        Ok(())
    }
}

/// All partitions.
pub(crate) struct Spill {
    partitions: Vec<Mutex<Partition>>,
    dir: PathBuf,
    memory_limit: u64,
    memory: AtomicU64,
    written: AtomicU64,
    /// Bytes of temporary files that may go through the page cache.
    cached: u64,
}

impl Spill {
    /// Partitions that hold up to `memory_limit` bytes in memory, and the rest in files in `dir`. The page cache may grow to
    /// `page_cache` bytes.
    pub fn new(partitions: usize, memory_limit: u64, dir: PathBuf, page_cache: u64) -> Self {
        Spill {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            dir,
            memory_limit,
            memory: AtomicU64::new(0),
            written: AtomicU64::new(0),
            cached: page_cache / CACHED_SHARE,
        }
    }

    /// Directory of the temporary files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes that were written to temporary files.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Takes the chunk of a writer, and leaves the writer empty.
    pub fn push(&self, number: usize, writer: &mut ChunkWriter) -> Result<(), Error> {
        let len = writer.data.len() as u64;
        writer.data[..CHUNK_HEAD].copy_from_slice(&len.to_le_bytes());
        let mut partition = self.partitions[number].lock();
        partition.records += std::mem::take(&mut writer.records);
        partition.bytes += len;
        writer.last = None;
        if self.memory.fetch_add(len, Relaxed) + len <= self.memory_limit {
            if writer.data.capacity() > writer.data.len() + writer.data.len() / 16 {
                writer.data.shrink_to_fit();
            }
            partition.chunks.push(std::mem::take(&mut writer.data));
            return Ok(());
        }
        self.memory.fetch_sub(len, Relaxed);
        let mut padded = Buffer::new(writer.data.len());
        padded[..writer.data.len()].copy_from_slice(&writer.data);
        let written = self.written.fetch_add(padded.len() as u64, Relaxed);
        let failed = |source| Error::Io {
            action: "cannot write temporary records to",
            path: self.dir.clone(),
            source,
        };
        let Partition { file, file_len, is_direct, .. } = &mut *partition;
        let file = match file {
            Some(file) => file,
            None => file.insert(tempfile::tempfile_in(&self.dir).map_err(failed)?),
        };
        if written >= self.cached && !*is_direct {
            direct::set_direct(file, true);
            *is_direct = true;
        }
        direct::write_all_at(file, &padded, *file_len).map_err(failed)?;
        *file_len += padded.len() as u64;
        if writer.data.capacity() > 4 * CHUNK_LEN {
            writer.data = Vec::new();
        }
        writer.data.clear();
        Ok(())
    }

    /// Hands out all partitions. Dropping one frees its disk space.
    pub fn into_partitions(self) -> Vec<Partition> {
        self.partitions.into_iter().map(Mutex::into_inner).collect()
    }
}
