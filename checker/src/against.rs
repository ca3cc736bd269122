//! Compares an index with the records that it was built from.

use crate::{
    Error, ReadAt,
    lookup::{Lookup, Record},
};
use hashlith_format::MAX_CELL_KEYS;
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// What the records may do that name one key more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Each must have the value that the index has.
    #[default]
    Unexpected,
    /// One of them must have the value that the index has, which is told at the end: for an index that was built to
    /// keep the first or the last record of each key.
    Allowed,
}

/// How to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgainstOptions {
    /// What the records may do that name one key more than once.
    pub duplicates: Duplicates,
    /// Hot and far section are kept in memory if they have at most so many bytes, which saves a quarter of the time. One
    /// key takes 2 to 4 bytes of them. The default is 512 MiB.
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
        /// The key as the record has it.
        key: StoredKey,
    },
    /// The index has another value.
    #[error(
        "key {key} has another value in the index, in the record at byte {offset} of it: the index was built from \
         other records, or with a rule for duplicate keys; build it again, or check with that rule"
    )]
    Value {
        /// The key.
        key: StoredKey,
        /// Its dense id.
        id: u64,
        /// Where the record of the index begins, in bytes from the beginning of the file.
        offset: u64,
    },
    /// The index could not be asked.
    #[error(transparent)]
    Index(#[from] Error),
}

/// The beginning of a key, to be shown to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// At most the first 64 bytes.
    pub head: Vec<u8>,
    /// Length of the whole key in bytes.
    pub len: u64,
}

impl StoredKey {
    const SHOWN: usize = 64;

    fn new(key: &[u8]) -> Self {
        let (head, _) = key.split_at(key.len().min(Self::SHOWN));
        StoredKey { head: head.to_vec(), len: key.len() as u64 }
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

/// What a comparison has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgainstReport {
    /// Records that were looked up.
    pub records: u64,
    /// Keys of the index that a record named.
    pub keys: u64,
    /// Records whose key an earlier record had named.
    pub duplicates: u64,
    /// Records whose key is not in the index.
    pub absent: u64,
    /// With [`Duplicates::Unexpected`] the records, and with [`Duplicates::Allowed`] the keys, for which the index has
    /// another value.
    pub mismatched: u64,
    /// The first of these keys by dense id, at most [`Against::SHOWN`]; only with [`Duplicates::Allowed`], since
    /// otherwise each has been told at once.
    pub mismatched_keys: Vec<StoredKey>,
    /// Keys of the index that no record named.
    pub unseen: u64,
    /// The first of these by dense id, at most [`Against::SHOWN`].
    pub unseen_keys: Vec<StoredKey>,
}

impl AgainstReport {
    /// True if the index has the keys of the records and no others, with their values.
    pub fn agrees(&self) -> bool {
        (self.absent, self.mismatched, self.unseen) == (0, 0, 0)
    }
}

/// Compares an index with records that come from many threads in any order.
///
/// Each record is looked up on its own, with one small read for the record, one for its cell and two for a far body if
/// those are not kept in memory, and more for a record above 512 bytes. The index need not have been verified: a fault on the
/// way of a lookup is an error.
///
/// Memory: hot and far section if [`AgainstOptions::hot_cache`] allows, and one bit for each key of the index; two with
/// [`Duplicates::Allowed`].
pub struct Against<'a, R: ?Sized> {
    /// One for each part.
    lookups: Vec<Lookup<'a, R>>,
    seen: Bits,
    /// The keys of which some record had the value of the index; only with [`Duplicates::Allowed`].
    matched: Option<Bits>,
    records: AtomicU64,
    duplicates: AtomicU64,
    absent: AtomicU64,
    mismatched: AtomicU64,
}

impl<'a, R: ReadAt + ?Sized> Against<'a, R> {
    /// How many keys of each kind a report names.
    pub const SHOWN: usize = 10;

    /// Opens an index for comparison: its header is checked (R1 to R14, and that the cells can have as many keys: V4), the
    /// rest is not.
    ///
    /// # Errors
    /// [`Error::Fault`], [`Error::Io`] and [`Error::Memory`].
    pub fn new(file: &'a R, options: &AgainstOptions) -> Result<Self, Error> {
        Self::of_parts([file], options)
    }

    /// The same for all files of a set, in order.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_parts(files: impl IntoIterator<Item = &'a R>, options: &AgainstOptions) -> Result<Self, Error> {
        let mut lookups: Vec<Lookup<'a, R>> = Vec::new();
        let (mut keys, mut hot_cache) = (0, options.hot_cache);
        let files: Vec<_> = files.into_iter().collect();
        for (part, file) in (0..).zip(&files) {
            let in_part = |error: Error| if files.len() > 1 { error.in_part(part) } else { error };
            let lookup = Lookup::open(*file, hot_cache, keys).map_err(in_part)?;
            // Each key takes memory below, and each cell 128 bytes of the file.
            if lookup.header.keys > lookup.header.cells.saturating_mul(u64::from(MAX_CELL_KEYS)) {
                let what = "the cells cannot have as many keys as the header says";
                return Err(in_part(Error::verifier(4, 40, what)));
            }
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
    /// # Errors
    /// [`Mismatch::Absent`]; [`Mismatch::Value`], unless duplicates are allowed; and [`Mismatch::Index`] when the index
    /// cannot be read or breaks a rule. After the first two the comparison may go on: they are counted.
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
            return Err(Mismatch::Absent { key: StoredKey::new(key) });
        };
        if !self.seen.set(record.id) {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
        }
        let equal = record.value_is(lookup.file, value).map_err(|error| self.in_part(home, error))?;
        match &self.matched {
            Some(matched) if equal => {
                matched.set(record.id);
            }
            None if !equal => {
                self.mismatched.fetch_add(1, Ordering::Relaxed);
                let key = StoredKey::new(key);
                return Err(Mismatch::Value { key, id: record.id, offset: record.at });
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the comparison: what the records have not named, and what they named only with other values.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Fault`], when the keys for the report cannot be read.
    pub fn finish(self) -> Result<AgainstReport, Error> {
        let mut report = AgainstReport {
            records: self.records.load(Ordering::Relaxed),
            duplicates: self.duplicates.load(Ordering::Relaxed),
            absent: self.absent.load(Ordering::Relaxed),
            mismatched: self.mismatched.load(Ordering::Relaxed),
            ..AgainstReport::default()
        };
        let (unseen, ids) = Bits::missing(self.keys(), |word| (self.seen.word(word), u64::MAX));
        report.unseen = unseen;
        report.keys = self.keys() - unseen;
        report.unseen_keys = self.stored_keys(&ids)?;
        if let Some(matched) = &self.matched {
            let unmatched = |word| (matched.word(word), self.seen.word(word));
            let (mismatched, ids) = Bits::missing(self.keys(), unmatched);
            report.mismatched = mismatched;
            report.mismatched_keys = self.stored_keys(&ids)?;
        }
        Ok(report)
    }

    fn stored_keys(&self, ids: &[u64]) -> Result<Vec<StoredKey>, Error> {
        let stored = |lookup: &Lookup<'a, R>, record: Record| {
            let head = record.key_head(lookup.file, StoredKey::SHOWN)?;
            Ok(StoredKey { head, len: record.lengths.key })
        };
        let part_of = |id: u64| self.lookups.iter().find(|lookup| lookup.ids().contains(&id));
        let parts = ids.iter().filter_map(|&id| Some((id, part_of(id)?)));
        parts.map(|(id, lookup)| stored(lookup, lookup.record(id)?)).collect()
    }

    /// An error of a lookup, with the number of the part if there are others.
    fn in_part(&self, lookup: Option<&Lookup<'a, R>>, error: Error) -> Error {
        match lookup {
            Some(lookup) if self.lookups.len() > 1 => error.in_part(lookup.header.part),
            _ => error,
        }
    }
}

/// A bit for each dense id, set by many threads.
struct Bits(Vec<AtomicU64>);

impl Bits {
    fn new(count: u64) -> Result<Self, Error> {
        let words = count.div_ceil(64);
        let mut bits = Vec::new();
        match usize::try_from(words) {
            Ok(words) if bits.try_reserve_exact(words).is_ok() => bits.resize_with(words, AtomicU64::default),
            _ => return Err(Error::Memory { offset: 40, bytes: words * 8 }),
        }
        Ok(Bits(bits))
    }

    fn word(&self, number: usize) -> u64 {
        self.0.get(number).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Sets a bit; false if it was set.
    fn set(&self, id: u64) -> bool {
        let bit = 1 << (id % 64);
        self.0.get((id / 64) as usize).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    /// Of `count` bits those that are clear in the first word and set in the second: how many, and the first few.
    fn missing(count: u64, words: impl Fn(usize) -> (u64, u64)) -> (u64, Vec<u64>) {
        let mut total = 0;
        let mut first = Vec::new();
        for start in (0..count).step_by(64) {
            let (clear, set) = words((start / 64) as usize);
            let within = u64::MAX >> (64 - (count - start).min(64));
            let missing = !clear & set & within;
            total += u64::from(missing.count_ones());
            let ids = (0..64).filter(|bit| missing >> bit & 1 != 0).map(|bit| start + bit);
            first.extend(ids.take(Against::<[u8]>::SHOWN - first.len()));
        }
        (total, first)
    }
}
