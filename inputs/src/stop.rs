//! Why a worker stops.

use std::convert::Infallible;
use std::io;

use crate::bad_row::BadRow;

/// Why a worker stops before the end of its work. `E` is the sink's error.
#[derive(Debug)]
pub(crate) enum Stop<E> {
    /// The sink refused a record.
    Sink(E),
    /// The caller cancelled, or another worker failed: there is nothing to report.
    Asked,
    /// The source is bad here.
    BadRow(BadRow),
    /// The source could not be read at this offset.
    Io(u64, io::Error),
}

/// A stop that no sink caused.
pub(crate) type PlainStop = Stop<Infallible>;

impl PlainStop {
    /// The same stop, for a worker with a sink.
    pub fn for_sink<E>(self) -> Stop<E> {
        match self {
            Stop::Sink(never) => match never {},
            Stop::Asked => Stop::Asked,
            Stop::BadRow(row) => Stop::BadRow(row),
            Stop::Io(at, error) => Stop::Io(at, error),
        }
    }
}

impl<E> From<BadRow> for Stop<E> {
    fn from(row: BadRow) -> Self {
        Stop::BadRow(row)
    }
}
