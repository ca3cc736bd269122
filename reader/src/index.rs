//! An index over bytes, and the lookups of single keys.

use crate::{found::Found, lookup::Record, part::Part};
use hashlith_format::{Error, Header, KeyHash, KeyHasher, Rule, Span};
use std::borrow::Cow;

/// A read-only dict over the bytes `D`: those of one file, or of each file of a set.
///
/// It is `Send`, `Sync` and cheap to clone whenever `D` is. [`Mapping`](crate::Mapping) is all three.
#[derive(Clone, Debug)]
pub struct Index<D> {
    /// At least one. Their numbers follow one another.
    pub(crate) parts: Vec<Part<D>>,
    /// The first part's number, and how many parts the set has; 0 and 1 for a file that stands alone.
    pub(crate) first: u32,
    pub(crate) total: u32,
    pub(crate) hasher: KeyHasher,
    /// Keys of all parts.
    pub(crate) keys: u64,
    /// See [`Self::read_ahead_with`].
    pub(crate) ahead: Option<fn(&D, Span)>,
}

impl<D: AsRef<[u8]>> Index<D> {
    /// Opens the index in these bytes, which must be a whole file.
    ///
    /// Checks the header, the length and the places of the sections (`spec.md` R1 to R14), in the same time for any
    /// length. One part of a set can be opened too; it answers for its own keys.
    ///
    /// ```
    /// use hashlith_reader::Index;
    ///
    /// let index = Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.len(), 2);
    /// assert!(Index::new(b"no index").is_err());
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first rule that the bytes break.
    pub fn new(data: D) -> Result<Self, Error> {
        Ok(Self::of(vec![Part::new(data, None)?]))
    }

    /// An index of parts that follow one another and are known to belong together; at least one.
    pub(crate) fn of(mut parts: Vec<Part<D>>) -> Self {
        let mut keys = 0u64;
        let in_set = parts.len() > 1;
        for part in &mut parts {
            part.in_set = in_set;
            part.first_id = keys;
            keys = keys.saturating_add(part.header().keys);
        }
        let of_first = parts.first().map(|part| *part.header());
        let (first, total) = of_first.map_or((0, 1), |header| (header.part, header.parts));
        let hasher = of_first.map_or(KeyHasher::xxh3(0), |header| header.hasher);
        Index { parts, first, total, hasher, keys, ahead: None }
    }

    /// Joins parts that were opened one by one: all parts of one set, in order.
    ///
    /// ```
    /// use hashlith_reader::Index;
    ///
    /// // The parts of a set; this one has a single part.
    /// let parts = [Index::load("tests/colours.hlith")?];
    /// let index = Index::join(parts);
    /// assert_eq!(index.len(), 2);
    /// # Ok::<(), hashlith_reader::OpenError>(())
    /// ```
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::of(parts.into_iter().flat_map(|index| index.parts).collect())
    }

    /// False for a part that was opened without the others of its set.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert!(index.is_whole());
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn is_whole(&self) -> bool {
        self.parts.len() as u64 == u64::from(self.total)
    }

    /// Makes batches call `ahead` with the place of each record that they are going to read, some hundred keys in
    /// advance. This is for bytes that are not in memory yet.
    ///
    /// ```
    /// use hashlith_reader::{Index, Span};
    ///
    /// fn ahead(bytes: &Vec<u8>, record: Span) {
    ///     assert!(record.end() <= bytes.len() as u64);
    ///     // Here a program would ask the system to read these bytes soon.
    /// }
    /// let index = Index::load("tests/colours.hlith")?.read_ahead_with(ahead);
    /// assert_eq!(index.get_many(&["sky"])?, [Some(b"blue"[..].into())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn read_ahead_with(mut self, ahead: fn(&D, Span)) -> Self {
        self.ahead = Some(ahead);
        self
    }

    /// The value of `key`, or `None` if it is absent. It is borrowed from the file, unless the file has compressed values.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
    /// assert_eq!(index.get(b"sea")?, None);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the lookup finds damage (R15, R16, R19, R20); in a set, [`Error::InPart`] with the number of the part.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error> {
        match self.lookup(key)? {
            Some(found) => found.value().map(Some),
            None => Ok(None),
        }
    }

    /// The value of `key`, or `None` if it is absent, without an allocation for each value: a compressed one is decoded into
    /// `buffer`, in place of what was there.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let mut buffer = Vec::new();
    /// assert_eq!(index.get_into(b"sky", &mut buffer)?, Some(&b"blue"[..]));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn get_into<'a>(&'a self, key: &[u8], buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, Error> {
        let Some(found) = self.lookup(key)? else { return Ok(None) };
        if let Some(value) = found.stored_value() {
            return Ok(Some(value));
        }
        buffer.clear();
        found.append_value(buffer)?;
        Ok(Some(buffer))
    }

    /// The value of `key` in an index of text.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.get_str("sky")?.as_deref(), Some("blue"));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`], and R17 if the value is not UTF-8.
    pub fn get_str(&self, key: &str) -> Result<Option<Cow<'_, str>>, Error> {
        let Some(found) = self.lookup(key.as_bytes())? else { return Ok(None) };
        let text = match found.value()? {
            Cow::Borrowed(value) => core::str::from_utf8(value).map(Cow::Borrowed).ok(),
            Cow::Owned(value) => String::from_utf8(value).map(Cow::Owned).ok(),
        };
        text.map(Some).ok_or_else(|| found.fault(Rule::R(17), "a value is not UTF-8"))
    }

    /// True if the index has `key`.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert!(index.contains(b"sky")? && !index.contains(b"sea")?);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn contains(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.lookup(key)?.is_some())
    }

    /// The dense id of `key`: a number below [`Self::len`] that no other key has. It can index an array of your own.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let mut visits = vec![0; index.len() as usize];
    /// if let Some(id) = index.id(b"sky")? {
    ///     visits[id as usize] += 1;
    /// }
    /// assert_eq!(visits.iter().sum::<u32>(), 1);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn id(&self, key: &[u8]) -> Result<Option<u64>, Error> {
        Ok(self.lookup(key)?.map(|found| found.id()))
    }

    /// The record of `key`, or `None` if it is absent.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let record = index.find(b"sky")?.unwrap();
    /// assert_eq!((&*record.key, &*record.value), (&b"sky"[..], &b"blue"[..]));
    /// assert!(record.id < index.len());
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn find(&self, key: &[u8]) -> Result<Option<Record<'_>>, Error> {
        match self.lookup(key)? {
            Some(found) => found.record().map(Some),
            None => Ok(None),
        }
    }

    /// Looks up `key`: its dense id, and its value once that is asked for.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let found = index.lookup(b"sky")?.unwrap();
    /// assert!(found.id() < index.len());
    /// assert_eq!(*found.value()?, b"blue"[..]);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn lookup<'k>(&self, key: &'k [u8]) -> Result<Option<Found<'_, 'k>>, Error> {
        let hash = self.hasher.hash(key);
        let home = match self.parts.as_slice() {
            // Its bytes are loaded while the hash is still being computed.
            [only] if self.total == 1 => Some(only),
            _ => self.part_of(hash),
        };
        let Some(part) = home else { return Ok(None) };
        let lookup = part.lookup();
        match lookup.find(key, hash) {
            Ok(Some(place)) => Ok(Some(Found::new(lookup, key, place))),
            Ok(None) => Ok(None),
            Err(fault) => Err(lookup.in_part(fault)),
        }
    }

    /// The part that a key of this hash is in, if it is here (`spec.md` section 7, step 2).
    #[inline]
    pub(crate) fn part_of(&self, hash: KeyHash) -> Option<&Part<D>> {
        self.parts.get(hash.part(self.total).wrapping_sub(self.first) as usize)
    }

    /// The record with a dense id, or `None` if the id is not below [`Self::len`].
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let id = index.id(b"sky")?.unwrap();
    /// assert_eq!(*index.by_id(id)?.unwrap().key, b"sky"[..]);
    /// assert_eq!(index.by_id(2)?, None);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn by_id(&self, id: u64) -> Result<Option<Record<'_>>, Error> {
        let Some((_, part)) = self.part_of_id(id) else { return Ok(None) };
        let lookup = part.lookup();
        lookup.by_id(id.wrapping_sub(part.first_id)).map_err(|fault| lookup.in_part(fault))
    }

    /// The part that has this dense id, if any has, and its place among the parts: the last whose first id is not above it.
    pub fn part_of_id(&self, id: u64) -> Option<(usize, &Part<D>)> {
        let number = self.parts.partition_point(|part| part.first_id <= id).checked_sub(1)?;
        Some((number, self.parts.get(number)?))
    }

    /// If keys are left out: how many bits of its hash stand for a key, in the part that has the fewest. A key that the index does
    /// not have is taken for one that it has, once in 2^n times.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.check_bits(), None);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn check_bits(&self) -> Option<u32> {
        self.parts.iter().filter_map(|part| part.header().check_bits()).min()
    }

    /// Number of keys.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.len(), 2);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn len(&self) -> u64 {
        self.keys
    }

    /// True if there are no keys.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert!(!index.is_empty());
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files of a set, or the one file.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// for part in index.parts() {
    ///     println!("part {} has {} keys", part.header().part, part.header().keys);
    /// }
    /// # assert_eq!(index.parts().len(), 1);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn parts(&self) -> &[Part<D>] {
        &self.parts
    }

    /// The header of the first part. All parts have the same key type, value type and hash.
    ///
    /// ```
    /// use hashlith_reader::{KeyType, ValueType};
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let header = index.first_header();
    /// assert_eq!((header.key_type, header.value_type), (KeyType::Text, ValueType::Text));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn first_header(&self) -> &Header {
        match self.parts.first() {
            Some(part) => part.header(),
            None => unreachable!("an index has a part"),
        }
    }

    /// Length of all files together, in bytes.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.bytes(), 12_296);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.header().file_len()).sum()
    }

    /// The user's JSON, or no bytes (`spec.md` section 4).
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.metadata(), b"", "built without metadata");
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn metadata(&self) -> &[u8] {
        self.parts.first().map_or(&[], |part| part.section(part.header().sections.metadata))
    }
}

impl<D: AsRef<[u8]>> Part<D> {
    /// This part as an index of its own, whose ids begin with 0.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let part = index.parts()[0].alone();
    /// assert_eq!(part.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn alone(&self) -> Index<&[u8]> {
        Index::of(vec![self.borrowed()])
    }
}
