//! Runs a job on a thread of its own, while the caller's thread watches for Ctrl-C and reports progress.

use hashlith::{Meter, Phase, Progress};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often signals are checked and a callback is called.
const TICK: Duration = Duration::from_millis(100);

/// Where progress is reported.
pub enum Listener {
    Nobody,
    /// A bar on standard error, until this is dropped.
    Terminal {
        _meter: Meter,
    },
    Callback(Py<PyAny>, Arc<Progress>),
}

impl Listener {
    /// The listener for the keyword `progress`: False or None, True, or a function.
    pub fn new(keyword: Option<&Bound<'_, PyAny>>, progress: Arc<Progress>) -> PyResult<Self> {
        let Some(keyword) = keyword.filter(|keyword| !keyword.is_none()) else {
            return Ok(Listener::Nobody);
        };
        if let Ok(on) = keyword.cast::<PyBool>() {
            return Ok(match on.is_true() {
                true => Listener::Terminal { _meter: Meter::start(false, progress) },
                false => Listener::Nobody,
            });
        }
        if !keyword.is_callable() {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "progress must be True, False or a function of one argument",
            ));
        }
        Ok(Listener::Callback(keyword.clone().unbind(), progress))
    }

    /// Calls the callback.
    pub fn tell(&self, py: Python<'_>) -> PyResult<()> {
        let Listener::Callback(callback, progress) = self else { return Ok(()) };
        let now = progress.snapshot();
        if now.phase == Phase::Done {
            return Ok(());
        }
        let class = py.import("hashlith._build")?.getattr("Progress")?;
        let progress = class.call1((now.phase.name(), now.done, now.total, now.unit.name(), now.records))?;
        callback.bind(py).call1((progress,)).map(drop)
    }
}

/// Calls a listener at most once per tick.
pub struct Ticker {
    last: Instant,
}

impl Ticker {
    pub fn new() -> Self {
        Ticker { last: Instant::now() }
    }

    /// Checks for signals, and calls the listener if it is time.
    pub fn tick(&mut self, py: Python<'_>, listener: &Listener) -> PyResult<()> {
        py.check_signals()?;
        if self.last.elapsed() < TICK {
            return Ok(());
        }
        self.last = Instant::now();
        listener.tell(py)
    }
}

/// Runs the job on a thread of its own. Ctrl-C and an exception of the callback cancel the job; after it has ended they are
/// raised.
pub fn supervise<T: Send>(
    py: Python<'_>,
    listener: &Listener,
    progress: &Progress,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let (sender, result) = mpsc::channel();
    // Only this thread waits. The lock is for the compiler.
    let result = Mutex::new(result);
    std::thread::scope(|scope| {
        let worker = move || {
            // Else the scope would panic too. What the work has shared is not used afterwards.
            let done = catch_unwind(AssertUnwindSafe(work));
            // The receiver lives until the work has ended.
            let _ = sender.send(done);
        };
        std::thread::Builder::new().name("hashlith".to_owned()).spawn_scoped(scope, worker)?;
        let wait =
            |time| py.detach(|| result.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(time));
        loop {
            match wait(TICK) {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                    let message = "hashlith has a bug; please report it";
                    return Err(PyRuntimeError::new_err(message));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(error) = py.check_signals().and_then(|()| listener.tell(py)) {
                progress.cancel();
                while let Err(RecvTimeoutError::Timeout) = wait(TICK) {}
                return Err(error);
            }
        }
    })
}
