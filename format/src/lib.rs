//! What the bytes of a hashlith index are: `spec.md`, as code.
//!
//! This crate writes and reads the header, the cells, the records, the checksums and the manifest of a set, and knows
//! nothing about memory maps or threads. The builder, the reader and the checker stand on it. Every number it takes from a
//! file is checked before it is used; nothing here panics on any bytes.
//!
//! The feature `std` adds [`SetFiles`], which reads the manifest of a set from its directory.
//!
//! Section numbers in the comments are those of `spec.md`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod cell;
pub mod checksum;
pub mod coding;
mod error;
pub mod hash;
pub mod header;
pub mod manifest;
mod number;
pub mod record;
pub mod set;
#[cfg(feature = "std")]
mod set_files;
mod span;
pub mod tokens;
mod types;

pub use cell::{Attempt, CellData, CellView, Geometry, Head};
pub use coding::Coding;
pub use error::{Error, Rule};
pub use hash::{HashId, KeyHash, KeyHasher, KeyStream};
pub use header::{Header, Sections};
pub use manifest::Manifest;
pub use number::{Number, Row};
#[cfg(feature = "std")]
pub use set_files::{FileError, SetFiles, open_regular, read_manifest};
pub use span::Span;
pub use types::{KeyType, UnknownType, ValueType, int_key, key_int};

/// The first bytes of every index (section 3).
pub const MAGIC: [u8; 8] = *b"\x89HLITH\r\n";
/// The version of the format that this crate reads and writes.
pub const VERSION: u32 = 1;
/// Length of the header, and the alignment of sections, in bytes.
pub const PAGE: u64 = 4096;
/// Alignment, in bytes, of a hot section of at least sixteen times this length: it costs at most a sixteenth of it.
pub const HUGE_PAGE: u64 = 2 << 20;
/// How many bytes one sum covers (section 8).
pub const CHUNK: u64 = 65_536;
/// Most keys in a file (section 11).
pub const MAX_KEYS: u64 = (1 << 48) - 1;
/// Bytes of a cell (section 5).
pub const CELL_LEN: u64 = 128;
/// Most keys in a cell (section 11).
pub const MAX_CELL_KEYS: u8 = u8::MAX;
/// The pool takes fewer bytes than this (section 11).
pub const MAX_POOL: u64 = 1 << 48;
/// Most bits of a fingerprint (section 3); twice as many if keys are left out.
pub const MAX_FINGERPRINT_BITS: u32 = 16;
/// Most bits in a slot entry, so that one 8-byte read holds it (section 6).
pub const MAX_ENTRY_BITS: u32 = 57;
/// Most parts of a set (section 15).
pub const MAX_PARTS: u32 = 1 << 16;
/// Most bytes of metadata (section 4).
pub const MAX_METADATA: u64 = 1 << 20;
