//! Streaming, parallel reading of records, each a key and a value, from files.
#![forbid(unsafe_code)]

mod cdbmake;
mod check;
mod csv;
mod decompress;
mod error;
pub mod escape;
mod feed;
mod jsonl;
mod options;
mod outlet;
mod pickle;
mod read;
mod source;
mod tsv;

pub use error::{Error, Place};
pub use options::{Column, Format, KeyKind, OnError, Options, UnknownName, ValueKind};
pub use read::{Sink, Summary, Watch, read};
pub use source::{Source, check_sources, describe, expand};
