//! Records that are stored as codes of tokens, decoded piece by piece: so that a string of any length takes little memory.

use crate::error::Error;
use hashlith_format::{
    Coding,
    coding::RecordFault,
    tokens::{Decoding, MAX_TEXT, Tables},
};
use std::{io, str};

/// Bytes of the pool that are looked at at a time.
const PIECE: usize = 4 << 10;
/// Bytes of a string that are decoded at a time, and up to 255 more.
const DECODED: usize = 64 << 10;

/// The pool of a file. Places are in bytes from the beginning of the file.
pub(crate) trait Pool {
    /// The bytes at `at`, at most `most` and at most those of the pool.
    fn piece(&mut self, at: u64, most: usize) -> Result<&[u8], Error>;

    /// Where the pool ends.
    fn end(&self) -> u64;
}

/// How a file stores its records, and the bytes of its token tables.
pub(crate) struct Codes {
    pub(crate) coding: Coding,
    pub(crate) tables: Vec<u8>,
}

/// A string of a record that is being decoded.
pub(crate) struct Decoder<'c> {
    tables: &'c Tables,
    bytes: &'c [u8],
    /// Where the record begins.
    record: u64,
    /// The next byte of the pool, and the next bit in it.
    at: u64,
    state: Decoding,
}

impl<'c> Decoder<'c> {
    pub(crate) fn new(tables: &'c Tables, bytes: &'c [u8], record: u64, bit: u64) -> Self {
        Decoder { tables, bytes, record, at: bit / 8, state: Decoding::at(bit % 8) }
    }

    /// The bit after what is decoded, from the beginning of the file.
    pub(crate) fn bit(&self) -> u64 {
        self.at * 8 + self.state.bit
    }

    /// Appends more of the string to `out`: at least a byte, unless it ends here. False if it has ended.
    pub(crate) fn more(
        &mut self,
        pool: &mut impl Pool,
        key: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let most = out.len().saturating_add(DECODED);
        let start = out.len();
        while !self.state.ended && out.len() == start {
            self.at += self.state.bit / 8;
            self.state.bit %= 8;
            let (at, end) = (self.at, pool.end());
            let piece = pool.piece(at, PIECE)?;
            let cut = at + (piece.len() as u64) < end;
            let Self { tables, bytes, state, .. } = self;
            tables
                .decode_piece(bytes, piece, cut, state, key, most, out)
                .map_err(|fault| RecordFault::Codes(fault).at(self.record))?;
        }
        Ok(out.len() > start)
    }
}

/// The first bytes of a key: as many as tokens may stand for, and one more.
pub(crate) struct KeyHead {
    pub(crate) bytes: Vec<u8>,
    pub(crate) len: u64,
}

impl KeyHead {
    pub(crate) fn new() -> Self {
        KeyHead { bytes: Vec::with_capacity(MAX_TEXT + 1), len: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }

    pub(crate) fn add(&mut self, piece: &[u8]) {
        let room = (MAX_TEXT + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.len += piece.len() as u64;
    }
}

/// Checks UTF-8 that comes in pieces: drops from `bytes` what is right, and keeps a character that is cut. False if it is not
/// UTF-8. `last`: nothing follows.
pub(crate) fn take_utf8(bytes: &mut Vec<u8>, last: bool) -> bool {
    let valid = match str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) if error.error_len().is_none() && !last => error.valid_up_to(),
        Err(_) => return false,
    };
    bytes.drain(..valid);
    true
}

/// A coded value as a stream. Keeps an error, so that it is not taken for an error of the value.
pub(crate) struct Stream<'a, 'c, P> {
    pub(crate) decoder: Decoder<'c>,
    pub(crate) pool: &'a mut P,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) decoded: Vec<u8>,
    pub(crate) taken: usize,
    pub(crate) error: Option<Error>,
}

impl<P: Pool> io::Read for Stream<'_, '_, P> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.decoded.len() {
            self.decoded.clear();
            self.taken = 0;
            if let Err(error) = self.decoder.more(self.pool, self.key, &mut self.decoded) {
                self.error = Some(error);
                return Err(io::ErrorKind::Other.into());
            }
        }
        let mut rest = self.decoded.get(self.taken..).unwrap_or_default();
        let len = io::Read::read(&mut rest, buf)?;
        self.taken += len;
        Ok(len)
    }
}
