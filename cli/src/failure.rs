//! How a command ends when it does not end well.

use crate::advice::message;
use hashlith::Error;
use std::io;

/// The exit codes, as `--help` documents them.
pub mod code {
    /// The command could not do what it was asked to.
    pub const FAILED: u8 = 1;
    /// The command line makes no sense. (clap uses the same number.)
    pub const USAGE: u8 = 2;
    /// `get` did not find a key.
    pub const NOT_FOUND: u8 = 3;
    /// The index is damaged, or no index at all.
    pub const CORRUPT: u8 = 4;
}

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// Something to report to the user.
    Reported {
        /// The exit code.
        code: u8,
        /// What, where, what to do.
        message: String,
        /// What led to it, nearest first.
        causes: Vec<String>,
    },
    /// The exit code is all there is to say; the rest has been said.
    Silent(u8),
    /// The reader of the output has enough.
    PipeClosed,
    /// The job was cancelled.
    Cancelled,
    /// A signal came, and all is cleaned up.
    Signal(i32),
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Failure::Reported { code: code::FAILED, message: message.into(), causes: Vec::new() }
    }

    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::Reported { code: code::USAGE, message: message.into(), causes: Vec::new() }
    }

    /// Output could not be written. A closed pipe is no failure: its reader has seen enough.
    pub fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => Failure::new(format!("cannot write to standard output: {error}")),
        }
    }

    /// Reports the failure, and gives the exit code.
    pub fn report(&self) -> u8 {
        match self {
            Failure::Reported { code, message, causes } => {
                tell(message);
                for cause in causes {
                    eprintln_quietly(&format!("  because: {cause}"));
                }
                *code
            }
            Failure::Silent(code) => *code,
            Failure::PipeClosed => 0,
            Failure::Cancelled => {
                tell("cancelled");
                code::FAILED
            }
            Failure::Signal(number) => {
                let name = signal_hook::low_level::signal_name(*number).unwrap_or("a signal");
                tell(&format!("stopped by {name}; temporary files are removed, the output was not touched"));
                u8::try_from(128 + number).unwrap_or(code::FAILED)
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Cancelled => return Failure::Cancelled,
            Error::Write(source) => return Failure::output(source),
            Error::Corrupt { .. } => code::CORRUPT,
            error if error.is_usage() => code::USAGE,
            _ => code::FAILED,
        };
        let message = message(&error);
        Failure::Reported { code, causes: causes(&error, &message), message }
    }
}

/// The causes of an error that its message does not name.
fn causes(error: &dyn std::error::Error, message: &str) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !causes.last().map_or(message, String::as_str).contains(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// One line for the user on standard error.
pub fn tell(message: &str) {
    eprintln_quietly(&format!("hashlith: {message}"));
}

/// `eprintln!` panics where standard error is closed; nobody is there to read about that.
pub fn eprintln_quietly(line: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr().lock(), "{line}");
}
