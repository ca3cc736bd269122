//! Where parsed records leave a worker: counting, cancelling, and what happens to bad rows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashlith_feedback::Progress;
use parking_lot::Mutex;

use crate::bad_row::{BadRow, Reason};
use crate::block::{Block, Buffers};
use crate::error::{Error, ReadError};
use crate::format::Format;
use crate::options::OnError;
use crate::sink::{Sink, Skipped};
use crate::sources::Sources;
use crate::stop::Stop;

/// How many skipped rows are described.
const DESCRIBED: usize = 10;

/// What all workers of one reading share.
pub(crate) struct Shared<'a, E> {
    pub progress: &'a Progress,
    pub sources: &'a Sources,
    /// For long records: all workers share these buffers, so that they take the memory of one, not of one per worker.
    pub long: Mutex<Buffers>,
    on_error: OnError,
    /// All workers end at once.
    pub stopped: AtomicBool,
    /// No new work is handed out; blocks in hand are finished, so that the earliest bad row is the reported one.
    pub winding_down: AtomicBool,
    cancelled: AtomicBool,
    skipped: AtomicU64,
    /// The first skipped rows, by source and offset.
    first_skipped: Mutex<BTreeMap<(u32, u64), Skipped>>,
    /// The earliest error, with its source and offset.
    earliest: Mutex<Option<(u32, u64, ReadError<E>)>>,
}

impl<'a, E> Shared<'a, E> {
    pub fn new(progress: &'a Progress, sources: &'a Sources, on_error: OnError) -> Self {
        Shared {
            progress,
            sources,
            long: Mutex::default(),
            on_error,
            stopped: AtomicBool::new(false),
            winding_down: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            skipped: AtomicU64::new(0),
            first_skipped: Mutex::new(BTreeMap::new()),
            earliest: Mutex::new(None),
        }
    }

    /// Whether to end at once, because another worker failed or the caller cancelled.
    #[inline]
    pub fn must_stop(&self) -> bool {
        if self.progress.is_cancelled() {
            self.cancelled.store(true, Ordering::Relaxed);
            return true;
        }
        self.stopped.load(Ordering::Relaxed)
    }

    fn name(&self, source: u32) -> String {
        self.sources.get(source).map_or_else(String::new, |(source, _)| source.name())
    }

    fn located(&self, row: BadRow, source: u32) -> Skipped {
        let format = self.sources.get(source).map_or(Format::Pickle, |(_, format)| format);
        row.of_source(source, self.name(source), format)
    }

    /// Keeps the error if it is the earliest in the order of the input, and stops the others.
    pub fn report(&self, source: u32, at: u64, stop: Stop<E>) {
        let (at, error, at_once) = match stop {
            Stop::Asked => return,
            Stop::Sink(error) => (at, ReadError::Sink(error), true),
            Stop::Io(at, error) => (at, Error::from_io(self.name(source), error).into(), false),
            Stop::BadRow(row) => (row.at, Error::bad(self.located(row, source)).into(), false),
        };
        let mut earliest = self.earliest.lock();
        if earliest.as_ref().is_none_or(|(s, p, _)| (source, at) < (*s, *p)) {
            *earliest = Some((source, at, error));
        }
        drop(earliest);
        self.winding_down.store(true, Ordering::Relaxed);
        if at_once {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// How many rows were skipped, and the first of them in input order.
    ///
    /// # Errors
    /// The error of the reading, if there is one.
    pub fn finish(self) -> Result<(u64, Vec<Skipped>), ReadError<E>> {
        let skipped = self.skipped.into_inner();
        let first = self.first_skipped.into_inner().into_values().collect();
        if let Some((_, _, error)) = self.earliest.into_inner() {
            return Err(error);
        }
        if let OnError::Skip { max_errors: Some(limit) } = self.on_error
            && skipped > limit
        {
            return Err(Error::TooManyErrors { limit, first }.into());
        }
        if self.cancelled.into_inner() { Err(Error::Cancelled.into()) } else { Ok((skipped, first)) }
    }
}

/// One worker's way out for records.
pub(crate) struct Outlet<'a, S: Sink> {
    pub sink: S,
    pub shared: &'a Shared<'a, S::Error>,
    /// The source of the records.
    pub source: u32,
    /// Records that the sink took.
    pub records: u64,
}

impl<'a, S: Sink> Outlet<'a, S> {
    pub fn new(sink: S, shared: &'a Shared<'a, S::Error>) -> Self {
        Outlet { sink, shared, source: 0, records: 0 }
    }

    /// Gives one record to the sink.
    #[inline]
    pub fn record(&mut self, position: u64, key: &[u8], value: &[u8]) -> Result<(), Stop<S::Error>> {
        self.sink.record(self.source, position, key, value).map_err(Stop::Sink)?;
        self.records += 1;
        if self.records.is_multiple_of(16) {
            self.pause()?;
        }
        Ok(())
    }

    /// Gives the row at this offset of a block to the sink, or says what is wrong with it.
    #[inline]
    pub fn row(
        &mut self,
        block: &Block<'_>,
        at: usize,
        row: Result<(&[u8], &[u8]), Reason>,
    ) -> Result<(), Stop<S::Error>> {
        match row {
            Ok((key, value)) => self.record(block.start + at as u64, key, value),
            Err(reason) => self.bad_row(block.bad_row(at, reason)),
        }
    }

    /// A look at whether to stop.
    #[inline]
    pub fn pause(&self) -> Result<(), Stop<S::Error>> {
        if self.shared.must_stop() { Err(Stop::Asked) } else { Ok(()) }
    }

    /// A row that cannot be a record: an error, or counted and left out, as the caller chose.
    #[cold]
    pub fn bad_row(&mut self, row: BadRow) -> Result<(), Stop<S::Error>> {
        let OnError::Skip { max_errors } = self.shared.on_error else { return Err(Stop::BadRow(row)) };
        let place = (self.source, row.at);
        let skipped = self.shared.skipped.fetch_add(1, Ordering::Relaxed) + 1;
        let mut first = self.shared.first_skipped.lock();
        let late = first.len() >= DESCRIBED && first.last_key_value().is_some_and(|(&last, _)| last < place);
        if !late {
            first.insert(place, self.shared.located(row, self.source));
            if first.len() > DESCRIBED {
                first.pop_last();
            }
        }
        drop(first);
        if max_errors.is_some_and(|most| skipped > most) {
            self.shared.stopped.store(true, Ordering::Relaxed);
            return Err(Stop::Asked);
        }
        self.pause()
    }
}
