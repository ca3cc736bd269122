//! Reading many sources with many workers.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hashlith_feedback::{Progress, Unit};
use parking_lot::Mutex;

#[cfg(feature = "arrow")]
use crate::arrow;
use crate::block::{Block, BlockFormat, Scratch};
use crate::error::ReadError;
use crate::feed::{Feed, Work};
use crate::format::Format;
use crate::options::ReadOptions;
use crate::outlet::{Outlet, Shared};
use crate::sink::{Sink, Summary};
use crate::sources::Sources;
#[cfg(feature = "sqlite")]
use crate::sqlite;
use crate::stop::Stop;
use crate::{cdbmake, delimited, document, jsonl, pickle};

/// Reads all records of all sources with at most `threads` workers, each with its own sink, and returns the sinks. The
/// calling thread is one of the workers.
///
/// All workers share one file, block by block or row group by row group; but a pickle, an Arrow file or a database is read by one worker. Fewer workers than `threads` are
/// started if there is no work for more. The formats are those of `sources`: [`ReadOptions::format`] has no effect here.
///
/// Raw (compressed) bytes are counted in `progress`; records are not, so that a sink can count them when it is done
/// with them. [`Progress::cancel`] ends the reading with [`Error::Cancelled`](crate::Error::Cancelled). It is checked many times per millisecond,
/// but a read that waits for a pipe's writer ends only when the writer writes.
///
/// ```
/// use std::convert::Infallible;
/// use hashlith_inputs::{Format, ReadOptions, Sink, Source, Sources, read};
/// use hashlith_feedback::{Progress, Unit};
///
/// #[derive(Default)]
/// struct Longest(Vec<u8>);
///
/// impl Sink for Longest {
///     type Error = Infallible;
///
///     fn record(&mut self, _source: u32, _position: u64, _key: &[u8], value: &[u8]) -> Result<(), Infallible> {
///         if value.len() > self.0.len() {
///             self.0 = value.to_vec();
///         }
///         Ok(())
///     }
/// }
///
/// let options = ReadOptions { format: Some(Format::Jsonl), ..ReadOptions::default() };
/// let lines = Source::Memory { name: "lines".into(), bytes: b"[\"a\", \"one\"]\n[\"b\", \"three\"]\n"[..].into() };
/// let (sources, progress) = (Sources::new(vec![lines], &options)?, Progress::new());
/// let (summary, sinks) = read(&sources, &options, 2, Longest::default, &progress)?;
/// assert_eq!((summary.records, summary.skipped), (2, 0));
/// assert_eq!(progress.done(Unit::Bytes), 28);
/// assert_eq!(sinks.iter().map(|sink| sink.0.len()).max(), Some(5));
/// # Ok::<(), hashlith_inputs::Error>(())
/// ```
///
/// # Errors
/// See [`ReadError`]. If several workers fail, the error that is earliest in the order of the input is returned. Sinks have
/// then taken an unspecified part of the records.
///
/// # Panics
/// If a sink or `new_sink` panics, after the other workers have ended.
pub fn read<S: Sink>(
    sources: &Sources,
    options: &ReadOptions,
    threads: usize,
    new_sink: impl Fn() -> S + Sync,
    progress: &Progress,
) -> Result<(Summary, Vec<S>), ReadError<S::Error>> {
    let bytes_before = progress.done(Unit::Bytes);
    let shared = Shared::new(progress, sources, options.on_error);
    let feed = Mutex::new(Feed::new(sources, options, progress));
    let only_whole =
        sources.iter().all(|(_, format)| matches!(format, Format::Pickle | Format::Arrow | Format::Sqlite));
    let workers = threads.clamp(1, if only_whole { sources.len() } else { usize::MAX });

    let ends = thread::scope(|scope| {
        let (shared, feed) = (&shared, &feed);
        let spawn = |_| {
            let sink = new_sink();
            thread::Builder::new().spawn_scoped(scope, move || work(feed, shared, options, sink))
        };
        // If the system gives no more threads, fewer do the work.
        let handles: Vec<_> = (1..workers).map_while(|number| spawn(number).ok()).collect();
        let mut ends = vec![work(feed, shared, options, new_sink())];
        // All are joined before a panic goes on: a scope would replace it by its own.
        let others: Vec<_> = handles.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ends.extend(others.into_iter().map(|end| end.unwrap_or_else(|panic| resume_unwind(panic))));
        ends
    });
    let notes = feed.into_inner().notes;

    let (skipped, first_skipped) = shared.finish()?;
    let summary = Summary {
        records: ends.iter().map(|(records, _)| records).sum(),
        bytes: progress.done(Unit::Bytes).saturating_sub(bytes_before),
        skipped,
        first_skipped,
        notes,
    };
    Ok((summary, ends.into_iter().map(|(_, sink)| sink).collect()))
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

/// What one worker does. Returns how many records its sink took, and the sink.
fn work<'a, S: Sink>(
    feed: &Mutex<Feed<'a>>,
    shared: &Shared<'a, S::Error>,
    options: &'a ReadOptions,
    sink: S,
) -> (u64, S) {
    let _guard = StopOnPanic(&shared.stopped);
    let mut outlet = Outlet::new(sink, shared);
    let mut block = Block::new(&shared.long);
    while !shared.must_stop() && !shared.winding_down.load(Ordering::Relaxed) {
        let next = feed.lock().next(&mut block);
        let (source, start, end) = match next {
            Ok(Work::Done) => break,
            Ok(Work::Block) => {
                outlet.source = block.source;
                let mut scratch = std::mem::take(&mut block.buffers().scratch);
                let end = parse(&block, options, &mut outlet, &mut scratch);
                block.buffers().scratch = scratch;
                block.release();
                (block.source, block.start, end)
            }
            Ok(Work::Pickle(number, source)) => {
                outlet.source = number;
                (number, 0, pickle::read_source(source, options, &mut outlet))
            }
            #[cfg(feature = "arrow")]
            Ok(Work::Arrow(number, source)) => {
                outlet.source = number;
                (number, 0, arrow::read_source(source, options, &mut outlet))
            }
            #[cfg(feature = "sqlite")]
            Ok(Work::Sqlite(number, source)) => {
                outlet.source = number;
                (number, 0, sqlite::read_source(source, options, &mut outlet))
            }
            #[cfg(feature = "arrow")]
            Ok(Work::RowGroup(number, group)) => {
                outlet.source = number;
                (number, group.first, group.read(&mut outlet))
            }
            Err((source, stop)) => {
                block.release();
                (source, 0, Err(stop.for_sink()))
            }
        };
        if let Err(stop) = end {
            shared.report(source, start, stop);
        }
    }
    (outlet.records, outlet.sink)
}

fn parse<S: Sink>(
    block: &Block<'_>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    scratch: &mut Scratch,
) -> Result<(), Stop<S::Error>> {
    match block.format {
        BlockFormat::Delimited => delimited::parse(block, options, outlet, scratch),
        BlockFormat::JsonArray | BlockFormat::JsonObject => document::parse(block, options, outlet),
        BlockFormat::Jsonl => jsonl::parse(block, options, outlet),
        BlockFormat::Cdbmake => cdbmake::parse(block, options, outlet),
        BlockFormat::Cdb(cdb) => cdbmake::parse_binary(block, cdb, options, outlet),
    }
}
