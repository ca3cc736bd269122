//! One JSON document: an array of records, or an object of keys and values. Feed and workers share the rules by which it is cut into
//! elements, so that no more of it than a block is held.

use hashlith_feedback::Advice;
use hashlith_format::ValueType;
use serde::de::IgnoredAny;

use crate::bad_row::Reason;
use crate::block::{Block, BlockFormat};
use crate::check::{Check, Typed};
use crate::jsonl::{Pair, Rows, Wrong};
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::scan;
use crate::sink::Sink;
use crate::stop::Stop;

/// What JSON begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// An array or an object, whose first element begins at this offset.
    Document(BlockFormat, usize),
    /// A record per line.
    Lines,
    /// More bytes are needed.
    Unknown,
}

/// Whether JSON may have this byte between its signs.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The text without the blanks in front.
fn from_sign(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| is_blank(byte)).count()..]
}

/// Tells a document from JSON lines. `explicit`: the caller has said that it is a document.
///
/// # Errors
/// If it is neither, or could be both.
pub(crate) fn begin(
    bytes: &[u8],
    at_end: bool,
    options: &ReadOptions,
    explicit: bool,
) -> Result<Beginning, (usize, Reason)> {
    let Some(at) = bytes.iter().position(|byte| !is_blank(byte)) else {
        return Ok(if at_end { Beginning::Lines } else { Beginning::Unknown });
    };
    let kind = match bytes[at] {
        b'[' => BlockFormat::JsonArray,
        b'{' => BlockFormat::JsonObject,
        _ if explicit => {
            return Err((
                at,
                Reason::with(Advice::Format, "this is not a JSON document: it begins with neither { nor ["),
            ));
        }
        _ => return Ok(Beginning::Lines),
    };
    let document = Beginning::Document(kind, at + 1);
    let first = bytes[at + 1..].iter().find(|byte| !is_blank(byte));
    if explicit {
        return match first {
            None if !at_end => Ok(Beginning::Unknown),
            _ if kind == BlockFormat::JsonObject => pairs(at, document, options),
            Some(b'[' | b'{' | b']') | None => Ok(document),
            _ if options.value_type == ValueType::None => Ok(document),
            _ => {
                let what = "this is an array of no records; if each line is a record, the format is jsonl";
                Err((at, Reason::with(Advice::Format, what)))
            }
        };
    }
    let is_array = kind == BlockFormat::JsonArray;
    match first {
        Some(b'{' | b']') if is_array => return Ok(document),
        // A key and a value, or no record.
        Some(other) if is_array && *other != b'[' && options.value_type != ValueType::None => {
            return Ok(Beginning::Lines);
        }
        _ => {}
    }
    let whole = || if is_array { Ok(document) } else { pairs(at, document, options) };
    let line = scan::first(b'\n', &bytes[at..]).map(|length| at + length);
    // What follows the value must be known too. No record is in a line as long as this.
    if line.is_none() && !at_end && bytes.len() < LONGEST_LINE.min(options.max_record_bytes / 2) {
        return Ok(Beginning::Unknown);
    }
    let Some((end, elements)) = end_of(&bytes[at + 1..]).map(|(end, elements)| (at + 2 + end, elements))
    else {
        return whole();
    };
    // A key may be an array.
    let is_record = !is_array || first != Some(&b'[') || elements == 2;
    let is_line = is_record && line.is_none_or(|line| end <= line);
    // What begins a record may follow.
    match from_sign(&bytes[end..]).first() {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') if is_line => return Ok(Beginning::Lines),
        Some(_) => return whole(),
        None if !is_line => return whole(),
        None if !at_end => return Ok(Beginning::Unknown),
        None => {}
    }
    if is_array && (first == Some(&b'[') || elements == 1) {
        return Ok(document);
    }
    let is_row = serde_json::from_slice::<IgnoredAny>(&bytes[at..end]).is_ok()
        && Rows::new(options).read(&bytes[at..end]).is_ok();
    if is_row && !options.names_fields() {
        let what = match is_array {
            true => {
                "this can be one record of JSON lines (format jsonl), or a document of two keys (format json)"
            }
            false => {
                "this can be one record of JSON lines (format jsonl), or a document of pairs (format json)"
            }
        };
        return Err((at, Reason::with(Advice::Format, what)));
    }
    if is_row { Ok(Beginning::Lines) } else { whole() }
}

/// How much of a line is looked at for the end of its record.
const LONGEST_LINE: usize = 16 << 20;

/// A document of pairs, if no field is named.
fn pairs(at: usize, document: Beginning, options: &ReadOptions) -> Result<Beginning, (usize, Reason)> {
    if !options.names_fields() {
        return Ok(document);
    }
    let what = "the document is one object of keys and values, which have no fields to name; a record per line is the format jsonl, which \
                `jq -c .` makes";
    Err((at, what.into()))
}

/// Where the object or array ends whose inside begins here, and how many elements it has.
fn end_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut at, mut elements) = (0, 1);
    loop {
        at += element(&bytes[at..])?;
        if bytes[at] != b',' {
            return Some((at, elements));
        }
        at += 1;
        elements += 1;
    }
}

/// Where the element ends that begins here: at a comma, or at the bracket that closes the document.
fn element(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0u32);
    let end = loop {
        match bytes.get(at) {
            None => break None,
            Some(b'"') => match string(&bytes[at + 1..]) {
                Some(length) => at += length,
                None => break None,
            },
            Some(b'{' | b'[') => depth = depth.saturating_add(1),
            Some(b'}' | b']') if depth == 0 => break Some(at),
            Some(b'}' | b']') => depth -= 1,
            Some(b',') if depth == 0 => break Some(at),
            Some(_) => {}
        }
        at += 1;
    };
    scan::looked_at(end.unwrap_or(bytes.len()));
    end
}

/// The length of the string that begins here, behind its quote, with its closing quote.
fn string(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
        if at > bytes.len() {
            return None;
        }
    }
}

/// How far a document has been cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// What closes it.
    bracket: u8,
    /// An element has ended with a comma.
    begun: bool,
    closed: bool,
}

impl Cut {
    pub fn new(format: BlockFormat) -> Self {
        let bracket = if format == BlockFormat::JsonArray { b']' } else { b'}' };
        Cut { bracket, begun: false, closed: false }
    }

    /// How many bytes are whole elements, each with its comma.
    ///
    /// # Errors
    /// With the offset, if no element comes before: the document ends early, or something follows it.
    pub fn cut(&mut self, bytes: &[u8], at_end: bool) -> Result<usize, (usize, String)> {
        let mut at = 0;
        while !self.closed {
            let Some(length) = element(&bytes[at..]) else {
                if at == 0 && at_end {
                    return Err((bytes.len(), "the JSON document ends early: the file is cut off".into()));
                }
                return Ok(at);
            };
            let end = at + length;
            let is_comma = bytes[end] == b',';
            if !is_comma && let Some(what) = self.wrong_end(&bytes[at..end], bytes[end]) {
                return if at > 0 { Ok(at) } else { Err((end, what.into())) };
            }
            (self.begun, self.closed) = (true, !is_comma);
            at = end + 1;
        }
        let behind = bytes[at..].iter().position(|byte| !is_blank(byte));
        match behind {
            None => Ok(bytes.len()),
            Some(_) if at > 0 => Ok(at),
            Some(behind) => {
                let what = "something follows the JSON document; a record per line is the format jsonl, which `jq -c .` makes";
                Err((behind, what.into()))
            }
        }
    }

    /// What is wrong with the last element, or the bracket behind it.
    fn wrong_end(self, element: &[u8], bracket: u8) -> Option<&'static str> {
        if bracket != self.bracket {
            return Some("not valid JSON (the document is closed by the wrong bracket)");
        }
        let is_blank = element.iter().all(is_blank);
        (self.begun && is_blank).then_some("not valid JSON (a comma is followed by the end of the document)")
    }
}

/// Gives all records of a block to the sink.
pub(crate) fn parse<S: Sink>(
    block: &Block<'_>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let bytes = block.bytes();
    let rows = Rows::new(options);
    let check = Check::new(options, b"", b"");
    let mut typed = Typed::default();
    let mut from = 0;
    while let Some(length) = element(&bytes[from..]) {
        let text = &bytes[from..from + length];
        let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
        let is_last = bytes[from + length] != b',';
        if !is_last || blanks < length {
            let (begin, text) = (from + blanks, &text[blanks..]);
            let pair = match block.format {
                BlockFormat::JsonArray => rows.read(text),
                _ => pair(&rows, text),
            };
            match pair {
                Ok((key, value)) => {
                    outlet.row(block, begin, check.typed(key.as_bytes(), value.as_bytes(), &mut typed))?;
                }
                Err(wrong) => {
                    let at = begin + wrong.at();
                    let place = |_| format!("byte {} of the file", block.start + at as u64);
                    outlet.row(block, at, Err(wrong.within().reason(place)))?;
                }
            }
        }
        if is_last {
            break;
        }
        from += length + 1;
    }
    Ok(())
}

/// Reads `"key": value`.
fn pair<'t>(rows: &Rows<'_>, text: &'t [u8]) -> Result<Pair<'t>, Wrong> {
    let colon = || Wrong::Reason("not valid JSON (expected a string, a colon and a value)".into());
    if text.first() != Some(&b'"') {
        return Err(colon());
    }
    let end = 1 + string(&text[1..]).ok_or_else(colon)?;
    let (key, rest) = text.split_at(end);
    let value = from_sign(rest).strip_prefix(b":").ok_or_else(colon)?;
    rows.pair(key, text.len() - value.len(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_from_lines() {
        use BlockFormat::{JsonArray, JsonObject};
        let options = ReadOptions::default();
        for (text, at_end, wanted) in [
            ("", true, Ok(Beginning::Lines)),
            (" ", false, Ok(Beginning::Unknown)),
            ("[", false, Ok(Beginning::Unknown)),
            ("[[\"a\",\"b\"]]", true, Ok(Beginning::Document(JsonArray, 1))),
            ("[{", false, Ok(Beginning::Document(JsonArray, 1))),
            ("[]", true, Ok(Beginning::Document(JsonArray, 1))),
            ("[\"a\", \"b\"]\n", true, Ok(Beginning::Lines)),
            ("\n{\"a\": \"}\"", false, Ok(Beginning::Unknown)),
            ("\n{\n\"a\": \"}\"", false, Ok(Beginning::Document(JsonObject, 2))),
            ("[[\"a\", 1], \"b\"]\n[", false, Ok(Beginning::Lines)),
            ("[[\"a\", \"b\"]]\n[", false, Ok(Beginning::Document(JsonArray, 1))),
            ("{\n}\n{", false, Ok(Beginning::Document(JsonObject, 1))),
            ("{\"a\": 1}\n\n", false, Ok(Beginning::Unknown)),
            ("{\"a\": 1}\n", true, Ok(Beginning::Document(JsonObject, 1))),
            ("{\"a\": 1}\n{", false, Ok(Beginning::Lines)),
            ("{\"key\": \"a\", \"value\": \"b\"}", true, Err(0)),
            ("7\n", true, Ok(Beginning::Lines)),
        ] {
            let found = begin(text.as_bytes(), at_end, &options, false).map_err(|(at, _)| at);
            assert_eq!(found, wanted, "{text:?}");
        }
        let explicit = |text: &[u8]| begin(text, false, &options, true).map_err(|(at, _)| at);
        assert_eq!(explicit(b"[[\"a\""), Ok(Beginning::Document(JsonArray, 1)));
        assert_eq!(explicit(b"[\"a\""), Err(0));
        assert!(begin(b"7", false, &options, true).is_err());
    }

    #[test]
    fn blocks_end_behind_an_element() {
        for (text, at_end, wanted) in [
            ("\"a\": 1, \"b\": [2, 3], \"c", false, Ok(20)),
            ("\"a,\\\"\": {\"}\": 1}, x", false, Ok(17)),
            ("\"a", false, Ok(0)),
            ("\"a", true, Err(2)),
            ("1, 2] \n", false, Ok(7)),
            ("1] x", false, Ok(2)),
        ] {
            let found = Cut { bracket: b']', begun: false, closed: false }
                .cut(text.as_bytes(), at_end)
                .map_err(|(at, _)| at);
            assert_eq!(found, wanted, "{text:?}");
        }
        let mut cut = Cut::new(BlockFormat::JsonArray);
        assert_eq!(cut.cut(b"1]", false).map_err(|_| ()), Ok(2));
        assert_eq!(cut.cut(b" \n", true).map_err(|_| ()), Ok(2));
        assert_eq!(cut.cut(b" x", true).map_err(|(at, _)| at), Err(1));
    }
}
