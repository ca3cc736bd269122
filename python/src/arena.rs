//! Byte strings in one buffer, copied out of Python objects and Arrow columns: so that the GIL can be released, and so that
//! what is checked is what is used, whoever writes to the original meanwhile.

use std::collections::TryReserveError;

/// Byte strings in one buffer.
#[derive(Default)]
pub struct Arena {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Arena {
    /// Appends a copy of `part`.
    ///
    /// # Errors
    /// If there is no memory; then nothing is appended.
    #[inline]
    pub fn push(&mut self, part: &[u8]) -> Result<(), TryReserveError> {
        self.ends.try_reserve(1)?;
        self.bytes.try_reserve(part.len())?;
        self.bytes.extend_from_slice(part);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Bytes of all parts together.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Number of parts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Drops all parts from number `len` on, and keeps the buffer.
    pub fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// The parts in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }

    /// The first part that should be text and is not UTF-8. `text` says which should be: those with even numbers, those with
    /// odd ones.
    pub fn first_not_utf8(&self, text: [bool; 2]) -> Option<usize> {
        let is_char_boundary = |text: &str| self.ends.iter().all(|&end| text.is_char_boundary(end));
        let in_one_go = self.bytes.is_ascii()
            || text == [true, true] && std::str::from_utf8(&self.bytes).is_ok_and(is_char_boundary);
        if in_one_go || text == [false, false] {
            return None;
        }
        let is_bad = |(number, part): (usize, &[u8])| {
            text.get(number % 2) == Some(&true) && std::str::from_utf8(part).is_err()
        };
        self.iter().enumerate().position(is_bad)
    }
}
