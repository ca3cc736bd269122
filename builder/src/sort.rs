//! Sorts the records of a partition within a share of the memory: sorted runs in a temporary file, which are merged.

use crate::{
    Error,
    cell::{RecordRef, bytes_of},
    chunk::{CHUNK_LEN, ChunkWriter, LONG, Long, Place, key_at, parse_head, read_chunk, value_at},
    direct::{self, ALIGN, Buffer},
    load::Group,
    origin::Origin,
    spill::{Chunk, Disk, Partition, READ, SpillFile, free},
};
use hashlith_format::{KeyHash, KeyHasher, record::Lengths};
use std::{cmp::Ordering, fs::File, ops::Range, sync::Arc};

/// Runs that are merged to one.
const FAN: usize = 16;
/// Bytes of the longest chunk of short records.
const LONGEST: usize = CHUNK_LEN + LONG + ALIGN;

/// A record.
pub(crate) struct Row<'a> {
    pub hash: KeyHash,
    pub origin: Origin,
    pub body: Body<'a>,
}

/// The bytes of a record.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Short { bytes: &'a [u8], lengths: Lengths },
    Long(&'a Arc<Long>),
}

impl<'a> Row<'a> {
    fn of(chunks: &'a [Chunk<'a>], record: &RecordRef) -> Self {
        let body = match &chunks[record.chunk as usize] {
            Chunk::Short(_) => {
                let bytes = bytes_of(chunks, record);
                let lengths = Lengths::parse(bytes).unwrap_or(Lengths { head: 0, key: 0, value: 0 });
                Body::Short { bytes, lengths }
            }
            Chunk::Long(long) => Body::Long(long),
        };
        Row { hash: record.hash, origin: record.origin, body }
    }

    pub fn key(&self) -> &'a [u8] {
        match self.body {
            Body::Short { bytes, lengths } => key_at(bytes, 0, lengths),
            Body::Long(long) => long.key(),
        }
    }

    /// By key, then by origin, in descending order if `last_first`.
    fn order(&self, other: &Self, last_first: bool) -> Ordering {
        // If two records have the same origin, the bytes must not depend on chance either.
        let by_bytes = || match (self.body, other.body) {
            (Body::Long(a), Body::Long(b)) => a.cmp_bytes(b),
            (Body::Short { bytes: a, .. }, Body::Short { bytes: b, .. }) => a.cmp(b),
            (Body::Short { .. }, Body::Long(_)) => Ordering::Less,
            (Body::Long(_), Body::Short { .. }) => Ordering::Greater,
        };
        let by_origin = || {
            let order = self.origin.cmp(&other.origin).then_with(by_bytes);
            if last_first { order.reverse() } else { order }
        };
        self.hash.cmp(&other.hash).then_with(|| self.key().cmp(other.key())).then_with(by_origin)
    }
}

/// How a partition is sorted.
#[derive(Clone, Copy)]
pub(crate) struct Sorting<'s> {
    pub disk: &'s Disk,
    pub hasher: KeyHasher,
    /// Bytes of memory for records.
    pub share: u64,
    /// Of the records of a key, the last one comes first.
    pub last_first: bool,
}

/// Takes the records of a partition.
pub(crate) struct Sorter<'s> {
    sorting: Sorting<'s>,
    group: Group,
    file: Option<SpillFile>,
    /// Runs; those of each level are [`FAN`] times as long as those of the level before it.
    levels: Vec<Vec<Partition>>,
}

impl<'s> Sorter<'s> {
    pub fn new(sorting: Sorting<'s>) -> Self {
        Sorter { sorting, group: Group::default(), file: None, levels: Vec::new() }
    }

    /// Takes the records of a chunk.
    pub fn add(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        let Sorting { disk, hasher, share, .. } = self.sorting;
        match chunk {
            Chunk::Short(chunk) => {
                let read = read_chunk(chunk, |origin, offset, lengths| {
                    let hash = hasher.hash(key_at(chunk, offset, lengths));
                    let len = lengths.total().unwrap_or(0) as usize;
                    self.group.keep(hash, origin, &chunk[offset..offset + len]);
                });
                read.ok_or_else(|| disk.damaged())?;
            }
            Chunk::Long(long) => self.group.keep_long(hasher.hash(long.key()), long),
        }
        if self.group.cost() > share { self.write_group() } else { Ok(()) }
    }

    /// Calls `each` with all records in order.
    pub fn finish(mut self, mut each: impl FnMut(&Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
        if self.levels.is_empty() {
            return sorted(std::mem::take(&mut self.group), self.sorting.last_first, each);
        }
        self.write_group()?;
        let runs: Vec<Partition> = self.levels.drain(..).flatten().collect();
        merge(&runs, self.sorting, &mut each)
    }

    /// Makes a run of the records in memory.
    fn write_group(&mut self) -> Result<(), Error> {
        let group = std::mem::take(&mut self.group);
        let Sorting { disk, last_first, .. } = self.sorting;
        let mut run = Run::begin(&mut self.file, disk)?;
        sorted(group, last_first, |row| run.push(row))?;
        let mut run = run.finish()?;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(run);
            if self.levels[level].len() < FAN {
                break;
            }
            let runs = std::mem::take(&mut self.levels[level]);
            let mut longer = Run::begin(&mut self.file, disk)?;
            merge(&runs, self.sorting, &mut |row| longer.push(row))?;
            run = longer.finish()?;
        }
        Ok(())
    }
}

/// Calls `each` with the records of a group in order.
fn sorted(
    mut group: Group,
    last_first: bool,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut records = std::mem::take(&mut group.records);
    let chunks: Vec<Chunk<'_>> = group.chunks().collect();
    records.sort_unstable_by(|a, b| {
        a.hash.cmp(&b.hash).then_with(|| Row::of(&chunks, a).order(&Row::of(&chunks, b), last_first))
    });
    records.iter().try_for_each(|record| each(&Row::of(&chunks, record)))
}

/// A run that is written.
struct Run<'r> {
    file: &'r mut SpillFile,
    disk: &'r Disk,
    writer: ChunkWriter,
    run: Partition,
}

impl<'r> Run<'r> {
    fn begin(file: &'r mut Option<SpillFile>, disk: &'r Disk) -> Result<Self, Error> {
        let file = match file {
            Some(file) => file,
            None => file.insert(SpillFile::create(disk)?),
        };
        Ok(Run { file, disk, writer: ChunkWriter::default(), run: Partition::default() })
    }

    fn push(&mut self, row: &Row<'_>) -> Result<(), Error> {
        match row.body {
            Body::Short { bytes, lengths } => {
                if self.writer.push(row.origin, key_at(bytes, 0, lengths), value_at(bytes, 0, lengths)) {
                    self.hand_over()?;
                }
            }
            Body::Long(long) => {
                self.hand_over()?;
                let fill = |at, buffer: &mut Buffer| long.read_at(at, buffer);
                self.file.append(self.disk, &mut self.run, long.chunk_len(), fill)?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        if !self.writer.is_empty() {
            let (data, _) = self.writer.finish();
            self.file.append_short(self.disk, &mut self.run, data)?;
            data.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Partition, Error> {
        self.hand_over()?;
        Ok(self.run)
    }
}

/// Calls `each` with the records of all runs in order, and frees their disk space.
fn merge(
    runs: &[Partition],
    sorting: Sorting<'_>,
    each: &mut dyn FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut cursors = Vec::new();
    for run in runs {
        let Some((file, extents)) = run.on_file() else { continue };
        for extent in extents {
            let mut cursor = Cursor {
                sorting,
                file: file.clone(),
                rest: extent.clone(),
                buffer: Buffer::new(LONGEST),
                len: 0,
                place: Place::default(),
                record: (0, Lengths { head: 0, key: 0, value: 0 }),
                long: None,
                hash: sorting.hasher.hash(&[]),
            };
            if cursor.advance()? {
                cursors.push(cursor);
            }
        }
    }
    loop {
        let first =
            (0..cursors.len()).min_by(|&a, &b| cursors[a].row().order(&cursors[b].row(), sorting.last_first));
        let Some(first) = first else { return Ok(()) };
        each(&cursors[first].row())?;
        if !cursors[first].advance()? {
            cursors.swap_remove(first);
        }
    }
}

/// A record of a run, and what follows it.
struct Cursor<'s> {
    sorting: Sorting<'s>,
    file: Arc<File>,
    /// Where the next chunks are.
    rest: Range<u64>,
    /// The chunk of short records, of `len` bytes, and how far it has been read.
    buffer: Buffer,
    len: usize,
    place: Place,
    /// The short record, unless there is a long one.
    record: (usize, Lengths),
    long: Option<Arc<Long>>,
    hash: KeyHash,
}

impl Cursor<'_> {
    fn row(&self) -> Row<'_> {
        match &self.long {
            Some(long) => Row { hash: self.hash, origin: long.origin, body: Body::Long(long) },
            None => {
                let (offset, lengths) = self.record;
                let end = offset + lengths.total().unwrap_or(0) as usize;
                let body = Body::Short { bytes: &self.buffer[offset..end], lengths };
                Row { hash: self.hash, origin: self.place.origin, body }
            }
        }
    }

    /// Goes to the next record; returns false at the end of the run.
    fn advance(&mut self) -> Result<bool, Error> {
        self.long = None;
        if self.place.at >= self.len {
            if self.rest.is_empty() {
                return Ok(false);
            }
            self.read_chunk()?;
        }
        let disk = self.sorting.disk;
        if self.long.is_none() {
            self.record = self.place.step(&self.buffer[..self.len]).ok_or_else(|| disk.damaged())?;
        }
        self.hash = self.sorting.hasher.hash(self.row().key());
        Ok(true)
    }

    fn read_chunk(&mut self) -> Result<(), Error> {
        let (disk, start, left) = (self.sorting.disk, self.rest.start, self.rest.end - self.rest.start);
        let begun = left.min(CHUNK_LEN as u64) as usize;
        self.fill(0..begun)?;
        let head = parse_head(&self.buffer).filter(|head| head.0 <= left);
        let (len, is_long) = head.ok_or_else(|| disk.damaged())?;
        let padded = len.next_multiple_of(ALIGN as u64);
        (self.len, self.place) = (0, Place::default());
        if is_long {
            self.rest.start += padded;
            let long = Long::on_disk(&self.file, start, len).map_err(disk.failed(READ))?;
            self.long = Some(Arc::new(long.ok_or_else(|| disk.damaged())?));
            return Ok(());
        }
        if padded > LONGEST as u64 {
            return Err(disk.damaged());
        }
        if padded as usize > begun {
            self.fill(begun..padded as usize)?;
        }
        self.rest.start += padded;
        free(&self.file, start..self.rest.start);
        self.len = len as usize;
        Ok(())
    }

    /// Reads a part of the chunk that comes next.
    fn fill(&mut self, range: Range<usize>) -> Result<(), Error> {
        let at = self.rest.start + range.start as u64;
        let read = direct::read_exact_at(&self.file, &mut self.buffer[range], at);
        read.map_err(self.sorting.disk.failed(READ))
    }
}
