//! Looks keys up in a hashlith index, in place.
//!
//! An [`Index`] lies over any bytes: a `Vec`, a slice, or a memory-mapped file ([`Mapping`]), which all processes of
//! a machine share. A present key costs about two far memory accesses, an absent one about one. For many keys at
//! once, [`Index::get_many`] overlaps those accesses and is several times quicker.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("colours.hlith");
//! # let mut builder = hashlith_builder::Builder::new();
//! # builder.add(b"sky", b"blue")?;
//! # builder.finish(&path)?;
//! use hashlith_reader::{Index, MapOptions};
//!
//! // SAFETY: nobody changes this file in place; new versions replace it by a rename.
//! let index = unsafe { Index::map(&path, &MapOptions::default())? };
//! assert_eq!(index.get(b"sky")?, Some(&b"blue"[..]));
//! assert_eq!(index.get_many(&["sea", "sky"])?, [None, Some(&b"blue"[..])]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No bytes make it panic, read outside of them, or loop for ever: what is wrong is reported when the index is
//! opened, or by the lookup that meets it, with the offset. Checksums are left to `hashlith verify`.
#![deny(unsafe_code, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod batch;
mod iter;
mod lookup;
mod map;

pub use batch::WINDOW;
pub use hashlith_format::{Error, Header, KeyType, Rule, Span, ValueType};
pub use iter::{Iter, Position};
pub use map::{MapOptions, Mapping, OpenError};

use hashlith_format::PAGE;

/// A read-only dict over the bytes `D`.
///
/// It is `Send`, `Sync` and cheap to clone as far as `D` is; [`Mapping`] is all of that.
#[derive(Clone, Debug)]
pub struct Index<D> {
    data: D,
    header: Header,
    /// See [`Self::read_ahead_with`].
    ahead: Option<fn(&D, &[Span])>,
}

/// A key with its value, and its dense id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// A number from 0 up to, not including, [`Index::len`], which no other key of this index has.
    pub id: u64,
}

impl<D: AsRef<[u8]>> Index<D> {
    /// Opens the index that these bytes are, all of them.
    ///
    /// Checks the header, the length and the places of the sections (`spec.md` R1 to R14), in the same time whatever the
    /// length is.
    ///
    /// # Errors
    /// The first rule that the bytes break.
    pub fn new(data: D) -> Result<Self, Error> {
        let bytes = data.as_ref();
        let head = bytes.get(..PAGE as usize).unwrap_or(bytes);
        let header = Header::parse(head, bytes.len() as u64)?;
        Ok(Index { data, header, ahead: None })
    }

    /// Has batches call `ahead` with the places of the records that they are going to read, some hundred keys in advance:
    /// for bytes that are not in memory yet.
    #[must_use]
    pub fn read_ahead_with(mut self, ahead: fn(&D, &[Span])) -> Self {
        self.ahead = Some(ahead);
        self
    }

    /// The value of `key`, or `None` if it is absent.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the bytes that the lookup meets are damaged.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, Error> {
        Ok(self.find(key)?.map(|record| record.value))
    }

    /// The value of `key` in an index of text.
    ///
    /// # Errors
    /// As [`Self::get`], and R17 if the value is not UTF-8.
    pub fn get_str(&self, key: &str) -> Result<Option<&str>, Error> {
        let Some(record) = self.find(key.as_bytes())? else { return Ok(None) };
        let text = core::str::from_utf8(record.value);
        text.map(Some).map_err(|_| Error::Corrupt {
            rule: Rule::R(17),
            offset: self.offset_of(record.value),
            what: "a value is not UTF-8",
        })
    }

    /// True if the index has `key`.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn contains(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.find(key)?.is_some())
    }

    /// The dense id of `key`: a number from 0 up to, not including, [`Self::len`], which no other key has. It can
    /// index an array of the user's.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn id(&self, key: &[u8]) -> Result<Option<u64>, Error> {
        Ok(self.find(key)?.map(|record| record.id))
    }

    /// The record of `key`, or `None` if it is absent.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn find(&self, key: &[u8]) -> Result<Option<Record<'_>>, Error> {
        let hash = self.header.hasher.hash(key);
        self.lookup().find(key, hash)
    }

    /// The record with a dense id, or `None` if there are not that many.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn by_id(&self, id: u64) -> Result<Option<Record<'_>>, Error> {
        self.lookup().by_id(id)
    }

    /// All records in the order of their dense ids.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_at(Position::default())
    }

    /// The records from a position on that [`Iter::position`] gave, of this index or of another with the same bytes.
    #[inline]
    pub fn iter_at(&self, position: Position) -> Iter<'_> {
        Iter::new(self.section(self.header.sections.pool), &self.header, position)
    }

    /// Number of keys.
    pub fn len(&self) -> u64 {
        self.header.keys
    }

    /// True if there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the file says of itself: counts, types, and the places and lengths of its sections.
    pub fn info(&self) -> &Header {
        &self.header
    }

    /// The user's JSON, or no bytes.
    pub fn metadata(&self) -> &[u8] {
        self.section(self.header.sections.metadata)
    }

    /// The bytes that the index lies over.
    pub fn as_bytes(&self) -> &[u8] {
        self.data.as_ref()
    }

    /// What the index lies over.
    pub fn data(&self) -> &D {
        &self.data
    }

    #[inline]
    fn section(&self, span: Span) -> &[u8] {
        lookup::slice(self.data.as_ref(), span.offset, span.len).unwrap_or_default()
    }

    #[inline]
    fn lookup(&self) -> lookup::Lookup<'_> {
        lookup::Lookup::new(self.data.as_ref(), &self.header)
    }

    /// Where a key or value that this index gave lies, in bytes from the beginning of the file.
    pub fn offset_of(&self, part: &[u8]) -> u64 {
        (part.as_ptr() as usize).wrapping_sub(self.data.as_ref().as_ptr() as usize) as u64
    }
}

impl Index<Vec<u8>> {
    /// Reads a whole file into memory and opens it: safe whatever happens to the file later.
    ///
    /// # Errors
    /// [`OpenError`], with the path.
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| OpenError::Io { path: path.into(), source })?;
        Index::new(bytes).map_err(|source| OpenError::Invalid { path: path.into(), source })
    }
}
