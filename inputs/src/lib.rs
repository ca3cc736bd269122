//! Streaming, parallel reading of records, each a key and a value, from files: Python pickles, TSV, CSV, JSON
//! lines and `cdbmake` input, plain or compressed with gzip or zstd.
//!
//! [`read`] hands every record to a [`Sink`], of which each worker has one of its own. One large file of a line
//! format is shared by all workers, block by block; a pickle is read by one worker, many pickles by many. Memory
//! does not grow with the input: a pickled dict is never held, only a batch of it.
//!
//! Input files are data. A pickle runs nothing: only the opcodes for dicts, lists, tuples, strings and plain values
//! are carried out, along with a few harmless names such as `collections.OrderedDict`, and the first opcode that
//! asks for more is refused with its name and byte offset. No declared length takes memory before the bytes are
//! there, and nesting takes no stack.
//!
//! A row that cannot be a record ends the reading with an error that says where it is, or is counted and left out:
//! see [`OnError`]. Nothing is dropped in silence.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::convert::Infallible;
//! use hashlith_inputs::{Options, Sink, Source, Watch, read};
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
//! let sources = [
//!     // What pickle.dumps({"one": "eins"}, 4) gives.
//!     Source::Memory { name: "a.pkl".into(), bytes: b"\x80\x04}(\x8c\x03one\x8c\x04einsu."[..].into() },
//!     Source::Memory { name: "b.tsv".into(), bytes: b"two\tzwei\nthree\tdrei\n"[..].into() },
//! ];
//! let (summary, sinks) = read(&sources, &Options::default(), 2, Keep::default, &Watch::default())?;
//! assert_eq!(summary.records, 3);
//! let all: BTreeMap<_, _> = sinks.into_iter().flat_map(|sink| sink.0).collect();
//! assert_eq!(all[&b"two"[..]], b"zwei");
//! # Ok::<(), hashlith_inputs::Error>(())
//! ```
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
pub use source::{Expanded, Source, check_sources, describe, expand};
