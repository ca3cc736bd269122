//! What is wrong with a table.

use std::{fmt, io};

use hashlith_feedback::Advice;

use crate::bad_row::Reason;

/// A table that cannot be read; travels inside an [`io::Error`].
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub what: String,
    pub advice: Option<Advice>,
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
