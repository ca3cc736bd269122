//! What all threads of a check have found so far.

use crate::Error;
use hashlith_format::Rule;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Keeps the fault with the lowest offset, so that the answer does not depend on which thread was first.
pub(crate) struct Findings {
    /// Offset of `first`; `u64::MAX` when there is none.
    lowest: AtomicU64,
    first: Mutex<Option<Error>>,
}

impl Findings {
    pub(crate) fn new() -> Self {
        Findings { lowest: AtomicU64::new(u64::MAX), first: Mutex::new(None) }
    }

    pub(crate) fn report(&self, error: Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|first| rank(&error) < rank(first)) {
            self.lowest.store(rank(&error).0, Ordering::Relaxed);
            *first = Some(error);
        }
    }

    /// True if nothing that is found from `offset` on can still matter.
    pub(crate) fn settled_before(&self, offset: u64) -> bool {
        self.lowest.load(Ordering::Relaxed) < offset
    }

    pub(crate) fn into_result(self) -> Result<(), Error> {
        self.first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

/// A cancelled check has seen too little to name the first fault, so that comes before all. At one place, a chunk
/// that does not match its sum comes before what follows from it.
fn rank(error: &Error) -> (u64, bool) {
    let follows = !matches!(error, Error::Fault(fault) if fault.rule() == Rule::V(1));
    (error.offset().unwrap_or(0), follows && error.offset().is_some())
}
