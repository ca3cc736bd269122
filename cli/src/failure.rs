//! How a command ends when it does not end well.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

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

/// What a failure is about, as far as programs want to know.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Something that the system refused to do with a file.
    System {
        /// The system's number of the error.
        errno: i32,
        /// The file or directory.
        path: PathBuf,
    },
    /// Input that cannot be read as records.
    Input {
        /// The file as it was named, if it is about one.
        path: Option<String>,
        /// The line, from 1, in formats made of lines.
        line: Option<u64>,
        /// Byte offset in the decompressed file.
        offset: Option<u64>,
    },
    /// A key that came twice.
    Duplicate {
        /// The key.
        key: Vec<u8>,
        /// Where it came first, in words.
        first: String,
        /// Where it came again, in words.
        second: String,
    },
    /// A broken rule of `spec.md` section 9.
    Corrupt {
        /// The index.
        path: PathBuf,
        /// The rule.
        rule: String,
        /// Where it is broken, in bytes.
        offset: u64,
    },
}

impl Subject {
    /// A refusal of the system, if that has a number.
    pub fn system(path: &Path, errno: Option<i32>) -> Option<Self> {
        errno.map(|errno| Subject::System { errno, path: path.to_owned() })
    }
}

/// Why a command stopped.
pub enum Failure {
    /// Something to tell the user.
    Told {
        /// The exit code.
        code: u8,
        /// What, where, what to do.
        message: String,
        /// What led to it, nearest first.
        causes: Vec<String>,
        /// What it is about, if programs want to know.
        subject: Option<Box<Subject>>,
    },
    /// The exit code is all there is to say; the rest has been said.
    Silent(u8),
    /// Whoever read the output has enough.
    PipeClosed,
    /// A signal came, and all is cleaned up.
    Signal(i32),
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self::with_code(code::FAILED, message)
    }

    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::with_code(code::USAGE, message)
    }

    /// A failure with another exit code.
    pub fn with_code(code: u8, message: impl Into<String>) -> Self {
        Failure::Told { code, message: message.into(), causes: Vec::new(), subject: None }
    }

    /// An error of a library, with its causes.
    pub fn from_error(code: u8, prefix: impl Display, error: &(dyn Error + 'static)) -> Self {
        let prefix = prefix.to_string();
        let message = if prefix.is_empty() { error.to_string() } else { format!("{prefix}: {error}") };
        let mut causes: Vec<String> = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many messages already end in their cause.
            let known = causes.last().unwrap_or(&message);
            if !known.contains(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        Failure::Told { code, message, causes, subject: None }
    }

    /// Something that the system refused to do with a file.
    pub fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the name",
            io::ErrorKind::PermissionDenied => "check the permissions of the file and of its folders",
            io::ErrorKind::ReadOnlyFilesystem => "choose a place that can be written to",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space or choose another place"
            }
            _ => "",
        };
        let separator = if advice.is_empty() { "" } else { "; " };
        let message = format!("cannot {doing} {}: {error}{separator}{advice}", path.display());
        Failure::new(message).about(Subject::system(path, error.raw_os_error()))
    }

    /// The same failure, with what it is about.
    #[must_use]
    pub fn about(mut self, about: impl Into<Option<Subject>>) -> Self {
        if let Failure::Told { subject, .. } = &mut self {
            *subject = about.into().map(Box::new);
        }
        self
    }

    /// Output could not be written. A closed pipe is no failure: the reader has seen enough.
    pub fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => Failure::new(format!("cannot write to standard output: {error}")),
        }
    }

    /// Tells the user, and gives the exit code.
    pub fn report(&self) -> u8 {
        match self {
            Failure::Told { code, message, causes, .. } => {
                tell(message);
                for cause in causes {
                    eprintln_quietly(&format!("  because: {cause}"));
                }
                *code
            }
            Failure::Silent(code) => *code,
            Failure::PipeClosed => 0,
            Failure::Signal(number) => {
                let name = signal_hook::low_level::signal_name(*number).unwrap_or("a signal");
                tell(&format!("stopped by {name}; temporary files are removed, the output was not touched"));
                u8::try_from(128 + number).unwrap_or(code::FAILED)
            }
        }
    }
}

/// One line for the user on standard error.
pub fn tell(message: &str) {
    eprintln_quietly(&format!("hashlith: {message}"));
}

/// `eprintln!` panics when standard error is closed; nobody is there to be told about that.
pub fn eprintln_quietly(line: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr().lock(), "{line}");
}
