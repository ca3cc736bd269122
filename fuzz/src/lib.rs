//! What the fuzz targets do with their bytes. A panic, a report of the address sanitizer, a hang or too much memory is a
//! failure.

mod builder;
mod index;
mod inputs;
mod panics;
mod tables;

pub use builder::builder;
pub use index::{checker, manifest, reader};
pub use inputs::{cdbmake, csv, json, jsonl, packed, pickle, tsv};
pub use tables::{arrow, parquet, sqlite};
