//! Comma-separated values with RFC 4180 quotes.

use csv_core::{ReadRecordResult, Reader};
use hashlith_format::ValueType;

use crate::bad_row::Reason;
use crate::block::{Block, Columns, Scratch};
use crate::check::{Check, Typed};
use crate::options::{Column, ReadOptions};
use crate::outlet::Outlet;
use crate::scan;
use crate::sink::Sink;
use crate::stop::Stop;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// How many bytes are whole records: up to the last newline outside quotes. A quote opens a quoted field only as the
/// field's first byte, as in the parser. What is wrong is an error only once no record comes before it, so that errors
/// come in the order of the file. If these are the `first` bytes of the file, they are cut only after a record, which
/// may be the header.
pub(crate) fn cut(bytes: &[u8], at_end: bool, first: bool) -> Result<usize, (usize, String)> {
    // `plain` begins a stretch outside quotes.
    let mut plain = if first && bytes.starts_with(BOM) { BOM.len() } else { 0 };
    let preface = plain;
    let whole = |last: usize| {
        let blank = bytes[preface..last.max(preface)].iter().all(|byte| matches!(byte, b'\n' | b'\r'));
        if first && blank { 0 } else { last }
    };
    let mut last = 0;
    let mut from = plain;
    while let Some(quote) = scan::first(b'"', &bytes[from..]).map(|at| from + at) {
        from = quote + 1;
        if quote > plain && !matches!(bytes[quote - 1], b',' | b'\n' | b'\r') {
            continue;
        }
        if let Some(newline) = scan::last(b'\n', &bytes[plain..quote]) {
            last = plain + newline + 1;
        }
        match closing(bytes, from) {
            Some(after) => (plain, from) = (after, after),
            None if at_end && whole(last) == 0 => {
                let what = "the file ends inside quotes: this quote is never closed; if quotes are ordinary \
                            characters here, convert the file to TSV";
                return Err((quote, what.into()));
            }
            None => return Ok(whole(last)),
        }
    }
    if at_end {
        return Ok(bytes.len());
    }
    Ok(whole(scan::last(b'\n', &bytes[plain..]).map_or(last, |newline| plain + newline + 1)))
}

/// Where a quoted field that continues at `from` ends: just after its closing quote.
fn closing(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let quote = from + scan::first(b'"', &bytes[from..])?;
        match bytes.get(quote + 1) {
            Some(b'"') => from = quote + 2,
            // The last byte may be half of a doubled quote. No newline follows it, so nothing is cut there.
            _ => return Some(quote + 1),
        }
    }
}

/// Finds the columns, from the header if there is one.
pub(crate) fn columns(bytes: &[u8], options: &ReadOptions) -> Result<Columns, (usize, String)> {
    let skip = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
    if !options.has_header() {
        let index = |column: &Column| match column {
            Column::Number(number) => number.saturating_sub(1),
            Column::Name(_) => 0,
        };
        let (key, value) = (index(&options.key_column), index(&options.value_column));
        return Ok(Columns { key, value, preface: skip });
    }
    let mut records = Records::new(&bytes[skip..], Scratch::default());
    let Some(at) = records.next() else {
        return Err((0, "the header is missing: the file has no records".into()));
    };
    let names: Vec<String> =
        (0..records.len()).map(|i| String::from_utf8_lossy(records.field(i)).into_owned()).collect();
    let find = |column: &Column| -> Result<usize, (usize, String)> {
        let mut found = match column {
            Column::Number(number) => {
                Some(number.saturating_sub(1)).filter(|&i| i < names.len()).into_iter().collect()
            }
            Column::Name(name) => (0..names.len()).filter(|&i| names[i] == *name).collect::<Vec<_>>(),
        };
        match (found.pop(), found.is_empty()) {
            (Some(index), true) => Ok(index),
            (None, _) => {
                Err((skip + at, format!("there is no column {column}; the columns are: {}", listed(&names))))
            }
            (Some(_), false) => {
                Err((skip + at, format!("two columns are named {column}; give the column's number")))
            }
        }
    };
    let key = find(&options.key_column)?;
    Ok(Columns {
        key,
        value: if options.value_type == ValueType::None { key } else { find(&options.value_column)? },
        preface: skip + records.at,
    })
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Gives all records of a block to the sink.
pub(crate) fn parse<S: Sink>(
    block: &Block<'_>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    scratch: &mut Scratch,
) -> Result<(), Stop<S::Error>> {
    let Columns { key: key_column, value: value_column, preface } = block.columns;
    let preface = if block.start == 0 { preface } else { 0 };
    let bytes = &block.bytes()[preface..];
    let check = Check::new(options, bytes);
    let mut records = Records::new(bytes, std::mem::take(scratch));
    let mut typed = Typed::default();
    // Without values their column need not be there.
    let last = if check.no_value() { key_column } else { key_column.max(value_column) };
    while let Some(at) = records.next() {
        let row = if records.len() <= last {
            let wanted = last + 1;
            let (len, plural) = (records.len(), if records.len() == 1 { "" } else { "s" });
            Err(Reason::from(format!("the row has {len} column{plural}, but column {wanted} is needed")))
        } else {
            let value = if check.no_value() { &[] } else { records.field(value_column) };
            check.row(records.field(key_column), value, &mut typed)
        };
        match row {
            Ok((key, value)) => outlet.record(block.start + (preface + at) as u64, key, value)?,
            Err(reason) => outlet.bad_row(block.bad_row(preface + at, reason))?,
        }
    }
    *scratch = records.scratch;
    Ok(())
}

/// Splits whole records into fields.
struct Records<'a> {
    bytes: &'a [u8],
    /// Where the next record begins.
    at: usize,
    reader: Reader,
    scratch: Scratch,
    fields: usize,
}

impl<'a> Records<'a> {
    fn new(bytes: &'a [u8], mut scratch: Scratch) -> Self {
        let mut reader = Reader::new();
        // A new reader drops a byte order mark, but here these three bytes may be the start of any key.
        reader.read_record(b"x\n", &mut [0; 4], &mut [0; 4]);
        scratch.value.resize(scratch.value.capacity().max(1 << 12), 0);
        scratch.ends.resize(scratch.ends.capacity().max(64), 0);
        Records { bytes, at: 0, reader, scratch, fields: 0 }
    }

    /// Reads the next record. Returns where it begins.
    fn next(&mut self) -> Option<usize> {
        while matches!(self.bytes.get(self.at), Some(b'\n' | b'\r')) {
            self.at += 1;
        }
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        let (mut written, mut ended) = (0, 0);
        loop {
            let (output, ends) = (&mut self.scratch.value[written..], &mut self.scratch.ends[ended..]);
            let (result, read, wrote, ends) = self.reader.read_record(&self.bytes[self.at..], output, ends);
            self.at += read;
            written += wrote;
            ended += ends;
            match result {
                // The next call, with empty input, ends the record.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.scratch.value.extend_from_within(..),
                ReadRecordResult::OutputEndsFull => self.scratch.ends.extend_from_within(..),
                ReadRecordResult::Record => {
                    self.fields = ended;
                    return Some(start);
                }
                ReadRecordResult::End => return None,
            }
        }
    }

    fn len(&self) -> usize {
        self.fields
    }

    fn field(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.scratch.ends[index - 1] };
        &self.scratch.value[start..self.scratch.ends[index]]
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn blocks_end_behind_the_last_newline_outside_quotes() {
        for (bytes, at_end, first, wanted) in [
            (&b"a,b\nc"[..], false, false, 4),
            (b"a,b\nc", true, false, 5),
            (b"a\n\"b\nc\",\n\"\n", false, false, 9),
            (b"\"a\nb\"", false, false, 0),
            (b"\n\r\n", false, true, 0),
            (b"\n\r\n", false, false, 3),
            (b"\xef\xbb\xbf\"\n\"\n", false, true, 7),
        ] {
            assert_eq!(cut(bytes, at_end, first), Ok(wanted), "{}", bytes.escape_ascii());
        }
    }
}
