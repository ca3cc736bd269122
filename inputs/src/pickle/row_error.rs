//! Why a pair of items is not a record.

use crate::bad_row::Reason;
use crate::stop::PlainStop;

/// Why a pair of items is not a record.
#[derive(Debug)]
pub(crate) enum RowError {
    /// The row is bad; the pickle is not.
    Bad(Reason),
    /// Reading cannot continue.
    Stop(PlainStop),
}

impl RowError {
    /// The same error, with words before what is wrong.
    pub fn prefixed(self, words: &str) -> Self {
        match self {
            RowError::Bad(reason) => {
                RowError::Bad(Reason { what: format!("{words}{}", reason.what).into(), ..reason })
            }
            stop => stop,
        }
    }
}

impl From<Reason> for RowError {
    fn from(reason: Reason) -> Self {
        RowError::Bad(reason)
    }
}

impl From<String> for RowError {
    fn from(what: String) -> Self {
        RowError::Bad(what.into())
    }
}

impl From<PlainStop> for RowError {
    fn from(stop: PlainStop) -> Self {
        RowError::Stop(stop)
    }
}
