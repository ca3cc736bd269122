//! Rows that cannot be records.

use hashlith_feedback::Advice;

use crate::format::Format;
use crate::location::Location;
use crate::sink::Skipped;

/// What is wrong with a row, and what helps.
#[derive(Debug, Clone)]
pub(crate) struct Reason {
    /// A box is shorter than a `String`: results of hot loops have room for it.
    pub what: Box<str>,
    pub advice: Option<Advice>,
}

impl Reason {
    /// A reason that this advice removes.
    pub fn with(advice: Advice, what: impl Into<Box<str>>) -> Self {
        Reason { what: what.into(), advice: Some(advice) }
    }
}

impl From<String> for Reason {
    fn from(what: String) -> Self {
        Reason { what: what.into(), advice: None }
    }
}

impl From<&str> for Reason {
    fn from(what: &str) -> Self {
        Reason { what: what.into(), advice: None }
    }
}

/// A row, or the file around it, that breaks its format. The caller knows the source.
#[derive(Debug, Clone)]
pub(crate) struct BadRow {
    /// Byte offset in the decompressed source, or the number of the row from 0.
    pub at: u64,
    /// The line, from 1, if the format has lines.
    pub line: Option<u64>,
    pub reason: Reason,
}

impl BadRow {
    /// A bad row of a format without lines.
    pub fn new(at: u64, reason: impl Into<Reason>) -> Self {
        BadRow { at, line: None, reason: reason.into() }
    }

    /// The row with its full location.
    pub fn of_source(self, source: u32, name: String, format: Format) -> Skipped {
        let location = Location { line: self.line, ..Location::at(name, source, self.at, format.has_rows()) };
        Skipped { location, what: self.reason.what.into(), advice: self.reason.advice }
    }
}
