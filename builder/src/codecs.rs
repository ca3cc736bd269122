//! The codecs of a build: they write keys and values as codes of tokens (spec section 4).

use crate::{
    Error,
    chunk::{BLOCK, Long},
    sample::Sample,
    sizing::LengthCounts,
    spill::Disk,
    tokens::{BitWriter, Codec, Scratch, train},
};
use hashlith_format::record::write_varint;
use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

/// How the records of the new files are stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Codecs {
    keys: Option<Codec>,
    values: Option<Codec>,
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
    /// Learns tokens from a sample of `records` records. A side that they would not make smaller by a tenth stays as it is.
    pub fn learn(sample: &Sample, records: u64, threads: usize) -> Self {
        let keys = || train(&sample.keys, None, records);
        let values = || train(&sample.values, Some(&sample.keys), records);
        let (keys, values) = if threads > 1 {
            std::thread::scope(|scope| {
                let other = scope.spawn(keys);
                let values = values();
                (other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), values)
            })
        } else {
            (keys(), values())
        };
        Codecs { keys, values }
    }

    /// True if records stay as they are.
    pub fn is_plain(&self) -> bool {
        self.keys.is_none() && self.values.is_none()
    }

    pub fn tables(&self) -> Tables {
        let count = |codec: &Option<Codec>| codec.as_ref().map_or(0, Codec::table_count);
        let sides = [&self.keys, &self.values].into_iter().flatten();
        Tables {
            counts: (count(&self.keys), count(&self.values)),
            bytes: sides.flat_map(|codec| codec.tables().iter().copied()).collect(),
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
            coder.encode(key, value, &mut record);
            // Of long fields the sample has the beginning: the rest is about as dense.
            let taken = (key.len() + value.len()).max(1) as u64;
            counts.add((record.len() as u64 * (key_len + value_len).max(1) / taken) as usize);
        }
        counts
    }
}

/// Encodes records. Reuses its memory from record to record.
pub(crate) struct Coder<'c> {
    codecs: &'c Codecs,
    scratch: Scratch,
}

impl<'c> Coder<'c> {
    pub fn new(codecs: &'c Codecs) -> Self {
        Coder { codecs, scratch: Scratch::default() }
    }

    /// Appends a record.
    pub fn encode(&mut self, key: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let Codecs { keys, values } = self.codecs;
        for (codec, field) in [(keys, key), (values, value)] {
            if codec.is_none() {
                write_varint(field.len() as u64, out);
            }
        }
        let mut bits = (0, 0);
        for (codec, field, own_key) in [(keys, key, None), (values, value, Some(key))] {
            let mut writer = BitWriter::resume(out, bits);
            match codec {
                Some(codec) => {
                    codec.encode(field, own_key, &mut self.scratch, &mut writer);
                    bits = writer.pause();
                }
                None => {
                    writer.finish();
                    out.extend_from_slice(field);
                    bits = (0, 0);
                }
            }
        }
        BitWriter::resume(out, bits).finish();
    }

    /// Encodes a long record into a file, block by block.
    pub fn encode_long(&mut self, long: &Long, disk: &Disk, store: &mut Store) -> Result<Stored, Error> {
        let Codecs { keys, values } = self.codecs;
        let (key, lengths) = (long.key(), long.lengths);
        let mut out = Vec::with_capacity(BLOCK);
        for (codec, len) in [(keys, lengths.key), (values, lengths.value)] {
            if codec.is_none() {
                write_varint(len, &mut out);
            }
        }
        let mut bits = (0, 0);
        if let Some(codec) = keys {
            let mut writer = BitWriter::resume(&mut out, bits);
            codec.encode(key, None, &mut self.scratch, &mut writer);
            bits = writer.pause();
        } else {
            out.extend_from_slice(key);
        }
        if values.is_none() {
            BitWriter::resume(&mut out, bits).finish();
            bits = (0, 0);
        }
        let mut stored = store.begin(disk)?;
        // The record's lengths and key come first.
        let mut skipped = lengths.head + lengths.key;
        let mut left = lengths.value;
        let mut first = true;
        long.each_block(disk.failed(crate::spill::READ), |block| {
            let skip = skipped.min(block.len() as u64);
            skipped -= skip;
            let part = &block[skip as usize..];
            if skipped > 0 || part.is_empty() && left > 0 {
                return Ok(());
            }
            left -= part.len() as u64;
            match values {
                Some(codec) => {
                    let mut writer = BitWriter::resume(&mut out, bits);
                    let ends = (std::mem::take(&mut first), left == 0);
                    codec.encode_part(part, ends, Some(key), &mut self.scratch, &mut writer);
                    bits = writer.pause();
                }
                None => out.extend_from_slice(part),
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
