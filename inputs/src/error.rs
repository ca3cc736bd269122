//! Why reading ended, in words for people: what, where, and what to do.

use std::convert::Infallible;
use std::fmt;
use std::io;

use crate::options::Format;

/// Where a bad row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or "standard input".
    pub name: String,
    /// Which of the sources it is, from 0.
    pub source: u32,
    /// Byte offset in the decompressed source.
    pub byte: u64,
    /// The line, from 1, for formats made of lines.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}", self.name),
            None => write!(f, "{}, byte {}", self.name, self.byte),
        }
    }
}

/// Why reading ended. `E` is the sink's own error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E = Infallible> {
    /// The sink refused a record.
    #[error("{0}")]
    Sink(E),
    /// [`Watch::cancel`](crate::Watch::cancel) was set.
    #[error("cancelled")]
    Cancelled,
    /// The operating system could not read a file.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file as it was named, or "standard input".
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A row, or the file around it, is not what the format asks for.
    #[error("{place}: {what}")]
    Bad {
        /// Where.
        place: Place,
        /// What is wrong and what to do.
        what: String,
    },
    /// The file's format is not known from its extension.
    #[error(
        "{path}: cannot tell the format from the file name; say it with --format (pickle, tsv, csv, jsonl, cdbmake)"
    )]
    UnknownFormat {
        /// The file as it was named.
        path: String,
    },
    /// Standard input has no name that could tell its format.
    #[error("standard input needs a format: say it with --format (pickle, tsv, csv, jsonl, cdbmake)")]
    StdinNeedsFormat,
    /// Standard input can be read only once.
    #[error("standard input is named more than once; it can be read only once")]
    StdinTwice,
    /// A directory stands where a file should.
    #[error("{path} is a directory; name the files in it, for example {path}/*")]
    Directory {
        /// The directory as it was named.
        path: String,
    },
    /// A socket, a disk or the like stands where a file should.
    #[error("{path} is neither a file nor a pipe; it cannot be read as records")]
    NotAFile {
        /// The path as it was named.
        path: String,
    },
    /// A directory holds no file whose extension tells a format.
    #[error(
        "{path} holds no file that ends in .pkl, .tsv, .csv, .jsonl or another known extension; say what its files are with --format"
    )]
    EmptyDirectory {
        /// The directory as it was named.
        path: String,
    },
    /// A compressed file is cut off or damaged.
    #[error("{path}: {what}")]
    Compression {
        /// The file as it was named, or "standard input".
        path: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// There were more bad rows than [`OnError::Skip`](crate::OnError::Skip) allows.
    #[error("more than {limit} bad rows; the first: {}", .first.join("; "))]
    TooManyErrors {
        /// How many were allowed.
        limit: u64,
        /// The messages of the first few.
        first: Vec<String>,
    },
    /// No source was given.
    #[error("there is nothing to read: name at least one file, or - for standard input")]
    NoSources,
}

impl Error<Infallible> {
    /// The same error, for a sink whose error is `E`.
    #[must_use]
    pub fn widen<E>(self) -> Error<E> {
        match self {
            Error::Sink(never) => match never {},
            Error::Cancelled => Error::Cancelled,
            Error::Io { path, source } => Error::Io { path, source },
            Error::Bad { place, what } => Error::Bad { place, what },
            Error::UnknownFormat { path } => Error::UnknownFormat { path },
            Error::StdinNeedsFormat => Error::StdinNeedsFormat,
            Error::StdinTwice => Error::StdinTwice,
            Error::Directory { path } => Error::Directory { path },
            Error::NotAFile { path } => Error::NotAFile { path },
            Error::EmptyDirectory { path } => Error::EmptyDirectory { path },
            Error::Compression { path, what } => Error::Compression { path, what },
            Error::TooManyErrors { limit, first } => Error::TooManyErrors { limit, first },
            Error::NoSources => Error::NoSources,
        }
    }
}

/// Something wrong at an offset of the source being read; the caller knows which source that is.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// Byte offset in the decompressed source.
    pub at: u64,
    /// The line, from 1.
    pub line: Option<u64>,
    /// What is wrong and what to do.
    pub what: String,
}

impl Fault {
    pub fn new(at: u64, what: impl Into<String>) -> Self {
        Fault { at, line: None, what: what.into() }
    }
}

/// Why a worker stopped before the end of its work.
#[derive(Debug)]
pub(crate) enum Halt<E> {
    /// The sink refused a record.
    Sink(E),
    /// Somebody else stopped the reading; there is nothing to report.
    Stopped,
    /// The source is bad at this place.
    Fault(Fault),
    /// The source could not be read, at this offset.
    Io(u64, io::Error),
}

/// A halt in which no sink had a part.
pub(crate) type PlainHalt = Halt<Infallible>;

impl PlainHalt {
    /// The same halt, for a worker with a sink.
    pub fn for_sink<E>(self) -> Halt<E> {
        match self {
            Halt::Sink(never) => match never {},
            Halt::Stopped => Halt::Stopped,
            Halt::Fault(fault) => Halt::Fault(fault),
            Halt::Io(at, error) => Halt::Io(at, error),
        }
    }
}

impl<E> From<Fault> for Halt<E> {
    fn from(fault: Fault) -> Self {
        Halt::Fault(fault)
    }
}

/// Turns an input or output error into what a person needs to know about it.
pub(crate) fn io_error<E>(name: &str, error: io::Error) -> Error<E> {
    let path = name.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<crate::decompress::Damage>()) {
        Some(damage) => Error::Compression { path, what: damage.to_string() },
        None => Error::Io { path, source: error },
    }
}

/// How a format counts places, for messages.
pub(crate) fn place(name: &str, source: u32, fault: &Fault, format: Format) -> Place {
    let line = fault.line.filter(|_| format.has_lines());
    Place { name: name.to_owned(), source, byte: fault.at, line }
}
