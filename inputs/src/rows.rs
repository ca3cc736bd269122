//! Rows of delimited text, and their fields.

use hashlith_feedback::Advice;
use memchr::memmem;

use crate::bad_row::Reason;
use crate::dialect::{Closing, Delimiter, Dialect, Quotes};
use crate::scan;

/// A row that breaks the rules of quotes. What follows is read from the line after the quote on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadQuote {
    /// Where the quote is.
    pub at: usize,
    pub what: &'static str,
}

impl BadQuote {
    /// What is wrong with the row, and which way to read quotes helps.
    pub fn reason(self, quotes: Quotes) -> Reason {
        let advice = match (self.what, quotes) {
            (LONE_CR, _) => None,
            (BLANK, _) => Some(Advice::BlankDelimiter),
            (BACKSLASH, _) => Some(Advice::BackslashQuotes),
            (_, Quotes::Lenient) => Some(Advice::NoQuotes),
            _ => Some(Advice::LenientQuotes),
        };
        Reason { what: self.what.into(), advice }
    }
}

/// Where a block ends, the rest of the file may hold a quote, but none that closes the field.
const NO_END: &str = "no quote ends the field that begins here with one, or text follows that quote; double the quotes within it";
const BARE: &str =
    "a quote is within a field that does not begin with one; quote the field and double the quote";
const BLANK: &str = "a blank is in front of the quote that begins this field";
const BACKSLASH: &str =
    "a backslash is in front of a quote within the field that begins here, and does not escape it";
const LONE_CR: &str =
    "a carriage return without a newline is within a field that is not quoted, and ends no line here";

/// Where a field is.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    /// In `unquoted`, not in the rows.
    copied: bool,
}

/// What reading fields needs; kept from block to block.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    places: Vec<Place>,
    unquoted: Vec<u8>,
    /// Where a carriage return is that may not be there. It makes the row bad, but the row ends where it would end without it, as for
    /// the feed, which does not look for it.
    lone_cr: Option<usize>,
}

/// The rows of a block of whole rows.
pub(crate) struct Rows<'a> {
    dialect: &'a Dialect,
    bytes: &'a [u8],
    /// Where the next row begins.
    at: usize,
    /// Finds the delimiter.
    delimiter: memmem::Finder<'a>,
    /// Without quotes: the last of so many fields is the rest of its row.
    most: usize,
    pub fields: Fields,
}

/// A row: where it begins, and the bytes of it without the line's end.
pub(crate) struct Row {
    pub start: usize,
    pub end: usize,
}

impl<'a> Rows<'a> {
    pub fn new(dialect: &'a Dialect, bytes: &'a [u8], most: usize, fields: Fields) -> Self {
        Rows { dialect, bytes, at: 0, delimiter: memmem::Finder::new(dialect.text()), most, fields }
    }

    /// Where the next row begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Reads the next row that is no comment. Empty lines are passed over where quotes are read, as in CSV.
    pub fn next(&mut self) -> Option<(Row, Result<(), BadQuote>)> {
        loop {
            let start = self.at;
            let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
            if self.dialect.is_comment(rest) {
                self.at = self.next_line(start);
                continue;
            }
            let quotes = self.dialect.quotes != Quotes::Off;
            if quotes && (rest[0] == b'\n' || rest.starts_with(b"\r\n") || rest == b"\r") {
                self.at = self.next_line(start);
                continue;
            }
            self.fields.places.clear();
            self.fields.unquoted.clear();
            self.fields.lone_cr = None;
            let end = if quotes { self.quoted_row(start) } else { Ok(self.plain_row(start)) };
            let lone_cr = self.fields.lone_cr.map(|at| BadQuote { at, what: LONE_CR });
            return Some(match end {
                Ok(end) => (Row { start, end }, lone_cr.map_or(Ok(()), Err)),
                Err(wrong) => {
                    self.at = self.next_line(wrong.at);
                    (Row { start, end: wrong.at }, Err(wrong))
                }
            });
        }
    }

    /// The bytes of a row.
    pub fn row(&self, row: &Row) -> &'a [u8] {
        &self.bytes[row.start..row.end]
    }

    /// How many fields the row has.
    pub fn len(&self) -> usize {
        self.fields.places.len()
    }

    /// A field of the row, from 0.
    pub fn field(&self, index: usize) -> Option<&[u8]> {
        let Place { start, end, copied } = *self.fields.places.get(index)?;
        if copied { self.fields.unquoted.get(start..end) } else { self.bytes.get(start..end) }
    }

    fn next_line(&self, from: usize) -> usize {
        scan::first(b'\n', &self.bytes[from..]).map_or(self.bytes.len(), |newline| from + newline + 1)
    }

    fn push(&mut self, start: usize, end: usize) {
        self.fields.places.push(Place { start, end, copied: false });
    }

    /// Splits a row without quotes. Returns where it ends.
    fn plain_row(&mut self, start: usize) -> usize {
        self.at = self.next_line(start);
        let mut end = self.at - usize::from(self.bytes[self.at - 1] == b'\n' && self.at > start);
        end -= usize::from(self.bytes[start..end].ends_with(b"\r"));
        if self.dialect.delimiter == Delimiter::Blanks {
            self.blanks(start, end);
            return end;
        }
        let text = self.dialect.text();
        // A row may end with a delimiter between two TABs whose last TAB is the newline: `a\t|\tb\t|`.
        let inner = match text {
            [last @ .., b'\t']
                if last.len() > 1 && last[0] == b'\t' && self.bytes[start..end].ends_with(last) =>
            {
                end - last.len()
            }
            _ => end,
        };
        let mut at = start;
        loop {
            let found = match text {
                _ if self.len() + 1 >= self.most => None,
                [byte] => scan::first(*byte, &self.bytes[at..inner]),
                _ => self.delimiter.find(&self.bytes[at..inner]),
            };
            match found {
                Some(length) => {
                    self.push(at, at + length);
                    at += length + text.len();
                }
                None => {
                    self.push(at, inner);
                    return end;
                }
            }
        }
    }

    fn blanks(&mut self, start: usize, end: usize) {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let mut at = start;
        while let Some(skipped) = self.bytes[at..end].iter().position(|byte| !is_blank(byte)) {
            at += skipped;
            let length = match self.len() + 1 < self.most {
                true => self.bytes[at..end].iter().position(is_blank).unwrap_or(end - at),
                false => {
                    self.bytes[at..end].iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1)
                }
            };
            self.push(at, at + length);
            at += length;
        }
    }

    /// Splits a row with quotes. Returns where it ends.
    fn quoted_row(&mut self, start: usize) -> Result<usize, BadQuote> {
        let mut at = start;
        loop {
            let mut copied = None;
            if self.bytes.get(at) == Some(&b'"') {
                let from = at + 1;
                let after = match self.dialect.closing(self.bytes, from, true) {
                    Closing::At(after) => after,
                    Closing::Text | Closing::Open => {
                        let line = &self.bytes[from..self.next_line(from)];
                        let escaped =
                            self.dialect.quotes == Quotes::Strict && memmem::find(line, b"\\\"").is_some();
                        return Err(BadQuote { at, what: if escaped { BACKSLASH } else { NO_END } });
                    }
                };
                let inner = &self.bytes[from..after - 1];
                let escapes = self.dialect.quotes == Quotes::Backslash;
                if scan::first(b'"', inner).is_some() || escapes && scan::first(b'\\', inner).is_some() {
                    let begin = self.fields.unquoted.len();
                    undouble(inner, escapes, &mut self.fields.unquoted);
                    copied = Some((begin, from, after));
                } else {
                    copied = Some((usize::MAX, from, after));
                }
                at = after;
            }
            let (end, ended) = self.bare(at)?;
            self.keep(copied, at, end);
            match ended {
                Ended::Delimiter => at = end + self.dialect.text().len(),
                Ended::Line(next) => {
                    self.at = next;
                    return Ok(end);
                }
            }
        }
    }

    /// Notes a field: what was quoted, and the bare text from `at` to `end` that is the field, or follows the quotes.
    fn keep(&mut self, quoted: Option<(usize, usize, usize)>, at: usize, end: usize) {
        match quoted {
            None => self.push(at, end),
            Some((usize::MAX, from, after)) if at == end => self.push(from, after - 1),
            Some((begin, from, after)) => {
                let begin = if begin == usize::MAX {
                    let begin = self.fields.unquoted.len();
                    self.fields.unquoted.extend_from_slice(&self.bytes[from..after - 1]);
                    begin
                } else {
                    begin
                };
                self.fields.unquoted.extend_from_slice(&self.bytes[at..end]);
                self.fields.places.push(Place {
                    start: begin,
                    end: self.fields.unquoted.len(),
                    copied: true,
                });
            }
        }
    }

    /// Where the bare text that begins at `at` ends, and with what.
    fn bare(&mut self, at: usize) -> Result<(usize, Ended), BadQuote> {
        let text = self.dialect.text();
        let first = text.first().copied().unwrap_or(b'\n');
        let strict = self.dialect.quotes.is_strict();
        let mut from = at;
        loop {
            let rest = &self.bytes[from..];
            let found = memchr::memchr3(first, b'\n', b'"', rest);
            scan::looked_at(found.unwrap_or(rest.len()));
            let end = from + found.unwrap_or(rest.len());
            let ended = match self.bytes.get(end) {
                None => Ended::Line(end),
                Some(b'\n') => Ended::Line(end + 1),
                Some(b'"') if strict => {
                    let is_blank = text == b"," && &self.bytes[at..end] == b" ";
                    let what = if is_blank && self.bytes[..at].ends_with(text) { BLANK } else { BARE };
                    return Err(BadQuote { at: end, what });
                }
                Some(_) if self.bytes[end..].starts_with(text) => Ended::Delimiter,
                Some(_) => {
                    from = end + 1;
                    continue;
                }
            };
            let is_line = matches!(ended, Ended::Line(_));
            let end = end - usize::from(is_line && self.bytes[at..end].ends_with(b"\r"));
            if strict && self.fields.lone_cr.is_none() {
                self.fields.lone_cr = scan::first(b'\r', &self.bytes[at..end]).map(|cr| at + cr);
            }
            return Ok((end, ended));
        }
    }
}

enum Ended {
    Delimiter,
    /// The next row begins there.
    Line(usize),
}

/// Appends the field with each doubled quote as one, and without each backslash in front of a quote or another one if they escape.
fn undouble(field: &[u8], escapes: bool, out: &mut Vec<u8>) {
    let mut rest = field;
    let escape = if escapes { b'\\' } else { b'"' };
    while let Some(at) = memchr::memchr2(b'"', escape, rest) {
        let (sign, next) = (rest[at], rest.get(at + 1));
        let is_pair = next.is_none_or(|next| *next == b'"' || *next == escape);
        out.extend_from_slice(&rest[..at]);
        out.push(if is_pair { *next.unwrap_or(&sign) } else { sign });
        rest = &rest[(at + 1 + usize::from(is_pair)).min(rest.len())..];
    }
    scan::looked_at(field.len());
    out.extend_from_slice(rest);
}
