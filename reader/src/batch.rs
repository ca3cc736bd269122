//! Many lookups at once.
//!
//! A lookup is a chain of two far reads, and each waits for the one before. The keys of a window go through the chain
//! together, one step at a time: each step asks for the cache lines that the next one needs, so that memory works on all
//! of them at once (`benches/README.md` measures window sizes).

use crate::{
    found::Found,
    index::Index,
    lookup::{Candidate, Lookup, Place},
    part::Part,
};
use hashlith_format::{Error, Header, KeyHash, Span, coding::Value};
use prefetch_index::prefetch_index;
use std::borrow::Cow;

/// How many keys of a batch go through the steps of a lookup together.
pub const WINDOW: usize = 64;

/// How many keys ahead records are asked for when they come from a disk, so that some hundred reads are always under way
/// (`benches/README.md` measures this too).
const AHEAD: usize = 16 * WINDOW;

/// The hash of each key in a window, and the record that may be its own.
struct Candidates([(KeyHash, Option<Candidate>); WINDOW]);

impl Default for Candidates {
    fn default() -> Self {
        Candidates([(KeyHash { hi: 0, lo: 0 }, None); WINDOW])
    }
}

impl<D: AsRef<[u8]>> Index<D> {
    /// The values of many keys in the order of the keys; `None` for an absent key.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.get_many(&["sky", "sea"])?, [Some(b"blue"[..].into()), None]);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Cow<'_, [u8]>>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        self.lookup_many(keys, |found| -> Result<(), Error> {
            values.push(found.map(|found| found.value()).transpose()?);
            Ok(())
        })?;
        Ok(values)
    }

    /// Looks up many keys, and calls `each` for every key in the order of the keys: with what was found, or `None` if the key is
    /// absent. An error of `each` ends it.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let mut colours = Vec::new();
    /// index.lookup_many(&["sky", "sea", "grass"], |found| match found {
    ///     Some(found) => found.append_value(&mut colours),
    ///     None => Ok(()),
    /// })?;
    /// assert_eq!(colours, b"bluegreen");
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`]. By then `each` has been called for all keys before the one with the damage.
    pub fn lookup_many<'a, 'k, K: AsRef<[u8]>, E: From<Error>>(
        &'a self,
        keys: &'k [K],
        mut each: impl FnMut(Option<Found<'a, 'k>>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.parts.as_slice() {
            // What depends on the part is loaded once, not per key.
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

    fn find_windows<'a, 'k, K: AsRef<[u8]>, E: From<Error>>(
        &'a self,
        keys: &'k [K],
        each: &mut impl FnMut(Option<Found<'a, 'k>>) -> Result<(), E>,
        route: impl Fn(KeyHash) -> Option<(&'a Part<D>, Lookup<'a>)>,
    ) -> Result<(), E> {
        let mut found = Candidates::default();
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
            let mut places: [Option<Place<'a>>; WINDOW] = [None; WINDOW];
            let mut end = Ok(());
            let mut done = 0;
            for ((key, (hash, candidate)), place) in window.iter().zip(&found.0).zip(&mut places) {
                if let Some(candidate) = candidate
                    && let Some((_, lookup)) = route(*hash)
                {
                    match lookup.compare(candidate, key.as_ref(), hash) {
                        Ok(found) => *place = found,
                        Err(fault) => {
                            end = Err(lookup.in_part(fault));
                            break;
                        }
                    }
                    if let Some(Place { value: Value::Plain(value), .. }) = place {
                        // The lines of the key are there; the value may continue in the next one.
                        prefetch_index(*value, value.len().saturating_sub(1).min(64));
                    }
                }
                done += 1;
            }
            for ((key, (hash, _)), place) in window.iter().zip(&found.0).zip(places).take(done) {
                let found = place.zip(route(*hash));
                each(found.map(|(place, (_, lookup))| Found::new(lookup, key.as_ref(), place)))?;
            }
            end?;
        }
        Ok(())
    }

    /// Steps 1 to 7 for a window. Keys without a candidate are absent. On an error nothing is reported here:
    /// [`Self::find_each`] finds the same damage again.
    #[inline]
    fn find_window<'a, K: AsRef<[u8]>>(
        &'a self,
        keys: &[K],
        route: impl Fn(KeyHash) -> Option<(&'a Part<D>, Lookup<'a>)>,
        found: &mut Candidates,
    ) -> Result<(), Error> {
        for (key, (hash, _)) in keys.iter().zip(&mut found.0) {
            *hash = self.hasher.hash(key.as_ref());
            if let Some((_, lookup)) = route(*hash) {
                lookup.prefetch_cell(*hash);
            }
        }
        for (key, (hash, candidate)) in keys.iter().zip(&mut found.0) {
            let Some((_, lookup)) = route(*hash) else {
                *candidate = None;
                continue;
            };
            *candidate = lookup.locate(key.as_ref(), *hash)?;
            if let Some(candidate) = candidate {
                // The two lengths and the key may lie across two cache lines.
                lookup.prefetch(candidate.record);
                lookup.prefetch(candidate.record.saturating_add(1 + key.as_ref().len() as u64));
                lookup.prefetch_row(candidate);
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
        found: &mut Candidates,
    ) {
        for window in keys.chunks(WINDOW) {
            if self.find_window(window, &route, found).is_ok() {
                for (hash, candidate) in found.0.iter().take(window.len()) {
                    if let (Some((part, _)), Some(candidate)) = (route(*hash), candidate) {
                        let offset = candidate.record;
                        let left = part.header().sections.pool.end().saturating_sub(offset);
                        ahead(part.data(), Span { offset, len: usual_record(part.header()).min(left) });
                        if let Some(row) = part.lookup().row_span(candidate) {
                            ahead(part.data(), row);
                        }
                    }
                }
            }
        }
    }

    /// After damage: one key at a time, so that all keys before the damaged one get their answers.
    #[cold]
    fn find_each<'a, 'k, K: AsRef<[u8]>, E: From<Error>>(
        &'a self,
        keys: &'k [K],
        each: &mut impl FnMut(Option<Found<'a, 'k>>) -> Result<(), E>,
    ) -> Result<(), E> {
        keys.iter().try_for_each(|key| each(self.lookup(key.as_ref())?))
    }
}

/// How many bytes of a record are asked for before its length is known: 1.5 times the mean, so that most records come
/// whole; at most 64 KiB, so that all reads under way fit in memory.
fn usual_record(header: &Header) -> u64 {
    let mean = header.sections.pool.len.checked_div(header.keys).unwrap_or_default();
    (mean + mean / 2).min(1 << 16)
}
