//! What all threads of a check have found so far.

use crate::error::Error;
use hashlith_format::Rule;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keeps the fault that `spec.md` section 9 puts first, so that the answer does not depend on the order of the threads.
pub(crate) struct Findings {
    /// Lowest offset of a chunk that cannot be read or does not match its sum; `u64::MAX` if there is none.
    lowest_chunk: AtomicU64,
    /// The same for all other faults.
    lowest_other: AtomicU64,
    first: Mutex<Option<Error>>,
}

/// What a finding is about. A finding of the first class is reported before all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// A chunk. Or the check was cancelled: that comes first, with no offset, because such a check has seen too little to
    /// name the first fault.
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
        let mut first = self.first.lock();
        let (class, offset, ..) = rank(&error);
        let lowest = if class == Class::Other { &self.lowest_other } else { &self.lowest_chunk };
        lowest.fetch_min(offset, Ordering::Relaxed);
        if first.as_ref().is_none_or(|first| rank(&error) < rank(first)) {
            *first = Some(error);
        }
    }

    /// True if nothing at `offset` or behind it can change the answer any more.
    pub(crate) fn chunks_settled(&self, offset: u64) -> bool {
        self.lowest_chunk.load(Ordering::Relaxed) < offset
    }

    /// True if only a chunk at `offset` or behind it can still change the answer.
    pub(crate) fn others_settled(&self, offset: u64) -> bool {
        self.chunk_known() || self.lowest_other.load(Ordering::Relaxed) < offset
    }

    fn chunk_known(&self) -> bool {
        self.lowest_chunk.load(Ordering::Relaxed) < u64::MAX
    }

    pub(crate) fn into_result(self) -> Result<(), Error> {
        self.first.into_inner().map_or(Ok(()), Err)
    }
}

/// Sort key of findings; the smallest is reported. The text makes the order total.
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

/// The order of faults at the same offset: those of a cell, and those of a record.
fn order(rule: Rule) -> u8 {
    match rule {
        Rule::R(15) => 0,
        Rule::V(4) => 1,
        Rule::R(16) => 2,
        Rule::R(19) => 3,
        Rule::V(6) => 4,
        Rule::V(14) => 5,
        Rule::V(5) => 6,
        Rule::V(8) => 7,
        Rule::V(10) => 8,
        Rule::V(7) => 9,
        Rule::V(3) => 10,
        Rule::V(9) => 11,
        Rule::V(12) => 12,
        _ => 13,
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
            Rule::R(19),
            Rule::V(6),
            Rule::V(14),
            Rule::V(5),
            Rule::V(8),
            Rule::V(10),
            Rule::V(7),
            Rule::V(3),
            Rule::V(9),
            Rule::V(12),
            Rule::V(13),
        ];
        assert!(rules.map(order).is_sorted_by(|a, b| a < b));
    }
}
