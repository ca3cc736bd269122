//! Many lookups at once.
//!
//! A lookup is a chain of two far reads, and each waits for the one before. The keys of a window go through the chain
//! together, a step at a time: every step asks for the cache lines that the next one needs, so that the memory works
//! on all of them at once (`benches/README.md` has the sweep over its size).

use crate::{
    Index, Record,
    lookup::{Lookup, Place},
};
use hashlith_format::{Error, KeyHash, KeyHasher, Span};
use prefetch_index::prefetch_index;

/// How many keys go through the steps together.
pub const WINDOW: usize = 64;

/// How far ahead of the key that is looked at records are asked for, when they come from a disk: some hundred reads are
/// then always under way (`benches/README.md` has the sweep over it).
const AHEAD: usize = 16 * WINDOW;

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
        let lookup = self.lookup();
        let mut places = [None; WINDOW];
        for (number, window) in keys.chunks(WINDOW).enumerate() {
            let from = number.saturating_mul(WINDOW);
            if let Some(ahead) = self.ahead {
                let asked = if from == 0 { 0 } else { from.saturating_add(AHEAD) };
                let next = keys.get(asked..).unwrap_or_default();
                let count = if from == 0 { AHEAD + WINDOW } else { WINDOW };
                self.ask(ahead, next.get(..count).unwrap_or(next), &mut places);
            }
            if find_window(&lookup, &self.header.hasher, window, &mut places).is_err() {
                return self.find_each(keys.get(from..).unwrap_or_default(), &mut each);
            }
            let mut found = [None; WINDOW];
            let mut end = Ok(());
            let mut done = 0;
            for ((key, place), found) in window.iter().zip(&places).zip(&mut found) {
                if let Some(place) = place {
                    match lookup.compare(place, key.as_ref()) {
                        Ok(record) => *found = record,
                        Err(error) => {
                            end = Err(error);
                            break;
                        }
                    }
                    if let Some(record) = found {
                        // The key's lines are there; the value may go on in the next one.
                        prefetch_index(record.value, record.value.len().saturating_sub(1).min(64));
                    }
                }
                done += 1;
            }
            found.into_iter().take(done).for_each(&mut each);
            end?;
        }
        Ok(())
    }

    /// Asks for the records of these keys.
    fn ask<K: AsRef<[u8]>>(&self, ahead: fn(&D, &[Span]), keys: &[K], places: &mut [Option<Place>; WINDOW]) {
        let (usual, end) = (self.usual_record(), self.header.sections.pool.end());
        let mut spans = [Span::default(); WINDOW];
        for window in keys.chunks(WINDOW) {
            // Damage is met again, and reported, by the lookup itself.
            if find_window(&self.lookup(), &self.header.hasher, window, places).is_ok() {
                let present = places.iter().take(window.len()).flatten();
                let mut count = 0;
                for (span, place) in spans.iter_mut().zip(present) {
                    let offset = place.record;
                    *span = Span { offset, len: usual.min(end.saturating_sub(offset)) };
                    count += 1;
                }
                ahead(&self.data, spans.get(..count).unwrap_or_default());
            }
        }
    }

    /// How many bytes of a record are asked for before its length is known: half as many again as the mean, so that most
    /// come whole; at most 64 KiB, so that what is under way fits into any memory.
    fn usual_record(&self) -> u64 {
        let mean = self.header.sections.pool.len.checked_div(self.header.keys).unwrap_or_default();
        (mean + mean / 2).min(1 << 16)
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

/// All steps but the last. A place that is `None` belongs to an absent key.
#[inline]
fn find_window<K: AsRef<[u8]>>(
    lookup: &Lookup<'_>,
    hasher: &KeyHasher,
    keys: &[K],
    places: &mut [Option<Place>; WINDOW],
) -> Result<(), Error> {
    let mut hashes = [KeyHash { hi: 0, lo: 0 }; WINDOW];
    for (key, hash) in keys.iter().zip(&mut hashes) {
        *hash = hasher.hash(key.as_ref());
        lookup.prefetch_cell(*hash);
    }
    for ((key, &hash), place) in keys.iter().zip(&hashes).zip(places) {
        *place = lookup.locate(key.as_ref(), hash)?;
        if let Some(place) = place {
            // The two lengths and the key may lie across two cache lines.
            lookup.prefetch(place.record);
            lookup.prefetch(place.record.saturating_add(1 + key.as_ref().len() as u64));
        }
    }
    Ok(())
}
