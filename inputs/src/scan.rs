//! Searches for single bytes. All of this crate go through here, so that its tests can count the bytes they look at.

/// The first place of a byte.
#[inline]
pub(crate) fn first(byte: u8, bytes: &[u8]) -> Option<usize> {
    let found = memchr::memchr(byte, bytes);
    looked_at(found.map_or(bytes.len(), |at| at + 1));
    found
}

/// The last place of a byte.
#[inline]
pub(crate) fn last(byte: u8, bytes: &[u8]) -> Option<usize> {
    let found = memchr::memrchr(byte, bytes);
    looked_at(bytes.len() - found.unwrap_or(0));
    found
}

/// The number of newlines.
pub(crate) fn newlines(bytes: &[u8]) -> u64 {
    looked_at(bytes.len());
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Counts bytes that are searched, copied or read again, in tests.
#[inline]
pub(crate) fn looked_at(bytes: usize) {
    #[cfg(test)]
    tests::WORK.with(|work| work.set(work.get() + bytes as u64));
    let _ = bytes;
}

#[cfg(test)]
mod tests;
