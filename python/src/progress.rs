//! Work on a thread of its own, while the caller's thread hears Ctrl-C and tells how far it is.

use hashlith_cli::meter::{Meter, Snapshot, Unit};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often signals are looked for, and a callback is called.
const TICK: Duration = Duration::from_millis(100);

/// What looks at the work.
pub type Sampler = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// Who is told how far the work is.
pub enum Listener {
    Nobody,
    /// Whoever sees standard error. Dropping it takes the bar away.
    Terminal {
        _meter: Meter,
    },
    Callback(Py<PyAny>, Sampler),
}

impl Listener {
    /// The listener that the keyword `progress` means: False or None, True, or a function.
    pub fn new(progress: Option<&Bound<'_, PyAny>>, sampler: Sampler) -> PyResult<Self> {
        let Some(progress) = progress.filter(|progress| !progress.is_none()) else {
            return Ok(Listener::Nobody);
        };
        if let Ok(on) = progress.cast::<PyBool>() {
            return Ok(match on.is_true() {
                true => Listener::Terminal { _meter: Meter::start(false, move || sampler()) },
                false => Listener::Nobody,
            });
        }
        if !progress.is_callable() {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "progress must be True, False or a function of one argument",
            ));
        }
        Ok(Listener::Callback(progress.clone().unbind(), sampler))
    }

    /// Calls the callback.
    pub fn tell(&self, py: Python<'_>) -> PyResult<()> {
        let Listener::Callback(callback, sampler) = self else { return Ok(()) };
        let now = sampler();
        let unit = match now.unit {
            Unit::Bytes => "bytes",
            Unit::Records => "records",
        };
        let progress = py.import("hashlith._build")?.getattr("Progress")?;
        let progress = progress.call1((now.phase, now.done, now.total, unit, now.records))?;
        callback.bind(py).call1((progress,)).map(drop)
    }
}

/// Tells a listener at most once a tick.
pub struct Ticker {
    last: Instant,
}

impl Ticker {
    pub fn new() -> Self {
        Ticker { last: Instant::now() }
    }

    /// Hears signals, and tells the listener if it is time.
    pub fn tick(&mut self, py: Python<'_>, listener: &Listener) -> PyResult<()> {
        py.check_signals()?;
        if self.last.elapsed() < TICK {
            return Ok(());
        }
        self.last = Instant::now();
        listener.tell(py)
    }
}

/// Does the work on a thread of its own. Ctrl-C and an exception of the callback call `cancel`, wait for the work to
/// end, and go on as exceptions.
pub fn supervise<T: Send>(
    py: Python<'_>,
    listener: &Listener,
    cancel: impl Fn(),
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let (sender, result) = mpsc::channel();
    // Only this thread waits; the lock makes that known to the compiler.
    let result = Mutex::new(result);
    std::thread::scope(|scope| {
        let worker = move || {
            // The receiver lives until the work has ended.
            let _ = sender.send(work());
        };
        std::thread::Builder::new().name("hashlith".to_owned()).spawn_scoped(scope, worker)?;
        let wait =
            |time| py.detach(|| result.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(time));
        loop {
            match wait(TICK) {
                Ok(done) => return Ok(done),
                Err(RecvTimeoutError::Disconnected) => {
                    let message = "the work broke off; this is a bug in hashlith, please report it";
                    return Err(PyRuntimeError::new_err(message));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(error) = py.check_signals().and_then(|()| listener.tell(py)) {
                cancel();
                while let Err(RecvTimeoutError::Timeout) = wait(TICK) {}
                return Err(error);
            }
        }
    })
}
