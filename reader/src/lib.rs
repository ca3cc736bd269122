//! Looks up keys in a hashlith index, in place.
//!
//! An [`Index`] lies over any bytes: a `Vec`, a slice, or a memory-mapped file ([`Mapping`]), which all processes of
//! a machine share. Looking up a present key takes about two far memory reads, an absent key about one. For many keys
//! at once, [`Index::get_many`] overlaps those reads and is several times faster.
//!
//! ```
//! use hashlith_reader::{Index, MapOptions};
//!
//! // SAFETY: nobody changes this file in place; new versions replace it by a rename.
//! let index = unsafe { Index::map("tests/colours.hlith", &MapOptions::default())? };
//! assert_eq!(index.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
//! assert_eq!(index.get_many(&["sea", "sky"])?, [None, Some(b"blue"[..].into())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An index may also be a set: a directory of files, each with a part of the keys (`spec.md` section 15). Open it by
//! the name of the directory, and use it like a file.
//!
//! No bytes make this crate panic, read out of bounds, or loop forever. Damage is reported with its offset, when the index is
//! opened or by the lookup that finds it. This crate does not verify checksums: `hashlith verify` does.
#![deny(unsafe_code, clippy::indexing_slicing)]

mod batch;
mod fault;
mod found;
mod index;
mod iter;
mod lookup;
mod map;
mod numbers;
mod open;
mod part;

pub use batch::WINDOW;
pub use found::Found;
pub use hashlith_format::{Error, Header, KeyType, Number, Row, Rule, Span, ValueType, int_key};
pub use index::Index;
pub use iter::{Iter, Position};
pub use lookup::{Field, Record};
pub use map::{MapOptions, Mapping};
pub use numbers::Numeric;
pub use open::OpenError;
pub use part::Part;
