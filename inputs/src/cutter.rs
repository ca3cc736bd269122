//! Cuts a source into blocks, which end between two records.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use hashlith_feedback::{Advice, Progress};
use hashlith_format::{KeyType, ValueType};

use crate::bad_row::{BadRow, Reason};
use crate::block::{Block, BlockFormat};
use crate::cdb::Cdb;
use crate::cdbmake;
use crate::columns::{self, Layout, Note};
use crate::dialect::Quotes;
use crate::document;
use crate::encoding::wide;
use crate::format::Format;
use crate::magic;
use crate::options::ReadOptions;
use crate::scan::{self, newlines};
use crate::stop::{PlainStop, Stop};

/// A block of more than this many times the usual size is in buffers that all workers share.
pub(crate) const LONGEST: usize = 4;

/// Cuts one source into blocks.
pub(crate) struct Cutter<'a> {
    pub source: u32,
    /// What the file is.
    of: Format,
    format: BlockFormat,
    /// The beginning of the file, until it has been looked at.
    head: Vec<u8>,
    reader: Box<dyn Read + Send + 'a>,
    /// The beginning of a record whose end has not been read yet.
    carry: Vec<u8>,
    /// Where `carry` begins.
    offset: u64,
    /// Newlines before `carry`.
    lines: u64,
    at_end: bool,
    /// The beginning of the file has been read.
    begun: bool,
    /// Lines that are yet to be passed over.
    skip_rows: u64,
    /// Delimited text: known from the first block on.
    layout: Option<Arc<Layout>>,
    pub note: Option<Note>,
    /// A JSON document.
    document: document::Cut,
    /// cdbmake: the empty line that ends the records has been read.
    closed: bool,
}

impl<'a> Cutter<'a> {
    pub fn new(
        source: u32,
        of: Format,
        format: BlockFormat,
        head: Vec<u8>,
        reader: Box<dyn Read + Send + 'a>,
    ) -> Self {
        Cutter {
            source,
            of,
            format,
            head,
            reader,
            carry: Vec::new(),
            offset: 0,
            lines: 0,
            at_end: false,
            begun: false,
            skip_rows: 0,
            layout: None,
            note: None,
            document: document::Cut::new(format),
            closed: false,
        }
    }

    /// Puts the next block into `block`; false at the end of the source.
    pub fn next(
        &mut self,
        block: &mut Block<'_>,
        options: &ReadOptions,
        progress: &Progress,
    ) -> Result<bool, PlainStop> {
        let size = options.block_bytes.max(1);
        let mut filled = self.carry.len();
        let mut wanted = filled.max(size);
        let most_own = LONGEST * size;
        block.buffer(wanted, most_own, 0)[..filled].copy_from_slice(&self.carry);
        scan::looked_at(filled);
        self.carry.clear();
        let cut = loop {
            let buffer = block.buffer(wanted, most_own, filled);
            self.fill(&mut buffer[..wanted], &mut filled, progress)?;
            let before = self.begin(&buffer[..filled], options)?;
            if before > 0 {
                buffer.copy_within(before..filled, 0);
                filled -= before;
                continue;
            }
            let cut = if self.begun { self.cut(&buffer[..filled])? } else { 0 };
            if cut > 0 || self.at_end {
                break cut;
            }
            if filled >= options.max_record_bytes {
                return Err(self.too_long(options));
            }
            // The record is longer. A long one is read in steps of an eighth: so little more than it is in memory, and the bytes
            // are looked at no more than nine times.
            let step = if block.is_long() { (wanted / 8).max(size) } else { wanted };
            wanted = (wanted + step).min(options.max_record_bytes);
        };
        self.carry.extend_from_slice(&block.buffers().bytes[cut..filled]);
        block.length = cut;
        block.source = self.source;
        block.format = self.format;
        block.start = self.offset;
        block.counted.set((0, self.lines));
        block.layout.clone_from(&self.layout);
        self.offset += cut as u64;
        if self.format.has_lines() {
            self.lines += newlines(block.bytes());
        }
        Ok(cut > 0)
    }

    /// Reads until the buffer is full or the source ends.
    fn fill(&mut self, buffer: &mut [u8], filled: &mut usize, progress: &Progress) -> Result<(), PlainStop> {
        while *filled < buffer.len() && !self.at_end {
            if progress.is_cancelled() {
                return Err(Stop::Asked);
            }
            match self.reader.read(&mut buffer[*filled..]) {
                Ok(0) => self.at_end = true,
                Ok(got) => *filled += got,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io(self.offset + *filled as u64, error)),
            }
        }
        Ok(())
    }

    /// Reads what comes before the records: a byte order mark, rows to pass over, a header. Returns how many bytes of it were there, and
    /// sets `begun` when nothing is left of it.
    fn begin(&mut self, bytes: &[u8], options: &ReadOptions) -> Result<usize, PlainStop> {
        if self.begun {
            return Ok(0);
        }
        let head = std::mem::take(&mut self.head);
        if !head.is_empty() {
            let is_any = options.key_type == KeyType::Bytes && options.value_type == ValueType::Bytes;
            let is_text = !is_any || self.format != BlockFormat::Delimited;
            let reason = magic::mismatch(&head, self.of).filter(|_| is_text);
            let has_encoding = is_any || options.encoding.is_some() || !self.format.has_lines();
            if let Some(reason) = reason.or_else(|| wide(&head).filter(|_| !has_encoding)) {
                return Err(self.bad(bytes, 0, reason));
            }
        }
        if self.format == BlockFormat::Cdbmake {
            return self.begin_cdb(&head, bytes);
        }
        if self.offset == 0 {
            // Enough to know a document by.
            if bytes.len() < 64 && !self.at_end {
                self.head = head;
                return Ok(0);
            }
            self.skip_rows = options.skip_rows;
            if bytes.starts_with(b"\xef\xbb\xbf") {
                return Ok(self.pass(3, 0));
            }
        }
        if self.skip_rows > 0 {
            let end = scan::first(b'\n', bytes).map(|newline| newline + 1);
            let Some(end) = end.or_else(|| self.at_end.then_some(bytes.len())) else { return Ok(0) };
            self.skip_rows = if end == 0 { 0 } else { self.skip_rows - 1 };
            return if end == 0 { self.begin(bytes, options) } else { Ok(self.pass(end, 1)) };
        }
        match self.of {
            Format::Json => self.begin_json(bytes, options),
            Format::Jsonl => {
                let blanks = bytes.len() - bytes.trim_ascii_start().len();
                let blank_lines = scan::last(b'\n', &bytes[..blanks]).map_or(0, |newline| newline + 1);
                if blank_lines > 0 {
                    return Ok(self.pass(blank_lines, newlines(&bytes[..blank_lines])));
                }
                let newline = scan::first(b'\n', bytes);
                let line = bytes[..newline.unwrap_or(bytes.len())].trim_ascii_start();
                let inside = line.get(1..).unwrap_or_default().trim_ascii();
                if inside.is_empty() && newline.is_none() && !self.at_end {
                    return Ok(0);
                }
                // A record is an array of key and value, and no key is an array or an object unless keys may be any JSON. What is wrong
                // with a key is said of it if another array follows.
                let next = newline.map_or(&[][..], |newline| bytes[newline..].trim_ascii_start());
                let is_document = match line.first() {
                    Some(b'[') if !options.json_keys && matches!(inside.first(), Some(b'[' | b'{')) => {
                        if next.is_empty() && newline.is_some() && !self.at_end {
                            return Ok(0);
                        }
                        next.first() != Some(&b'[') || !line.trim_ascii_end().ends_with(b"]")
                    }
                    Some(b'[' | b'{') => inside.is_empty(),
                    _ => false,
                };
                if is_document {
                    let what = match inside.is_empty() {
                        true => {
                            "this is JSON of several lines, not JSON lines: one document is the format json, and of several `jq -c .` makes JSON lines"
                        }
                        false => "this is one JSON document (format json), not JSON lines",
                    };
                    return Err(self.bad(bytes, blanks, Reason::with(Advice::Format, what)));
                }
                self.begun = true;
                Ok(0)
            }
            _ => self.begin_delimited(bytes, options),
        }
    }

    /// A file that does not begin as the input of `cdbmake` does may be what `cdbmake` makes.
    fn begin_cdb(&mut self, head: &[u8], bytes: &[u8]) -> Result<usize, PlainStop> {
        let is_text = head.first().is_none_or(|first| matches!(first, b'+' | b'\n'));
        match Cdb::begin(head).filter(|_| head.contains(&0)) {
            Some(cdb) => {
                let header = Cdb::header(cdb.wide);
                if bytes.len() < header {
                    self.head = head.to_vec();
                    return Ok(0);
                }
                (self.format, self.begun) = (BlockFormat::Cdb(cdb), true);
                Ok(self.pass(header, 0))
            }
            None if !is_text && head.contains(&0) => {
                let what = "this is neither the input of cdbmake nor a binary cdb with a header in order; what `cdb -d` or cdbdump writes can be read";
                Err(self.bad(bytes, 0, what.into()))
            }
            _ => {
                self.begun = true;
                Ok(0)
            }
        }
    }

    fn begin_json(&mut self, bytes: &[u8], options: &ReadOptions) -> Result<usize, PlainStop> {
        let explicit = options.format.is_some();
        let beginning = document::begin(bytes, self.at_end, options, explicit);
        let beginning = beginning.map_err(|(at, reason)| self.bad(bytes, at, reason))?;
        match beginning {
            document::Beginning::Unknown => Ok(0),
            document::Beginning::Lines => {
                (self.format, self.begun) = (BlockFormat::Jsonl, true);
                Ok(0)
            }
            document::Beginning::Document(format, inside) => {
                (self.format, self.begun) = (format, true);
                self.document = document::Cut::new(format);
                Ok(self.pass(inside, newlines(&bytes[..inside])))
            }
        }
    }

    fn begin_delimited(&mut self, bytes: &[u8], options: &ReadOptions) -> Result<usize, PlainStop> {
        let whole = columns::whole_rows(bytes, self.at_end, options, self.of);
        if whole == 0 && !self.at_end {
            return Ok(0);
        }
        let beginning = columns::begin(&bytes[..whole], options, self.of);
        let beginning = beginning.map_err(|(at, reason)| self.bad(bytes, at, reason))?;
        self.layout = Some(Arc::new(beginning.layout));
        self.note = beginning.note;
        self.begun = true;
        Ok(self.pass(beginning.header, newlines(&bytes[..beginning.header])))
    }

    /// These bytes, with so many newlines, are not records.
    fn pass(&mut self, bytes: usize, lines: u64) -> usize {
        self.offset += bytes as u64;
        self.lines += lines;
        bytes
    }

    fn bad(&self, bytes: &[u8], at: usize, reason: Reason) -> PlainStop {
        let line = self.format.has_lines().then(|| 1 + self.lines + newlines(&bytes[..at]));
        BadRow { at: self.offset + at as u64, line, reason }.into()
    }

    /// How many of the bytes are whole records.
    fn cut(&mut self, bytes: &[u8]) -> Result<usize, PlainStop> {
        let bad = |this: &Self, (at, what): (usize, String)| this.bad(bytes, at, what.into());
        match self.format {
            BlockFormat::Cdbmake => {
                let cut = cdbmake::cut(bytes, self.at_end, self.closed);
                let (cut, closed) = cut.map_err(|wrong| bad(self, wrong))?;
                self.closed = closed;
                Ok(cut)
            }
            BlockFormat::Cdb(cdb) => {
                let cut = cdb.cut(bytes, self.offset, self.at_end);
                cut.map_err(|wrong| bad(self, wrong))
            }
            BlockFormat::JsonArray | BlockFormat::JsonObject => {
                let cut = self.document.cut(bytes, self.at_end);
                cut.map_err(|wrong| bad(self, wrong))
            }
            BlockFormat::Delimited => {
                Ok(self.layout.as_ref().map_or(0, |layout| layout.dialect.cut(bytes, self.at_end)))
            }
            BlockFormat::Jsonl if self.at_end => Ok(bytes.len()),
            BlockFormat::Jsonl => Ok(scan::last(b'\n', bytes).map_or(0, |newline| newline + 1)),
        }
    }

    #[cold]
    fn too_long(&self, options: &ReadOptions) -> PlainStop {
        let hint = match self.format {
            BlockFormat::Delimited
                if self.layout.as_ref().is_none_or(|layout| layout.dialect.quotes != Quotes::Off) =>
            {
                "is a quote not closed?"
            }
            _ => "is this the right format?",
        };
        let line = self.format.has_lines().then_some(1 + self.lines);
        let most = options.max_record_bytes;
        let what = format!("this record is longer than {most} bytes, the longest that is allowed; {hint}");
        // The usual limit is one of its own.
        let advice = (most < ReadOptions::default().max_record_bytes).then_some(Advice::MoreMemory);
        BadRow { at: self.offset, line, reason: Reason { what: what.into(), advice } }.into()
    }
}
