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
//! An index may also be a set: a directory of files, each with a part of the keys (`spec.md` section 15). It is opened by the
//! name of the directory, and used like a file.
//!
//! No bytes make it panic, read outside of them, or loop for ever: what is wrong is reported when the index is
//! opened, or by the lookup that meets it, with the offset. Checksums are left to `hashlith verify`.
#![deny(unsafe_code, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod batch;
mod iter;
mod lookup;
mod map;
mod open;
mod part;

pub use batch::WINDOW;
pub use hashlith_format::{Error, Header, KeyType, Rule, Span, ValueType};
pub use iter::{Iter, Position};
pub use map::{MapOptions, Mapping};
pub use open::{OpenError, SetFiles};
pub use part::Part;

use hashlith_format::{KeyHash, KeyHasher};

/// A read-only dict over the bytes `D`: those of one file, or of each file of a set.
///
/// It is `Send`, `Sync` and cheap to clone as far as `D` is; [`Mapping`] is all of that.
#[derive(Clone, Debug)]
pub struct Index<D> {
    /// At least one. Their numbers follow one another.
    parts: Vec<Part<D>>,
    /// The first part's number, and how many parts the set has; 0 and 1 for a file that stands alone.
    first: u32,
    total: u32,
    hasher: KeyHasher,
    /// Keys of all parts.
    keys: u64,
    /// See [`Self::read_ahead_with`].
    ahead: Option<fn(&D, Span)>,
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
    /// length is. One part of a set is an index too: of the keys that it has.
    ///
    /// # Errors
    /// The first rule that the bytes break.
    pub fn new(data: D) -> Result<Self, Error> {
        Ok(Self::of(vec![Part::new(data)?]))
    }

    /// An index of parts that follow one another and have been found to belong together; at least one.
    fn of(mut parts: Vec<Part<D>>) -> Self {
        let mut keys = 0u64;
        for part in &mut parts {
            part.first_id = keys;
            keys = keys.saturating_add(part.header().keys);
        }
        let of_first = parts.first().map(|part| *part.header());
        let (first, total) = of_first.map_or((0, 1), |header| (header.part, header.parts));
        let hasher = of_first.map_or(KeyHasher::xxh3(0), |header| header.hasher);
        Index { parts, first, total, hasher, keys, ahead: None }
    }

    /// One index of parts that were opened one by one: all of one set, in order.
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::of(parts.into_iter().flat_map(|index| index.parts).collect())
    }

    /// False for a part that was opened without the others of its set.
    pub fn is_whole(&self) -> bool {
        self.parts.len() as u64 == u64::from(self.total)
    }

    /// Has batches call `ahead` with the place of each record that they are going to read, some hundred keys in advance:
    /// for bytes that are not in memory yet.
    #[must_use]
    pub fn read_ahead_with(mut self, ahead: fn(&D, Span)) -> Self {
        self.ahead = Some(ahead);
        self
    }

    /// The value of `key`, or `None` if it is absent.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the bytes that the lookup meets are damaged; of a set [`Error::InPart`], with the part.
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
        text.map(Some).map_err(|_| self.fault_at(record.value, Rule::R(17), "a value is not UTF-8"))
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
        let hash = self.hasher.hash(key);
        let home = match self.parts.as_slice() {
            // Its bytes are loaded while the hash is still being computed.
            [only] if self.total == 1 => Some(only),
            _ => self.part_of(hash),
        };
        let Some(part) = home else { return Ok(None) };
        let found = part.lookup().find(key, hash);
        // Not `map_err`, which would move the answer once more.
        if found.is_err() { found.map_err(|fault| self.in_part(part, fault)) } else { found }
    }

    /// The part that a key of this hash is in, if it is here (`spec.md` section 7, step 2).
    #[inline]
    fn part_of(&self, hash: KeyHash) -> Option<&Part<D>> {
        self.parts.get(hash.part(self.total).wrapping_sub(self.first) as usize)
    }

    /// A fault of a part, with its number if there are others.
    #[cold]
    fn in_part(&self, part: &Part<D>, fault: Error) -> Error {
        if self.parts.len() == 1 {
            fault
        } else {
            Error::InPart { part: part.header().part, fault: Box::new(fault) }
        }
    }

    /// The record with a dense id, or `None` if there are not that many.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn by_id(&self, id: u64) -> Result<Option<Record<'_>>, Error> {
        let Some((_, part)) = self.part_of_id(id) else { return Ok(None) };
        part.lookup().by_id(id.wrapping_sub(part.first_id)).map_err(|fault| self.in_part(part, fault))
    }

    /// The last part whose first id is not above `id`, and its number.
    fn part_of_id(&self, id: u64) -> Option<(usize, &Part<D>)> {
        let number = self.parts.partition_point(|part| part.first_id <= id).checked_sub(1)?;
        Some((number, self.parts.get(number)?))
    }

    /// All records in the order of their dense ids.
    pub fn iter(&self) -> Iter<'_, D> {
        self.iter_at(Position::default())
    }

    /// The records from a position on that [`Iter::position`] gave, of this index or of another with the same bytes.
    #[inline]
    pub fn iter_at(&self, position: Position) -> Iter<'_, D> {
        Iter::new(self, position)
    }

    /// The records from a dense id on.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn iter_from(&self, id: u64) -> Result<Iter<'_, D>, Error> {
        let Some((number, part)) = self.part_of_id(id) else { return Ok(self.iter_at(Position::END)) };
        let place = part.lookup().place_of(id.wrapping_sub(part.first_id));
        Ok(self.iter_at(match place.map_err(|fault| self.in_part(part, fault))? {
            None => Position::END,
            Some(place) => {
                let pool = part.header().sections.pool.offset;
                Position::new(number, place.record.saturating_sub(pool), id)
            }
        }))
    }

    /// Number of keys.
    pub fn len(&self) -> u64 {
        self.keys
    }

    /// True if there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files of a set, or the one file.
    pub fn parts(&self) -> &[Part<D>] {
        &self.parts
    }

    /// The header of the first part: key type, value type and hash are those of all.
    pub fn first_header(&self) -> &Header {
        match self.parts.first() {
            Some(part) => part.header(),
            None => unreachable!("an index has a part"),
        }
    }

    /// Length in bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.header().file_len()).sum()
    }

    /// The user's JSON, or no bytes.
    pub fn metadata(&self) -> &[u8] {
        self.parts.first().map_or(&[], |part| part.section(part.header().sections.metadata))
    }

    /// The damage that a key, a value or the metadata turned out to be; they must be slices that this index gave.
    pub fn fault_at(&self, bytes: &[u8], rule: Rule, what: &'static str) -> Error {
        let place = |part: &Part<D>| {
            let offset = part.offset_of(bytes);
            (offset < part.header().file_len())
                .then(|| self.in_part(part, Error::Corrupt { rule, offset, what }))
        };
        self.parts.iter().find_map(place).unwrap_or(Error::Corrupt { rule, offset: 0, what })
    }
}
