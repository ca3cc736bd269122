//! Arrow files and streams, message by message.
//!
//! A file is a stream between two marks, with a footer. So both are read from begin to end, also from pipes and compressed.
//! <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Field, MessageHeader, RecordBatch as Header, root_as_footer, root_as_message};

use crate::arrow::guarded::guarded;
use crate::arrow::table::Table;
use crate::arrow::{pass, too_long};
use crate::format::Format;
use crate::magic;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::sink::Sink;
use crate::source::Source;
use crate::stop::{PlainStop, Stop};
use crate::unreadable::{Unreadable, unreadable};

/// What an Arrow file begins and ends with.
const MARK: &[u8] = b"ARROW1";
const CONTINUATION: [u8; 4] = [0xff; 4];
/// No description of columns is longer.
const LONGEST_SCHEMA: usize = 1 << 24;
/// No message is shorter, and none begins with a larger offset.
const BARE: u32 = 48;
const CUT_OFF: &str = "the file is cut off";

/// Passes all records of an Arrow file or stream to the sink.
pub(crate) fn read_source<S: Sink>(
    source: &Source,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let (_, reader) = source.open(Some(outlet.shared.progress), None).map_err(|error| Stop::Io(0, error))?;
    let (head, reader) = magic::peek(reader);
    if let Some(reason) = magic::mismatch(&head, Format::Arrow) {
        return Err(unreadable(0, reason).for_sink());
    }
    let mut messages = Messages::new(reader, options.max_record_bytes, options.block_bytes);
    let (mut table, mut at) = (None, 0);
    while let Some(batch) = messages.next_batch(|| outlet.shared.must_stop()).map_err(Stop::for_sink)? {
        let table = match &mut table {
            Some(table) => table,
            none => none
                .insert(Table::plan(&batch.schema(), options).map_err(|why| unreadable(0, why).for_sink())?),
        };
        let needed = batch.project(table.needed());
        let needed = needed.map_err(|error| unreadable(at, error.to_string()).for_sink())?;
        drop(batch);
        pass(table, &needed, at, outlet)?;
        at += needed.num_rows() as u64;
    }
    if let (None, Some(schema)) = (&table, messages.decoder.schema()) {
        // A missing column is an error also in a file without rows.
        Table::plan(&schema, options).map_err(|why| unreadable(0, why).for_sink())?;
    }
    Ok(())
}

struct Messages<R> {
    reader: R,
    decoder: StreamDecoder,
    is_file: bool,
    begun: bool,
    ended: bool,
    ready: VecDeque<RecordBatch>,
    batches: usize,
    rows: u64,
    /// Batches need dictionaries, of which none has come yet.
    misses_dictionaries: bool,
    /// Messages that wait for the end, and how long they are.
    held: VecDeque<Vec<u8>>,
    held_bytes: u64,
    /// The most bytes of a message, also when they are decompressed.
    most: usize,
    /// How many bytes are read at a time.
    step: usize,
    /// Bytes of each dictionary: these stay in memory.
    dictionaries: BTreeMap<i64, u64>,
}

impl<R: Read> Messages<R> {
    fn new(reader: R, most: usize, step: usize) -> Self {
        Messages {
            reader,
            decoder: StreamDecoder::new(),
            is_file: false,
            begun: false,
            ended: false,
            ready: VecDeque::new(),
            batches: 0,
            rows: 0,
            misses_dictionaries: false,
            held: VecDeque::new(),
            held_bytes: 0,
            most,
            step: step.max(1),
            dictionaries: BTreeMap::new(),
        }
    }

    /// The next batch of rows; `None` at the end.
    fn next_batch(&mut self, stopped: impl Fn() -> bool) -> Result<Option<RecordBatch>, PlainStop> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.ended {
                match self.held.pop_front() {
                    Some(message) => {
                        self.held_bytes -= message.len() as u64;
                        self.decode(message)?;
                        continue;
                    }
                    None => return Ok(None),
                }
            }
            let mut length = [0; 4];
            if !self.begun {
                self.begin(&mut length)?;
            } else {
                self.fill(&mut length)?;
            }
            let mut head = length.to_vec();
            if length == CONTINUATION {
                self.fill(&mut length)?;
                head.extend_from_slice(&length);
            }
            let length = u32::from_le_bytes(length);
            if length == 0 {
                self.hold(head);
                self.end()?;
                continue;
            }
            let mut bytes = head;
            let start = bytes.len();
            self.take(u64::from(length), &mut bytes, "the description of a batch", &stopped)?;
            let body = self.body_length(&bytes[start..])?;
            let body_start = bytes.len();
            self.take(body, &mut bytes, "a batch of rows", &stopped)?;
            match self.check(&bytes[start..body_start], &bytes[body_start..])? {
                MessageHeader::RecordBatch if self.misses_dictionaries => self.hold(bytes),
                MessageHeader::DictionaryBatch => {
                    // Once a batch waits for one, all batches do, and stay in order.
                    self.misses_dictionaries &= !self.held.is_empty();
                    self.decode(bytes)?;
                }
                _ => self.decode(bytes)?,
            }
        }
    }

    /// Keeps a message until the end. In a file, dictionaries may follow the batches that need them, as Polars writes them.
    fn hold(&mut self, message: Vec<u8>) {
        self.held_bytes += message.len() as u64;
        self.held.push_back(message);
    }

    /// Gives a message to the decoder. A message without a body is not decoded before the next one.
    fn decode(&mut self, message: Vec<u8>) -> Result<(), PlainStop> {
        let mut buffer = Buffer::from_vec(message);
        while !buffer.is_empty() {
            let decoded = guarded(|| self.decoder.decode(&mut buffer));
            if let Some(batch) = decoded.map_err(|why| unreadable(self.rows, why))? {
                self.rows += batch.num_rows() as u64;
                self.ready.push_back(batch);
            }
        }
        Ok(())
    }

    /// Reads what comes before the first message, and the length of that.
    fn begin(&mut self, length: &mut [u8; 4]) -> Result<(), PlainStop> {
        self.begun = true;
        self.fill(length)?;
        match &length[..] {
            b"ARRO" => {
                let mut rest = [0; 4];
                self.fill(&mut rest)?;
                if !rest.starts_with(&MARK[4..]) {
                    return Err(self.bad("this is no Arrow file"));
                }
                self.is_file = true;
                // Some writers fill up more than the 8 bytes.
                loop {
                    self.fill(length)?;
                    if *length != [0; 4] {
                        break;
                    }
                }
                match u32::from_le_bytes(*length) < BARE {
                    true => self.bare_schema(length),
                    false => Ok(()),
                }
            }
            // The description of the columns is not that long.
            _ if *length != CONTINUATION && u32::from_le_bytes(*length) as usize >= LONGEST_SCHEMA => {
                Err(self.bad("this is no Arrow file or stream"))
            }
            _ => Ok(()),
        }
    }

    /// Reads a description of the columns without its length in front, which begins so and ends where the next message does: so Polars
    /// writes it, since most readers find another one in the footer.
    fn bare_schema(&mut self, next: &mut [u8; 4]) -> Result<(), PlainStop> {
        let mut message = next.to_vec();
        while message.len() < LONGEST_SCHEMA {
            self.fill(next)?;
            let is_end = message.len().is_multiple_of(8) && *next == CONTINUATION;
            if is_end && root_as_message(&message).is_ok() {
                self.check(&message, &[])?;
                let length = (message.len() as u32).to_le_bytes();
                return self.decode([&CONTINUATION[..], &length, &message].concat());
            }
            message.extend_from_slice(next);
        }
        Err(self.bad("this is no Arrow file"))
    }

    fn bad(&self, what: &str) -> PlainStop {
        unreadable(self.rows, what.to_owned())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), PlainStop> {
        match self.reader.read_exact(bytes) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && error.get_ref().is_none() => Err(self
                .bad(match self.is_file {
                    true => CUT_OFF,
                    false => "the stream is cut off, or was never closed: it has no mark at its end",
                })),
            Err(error) => Err(Stop::Io(self.rows, error)),
        }
    }

    /// Appends so many bytes. They take memory as they arrive.
    fn take(
        &mut self,
        length: u64,
        bytes: &mut Vec<u8>,
        what: &str,
        stopped: &impl Fn() -> bool,
    ) -> Result<(), PlainStop> {
        if self.kept().saturating_add(length) > self.most as u64 {
            return Err(unreadable(self.rows, too_long(what, length, self.most)));
        }
        let mut left = length as usize;
        while left > 0 {
            if stopped() {
                return Err(Stop::Asked);
            }
            let (filled, step) = (bytes.len(), left.min(self.step));
            // Twice what has arrived, at most.
            bytes.reserve_exact(left.min(step.max(bytes.len())));
            bytes.resize(filled + step, 0);
            self.fill(&mut bytes[filled..])?;
            left -= step;
        }
        Ok(())
    }

    fn kept(&self) -> u64 {
        self.dictionaries.values().fold(self.held_bytes, |sum, size| sum.saturating_add(*size))
    }

    fn body_length(&self, message: &[u8]) -> Result<u64, PlainStop> {
        let length = root_as_message(message).map(|message| message.bodyLength());
        length.ok().and_then(|length| u64::try_from(length).ok()).ok_or_else(|| {
            self.bad(match self.rows {
                0 => "this is no Arrow file or stream, or it is damaged",
                _ => "the file is damaged: a batch has no valid description",
            })
        })
    }

    /// Refuses a message that would take more memory than there is once it is decompressed. Returns its kind.
    fn check(&mut self, message: &[u8], body: &[u8]) -> Result<MessageHeader, PlainStop> {
        let Ok(message) = root_as_message(message) else { return Ok(MessageHeader::NONE) };
        let dictionary = message.header_as_dictionary_batch();
        let header = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => dictionary.and_then(|batch| batch.data()),
            MessageHeader::Schema => {
                let fields = message.header_as_schema().and_then(|schema| schema.fields());
                self.misses_dictionaries = self.is_file && fields.into_iter().flatten().any(has_dictionary);
                return Ok(MessageHeader::Schema);
            }
            other => return Err(self.bad(&format!("a message of the kind {other:?} is not a batch of rows"))),
        };
        let Some(header) = header else { return Err(self.bad("the file is damaged: a batch is empty")) };
        let size = decompressed(&header, body).map_err(|why| unreadable(self.rows, why))?;
        if self.kept().saturating_add(size) > self.most as u64 {
            return Err(unreadable(self.rows, too_long("a batch of rows", size, self.most)));
        }
        if let Some(dictionary) = dictionary {
            let kept = self.dictionaries.entry(dictionary.id()).or_default();
            *kept = if dictionary.isDelta() { kept.saturating_add(size) } else { size };
        } else {
            self.batches += 1;
        }
        Ok(message.header_type())
    }

    /// Reads what follows the last message: in a file the footer, which says how many batches there are.
    fn end(&mut self) -> Result<(), PlainStop> {
        self.ended = true;
        let mut tail = Vec::new();
        let most = self.most as u64;
        let read = self.reader.by_ref().take(most).read_to_end(&mut tail);
        read.map_err(|error| Stop::Io(self.rows, error))?;
        if !self.is_file {
            return match tail.is_empty() {
                true => Ok(()),
                false => Err(self.bad("there are bytes behind the end of the stream")),
            };
        }
        let body = tail.strip_suffix(MARK).and_then(|rest| rest.split_last_chunk::<4>());
        let Some((footer, &length)) = body else { return Err(self.bad(CUT_OFF)) };
        let length = u32::from_le_bytes(length) as usize;
        let footer = footer.len().checked_sub(length).and_then(|start| root_as_footer(&footer[start..]).ok());
        let Some(footer) = footer else {
            return Err(self.bad("the file is damaged: it has no valid footer"));
        };
        let batches = footer.recordBatches().map_or(0, |batches| batches.len());
        match batches == self.batches {
            true => Ok(()),
            false => {
                let found = self.batches;
                Err(self.bad(&format!(
                    "the file is damaged: it has {found} batches, and by its footer {batches}"
                )))
            }
        }
    }
}

/// Whether the field, or one within it, has a dictionary.
fn has_dictionary(field: Field<'_>) -> bool {
    field.dictionary().is_some() || field.children().into_iter().flatten().any(has_dictionary)
}

/// How many bytes the buffers of a batch have, once they are decompressed. Each has its length in front.
fn decompressed(header: &Header<'_>, body: &[u8]) -> Result<u64, Unreadable> {
    let damaged = || Unreadable::from("the file is damaged: a buffer lies outside of its batch".to_owned());
    let mut size = 0u64;
    for buffer in header.buffers().into_iter().flatten() {
        let (start, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let (Ok(start), Ok(length)) = (start, length) else { return Err(damaged()) };
        let end = start.checked_add(length).ok_or_else(damaged)?;
        let bytes = body.get(start..end).ok_or_else(damaged)?;
        let declared = match (header.compression(), bytes.first_chunk::<8>()) {
            (Some(_), Some(&size)) => u64::try_from(i64::from_le_bytes(size)).unwrap_or(length as u64),
            _ => length as u64,
        };
        size = size.saturating_add(declared);
    }
    Ok(size)
}
