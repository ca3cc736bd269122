//! What can be wrong with an index.

use alloc::boxed::Box;
use core::fmt;

/// A numbered rule of `spec.md`: R1 to R19 for readers and V1 to V14 for verifiers (section 9), M1 to M6 for readers of sets
/// (section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A reader obligation.
    R(u8),
    /// A verifier obligation.
    V(u8),
    /// An obligation for a set's manifest.
    M(u8),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::R(number) => write!(f, "R{number}"),
            Rule::V(number) => write!(f, "V{number}"),
            Rule::M(number) => write!(f, "M{number}"),
        }
    }
}

/// Why an index cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// R1: the file is shorter than a header.
    TooShort {
        /// Length of the file in bytes.
        len: u64,
    },
    /// R2: the file does not begin with the magic bytes of an index.
    Magic,
    /// R3: the file has another version of the format.
    Version {
        /// The version in the header.
        found: u32,
    },
    /// R5: the file needs a feature that this program does not know.
    Feature {
        /// The unknown bits of the required features.
        bits: u64,
    },
    /// R7: the file was cut off or extended.
    Length {
        /// The length in the header, in bytes.
        expected: u64,
        /// The length of the file in bytes.
        found: u64,
    },
    /// M1 to M6: the manifest of a set is damaged, or a part does not match it.
    Set {
        /// The number of the rule.
        number: u8,
        /// Where in the manifest, in bytes.
        offset: u64,
        /// The name of the part's file; empty if the manifest itself is at fault. Boxed to keep the results of lookups small.
        file: Box<str>,
        /// What is wrong.
        what: &'static str,
    },
    /// A fault in one file of a set.
    InPart {
        /// Number of the part, from 0.
        part: u32,
        /// What is wrong with it.
        fault: Box<Error>,
    },
    /// R10, R11: an id that this program does not know.
    Unknown {
        /// Which id.
        what: &'static str,
        /// Where it is, in bytes from the beginning of the file.
        offset: u64,
        /// The id.
        found: u8,
    },
    /// Any other broken rule: the file is damaged.
    Corrupt {
        /// The broken rule.
        rule: Rule,
        /// Where, in bytes from the beginning of the file.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

/// For people: what is wrong, where, and what to do.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooShort { len } => write!(
                f,
                "only {len} bytes long; an index has at least 4096: the file was cut off, or is not an index; copy or \
                 build it again"
            ),
            Error::Magic => f.write_str(
                "not a hashlith index (bad magic): a build that was interrupted leaves such a file",
            ),
            Error::Version { found } => {
                write!(f, "format version {found}, but this program reads version 1: use a newer hashlith")
            }
            Error::Feature { bits } => {
                write!(f, "needs features {bits:#x}, which this program does not know: use a newer hashlith")
            }
            Error::Length { expected, found } => write!(
                f,
                "the header says {expected} bytes, the file has {found}: it was cut off or appended to; copy or \
                 build it again"
            ),
            Error::Set { number, offset, file, what } => {
                let space = if file.is_empty() { "" } else { " " };
                write!(
                    f,
                    "{file}{space}{what} (M{number}, at byte {offset} of the manifest); copy the whole set again, or build \
                     it again"
                )
            }
            Error::InPart { part, fault } => write!(f, "part {part}: {fault}"),
            Error::Unknown { what, offset, found } => {
                write!(f, "unknown {what} {found} at byte {offset}: use a newer hashlith")
            }
            Error::Corrupt { rule, offset, what } => write!(
                f,
                "corrupt at byte {offset}: {what} ({rule}); restore the file from a copy or build it again"
            ),
        }
    }
}

impl core::error::Error for Error {}

impl Error {
    pub(crate) const fn reader(number: u8, offset: u64, what: &'static str) -> Self {
        Error::Corrupt { rule: Rule::R(number), offset, what }
    }

    /// The broken rule.
    pub fn rule(&self) -> Rule {
        match self {
            Error::TooShort { .. } => Rule::R(1),
            Error::Magic => Rule::R(2),
            Error::Version { .. } => Rule::R(3),
            Error::Feature { .. } => Rule::R(5),
            Error::Length { .. } => Rule::R(7),
            Error::Unknown { offset: 72, .. } => Rule::R(10),
            Error::Unknown { .. } => Rule::R(11),
            Error::Corrupt { rule, .. } => *rule,
            Error::Set { number, .. } => Rule::M(*number),
            Error::InPart { fault, .. } => fault.rule(),
        }
    }

    /// The number of the part that is at fault, for an index that was opened as a set.
    pub fn part(&self) -> Option<u32> {
        if let Error::InPart { part, .. } = self { Some(*part) } else { None }
    }

    /// Where the fault is, in bytes from the beginning of the file; in a set, of the part or the manifest.
    pub fn offset(&self) -> u64 {
        match self {
            Error::TooShort { len } => *len,
            Error::Magic => 0,
            Error::Version { .. } => 8,
            Error::Feature { .. } => 16,
            Error::Length { .. } => 32,
            Error::Unknown { offset, .. } | Error::Corrupt { offset, .. } | Error::Set { offset, .. } => {
                *offset
            }
            Error::InPart { fault, .. } => fault.offset(),
        }
    }
}
