//! Why a check did not end well.

use hashlith_format::Rule;
use std::io;

/// Why a file was not found to be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file breaks a rule of `spec.md` section 9.
    #[error(transparent)]
    Fault(#[from] hashlith_format::Error),
    /// The file could not be read, so nothing is known about it.
    #[error("cannot read the index at byte {offset}: {source}; check the disk, then try again")]
    Io {
        /// Where the read began, in bytes from the beginning of the file.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file, or the manifest of a set, could not be opened or read at all.
    #[error("cannot open the index: {source}")]
    Open {
        /// What the system said.
        source: io::Error,
    },
    /// The check needs more memory than there is.
    #[error(
        "no memory for {bytes} bytes that lie at byte {offset} of the index: free some, or use a larger machine"
    )]
    Memory {
        /// Where that part of the file begins, in bytes.
        offset: u64,
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// [`Progress::cancel`](crate::Progress::cancel) was set.
    #[error("the check was cancelled before its end: nothing is known about the index; start it again")]
    Cancelled,
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

    /// The same fault as one of a part.
    pub(crate) fn in_part(self, part: u32) -> Self {
        match self {
            Error::Fault(fault) => {
                Error::Fault(hashlith_format::Error::InPart { part, fault: Box::new(fault) })
            }
            other => other,
        }
    }

    /// Where in the file it happened, in bytes; `None` for what has no place.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Error::Fault(fault) => Some(fault.offset()),
            Error::Io { offset, .. } | Error::Memory { offset, .. } => Some(*offset),
            Error::Open { .. } | Error::Cancelled => None,
        }
    }
}
