//! Many lookups at once.
//!
//! A lookup is a chain of two far reads, and each waits for the one before. The keys of a window go through the chain
//! together, a step at a time: every step asks for the cache lines that the next one needs, so that the memory works
//! on all of them at once (`benches/README.md` has the sweep over its size).

use crate::{
    Index, Part, Record,
    lookup::{Lookup, Place},
};
use hashlith_format::{Error, Header, KeyHash, Span};
use prefetch_index::prefetch_index;

/// How many keys go through the steps together.
pub const WINDOW: usize = 64;

/// How far ahead of the key that is looked at records are asked for, when they come from a disk: some hundred reads are
/// then always under way (`benches/README.md` has the sweep over it).
const AHEAD: usize = 16 * WINDOW;

/// The hashes of a window, and where their records may be.
struct Found([(KeyHash, Option<Place>); WINDOW]);

impl Default for Found {
    fn default() -> Self {
        Found([(KeyHash { hi: 0, lo: 0 }, None); WINDOW])
    }
}

impl<D: AsRef<[u8]>> Index<D> {
    /// The values of many keys, each `None` if it is absent, in the order of the keys.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<&[u8]>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        self.find_many(keys, |record| values.push(record.map(|record| record.value)))?;
        Ok(values)
    }

    /// Looks many keys up, and hands each one's record, or `None` if it is absent, to `each` in the order of the keys.
    ///
    /// # Errors
    /// As [`Self::get`]; keys before the one that met the damage have been handed over.
    pub fn find_many<'a, K: AsRef<[u8]>>(
        &'a self,
        keys: &[K],
        mut each: impl FnMut(Option<Record<'a>>),
    ) -> Result<(), Error> {
        match self.parts.as_slice() {
            // Nothing that depends on the part is loaded for each key.
            [only] if self.total == 1 => {
                let lookup = only.lookup();
                self.find_windows(keys, &mut each, |_| Some((only, lookup)))
            }
            _ => self.find_windows(keys, &mut each, |hash| {
                let part = self.part_of(hash)?;
                Some((part, part.lookup()))
            }),
        }
    }

    fn find_windows<'a, K: AsRef<[u8]>>(
        &'a self,
        keys: &[K],
        each: &mut impl FnMut(Option<Record<'a>>),
        route: impl Fn(KeyHash) -> Option<(&'a Part<D>, Lookup<'a>)>,
    ) -> Result<(), Error> {
        let mut found = Found::default();
        for (number, window) in keys.chunks(WINDOW).enumerate() {
            let from = number.saturating_mul(WINDOW);
            if let Some(ahead) = self.ahead {
                let asked = if from == 0 { 0 } else { from.saturating_add(AHEAD) };
                let next = keys.get(asked..).unwrap_or_default();
                let count = if from == 0 { AHEAD + WINDOW } else { WINDOW };
                self.ask(ahead, next.get(..count).unwrap_or(next), &route, &mut found);
            }
            if self.find_window(window, &route, &mut found).is_err() {
                return self.find_each(keys.get(from..).unwrap_or_default(), each);
            }
            let mut records = [None; WINDOW];
            let mut end = Ok(());
            let mut done = 0;
            for ((key, (hash, place)), record) in window.iter().zip(&found.0).zip(&mut records) {
                if let Some(place) = place
                    && let Some((part, lookup)) = route(*hash)
                {
                    match lookup.compare(place, key.as_ref()) {
                        Ok(found) => *record = found,
                        Err(fault) => {
                            end = Err(self.in_part(part, fault));
                            break;
                        }
                    }
                    if let Some(record) = record {
                        // The key's lines are there; the value may go on in the next one.
                        prefetch_index(record.value, record.value.len().saturating_sub(1).min(64));
                    }
                }
                done += 1;
            }
            records.into_iter().take(done).for_each(&mut *each);
            end?;
        }
        Ok(())
    }

    /// All steps but the last. A place that is `None` belongs to an absent key. Damage is met again, and reported, by
    /// whoever looks the keys up one by one.
    #[inline]
    fn find_window<'a, K: AsRef<[u8]>>(
        &'a self,
        keys: &[K],
        route: impl Fn(KeyHash) -> Option<(&'a Part<D>, Lookup<'a>)>,
        found: &mut Found,
    ) -> Result<(), Error> {
        for (key, (hash, _)) in keys.iter().zip(&mut found.0) {
            *hash = self.hasher.hash(key.as_ref());
            if let Some((_, lookup)) = route(*hash) {
                lookup.prefetch_cell(*hash);
            }
        }
        for (key, (hash, place)) in keys.iter().zip(&mut found.0) {
            let Some((_, lookup)) = route(*hash) else {
                *place = None;
                continue;
            };
            *place = lookup.locate(key.as_ref(), *hash)?;
            if let Some(place) = place {
                // The two lengths and the key may lie across two cache lines.
                lookup.prefetch(place.record);
                lookup.prefetch(place.record.saturating_add(1 + key.as_ref().len() as u64));
            }
        }
        Ok(())
    }

    /// Asks for the records of these keys.
    fn ask<'a, K: AsRef<[u8]>>(
        &'a self,
        ahead: fn(&D, Span),
        keys: &[K],
        route: impl Fn(KeyHash) -> Option<(&'a Part<D>, Lookup<'a>)>,
        found: &mut Found,
    ) {
        for window in keys.chunks(WINDOW) {
            if self.find_window(window, &route, found).is_ok() {
                for (hash, place) in found.0.iter().take(window.len()) {
                    if let (Some((part, _)), Some(place)) = (route(*hash), place) {
                        let offset = place.record;
                        let left = part.header().sections.pool.end().saturating_sub(offset);
                        ahead(part.data(), Span { offset, len: usual_record(part.header()).min(left) });
                    }
                }
            }
        }
    }

    /// After damage: key by key, for the answers of all keys before the one that meets it.
    #[cold]
    fn find_each<'a, K: AsRef<[u8]>>(
        &'a self,
        keys: &[K],
        each: &mut impl FnMut(Option<Record<'a>>),
    ) -> Result<(), Error> {
        keys.iter().try_for_each(|key| self.find(key.as_ref()).map(&mut *each))
    }
}

/// How many bytes of a record are asked for before its length is known: half as many again as the mean, so that most
/// come whole; at most 64 KiB, so that what is under way fits into any memory.
fn usual_record(header: &Header) -> u64 {
    let mean = header.sections.pool.len.checked_div(header.keys).unwrap_or_default();
    (mean + mean / 2).min(1 << 16)
}
