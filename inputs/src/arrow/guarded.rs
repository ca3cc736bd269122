//! Panics and errors of the crates `arrow` and `parquet`.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::errors::ParquetError;
use arrow_schema::ArrowError;

use crate::unreadable::Unreadable;

/// Runs a part of the crates `arrow` and `parquet`, which say what is wrong with many damaged files by a panic.
///
/// # Errors
/// Those of the part, and its panics.
pub(crate) fn guarded<T, E: Into<Unreadable>>(run: impl FnOnce() -> Result<T, E>) -> Result<T, Unreadable> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => done.map_err(Into::into),
        Err(panic) => Err(damaged(&message(&*panic))),
    }
}

fn damaged(why: &dyn fmt::Display) -> Unreadable {
    format!("the file is damaged, or has what this version cannot read: {why}").into()
}

impl From<ArrowError> for Unreadable {
    fn from(error: ArrowError) -> Self {
        damaged(&error)
    }
}

impl From<ParquetError> for Unreadable {
    fn from(error: ParquetError) -> Self {
        damaged(&error)
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
