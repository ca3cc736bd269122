//! Hands out work in input order: whole pickles, and blocks of the other formats cut between two records.

use std::io::{ErrorKind, Read};
use std::sync::atomic::Ordering;

use crate::error::{Fault, Halt, PlainHalt};
use crate::options::{Format, Options};
use crate::read::Watch;
use crate::source::{Source, newlines};
use crate::{cdbmake, csv};

/// A run of whole records. Its buffer is used again for the worker's next block.
pub(crate) struct Block {
    pub source: u32,
    pub format: Format,
    /// Where the block begins in the decompressed source.
    pub start: u64,
    /// How many newlines come before it in the source.
    pub lines_before: u64,
    /// CSV: which columns, from 0, hold key and value.
    pub columns: csv::Columns,
    buffer: Vec<u8>,
    length: usize,
}

impl Default for Block {
    fn default() -> Self {
        Block {
            source: 0,
            format: Format::Tsv,
            start: 0,
            lines_before: 0,
            columns: csv::Columns::default(),
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

    /// A fault at an offset in this block, with its line where the format has lines.
    #[cold]
    pub fn fault(&self, offset: usize, what: impl Into<String>) -> Fault {
        let line = 1 + self.lines_before + newlines(&self.bytes()[..offset]);
        let line = self.format.has_lines().then_some(line);
        Fault { at: self.start + offset as u64, line, what: what.into() }
    }
}

/// What a worker does next.
pub(crate) enum Work {
    /// Parse the block.
    Block,
    /// Read this whole source, a pickle.
    Pickle(u32),
    /// All is handed out.
    Nothing,
}

/// Hands out the work of all sources.
pub(crate) struct Feed<'a> {
    sources: &'a [Source],
    formats: &'a [Format],
    options: &'a Options,
    watch: &'a Watch,
    next_source: usize,
    current: Option<Lines<'a>>,
}

impl<'a> Feed<'a> {
    pub fn new(sources: &'a [Source], formats: &'a [Format], options: &'a Options, watch: &'a Watch) -> Self {
        Feed { sources, formats, options, watch, next_source: 0, current: None }
    }

    /// The next piece of work; a block is put into `block`. After an error there is no more work.
    pub fn next(&mut self, block: &mut Block) -> Result<Work, (u32, PlainHalt)> {
        loop {
            if let Some(lines) = &mut self.current {
                match lines.next(block, self.options, self.watch) {
                    Ok(true) => return Ok(Work::Block),
                    Ok(false) => self.current = None,
                    Err(halt) => {
                        let source = lines.source;
                        self.end();
                        return Err((source, halt));
                    }
                }
            }
            let index = self.next_source;
            let Some(source) = self.sources.get(index) else { return Ok(Work::Nothing) };
            self.next_source += 1;
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            if self.formats[index] == Format::Pickle {
                return Ok(Work::Pickle(number));
            }
            match source.open(Some(&self.watch.bytes_done)) {
                Ok((_, reader)) => self.current = Some(Lines::new(number, self.formats[index], reader)),
                Err(error) => {
                    self.end();
                    return Err((number, Halt::Io(0, error)));
                }
            }
        }
    }

    fn end(&mut self) {
        self.current = None;
        self.next_source = self.sources.len();
    }
}

/// Cuts one source into blocks.
struct Lines<'a> {
    source: u32,
    format: Format,
    reader: Box<dyn Read + Send + 'a>,
    /// The beginning of a record whose end was not yet there.
    carry: Vec<u8>,
    /// Where `carry` begins.
    offset: u64,
    lines: u64,
    at_end: bool,
    /// Nothing has been handed out yet.
    fresh: bool,
    columns: csv::Columns,
    /// cdbmake: the empty line that ends the records was there.
    closed: bool,
}

impl<'a> Lines<'a> {
    fn new(source: u32, format: Format, reader: Box<dyn Read + Send + 'a>) -> Self {
        Lines {
            source,
            format,
            reader,
            carry: Vec::new(),
            offset: 0,
            lines: 0,
            at_end: false,
            fresh: true,
            columns: csv::Columns::default(),
            closed: false,
        }
    }

    /// Puts the next block into `block`; false at the end of the source.
    fn next(&mut self, block: &mut Block, options: &Options, watch: &Watch) -> Result<bool, PlainHalt> {
        let size = options.block_bytes.max(1);
        let buffer = &mut block.buffer;
        if buffer.len() > 4 * size {
            *buffer = Vec::new();
        }
        let mut filled = self.carry.len();
        if buffer.len() < filled.max(size) {
            buffer.resize(filled.max(size), 0);
        }
        buffer[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        let cut = loop {
            self.fill(buffer, &mut filled, watch)?;
            let cut = self.cut(&buffer[..filled], options)?;
            if cut > 0 || self.at_end {
                break cut;
            }
            if filled >= options.max_record_bytes {
                return Err(self.too_long(options));
            }
            // The record is longer than the buffer, which doubles: never more than twice what really arrived, nor more than a
            // record may have.
            buffer.resize((2 * filled).max(size).min(options.max_record_bytes), 0);
        };
        self.carry.extend_from_slice(&buffer[cut..filled]);
        block.length = cut;
        block.source = self.source;
        block.format = self.format;
        block.start = self.offset;
        block.lines_before = self.lines;
        block.columns = self.columns;
        self.offset += cut as u64;
        if self.format.has_lines() {
            self.lines += newlines(block.bytes());
        }
        Ok(cut > 0)
    }

    /// Reads until the buffer is full or the source ends.
    fn fill(&mut self, buffer: &mut [u8], filled: &mut usize, watch: &Watch) -> Result<(), PlainHalt> {
        while *filled < buffer.len() && !self.at_end {
            if watch.cancel.load(Ordering::Relaxed) {
                return Err(Halt::Stopped);
            }
            match self.reader.read(&mut buffer[*filled..]) {
                Ok(0) => self.at_end = true,
                Ok(got) => *filled += got,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Halt::Io(self.offset + *filled as u64, error)),
            }
        }
        Ok(())
    }

    /// How many of the bytes are whole records.
    fn cut(&mut self, bytes: &[u8], options: &Options) -> Result<usize, PlainHalt> {
        let fault = |at: usize, what: String| {
            let line = self.format.has_lines().then(|| 1 + self.lines + newlines(&bytes[..at]));
            Halt::Fault(Fault { at: self.offset + at as u64, line, what })
        };
        match self.format {
            Format::Cdbmake => {
                let (cut, closed) =
                    cdbmake::cut(bytes, self.at_end, self.closed).map_err(|(at, what)| fault(at, what))?;
                self.closed = closed;
                Ok(cut)
            }
            Format::Csv => {
                let cut = csv::cut(bytes, self.at_end, self.fresh).map_err(|(at, what)| fault(at, what))?;
                if self.fresh && cut > 0 {
                    self.columns =
                        csv::columns(&bytes[..cut], options).map_err(|(at, what)| fault(at, what))?;
                    self.fresh = false;
                }
                Ok(cut)
            }
            _ if self.at_end => Ok(bytes.len()),
            _ => Ok(memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1)),
        }
    }

    #[cold]
    fn too_long(&self, options: &Options) -> PlainHalt {
        let hint =
            if self.format == Format::Csv { "is a quote not closed?" } else { "is this the right format?" };
        let line = self.format.has_lines().then_some(1 + self.lines);
        let most = options.max_record_bytes;
        let what = format!("this record is longer than {most} bytes, the memory for one; {hint}");
        Halt::Fault(Fault { at: self.offset, line, what })
    }
}
