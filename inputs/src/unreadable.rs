//! What is wrong with a table or a database.

use std::{fmt, io};

use hashlith_feedback::Advice;

use crate::bad_row::Reason;
use crate::stop::{PlainStop, Stop};

/// A table that cannot be read; travels inside an [`io::Error`].
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub what: String,
    pub advice: Option<Advice>,
}

/// The error for a table that cannot be read from row `at` on.
pub(crate) fn unreadable(at: u64, why: impl Into<Unreadable>) -> PlainStop {
    Stop::Io(at, why.into().into())
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Unreadable {}

impl From<Unreadable> for io::Error {
    fn from(error: Unreadable) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl From<Reason> for Unreadable {
    fn from(reason: Reason) -> Self {
        Unreadable { what: reason.what.into(), advice: reason.advice }
    }
}

impl From<String> for Unreadable {
    fn from(what: String) -> Self {
        Unreadable { what, advice: None }
    }
}
