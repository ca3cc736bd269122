//! The whole check: divides the work among threads, and joins what they find.

use crate::{
    cell::{CellChecker, Totals},
    coded::Codes,
    error::Error,
    findings::Findings,
    read::{ReadAt, Window, read_array, read_codes, read_header},
    records::SharedRecords,
    sums::{ChunkChecker, check_extension, check_metadata, check_padding, check_sums_digest, check_tables},
};
use hashlith_feedback::{Phase, Progress, Unit};
use hashlith_format::{
    CELL_LEN, Header, PAGE,
    checksum::{chunk_count, chunk_span},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, ops::Range, thread};

/// How to check.
///
/// ```
/// use hashlith_checker::Options;
///
/// // As gentle to other programs as a check can be.
/// let options = Options { threads: 1 };
/// assert!(options.threads <= Options::default().threads);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of threads; 0 means 1. The default is one for each processor.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: thread::available_parallelism().map_or(1, usize::from) }
    }
}

/// What a sound index holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Number of keys. Each was looked up.
    pub keys: u64,
    /// Number of cells.
    pub cells: u64,
    /// Length of the file in bytes, or of all files of a set. Each byte was checked.
    pub bytes: u64,
    /// The header; of a set, that of part 0.
    pub header: Header,
}

/// Checks everything that `spec.md` section 9 asks of a verifier: R1 to R19, except R17, and V1 to V14.
///
/// The header is checked first (R1 to R14 and R18, in this order), then the digest of the sums, then everything else. One fault is
/// reported, and it does not depend on the number of threads: the first chunk that does not match its sum, or else the
/// fault with the lowest offset.
///
/// `progress` counts the bytes of the file, in the phase [`Phase::Checking`].
///
/// Memory: about 1.5 MiB per thread, and the token tables. A JSON value takes one more byte for each level of nesting.
///
/// ```
/// use hashlith_checker::{Options, Progress, verify};
/// use std::fs::File;
///
/// let file = File::open("tests/colours.hlith")?;
/// let report = verify(&file, &Options::default(), &Progress::new())?;
/// assert_eq!((report.keys, report.bytes), (2, 12_296));
///
/// let mut damaged = std::fs::read("tests/colours.hlith")?;
/// damaged[4100] ^= 1;
/// let error = verify(&damaged, &Options::default(), &Progress::new()).unwrap_err();
/// assert_eq!(error.offset(), Some(4096), "the chunk of that byte");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Fault`] if the file breaks a rule, [`Error::Io`] if it cannot be read, [`Error::Memory`] if the memory does
/// not suffice, and [`Error::Cancelled`].
pub fn verify<R: ReadAt + ?Sized>(file: &R, options: &Options, progress: &Progress) -> Result<Report, Error> {
    progress.enter(Phase::Checking, Unit::Bytes, Some(file.len().unwrap_or(0)));
    verify_file(file, options, progress)
}

/// Verifies one of several files: as [`verify`], within a phase of `progress` that the caller has begun.
///
/// # Errors
/// As [`verify`].
pub fn verify_file<R: ReadAt + ?Sized>(
    file: &R,
    options: &Options,
    progress: &Progress,
) -> Result<Report, Error> {
    let header = read_header(file)?;
    let codes = read_codes(file, &header)?;

    let mut window = Window::new(file, progress);
    check_sums_digest(&mut window, &header)?;
    // The bytes without a sum: the header, and the sums themselves.
    progress.add(Unit::Bytes, header.file_len() - sums_cover(&header));

    let findings = Findings::new();
    for result in [
        check_padding(&mut window, &header),
        check_tables(&header, &codes),
        check_metadata(file, &header),
        check_extension(&header),
    ] {
        result.unwrap_or_else(|error| findings.report(error));
    }
    let shared = header.shared_records.then(|| SharedRecords::read(window, &header, &codes, &findings));
    let queue = Queue::new(file, &header, &codes, shared.as_ref(), &findings);
    let joined = Joined::default();
    let work = || work(&queue, &joined, progress);
    thread::scope(|scope| {
        for _ in 1..options.threads {
            // If the system gives no more threads, this one does all the work.
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
    header.sections.sums.offset - PAGE
}

/// What each thread does: takes tasks until none is left that could change the answer.
fn work<R: ReadAt + ?Sized>(queue: &Queue<R>, joined: &Joined, progress: &Progress) {
    let Queue { file, header, codes, shared, findings, .. } = *queue;
    let mut chunks = ChunkChecker::new(file, header, progress);
    let mut cells = CellChecker::new(file, header, codes, shared, findings, progress);
    while let Some(task) = queue.next() {
        if findings.chunks_settled(chunk_span(task.chunks.start, header.sections.sums.offset).offset) {
            return;
        }
        // Sums first: the records then come out of the page cache, and the disk is read once.
        chunks.check(task.chunks).unwrap_or_else(|error| findings.report(error));
        match cells.check(task.cells.clone(), task.records_end) {
            Ok(totals) => joined.add(task.cells, totals, findings),
            Err(error) => findings.report(error),
        }
    }
}

/// One task: a range of cells, and roughly the chunks that begin within their records.
struct Task {
    chunks: Range<u64>,
    cells: Range<u64>,
    /// Where the records of the cells should end, from the beginning of the file.
    records_end: u64,
}

/// Hands out the tasks in file order. They do not depend on the number of threads.
struct Queue<'a, R: ?Sized> {
    file: &'a R,
    header: &'a Header,
    codes: &'a Codes,
    shared: Option<&'a SharedRecords>,
    findings: &'a Findings,
    /// How many cells make a task.
    cells: u64,
    /// The next cell and the next chunk.
    next: Mutex<(u64, u64)>,
}

impl<'a, R: ReadAt + ?Sized> Queue<'a, R> {
    /// How many bytes of records make a task, roughly.
    const BYTES: u64 = 1 << 20;
    /// Most cells of a task.
    const CELLS: u64 = 1024;
    /// How many chunks behind the pool make a task.
    const CHUNKS: u64 = 16;

    fn new(
        file: &'a R,
        header: &'a Header,
        codes: &'a Codes,
        shared: Option<&'a SharedRecords>,
        findings: &'a Findings,
    ) -> Self {
        let per_cell = header.sections.pool.len / header.cells + 1;
        let cells = (Self::BYTES / per_cell).clamp(1, Self::CELLS);
        Queue { file, header, codes, shared, findings, cells, next: Mutex::new((0, 0)) }
    }

    fn next(&self) -> Option<Task> {
        let mut next = self.next.lock();
        let (cell, chunk) = *next;
        let records = self.header.sections.pool.offset;
        let values = chunk_count(records);
        if chunk < values {
            next.1 = values.min(chunk + Self::CHUNKS);
            return Some(Task { chunks: chunk..next.1, cells: cell..cell, records_end: records });
        }
        let cells = cell..self.header.cells.min(cell.saturating_add(self.cells));
        let records_end = self.pool_start(cells.end);
        let end = if cells.is_empty() {
            chunk_count(self.header.sections.sums.offset).min(chunk + Self::CHUNKS)
        } else {
            // Not the chunks that begin behind the pool: those are tasks of their own.
            chunk_count(records_end).max(chunk)
        };
        *next = (cells.end, end);
        (!cells.is_empty() || chunk < end).then_some(Task { chunks: chunk..end, cells, records_end })
    }

    /// Where the records of a cell begin, from the beginning of the file, but not behind the pool; for cell C, the end of
    /// the pool. May be wrong in a damaged file: it only decides which chunks are checked when.
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

/// The totals of all tasks.
#[derive(Default)]
struct Joined(Mutex<Sum>);

#[derive(Default)]
struct Sum {
    /// All cells below this one are in `totals`.
    end: u64,
    totals: Totals,
    /// Tasks that ended before one in front of them, by their first cell.
    waiting: BTreeMap<u64, (u64, Totals)>,
}

impl Joined {
    fn add(&self, cells: Range<u64>, totals: Totals, findings: &Findings) {
        if cells.is_empty() {
            return;
        }
        let mut sum = self.0.lock();
        let sum = &mut *sum;
        sum.waiting.insert(cells.start, (cells.end, totals));
        while let Some((end, totals)) = sum.waiting.remove(&sum.end) {
            sum.totals.join(&totals, findings);
            sum.end = end;
        }
    }

    /// Checks the totals, if they are complete. If not, a chunk is at fault, and that is reported before all else.
    fn check(self, header: &Header, findings: &Findings) {
        let sum = self.0.into_inner();
        if sum.end == header.cells {
            sum.totals.check(header, findings);
        }
    }
}
