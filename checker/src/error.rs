//! Why a check failed.

use hashlith_feedback::Cancelled;
use hashlith_format::Rule;
use std::io;

/// Why an index was not found sound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file breaks a rule of `spec.md`: section 9, or section 15 for a set.
    #[error(transparent)]
    Fault(#[from] hashlith_format::Error),
    /// The file could not be read, so the check says nothing about it.
    #[error("cannot read the index at byte {offset}: {source}; check the disk, then try again")]
    Io {
        /// Where the read began, in bytes from the beginning of the file.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The file, or the manifest of a set, could not be opened.
    #[error("cannot open the index: {source}")]
    Open {
        /// The system's answer.
        source: io::Error,
    },
    /// The check needs more memory than there is.
    #[error(
        "no memory for {bytes} bytes at byte {offset} of the index: free some memory, or use a larger machine"
    )]
    Memory {
        /// Where that part of the file begins, in bytes.
        offset: u64,
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// One of these, in a part of a set.
    #[error("part {part}: {error}")]
    InPart {
        /// The number of the part.
        part: u32,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// The check was cancelled ([`Progress::cancel`](hashlith_feedback::Progress::cancel)).
    #[error("the check was cancelled before its end and says nothing about the index: start it again")]
    Cancelled,
}

impl From<Cancelled> for Error {
    fn from(Cancelled: Cancelled) -> Self {
        Error::Cancelled
    }
}

impl Error {
    /// Rule V`number` is broken at byte `offset`.
    pub(crate) fn verifier(number: u8, offset: u64, what: &'static str) -> Self {
        Error::Fault(hashlith_format::Error::Corrupt { rule: Rule::V(number), offset, what })
    }

    /// Rule R`number` is broken at byte `offset`.
    pub(crate) fn reader(number: u8, offset: u64, what: &'static str) -> Self {
        Error::Fault(hashlith_format::Error::Corrupt { rule: Rule::R(number), offset, what })
    }

    /// The same fault, in a part of a set.
    pub(crate) fn in_part(self, part: u32) -> Self {
        Error::InPart { part, error: Box::new(self) }
    }

    /// Where in the file, in bytes; `None` for errors without a place.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Error::Fault(fault) => Some(fault.offset()),
            Error::Io { offset, .. } | Error::Memory { offset, .. } => Some(*offset),
            Error::InPart { error, .. } => error.offset(),
            Error::Open { .. } | Error::Cancelled => None,
        }
    }
}
