//! Compares an index with the records that it was built from.

use crate::{
    bits::Bits,
    error::Error,
    lookup::{Found, Lookup},
    read::ReadAt,
};
use hashlith_format::{KeyType, key_int};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// What is expected of several records with the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Each must have the value in the index.
    #[default]
    Unexpected,
    /// One of them must have the value in the index: for an index that was built to keep the first or the last record of
    /// each key. Only [`Against::finish`] can tell.
    Allowed,
}

/// How to compare.
///
/// ```
/// use hashlith_checker::{AgainstOptions, Duplicates};
///
/// let options = AgainstOptions { duplicates: Duplicates::Allowed, ..AgainstOptions::default() };
/// assert_eq!(options.hot_cache, 512 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgainstOptions {
    /// What is expected of several records with the same key.
    pub duplicates: Duplicates,
    /// The hot and the far section are kept in memory if they have at most this many bytes, which saves a quarter of the
    /// time. They take 2 to 4 bytes per key. The default is 512 MiB.
    pub hot_cache: u64,
}

impl Default for AgainstOptions {
    fn default() -> Self {
        AgainstOptions { duplicates: Duplicates::default(), hot_cache: 512 << 20 }
    }
}

/// Why a record does not agree with the index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The index has no such key.
    #[error("key {key} is not in the index: it was built from other records; build it again")]
    Absent {
        /// The key.
        key: StoredKey,
    },
    /// The index has another value.
    #[error(
        "key {key} has another value in the index, in its record at byte {offset}: the index was built from other \
         records, or with a rule for duplicate keys; build it again, or check with that rule"
    )]
    Value {
        /// The key.
        key: StoredKey,
        /// Its dense id.
        id: u64,
        /// Where the record of the index begins, in bytes from the beginning of the file.
        offset: u64,
    },
    /// The lookup failed.
    #[error(transparent)]
    Index(#[from] Error),
}

/// The beginning of a key, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// At most the first 64 bytes.
    pub head: Vec<u8>,
    /// Length of the whole key in bytes.
    pub len: u64,
}

impl StoredKey {
    const SHOWN: usize = 64;

    /// A key of this type. An integer is shown in decimal.
    fn new(kind: KeyType, key: &[u8]) -> Self {
        match key_int(key) {
            Some(key) if kind == KeyType::Int => Self::of_text(key.to_string()),
            _ => {
                let (head, _) = key.split_at(key.len().min(Self::SHOWN));
                StoredKey { head: head.to_vec(), len: key.len() as u64 }
            }
        }
    }

    fn of_text(text: String) -> Self {
        StoredKey { len: text.len() as u64, head: text.into_bytes() }
    }
}

impl fmt::Display for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.head) {
            Ok(text) => write!(f, "{text:?}")?,
            Err(_) => write!(f, "b\"{}\"", self.head.escape_ascii())?,
        }
        if self.len > self.head.len() as u64 { write!(f, "... ({} bytes)", self.len) } else { Ok(()) }
    }
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgainstReport {
    /// Records that were looked up.
    pub records: u64,
    /// Keys of the index that some record has.
    pub keys: u64,
    /// Records with the same key as an earlier record.
    pub duplicates: u64,
    /// Records whose key is not in the index.
    pub absent: u64,
    /// How many records (with [`Duplicates::Unexpected`]) or keys (with [`Duplicates::Allowed`]) have another value in the
    /// index.
    pub mismatched: u64,
    /// The first of these keys by dense id, at most [`Against::SHOWN`]. Only with [`Duplicates::Allowed`]: otherwise
    /// [`Against::check`] has reported each.
    pub mismatched_keys: Vec<StoredKey>,
    /// Keys of the index that no record has.
    pub unseen: u64,
    /// The first of these by dense id, at most [`Against::SHOWN`].
    pub unseen_keys: Vec<StoredKey>,
}

impl AgainstReport {
    /// True if the index has exactly the keys of the records, with their values.
    pub fn agrees(&self) -> bool {
        (self.absent, self.mismatched, self.unseen) == (0, 0, 0)
    }
}

/// Compares an index with records that come from many threads in any order.
///
/// Each record is looked up on its own: one small read for the record (more above 512 bytes), and, unless they are in
/// memory, one for its cell and two for a far body. The index need not have been verified: a fault that a lookup finds is
/// an error.
///
/// Memory: the hot and the far section if [`AgainstOptions::hot_cache`] allows, and one bit per key of the index, or two
/// with [`Duplicates::Allowed`].
///
/// ```
/// use hashlith_checker::{Against, AgainstOptions, Mismatch};
///
/// let file = std::fs::File::open("tests/colours.hlith")?;
/// let against = Against::new(&file, &AgainstOptions::default())?;
/// against.check(b"sky", b"blue")?;
/// assert!(matches!(against.check(b"sea", b"blue"), Err(Mismatch::Absent { .. })));
/// let report = against.finish()?;
/// assert_eq!((report.records, report.absent, report.unseen), (2, 1, 1));
/// assert_eq!(report.unseen_keys[0].head, b"grass");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Against<'a, R: ?Sized> {
    /// One for each part.
    lookups: Vec<Lookup<'a, R>>,
    seen: Bits,
    /// The keys with a record that has the value in the index; only with [`Duplicates::Allowed`].
    matched: Option<Bits>,
    records: AtomicU64,
    duplicates: AtomicU64,
    absent: AtomicU64,
    mismatched: AtomicU64,
}

impl<'a, R: ReadAt + ?Sized> Against<'a, R> {
    /// Most keys of each kind that a report names.
    pub const SHOWN: usize = 10;

    /// Opens a file for comparison. Checks its header (R1 to R14) and its token tables (R18).
    ///
    /// ```
    /// use hashlith_checker::{Against, AgainstOptions};
    ///
    /// let file = std::fs::File::open("tests/colours.hlith")?;
    /// let against = Against::new(&file, &AgainstOptions::default())?;
    /// assert_eq!(against.keys(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Fault`], [`Error::Io`] and [`Error::Memory`].
    pub fn new(file: &'a R, options: &AgainstOptions) -> Result<Self, Error> {
        Self::of_parts([file], options)
    }

    /// Opens all files of a set for comparison, in order.
    ///
    /// ```
    /// use hashlith_checker::{Against, AgainstOptions, Files};
    ///
    /// let files = Files::open("tests/colours.hlith".as_ref())?;
    /// let parts = files.parts.iter().map(|(_, file)| file);
    /// let against = Against::of_parts(parts, &AgainstOptions::default())?;
    /// assert_eq!(against.keys(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`]; of more than one file, in an [`Error::InPart`].
    pub fn of_parts(files: impl IntoIterator<Item = &'a R>, options: &AgainstOptions) -> Result<Self, Error> {
        let mut lookups: Vec<Lookup<'a, R>> = Vec::new();
        let (mut keys, mut hot_cache) = (0, options.hot_cache);
        let files: Vec<_> = files.into_iter().collect();
        for (part, file) in (0..).zip(&files) {
            let in_part = |error: Error| if files.len() > 1 { error.in_part(part) } else { error };
            let lookup = Lookup::open(*file, hot_cache, keys).map_err(in_part)?;
            hot_cache -= lookup.hot_bytes().min(hot_cache);
            keys = lookup.ids().end;
            lookups.push(lookup);
        }
        let allowed = options.duplicates == Duplicates::Allowed;
        Ok(Against {
            lookups,
            seen: Bits::new(keys)?,
            matched: if allowed { Some(Bits::new(keys)?) } else { None },
            records: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            absent: AtomicU64::new(0),
            mismatched: AtomicU64::new(0),
        })
    }

    /// Number of keys in the index.
    pub fn keys(&self) -> u64 {
        self.lookups.last().map_or(0, |last| last.ids().end)
    }

    /// Looks up `key` and compares its value.
    ///
    /// ```
    /// use hashlith_checker::{Against, AgainstOptions, Mismatch};
    ///
    /// let file = std::fs::File::open("tests/colours.hlith")?;
    /// let against = Against::new(&file, &AgainstOptions::default())?;
    /// assert!(matches!(against.check(b"sky", b"grey"), Err(Mismatch::Value { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Mismatch::Absent`]; [`Mismatch::Value`], unless duplicates are allowed; and [`Mismatch::Index`] if the index
    /// cannot be read or breaks a rule. After the first two the comparison may continue: the report counts them.
    pub fn check(&self, key: &[u8], value: &[u8]) -> Result<(), Mismatch> {
        let home = match self.lookups.as_slice() {
            [only] => Some(only),
            parts => parts.first().and_then(|first| parts.get(first.part_of(key) as usize)),
        };
        let found = home.map(|lookup| Ok((lookup, lookup.find(key, value.len())?))).transpose();
        let found = found.map_err(|error: Error| self.in_part(home, error))?;
        self.records.fetch_add(1, Ordering::Relaxed);
        let Some((lookup, Some(record))) = found else {
            self.absent.fetch_add(1, Ordering::Relaxed);
            return Err(Mismatch::Absent { key: StoredKey::new(self.key_type(), key) });
        };
        if !self.seen.set(record.id) {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
        }
        let equal = lookup.value_is(&record, key, value).map_err(|error| self.in_part(home, error))?;
        match &self.matched {
            Some(matched) if equal => {
                matched.set(record.id);
            }
            None if !equal => {
                self.mismatched.fetch_add(1, Ordering::Relaxed);
                let key = StoredKey::new(self.key_type(), key);
                return Err(Mismatch::Value { key, id: record.id, offset: record.at });
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the comparison: finds the keys without a record, and those whose records all have other values.
    ///
    /// ```
    /// use hashlith_checker::{Against, AgainstOptions};
    ///
    /// let file = std::fs::File::open("tests/colours.hlith")?;
    /// let against = Against::new(&file, &AgainstOptions::default())?;
    /// against.check(b"sky", b"blue")?;
    /// against.check(b"grass", b"green")?;
    /// assert!(against.finish()?.agrees());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Fault`], if the keys for the report cannot be read.
    pub fn finish(self) -> Result<AgainstReport, Error> {
        let mut report = AgainstReport {
            records: self.records.load(Ordering::Relaxed),
            duplicates: self.duplicates.load(Ordering::Relaxed),
            absent: self.absent.load(Ordering::Relaxed),
            mismatched: self.mismatched.load(Ordering::Relaxed),
            ..AgainstReport::default()
        };
        let (unseen, ids) = Bits::missing(self.keys(), Self::SHOWN, |word| (self.seen.word(word), u64::MAX));
        report.unseen = unseen;
        report.keys = self.keys() - unseen;
        report.unseen_keys = self.stored_keys(&ids)?;
        if let Some(matched) = &self.matched {
            let unmatched = |word| (matched.word(word), self.seen.word(word));
            let (mismatched, ids) = Bits::missing(self.keys(), Self::SHOWN, unmatched);
            report.mismatched = mismatched;
            report.mismatched_keys = self.stored_keys(&ids)?;
        }
        Ok(report)
    }

    fn stored_keys(&self, ids: &[u64]) -> Result<Vec<StoredKey>, Error> {
        let stored = |lookup: &Lookup<'a, R>, record: Found| {
            if lookup.header.keys_left_out() {
                return Ok(StoredKey::of_text(format!("(left out, dense id {})", record.id)));
            }
            let (head, len) = lookup.key_head(&record, StoredKey::SHOWN)?;
            let key = StoredKey::new(self.key_type(), &head);
            Ok(if self.key_type() == KeyType::Int { key } else { StoredKey { len, ..key } })
        };
        let part_of = |id: u64| self.lookups.iter().find(|lookup| lookup.ids().contains(&id));
        let parts = ids.iter().filter_map(|&id| Some((id, part_of(id)?)));
        let key = |(id, lookup): (u64, &Lookup<'a, R>)| {
            let key = lookup.record(id).and_then(|record| stored(lookup, record));
            key.map_err(|error| self.in_part(Some(lookup), error))
        };
        parts.map(key).collect()
    }

    fn key_type(&self) -> KeyType {
        self.lookups.first().map_or(KeyType::Bytes, |lookup| lookup.header.key_type)
    }

    /// An error of a lookup, with the number of the part if there are others.
    fn in_part(&self, lookup: Option<&Lookup<'a, R>>, error: Error) -> Error {
        match lookup {
            Some(lookup) if self.lookups.len() > 1 => error.in_part(lookup.header.part),
            _ => error,
        }
    }
}
