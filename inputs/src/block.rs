//! Blocks: runs of whole records, which any worker can parse.

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::bad_row::{BadRow, Reason};
use crate::cdb::Cdb;
use crate::columns::Layout;
use crate::format::Format;
use crate::rows::Fields;
use crate::scan::newlines;

/// The formats that are read in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockFormat {
    Delimited,
    Jsonl,
    /// The elements of one JSON array.
    JsonArray,
    /// The pairs of one JSON object.
    JsonObject,
    Cdbmake,
    Cdb(Cdb),
}

impl BlockFormat {
    /// `None` for pickles and tables: one worker reads all of a pickle.
    pub fn of(format: Format) -> Option<Self> {
        match format {
            Format::Pickle | Format::Parquet | Format::Arrow | Format::Sqlite => None,
            Format::Tsv | Format::Csv => Some(BlockFormat::Delimited),
            Format::Jsonl => Some(BlockFormat::Jsonl),
            // Its beginning may show something else.
            Format::Json => Some(BlockFormat::JsonObject),
            Format::Cdbmake => Some(BlockFormat::Cdbmake),
        }
    }

    /// As [`Format::has_lines`].
    pub fn has_lines(self) -> bool {
        !matches!(self, BlockFormat::Cdbmake | BlockFormat::Cdb(_))
    }
}

/// What holds a block, and what decoding it needs.
#[derive(Default)]
pub(crate) struct Buffers {
    pub bytes: Vec<u8>,
    pub scratch: Scratch,
}

/// A run of whole records. A worker uses the buffers again for its next block.
pub(crate) struct Block<'a> {
    pub source: u32,
    pub format: BlockFormat,
    /// Where the block begins in the decompressed source.
    pub start: u64,
    /// An offset in the block, and how many newlines the source has before it.
    pub counted: Cell<(usize, u64)>,
    /// Delimited text: how its rows are read.
    pub layout: Option<Arc<Layout>>,
    own: Buffers,
    /// For long records.
    shared: &'a Mutex<Buffers>,
    long: Option<MutexGuard<'a, Buffers>>,
    /// Bytes of the buffer that are records.
    pub length: usize,
}

impl<'a> Block<'a> {
    pub fn new(shared: &'a Mutex<Buffers>) -> Self {
        Block {
            source: 0,
            format: BlockFormat::Delimited,
            start: 0,
            counted: Cell::default(),
            layout: None,
            own: Buffers::default(),
            shared,
            long: None,
            length: 0,
        }
    }

    pub fn buffers(&mut self) -> &mut Buffers {
        self.long.as_deref_mut().unwrap_or(&mut self.own)
    }

    /// The buffer, of at least `wanted` bytes. If these are more than `most_own`, this takes the shared one, as soon as no other
    /// worker has it, and moves the first `filled` bytes there.
    pub fn buffer(&mut self, wanted: usize, most_own: usize, filled: usize) -> &mut Vec<u8> {
        if wanted > most_own && self.long.is_none() {
            let mut long = self.shared.lock();
            let len = long.bytes.len().max(wanted);
            long.bytes.resize(len, 0);
            long.bytes[..filled].copy_from_slice(&self.own.bytes[..filled]);
            self.long = Some(long);
        }
        let bytes = &mut self.buffers().bytes;
        bytes.resize(bytes.len().max(wanted), 0);
        bytes
    }

    /// Whether it has the shared buffers.
    pub fn is_long(&self) -> bool {
        self.long.is_some()
    }

    /// Gives back the shared buffers. Otherwise another worker could wait for them with the lock that this one needs next.
    pub fn release(&mut self) {
        (self.long, self.length) = (None, 0);
    }

    /// The records.
    pub fn bytes(&self) -> &[u8] {
        &self.long.as_deref().unwrap_or(&self.own).bytes[..self.length]
    }

    /// A bad row at an offset in this block. Offsets rise from call to call: no newline is counted twice.
    #[cold]
    pub fn bad_row(&self, offset: usize, reason: impl Into<Reason>) -> BadRow {
        let line = self.format.has_lines().then(|| {
            let (from, before) = self.counted.get();
            let lines = before + newlines(&self.bytes()[from..offset]);
            self.counted.set((offset, lines));
            lines + 1
        });
        BadRow { at: self.start + offset as u64, line, reason: reason.into() }
    }
}

/// Buffers that a worker keeps from block to block.
#[derive(Default)]
pub(crate) struct Scratch {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub fields: Fields,
    pub picked: Picked,
}

/// What several columns make, and fields without their escapes, with whether each is null.
#[derive(Default)]
pub(crate) struct Picked {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub decoded: Vec<(Vec<u8>, bool)>,
}
