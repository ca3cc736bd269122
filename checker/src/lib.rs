//! Proves that a hashlith index is sound, by the rules of `spec.md`.
//!
//! [`verify`] checks every rule of section 9: the header, as a reader does when it opens the file, then every checksum
//! and every record, which must lie where its slot says and must be found by its key. [`Against`] compares an index with
//! the records that it was built from. [`Files`] opens an index that may be a set of files.
//!
//! This crate never uses the reader. It does its own lookups and reads the file instead of mapping it, so a mistake of the
//! reader cannot hide here, and a bad disk causes an error and not a signal. Both do use `hashlith-format`: its header, its
//! `CellView` and its record parser. The check that shares no code with any of this is the oracle in Python
//! (`tests/oracle.py`), which is written from `spec.md` alone.
//!
//! ```
//! use hashlith_checker::{Error, Options, Progress, verify};
//!
//! let not_an_index = vec![0u8; 5000];
//! let fault = verify(&not_an_index, &Options::default(), &Progress::new());
//! assert!(matches!(fault, Err(Error::Fault(hashlith_format::Error::Magic))));
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod against;
mod bits;
mod cell;
mod coded;
mod error;
mod findings;
mod lookup;
mod read;
mod records;
mod set;
mod sums;
mod verify;

pub use against::{Against, AgainstOptions, AgainstReport, Duplicates, Mismatch, StoredKey};
pub use error::Error;
pub use hashlith_feedback::Progress;
pub use read::ReadAt;
pub use set::{Files, PathError, VerifiedSet, verify_set};
pub use verify::{Options, Report, verify, verify_file};
