//! From items to records: what keys and values may be, and getting at their bytes.

use crate::check::shown;
use crate::error::{Fault, Halt, PlainHalt};
use crate::options::{KeyKind, Options, ValueKind};
use crate::outlet::Outlet;
use crate::pickle::input::Input;
use crate::pickle::item::{Item, Kind, SeqKind, Span};
use crate::pickle::texts::{Texts, Which};
use crate::pickle::window::Window;
use crate::pickle::{json, text};
use crate::read::Sink;

/// Why a row gives no record.
#[derive(Debug)]
pub(crate) enum Snag {
    /// The row is bad; the stream is not.
    Row(String),
    /// Reading cannot go on.
    Halt(PlainHalt),
}

impl From<PlainHalt> for Snag {
    fn from(halt: PlainHalt) -> Self {
        Snag::Halt(halt)
    }
}

/// Hands rows to the sink.
pub(crate) struct Rows<'m, 'o, S: Sink> {
    pub outlet: &'m mut Outlet<'o, S>,
    keys: KeyKind,
    values: ValueKind,
    /// Rows seen in this pickle, bad ones included.
    pub seen: u64,
    /// Rows at the beginning which went to the sink before the pickle was begun again.
    pub before: u64,
    pub texts: Texts,
}

impl<'m, 'o, S: Sink> Rows<'m, 'o, S> {
    pub fn new(outlet: &'m mut Outlet<'o, S>, options: &Options) -> Self {
        Rows {
            outlet,
            keys: options.keys,
            values: options.values,
            seen: 0,
            before: 0,
            texts: Texts::default(),
        }
    }

    /// One key and its value; `at` is where the key stands.
    #[inline]
    pub fn pair(
        &mut self,
        window: &mut Window<Input<'_>>,
        at: u64,
        key: &Item,
        value: &Item,
    ) -> Result<(), Halt<S::Error>> {
        self.seen += 1;
        if self.seen <= self.before {
            return Ok(());
        }
        if let (Item::Span(key), Item::Span(value)) = (key, value)
            && let Some(key_bytes) = window.slice(key.payload(), key.length)
            && let Some(value_bytes) = window.slice(value.payload(), value.length)
            && plain(key.kind, self.keys == KeyKind::Text, key_bytes)
            && self.values != ValueKind::Json
            && plain(value.kind, self.values == ValueKind::Text, value_bytes)
        {
            return self.outlet.record(at, key_bytes, value_bytes);
        }
        match self.unusual(window, key, value) {
            Ok(()) => self.outlet.record(at, &self.texts.key, &self.texts.value),
            Err(Snag::Row(what)) => self.outlet.bad_row(Fault::new(at, what)),
            Err(Snag::Halt(halt)) => Err(halt.for_sink()),
        }
    }

    /// One element of a list or tuple of pairs.
    pub fn element(
        &mut self,
        window: &mut Window<Input<'_>>,
        at: u64,
        item: &Item,
    ) -> Result<(), Halt<S::Error>> {
        if let Item::Seq(seq) = item
            && matches!(seq.kind, SeqKind::Tuple | SeqKind::List)
            && let [key, value] = &seq.items.borrow()[..]
        {
            return self.pair(window, at, key, value);
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
        self.outlet.bad_row(Fault::new(at, what))
    }

    /// Puts key and value into the buffers, whatever way they are written.
    #[cold]
    fn unusual(&mut self, window: &mut Window<Input<'_>>, key: &Item, value: &Item) -> Result<(), Snag> {
        self.key(window, key)?;
        match (value, self.values) {
            (_, ValueKind::Json) => json::write(value, window, &mut self.texts)
                .map_err(|snag| prefix(snag, &format!("the value of key {} ", shown(&self.texts.key)))),
            (Item::Span(span), _) if !is_number(span.kind) => {
                let text = self.values == ValueKind::Text;
                let result = load(&mut self.texts, window, *span, Which::Value, text);
                result.map_err(|snag| {
                    let key = shown(&self.texts.key);
                    let snag = prefix(snag, &format!("the value of key {key} "));
                    suffix(snag, "; use --values bytes to keep it as it is")
                })
            }
            _ => Err(Snag::Row(format!(
                "the value of key {} is {}, not a string; use --values json to store it as JSON text",
                shown(&self.texts.key),
                value.a_type()
            ))),
        }
    }

    fn key(&mut self, window: &mut Window<Input<'_>>, key: &Item) -> Result<(), Snag> {
        match key {
            Item::Span(span) if !is_number(span.kind) => {
                let result = load(&mut self.texts, window, *span, Which::Key, self.keys == KeyKind::Text);
                result.map_err(|snag| {
                    let prefixed = prefix(snag, &format!("the key {} ", shown(&self.texts.key)));
                    suffix(prefixed, "; use --keys bytes to keep it as it is")
                })
            }
            Item::Int(number) => Err(Snag::Row(format!(
                "the key {number} is an int, not a string; make all keys strings before pickling"
            ))),
            _ => Err(Snag::Row(format!(
                "the key is {}, not a string; make all keys strings before pickling",
                key.a_type()
            ))),
        }
    }
}

fn prefix(snag: Snag, words: &str) -> Snag {
    match snag {
        Snag::Row(what) => Snag::Row(format!("{words}{what}")),
        halt => halt,
    }
}

fn suffix(snag: Snag, words: &str) -> Snag {
    match snag {
        Snag::Row(what) => Snag::Row(format!("{what}{words}")),
        halt => halt,
    }
}

/// Whether the bytes can be taken as they stand.
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

/// Puts the string into its buffer; with `text` it must be text. What is wrong begins with "is" or "holds".
fn load(
    texts: &mut Texts,
    window: &mut Window<Input<'_>>,
    span: Span,
    which: Which,
    text: bool,
) -> Result<(), Snag> {
    texts.load(span, window, which)?;
    let bytes = texts.buffer(which);
    match span.kind {
        Kind::Bytes | Kind::Latin1OfUtf8 | Kind::Latin1OfEscaped if text => {
            Err(Snag::Row("is a bytes object, not text".into()))
        }
        Kind::Utf8 | Kind::Escaped | Kind::Old | Kind::OldQuoted if text => {
            not_text(span.kind, bytes).map_or(Ok(()), |what| Err(Snag::Row(what)))
        }
        _ => Ok(()),
    }
}

/// Why bytes of that kind are no text, if they are not.
pub(crate) fn not_text(kind: Kind, bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| {
        match kind {
            Kind::Old | Kind::OldQuoted => "is a Python 2 str that is not valid UTF-8",
            _ if text::has_surrogate(bytes) => "holds a lone surrogate, which is not text",
            _ => "is not valid UTF-8",
        }
        .to_owned()
    })
}
