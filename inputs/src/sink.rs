//! What takes records, and what is reported when all are read.

use std::fmt;

use hashlith_feedback::Advice;

use crate::location::Location;

/// Takes records. Each worker has its own sink.
pub trait Sink: Send {
    /// Why the sink could not take a record.
    type Error: Send;

    /// Takes one record.
    ///
    /// `source` is the index of the record's source in [`Sources`](crate::Sources), from 0. `position` is the
    /// record's byte offset in the decompressed source. Within a source it grows from record to record in the order
    /// of the input, so (`source`, `position`) shows which of two records comes first, no matter which workers read
    /// them. A sink gets records of one source in rising order, but not all of them, and sources may be interleaved.
    ///
    /// # Errors
    /// An error ends the reading.
    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Records given to sinks.
    pub records: u64,
    /// Raw (compressed) bytes read.
    pub bytes: u64,
    /// Bad rows that were left out; 0 unless [`ReadOptions::on_error`](crate::ReadOptions::on_error) allows them.
    pub skipped: u64,
    /// The first of these rows in input order, at most 10.
    pub first_skipped: Vec<Skipped>,
    /// What people should know about how files were read, such as a first row that looks like a header and was taken for a record.
    pub notes: Vec<String>,
}

/// A bad row that was left out. It displays as `words.tsv, line 17: the line is empty`, without the advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub location: Location,
    /// What is wrong.
    pub what: String,
    /// What helps.
    pub advice: Option<Advice>,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.what)
    }
}
