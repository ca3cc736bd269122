//! Every record of a block, in the order of the slots: R21, R22, V4 to V8.

use crate::{
    Error, Progress, ReadAt,
    findings::Findings,
    read::{WINDOW, Window, read_whole},
};
use hashlith_format::{
    BlockView, Header, KeyHash, KeyHasher, KeyType, ValueType,
    record::{Lengths, MAX_VARINT},
};
use serde::de::IgnoredAny;
use std::io;

/// Checks blocks, from one thread.
pub(crate) struct BlockChecker<'a, R: ?Sized> {
    header: &'a Header,
    findings: &'a Findings,
    records: Records<'a, R>,
    entries: Window<'a, R>,
    file: &'a R,
    /// Remap and pilots of the block.
    remap_and_pilots: Vec<u8>,
    /// For each remap entry whether a key needs it.
    used: Vec<bool>,
}

impl<'a, R: ReadAt + ?Sized> BlockChecker<'a, R> {
    pub(crate) fn new(
        file: &'a R,
        header: &'a Header,
        findings: &'a Findings,
        progress: &'a Progress,
    ) -> Self {
        let window = || Window::new(file, progress);
        BlockChecker {
            header,
            findings,
            records: Records { window: window(), end: 0 },
            entries: window(),
            file,
            remap_and_pilots: Vec::new(),
            used: Vec::new(),
        }
    }

    /// Walks the records of block `number` from the first to the last.
    ///
    /// The first fault of a record is returned, and ends the walk. Faults of the hot data are reported and the walk
    /// goes on, because all records have lower offsets.
    pub(crate) fn check(&mut self, number: u64, view: &BlockView) -> Result<(), Error> {
        let geometry = view.geometry;
        if geometry.keys == 0 {
            return Ok(());
        }
        let remap_len = 4 * u64::from(geometry.remaps());
        let len = remap_len + u64::from(geometry.buckets);
        read_whole(self.file, view.remap_at(0), len, &mut self.remap_and_pilots)?;
        self.used.clear();
        self.used.resize(geometry.remaps() as usize, false);
        self.records.end = view.pool + view.pool_len;

        let find_slot = geometry.slot_finder(view.seed());
        let mut at = view.pool;
        for slot in 0..geometry.keys {
            let (fingerprint, delta) = self.entry(view, slot)?;
            let lengths = self.records.lengths(at, view.record_offset(slot, delta), view.pool)?;
            let key_at = at + lengths.head;
            let hash = self.records.hash(key_at, lengths.key, &self.header.hasher)?;
            let salted = match view.layout.salt {
                0 => hash.lo,
                salt => self.records.hash(key_at, lengths.key, &self.header.hasher.salted(salt))?.lo,
            };
            let fault = |what| Err(Error::verifier(5, at, what));
            if hash.block(self.header.blocks) != number {
                return fault("a key is in a block that is not its own");
            }
            if view.fingerprint(&hash) != fingerprint {
                return fault("a slot has not the fingerprint of its key");
            }
            let x = salted ^ view.seed();
            let bucket = remap_len + geometry.bucket(x);
            let pilot = self.remap_and_pilots.get(bucket as usize).copied().unwrap_or_default();
            match self.through_remap(view, find_slot(x, pilot)) {
                Ok(found) if found != slot => return fault("a key does not find its own slot"),
                Ok(_) => {}
                Err(error) => self.findings.report(error),
            }
            self.check_types(at, &lengths)?;
            at = key_at + lengths.key + lengths.value;
        }
        if at != self.records.end {
            return Err(Error::verifier(
                4,
                at,
                "bytes behind the last record of a block belong to no record",
            ));
        }
        self.check_spare(view)
    }

    /// Where the bytes end that reads of slot entries may touch: the last may go behind the hot data of its block, but
    /// the directory, of at least 64 bytes, comes after every block.
    fn hot_limit(view: &BlockView) -> u64 {
        view.hot + view.hot_len() + 8
    }

    /// Fingerprint and delta of a slot.
    #[inline]
    fn entry(&mut self, view: &BlockView, slot: u32) -> Result<(u64, u64), Error> {
        let bytes = self.entries.get(view.entry_at(slot), 8, Self::hot_limit(view))?;
        Ok(view.split_entry(slot, bytes.first_chunk().copied().unwrap_or_default()))
    }

    /// Step 8 of a lookup, with R21.
    #[inline]
    fn through_remap(&mut self, view: &BlockView, slot: u32) -> Result<u32, Error> {
        let Some(number) = slot.checked_sub(view.geometry.keys) else { return Ok(slot) };
        if let Some(used) = self.used.get_mut(number as usize) {
            *used = true;
        }
        let slot = self.remap(number);
        if slot >= view.geometry.keys {
            return Err(Error::reader(21, view.remap_at(number), "a remap entry leads out of its block"));
        }
        Ok(slot)
    }

    fn remap(&self, number: u32) -> u32 {
        let bytes = self.remap_and_pilots.get(4 * number as usize..).and_then(<[u8]>::first_chunk);
        u32::from_le_bytes(bytes.copied().unwrap_or_default())
    }

    /// V8.
    #[inline]
    fn check_types(&mut self, at: u64, lengths: &Lengths) -> Result<(), Error> {
        let key_at = at + lengths.head;
        let value_at = key_at + lengths.key;
        if self.header.key_type == KeyType::Text && !self.records.is_text(key_at, lengths.key)? {
            return Err(Error::verifier(8, at, "a key is not UTF-8"));
        }
        match self.header.value_type {
            ValueType::Bytes => {}
            ValueType::Text if !self.records.is_text(value_at, lengths.value)? => {
                return Err(Error::verifier(8, at, "a value is not UTF-8"));
            }
            ValueType::Json if !self.records.is_json(value_at, lengths.value)? => {
                return Err(Error::verifier(8, at, "a value is not JSON"));
            }
            ValueType::Text | ValueType::Json => {}
        }
        Ok(())
    }

    /// V7, for what the walk has not met: the unused bits behind the slot entries, then the unused remap entries.
    fn check_spare(&mut self, view: &BlockView) -> Result<(), Error> {
        let bits = u64::from(view.geometry.keys) * u64::from(view.entry_bits());
        let at = view.hot + bits / 8;
        if bits % 8 != 0
            && self.entries.get(at, 1, Self::hot_limit(view))?.iter().any(|byte| byte >> (bits % 8) != 0)
        {
            return Err(Error::verifier(7, at, "an unused bit behind the slot entries is not zero"));
        }
        let mut unused = (0u32..).zip(&self.used).filter(|&(_, &used)| !used);
        match unused.find(|&(number, _)| self.remap(number) != 0) {
            Some((number, _)) => {
                let at = view.remap_at(number);
                Err(Error::verifier(7, at, "a remap entry that no key needs is not zero"))
            }
            None => Ok(()),
        }
    }
}

/// The records of one block, through a window.
struct Records<'a, R: ?Sized> {
    window: Window<'a, R>,
    /// Where they end, from the beginning of the file.
    end: u64,
}

impl<R: ReadAt + ?Sized> Records<'_, R> {
    /// The lengths of the record at `at`, where the slot's entry must have put it: R22, V4 and V6.
    #[inline]
    fn lengths(&mut self, at: u64, by_entry: Option<u64>, pool: u64) -> Result<Lengths, Error> {
        if by_entry.and_then(|offset| pool.checked_add(offset)) != Some(at) {
            return Err(Error::verifier(4, at, "a slot has its record elsewhere"));
        }
        let rest = self.end.saturating_sub(at);
        let head = self.window.get(at, rest.min(2 * MAX_VARINT as u64) as usize, self.end)?;
        let lengths = Lengths::parse(head).filter(|lengths| lengths.total().is_some_and(|len| len <= rest));
        let lengths =
            lengths.ok_or_else(|| Error::reader(22, at, "a record does not lie within its block"))?;
        // One byte each cannot be shortened.
        if lengths.head > 2 && !lengths.is_minimal() {
            return Err(Error::verifier(6, at, "a length takes more bytes than it must"));
        }
        Ok(lengths)
    }

    /// Hash of a key of any length.
    #[inline]
    fn hash(&mut self, at: u64, len: u64, hasher: &KeyHasher) -> Result<KeyHash, Error> {
        if len <= WINDOW as u64 {
            return Ok(hasher.hash(self.window.get(at, len as usize, self.end)?));
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

    /// The next bytes of what ends at `end`.
    fn piece(&mut self, at: u64, end: u64) -> Result<&[u8], Error> {
        let len = end.saturating_sub(at).min(WINDOW as u64) as usize;
        self.window.get(at, len, self.end)
    }

    fn is_text(&mut self, at: u64, len: u64) -> Result<bool, Error> {
        let end = at + len;
        let mut at = at;
        while at < end {
            let piece = self.piece(at, end)?;
            match std::str::from_utf8(piece) {
                Ok(_) => at += piece.len() as u64,
                // A character that the window cut: it is whole in the next one.
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
            let text = std::str::from_utf8(self.window.get(at, len as usize, self.end)?);
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

/// A long value as a stream. An error of the file is kept, so that it is not taken for one of the value.
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
