//! Single records, read through a window: R16, R19, V6, V8 and V14.

use crate::{
    coded::{Codes, Decoder, KeyHead, Pool, Stream, take_utf8},
    error::Error,
    read::{ReadAt, WINDOW, Window},
};
use hashlith_format::{
    Header, KeyHash, KeyHasher, KeyType, ValueType,
    coding::RecordFault,
    record::{Lengths, MAX_VARINT, varint_len},
};
use serde::de::IgnoredAny;
use std::io;

/// Most bytes of the two lengths of a record.
const LENGTHS: u64 = 2 * MAX_VARINT as u64;

/// The records of a file. Places are in bytes from the beginning of the file.
pub(crate) struct Records<'a, R: ?Sized> {
    window: Window<'a, R>,
    header: &'a Header,
    codes: &'a Codes,
    /// Where the pool ends.
    end: u64,
    /// How far to read ahead.
    ahead: u64,
    key: KeyHead,
    decoded: Vec<u8>,
}

/// What a record has.
pub(crate) struct Checked {
    /// The hash of its key.
    pub(crate) hash: KeyHash,
    /// The lower half of the hash under the salt of its cell.
    pub(crate) lo: u64,
    /// Where it ends.
    pub(crate) end: u64,
    /// V8: what does not have its type.
    pub(crate) wrong_type: Option<&'static str>,
}

impl<R: ReadAt + ?Sized> Pool for Records<'_, R> {
    fn piece(&mut self, at: u64, most: usize) -> Result<&[u8], Error> {
        let len = self.end.saturating_sub(at).min(most as u64) as usize;
        self.get(at, len)
    }

    fn end(&self) -> u64 {
        self.end
    }
}

impl<'a, R: ReadAt + ?Sized> Records<'a, R> {
    pub(crate) fn new(window: Window<'a, R>, header: &'a Header, codes: &'a Codes) -> Self {
        let end = header.sections.pool.end();
        Records { window, header, codes, end, ahead: 0, key: KeyHead::new(), decoded: Vec::new() }
    }

    /// Reads the record at `at`, which is within the pool: R16, R19, V6 and V14. `salt` is that of its cell.
    #[inline]
    pub(crate) fn check(&mut self, at: u64, salt: u8) -> Result<Checked, Error> {
        if !self.codes.coding.is_plain() {
            return self.check_coded(at, salt);
        }
        let lengths = self.lengths(at)?;
        let key_at = at + lengths.head;
        let hasher = &self.header.hasher;
        let hash = self.hash(key_at, lengths.key, hasher)?;
        let lo = match salt {
            0 => hash.lo,
            salt => self.hash(key_at, lengths.key, &hasher.salted(salt))?.lo,
        };
        let wrong_type = self.wrong_type(at, &lengths)?;
        Ok(Checked { hash, lo, end: key_at + lengths.key + lengths.value, wrong_type })
    }

    fn check_coded(&mut self, at: u64, salt: u8) -> Result<Checked, Error> {
        let Self { header, codes, .. } = *self;
        let outside = || Error::from(RecordFault::Outside.at(at));
        let (end, within) = (self.end, self.end.saturating_sub(at));
        let (key_len, value_len, head) =
            codes.coding.lengths(self.piece(at, 2 * MAX_VARINT)?).ok_or_else(outside)?;
        // The key: its hash, its beginning, whether it is text.
        let hasher = &header.hasher;
        let (mut hash, mut salted) = (hasher.stream(), hasher.salted(salt).stream());
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        self.key.clear();
        let mut key_is_text = true;
        let mut take = |records: &mut Self, decoded: &mut Vec<u8>, from: usize, last: bool| {
            let new = decoded.get(from..).unwrap_or_default();
            hash.update(new);
            if salt != 0 {
                salted.update(new);
            }
            records.key.add(new);
            if header.key_type == KeyType::Text && key_is_text {
                key_is_text = take_utf8(decoded, last);
            } else {
                decoded.clear();
            }
        };
        let mut bit = (at + head as u64) * 8;
        if let Some(tables) = codes.coding.keys() {
            let mut decoder = Decoder::new(tables, &codes.tables, at, bit);
            loop {
                let from = decoded.len();
                let goes_on = decoder.more(self, None, &mut decoded)?;
                take(self, &mut decoded, from, !goes_on);
                if !goes_on {
                    break;
                }
            }
            bit = decoder.bit();
        } else {
            let len = key_len.filter(|&len| len.saturating_add(head as u64) <= within).ok_or_else(outside)?;
            let key_end = at + head as u64 + len;
            let mut from = at + head as u64;
            loop {
                let kept = decoded.len();
                let piece = self.piece(from, (key_end - from).min(WINDOW as u64) as usize)?;
                decoded.extend_from_slice(piece);
                from += piece.len() as u64;
                take(self, &mut decoded, kept, from == key_end);
                if from == key_end {
                    break;
                }
            }
            bit = key_end * 8;
        }
        let hash = hash.finish();
        let lo = if salt == 0 { hash.lo } else { salted.finish().lo };
        decoded.clear();
        let mut padding = bit;
        let mut value_ok = true;
        let record_end;
        if let Some((tables, from)) = codes.coding.values() {
            let bytes = codes.tables.get(from..).unwrap_or_default();
            let key = std::mem::take(&mut self.key.bytes);
            let mut decoder = Decoder::new(tables, bytes, at, bit);
            loop {
                let goes_on = decoder.more(self, Some(&key), &mut decoded)?;
                if header.value_type != ValueType::Bytes && value_ok {
                    value_ok = take_utf8(&mut decoded, !goes_on);
                } else {
                    decoded.clear();
                }
                if !goes_on {
                    break;
                }
            }
            padding = decoder.bit();
            if header.value_type == ValueType::Json && value_ok {
                let decoder = Decoder::new(tables, bytes, at, bit);
                let mut stream = Stream {
                    decoder,
                    pool: &mut *self,
                    key: &key,
                    decoded: std::mem::take(&mut decoded),
                    taken: 0,
                    error: None,
                };
                let parsed = serde_json::from_reader::<_, IgnoredAny>(io::BufReader::new(&mut stream));
                decoded = stream.decoded;
                value_ok = stream.error.map_or(Ok(parsed.is_ok()), Err)?;
            }
            self.key.bytes = key;
            record_end = padding.div_ceil(8);
        } else {
            let value_at = bit.div_ceil(8);
            let len = value_len.filter(|&len| len <= end.saturating_sub(value_at)).ok_or_else(outside)?;
            value_ok = match header.value_type {
                ValueType::Bytes => true,
                ValueType::Text => self.is_text(value_at, len)?,
                ValueType::Json => self.is_json(value_at, len)?,
            };
            record_end = value_at + len;
        }
        self.decoded = decoded;
        let least = [key_len, value_len].into_iter().flatten().map(varint_len).sum::<u64>();
        if head as u64 != least {
            return Err(Error::verifier(6, at, "a length takes more bytes than it must"));
        }
        if !padding.is_multiple_of(8) {
            let last = self.piece(padding / 8, 1)?.first().copied().unwrap_or(0);
            if last >> (padding % 8) != 0 {
                return Err(Error::verifier(
                    14,
                    at,
                    "an unused bit behind the codes of a record is not zero",
                ));
            }
        }
        let wrong_type = match (key_is_text, value_ok) {
            (false, _) => Some("a key is not UTF-8"),
            (_, false) if header.value_type == ValueType::Json => Some("a value is not JSON"),
            (_, false) => Some("a value is not UTF-8"),
            _ => None,
        };
        Ok(Checked { hash, lo, end: record_end, wrong_type })
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
    fn lengths(&mut self, at: u64) -> Result<Lengths, Error> {
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
    fn hash(&mut self, at: u64, len: u64, hasher: &KeyHasher) -> Result<KeyHash, Error> {
        if len <= WINDOW as u64 {
            return Ok(hasher.hash(self.get(at, len as usize)?));
        }
        let mut stream = hasher.stream();
        let end = at + len;
        let mut at = at;
        while at < end {
            let piece = self.part(at, end)?;
            stream.update(piece);
            at += piece.len() as u64;
        }
        Ok(stream.finish())
    }

    /// What of the record at `at` does not have its type: V8.
    #[inline]
    fn wrong_type(&mut self, at: u64, lengths: &Lengths) -> Result<Option<&'static str>, Error> {
        let key_at = at + lengths.head;
        let value_at = key_at + lengths.key;
        let Header { key_type, value_type, .. } = *self.header;
        if key_type == KeyType::Text && !self.is_text(key_at, lengths.key)? {
            return Ok(Some("a key is not UTF-8"));
        }
        if value_type == ValueType::Text && !self.is_text(value_at, lengths.value)? {
            return Ok(Some("a value is not UTF-8"));
        }
        if value_type == ValueType::Json && !self.is_json(value_at, lengths.value)? {
            return Ok(Some("a value is not JSON"));
        }
        Ok(None)
    }

    /// The next bytes of a key or value that ends at `end`.
    fn part(&mut self, at: u64, end: u64) -> Result<&[u8], Error> {
        let len = end.saturating_sub(at).min(WINDOW as u64) as usize;
        self.get(at, len)
    }

    fn is_text(&mut self, at: u64, len: u64) -> Result<bool, Error> {
        let end = at + len;
        let mut at = at;
        while at < end {
            let piece = self.part(at, end)?;
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
        let mut stream = Plain { records: self, at, end: at + len, error: None };
        let parsed =
            serde_json::from_reader::<_, IgnoredAny>(io::BufReader::with_capacity(WINDOW, &mut stream));
        stream.error.map_or(Ok(parsed.is_ok()), Err)
    }
}

/// A long value as a stream. Keeps an error of the file, so that it is not taken for an error of the value.
struct Plain<'a, 'b, R: ?Sized> {
    records: &'a mut Records<'b, R>,
    at: u64,
    end: u64,
    error: Option<Error>,
}

impl<R: ReadAt + ?Sized> io::Read for Plain<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.records.part(self.at, self.end) {
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
