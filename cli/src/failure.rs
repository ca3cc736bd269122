//! How a command fails.

use crate::advice::message;
use hashlith::Error;
use std::io;

/// The exit codes, as `--help` documents them.
pub mod code {
    /// The command failed.
    pub const FAILED: u8 = 1;
    /// The command line is wrong. (clap uses the same number.)
    pub const USAGE: u8 = 2;
    /// `get` did not find a key.
    pub const NOT_FOUND: u8 = 3;
    /// The index is damaged, or the file is not an index.
    pub const CORRUPT: u8 = 4;
}

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// Something to report to the user.
    Reported {
        /// The exit code.
        code: u8,
        /// What went wrong, where, and what to do.
        message: String,
        /// The causes, nearest first.
        causes: Vec<String>,
    },
    /// Only the exit code is left to report.
    Silent(u8),
    /// The reader of the output has closed it.
    PipeClosed,
    /// The job was cancelled.
    Cancelled,
    /// A signal stopped the job, which has cleaned up.
    Signal(i32),
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Failure::Reported { code: code::FAILED, message: message.into(), causes: Vec::new() }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::Reported { code: code::USAGE, message: message.into(), causes: Vec::new() }
    }

    /// Output could not be written. A closed pipe is not reported: its reader wants no more.
    pub fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => Failure::new(format!("cannot write to standard output: {error}")),
        }
    }

    /// Reports the failure, and returns the exit code.
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

/// Writes one line for the user to standard error.
pub fn tell(message: &str) {
    eprintln_quietly(&format!("hashlith: {message}"));
}

/// `eprintln!` would panic if standard error is closed.
pub fn eprintln_quietly(line: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{error::Error, fmt};

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|link| link as _)
        }
    }

    #[test]
    fn causes_are_named_unless_the_text_before_has_them() {
        let chain = |texts: [&'static str; 4]| {
            texts.into_iter().rev().fold(None, |link, text| Some(Box::new(Link(text, link)))).unwrap()
        };
        let table: [([&str; 4], &[&str]); 3] = [
            (["top", "middle", "low", "end"], &["middle", "low", "end"]),
            (["top: middle", "middle", "low: end", "end"], &["low: end"]),
            (["top", "a", "a", "b"], &["a", "b"]),
        ];
        for (texts, wanted) in table {
            assert_eq!(causes(&*chain(texts), texts[0]), wanted);
        }
    }
}
