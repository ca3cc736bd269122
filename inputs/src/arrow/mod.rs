//! Tables: Parquet files and Arrow files and streams, in batches of columns.

mod cells;
mod data;
mod ipc;
mod json;
mod pages;
mod parquet;
mod plan;
mod table;
mod thrift;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::errors::ParquetError;
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use hashlith_feedback::Advice;

use crate::bad_row::BadRow;
use crate::outlet::Outlet;
use crate::sink::Sink;
use crate::stop::Stop;
use crate::unreadable::{Unreadable, unreadable};

pub(crate) use ipc::read_source;
pub(crate) use parquet::{File, RowGroup};
pub use table::{Table, Unfit};

/// Something that takes more memory than there is.
fn too_long(what: &str, bytes: u64, most: usize) -> Unreadable {
    let what = format!("{what} takes {bytes} bytes; the most that is allowed is {most}");
    Unreadable { what, advice: Some(Advice::MoreMemory) }
}

/// Runs a part of the crates `arrow` and `parquet`, which say what is wrong with many damaged files by a panic.
fn guarded<T, E: Into<Unreadable>>(run: impl FnOnce() -> Result<T, E>) -> Result<T, Unreadable> {
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

/// Passes the rows of a batch to the sink; the first one is row `at`, from 0.
fn pass<S: Sink>(
    table: &Table,
    batch: &RecordBatch,
    at: u64,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    outlet.pause()?;
    if !table.fits(batch) {
        return Err(unreadable(at, "the types of columns change".to_owned()).for_sink());
    }
    table.each(batch, |row, record| {
        let at = at + row as u64;
        match record {
            Ok((key, value)) => outlet.record(at, key, value),
            Err(reason) => outlet.bad_row(BadRow::new(at, reason)),
        }
    })
}
