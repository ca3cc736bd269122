//! Why reading failed: what is wrong, where, and which advice applies.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use hashlith_feedback::Advice;

use crate::decompress::Damage;
use crate::encoding::NotInEncoding;
use crate::format::Format;
use crate::location::Location;
use crate::sink::Skipped;
use crate::temp_copy::TempCopyError;

/// Why [`read`](crate::read()) ended early: because of a sink, whose error is `E`, or of the input.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The sink refused a record.
    #[error("{0}")]
    Sink(E),
    /// The input could not be read.
    #[error(transparent)]
    Input(#[from] Error),
}

impl From<ReadError<Infallible>> for Error {
    fn from(error: ReadError<Infallible>) -> Self {
        match error {
            ReadError::Sink(never) => match never {},
            ReadError::Input(error) => error,
        }
    }
}

/// Why input could not be read. [`Error::advice`] says what helps; the messages do not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// [`Progress::cancel`](hashlith_feedback::Progress::cancel) was called.
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
    /// A row, or the file around it, breaks its format.
    #[error("{location}: {what}")]
    Bad {
        /// Where.
        location: Location,
        /// What is wrong.
        what: String,
        /// What helps.
        advice: Option<Advice>,
    },
    /// The file's extension stands for no format.
    #[error("{path}: cannot tell the format from the file name")]
    UnknownFormat {
        /// The file as it was named.
        path: String,
    },
    /// Standard input has no extension, and no format was given.
    #[error("standard input needs a format")]
    StdinNeedsFormat,
    /// Standard input can be read only once.
    #[error("standard input is named more than once; it can be read only once")]
    StdinTwice,
    /// A directory was named where a file is needed.
    #[error("{path} is a directory; name the files in it, for example {path}/*")]
    Directory {
        /// The directory as it was named.
        path: String,
    },
    /// A socket, a disk or the like was named where a file is needed.
    #[error("{path} is neither a file nor a pipe; it cannot be read as records")]
    NotAFile {
        /// The path as it was named.
        path: String,
    },
    /// A directory holds no file whose extension stands for a format.
    #[error(
        "{path} holds no file that ends in .pkl, .tsv, .csv, .jsonl, .parquet or another known extension"
    )]
    EmptyDirectory {
        /// The directory as it was named.
        path: String,
    },
    /// An option has been given that applies to no source.
    #[error("the option {option} has no effect: it is for {}, and no input is that", listed_formats(.formats))]
    UnusedOption {
        /// The option, as [`ReadOptions`](crate::ReadOptions) has it.
        option: &'static str,
        /// The formats that it is for.
        formats: &'static [Format],
    },
    /// Options contradict each other.
    #[error("{what}")]
    Options {
        /// How, and what to do.
        what: String,
    },
    /// Text is not in the encoding that it should be in.
    #[error("{path}: {what}")]
    Encoding {
        /// The file as it was named, or "standard input".
        path: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// A compressed file is cut off or damaged, or needs an unpacker.
    #[error("{path}: {what}")]
    Compression {
        /// The file as it was named, or "standard input".
        path: String,
        /// What is wrong and what to do.
        what: String,
        /// What else helps.
        advice: Option<Advice>,
    },
    /// A table or database that is damaged, or that cannot be records.
    #[error("{path}: {what}")]
    Table {
        /// The file as it was named, or "standard input".
        path: String,
        /// What is wrong and what to do.
        what: String,
        /// What helps.
        advice: Option<Advice>,
    },
    /// A format that is read from its end on needs a file.
    #[error("{path} is no file, which {format} needs: write it to a file first")]
    NeedsFile {
        /// The pipe as it was named, or "standard input".
        path: String,
        /// The format.
        format: Format,
    },
    /// A format that was left out when this program was built.
    #[error("{path}: this build cannot read {format}: it was made without the feature {}", .format.feature())]
    NotBuiltIn {
        /// The file as it was named.
        path: String,
        /// The format.
        format: Format,
    },
    /// A pickle that must be copied to a temporary file could not be.
    #[error("{path}: no temporary copy could be written in {}: {source}", .directory.display())]
    TempCopy {
        /// The pickle as it was named, or "standard input".
        path: String,
        /// Where the copy should have been.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There were more bad rows than [`OnError::Skip`](crate::OnError::Skip) allows.
    #[error("more than {limit} bad row{}; the first: {}", if *.limit == 1 { "" } else { "s" }, listed(.first))]
    TooManyErrors {
        /// How many were allowed.
        limit: u64,
        /// The first of them in input order, at most 10.
        first: Vec<Skipped>,
    },
    /// No source was given.
    #[error("there is nothing to read: name at least one file, or - for standard input")]
    NoSources,
}

fn listed_formats(formats: &[Format]) -> String {
    let names: Vec<_> = formats.iter().map(|format| format.name()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn listed(rows: &[Skipped]) -> String {
    rows.iter().map(Skipped::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// What helps, if there is an option for it. After [`Error::TooManyErrors`] it is what helps the earliest row that has advice.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Error::Bad { advice, .. } | Error::Compression { advice, .. } | Error::Table { advice, .. } => {
                *advice
            }
            Error::UnknownFormat { .. } | Error::StdinNeedsFormat | Error::EmptyDirectory { .. } => {
                Some(Advice::Format)
            }
            Error::TempCopy { .. } => Some(Advice::TempDir),
            Error::TooManyErrors { first, .. } => first.iter().find_map(|row| row.advice),
            _ => None,
        }
    }

    /// The error of a bad row that may not be left out.
    pub(crate) fn bad(row: Skipped) -> Self {
        Error::Bad { location: row.location, what: row.what, advice: row.advice }
    }

    /// What an input or output error means: it may carry damage, or a failed temporary copy.
    pub(crate) fn from_io(path: String, error: io::Error) -> Self {
        let error = match error.downcast::<Damage>() {
            Ok(damage) => {
                return Error::Compression { path, what: damage.to_string(), advice: damage.advice() };
            }
            Err(error) => error,
        };
        let error = match error.downcast::<NotInEncoding>() {
            Ok(wrong) => return Error::Encoding { path, what: wrong.to_string() },
            Err(error) => error,
        };
        #[cfg(any(feature = "arrow", feature = "sqlite"))]
        let error = match error.downcast::<crate::unreadable::Unreadable>() {
            Ok(crate::unreadable::Unreadable { what, advice }) => {
                return Error::Table { path, what, advice };
            }
            Err(error) => error,
        };
        match error.downcast::<TempCopyError>() {
            Ok(TempCopyError { directory, source }) => Error::TempCopy { path, directory, source },
            Err(source) => Error::Io { path, source },
        }
    }
}
