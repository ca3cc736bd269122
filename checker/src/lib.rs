//! Proves that a hashlith index is right, from `spec.md` alone.
//!
//! [`verify`] checks every rule of section 9: the header that a reader checks when it opens the file, every
//! checksum, and every record, which must be where its slot says and must be found by its key. [`Against`] compares
//! an index with the records that it was built from.
//!
//! [`Files`] is for an index that may be a set of files.
//!
//! This crate shares with the reader only the crate that knows the bytes. It does its own lookups and never maps the
//! file, so that a bad disk gives an error and not a signal, and a mistake of the reader cannot hide here.
//!
//! ```
//! use hashlith_checker::{Error, Options, Progress, verify};
//!
//! let not_an_index = vec![0u8; 5000];
//! let fault = verify(&not_an_index, &Options::default(), &Progress::default());
//! assert!(matches!(fault, Err(Error::Fault(hashlith_format::Error::Magic))));
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod against;
mod cell;
mod error;
mod findings;
mod lookup;
mod read;
mod set;
mod structure;
mod sums;
mod verify;

pub use against::{Against, AgainstOptions, AgainstReport, Duplicates, Mismatch, StoredKey};
pub use error::Error;
pub use read::ReadAt;
pub use set::{FileError, Files};
pub use verify::{Options, Progress, Report, verify};
