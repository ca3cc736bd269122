//! The whole check: what is to be done, by how many threads, and which fault is named.

use crate::{
    Error, ReadAt,
    cell::{CellChecker, Totals},
    findings::Findings,
    read::{Window, read_array},
    structure,
    sums::{ChunkChecker, check_metadata, check_padding, check_sums_digest},
};
use hashlith_format::{CELL_LEN, Header, checksum::chunk_count, header::chunk_span};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// How to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many threads work; 0 is taken as 1. The default is one for each processor.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: thread::available_parallelism().map_or(1, usize::from) }
    }
}

/// How far a check is, for another thread to look at, and the way to end it early.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the file that are checked.
    pub done: AtomicU64,
    /// Length of the file in bytes; 0 until it is known.
    pub total: AtomicU64,
    /// Set this, and the check ends soon with [`Error::Cancelled`].
    pub cancel: AtomicBool,
}

/// What a file holds that was found to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Number of keys, each of which was looked up.
    pub keys: u64,
    /// Number of cells.
    pub cells: u64,
    /// Length of the file in bytes, each of which was checked.
    pub bytes: u64,
    /// The header.
    pub header: Header,
}

/// Checks everything that `spec.md` section 9 asks of a verifier: R1 to R16 and V1 to V9.
///
/// The header is checked first (R1 to R14, in their order), then the digest of the sums, then everything else, of
/// which a chunk that does not match its sum is named before all, then the fault with the lowest offset, however many
/// threads there are.
///
/// Memory: for each thread about 1.5 MiB. A JSON value takes one byte more for each level of nesting.
///
/// # Errors
/// [`Error::Fault`] when the file breaks a rule, [`Error::Io`] when it cannot be read, [`Error::Memory`] when the
/// memory does not suffice, and [`Error::Cancelled`].
pub fn verify<R: ReadAt + ?Sized>(file: &R, options: &Options, progress: &Progress) -> Result<Report, Error> {
    progress.total.store(file.len().unwrap_or(0), Ordering::Relaxed);
    verify_file(file, options, progress)
}

/// One file of those whose bytes [`Progress`] counts.
pub(crate) fn verify_file<R: ReadAt + ?Sized>(
    file: &R,
    options: &Options,
    progress: &Progress,
) -> Result<Report, Error> {
    let header = structure::open(file)?;

    let mut window = Window::new(file, progress);
    check_sums_digest(&mut window, &header)?;
    // All that has no sum: the header, and the sums themselves.
    progress.done.fetch_add(header.file_len() - sums_cover(&header), Ordering::Relaxed);

    let findings = Findings::new();
    for result in [check_padding(&mut window, &header), check_metadata(file, &header)] {
        result.unwrap_or_else(|error| findings.report(error));
    }
    let queue = Queue::new(file, &header, &findings);
    let joined = Joined::default();
    let work = || work(&queue, &joined, progress);
    thread::scope(|scope| {
        for _ in 1..options.threads {
            // One thread is enough for an answer: when the system gives no more, this one does it all.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    joined.check(&header, &findings);
    findings.into_result()?;
    Ok(Report { keys: header.keys, cells: header.cells, bytes: header.file_len(), header })
}

/// How many bytes of the file have a sum.
fn sums_cover(header: &Header) -> u64 {
    header.sections.sums.offset - header.sections.pool.offset
}

/// What each thread does: takes work until there is none that could still change the answer.
fn work<R: ReadAt + ?Sized>(queue: &Queue<R>, joined: &Joined, progress: &Progress) {
    let Queue { file, header, findings, .. } = *queue;
    let mut chunks = ChunkChecker::new(file, header, progress);
    let mut cells = CellChecker::new(file, header, findings, progress);
    while let Some(part) = queue.next() {
        if findings.chunks_settled(chunk_span(part.chunks.start, header.sections.sums.offset).offset) {
            return;
        }
        // The sums go first: then the records come out of the page cache, and the disk is read once.
        chunks.check(part.chunks).unwrap_or_else(|error| findings.report(error));
        match cells.check(part.cells.clone(), part.records_end) {
            Ok(totals) => joined.add(part.cells, totals, findings),
            Err(error) => findings.report(error),
        }
    }
}

/// A part of the work: cells that follow one another, and about the chunks that begin within their records.
struct Part {
    chunks: Range<u64>,
    cells: Range<u64>,
    /// Where the records of the cells should end, from the beginning of the file.
    records_end: u64,
}

/// Hands out the parts in file order. They do not depend on the number of threads.
struct Queue<'a, R: ?Sized> {
    file: &'a R,
    header: &'a Header,
    findings: &'a Findings,
    /// So many cells make a part.
    cells: u64,
    /// The next cell and the next chunk.
    next: Mutex<(u64, u64)>,
}

impl<'a, R: ReadAt + ?Sized> Queue<'a, R> {
    /// About so many bytes of records make a part, or so many cells.
    const BYTES: u64 = 1 << 20;
    const CELLS: u64 = 1024;
    /// So many chunks behind the pool make a part.
    const CHUNKS: u64 = 16;

    fn new(file: &'a R, header: &'a Header, findings: &'a Findings) -> Self {
        let per_cell = header.sections.pool.len / header.cells + 1;
        let cells = (Self::BYTES / per_cell).clamp(1, Self::CELLS);
        Queue { file, header, findings, cells, next: Mutex::new((0, 0)) }
    }

    fn next(&self) -> Option<Part> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let (cell, chunk) = *next;
        let cells = cell..self.header.cells.min(cell.saturating_add(self.cells));
        let records_end = self.pool_start(cells.end);
        let end = if cells.is_empty() {
            chunk_count(self.header.sections.sums.offset).min(chunk + Self::CHUNKS)
        } else {
            // The last cell takes no chunk that begins behind the pool: those are parts of their own.
            chunk_count(records_end).max(chunk)
        };
        *next = (cells.end, end);
        (!cells.is_empty() || chunk < end).then_some(Part { chunks: chunk..end, cells, records_end })
    }

    /// Where the records of a cell begin, from the beginning of the file, if that is within the pool; for C, where the
    /// pool ends. It need not be right: it only says which chunks to check when.
    fn pool_start(&self, cell: u64) -> u64 {
        let pool = self.header.sections.pool;
        if cell >= self.header.cells {
            return pool.end();
        }
        let start = read_array(self.file, self.header.sections.hot.offset + cell * CELL_LEN + 6);
        let [a, b, c, d, e, f] = start.unwrap_or_else(|error| {
            self.findings.report(error);
            [0; 6]
        });
        pool.end().min(pool.offset + u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

/// What the parts add up to.
#[derive(Default)]
struct Joined(Mutex<Sum>);

#[derive(Default)]
struct Sum {
    /// The cells below this are in `totals`.
    end: u64,
    totals: Totals,
    /// By their first cell, parts that came before one that is in front of them.
    waiting: BTreeMap<u64, (u64, Totals)>,
}

impl Joined {
    fn add(&self, cells: Range<u64>, totals: Totals, findings: &Findings) {
        if cells.is_empty() {
            return;
        }
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = &mut *sum;
        sum.waiting.insert(cells.start, (cells.end, totals));
        while let Some((end, totals)) = sum.waiting.remove(&sum.end) {
            sum.totals.join(&totals, findings);
            sum.end = end;
        }
    }

    /// Checks the whole, if all of it is there: else a chunk is at fault, which is named before all.
    fn check(self, header: &Header, findings: &Findings) {
        let sum = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if sum.end == header.cells {
            sum.totals.check(header, findings);
        }
    }
}
