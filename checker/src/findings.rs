//! What all threads of a check have found so far.

use crate::Error;
use hashlith_format::Rule;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Keeps the fault that `spec.md` section 9 puts first, so that the answer does not depend on which thread was first.
pub(crate) struct Findings {
    /// Lowest offset of a chunk that cannot be read or does not match its sum; `u64::MAX` when there is none.
    lowest_chunk: AtomicU64,
    /// The same for all other faults.
    lowest_other: AtomicU64,
    first: Mutex<Option<Error>>,
}

/// What a finding is about; the first of these is reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Of a chunk; or the check was cancelled, which has no offset and comes first: it has seen too little to name the first
    /// fault.
    Chunk,
    Other,
}

impl Findings {
    pub(crate) fn new() -> Self {
        Findings {
            lowest_chunk: AtomicU64::new(u64::MAX),
            lowest_other: AtomicU64::new(u64::MAX),
            first: Mutex::new(None),
        }
    }

    pub(crate) fn report(&self, error: Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let (class, offset, ..) = rank(&error);
        let lowest = if class == Class::Other { &self.lowest_other } else { &self.lowest_chunk };
        lowest.fetch_min(offset, Ordering::Relaxed);
        if first.as_ref().is_none_or(|first| rank(&error) < rank(first)) {
            *first = Some(error);
        }
    }

    /// True if a chunk at `offset` or behind it can no longer matter, and nothing else can.
    pub(crate) fn chunks_settled(&self, offset: u64) -> bool {
        self.lowest_chunk.load(Ordering::Relaxed) < offset
    }

    /// True if nothing but a chunk can matter any more of what lies at `offset` or behind it.
    pub(crate) fn others_settled(&self, offset: u64) -> bool {
        self.chunk_known() || self.lowest_other.load(Ordering::Relaxed) < offset
    }

    fn chunk_known(&self) -> bool {
        self.lowest_chunk.load(Ordering::Relaxed) < u64::MAX
    }

    pub(crate) fn into_result(self) -> Result<(), Error> {
        self.first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

/// What is told comes first of all that is found. The text is there so that any two faults have an order.
fn rank(error: &Error) -> (Class, u64, u8, &'static str) {
    let class = match error {
        Error::Fault(fault) if fault.rule() != Rule::V(1) => Class::Other,
        _ => Class::Chunk,
    };
    let (order, what) = match error {
        Error::Fault(hashlith_format::Error::Corrupt { rule, what, .. }) => (order(*rule), *what),
        _ => (0, ""),
    };
    (class, error.offset().unwrap_or(0), order, what)
}

/// The order of faults at one place: those of a cell, and those of a record.
fn order(rule: Rule) -> u8 {
    match rule {
        Rule::R(15) => 0,
        Rule::V(4) => 1,
        Rule::R(16) => 2,
        Rule::V(6) => 3,
        Rule::V(5) => 4,
        Rule::V(8) => 5,
        Rule::V(7) => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_at_one_place_have_an_order() {
        let rules = [
            Rule::R(15),
            Rule::V(4),
            Rule::R(16),
            Rule::V(6),
            Rule::V(5),
            Rule::V(8),
            Rule::V(7),
            Rule::V(3),
        ];
        assert!(rules.map(order).is_sorted_by(|a, b| a < b));
    }
}
