//! The checksums, which cover every byte (section 8).

use crate::{CHUNK, PAGE, Span};
use alloc::vec::Vec;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// XXH3-64 with seed 0: the digests of header and sums.
pub fn digest(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, 0)
}

/// The sum of chunk `number` with the bytes `chunk`.
pub fn chunk_sum(number: u64, chunk: &[u8]) -> u64 {
    xxh3_64_with_seed(chunk, number)
}

/// The number of chunks in a file whose sums begin at `sums_offset`.
pub fn chunk_count(sums_offset: u64) -> u64 {
    sums_offset.saturating_sub(PAGE).div_ceil(CHUNK)
}

/// The bytes that chunk `number` covers, in a file whose sums begin at `sums_offset`.
pub fn chunk_span(number: u64, sums_offset: u64) -> Span {
    let offset = number.saturating_mul(CHUNK).saturating_add(PAGE).min(sums_offset);
    Span { offset, len: CHUNK.min(sums_offset.saturating_sub(offset)) }
}

/// A digest of bytes that arrive in pieces.
#[derive(Clone, Default)]
pub struct Digest(Xxh3);

impl Digest {
    /// A digest of no bytes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}

/// Computes the sums of a file from the bytes behind its header, as they are written.
pub struct ChunkSums {
    sums: Vec<u8>,
    count: u64,
    open: Xxh3,
    filled: u64,
}

impl Default for ChunkSums {
    fn default() -> Self {
        ChunkSums { sums: Vec::new(), count: 0, open: Xxh3::with_seed(0), filled: 0 }
    }
}

impl ChunkSums {
    /// Adds the next bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK.saturating_sub(self.filled)).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if self.filled == 0 && now.len() == room {
                // A whole chunk at once needs no state between calls and is faster.
                self.push(chunk_sum(self.count, now));
            } else {
                self.open.update(now);
                self.filled = self.filled.saturating_add(now.len() as u64);
                if self.filled == CHUNK {
                    self.push(self.open.digest());
                }
            }
            bytes = later;
        }
    }

    fn push(&mut self, sum: u64) {
        self.sums.extend_from_slice(&sum.to_le_bytes());
        self.count = self.count.saturating_add(1);
        self.open = Xxh3::with_seed(self.count);
        self.filled = 0;
    }

    /// The bytes of the sums section.
    pub fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.push(self.open.digest());
        }
        self.sums
    }
}
