//! Single records, read through a window: R16, R19, V6, V8 and V14.

use crate::{
    coded::{Codes, Decoder, KeyHead, Pool, Stream, take_utf8},
    error::Error,
    findings::Findings,
    read::{ReadAt, WINDOW, Window},
};
use hashlith_format::{
    Header, KeyHash, KeyHasher, KeyType, ValueType,
    coding::{Front, RecordFault},
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
    /// The hash of its key, and the lower half of it under the salt of its cell; `None` if keys are left out.
    pub(crate) hash: Option<(KeyHash, u64)>,
    /// Where it ends.
    pub(crate) end: u64,
    /// V8: what does not have its type.
    pub(crate) wrong_type: Option<&'static str>,
}

/// A key or a value.
struct Field {
    /// As in [`Checked`], of a key.
    hash: Option<(KeyHash, u64)>,
    /// The bit after it, from the beginning of the file.
    end: u64,
    /// It has its type.
    is_right: bool,
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
        Ok(Checked { hash: Some((hash, lo)), end: key_at + lengths.key + lengths.value, wrong_type })
    }

    /// As [`Self::check`], for records that are not plain.
    fn check_coded(&mut self, at: u64, salt: u8) -> Result<Checked, Error> {
        let codes = self.codes;
        let front = codes.coding.front(self.piece(at, MAX_VARINT)?);
        let front = front.ok_or_else(|| RecordFault::Outside.at(at))?;
        let key = self.key(at, &front, salt)?;
        let value = self.value(at, &front, key.end)?;
        if front.len as u64 != front.least {
            return Err(Error::verifier(6, at, "a length takes more bytes than it must"));
        }
        // The bits after the last code; a plain value begins after those of the key.
        let bit = if front.value.is_some() { key.end } else { value.end };
        if !bit.is_multiple_of(8) {
            let last = self.piece(bit / 8, 1)?.first().copied().unwrap_or(0);
            if last >> (bit % 8) != 0 {
                let what = "an unused bit behind the codes of a record is not zero";
                return Err(Error::verifier(14, at, what));
            }
        }
        let wrong_type = match (key.is_right, value.is_right) {
            (false, _) => Some("a key is not UTF-8"),
            (_, false) if self.header.value_type == ValueType::Json => Some("a value is not JSON"),
            (_, false) => Some("a value is not UTF-8"),
            _ => None,
        };
        Ok(Checked { hash: key.hash, end: value.end.div_ceil(8), wrong_type })
    }

    /// Reads the key of a record, and keeps its beginning in `self.key`.
    fn key(&mut self, at: u64, front: &Front, salt: u8) -> Result<Field, Error> {
        let Self { header, codes, .. } = *self;
        self.key.clear();
        let key_at = at + front.len as u64;
        let key_len = front.key.unwrap_or(0);
        if front.key.is_some() && key_len > self.end.saturating_sub(key_at) {
            return Err(RecordFault::Outside.at(at).into());
        }
        let end = (key_at + key_len) * 8;
        let hasher = &header.hasher;
        if !codes.coding.keys_have_text() {
            let key = codes.coding.key(self.piece(key_at, key_len as usize)?);
            let hash = key.map(|key| {
                let hash = hasher.hash(&key);
                (hash, hasher.salted_lo(&key, hash, salt))
            });
            return Ok(Field { hash, end, is_right: true });
        }
        let (mut hash, mut salted) = (hasher.stream(), hasher.salted(salt).stream());
        let mut is_text = true;
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let mut decoder =
            codes.coding.keys().map(|tables| Decoder::new(tables, &codes.tables, at, key_at * 8));
        let mut next = key_at;
        loop {
            let from = decoded.len();
            let goes_on = match &mut decoder {
                Some(decoder) => decoder.more(self, None, &mut decoded)?,
                None => {
                    let len = (end / 8 - next).min(WINDOW as u64) as usize;
                    decoded.extend_from_slice(self.piece(next, len)?);
                    next += len as u64;
                    next < end / 8
                }
            };
            let new = decoded.get(from..).unwrap_or_default();
            hash.update(new);
            if salt != 0 {
                salted.update(new);
            }
            self.key.add(new);
            if header.key_type == KeyType::Text && is_text {
                is_text = take_utf8(&mut decoded, !goes_on);
            } else {
                decoded.clear();
            }
            if !goes_on {
                break;
            }
        }
        self.decoded = decoded;
        let hash = hash.finish();
        let lo = if salt == 0 { hash.lo } else { salted.finish().lo };
        let end = decoder.map_or(end, |decoder| decoder.bit());
        Ok(Field { hash: Some((hash, lo)), end, is_right: is_text })
    }

    /// Reads the value of a record, whose key ends at bit `bit` of the file.
    fn value(&mut self, at: u64, front: &Front, bit: u64) -> Result<Field, Error> {
        let Self { header, codes, .. } = *self;
        let Some((tables, from)) = codes.coding.values() else {
            let value_at = bit.div_ceil(8);
            let len = front.value.unwrap_or(0);
            if len > self.end.saturating_sub(value_at) {
                return Err(RecordFault::Outside.at(at).into());
            }
            let is_right = match header.value_type {
                ValueType::Text => self.is_text(value_at, len)?,
                ValueType::Json => self.is_json(value_at, len)?,
                ValueType::Bytes | ValueType::None | ValueType::Numbers(_) => true,
            };
            return Ok(Field { hash: None, end: (value_at + len) * 8, is_right });
        };
        let bytes = codes.tables.get(from..).unwrap_or_default();
        let own_key = std::mem::take(&mut self.key.bytes);
        let key = codes.coding.keys_have_text().then_some(own_key.as_slice());
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let mut decoder = Decoder::new(tables, bytes, at, bit);
        let mut is_right = true;
        loop {
            let goes_on = decoder.more(self, key, &mut decoded)?;
            if header.value_type.is_text() && is_right {
                is_right = take_utf8(&mut decoded, !goes_on);
            } else {
                decoded.clear();
            }
            if !goes_on {
                break;
            }
        }
        if header.value_type == ValueType::Json && is_right {
            let decoder = Decoder::new(tables, bytes, at, bit);
            let mut stream = Stream { decoder, pool: &mut *self, key, decoded, taken: 0, error: None };
            let parsed = serde_json::from_reader::<_, IgnoredAny>(io::BufReader::new(&mut stream));
            decoded = stream.decoded;
            is_right = stream.error.map_or(Ok(parsed.is_ok()), Err)?;
        }
        self.decoded = decoded;
        self.key.bytes = own_key;
        Ok(Field { hash: None, end: decoder.bit(), is_right })
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

/// Where the records begin that keys share.
pub(crate) struct SharedRecords(Vec<bool>);

impl SharedRecords {
    /// Reads all records of a pool, up to the first fault, which goes to the findings: R16, R19, V6, V8 and V14.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        window: Window<'_, R>,
        header: &Header,
        codes: &Codes,
        findings: &Findings,
    ) -> Self {
        let pool = header.sections.pool;
        let mut records = Records::new(window, header, codes);
        let mut starts = vec![false; pool.len as usize];
        let mut at = pool.offset;
        while at < pool.end() {
            if let Some(start) = starts.get_mut((at - pool.offset) as usize) {
                *start = true;
            }
            let fault = match records.check(at, 0) {
                Ok(Checked { wrong_type: None, end, .. }) => {
                    at = end;
                    continue;
                }
                Ok(Checked { wrong_type: Some(what), .. }) => Error::verifier(8, at, what),
                Err(error) => error,
            };
            findings.report(fault);
            break;
        }
        SharedRecords(starts)
    }

    /// True if a record begins at this place of the pool.
    pub(crate) fn begins(&self, place: u64) -> bool {
        usize::try_from(place).is_ok_and(|place| self.0.get(place) == Some(&true))
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
