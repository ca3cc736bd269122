//! Single records, read through a window: R16, V6 and V8.

use crate::{
    error::Error,
    read::{ReadAt, WINDOW, Window},
};
use hashlith_format::{
    Header, KeyHash, KeyHasher, KeyType, ValueType,
    record::{Lengths, MAX_VARINT},
};
use serde::de::IgnoredAny;
use std::io;

/// Most bytes of the two lengths of a record.
const LENGTHS: u64 = 2 * MAX_VARINT as u64;

/// The records of a file. Places are in bytes from the beginning of the file.
pub(crate) struct Records<'a, R: ?Sized> {
    window: Window<'a, R>,
    header: &'a Header,
    /// Where the pool ends.
    end: u64,
    /// How far to read ahead.
    ahead: u64,
}

impl<'a, R: ReadAt + ?Sized> Records<'a, R> {
    pub(crate) fn new(window: Window<'a, R>, header: &'a Header) -> Self {
        Records { window, header, end: header.sections.pool.end(), ahead: 0 }
    }

    /// Reads ahead up to the record at `place`, and the lengths of that one.
    pub(crate) fn read_ahead_to(&mut self, place: u64) {
        self.ahead = self.end.min(place.saturating_add(LENGTHS));
    }

    /// Bytes of the pool, at most [`WINDOW`].
    #[inline]
    fn get(&mut self, at: u64, len: usize) -> Result<&[u8], Error> {
        self.window.get(at, len, self.ahead.max(at + len as u64))
    }

    /// The lengths of the record at `at`, which is within the pool: R16 and V6.
    #[inline]
    pub(crate) fn lengths(&mut self, at: u64) -> Result<Lengths, Error> {
        let rest = self.end.saturating_sub(at);
        let head = self.get(at, rest.min(LENGTHS) as usize)?;
        let lengths = Lengths::parse(head).filter(|lengths| lengths.total().is_some_and(|len| len <= rest));
        let lengths =
            lengths.ok_or_else(|| Error::reader(16, at, "a record does not lie within the pool"))?;
        // One byte per length is the least.
        if lengths.head > 2 && !lengths.is_minimal() {
            return Err(Error::verifier(6, at, "a length takes more bytes than it must"));
        }
        Ok(lengths)
    }

    /// The hash of a key of any length.
    #[inline]
    pub(crate) fn hash(&mut self, at: u64, len: u64, hasher: &KeyHasher) -> Result<KeyHash, Error> {
        if len <= WINDOW as u64 {
            return Ok(hasher.hash(self.get(at, len as usize)?));
        }
        let mut stream = hasher.stream();
        let end = at + len;
        let mut at = at;
        while at < end {
            let piece = self.piece(at, end)?;
            stream.update(piece);
            at += piece.len() as u64;
        }
        Ok(stream.finish())
    }

    /// Checks that key and value of the record at `at` have their types: V8.
    #[inline]
    pub(crate) fn check_types(&mut self, at: u64, lengths: &Lengths) -> Result<(), Error> {
        let key_at = at + lengths.head;
        let value_at = key_at + lengths.key;
        let Header { key_type, value_type, .. } = *self.header;
        if key_type == KeyType::Text && !self.is_text(key_at, lengths.key)? {
            return Err(Error::verifier(8, at, "a key is not UTF-8"));
        }
        if value_type == ValueType::Text && !self.is_text(value_at, lengths.value)? {
            return Err(Error::verifier(8, at, "a value is not UTF-8"));
        }
        if value_type == ValueType::Json && !self.is_json(value_at, lengths.value)? {
            return Err(Error::verifier(8, at, "a value is not JSON"));
        }
        Ok(())
    }

    /// The next bytes of a key or value that ends at `end`.
    fn piece(&mut self, at: u64, end: u64) -> Result<&[u8], Error> {
        let len = end.saturating_sub(at).min(WINDOW as u64) as usize;
        self.get(at, len)
    }

    fn is_text(&mut self, at: u64, len: u64) -> Result<bool, Error> {
        let end = at + len;
        let mut at = at;
        while at < end {
            let piece = self.piece(at, end)?;
            match std::str::from_utf8(piece) {
                Ok(_) => at += piece.len() as u64,
                // The window cuts a character, which is whole in the next one.
                Err(error) if error.error_len().is_none() && at + (piece.len() as u64) < end => {
                    at += error.valid_up_to() as u64;
                }
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    fn is_json(&mut self, at: u64, len: u64) -> Result<bool, Error> {
        if len <= WINDOW as u64 {
            let text = std::str::from_utf8(self.get(at, len as usize)?);
            return Ok(text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()));
        }
        if !self.is_text(at, len)? {
            return Ok(false);
        }
        let mut stream = Stream { records: self, at, end: at + len, error: None };
        let parsed =
            serde_json::from_reader::<_, IgnoredAny>(io::BufReader::with_capacity(WINDOW, &mut stream));
        stream.error.map_or(Ok(parsed.is_ok()), Err)
    }
}

/// A long value as a stream. Keeps an error of the file, so that it is not taken for an error of the value.
struct Stream<'a, 'b, R: ?Sized> {
    records: &'a mut Records<'b, R>,
    at: u64,
    end: u64,
    error: Option<Error>,
}

impl<R: ReadAt + ?Sized> io::Read for Stream<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.records.piece(self.at, self.end) {
            Ok(mut piece) => {
                let len = io::Read::read(&mut piece, buf)?;
                self.at += len as u64;
                Ok(len)
            }
            Err(error) => {
                self.error = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}
