//! Blocks: runs of whole records, which any worker can parse.

use std::cell::Cell;

use crate::bad_row::{BadRow, Reason};
use crate::format::Format;
use crate::scan::newlines;

/// The formats that are read in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockFormat {
    Tsv,
    Csv,
    Jsonl,
    Cdbmake,
}

impl BlockFormat {
    /// `None` for pickles: one worker reads all of a pickle.
    pub fn of(format: Format) -> Option<Self> {
        match format {
            Format::Pickle => None,
            Format::Tsv => Some(BlockFormat::Tsv),
            Format::Csv => Some(BlockFormat::Csv),
            Format::Jsonl => Some(BlockFormat::Jsonl),
            Format::Cdbmake => Some(BlockFormat::Cdbmake),
        }
    }

    /// As [`Format::has_lines`].
    pub fn has_lines(self) -> bool {
        self != BlockFormat::Cdbmake
    }
}

/// CSV: the fields of key and value, from 0, and how many bytes to skip at the start of the file's first block: a byte
/// order mark and the header.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Columns {
    pub key: usize,
    pub value: usize,
    pub preface: usize,
}

/// A run of whole records. A worker uses the buffer again for its next block.
pub(crate) struct Block {
    pub source: u32,
    pub format: BlockFormat,
    /// Where the block begins in the decompressed source.
    pub start: u64,
    /// An offset in the block, and how many newlines the source has before it.
    pub counted: Cell<(usize, u64)>,
    pub columns: Columns,
    pub buffer: Vec<u8>,
    /// Bytes of the buffer that are records.
    pub length: usize,
}

impl Default for Block {
    fn default() -> Self {
        Block {
            source: 0,
            format: BlockFormat::Tsv,
            start: 0,
            counted: Cell::default(),
            columns: Columns::default(),
            buffer: Vec::new(),
            length: 0,
        }
    }
}

impl Block {
    /// The records.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
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
    pub ends: Vec<usize>,
}
