//! Where parsed records leave a worker: counting, cancelling, and what happens to bad rows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Fault, Halt, io_error, place};
use crate::options::{Format, OnError};
use crate::read::{Sink, Watch};

/// How many messages about skipped rows are kept.
const MESSAGES: usize = 10;

/// What all workers of one reading share.
pub(crate) struct Shared<'a, E> {
    pub watch: &'a Watch,
    pub names: Vec<String>,
    pub formats: &'a [Format],
    pub on_error: OnError,
    /// Everybody ends at once.
    pub halted: AtomicBool,
    /// No new work is handed out; blocks in hand are finished, so that the earliest bad row is the one reported.
    pub winding_down: AtomicBool,
    pub cancelled: AtomicBool,
    pub records: AtomicU64,
    pub skipped: AtomicU64,
    messages: Mutex<BTreeMap<(u32, u64), String>>,
    earliest: Mutex<Option<(u32, u64, Error<E>)>>,
}

impl<'a, E> Shared<'a, E> {
    pub fn new(watch: &'a Watch, names: Vec<String>, formats: &'a [Format], on_error: OnError) -> Self {
        Shared {
            watch,
            names,
            formats,
            on_error,
            halted: AtomicBool::new(false),
            winding_down: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            records: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            messages: Mutex::new(BTreeMap::new()),
            earliest: Mutex::new(None),
        }
    }

    /// Whether to end at once, because of somebody else's error or because the caller said so.
    #[inline]
    pub fn must_stop(&self) -> bool {
        if self.watch.cancel.load(Ordering::Relaxed) {
            self.cancelled.store(true, Ordering::Relaxed);
            return true;
        }
        self.halted.load(Ordering::Relaxed)
    }

    /// Keeps the error if it is the earliest in the order of the input, and stops the others.
    pub fn report(&self, source: u32, at: u64, halt: Halt<E>) {
        let name = &self.names[source as usize];
        let (at, error, at_once) = match halt {
            Halt::Stopped => return,
            Halt::Sink(error) => (at, Error::Sink(error), true),
            Halt::Io(at, error) => (at, io_error(name, error), false),
            Halt::Fault(fault) => {
                let place = place(name, source, &fault, self.formats[source as usize]);
                (fault.at, Error::Bad { place, what: fault.what }, false)
            }
        };
        let mut earliest = self.earliest.lock().unwrap_or_else(PoisonError::into_inner);
        if earliest.as_ref().is_none_or(|(s, p, _)| (source, at) < (*s, *p)) {
            *earliest = Some((source, at, error));
        }
        drop(earliest);
        self.winding_down.store(true, Ordering::Relaxed);
        if at_once {
            self.halted.store(true, Ordering::Relaxed);
        }
    }

    /// The error to end with, if any, and the messages about skipped rows, in input order.
    pub fn finish(self) -> (Option<Error<E>>, Vec<String>) {
        let messages = self.messages.into_inner().unwrap_or_else(PoisonError::into_inner);
        let first: Vec<String> = messages.into_values().collect();
        let earliest = self.earliest.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, error)) = earliest {
            return (Some(error), first);
        }
        if let OnError::Skip { max_errors: Some(limit) } = self.on_error
            && self.skipped.into_inner() > limit
        {
            return (Some(Error::TooManyErrors { limit, first }), Vec::new());
        }
        (self.cancelled.into_inner().then_some(Error::Cancelled), first)
    }
}

/// One worker's way out for records.
pub(crate) struct Outlet<'a, S: Sink> {
    pub sink: S,
    pub shared: &'a Shared<'a, S::Error>,
    /// Which source the records come from.
    pub source: u32,
    fresh: u64,
}

impl<'a, S: Sink> Outlet<'a, S> {
    pub fn new(sink: S, shared: &'a Shared<'a, S::Error>) -> Self {
        Outlet { sink, shared, source: 0, fresh: 0 }
    }

    /// Hands one record to the sink.
    #[inline]
    pub fn record(&mut self, position: u64, key: &[u8], value: &[u8]) -> Result<(), Halt<S::Error>> {
        self.sink.record(self.source, position, key, value).map_err(Halt::Sink)?;
        self.fresh += 1;
        if self.fresh.is_multiple_of(16) {
            self.pause()?;
        }
        Ok(())
    }

    #[inline]
    fn pause(&mut self) -> Result<(), Halt<S::Error>> {
        if self.fresh >= 1024 {
            self.flush_counts();
        }
        if self.shared.must_stop() { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// Adds what was counted since the last time to the shared counts.
    pub fn flush_counts(&mut self) {
        self.shared.watch.records.fetch_add(self.fresh, Ordering::Relaxed);
        self.shared.records.fetch_add(self.fresh, Ordering::Relaxed);
        self.fresh = 0;
    }

    /// A row that cannot be a record: an error, or counted and left out, as the caller chose.
    #[cold]
    pub fn bad_row(&mut self, fault: Fault) -> Result<(), Halt<S::Error>> {
        let OnError::Skip { max_errors } = self.shared.on_error else { return Err(Halt::Fault(fault)) };
        let source = self.source;
        let skipped = self.shared.skipped.fetch_add(1, Ordering::Relaxed) + 1;
        let mut messages = self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let late = messages.len() >= MESSAGES
            && messages.last_key_value().is_some_and(|(&last, _)| last < (source, fault.at));
        if !late {
            let name = &self.shared.names[source as usize];
            let place = place(name, source, &fault, self.shared.formats[source as usize]);
            messages.insert((source, fault.at), format!("{place}: {}", fault.what));
            if messages.len() > MESSAGES {
                messages.pop_last();
            }
        }
        drop(messages);
        if max_errors.is_some_and(|most| skipped > most) {
            self.shared.halted.store(true, Ordering::Relaxed);
            return Err(Halt::Stopped);
        }
        if self.shared.must_stop() { Err(Halt::Stopped) } else { Ok(()) }
    }
}
