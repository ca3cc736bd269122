//! How far a build is, for whoever watches it, and the switch that ends it.

use crate::Error;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What the builder is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Taking records in, hashing and routing them; `total` is not known.
    Feed,
    /// Perfect-hashing and writing cells; counts records.
    Build,
    /// Writing the hot section, far section and sums, and making them durable; counts bytes.
    Seal,
    /// The index is at its final path.
    Done,
}

const PHASES: [Phase; 4] = [Phase::Feed, Phase::Build, Phase::Seal, Phase::Done];

/// One look at a build.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// What the builder is doing.
    pub phase: Phase,
    /// Records, or bytes, that are done in this phase.
    pub done: u64,
    /// Of how many; 0 if that is not known.
    pub total: u64,
    /// Records, or bytes, a second in this phase so far.
    pub rate: f64,
}

/// Shared by the builder, its feeders, and whoever watches.
#[derive(Debug)]
pub struct Progress {
    phase: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    started: Mutex<Vec<(Phase, Instant)>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Progress {
            phase: AtomicU8::new(Phase::Feed as u8),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            started: Mutex::new(vec![(Phase::Feed, Instant::now())]),
        }
    }

    /// Where the build is now.
    pub fn event(&self) -> Event {
        let done = self.done.load(Relaxed);
        let began = self.started().last().map_or_else(Instant::now, |&(_, at)| at);
        let seconds = began.elapsed().as_secs_f64();
        Event {
            phase: PHASES[usize::from(self.phase.load(Relaxed))],
            done,
            total: self.total.load(Relaxed),
            rate: if seconds > 0.0 { done as f64 / seconds } else { 0.0 },
        }
    }

    /// Asks the build to end with [`Error::Cancelled`] and to clean up. May be called from any thread, also from a
    /// signal handler's.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// How long each phase took so far, in order.
    pub fn phases(&self) -> Vec<(Phase, Duration)> {
        let started = self.started();
        let ends = started.iter().skip(1).map(|&(_, at)| at).chain([Instant::now()]);
        started
            .iter()
            .zip(ends)
            .filter(|((phase, _), _)| *phase != Phase::Done)
            .map(|(&(phase, at), end)| (phase, end - at))
            .collect()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    pub(crate) fn enter(&self, phase: Phase, total: u64) {
        self.done.store(0, Relaxed);
        self.total.store(total, Relaxed);
        self.phase.store(phase as u8, Relaxed);
        self.started().push((phase, Instant::now()));
    }

    pub(crate) fn add(&self, count: u64) {
        self.done.fetch_add(count, Relaxed);
    }

    /// Counts what is done in one phase only.
    pub(crate) fn add_in(&self, phase: Phase, count: u64) {
        if self.phase.load(Relaxed) == phase as u8 {
            self.add(count);
        }
    }

    fn started(&self) -> std::sync::MutexGuard<'_, Vec<(Phase, Instant)>> {
        self.started.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
