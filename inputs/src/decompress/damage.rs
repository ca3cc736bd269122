//! Why compressed data cannot be read.

use std::fmt;
use std::io::{self, ErrorKind};

use hashlith_feedback::Advice;

use crate::decompress::kind::Compression;

/// What is wrong with compressed data; travels inside an [`io::Error`].
#[derive(Debug)]
pub(crate) struct Damage {
    kind: Compression,
    what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    EarlyEnd,
    /// Something else begins at this offset, after whole members or frames.
    Followed(u64),
    /// In the decoder's words.
    Other(String),
    /// Sound, but only an unpacker reads it; says why.
    Unpack(String),
    /// It takes more memory than there may be.
    Window {
        needs: u64,
        most: u64,
        may_grow: bool,
    },
}

/// How much memory a window may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub most: u64,
    /// The user can allow more.
    pub may_grow: bool,
}

impl Memory {
    pub fn exceeded(self, needs: u64) -> What {
        What::Window { needs, most: self.most, may_grow: self.may_grow }
    }
}

impl Damage {
    pub fn advice(&self) -> Option<Advice> {
        matches!(self.what, What::Window { may_grow: true, .. }).then_some(Advice::MoreMemory)
    }
}

impl What {
    /// As an error of reading.
    pub fn of(self, kind: Compression) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, Damage { kind, what: self })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, command) = (self.kind.name(), self.kind.command());
        match &self.what {
            What::EarlyEnd => {
                write!(f, "the {kind} data ends early: the file is cut off; copy or download it again")
            }
            What::Followed(at) => write!(
                f,
                "the {kind} data ends at byte {at}, but other bytes follow it; cut them off, or copy or download the file again"
            ),
            What::Other(detail) => {
                write!(f, "the {kind} data is damaged ({detail}); copy or download the file again")
            }
            What::Unpack(detail) => write!(f, "the {kind} data {detail}; unpack it first"),
            What::Window { needs, most, .. } => {
                let mib = |bytes: u64| bytes.div_ceil(1 << 20);
                write!(
                    f,
                    "the {kind} data needs a window of {} MiB in memory, and at most {} MiB are allowed; unpack it on the way: \
                     {command} < FILE | hashlith build - --format ...",
                    mib(*needs),
                    mib(*most)
                )
            }
        }
    }
}

impl std::error::Error for Damage {}
