//! From items to records: checks the types of keys and values, and gets their bytes.

use hashlith_feedback::Advice;
use hashlith_format::{KeyType, Row, ValueType, int_key};

use crate::bad_row::{BadRow, Reason};
use crate::check::shown;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::pickle::input::Input;
use crate::pickle::item::{Item, Kind, SeqKind, Span};
use crate::pickle::json;
use crate::pickle::number::{write_binary, write_digits};
use crate::pickle::row_error::RowError;
use crate::pickle::text::not_text;
use crate::pickle::texts::{Texts, Which};
use crate::pickle::window::{MOST_KEPT, Window};
use crate::sink::Sink;
use crate::stop::Stop;
use crate::typed::{self, Numbers};

/// Passes rows to the sink.
pub(crate) struct Rows<'m, 'o, S: Sink> {
    pub outlet: &'m mut Outlet<'o, S>,
    key_type: KeyType,
    value_type: ValueType,
    /// Rows of this pickle so far, bad ones included.
    pub seen: u64,
    /// Rows that went to the sink before reading restarted at the beginning of the pickle.
    pub before: u64,
    pub texts: Texts,
}

impl<'m, 'o, S: Sink> Rows<'m, 'o, S> {
    pub fn new(outlet: &'m mut Outlet<'o, S>, options: &ReadOptions) -> Self {
        Rows {
            outlet,
            key_type: options.key_type,
            value_type: options.value_type,
            seen: 0,
            before: 0,
            texts: Texts::default(),
        }
    }

    /// A key and its value; `at` is the offset of the key.
    #[inline]
    pub fn pair(
        &mut self,
        window: &mut Window<Input<'_>>,
        at: u64,
        key: &Item,
        value: &Item,
    ) -> Result<(), Stop<S::Error>> {
        self.seen += 1;
        if self.seen <= self.before {
            return Ok(());
        }
        if let (Item::Span(key), Item::Span(value)) = (key, value)
            && let Some(key_bytes) = window.slice(key.payload(), key.length)
            && let Some(value_bytes) = window.slice(value.payload(), value.length)
            && plain(key.kind, self.key_type == KeyType::Text, key_bytes)
            && self.key_type != KeyType::Int
            && matches!(self.value_type, ValueType::Bytes | ValueType::Text)
            && plain(value.kind, self.value_type == ValueType::Text, value_bytes)
        {
            return self.outlet.record(at, key_bytes, value_bytes);
        }
        // Strings that are long go through the buffers that all workers share.
        let length = |item: &Item| if let Item::Span(span) = item { span.length } else { 0 };
        let is_long = length(key).saturating_add(length(value)) > MOST_KEPT;
        let mut long = is_long.then(|| self.outlet.shared.long.lock());
        if let Some(long) = &mut long {
            self.texts.swap(long);
        }
        let done = match self.unusual(window, key, value) {
            Ok(()) => self.outlet.record(at, &self.texts.key, &self.texts.value),
            Err(RowError::Bad(reason)) => self.outlet.bad_row(BadRow::new(at, reason)),
            Err(RowError::Stop(stop)) => Err(stop.for_sink()),
        };
        if let Some(long) = &mut long {
            self.texts.swap(long);
        }
        done
    }

    /// An element of a list or tuple of pairs.
    pub fn element(
        &mut self,
        window: &mut Window<Input<'_>>,
        at: u64,
        item: &Item,
    ) -> Result<(), Stop<S::Error>> {
        if let Item::Seq(seq) = item
            && matches!(seq.kind, SeqKind::Tuple | SeqKind::List)
            && let [key, value] = &seq.items.borrow()[..]
        {
            return self.pair(window, at, key, value);
        }
        if self.value_type == ValueType::None && !matches!(item, Item::Seq(_)) {
            return self.pair(window, at, item, &Item::None);
        }
        self.seen += 1;
        if self.seen <= self.before {
            return Ok(());
        }
        let what = match item {
            Item::Seq(seq) if seq.kind == SeqKind::Tuple || seq.kind == SeqKind::List => {
                format!("a {} of {} elements", item.type_name(), seq.items.borrow().len())
            }
            _ => item.a_type(),
        };
        let what = format!("this element of the outermost list is {what}, not a pair of key and value");
        self.outlet.bad_row(BadRow::new(at, what))
    }

    /// Decodes key and value into the buffers.
    #[cold]
    fn unusual(&mut self, window: &mut Window<Input<'_>>, key: &Item, value: &Item) -> Result<(), RowError> {
        self.key(window, key)?;
        let result = match (value, self.value_type) {
            (_, ValueType::Json) => json::write(value, window, &mut self.texts),
            (_, ValueType::None) => {
                self.texts.value.clear();
                Ok(())
            }
            (_, ValueType::Numbers(row)) => write_numbers(row, value, window, &mut self.texts),
            (Item::Span(span), _) if !is_number(span.kind) => {
                let text = (self.value_type == ValueType::Text).then_some(Advice::BytesValues);
                load(&mut self.texts, window, *span, Which::Value, text)
            }
            _ => {
                let what = format!("is {}, not a string", value.a_type());
                Err(Reason::with(Advice::JsonValues, what).into())
            }
        };
        result.map_err(|error| error.prefixed(&format!("the value of key {} ", shown(&self.texts.key))))
    }

    fn key(&mut self, window: &mut Window<Input<'_>>, key: &Item) -> Result<(), RowError> {
        if self.key_type == KeyType::Int {
            return self.int_key(window, key);
        }
        let found = match key {
            Item::Span(span) if !is_number(span.kind) => {
                let text = (self.key_type == KeyType::Text).then_some(Advice::BytesKeys);
                let result = load(&mut self.texts, window, *span, Which::Key, text);
                return result
                    .map_err(|error| error.prefixed(&format!("the key {} ", shown(&self.texts.key))));
            }
            Item::Int(number) => format!("the key {number} is an int"),
            _ => format!("the key is {}", key.a_type()),
        };
        Err(format!("{found}, not a string; make all keys strings, or all integers, before pickling").into())
    }

    fn int_key(&mut self, window: &mut Window<Input<'_>>, key: &Item) -> Result<(), RowError> {
        let bytes = match key {
            Item::Int(number) => int_key(*number),
            Item::Span(span) if is_number(span.kind) => {
                let text = digits(*span, window, &mut self.texts)?;
                typed::parse_key(text.as_bytes()).map_err(|what| format!("the key {text} {what}"))?
            }
            _ => return Err(format!("the key is {}, not an integer", key.a_type()).into()),
        };
        self.texts.key.clear();
        self.texts.key.extend_from_slice(&bytes);
        Ok(())
    }
}

/// A long integer in decimal.
fn digits(span: Span, window: &mut Window<Input<'_>>, texts: &mut Texts) -> Result<String, RowError> {
    // No number of 64 bits is as long.
    if span.length > 1 << 10 {
        return Err("is an int of more than 64 bits".to_owned().into());
    }
    texts.load_part(span, window)?;
    let mut text = Vec::new();
    let write = if span.kind == Kind::LongBinary { write_binary } else { write_digits };
    if !write(&texts.part, &mut text) {
        return Err("is a malformed int".to_owned().into());
    }
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// Puts the bytes of a number, or of a list or tuple of numbers, into `texts.value`. An error text begins with a verb.
fn write_numbers(
    row: Row,
    value: &Item,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
) -> Result<(), RowError> {
    let mut out = std::mem::take(&mut texts.value);
    out.clear();
    let mut numbers = Numbers::new(row, &mut out);
    let mut push = |item: &Item| -> Result<(), RowError> {
        match item {
            Item::Int(number) => numbers.int(i128::from(*number))?,
            Item::Float(number) if row.number.is_float() => numbers.float(*number, &format!("{number:?}"))?,
            Item::Span(span) if is_number(span.kind) => numbers.text(&digits(*span, window, texts)?)?,
            _ => return Err(numbers.refused(&item.a_type()).into()),
        }
        Ok(())
    };
    let pushed = match value {
        Item::Seq(seq) if row.dimension > 0 && matches!(seq.kind, SeqKind::List | SeqKind::Tuple) => {
            seq.items.borrow().iter().try_for_each(&mut push)
        }
        _ if row.dimension > 0 => {
            Err(format!("is {}, not a list of {} numbers", value.a_type(), row.dimension).into())
        }
        _ => push(value),
    };
    let done = pushed.and_then(|()| numbers.finish().map_err(RowError::from));
    texts.value = out;
    done
}

/// True if the bytes need no decoding.
#[inline]
fn plain(kind: Kind, text: bool, bytes: &[u8]) -> bool {
    match kind {
        Kind::Utf8 | Kind::Old => !text || std::str::from_utf8(bytes).is_ok(),
        Kind::Bytes => !text,
        _ => false,
    }
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::LongBinary | Kind::LongDigits)
}

/// Decodes the string into its buffer. `text` is the advice for bytes that are not text, if it must be text. An error text
/// begins with a verb.
fn load(
    texts: &mut Texts,
    window: &mut Window<Input<'_>>,
    mut span: Span,
    which: Which,
    text: Option<Advice>,
) -> Result<(), RowError> {
    if text.is_some() && span.kind == Kind::Bytes {
        // It is refused, and may be long and referred to by every row: what a message shows of it is enough.
        span.length = span.length.min(1 << 10);
    }
    texts.load(span, window, which)?;
    let Some(advice) = text else { return Ok(()) };
    let wrong = match span.kind {
        Kind::Bytes | Kind::Latin1OfUtf8 | Kind::Latin1OfEscaped => Some("is a bytes object, not text"),
        Kind::Utf8 | Kind::Escaped | Kind::Old | Kind::OldQuoted => not_text(span.kind, texts.buffer(which)),
        _ => None,
    };
    wrong.map_or(Ok(()), |what| Err(Reason::with(advice, what).into()))
}
