//! Tables: Parquet files and Arrow files and streams, in batches of columns.

mod cells;
mod data;
mod grammar;
mod guarded;
mod ipc;
mod json;
mod pages;
mod parquet;
mod plan;
mod table;
mod thrift;
mod uuid;

use arrow_array::RecordBatch;
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
