//! How a build stores its records, and what writes them: as codes of tokens, or with a fixed width (spec section 4).

use crate::{
    Error,
    chunk::{BLOCK, Long},
    sample::Sample,
    shared::Shared,
    sizing::LengthCounts,
    spill::Disk,
    tokens::{BitWriter, Codec, Effort, Scratch, train},
};
use hashlith_format::{KeyType, ValueType, record::write_varint};
use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

/// How the keys of the new files are stored.
#[derive(Clone, Debug, Default)]
enum Keys {
    #[default]
    Plain,
    Coded(Codec),
    /// Integers of this many bytes.
    Int(u8),
    /// This many bytes of their hashes.
    Hash(u8),
}

/// How the values are stored.
#[derive(Clone, Debug, Default)]
enum Values {
    #[default]
    Plain,
    Coded(Codec),
    /// Not in the records.
    Apart,
    /// In records that keys share.
    Shared(Arc<Shared>),
}

/// How the records of the new files are stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Codecs {
    keys: Keys,
    values: Values,
    /// Bytes of a value in the values section.
    width: u64,
}

/// The token tables of files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// How many tables the keys have, and the values.
    pub counts: (u8, u8),
    /// The tables section.
    pub bytes: Vec<u8>,
}

impl Codecs {
    /// For these types, without codes but those of shared records.
    pub fn new(key_type: KeyType, key_width: u8, value_type: ValueType, shared: Option<Arc<Shared>>) -> Self {
        let keys = match key_type {
            KeyType::Int => Keys::Int(key_width),
            KeyType::None => Keys::Hash(key_width),
            KeyType::Bytes | KeyType::Text => Keys::Plain,
        };
        let values = match (value_type, shared) {
            (_, Some(shared)) => Values::Shared(shared),
            (ValueType::None | ValueType::Numbers(_), None) => Values::Apart,
            (ValueType::Bytes | ValueType::Text | ValueType::Json, None) => Values::Plain,
        };
        Codecs { keys, values, width: value_type.width() }
    }

    /// Learns tokens from a sample of `records` records. A side that they would not make smaller by a tenth stays as it is.
    pub fn learn(&mut self, sample: &Sample, records: u64, threads: usize, effort: Effort) {
        let has_text = matches!(self.keys, Keys::Plain);
        let keys = has_text.then_some(|| train(&sample.keys, None, records, effort));
        let own_keys = has_text.then_some(&sample.keys);
        let values = matches!(self.values, Values::Plain)
            .then_some(|| train(&sample.values, own_keys, records, effort));
        let (keys, values) = if threads > 1 {
            std::thread::scope(|scope| {
                let other = keys.map(|keys| scope.spawn(keys));
                let values = values.and_then(|values| values());
                let keys =
                    other.map(|keys| keys.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                (keys.flatten(), values)
            })
        } else {
            (keys.and_then(|keys| keys()), values.and_then(|values| values()))
        };
        if let Some(codec) = keys {
            self.keys = Keys::Coded(codec);
        }
        if let Some(codec) = values {
            self.values = Values::Coded(codec);
        }
    }

    /// True if keys and values are stored as they are, after their lengths.
    pub fn is_plain(&self) -> bool {
        matches!((&self.keys, &self.values), (Keys::Plain, Values::Plain))
    }

    /// True if some of the records are codes.
    pub fn is_coded(&self) -> bool {
        self.key_codec().is_some() || self.value_codec().is_some()
    }

    /// Bytes of a value in the values section; 0 if there is none.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// The values that share records, if they do.
    pub fn shared(&self) -> Option<&Shared> {
        if let Values::Shared(shared) = &self.values { Some(shared) } else { None }
    }

    fn key_codec(&self) -> Option<&Codec> {
        if let Keys::Coded(codec) = &self.keys { Some(codec) } else { None }
    }

    fn value_codec(&self) -> Option<&Codec> {
        if let Values::Coded(codec) = &self.values { Some(codec) } else { None }
    }

    pub fn tables(&self) -> Tables {
        if let Some(shared) = self.shared() {
            return Tables { counts: (0, 1), bytes: shared.table.clone() };
        }
        let sides = [self.key_codec(), self.value_codec()];
        let [keys, values] = sides.map(|codec| codec.map_or(0, Codec::table_count));
        Tables {
            counts: (keys, values),
            bytes: sides.into_iter().flatten().flat_map(|codec| codec.tables().iter().copied()).collect(),
        }
    }

    /// The lengths that the records of a sample will have.
    pub fn lengths(&self, sample: &Sample) -> LengthCounts {
        let mut counts = LengthCounts::default();
        let mut coder = Coder::new(self);
        let mut record = Vec::new();
        for (number, &(key_len, value_len)) in sample.lengths.iter().enumerate().take(sample.values.len()) {
            let (key, value) = (sample.keys.get(number), sample.values.get(number));
            record.clear();
            coder.encode(key, value, 0, &mut record);
            // Of long fields the sample has the beginning: the rest is about as dense.
            let taken = (key.len() + value.len()).max(1) as u64;
            counts.add((record.len() as u64 * (key_len + value_len).max(1) / taken) as usize);
        }
        counts
    }

    /// How many bytes a record takes whose key and value are not coded. An integer key counts with 8.
    #[inline]
    pub fn plain_len(&self, key_len: usize, value_len: usize) -> usize {
        let key = match self.keys {
            Keys::Plain | Keys::Coded(_) => key_len + 1,
            Keys::Int(_) => 8,
            Keys::Hash(width) => width.into(),
        };
        key + match self.values {
            Values::Plain | Values::Coded(_) => value_len + 1,
            Values::Apart | Values::Shared(_) => 0,
        }
    }
}

/// Writes records as the file has them. Reuses its memory from record to record.
pub(crate) struct Coder<'c> {
    codecs: &'c Codecs,
    scratch: Scratch,
}

impl<'c> Coder<'c> {
    pub fn new(codecs: &'c Codecs) -> Self {
        Coder { codecs, scratch: Scratch::default() }
    }

    /// True if values are written to the values section, and not into the records.
    pub fn value_is_apart(&self) -> bool {
        matches!(self.codecs.values, Values::Apart)
    }

    /// Appends a record, but not a value of a fixed width. `lo` is the lower half of its key's hash.
    pub fn encode(&mut self, key: &[u8], value: &[u8], lo: u64, out: &mut Vec<u8>) {
        let bits = self.begin(key, value.len() as u64, lo, out);
        match &self.codecs.values {
            Values::Plain => {
                BitWriter::resume(out, bits).finish();
                out.extend_from_slice(value);
            }
            Values::Coded(codec) => {
                let own_key = self.key_as_text(key);
                let mut writer = BitWriter::resume(out, bits);
                codec.encode(value, own_key, &mut self.scratch, &mut writer);
                writer.finish();
            }
            Values::Apart | Values::Shared(_) => BitWriter::resume(out, bits).finish(),
        }
    }

    /// Appends what comes before the value. Returns the bits of the last byte that are not written yet.
    fn begin(&mut self, key: &[u8], value_len: u64, lo: u64, out: &mut Vec<u8>) -> (u64, u32) {
        if matches!(self.codecs.keys, Keys::Plain) {
            write_varint(key.len() as u64, out);
        }
        if matches!(self.codecs.values, Values::Plain) {
            write_varint(value_len, out);
        }
        match &self.codecs.keys {
            Keys::Plain => out.extend_from_slice(key),
            Keys::Coded(codec) => {
                let mut writer = BitWriter::resume(out, (0, 0));
                codec.encode(key, None, &mut self.scratch, &mut writer);
                return writer.pause();
            }
            Keys::Int(width) => out.extend_from_slice(&key[..usize::from(*width).min(key.len())]),
            Keys::Hash(width) => out.extend_from_slice(&lo.to_le_bytes()[..usize::from(*width)]),
        }
        (0, 0)
    }

    fn key_as_text<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        matches!(self.codecs.keys, Keys::Plain | Keys::Coded(_)).then_some(key)
    }

    /// Writes a long record into a file, block by block.
    pub fn encode_long(
        &mut self,
        long: &Long,
        lo: u64,
        disk: &Disk,
        store: &mut Store,
    ) -> Result<Stored, Error> {
        let key = long.key();
        let mut out = Vec::with_capacity(BLOCK);
        let mut bits = self.begin(key, long.value_len(), lo, &mut out);
        if !matches!(self.codecs.values, Values::Coded(_)) {
            BitWriter::resume(&mut out, bits).finish();
            bits = (0, 0);
        }
        let mut stored = store.begin(disk)?;
        let own_key = self.key_as_text(key);
        let mut left = long.value_len();
        let mut first = true;
        long.each_block_of_value(disk.failed(crate::spill::READ), |part| {
            left -= part.len() as u64;
            match &self.codecs.values {
                Values::Coded(codec) => {
                    let mut writer = BitWriter::resume(&mut out, bits);
                    let ends = (std::mem::take(&mut first), left == 0);
                    codec.encode_part(part, ends, own_key, &mut self.scratch, &mut writer);
                    bits = writer.pause();
                }
                Values::Plain => out.extend_from_slice(part),
                Values::Apart | Values::Shared(_) => {}
            }
            if out.len() >= BLOCK {
                stored.append(&mut out, disk)?;
            }
            Ok(())
        })?;
        BitWriter::resume(&mut out, bits).finish();
        stored.append(&mut out, disk)?;
        store.len += stored.len;
        Ok(stored)
    }
}

/// Where the long records of a job wait after they are encoded: a temporary file, if there are any.
#[derive(Default)]
pub(crate) struct Store {
    file: Option<Arc<File>>,
    len: u64,
}

impl Store {
    fn begin(&mut self, disk: &Disk) -> Result<Stored, Error> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => {
                let file = tempfile::tempfile_in(&disk.dir).map_err(disk.failed(crate::spill::WRITE))?;
                self.file.insert(Arc::new(file)).clone()
            }
        };
        Ok(Stored { file, start: self.len, len: 0 })
    }
}

/// A long record in the file of a [`Store`].
pub(crate) struct Stored {
    file: Arc<File>,
    start: u64,
    len: u64,
}

impl Stored {
    /// Bytes of the record.
    pub fn len(&self) -> u64 {
        self.len
    }

    fn append(&mut self, bytes: &mut Vec<u8>, disk: &Disk) -> Result<(), Error> {
        self.file.write_all_at(bytes, self.start + self.len).map_err(disk.failed(crate::spill::WRITE))?;
        self.len += bytes.len() as u64;
        bytes.clear();
        Ok(())
    }

    /// Calls `each` with the bytes of the record, block after block.
    pub fn each_block<E>(
        &self,
        failed: impl Fn(io::Error) -> E,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = vec![0; BLOCK.min(self.len as usize)];
        let mut at = 0;
        while at < self.len {
            let len = buffer.len().min((self.len - at) as usize);
            self.file.read_exact_at(&mut buffer[..len], self.start + at).map_err(&failed)?;
            each(&buffer[..len])?;
            at += len as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
