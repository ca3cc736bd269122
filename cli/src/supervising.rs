//! Runs a job that signals can stop.

use crate::{failure::Failure, signals::Signals};
use hashlith::{Phase, Progress};
use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

/// How long a job may take to clean up after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the job on a thread of its own, so that this thread can watch for signals while the job waits for input. A signal
/// cancels the job.
pub fn supervise<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    signals: &Signals,
    progress: &Progress,
) -> Result<T, Failure> {
    let (sender, result) = mpsc::channel();
    let worker = move || {
        // If nobody receives this, the process is about to end.
        let _ = sender.send(work());
    };
    std::thread::Builder::new().name("work".to_owned()).spawn(worker).map_err(|error| {
        Failure::new(format!("cannot start a thread: {error}; raise the limit (ulimit -u)"))
    })?;
    let mut give_up_at = None;
    loop {
        match result.recv_timeout(Duration::from_millis(50)) {
            Ok(done) => {
                return done.map_err(|failure| match (failure, signals.came()) {
                    (Failure::Cancelled, Some(number)) => Failure::Signal(number),
                    (failure, _) => failure,
                });
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new("hashlith has a bug (see above); please report it"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let Some(number) = signals.came() else { continue };
        progress.cancel();
        // A reader of a named pipe that nobody writes to waits forever. While records are read, there is no file with a name to
        // clean up; in later phases a job only waits for the disk, which answers in the end.
        let is_reading = progress.phase() == Phase::Reading;
        if is_reading && Instant::now() > *give_up_at.get_or_insert_with(|| Instant::now() + GRACE) {
            return Err(Failure::Signal(number));
        }
    }
}
