//! A read-only dict bigger than RAM, in one memory-mapped file that any number of processes share.
//!
//! This crate is the front door of hashlith: it builds indexes, looks keys up, and has every operation of the `hashlith`
//! command as a function with typed options, results and errors.
//!
//! ```
//! use hashlith::{Builder, Index, MapOptions};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("colours.hlith");
//!
//! let mut builder = Builder::new();
//! builder.add(b"sky", b"blue")?;
//! builder.add(b"grass", b"green")?;
//! builder.finish(&path)?;
//!
//! // SAFETY: nobody changes this file in place; a new version replaces it by a rename.
//! let index = unsafe { Index::map(&path, &MapOptions::default())? };
//! assert_eq!(index.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
//! assert_eq!(index.get_many(&["sea", "grass"])?, [None, Some(b"green"[..].into())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | use |
//! | --- | --- |
//! | look keys up | [`Index`], from [`Index::map`] (shared between processes) or [`Index::load`] (no `unsafe`) |
//! | build from records of your own | [`Builder`], with a [`Feeder`] for each thread |
//! | build from pickles, TSV, CSV, JSON lines or cdbmake files | [`build_from_files`], or [`FileBuild`] for progress and checks first |
//! | check every byte, or compare an index with its inputs | [`verify()`], [`Verified::against`] |
//! | see what is in an index and what it costs | [`info()`] |
//! | make one index of several, or a set of files | [`merge()`], [`split`], [`Merge`] |
//! | write all records as text | [`dump()`] |
//! | make a set of part files that were built separately | [`Builder::part`], [`commit_set`] |
//!
//! Long operations report to a [`Progress`], which also cancels them. An [`Error`] says what is wrong and where, and
//! [`Error::advice`] which kind of help applies.
//!
//! The feature `meter` adds a progress bar on the terminal.
#![forbid(unsafe_code)]

mod build;
mod digest;
mod dump;
mod error;
mod hash_name;
mod histogram;
mod info;
mod merge;
#[cfg(feature = "meter")]
mod meter;
mod sets;
mod shown;
mod size;
mod verify;

pub use build::{BuildReport, FileBuild, build_from_files};
pub use digest::digest;
pub use dump::{DumpFormat, Texts, dump, write_value};
pub use error::Error;
pub use hash_name::{HashName, Seed};
pub use histogram::{Histogram, LengthRange};
pub use info::{CompressionInfo, Info, LengthStats, PageTables, SectionInfo, info};
pub use merge::{Merge, merge, split};
#[cfg(feature = "meter")]
pub use meter::Meter;
pub use sets::{commit_set, prepare_set};
pub use shown::{json_line, shown_key};
pub use size::{parse_size, resident_memory};
pub use verify::{Comparison, Verified, check_path, verify};

pub use hashlith_builder::{
    self as builder, Builder, Compress, Feeder, OnDuplicate, Origin, after_fork_in_child,
    after_fork_in_parent, available_memory, available_threads, before_fork,
};
pub use hashlith_checker::{self as checker, Duplicates, Options as VerifyOptions, Report as VerifyReport};
pub use hashlith_feedback::{Advice, Cancelled, Phase, Progress, Snapshot, Unit};
pub use hashlith_format::{
    self as format, Header, KeyHasher, KeyType, MAX_PARTS, Number, Row, Rule, Span, ValueType, int_key,
    key_int,
};
pub use hashlith_inputs::{
    self as inputs, Column, Delimiter, Encoding, Format, Location, OnError, Quotes, ReadOptions, Skipped,
    Source, Sources, encoding,
};
pub use hashlith_reader::{
    self as reader, Field, Found, Index, Iter, MapOptions, Mapping, OpenError, Part, Position, Record,
};
