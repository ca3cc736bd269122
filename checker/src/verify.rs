//! The whole check: what is to be done, by how many threads, and which fault is named.

use crate::{
    Error, ReadAt,
    block::BlockChecker,
    findings::Findings,
    read::Window,
    structure::Structure,
    sums::{ChunkChecker, check_metadata, check_padding, check_sums_digest},
};
use hashlith_format::{Header, checksum::chunk_count, header::chunk_span};
use std::{
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
    /// Number of blocks.
    pub blocks: u64,
    /// Length of the file in bytes, each of which was checked.
    pub bytes: u64,
    /// The header.
    pub header: Header,
}

/// Checks everything that `spec.md` section 9 asks of a verifier: R1 to R22 and V1 to V9.
///
/// The structure is checked first (R1 to R20, in their order), then the digest of the sums, then everything else, of
/// which a chunk that does not match its sum is named before all, then the fault with the lowest offset, however many
/// threads there are. A remap entry that leads out of its block is a fault of
/// that entry (R21), not of the key that needs it.
///
/// Memory: the directory (32 bytes a block), and for each thread about 1 MiB, and the remap and the pilots of a block
/// (less than half a byte a key). A JSON value takes one byte more for each level of nesting.
///
/// # Errors
/// [`Error::Fault`] when the file breaks a rule, [`Error::Io`] when it cannot be read, [`Error::Memory`] when the
/// memory does not suffice, and [`Error::Cancelled`].
pub fn verify<R: ReadAt + ?Sized>(file: &R, options: &Options, progress: &Progress) -> Result<Report, Error> {
    let structure = Structure::open(file)?;
    let header = structure.header;
    progress.total.store(header.file_len(), Ordering::Relaxed);

    let mut window = Window::new(file, progress);
    check_sums_digest(&mut window, &header)?;
    // All that has no sum: the header, and the sums themselves.
    progress.done.store(header.file_len() - sums_cover(&header), Ordering::Relaxed);

    let findings = Findings::new();
    for result in [check_padding(&mut window, &header), check_metadata(file, &header)] {
        result.unwrap_or_else(|error| findings.report(error));
    }
    let queue = Queue::new(&structure);
    let work = || work(file, &structure, &queue, &findings, progress);
    thread::scope(|scope| {
        for _ in 1..options.threads {
            // One thread is enough for an answer: when the system gives no more, this one does it all.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    findings.into_result()?;
    Ok(Report { keys: header.keys, blocks: header.blocks, bytes: header.file_len(), header })
}

/// How many bytes of the file have a sum.
fn sums_cover(header: &Header) -> u64 {
    header.sections.sums.offset - header.sections.pool.offset
}

/// What each thread does: takes work until there is none that could still change the answer.
fn work<R: ReadAt + ?Sized>(
    file: &R,
    structure: &Structure,
    queue: &Queue,
    findings: &Findings,
    progress: &Progress,
) {
    let mut chunks = ChunkChecker::new(file, &structure.header, progress);
    let mut blocks = BlockChecker::new(file, &structure.header, findings, progress);
    while let Some(part) = queue.next() {
        if findings.chunks_settled(part.start) {
            return;
        }
        // The sums go first: then the records come out of the page cache, and the disk is read once.
        chunks.check(part.chunks).unwrap_or_else(|error| findings.report(error));
        for number in part.blocks {
            let Some(view) = structure.block(number) else { continue };
            if !findings.records_settled(view.pool) {
                blocks.check(number, &view).unwrap_or_else(|error| findings.report(error));
            }
        }
    }
}

/// A part of the work: blocks that follow one another, and the chunks that begin within their records.
struct Part {
    /// No record of this part, nor of those after it, begins before.
    start: u64,
    chunks: Range<u64>,
    blocks: Range<u64>,
}

/// Hands out the parts in file order. They do not depend on the number of threads.
struct Queue<'a> {
    structure: &'a Structure,
    /// The next block and the next chunk.
    next: Mutex<(u64, u64)>,
}

impl<'a> Queue<'a> {
    /// So many bytes of records make a part, or so many blocks.
    const BYTES: u64 = 1 << 20;
    const BLOCKS: u64 = 1024;
    /// So many chunks behind the pool make a part.
    const CHUNKS: u64 = 16;

    fn new(structure: &'a Structure) -> Self {
        Queue { structure, next: Mutex::new((0, 0)) }
    }

    fn next(&self) -> Option<Part> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let header = &self.structure.header;
        let (block, chunk) = *next;
        let start = self.structure.pool_start(block);
        if block < header.blocks {
            let mut end = block + 1;
            while end < header.blocks
                && end - block < Self::BLOCKS
                && self.structure.pool_start(end) - start < Self::BYTES
            {
                end += 1;
            }
            // The last block also takes no chunk that begins behind the pool: those are parts of their own.
            *next = (end, chunk_count(self.structure.pool_start(end)));
            return Some(Part { start, chunks: chunk..next.1, blocks: block..end });
        }
        let sums = header.sections.sums.offset;
        let end = chunk_count(sums).min(chunk + Self::CHUNKS);
        next.1 = end;
        let start = chunk_span(chunk, sums).offset;
        (chunk < end).then_some(Part { start, chunks: chunk..end, blocks: 0..0 })
    }
}
