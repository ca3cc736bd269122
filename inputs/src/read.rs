//! Reading many sources with many workers.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::Error;
use crate::feed::{Block, Feed, Work};
use crate::options::{Format, Options};
use crate::outlet::{Outlet, Shared};
use crate::source::{Source, check_sources};
use crate::{cdbmake, csv, jsonl, pickle, tsv};

/// Takes records. Every worker has a sink of its own.
pub trait Sink: Send {
    /// Why the sink could not take a record.
    type Error: Send;

    /// Takes one record.
    ///
    /// `source` is the place of the record's source in the slice given to [`read`], from 0. `position` is the
    /// record's byte offset in the decompressed source: within one source it grows from record to record in the
    /// order of the input, so that (`source`, `position`) settles which of two records came first, whichever
    /// workers read them. One sink gets the records of one source in rising order, but not all of them, and may
    /// get sources interleaved.
    ///
    /// # Errors
    /// An error ends the reading.
    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;
}

/// What a reading shares with the thread that shows progress or cancels.
#[derive(Debug, Default)]
pub struct Watch {
    /// Raw (compressed) bytes read from the sources so far.
    pub bytes_done: AtomicU64,
    /// Records handed to sinks so far.
    pub records: AtomicU64,
    /// Set it to end the reading with [`Error::Cancelled`]. It is looked at many times a millisecond, but a read
    /// that waits for a pipe's writer ends only when the writer writes.
    pub cancel: AtomicBool,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Records handed to sinks.
    pub records: u64,
    /// Raw (compressed) bytes read.
    pub bytes: u64,
    /// Bad rows left out; 0 unless [`OnError::Skip`](crate::OnError::Skip) was chosen.
    pub skipped: u64,
    /// The messages of the first (up to 10) skipped rows in input order.
    pub first_skipped: Vec<String>,
}

/// Reads all records of all sources with up to `threads` workers, the calling thread among them, each with its own sink,
/// and gives the sinks back.
///
/// One file of a line format is shared by all workers; a pickle is read by one. Fewer workers than `threads` are
/// started when there is nothing for more to do.
///
/// # Errors
/// See [`Error`]. When several workers meet errors, the one earliest in the order of the input is returned; sinks
/// have then taken an unspecified part of the records.
///
/// # Panics
/// A panic of a sink or of `new_sink` is passed on after the other workers have ended.
pub fn read<S: Sink>(
    sources: &[Source],
    options: &Options,
    threads: usize,
    new_sink: impl Fn() -> S + Sync,
    watch: &Watch,
) -> Result<(Summary, Vec<S>), Error<S::Error>> {
    let formats = check_sources(sources, options).map_err(Error::widen)?;
    let bytes_before = watch.bytes_done.load(Ordering::Relaxed);
    let names = sources.iter().map(Source::name).collect();
    let shared = Shared::new(watch, names, &formats, options.on_error);
    let feed = Mutex::new(Feed::new(sources, &formats, options, watch));
    let only_pickles = formats.iter().all(|&format| format == Format::Pickle);
    let workers = threads.clamp(1, if only_pickles { sources.len() } else { usize::MAX });

    let sinks = thread::scope(|scope| {
        let (shared, feed) = (&shared, &feed);
        let spawn = |_| {
            let sink = new_sink();
            thread::Builder::new().spawn_scoped(scope, move || work(feed, shared, sources, options, sink))
        };
        // This thread is one of the workers. When the system gives no more threads, fewer do the work.
        let handles: Vec<_> = (1..workers).map_while(|number| spawn(number).ok()).collect();
        let mut sinks = vec![work(feed, shared, sources, options, new_sink())];
        // All are joined before a panic goes on, which a scope would replace by one of its own.
        let ends: Vec<_> = handles.into_iter().map(thread::ScopedJoinHandle::join).collect();
        sinks.extend(ends.into_iter().map(|end| end.unwrap_or_else(|panic| resume_unwind(panic))));
        sinks
    });
    drop(feed);

    let mut summary = Summary {
        records: shared.records.load(Ordering::Relaxed),
        bytes: watch.bytes_done.load(Ordering::Relaxed) - bytes_before,
        skipped: shared.skipped.load(Ordering::Relaxed),
        first_skipped: Vec::new(),
    };
    let (error, messages) = shared.finish();
    summary.first_skipped = messages;
    match error {
        Some(error) => Err(error),
        None => Ok((summary, sinks)),
    }
}

/// Stops the other workers if this one panics.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// What one worker does.
fn work<'a, S: Sink>(
    feed: &Mutex<Feed<'a>>,
    shared: &Shared<'a, S::Error>,
    sources: &'a [Source],
    options: &Options,
    sink: S,
) -> S {
    let _guard = StopOnPanic(&shared.halted);
    let mut outlet = Outlet::new(sink, shared);
    let mut block = Block::default();
    let mut scratch = Scratch::default();
    while !shared.must_stop() && !shared.winding_down.load(Ordering::Relaxed) {
        let next = feed.lock().unwrap_or_else(PoisonError::into_inner).next(&mut block);
        let (source, start, end) = match next {
            Ok(Work::Nothing) => break,
            Ok(Work::Block) => {
                outlet.source = block.source;
                (block.source, block.start, parse(&block, options, &mut outlet, &mut scratch))
            }
            Ok(Work::Pickle(source)) => {
                outlet.source = source;
                (source, 0, pickle::read_source(&sources[source as usize], options, &mut outlet))
            }
            Err((source, halt)) => (source, 0, Err(halt.for_sink())),
        };
        if let Err(halt) = end {
            shared.report(source, start, halt);
        }
    }
    outlet.flush_counts();
    outlet.sink
}

/// Buffers that live as long as a worker.
#[derive(Default)]
pub(crate) struct Scratch {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub ends: Vec<usize>,
}

fn parse<S: Sink>(
    block: &Block,
    options: &Options,
    outlet: &mut Outlet<'_, S>,
    scratch: &mut Scratch,
) -> Result<(), crate::error::Halt<S::Error>> {
    match block.format {
        Format::Csv => csv::parse(block, options, outlet, scratch),
        Format::Jsonl => jsonl::parse(block, options, outlet),
        Format::Cdbmake => cdbmake::parse(block, options, outlet),
        Format::Tsv | Format::Pickle => tsv::parse(block, options, outlet, scratch),
    }
}
