//! Standard input that ends when a signal asks the command to stop.
//!
//! A thread that reads a pipe cannot be stopped: perhaps nobody ever writes. So it reads another pipe instead, which the
//! thread of this file fills from the real standard input. This thread checks for signals ten times per second.

use crate::signals::Signals;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How reading the real standard input ended.
#[derive(Clone, Default)]
pub struct StdinPump {
    error: Arc<Mutex<Option<io::Error>>>,
}

impl StdinPump {
    /// Why the real standard input could not be read to its end. The pipe just ends then, so its reader must check this.
    pub fn take_error(&self) -> Option<io::Error> {
        self.error.lock().take()
    }
}

/// Replaces standard input by the pipe, unless it is a file: reading a file never waits.
pub fn start(signals: Signals) -> io::Result<StdinPump> {
    let stdin = io::stdin();
    let pump = StdinPump::default();
    if FileType::from_raw_mode(fstat(&stdin)?.st_mode) == FileType::RegularFile {
        return Ok(pump);
    }
    let real = stdin.as_fd().try_clone_to_owned()?;
    let (ours, fill) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // For fewer and larger transfers. The system may refuse.
    let _ = rustix::pipe::fcntl_setpipe_size(&fill, 1 << 20);
    rustix::stdio::dup2_stdin(&ours)?;
    let error = Arc::clone(&pump.error);
    let work = move || {
        if let Err(why) = copy(&real, &fill, &signals) {
            *error.lock() = Some(why.into());
        }
        // The pipe ends only now, when the error is set.
        drop(fill);
    };
    std::thread::Builder::new().name("stdin".to_owned()).spawn(work)?;
    Ok(pump)
}

fn copy(real: &OwnedFd, fill: &OwnedFd, signals: &Signals) -> Result<(), Errno> {
    let mut buffer = vec![0; 1 << 18];
    while signals.came().is_none() {
        match poll(&mut [PollFd::new(real, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            // If something is wrong, `read` returns the error.
            Ok(_) | Err(_) => {}
        }
        let got = match rustix::io::read(real, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(got) => got,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        let mut rest = buffer.get(..got).unwrap_or_default();
        while !rest.is_empty() {
            match rustix::io::write(fill, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                // The reader has gone.
                Err(Errno::PIPE) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
