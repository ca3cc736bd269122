//! Records, each a key and a value, out of files: Python pickles, TSV, CSV, JSON and `cdbmake` input, plain or
//! compressed with gzip, zstd, bzip2, xz, lzma, lz4 or zip; and with the features `arrow` and `sqlite` Parquet and Arrow files,
//! and SQLite databases.
//!
//! [`Sources`] finds and checks the files. [`read()`] passes every record to a [`Sink`]; each worker has its own.
//! All workers share a large file of a text format, block by block; a pickle is read by one worker, many pickles by many.
//! Memory does not grow with the input: a pickled dict is never held, only a batch of it.
//!
//! Input files are data. A pickle runs nothing: only the opcodes for dicts, lists, tuples, strings and plain values are
//! carried out, and the shapes of a few objects (arrays of numpy, named tuples, classes derived from dict or list) are
//! taken as data. Any other object is carried along without its contents, and a record that needs it is bad. An opcode that
//! asks for more is refused with its name and byte offset. A length in a file takes no memory before the bytes have arrived,
//! and nesting takes no stack.
//!
//! A row that cannot be a record ends the reading with an error that says where it is, or is counted and left out: see
//! [`OnError`]. Nothing is dropped silently.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::convert::Infallible;
//! use hashlith_inputs::{ReadOptions, Sink, Source, Sources, read};
//! use hashlith_feedback::Progress;
//!
//! #[derive(Default)]
//! struct Keep(BTreeMap<Vec<u8>, Vec<u8>>);
//!
//! impl Sink for Keep {
//!     type Error = Infallible;
//!
//!     fn record(&mut self, _source: u32, _position: u64, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
//!         self.0.insert(key.to_vec(), value.to_vec());
//!         Ok(())
//!     }
//! }
//!
//! let options = ReadOptions::default();
//! let sources = vec![
//!     // What pickle.dumps({"one": "eins"}, 4) returns.
//!     Source::Memory { name: "a.pkl".into(), bytes: b"\x80\x04}(\x8c\x03one\x8c\x04einsu."[..].into() },
//!     Source::Memory { name: "b.tsv".into(), bytes: b"two\tzwei\nthree\tdrei\n"[..].into() },
//! ];
//! let sources = Sources::new(sources, &options)?;
//! let (summary, sinks) = read(&sources, &options, 2, Keep::default, &Progress::new())?;
//! assert_eq!(summary.records, 3);
//! let all: BTreeMap<_, _> = sinks.into_iter().flat_map(|sink| sink.0).collect();
//! assert_eq!(all[&b"two"[..]], b"zwei");
//! # Ok::<(), hashlith_inputs::Error>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "arrow")]
mod arrow;
mod bad_row;
mod block;
mod cdb;
mod cdbmake;
mod check;
mod columns;
mod cutter;
mod decompress;
mod delimited;
mod dialect;
mod document;
mod encoding;
mod error;
pub mod escape;
mod feed;
mod format;
mod json_key;
mod jsonl;
mod location;
mod magic;
mod options;
mod outlet;
mod pickle;
mod read;
mod rows;
mod scan;
mod shown;
mod sink;
mod source;
mod sources;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stop;
mod temp_copy;
pub mod typed;
#[cfg(any(feature = "arrow", feature = "sqlite"))]
mod unreadable;

#[cfg(feature = "arrow")]
pub use arrow::{Table, Unfit};
pub use dialect::{Delimiter, Quotes};
pub use encoding::{Encoding, encoding};
pub use error::{Error, ReadError};
pub use format::{Format, UnknownName};
pub use location::Location;
pub use options::{Column, OnError, ReadOptions};
pub use read::read;
pub use sink::{Sink, Skipped, Summary};
pub use source::Source;
pub use sources::Sources;
