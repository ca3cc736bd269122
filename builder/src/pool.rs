//! The records of finished cells on their way into a file.

use crate::{chunk::Long, codecs::Stored};
use std::io;
use std::sync::Arc;

/// A long record, which stays where it is until it is written.
pub(crate) enum Apart {
    /// As it will be in the file.
    Long(Arc<Long>),
    /// Encoded.
    Stored(Stored),
    /// Of a long record, the value only.
    Value(Arc<Long>),
}

impl Apart {
    /// Bytes of the record.
    pub fn len(&self) -> u64 {
        match self {
            Apart::Long(long) => long.len(),
            Apart::Stored(stored) => stored.len(),
            Apart::Value(long) => long.value_len(),
        }
    }

    /// Calls `each` with the bytes of the record, block after block.
    pub fn each_block<E>(
        &self,
        failed: impl Fn(io::Error) -> E,
        each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Apart::Long(long) => long.each_block(failed, each),
            Apart::Stored(stored) => stored.each_block(failed, each),
            Apart::Value(long) => long.each_block_of_value(failed, each),
        }
    }
}

/// Records as the pool of a file will hold them. Long ones stay where they are until they are written.
#[derive(Default)]
pub(crate) struct Pool {
    short: Vec<u8>,
    /// Each with its offset in this pool.
    long: Vec<(u64, Apart)>,
    /// Bytes of the long records.
    long_len: u64,
}

impl Pool {
    /// With room for this many bytes of short records.
    pub fn with_capacity(bytes: usize) -> Self {
        Pool { short: Vec::with_capacity(bytes), ..Pool::default() }
    }

    #[inline]
    pub fn push(&mut self, record: &[u8]) {
        self.short.extend_from_slice(record);
    }

    pub fn push_long(&mut self, long: &Arc<Long>) {
        self.push_apart(Apart::Long(long.clone()));
    }

    pub fn push_stored(&mut self, stored: Stored) {
        self.push_apart(Apart::Stored(stored));
    }

    pub fn push_value_of(&mut self, long: &Arc<Long>) {
        self.push_apart(Apart::Value(long.clone()));
    }

    fn push_apart(&mut self, record: Apart) {
        let len = record.len();
        self.long.push((self.len(), record));
        self.long_len += len;
    }

    /// Bytes of all records.
    #[inline]
    pub fn len(&self) -> u64 {
        self.short.len() as u64 + self.long_len
    }

    pub fn view(&self) -> PoolView<'_> {
        PoolView { start: 0, short: &self.short, long: &self.long }
    }
}

/// Neighbouring records of a [`Pool`], or of a file.
#[derive(Clone, Copy, Default)]
pub(crate) struct PoolView<'a> {
    /// Where they begin, in the pool that the offsets of `long` count in.
    start: u64,
    short: &'a [u8],
    long: &'a [(u64, Apart)],
}

impl<'a> PoolView<'a> {
    /// Records that are all in memory.
    pub fn of_bytes(short: &'a [u8]) -> Self {
        PoolView { short, ..PoolView::default() }
    }

    /// Bytes of all records.
    pub fn len(&self) -> u64 {
        self.short.len() as u64 + self.long.iter().map(|(_, long)| long.len()).sum::<u64>()
    }

    /// The records in the first `len` bytes, and the others. No record may be in both.
    pub fn split_at(self, len: u64) -> (Self, Self) {
        let middle = self.start + len;
        let (long, later_long) = self.long.split_at(self.long.partition_point(|(at, _)| *at < middle));
        let long_len: u64 = long.iter().map(|(_, long)| long.len()).sum();
        let (short, later_short) = self.short.split_at((len - long_len) as usize);
        (
            PoolView { start: self.start, short, long },
            PoolView { start: middle, short: later_short, long: later_long },
        )
    }

    /// Hands out the bytes in order, and long records in between.
    pub fn each<E>(self, mut each: impl FnMut(Part<'_>) -> Result<(), E>) -> Result<(), E> {
        let (mut at, mut short) = (self.start, self.short);
        for (start, long) in self.long {
            let (before, after) = short.split_at((start - at) as usize);
            each(Part::Short(before))?;
            each(Part::Apart(long))?;
            (at, short) = (start + long.len(), after);
        }
        each(Part::Short(short))
    }
}

/// A part of a pool.
pub(crate) enum Part<'a> {
    /// Any number of whole records.
    Short(&'a [u8]),
    Apart(&'a Apart),
}
