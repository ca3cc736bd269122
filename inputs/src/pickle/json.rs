//! Values as compact JSON text, like that of `json.dumps(value, separators=(",", ":"), ensure_ascii=False)`.

use std::rc::Rc;

use crate::pickle::input::Input;
use crate::pickle::item::{Item, Kind, Seq, SeqKind, Span};
use crate::pickle::number::{MOST_DIGITS, write_binary, write_digits, write_float};
use crate::pickle::row_error::RowError;
use crate::pickle::text::not_text;
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
        let (kind, place) = (seq.kind, *next);
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
            Item::Span(Span { kind: Kind::LongBinary | Kind::LongDigits, .. }) if is_key => {
                return Err(bad_key(&item));
            }
            Item::Span(_) => write_plain(&item, window, texts, out, "holds")?,
            _ if is_key => return Err(bad_key(&item)),
            Item::Seq(seq) => enter(seq, &mut open, out)?,
            _ => write_plain(&item, window, texts, out, "holds")?,
        }
        if out.len() > LONGEST {
            let what =
                format!("is longer than {LONGEST} bytes as JSON text, which is too long for a container");
            return Err(what.into());
        }
    }
    Ok(())
}

fn enter(seq: &Rc<Seq>, open: &mut Vec<(Rc<Seq>, usize)>, out: &mut Vec<u8>) -> Result<(), RowError> {
    out.push(match seq.kind {
        SeqKind::Dict => b'{',
        SeqKind::Tuple | SeqKind::List => b'[',
        SeqKind::Set => return Err("is or holds a set, which JSON does not have".to_owned().into()),
    });
    open.push((Rc::clone(seq), 0));
    Ok(())
}

fn bad_key(key: &Item) -> RowError {
    format!("is or holds a dict whose key is {}; JSON has only strings as keys", key.a_type()).into()
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
        Item::Float(number) => {
            if !write_float(*number, out) {
                return Err(format!("{verb} {number}, a float that JSON does not have").into());
            }
        }
        Item::Span(span) => return write_span(*span, window, texts, out, verb),
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
            Err(format!("{verb} {found}, which JSON does not have; decode it before pickling").into())
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
        Kind::Utf8 | Kind::Escaped | Kind::Old | Kind::OldQuoted => {
            texts.load_part(span, window)?;
            if let Some(what) = not_text(span.kind, &texts.part) {
                let holder = if verb == "is" { "" } else { "holds a string that " };
                return Err(format!("{holder}{what}").into());
            }
            write_string(&texts.part, out);
            Ok(())
        }
    }
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
