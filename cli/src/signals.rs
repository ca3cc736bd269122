//! SIGINT, SIGTERM and SIGHUP stop a build, which then cleans up. A second one kills it.
#![allow(unsafe_code)]

use crate::{failure::Failure, process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The signal that has arrived, if any.
#[derive(Clone)]
pub struct Signals {
    number: Arc<AtomicUsize>,
}

impl Signals {
    /// From now on the first SIGINT, SIGTERM or SIGHUP is noted, and the second one ends the process.
    pub fn catch() -> Result<Self, Failure> {
        Self::register().map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))
    }

    fn register() -> io::Result<Self> {
        let number = Arc::new(AtomicUsize::new(0));
        // Signals that the parent process has ignored (nohup, `&` in a script) stay ignored.
        let ignored = process::ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored >> (signal - 1) & 1 == 1 {
                continue;
            }
            let number = Arc::clone(&number);
            // Two signals may arrive at once, on two threads: one step shows which of them is the second.
            let handler = move || {
                if number.swap(signal.unsigned_abs() as usize, Ordering::SeqCst) != 0 {
                    let _ = low_level::emulate_default_handler(signal);
                }
            };
            // SAFETY: a handler may only do what is async-signal-safe, and must not panic. This one exchanges a number, and
            // calls a function that signal-hook itself calls in handlers.
            unsafe { low_level::register(signal, handler) }?;
        }
        // With a handler, a file above RLIMIT_FSIZE is a write error (EFBIG), after which the build can clean up.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        Ok(Signals { number })
    }

    /// The signal that has arrived.
    pub fn came(&self) -> Option<i32> {
        i32::try_from(self.number.load(Ordering::Relaxed)).ok().filter(|&number| number != 0)
    }
}
