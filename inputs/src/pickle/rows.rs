//! From items to records: checks the types of keys and values, and gets their bytes.

use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType, int_key};

use crate::bad_row::{BadRow, Reason};
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::pickle::input::Input;
use crate::pickle::item::{Item, Kind, Seq, SeqKind, Span, is_number};
use crate::pickle::json;
use crate::pickle::numbers::{digits, write_numbers};
use crate::pickle::row_error::RowError;
use crate::pickle::text::not_text;
use crate::pickle::texts::{Texts, Which};
use crate::pickle::window::{MOST_KEPT, Window};
use crate::shown::shown;
use crate::sink::Sink;
use crate::stop::Stop;
use crate::typed;

/// Passes rows to the sink.
pub(crate) struct Rows<'m, 'o, S: Sink> {
    pub outlet: &'m mut Outlet<'o, S>,
    options: &'m ReadOptions,
    key_type: KeyType,
    value_type: ValueType,
    /// Keys and values are stored as they are if they are strings.
    is_plain: bool,
    /// Rows of this pickle so far, bad ones included.
    pub seen: u64,
    /// Rows that went to the sink before reading restarted at the beginning of the pickle.
    pub before: u64,
    pub texts: Texts,
}

impl<'m, 'o, S: Sink> Rows<'m, 'o, S> {
    pub fn new(outlet: &'m mut Outlet<'o, S>, options: &'m ReadOptions) -> Self {
        let keys = matches!(options.key_type, KeyType::Text | KeyType::Bytes | KeyType::None);
        let values = matches!(options.value_type, ValueType::Bytes | ValueType::Text);
        Rows {
            outlet,
            options,
            // With an encoding, strings of Python 2 are decoded.
            is_plain: keys && values && !options.json_keys && options.encoding.is_none(),
            key_type: options.key_type,
            value_type: options.value_type,
            seen: 0,
            before: 0,
            texts: Texts::new(options.encoding),
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
        if self.is_plain
            && let (Item::Span(key), Item::Span(value)) = (key, value)
            && let Some(key_bytes) = window.slice(key.payload(), key.length)
            && let Some(value_bytes) = window.slice(value.payload(), value.length)
            && plain(key.kind, self.key_type == KeyType::Text, key_bytes)
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

    /// True if there are keys only, which a set may hold.
    pub fn takes_keys(&self) -> bool {
        self.options.takes_keys()
    }

    /// True if values may be containers.
    pub fn takes_any_value(&self) -> bool {
        self.value_type == ValueType::Json
    }

    pub fn names_fields(&self) -> bool {
        self.options.names_fields()
    }

    /// Refuses a dict of keys and values if fields are named, which it does not have.
    pub fn allow_dict(&self, at: u64) -> Result<(), BadRow> {
        if !self.names_fields() {
            return Ok(());
        }
        let what =
            "this is a dict of keys and values, which have no fields to name: these are for a list of dicts";
        Err(BadRow::new(at, what))
    }

    /// An element of a list or tuple of pairs.
    pub fn element(
        &mut self,
        window: &mut Window<Input<'_>>,
        at: u64,
        item: &Item,
    ) -> Result<(), Stop<S::Error>> {
        let fields = self.options.names_fields();
        if let Item::Seq(seq) = item
            && !fields
            && matches!(seq.kind(), SeqKind::Tuple | SeqKind::List)
            && let [key, value] = &seq.items.borrow()[..]
        {
            return self.pair(window, at, key, value);
        }
        if self.value_type == ValueType::None && !fields && !matches!(item, Item::Seq(_)) {
            return self.pair(window, at, item, &Item::None);
        }
        let reason = match item {
            Item::Seq(seq) if seq.kind() == SeqKind::Dict => match self.fields(window, seq) {
                Ok([Some(key), Some(value)]) => return self.pair(window, at, &key, &value),
                Ok([key, _]) => self.missing(key.is_none(), "this dict of the outermost list"),
                Err(RowError::Bad(reason)) => reason,
                Err(RowError::Stop(stop)) => return Err(stop.for_sink()),
            },
            _ if fields => {
                let found = item.a_type();
                format!("this element of the outermost list is {found}, not a dict, which alone has fields to name").into()
            }
            Item::Seq(seq) if matches!(seq.kind(), SeqKind::Tuple | SeqKind::List) => {
                let found = format!("a {} of {} elements", item.type_name(), seq.items.borrow().len());
                not_a_pair(&found)
            }
            _ => not_a_pair(&item.a_type()),
        };
        self.bad(at, reason)
    }

    /// A dict that is a pickle of its own, with fields named. Only the first one of a file may be another kind of dict.
    pub fn dict_of_fields(
        &mut self,
        window: &mut Window<Input<'_>>,
        at: u64,
        record: &Seq,
        first: bool,
    ) -> Result<(), Stop<S::Error>> {
        let reason = match self.fields(window, record) {
            Ok([Some(key), Some(value)]) => return self.pair(window, at, &key, &value),
            Ok([None, None | Some(Item::None)]) if first => return Ok(self.allow_dict(at)?),
            Ok([key, _]) => self.missing(key.is_none(), "this dict"),
            Err(RowError::Bad(reason)) => reason,
            Err(RowError::Stop(stop)) => return Err(stop.for_sink()),
        };
        self.bad(at, reason)
    }

    /// Why a dict is no record.
    fn missing(&self, key: bool, dict: &str) -> Reason {
        let field = if key { self.options.key_field() } else { self.options.value_field() };
        Reason::with(Advice::Fields, format!("{dict} has no key {field:?}"))
    }

    /// A row that is no record.
    pub fn bad(&mut self, at: u64, reason: Reason) -> Result<(), Stop<S::Error>> {
        self.seen += 1;
        if self.seen <= self.before {
            return Ok(());
        }
        self.outlet.bad_row(BadRow::new(at, reason))
    }

    /// Key and value of a record that is a dict.
    fn fields(
        &mut self,
        window: &mut Window<Input<'_>>,
        record: &Seq,
    ) -> Result<[Option<Item>; 2], RowError> {
        let mut found = [None, None];
        for pair in record.items.borrow().chunks_exact(2) {
            let number = match &pair[0] {
                Item::Span(name) if !is_number(name.kind) && name.length <= 1 << 10 => {
                    self.texts.load_part(*name, window)?;
                    None
                }
                Item::Int(name) => Some(name.to_string()),
                _ => continue,
            };
            let name = number.as_ref().map_or(&self.texts.part[..], |number| number.as_bytes());
            let (key_field, value_field) = (self.options.key_field(), self.options.value_field());
            for (field, found) in [key_field, value_field].into_iter().zip(&mut found) {
                // A string goes before the same number.
                if name == field.as_bytes() && (number.is_none() || found.is_none()) {
                    *found = Some(pair[1].clone());
                }
            }
        }
        if self.value_type == ValueType::None {
            found[1] = Some(Item::None);
        }
        Ok(found)
    }

    /// True if a whole pickle is one pair of key and value, as `pickle.dump((key, value), file)` writes it, and not two pairs.
    pub fn is_pair(&self, seq: &Seq) -> bool {
        if seq.kind() != SeqKind::Tuple || self.value_type == ValueType::None || self.options.names_fields() {
            return false;
        }
        let is_two = |item: &Item| matches!(item, Item::Seq(inner) if inner.kind() != SeqKind::Dict && inner.items.borrow().len() == 2);
        match &seq.items.borrow()[..] {
            [Item::Seq(key), value] => {
                self.options.json_keys && key.kind() == SeqKind::Tuple && !is_two(value)
            }
            [_, _] => true,
            _ => false,
        }
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
            _ => Err(self.no_string(window, value)),
        };
        result.map_err(|error| error.prefixed(&format!("the value of key {} ", shown(&self.texts.key))))
    }

    /// Why a value is not a string, with advice that helps.
    #[cold]
    fn no_string(&mut self, window: &mut Window<Input<'_>>, value: &Item) -> RowError {
        let what = format!("is {}, not a string", value.a_type());
        if value.foreign_class().is_some() {
            return format!("{what}; this reader runs nothing, so convert it before pickling").into();
        }
        if matches!(value, Item::Back) {
            return format!("{what}; convert it before pickling").into();
        }
        match json::write(value, window, &mut self.texts) {
            Ok(()) => Reason::with(Advice::JsonValues, what).into(),
            Err(RowError::Bad(reason)) => format!("{what}; as JSON it {}", reason.what).into(),
            Err(stop) => stop,
        }
    }

    fn key(&mut self, window: &mut Window<Input<'_>>, key: &Item) -> Result<(), RowError> {
        if self.key_type == KeyType::Int {
            return self.int_key(window, key);
        }
        let is_string = matches!(key, Item::Span(span) if !is_number(span.kind));
        if self.options.json_keys && !is_string {
            return self.json_key(window, key);
        }
        let found = match key {
            Item::Span(span) if is_string => {
                let text = (self.key_type == KeyType::Text).then_some(Advice::BytesKeys);
                let result = load(&mut self.texts, window, *span, Which::Key, text);
                return result
                    .map_err(|error| error.prefixed(&format!("the key {} ", shown(&self.texts.key))));
            }
            Item::Int(number) => format!("the key {number} is an int"),
            Item::Big(number) => format!("the key {number} is an int"),
            Item::Float(number) => format!("the key {number} is a float"),
            _ => format!("the key is {}", key.a_type()),
        };
        let advice = match key {
            Item::Int(_) | Item::Span(_) => Advice::IntOrJsonKeys,
            _ => match json::write(key, window, &mut self.texts) {
                Ok(()) => Advice::JsonKeys,
                Err(RowError::Bad(_)) => {
                    return Err(
                        format!("{found}, not a string; make all keys strings before pickling").into()
                    );
                }
                Err(stop) => return Err(stop),
            },
        };
        Err(Reason::with(advice, format!("{found}, not a string")).into())
    }

    /// A key as its JSON text.
    fn json_key(&mut self, window: &mut Window<Input<'_>>, key: &Item) -> Result<(), RowError> {
        json::write(key, window, &mut self.texts).map_err(|error| error.prefixed("the key "))?;
        std::mem::swap(&mut self.texts.key, &mut self.texts.value);
        Ok(())
    }

    fn int_key(&mut self, window: &mut Window<Input<'_>>, key: &Item) -> Result<(), RowError> {
        let bytes = match key {
            Item::Int(number) => int_key(*number),
            Item::Big(number) => {
                let text = number.to_string();
                typed::parse_key(text.as_bytes()).map_err(|what| format!("the key {text} {what}"))?
            }
            Item::Span(span) if is_number(span.kind) => {
                let text = digits(*span, window, &mut self.texts)?;
                typed::parse_key(text.as_bytes()).map_err(|what| format!("the key {text} {what}"))?
            }
            Item::Span(span) => {
                load(&mut self.texts, window, *span, Which::Key, None)?;
                let key = shown(&self.texts.key);
                return Err(format!("the key {key} is {}, not an integer", Item::Span(*span).a_type()).into());
            }
            _ => return Err(format!("the key is {}, not an integer", key.a_type()).into()),
        };
        self.texts.key.clear();
        self.texts.key.extend_from_slice(&bytes);
        Ok(())
    }
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

fn not_a_pair(found: &str) -> Reason {
    format!("this element of the outermost list is {found}, not a pair of key and value").into()
}

fn is_old(kind: Kind) -> bool {
    matches!(kind, Kind::Old | Kind::OldQuoted)
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
        Kind::LongBinary | Kind::LongDigits => None,
        Kind::Old | Kind::OldQuoted => {
            texts.decode_old(which)?;
            not_text(span.kind, texts.buffer(which))
        }
        _ => not_text(span.kind, texts.buffer(which)),
    };
    let advice = if is_old(span.kind) { Advice::EncodingOrBytes } else { advice };
    wrong.map_or(Ok(()), |what| Err(Reason::with(advice, what).into()))
}
