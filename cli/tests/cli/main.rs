//! The command as users run it: the real program, real files, real signals. One behaviour per file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod build_options;
mod closed_pipe;
mod completions;
mod disk;
mod dump;
mod duplicates;
mod edge_records;
mod get;
mod info;
mod input_table;
mod memory;
mod output_file;
mod pickles;
mod progress;
mod round_trips;
mod sets;
mod signals;
mod streams;
mod support;
mod types;
mod usage;
mod verify;
