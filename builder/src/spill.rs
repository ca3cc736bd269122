//! Where records wait from feeding to building: in partitions by the top bits of the hash, in memory up to a limit, then in
//! nameless temporary files, which vanish with the process, whatever ends it.

use crate::{
    Error,
    chunk::{BLOCK, ChunkWriter, Long, parse_head},
    direct::{self, ALIGN, Buffer},
};
use parking_lot::Mutex;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use std::{
    fs::File,
    io,
    num::NonZeroU64,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Temporary files bypass the page cache once they fill this share of it, one in `CACHED_SHARE`: then it is busy writing back,
/// and Linux makes writers wait at a fifth.
const CACHED_SHARE: u64 = 8;

/// Where temporary files are, and how much is in them.
pub(crate) struct Disk {
    pub dir: PathBuf,
    written: AtomicU64,
    /// Bytes of temporary files that may go through the page cache.
    cached: u64,
}

impl Disk {
    /// Bytes that were written to temporary files.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> Error + use<> {
        let path = self.dir.clone();
        move |source| Error::Io { action, path: path.clone(), source }
    }

    pub fn damaged(&self) -> Error {
        self.failed(READ)(io::Error::other("the temporary file was changed"))
    }
}

/// What a failed read is called.
pub(crate) const READ: &str = "cannot read temporary records in";
pub(crate) const WRITE: &str = "cannot write temporary records to";

/// A nameless temporary file, to which chunks are appended.
pub(crate) struct SpillFile {
    file: Arc<File>,
    /// Bytes of all chunks, each with zeros up to a multiple of [`ALIGN`].
    len: u64,
    is_direct: bool,
}

impl SpillFile {
    pub fn create(disk: &Disk) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(&disk.dir).map_err(disk.failed(WRITE))?;
        Ok(SpillFile { file: Arc::new(file), len: 0, is_direct: false })
    }

    /// Appends the chunk of short records `chunk` to the file, and to the partition.
    pub fn append_short(
        &mut self,
        disk: &Disk,
        partition: &mut Partition,
        chunk: &[u8],
    ) -> Result<(), Error> {
        self.append(disk, partition, chunk.len() as u64, |at, buffer| {
            let rest = &chunk[at as usize..];
            let len = rest.len().min(buffer.len());
            buffer[..len].copy_from_slice(&rest[..len]);
            Ok(())
        })
    }

    /// Appends a chunk of `len` bytes to the file, and to the partition. `fill` is called with offsets and buffers for the bytes
    /// from there; a buffer may be longer than what is left.
    pub fn append(
        &mut self,
        disk: &Disk,
        partition: &mut Partition,
        len: u64,
        mut fill: impl FnMut(u64, &mut Buffer) -> io::Result<()>,
    ) -> Result<(), Error> {
        let padded = len.next_multiple_of(ALIGN as u64);
        let written = disk.written.fetch_add(padded, Relaxed);
        if written >= disk.cached && !self.is_direct {
            direct::set_direct(&self.file, true);
            self.is_direct = true;
        }
        let mut buffer = Buffer::new(padded.min(BLOCK as u64) as usize);
        for at in (0..padded).step_by(buffer.len()) {
            fill(at, &mut buffer).map_err(disk.failed(READ))?;
            let now = (padded - at).min(buffer.len() as u64) as usize;
            direct::write_all_at(&self.file, &buffer[..now], self.len + at).map_err(disk.failed(WRITE))?;
        }
        let end = self.len + padded;
        match partition.extents.last_mut().filter(|last| last.end == self.len) {
            Some(last) => last.end = end,
            None => partition.extents.push(self.len..end),
        }
        self.len = end;
        partition.file.get_or_insert_with(|| self.file.clone());
        Ok(())
    }
}

/// A chunk that is read.
pub(crate) enum Chunk<'a> {
    /// The whole chunk.
    Short(&'a [u8]),
    Long(Arc<Long>),
}

impl Chunk<'_> {
    /// The bytes that are in memory: of a long record at least the key.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Short(chunk) => chunk,
            Chunk::Long(long) => long.front(),
        }
    }
}

/// Parts of a temporary file.
pub(crate) struct Extents(Arc<File>, Vec<Range<u64>>);

impl Extents {
    /// Asks the kernel to begin to read them, so that they are in memory when a job needs them.
    pub fn prefetch(&self) {
        direct::set_direct(&self.0, false);
        for extent in &self.1 {
            // Only a hint.
            let _ =
                fadvise(&self.0, extent.start, NonZeroU64::new(extent.end - extent.start), Advice::WillNeed);
        }
    }
}

/// The records of a range of hashes.
#[derive(Default)]
pub(crate) struct Partition {
    chunks: Vec<Vec<u8>>,
    long: Vec<Arc<Long>>,
    /// Where the other chunks are, at `extents`. Other partitions may have chunks in the same file.
    file: Option<Arc<File>>,
    extents: Vec<Range<u64>>,
    /// Number of records.
    pub records: u64,
    /// Bytes of memory that its records take when cells are built, without the pool and references to them: those of the short
    /// ones, and of the fronts of the long ones.
    pub bytes: u64,
}

impl Partition {
    /// An empty one that looks as if it held records.
    #[cfg(test)]
    pub fn of_size(records: u64, bytes: u64) -> Self {
        Partition { records, bytes, ..Partition::default() }
    }

    /// The chunks that are held in memory.
    pub fn in_memory(&self) -> impl Iterator<Item = Chunk<'_>> {
        let short = self.chunks.iter().map(|chunk| Chunk::Short(chunk));
        short.chain(self.long.iter().map(|long| Chunk::Long(long.clone())))
    }

    /// True if none of its chunks is on disk.
    pub fn is_in_memory(&self) -> bool {
        self.file.is_none()
    }

    /// The file and the parts of it that hold chunks, if there are any.
    pub fn on_file(&self) -> Option<(&Arc<File>, &[Range<u64>])> {
        self.file.as_ref().map(|file| (file, &self.extents[..]))
    }

    /// What is on disk.
    pub fn extents(&self) -> Option<Extents> {
        self.file.clone().map(|file| Extents(file, self.extents.clone()))
    }

    /// Bytes of memory that it holds.
    pub fn held(&self) -> u64 {
        let short: usize = self.chunks.iter().map(Vec::len).sum();
        short as u64 + self.long.iter().map(|long| long.chunk_len()).sum::<u64>()
    }

    /// Reads all chunks. If nobody else has the partition, frees those in memory one by one, and disk space where the file system
    /// can; not that of long records if `each` keeps them.
    pub fn drain(
        self: Arc<Self>,
        disk: &Disk,
        keeps_long: bool,
        mut each: impl FnMut(Chunk<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match Arc::try_unwrap(self) {
            Ok(mut own) => {
                std::mem::take(&mut own.chunks)
                    .into_iter()
                    .try_for_each(|chunk| each(Chunk::Short(&chunk)))?;
                std::mem::take(&mut own.long).into_iter().try_for_each(|long| each(Chunk::Long(long)))?;
                own.on_disk(disk, each, |file, range, has_long| {
                    if !(has_long && keeps_long) {
                        free(file, range);
                    }
                })
            }
            Err(shared) => {
                shared.in_memory().try_for_each(&mut each)?;
                shared.on_disk(disk, each, |_, _, _| {})
            }
        }
    }

    /// Reads the chunks on disk, one after the other. Calls `done` with each range of the file after its chunks, and whether there
    /// are long records in it.
    pub fn on_disk(
        &self,
        disk: &Disk,
        mut each: impl FnMut(Chunk<'_>) -> Result<(), Error>,
        done: impl Fn(&File, Range<u64>, bool),
    ) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let longest = self.extents.iter().map(|extent| extent.end - extent.start).max().unwrap_or(0);
        let mut buffer = Buffer::new(longest.min(BLOCK as u64) as usize);
        for extent in &self.extents {
            let mut at = extent.start;
            while at < extent.end {
                let len = (extent.end - at).min(buffer.len() as u64) as usize;
                direct::read_exact_at(file, &mut buffer[..len], at).map_err(disk.failed(READ))?;
                let (mut used, mut has_long) = (0, false);
                while used < len as u64 {
                    let left = extent.end - at - used;
                    let chunk = &buffer[used as usize..len];
                    let (chunk_len, is_long) =
                        parse_head(chunk).filter(|head| head.0 <= left).ok_or_else(|| disk.damaged())?;
                    if is_long {
                        has_long = true;
                        let long = Long::on_disk(file, at + used, chunk_len).map_err(disk.failed(READ))?;
                        each(Chunk::Long(Arc::new(long.ok_or_else(|| disk.damaged())?)))?;
                    } else if let Some(whole) = chunk.get(..chunk_len as usize) {
                        each(Chunk::Short(whole))?;
                    } else if used > 0 {
                        // The next read begins with this chunk.
                        break;
                    } else {
                        return Err(disk.damaged());
                    }
                    used += chunk_len.next_multiple_of(ALIGN as u64);
                }
                done(file, at..at + used, has_long);
                at += used;
            }
        }
        Ok(())
    }
}

/// All partitions.
pub(crate) struct Spill {
    partitions: Vec<Mutex<(Partition, Option<SpillFile>)>>,
    disk: Disk,
    memory_limit: u64,
    memory: AtomicU64,
}

impl Spill {
    /// Partitions that hold up to `memory_limit` bytes in memory, and the rest in files in `dir`. The page cache may grow to
    /// `page_cache` bytes.
    pub fn new(partitions: usize, memory_limit: u64, dir: PathBuf, page_cache: u64) -> Self {
        Spill {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            disk: Disk { dir, written: AtomicU64::new(0), cached: page_cache / CACHED_SHARE },
            memory_limit,
            memory: AtomicU64::new(0),
        }
    }

    /// True if a chunk of this length may stay in memory, which it then takes.
    fn take_memory(&self, len: u64) -> bool {
        let fits = self.memory.fetch_add(len, Relaxed).saturating_add(len) <= self.memory_limit;
        if !fits {
            self.memory.fetch_sub(len, Relaxed);
        }
        fits
    }

    /// Takes the chunk of a writer, and leaves the writer empty.
    pub fn push(&self, number: usize, writer: &mut ChunkWriter) -> Result<(), Error> {
        let (data, records) = writer.finish();
        let len = data.len() as u64;
        let mut slot = self.partitions[number].lock();
        let (partition, file) = &mut *slot;
        partition.records += records;
        partition.bytes += len;
        if self.take_memory(len) {
            if data.capacity() > data.len() + data.len() / 16 {
                data.shrink_to_fit();
            }
            partition.chunks.push(std::mem::take(data));
            return Ok(());
        }
        temp_file(&self.disk, file)?.append_short(&self.disk, partition, data)?;
        data.clear();
        Ok(())
    }

    /// Takes a long record, whose chunk has `len` bytes. `fill` is called as by [`SpillFile::append`].
    pub fn push_long(
        &self,
        number: usize,
        key_len: usize,
        len: u64,
        mut fill: impl FnMut(u64, &mut Buffer) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut slot = self.partitions[number].lock();
        let (partition, file) = &mut *slot;
        partition.records += 1;
        partition.bytes += Long::front_len(key_len, len);
        if self.take_memory(len) {
            let mut whole = Buffer::new(len as usize);
            fill(0, &mut whole).map_err(self.disk.failed(READ))?;
            let long = Long::new(whole, len, None).ok_or_else(|| self.disk.damaged())?;
            partition.long.push(Arc::new(long));
            return Ok(());
        }
        temp_file(&self.disk, file)?.append(&self.disk, partition, len, fill)
    }

    /// Counts memory that something else holds, until [`Self::release`].
    pub fn reserve(&self, len: u64) {
        self.memory.fetch_add(len, Relaxed);
    }

    /// Memory that [`Self::reserve`] counted is free.
    pub fn release(&self, len: u64) {
        self.memory.fetch_sub(len, Relaxed);
    }

    /// Hands out all partitions, and where their files are. Dropping one frees its disk space.
    pub fn into_partitions(self) -> (Vec<Arc<Partition>>, Disk) {
        (self.partitions.into_iter().map(|one| Arc::new(one.into_inner().0)).collect(), self.disk)
    }
}

/// Frees the disk space of a range of a file, where the file system can.
pub(crate) fn free(file: &File, range: Range<u64>) {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let _ = fallocate(file, flags, range.start, range.end - range.start);
}

fn temp_file<'f>(disk: &Disk, file: &'f mut Option<SpillFile>) -> Result<&'f mut SpillFile, Error> {
    if file.is_none() {
        *file = Some(SpillFile::create(disk)?);
    }
    file.as_mut().ok_or(Error::Cancelled)
}
