//! How far an operation is, and the switch that cancels it.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What an operation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Verifying an index.
    Checking,
    /// Looking up the records of the inputs in an index.
    Comparing,
    /// Taking records in.
    Reading,
    /// Settling which of the records with the same key stay.
    Settling,
    /// Learning from a sample how to make the records smaller.
    Learning,
    /// Perfect-hashing the keys and writing the records.
    Building,
    /// Writing the other sections, and making everything durable.
    Sealing,
    /// Nothing more: the result is in place.
    Done,
}

impl Phase {
    /// The phase in one word: `"reading"`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Checking => "checking",
            Phase::Comparing => "comparing",
            Phase::Reading => "reading",
            Phase::Settling => "settling",
            Phase::Learning => "learning",
            Phase::Building => "building",
            Phase::Sealing => "sealing",
            Phase::Done => "done",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Bytes of files.
    Bytes,
    /// Records.
    Records,
}

impl Unit {
    /// The plural: `"bytes"` or `"records"`.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Bytes => "bytes",
            Unit::Records => "records",
        }
    }
}

/// Where an operation is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is doing.
    pub phase: Phase,
    /// How much of this phase is done, in `unit`.
    pub done: u64,
    /// Of how much, if that is known; `None` once `done` is more.
    pub total: Option<u64>,
    /// What `done` and `total` count.
    pub unit: Unit,
    /// Records so far in this phase, where `unit` is bytes and records are counted too.
    pub records: Option<u64>,
}

/// The operation was cancelled through its [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Shared by an operation, which counts, and its caller, which looks and may cancel. Counting is wait-free.
///
/// ```
/// use hashlith_feedback::{Phase, Progress, Unit};
///
/// let progress = Progress::new();
/// progress.enter(Phase::Checking, Unit::Bytes, Some(1000));
/// progress.add(Unit::Bytes, 250);
/// let now = progress.snapshot();
/// assert_eq!((now.phase, now.done, now.total), (Phase::Checking, 250, Some(1000)));
/// progress.cancel();
/// assert!(progress.check().is_err());
/// ```
#[derive(Debug)]
pub struct Progress {
    bytes: AtomicU64,
    records: AtomicU64,
    cancelled: AtomicBool,
    /// The phases so far, the current one last; never empty.
    entered: Mutex<Vec<Entered>>,
}

#[derive(Clone, Copy, Debug)]
struct Entered {
    phase: Phase,
    unit: Unit,
    total: Option<u64>,
    at: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Of an operation that takes records in, of an unknown number.
    pub fn new() -> Self {
        let first = Entered { phase: Phase::Reading, unit: Unit::Records, total: None, at: Instant::now() };
        Progress {
            bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            entered: Mutex::new(vec![first]),
        }
    }

    /// Begins a phase of `total` units, if that number is known. The current phase may be begun again, with another unit
    /// and total.
    pub fn enter(&self, phase: Phase, unit: Unit, total: Option<u64>) {
        let mut entered = self.entered();
        let at = match entered.last() {
            // The same phase goes on; a first one in which nothing was done was none.
            Some(last) if last.phase == phase || (entered.len() == 1 && !self.has_counted()) => {
                let at = last.at;
                entered.pop();
                at
            }
            _ => Instant::now(),
        };
        entered.push(Entered { phase, unit, total, at });
        self.bytes.store(0, Relaxed);
        self.records.store(0, Relaxed);
    }

    /// Changes the total of the current phase.
    pub fn set_total(&self, total: Option<u64>) {
        if let Some(current) = self.entered().last_mut() {
            current.total = total;
        }
    }

    /// Counts bytes or records that are done in this phase.
    #[inline]
    pub fn add(&self, unit: Unit, count: u64) {
        self.counter(unit).fetch_add(count, Relaxed);
    }

    /// Bytes or records that are done in this phase.
    pub fn done(&self, unit: Unit) -> u64 {
        self.counter(unit).load(Relaxed)
    }

    fn has_counted(&self) -> bool {
        self.done(Unit::Bytes) > 0 || self.done(Unit::Records) > 0
    }

    fn counter(&self, unit: Unit) -> &AtomicU64 {
        match unit {
            Unit::Bytes => &self.bytes,
            Unit::Records => &self.records,
        }
    }

    /// Where the operation is now.
    pub fn snapshot(&self) -> Snapshot {
        let Entered { phase, unit, total, .. } = self.current();
        let done = self.done(unit);
        let counts_both = unit == Unit::Bytes && matches!(phase, Phase::Reading | Phase::Comparing);
        let records = counts_both.then(|| self.done(Unit::Records));
        Snapshot { phase, done, total: total.filter(|&total| total >= done), unit, records }
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        self.current().phase
    }

    fn current(&self) -> Entered {
        let entered = self.entered();
        match entered.last() {
            Some(&current) => current,
            None => unreachable!("an operation is in a phase"),
        }
    }

    /// How long each phase took so far, in order, without [`Phase::Done`].
    pub fn phases(&self) -> Vec<(Phase, Duration)> {
        let entered = self.entered();
        let ends = entered.iter().skip(1).map(|next| next.at).chain([Instant::now()]);
        let phases = entered.iter().zip(ends).filter(|(own, _)| own.phase != Phase::Done);
        phases.map(|(own, end)| (own.phase, end.saturating_duration_since(own.at))).collect()
    }

    /// Asks the operation to end soon, with an error, and to clean up. May be called from any thread and at any time.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// True after [`Self::cancel`].
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }

    /// An error after [`Self::cancel`].
    ///
    /// # Errors
    /// [`Cancelled`].
    #[inline]
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    fn entered(&self) -> MutexGuard<'_, Vec<Entered>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_counts_from_zero_in_its_unit() {
        let progress = Progress::new();
        progress.add(Unit::Records, 7);
        assert_eq!((progress.snapshot().done, progress.snapshot().unit), (7, Unit::Records));
        progress.enter(Phase::Reading, Unit::Bytes, Some(100));
        progress.add(Unit::Bytes, 60);
        progress.add(Unit::Records, 5);
        let now = Snapshot {
            phase: Phase::Reading,
            done: 60,
            total: Some(100),
            unit: Unit::Bytes,
            records: Some(5),
        };
        assert_eq!(progress.snapshot(), now);
        progress.enter(Phase::Sealing, Unit::Bytes, None);
        assert_eq!((progress.snapshot().done, progress.snapshot().records), (0, None));
        progress.enter(Phase::Done, Unit::Bytes, None);
        let phases =
            |progress: &Progress| progress.phases().iter().map(|&(phase, _)| phase).collect::<Vec<_>>();
        assert_eq!(phases(&progress), [Phase::Reading, Phase::Sealing]);
        let progress = Progress::new();
        progress.enter(Phase::Checking, Unit::Bytes, None);
        assert_eq!(phases(&progress), [Phase::Checking]);
    }

    #[test]
    fn a_total_may_change_and_ends_where_more_is_done() {
        let progress = Progress::new();
        progress.enter(Phase::Reading, Unit::Bytes, Some(100));
        progress.add(Unit::Bytes, 100);
        assert_eq!(progress.snapshot().total, Some(100));
        progress.add(Unit::Bytes, 1);
        assert_eq!(progress.snapshot().total, None);
        progress.set_total(Some(200));
        assert_eq!(progress.snapshot().total, Some(200));
    }

    #[test]
    fn a_first_phase_counts_if_anything_was_done() {
        for (unit, count, phases) in
            [(Unit::Records, 0, 1), (Unit::Bytes, 0, 1), (Unit::Records, 1, 2), (Unit::Bytes, 1, 2)]
        {
            let progress = Progress::new();
            progress.add(unit, count);
            progress.enter(Phase::Checking, Unit::Bytes, None);
            assert_eq!(progress.phases().len(), phases, "{count} {}", unit.name());
        }
    }

    #[test]
    fn it_is_cancelled_once_for_all() {
        let progress = Progress::new();
        assert!(!progress.is_cancelled() && progress.check() == Ok(()));
        progress.cancel();
        progress.enter(Phase::Building, Unit::Records, None);
        assert!(progress.is_cancelled() && progress.check() == Err(Cancelled));
    }

    #[test]
    fn words() {
        let phases =
            [Phase::Checking, Phase::Comparing, Phase::Reading, Phase::Building, Phase::Sealing, Phase::Done];
        assert_eq!(
            phases.map(Phase::name),
            ["checking", "comparing", "reading", "building", "sealing", "done"]
        );
        assert_eq!([Unit::Bytes, Unit::Records].map(Unit::name), ["bytes", "records"]);
        assert_eq!(Cancelled.to_string(), "cancelled");
        assert_eq!(crate::Advice::Format.to_string(), "state the format");
    }
}
