//! The records that the tokens of a build are learnt from: those whose keys have the smallest hashes, without copies of keys.
//!
//! They lie in the first partitions, so taking them costs the feeders nothing. Which they are depends neither on the order of
//! the records nor on threads or memory: the smallest hashes are a property of the set of keys.

use crate::{
    Error,
    chunk::{LONG, key_at, read_chunk, value_at},
    origin::Origin,
    spill::{Chunk, Disk, Partition},
    tokens::Strings,
};
use hashlith_feedback::Progress;
use hashlith_format::{KeyHash, KeyHasher, checksum};
use std::sync::Arc;

/// Most records.
const RECORDS: usize = 1 << 17;
/// Most bytes of all keys, and of all values, but for the last one, each with [`EACH`] bytes more.
const BYTES: usize = 4 << 20;
/// What a string takes to learn from, in addition to its bytes, as a number of bytes.
const EACH: usize = 16;
/// Bytes of a key or a value that are looked at.
const FIELD: usize = 16 << 10;

/// Keys and values of a sample; of the values there may be fewer.
pub(crate) struct Sample {
    pub keys: Strings,
    pub values: Strings,
    /// For each record, the bytes of its key and value.
    pub lengths: Vec<(u64, u64)>,
    /// Keys occur more than once among the records that were looked at.
    pub has_copies: bool,
}

/// Where the records come from.
pub(crate) struct Source<'a> {
    pub partitions: &'a [Arc<Partition>],
    pub disk: &'a Disk,
    pub hasher: KeyHasher,
    /// The number of parts if these are the records of one part, otherwise 1.
    pub parts: u32,
    pub progress: &'a Progress,
}

/// A record that may be in the sample.
#[derive(Clone, Copy)]
struct Candidate {
    /// The hash, of which the upper half orders the sample.
    hash: (u64, u64),
    origin: Origin,
    /// A checksum of the record, so that the origin decides nothing.
    digest: u64,
    key_len: u64,
    value_len: u64,
}

/// The first bytes of a key, and those of a value that are in memory, with the lengths of both.
#[derive(Clone, Copy)]
struct Fields<'a> {
    key: &'a [u8],
    value: &'a [u8],
    key_len: u64,
    value_len: u64,
}

impl Fields<'_> {
    fn digest(&self) -> u64 {
        checksum::digest(self.key) ^ checksum::digest(self.value).rotate_left(1)
    }
}

impl Source<'_> {
    /// Takes the sample.
    pub fn sample(&self) -> Result<Sample, Error> {
        let (chosen, read, has_copies) = self.choose()?;
        let keys = lengths_within(chosen.iter().map(|one| one.key_len));
        let values = lengths_within(chosen.iter().take(keys.len()).map(|one| one.value_len));
        let mut sample = Sample {
            lengths: chosen.iter().take(keys.len()).map(|one| (one.key_len, one.value_len)).collect(),
            keys: Strings::of_lengths(&keys),
            values: Strings::of_lengths(&values),
            has_copies,
        };
        for partition in &self.partitions[..read] {
            self.each(partition, |hash, origin, fields| {
                let Ok(at) = chosen.binary_search_by_key(&hash, |one| one.hash) else { return };
                let one = &chosen[at];
                if at < keys.len() && (one.origin, one.digest) == (origin, fields.digest()) {
                    sample.keys.fill(at, fields.key);
                    if at < values.len() {
                        sample.values.fill(at, fields.value);
                    }
                }
            })?;
        }
        Ok(sample)
    }

    /// The records, in the order of their hashes, how many partitions they are in, and whether keys occur more than
    /// once.
    fn choose(&self) -> Result<(Vec<Candidate>, usize, bool), Error> {
        let (mut chosen, mut wanted): (Vec<Candidate>, _) = (Vec::new(), Wanted::default());
        let mut has_copies = false;
        for (number, partition) in self.partitions.iter().enumerate() {
            // The hashes of a partition are above those of the ones before.
            let mut found = Vec::new();
            let mut limit = (u64::MAX, u64::MAX);
            self.each(partition, |hash, origin, fields| {
                if hash <= limit {
                    let (digest, key_len, value_len) = (fields.digest(), fields.key_len, fields.value_len);
                    found.push(Candidate { hash, origin, digest, key_len, value_len });
                }
                if found.len() >= 2 * RECORDS {
                    has_copies |= settle(&mut found);
                    if found.len() == RECORDS {
                        limit = found[RECORDS - 1].hash;
                    }
                }
            })?;
            has_copies |= settle(&mut found);
            for one in found {
                if chosen.len() == RECORDS || !wanted.take(&one) {
                    return Ok((chosen, number + 1, has_copies));
                }
                chosen.push(one);
            }
        }
        Ok((chosen, self.partitions.len(), has_copies))
    }

    /// Calls `each` for every record of a partition, with the hash of its key, in the order of cells.
    fn each(
        &self,
        partition: &Partition,
        mut each: impl FnMut((u64, u64), Origin, Fields<'_>),
    ) -> Result<(), Error> {
        let mut look = |chunk: Chunk<'_>| {
            self.progress.check()?;
            match chunk {
                Chunk::Short(chunk) => {
                    let read = read_chunk(chunk, |origin, offset, lengths| {
                        let key = key_at(chunk, offset, lengths);
                        let value = value_at(chunk, offset, lengths);
                        let fields = Fields {
                            key: first(key, FIELD),
                            value: first(value, FIELD),
                            key_len: lengths.key,
                            value_len: lengths.value,
                        };
                        each(self.order(self.hasher.hash(key)), origin, fields);
                    });
                    read.ok_or_else(|| self.disk.damaged())
                }
                Chunk::Long(long) => {
                    let (key, value) = (long.key(), long.value_front());
                    let fields = Fields {
                        key: first(key, FIELD),
                        // As much as is in memory of every record of these lengths.
                        value: first(value, FIELD.min(LONG.saturating_sub(key.len() + 64))),
                        key_len: key.len() as u64,
                        value_len: long.value_len(),
                    };
                    each(self.order(self.hasher.hash(key)), long.origin, fields);
                    Ok(())
                }
            }
        };
        partition.in_memory().try_for_each(&mut look)?;
        partition.on_disk(self.disk, look, |_, _, _| {})
    }

    fn order(&self, hash: KeyHash) -> (u64, u64) {
        (hash.within(self.parts), hash.lo)
    }
}

/// Keeps one record per key, of the [`RECORDS`] smallest hashes. Returns whether there were more.
fn settle(found: &mut Vec<Candidate>) -> bool {
    let all = found.len();
    // The build fails if a key occurs twice; if two keys have the same hash, any rule that forgets the origin will do.
    found.sort_unstable_by_key(|one| (one.hash, one.digest));
    found.dedup_by_key(|one| one.hash);
    let has_copies = found.len() < all;
    found.truncate(RECORDS);
    has_copies
}

/// How much a sample has of keys and of values.
#[derive(Default)]
struct Wanted {
    keys: u64,
    values: u64,
}

impl Wanted {
    /// Takes a record, unless there is enough: as many bytes of keys as are wanted, and of values, or far more of one.
    fn take(&mut self, one: &Candidate) -> bool {
        let is_wanted =
            self.keys.min(self.values) < BYTES as u64 && self.keys.max(self.values) < 8 * BYTES as u64;
        let cost = |len: u64| len.min(FIELD as u64) + EACH as u64;
        self.keys += cost(one.key_len);
        self.values += cost(one.value_len);
        is_wanted
    }
}

fn first(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

/// How much is taken of strings with these lengths, up to the one that makes them more than enough.
fn lengths_within(lengths: impl Iterator<Item = u64>) -> Vec<usize> {
    let mut left = BYTES;
    lengths
        .map_while(|len| {
            let len = (len as usize).min(FIELD);
            let is_room = left > 0;
            left = left.saturating_sub(len + EACH);
            is_room.then_some(len)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(hash: u64, position: u64, digest: u64) -> Candidate {
        let origin = Origin { source: 0, position };
        Candidate { hash: (hash, 0), origin, digest, key_len: 1, value_len: 1 }
    }

    #[test]
    fn one_record_per_key() {
        // The digests are in another order than the positions.
        let mut found =
            vec![candidate(7, 3, 10), candidate(7, 2, 30), candidate(7, 5, 20), candidate(4, 1, 40)];
        assert!(settle(&mut found));
        assert_eq!(
            found.iter().map(|one| (one.hash.0, one.origin.position)).collect::<Vec<_>>(),
            [(4, 1), (7, 3)]
        );
        let mut many: Vec<_> = (0..RECORDS as u64 + 5).rev().map(|hash| candidate(hash, 0, 0)).collect();
        assert!(!settle(&mut many));
        assert_eq!((many.len(), many[RECORDS - 1].hash.0), (RECORDS, RECORDS as u64 - 1));
    }

    #[test]
    fn a_sample_has_enough_bytes_of_keys_and_of_values() {
        for (key_len, value_len, count) in [
            // Until both have 4 MiB, each string with 16 bytes more.
            (1, 1, (4 << 20) / 17 + 1),
            (0, 1, (4 << 20) / 16),
            (1, 0, (4 << 20) / 16),
            // Or until one has 32 MiB; of a long string 16 KiB are taken.
            (16 << 10, 0, (32 << 20) / (16 * 1024 + 16) + 1),
            (0, 1 << 40, (32 << 20) / (16 * 1024 + 16) + 1),
        ] {
            let mut wanted = Wanted::default();
            let one = Candidate { key_len, value_len, ..candidate(0, 0, 0) };
            let taken = (0..).take_while(|_| wanted.take(&one)).count();
            assert_eq!(taken, count, "{key_len} {value_len}");
        }
    }

    #[test]
    fn strings_are_taken_until_there_are_enough() {
        assert_eq!(lengths_within([10, 20_000, 0].into_iter()), [10, 16_384, 0]);
        for (len, count) in [(1 << 40, 256), (16_384 - 16, 256), (16_384 - 17, 257), (0, (4 << 20) / 16)] {
            let taken = lengths_within(std::iter::repeat_n(len, 300_000));
            assert_eq!(taken.len(), count, "{len}");
            assert!(taken.iter().all(|&one| one as u64 == len.min(16_384)));
        }
        assert_eq!(
            (first(b"abc", 2), first(b"abc", 3), first(b"abc", 9)),
            (&b"ab"[..], &b"abc"[..], &b"abc"[..])
        );
    }
}
