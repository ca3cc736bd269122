//! All tests of this crate in one program, which links faster than many. Only those that measure memory run apart.

#![allow(clippy::unwrap_used, reason = "tests may unwrap, in their helper functions too")]

mod block_boundaries;
mod cdbmake_records;
mod compression;
#[cfg(feature = "arrow")]
mod damaged_tables;
#[cfg(feature = "sqlite")]
mod databases;
mod delimited_files;
mod hostile_pickles;
mod jsonl_lines;
mod on_error_skip;
mod packed_by_tools;
mod pickle_random;
mod pickles_made_by_python;
mod python2_pickles;
mod python_objects;
mod sources_and_formats;
mod support;
#[cfg(feature = "arrow")]
mod tables;
mod text_models;
mod tsv_lines;
mod typed_rows;
mod unusual_pickles;
#[cfg(feature = "arrow")]
mod uuids;
mod workers;
