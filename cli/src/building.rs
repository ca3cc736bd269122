//! The work of a build: records go from the inputs to the builder, while somebody listens for signals.

use crate::escaped::shown;
use crate::failure::{Failure, code};
use crate::meter::{Snapshot, Unit};
use crate::signals::Signals;
use crate::size;
use crate::stdin_pump::StdinPump;
use hashlith_builder::{Builder, Feeder, Phase, Progress, Report};
use hashlith_inputs::{Format, Sink, Source, Summary, Watch};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a build may take to clean up after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// What is to be read, and how.
pub struct Intake<'a> {
    /// From where.
    pub sources: &'a [Source],
    /// The format of each source.
    pub formats: &'a [Format],
    /// How to read them.
    pub options: &'a hashlith_inputs::Options,
    /// With how many threads.
    pub threads: usize,
}

impl Intake<'_> {
    /// Reads all records into the builder and lets it finish.
    pub fn read(
        &self,
        builder: Builder,
        watch: &Watch,
        pump: &StdinPump,
        signals: &Signals,
        output: &Path,
    ) -> Result<(Report, Summary), Failure> {
        let builder = Mutex::new(builder);
        let new_sink =
            || FeederSink(builder.lock().unwrap_or_else(PoisonError::into_inner).feeder().map_err(Some));
        let told = |error| match (error, signals.came()) {
            (hashlith_builder::Error::Cancelled, Some(number)) => Failure::Signal(number),
            (error, _) => builder_failure(error, self.sources, self.formats),
        };
        let read = hashlith_inputs::read(self.sources, self.options, self.threads, new_sink, watch);
        // Input that a signal cut off looks like input that ends early.
        if let Some(number) = signals.came() {
            return Err(Failure::Signal(number));
        }
        if let Some(error) = pump.take_error() {
            return Err(Failure::new(format!("cannot read standard input: {error}")));
        }
        let (summary, sinks) = read.map_err(|error| match error {
            hashlith_inputs::Error::Sink(error) => told(error),
            error => Failure::from_error(code::FAILED, "", &error),
        })?;
        for sink in sinks {
            sink.finish().map_err(told)?;
        }
        let builder = builder.into_inner().unwrap_or_else(PoisonError::into_inner);
        let report = builder.finish(output).map_err(told)?;
        Ok((report, summary))
    }
}

/// Hands records on to the builder. Without a feeder it refuses the first one, with the reason.
struct FeederSink(Result<Feeder, Option<hashlith_builder::Error>>);

impl FeederSink {
    fn finish(self) -> Result<(), hashlith_builder::Error> {
        match self.0 {
            Ok(feeder) => feeder.finish(),
            Err(error) => Err(error.unwrap_or(hashlith_builder::Error::Cancelled)),
        }
    }
}

impl Sink for FeederSink {
    type Error = hashlith_builder::Error;

    #[inline]
    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Self::Error> {
        match &mut self.0 {
            Ok(feeder) => feeder.add_from(source, position, key, value),
            Err(error) => Err(error.take().unwrap_or(hashlith_builder::Error::Cancelled)),
        }
    }
}

/// Does the work on a thread of its own, so that this one can hear signals while that one waits for input.
pub fn supervise<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    signals: &Signals,
    watch: &Watch,
    progress: &Progress,
) -> Result<T, Failure> {
    let (sender, result) = mpsc::channel();
    let worker = move || {
        // Nobody listens any more only when the process is about to end.
        let _ = sender.send(work());
    };
    std::thread::Builder::new().name("build".to_owned()).spawn(worker).map_err(|error| {
        Failure::new(format!("cannot start a thread: {error}; raise the limit (ulimit -u)"))
    })?;
    let mut give_up_at = None;
    loop {
        match result.recv_timeout(Duration::from_millis(50)) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(
                    "the build broke off (see above); this is a bug in hashlith, please report it",
                ));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let Some(number) = signals.came() else { continue };
        watch.cancel.store(true, Ordering::Relaxed);
        progress.cancel();
        // A named pipe that nobody writes to holds up its reader for ever. While records are read no named file is
        // open; later on there is nothing to give up for, only a disk that takes its time.
        if progress.event().phase == Phase::Feed
            && Instant::now() > *give_up_at.get_or_insert_with(|| Instant::now() + GRACE)
        {
            return Err(Failure::Signal(number));
        }
    }
}

/// What the progress shows: bytes of input while reading, then records, then bytes of the index.
pub fn sampler(
    sources: &[Source],
    watch: &Arc<Watch>,
    progress: &Arc<Progress>,
) -> impl Fn() -> Snapshot + Send + 'static {
    let input_bytes: Option<u64> = sources.iter().map(Source::size).sum();
    let (watch, progress) = (Arc::clone(watch), Arc::clone(progress));
    move || {
        let event = progress.event();
        let (phase, unit) = match event.phase {
            Phase::Feed => {
                return Snapshot {
                    phase: "reading",
                    done: watch.bytes_done.load(Ordering::Relaxed),
                    total: input_bytes,
                    unit: Unit::Bytes,
                    records: Some(watch.records.load(Ordering::Relaxed)),
                };
            }
            Phase::Build => ("building", Unit::Records),
            Phase::Seal | Phase::Done => ("sealing", Unit::Bytes),
        };
        Snapshot { phase, done: event.done, total: Some(event.total), unit, records: None }
    }
}

/// What the builder could not do, in the words of this command.
pub fn builder_failure(error: hashlith_builder::Error, sources: &[Source], formats: &[Format]) -> Failure {
    use hashlith_builder::Error;
    let place = |place: &hashlith_builder::Place| {
        let number = place.source as usize;
        match (sources.get(number), formats.get(number)) {
            (Some(source), Some(&format)) => hashlith_inputs::describe(source, format, place.position),
            _ => format!("source {number}, byte {}", place.position),
        }
    };
    match &error {
        Error::Duplicate { key, first, second } => Failure::new(format!(
            "the key {} is there twice: {} and {}; remove one, or keep one with --on-duplicate first or last",
            shown(key),
            place(first),
            place(second)
        )),
        Error::MemoryLimit { smallest, threads, .. } => Failure::usage(format!(
            "--memory is too small: with {threads} threads {}M is the smallest that works; fewer --threads need less",
            smallest.div_ceil(1 << 20)
        )),
        Error::Io { action, path, source } => Failure::io(action.trim_start_matches("cannot "), path, source),
        Error::DiskSpace { path, free, needed } => Failure::new(format!(
            "{} has {} free, the build needs about {}: free some, or choose another place",
            path.display(),
            size::Bytes(*free),
            size::Bytes(*needed)
        )),
        _ => Failure::from_error(code::FAILED, "", &error),
    }
}
