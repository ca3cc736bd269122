//! Where records wait between feeding and building: partitions by the top bits of the hash, in memory up to a
//! limit, then in nameless temporary files, which vanish with the process whatever ends it.
//!
//! A partition is a list of chunks. A chunk is its length in bytes (8 bytes, this number included), then records:
//! how far the position moved on since the last record of the chunk (varint, or 0 and the source and position as
//! varints), then the record as the pool will hold it.

use crate::{
    Error,
    direct::{self, ALIGN, Buffer},
    error::Place,
};
use hashlith_format::record::{self, Lengths};
use rustix::fs::{Advice, fadvise};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Bytes of a chunk, unless it holds a long record.
pub(crate) const CHUNK_LEN: usize = 64 << 10;
/// A chunk is handed over when it has reached this many bytes: the next record might go beyond [`CHUNK_LEN`].
const FULL_AT: usize = CHUNK_LEN - 512;
/// Bytes that are read from a temporary file at a time.
const READ_LEN: usize = 1 << 20;
/// Once this share of the memory for the page cache has gone through temporary files, they are written past the page cache,
/// which by then is busy writing back: Linux makes writers wait at a fifth.
const CACHED_SHARE: u64 = 8;
/// Bytes in front of the records of a chunk.
const CHUNK_HEAD: usize = 8;

/// Records of one partition on their way to the spill.
#[derive(Default)]
pub(crate) struct ChunkWriter {
    data: Vec<u8>,
    last: Option<Place>,
    records: u64,
}

impl ChunkWriter {
    /// Appends a record; true if the chunk is full now.
    #[inline]
    pub fn push(&mut self, place: Place, key: &[u8], value: &[u8]) -> bool {
        if self.data.is_empty() {
            self.data.reserve(CHUNK_LEN);
            self.data.extend_from_slice(&[0; CHUNK_HEAD]);
        }
        match self.last {
            Some(last) if last.source == place.source && last.position < place.position => {
                record::write_varint(place.position - last.position, &mut self.data);
            }
            _ => {
                self.data.push(0);
                record::write_varint(u64::from(place.source), &mut self.data);
                record::write_varint(place.position, &mut self.data);
            }
        }
        self.last = Some(place);
        self.records += 1;
        record::write(key, value, &mut self.data);
        self.data.len() >= FULL_AT
    }

    /// True if there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

/// Calls `each` with the place, the offset in the chunk and the lengths of every record of a chunk.
#[inline]
pub(crate) fn read_chunk(chunk: &[u8], mut each: impl FnMut(Place, usize, Lengths)) -> Option<()> {
    let mut place = Place { source: 0, position: 0 };
    let mut at = CHUNK_HEAD;
    while at < chunk.len() {
        let (step, len) = record::read_varint(&chunk[at..])?;
        at += len;
        if step == 0 {
            let (source, len) = record::read_varint(&chunk[at..])?;
            at += len;
            let (position, len) = record::read_varint(&chunk[at..])?;
            at += len;
            place = Place { source: u32::try_from(source).ok()?, position };
        } else {
            place.position += step;
        }
        let lengths = Lengths::parse(&chunk[at..])?;
        each(place, at, lengths);
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

    /// Lets the kernel begin to read what is on disk, so that it is there when a job asks for it.
    pub fn prefetch(&self) {
        if let Some(file) = &self.file {
            direct::set_direct(file, false);
            // Only a hint.
            let _ = fadvise(file, 0, None, Advice::WillNeed);
        }
    }

    /// Reads the chunks that are on disk, one after the other; of one that is long, with a long record at its end, no more than
    /// its beginning if that is not `wanted`.
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
    /// Bytes of temporary files that go through the page cache.
    cached: u64,
}

impl Spill {
    /// `partitions` of them, which hold up to `memory_limit` bytes in memory and the rest in files in `dir`, beside a
    /// page cache of so many bytes.
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

    /// Takes over a chunk, and leaves the writer empty.
    pub fn push(&self, number: usize, writer: &mut ChunkWriter) -> Result<(), Error> {
        let len = writer.data.len() as u64;
        writer.data[..CHUNK_HEAD].copy_from_slice(&len.to_le_bytes());
        let mut partition = self.partitions[number].lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Hands out all partitions; what was on disk is freed as each is dropped.
    pub fn into_partitions(self) -> Vec<Partition> {
        self.partitions
            .into_iter()
            .map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }
}
