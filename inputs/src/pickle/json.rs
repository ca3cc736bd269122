//! Values as compact JSON text, like that of `json.dumps(value, separators=(",", ":"), ensure_ascii=False)`.

use std::rc::Rc;

use hashlith_feedback::Advice;

use crate::bad_row::Reason;
use crate::pickle::input::Input;
use crate::pickle::item::{Item, Kind, Seq, SeqKind, Span};
use crate::pickle::number::{MOST_DIGITS, write_binary, write_digits, write_float};
use crate::pickle::numbers::load_array;
use crate::pickle::object::{Array, Element};
use crate::pickle::row_error::RowError;
use crate::pickle::text::{not_text, ucs4};
use crate::pickle::texts::Texts;
use crate::pickle::window::Window;

/// Longest JSON text of a container, in bytes. A container that refers to the same parts many times can be far longer as
/// text than in the pickle.
const LONGEST: usize = 16 << 20;

/// Puts the value's JSON text into `texts.value`. An error text begins with a verb.
pub(crate) fn write(value: &Item, window: &mut Window<Input<'_>>, texts: &mut Texts) -> Result<(), RowError> {
    let mut out = std::mem::take(&mut texts.value);
    out.clear();
    let result = write_all(value, window, texts, &mut out);
    texts.value = out;
    result
}

/// Walks nested containers with a stack of its own.
fn write_all(
    value: &Item,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    let Item::Seq(seq) = value else { return write_plain(value, window, texts, out, "is") };
    let mut open: Vec<(Rc<Seq>, usize)> = vec![];
    enter(seq, &mut open, out)?;
    while let Some((seq, next)) = open.last_mut() {
        let item = seq.items.borrow().get(*next).cloned();
        let (kind, place) = (seq.kind(), *next);
        *next += 1;
        let Some(item) = item else {
            out.push(if kind == SeqKind::Dict { b'}' } else { b']' });
            open.pop();
            continue;
        };
        let is_key = kind == SeqKind::Dict && place % 2 == 0;
        match (kind == SeqKind::Dict && place % 2 == 1, place) {
            (true, _) => out.push(b':'),
            (false, 0) => {}
            (false, _) => out.push(b','),
        }
        match &item {
            _ if is_key => write_key(&item, window, texts, out)?,
            Item::Seq(seq) => enter(seq, &mut open, out)?,
            _ => write_plain(&item, window, texts, out, "holds")?,
        }
        if out.len() > LONGEST {
            return Err(too_long().into());
        }
    }
    Ok(())
}

fn too_long() -> String {
    format!("is longer than {LONGEST} bytes as JSON text, which is too long for a container")
}

fn enter(seq: &Rc<Seq>, open: &mut Vec<(Rc<Seq>, usize)>, out: &mut Vec<u8>) -> Result<(), RowError> {
    out.push(match seq.kind() {
        SeqKind::Dict => b'{',
        SeqKind::Tuple | SeqKind::List => b'[',
        SeqKind::Set => {
            let what = "is or holds a set, which JSON cannot hold; make it a list before pickling";
            return Err(what.to_owned().into());
        }
        SeqKind::Instance => return Err(foreign(&Item::Seq(Rc::clone(seq)))),
    });
    open.push((Rc::clone(seq), 0));
    Ok(())
}

#[cold]
fn foreign(object: &Item) -> RowError {
    format!("is or holds {}, which JSON cannot hold; convert it before pickling", object.a_type()).into()
}

/// A key of an object: what is not a string becomes one, as with `json.dumps`.
fn write_key(
    key: &Item,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    let quotes = match key {
        Item::Span(span) => matches!(span.kind, Kind::LongBinary | Kind::LongDigits),
        Item::None | Item::Bool(_) | Item::Int(_) | Item::Big(_) | Item::Float(_) => true,
        _ => {
            let found = key.a_type();
            return Err(
                format!("is or holds a dict whose key is {found}, which no key in JSON can be").into()
            );
        }
    };
    out.extend(quotes.then_some(b'"'));
    write_plain(key, window, texts, out, "holds")?;
    out.extend(quotes.then_some(b'"'));
    Ok(())
}

/// Writes anything but a container.
fn write_plain(
    item: &Item,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
    out: &mut Vec<u8>,
    verb: &str,
) -> Result<(), RowError> {
    match item {
        Item::None => out.extend_from_slice(b"null"),
        Item::Bool(true) => out.extend_from_slice(b"true"),
        Item::Bool(false) => out.extend_from_slice(b"false"),
        Item::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Item::Big(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Item::Float(number) => {
            if !write_float(*number, out) {
                return Err(format!("{verb} {number}, a float that JSON does not have").into());
            }
        }
        Item::Span(span) => return write_span(*span, window, texts, out, verb),
        Item::Object(object) if object.array().is_some() => {
            return object.array().map_or(Ok(()), |array| write_array(array, window, texts, out, verb));
        }
        Item::Opaque(_) => return Err(foreign(item)),
        _ => return Err(format!("{verb} {}, which JSON does not have", item.a_type()).into()),
    }
    Ok(())
}

fn write_span(
    span: Span,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
    out: &mut Vec<u8>,
    verb: &str,
) -> Result<(), RowError> {
    let item = Item::Span(span);
    match span.kind {
        Kind::Bytes | Kind::Latin1OfUtf8 | Kind::Latin1OfEscaped => {
            let found = item.a_type();
            Err(format!("{verb} {found}, which JSON cannot hold; make it a str before pickling").into())
        }
        Kind::LongBinary | Kind::LongDigits => {
            let too_long = || {
                RowError::from(format!("{verb} an int of more than {MOST_DIGITS} digits, or a malformed one"))
            };
            if span.length > 2 * MOST_DIGITS as u64 {
                return Err(too_long());
            }
            texts.load_part(span, window)?;
            let write = if span.kind == Kind::LongBinary { write_binary } else { write_digits };
            if write(&texts.part, out) { Ok(()) } else { Err(too_long()) }
        }
        _ => {
            texts.load_part(span, window)?;
            let is_old = matches!(span.kind, Kind::Old | Kind::OldQuoted);
            if is_old {
                texts.decode_old_part()?;
            }
            if let Some(what) = not_text(span.kind, &texts.part) {
                let holder = if verb == "is" { "" } else { "holds a string that " };
                let what = format!("{holder}{what}");
                return Err(
                    if is_old { Reason::with(Advice::EncodingOrBytes, what) } else { what.into() }.into()
                );
            }
            write_string(&texts.part, out);
            Ok(())
        }
    }
}

/// An array of numpy, as JSON arrays or, if it has no dimension, as its only element.
fn write_array(
    array: Array,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
    out: &mut Vec<u8>,
    verb: &str,
) -> Result<(), RowError> {
    let dtype = array.dtype;
    // Each element takes at least a byte as text.
    if array.length.saturating_mul(u64::from(dtype.size).max(2)) > 8 * LONGEST as u64 {
        return Err(too_long().into());
    }
    load_array(array, window, texts)?;
    let elements = std::mem::take(&mut texts.part);
    let sizes = array.shape.sizes();
    // Arrays of no elements take the place of elements.
    let outer = sizes.iter().position(|&size| size == 0).unwrap_or(sizes.len());
    // How many elements an array of each level holds.
    let mut counts: Vec<u64> = sizes[..outer]
        .iter()
        .rev()
        .scan(1u64, |count, &size| {
            *count = count.saturating_mul(size);
            Some(*count)
        })
        .collect();
    counts.reverse();
    for place in 0..counts.first().copied().unwrap_or(1) {
        out.extend((place > 0).then_some(b','));
        out.extend(counts.iter().filter(|&&count| place % count == 0).map(|_| b'['));
        if outer < sizes.len() {
            out.extend_from_slice(b"[]");
        } else {
            let size = dtype.size as usize;
            let begin = array.shape.index(place) as usize * size;
            let bytes = elements.get(begin..begin + size).unwrap_or_default();
            match dtype.item(bytes) {
                Some(item) => write_plain(&item, window, texts, out, "holds")?,
                None => write_text_element(dtype.element, dtype.is_big_endian, bytes, out, verb)?,
            }
        }
        out.extend(counts.iter().filter(|&&count| (place + 1) % count == 0).map(|_| b']'));
        if out.len() > LONGEST {
            return Err(too_long().into());
        }
    }
    texts.part = elements;
    Ok(())
}

fn write_text_element(
    element: Element,
    is_big_endian: bool,
    bytes: &[u8],
    out: &mut Vec<u8>,
    verb: &str,
) -> Result<(), RowError> {
    if element != Element::Str || is_big_endian {
        let what = format!(
            "{verb} a numpy array of bytes objects, or of texts in big-endian order; make it a list of str before pickling"
        );
        return Err(what.into());
    }
    let mut utf8 = Vec::new();
    ucs4(bytes, &mut utf8).map_err(|wrong| format!("is malformed ({wrong})"))?;
    if let Some(what) = not_text(Kind::Ucs4, &utf8) {
        return Err(format!("holds a string that {what}").into());
    }
    write_string(&utf8, out);
    Ok(())
}

/// Appends a JSON string; only quotes, backslashes and control characters are escaped.
pub(crate) fn write_string(utf8: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, &byte) in utf8.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&utf8[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&utf8[plain..]);
    out.push(b'"');
}
