//! Where records wait between feeding and building: partitions by the top bits of the hash, in memory up to a
//! limit, then in nameless temporary files, which vanish with the process whatever ends it.
//!
//! A partition is a list of chunks. A chunk is its length in bytes (8 bytes, this number included), then records:
//! how far the position moved on since the last record of the chunk (varint, or 0 and the source and position as
//! varints), then the record as the pool will hold it.

use crate::{Error, error::Place};
use hashlith_format::record::{self, Lengths};
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// A chunk is handed over when it has reached this many bytes.
pub(crate) const CHUNK_LEN: usize = 64 << 10;
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
            self.data.reserve(CHUNK_LEN + 512);
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
        self.data.len() >= CHUNK_LEN
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
    file_len: u64,
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

    /// Reads the chunks that are on disk, one after the other.
    ///
    /// The buffer is used again for the next chunk, unless `each` takes it.
    pub fn on_disk(
        &self,
        dir: &Path,
        mut each: impl FnMut(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let failed =
            |source| Error::Io { action: "cannot read temporary records in", path: dir.into(), source };
        let mut at = 0;
        let mut chunk = Vec::new();
        while at < self.file_len {
            let mut head = [0; CHUNK_HEAD];
            file.read_exact_at(&mut head, at).map_err(failed)?;
            let len = u64::from_le_bytes(head);
            if len < CHUNK_HEAD as u64 || len > self.file_len - at {
                return Err(failed(std::io::Error::other("the temporary file was changed")));
            }
            chunk.resize(len as usize, 0);
            file.read_exact_at(&mut chunk, at).map_err(failed)?;
            each(&mut chunk)?;
            at += len;
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
}

impl Spill {
    /// `partitions` of them, which hold up to `memory_limit` bytes in memory and the rest in files in `dir`.
    pub fn new(partitions: usize, memory_limit: u64, dir: PathBuf) -> Self {
        Spill {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            dir,
            memory_limit,
            memory: AtomicU64::new(0),
            written: AtomicU64::new(0),
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
        self.written.fetch_add(len, Relaxed);
        let failed = |source| Error::Io {
            action: "cannot write temporary records to",
            path: self.dir.clone(),
            source,
        };
        let Partition { file, file_len, .. } = &mut *partition;
        let file = match file {
            Some(file) => file,
            None => file.insert(tempfile::tempfile_in(&self.dir).map_err(failed)?),
        };
        file.write_all_at(&writer.data, *file_len).map_err(failed)?;
        *file_len += len;
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
