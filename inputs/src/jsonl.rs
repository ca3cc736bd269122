//! One JSON object or two-element array per line.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::value::RawValue;

use crate::bad_row::Reason;
use crate::block::Block;
use crate::check::{Check, Typed};
use crate::json_key::json_key;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::scan;
use crate::shown::cut_off;
use crate::sink::Sink;
use crate::stop::Stop;

/// Gives all records of a block to the sink.
pub(crate) fn parse<S: Sink>(
    block: &Block<'_>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let bytes = block.bytes();
    let rows = Rows::new(options);
    // Text that serde has read is UTF-8.
    let check = Check::new(options, b"", b"");
    let mut typed = Typed::default();
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let length = scan::first(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..length];
        if !line.trim_ascii().is_empty() {
            let pair = rows.read(line).map_err(|wrong| wrong.reason(|at| format!("column {}", at + 1)));
            let pair = match &pair {
                Ok((key, value)) => check.typed(key.as_bytes(), value.as_bytes(), &mut typed),
                Err(reason) => Err(reason.clone()),
            };
            outlet.row(block, start, pair)?;
        }
        start += length + 1;
    }
    Ok(())
}

/// Why a text is no record.
pub(crate) enum Wrong {
    Reason(Reason),
    /// It is no JSON, from this offset on.
    Syntax(String, usize),
}

impl Wrong {
    /// Where in the text it is no JSON.
    pub fn at(&self) -> usize {
        if let Wrong::Syntax(_, at) = self { *at } else { 0 }
    }

    /// In a text that goes on behind the record.
    pub fn within(self) -> Self {
        match self {
            Wrong::Syntax(what, at) => match what.strip_prefix("EOF while parsing ") {
                Some(what) => Wrong::Syntax(format!("{what} is incomplete"), at),
                None => Wrong::Syntax(what, at),
            },
            other => other,
        }
    }

    /// The reason, with a name for the place in the text.
    pub fn reason(self, place: impl FnOnce(usize) -> String) -> Reason {
        match self {
            Wrong::Reason(reason) => reason,
            Wrong::Syntax(what, at) => format!("not valid JSON ({what} at {})", place(at)).into(),
        }
    }
}

/// Reads records that are JSON.
pub(crate) struct Rows<'o> {
    options: &'o ReadOptions,
    advice: Cell<Option<Advice>>,
}

impl<'o> Rows<'o> {
    pub fn new(options: &'o ReadOptions) -> Self {
        Rows { options, advice: Cell::new(None) }
    }

    fn row(&self) -> Row<'_> {
        Row { options: self.options, advice: &self.advice }
    }

    /// Reads a record: an object or an array.
    pub fn read<'t>(&self, json: &'t [u8]) -> Result<Pair<'t>, Wrong> {
        self.row().read(json)
    }

    /// Reads a key, and a value that begins so many bytes after the key does.
    pub fn pair<'t>(&self, key: &'t [u8], behind: usize, value: &'t [u8]) -> Result<Pair<'t>, Wrong> {
        let row = self.row();
        let text = |what, json: &'t [u8]| {
            let mut json = serde_json::Deserializer::from_slice(json);
            let text = row.text(what).deserialize(&mut json)?;
            json.end().map(|()| text)
        };
        let raw = |json: &'t [u8]| serde_json::from_slice::<&'t RawValue>(json).map(RawValue::get);
        let read_key =
            if self.options.key_type == KeyType::Int { raw(key).map(unquoted) } else { text("key", key) };
        let read_value = match self.options.value_type {
            ValueType::None => raw(value).map(|_| Cow::Borrowed("")),
            _ if row.raw_value() => raw(value).map(Cow::Borrowed),
            _ => text("value", value),
        };
        let read_key = read_key.map_err(|error| row.explain(&error, key))?;
        let read_value = read_value.map_err(|error| match row.explain(&error, value) {
            Wrong::Syntax(what, at) => Wrong::Syntax(what, at + behind),
            reason => reason,
        })?;
        Ok((read_key, read_value))
    }
}

pub(crate) type Pair<'de> = (Cow<'de, str>, Cow<'de, str>);

/// Reads one line.
#[derive(Clone, Copy)]
struct Row<'o> {
    options: &'o ReadOptions,
    /// What helps after an error; errors of serde cannot carry it.
    advice: &'o Cell<Option<Advice>>,
}

impl<'o> Row<'o> {
    fn read(self, line: &[u8]) -> Result<Pair<'_>, Wrong> {
        let first = line.iter().find(|byte| !byte.is_ascii_whitespace());
        if self.options.json_keys
            && self.options.value_type == ValueType::None
            && !self.options.names_fields()
            && !matches!(first, Some(b'[' | b'{'))
        {
            let raw = serde_json::from_slice::<&RawValue>(line);
            let key =
                raw.and_then(|raw| self.raw_key(raw.get())).map_err(|error| self.explain(&error, line))?;
            return Ok((key, Cow::Borrowed("")));
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        let pair = self.deserialize(&mut json).and_then(|pair| json.end().map(|()| pair));
        pair.map_err(|error| self.explain(&error, line))
    }

    #[cold]
    fn explain(self, error: &serde_json::Error, json: &[u8]) -> Wrong {
        let advice = self.advice.take();
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        if matches!(what, "lone leading surrogate in hex escape" | "unexpected end of hex escape") {
            let what = format!("a string holds half of a surrogate pair, which is not text ({what})");
            return Wrong::Reason(what.into());
        }
        if !(error.is_syntax() || error.is_eof()) {
            // The parser puts a string of any length into its words.
            let long = what
                .strip_prefix("invalid type: string \"")
                .and_then(|rest| rest.split_once("\", expected "));
            let what = match long {
                Some((text, expected)) => {
                    format!("invalid type: string \"{}\", expected {expected}", cut_off(text))
                }
                None => what.to_owned(),
            };
            return Wrong::Reason(Reason { what: what.into(), advice });
        }
        if what == "invalid unicode code point" {
            return Wrong::Reason(Reason::with(Advice::Encoding, "a string is not valid UTF-8"));
        }
        let before = json.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
        let at = (before.map(<[u8]>::len).sum::<usize>() + error.column()).saturating_sub(1);
        Wrong::Syntax(what.to_owned(), at)
    }

    /// The record of a line that is neither an object nor an array: enough if there are no values.
    fn only_key<'de, E: serde::de::Error>(
        self,
        key: Cow<'de, str>,
        found: Unexpected<'_>,
    ) -> Result<Pair<'de>, E> {
        let is_key = matches!(found, Unexpected::Str(_)) || self.options.key_type == KeyType::Int;
        if self.options.value_type == ValueType::None && is_key && !self.options.names_fields() {
            return Ok((key, Cow::Borrowed("")));
        }
        Err(E::invalid_type(found, &self))
    }

    /// True if keys are looked at as JSON text.
    fn has_raw_keys(self) -> bool {
        self.options.key_type == KeyType::Int || self.options.json_keys
    }

    /// The key in this JSON text.
    fn raw_key<E: serde::de::Error>(self, json: &str) -> Result<Cow<'_, str>, E> {
        if self.options.json_keys { json_key(json).map_err(E::custom) } else { Ok(unquoted(json)) }
    }

    /// True if values are looked at as JSON text.
    fn raw_value(self) -> bool {
        matches!(self.options.value_type, ValueType::Json | ValueType::None | ValueType::Numbers(_))
    }

    fn text(self, what: &'static str) -> Text<'o> {
        Text { row: self, what }
    }
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = Pair<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Pair<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = Pair<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key_field, value_field) = (self.options.key_field(), self.options.value_field());
        write!(f, "an object with the fields {key_field:?} and {value_field:?}")?;
        // Only objects have fields.
        if self.options.names_fields() { Ok(()) } else { f.write_str(", or an array of key and value") }
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Pair<'de>, E> {
        self.only_key(Cow::Borrowed(key), Unexpected::Str(key))
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Pair<'de>, E> {
        self.only_key(Cow::Owned(key.to_owned()), Unexpected::Str(key))
    }

    fn visit_i64<E: serde::de::Error>(self, key: i64) -> Result<Pair<'de>, E> {
        self.only_key(Cow::Owned(key.to_string()), Unexpected::Signed(key))
    }

    fn visit_u64<E: serde::de::Error>(self, key: u64) -> Result<Pair<'de>, E> {
        self.only_key(Cow::Owned(key.to_string()), Unexpected::Unsigned(key))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pair<'de>, A::Error> {
        let (key_field, value_field) = (self.options.key_field(), self.options.value_field());
        let (mut key, mut value) = (None, None);
        while let Some(name) = map.next_key_seed(self.text("name"))? {
            let twice = |is: bool| {
                if is { Err(A::Error::custom(format!("the field {name:?} occurs twice"))) } else { Ok(()) }
            };
            if *name == *key_field {
                twice(key.is_some())?;
                key = Some(if self.has_raw_keys() {
                    self.raw_key(map.next_value::<&'de RawValue>()?.get())?
                } else {
                    map.next_value_seed(self.text("key"))?
                });
                if key_field == value_field {
                    value.clone_from(&key);
                }
            } else if *name == *value_field {
                twice(value.is_some())?;
                value = Some(if self.raw_value() {
                    Cow::Borrowed(map.next_value::<&'de RawValue>()?.get())
                } else {
                    map.next_value_seed(self.text("value"))?
                });
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let missing = |name: &str| {
            self.advice.set(Some(Advice::Fields));
            A::Error::custom(format!("the field {name:?} is missing"))
        };
        if self.options.value_type == ValueType::None {
            value = Some(Cow::Borrowed(""));
        }
        Ok((key.ok_or_else(|| missing(key_field))?, value.ok_or_else(|| missing(value_field))?))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pair<'de>, A::Error> {
        if self.options.names_fields() {
            return Err(A::Error::invalid_type(Unexpected::Other("an array"), &self));
        }
        let wrong = || {
            A::Error::custom(
                "the array must have exactly two elements, key and value; an array of records is one JSON document, the format json",
            )
        };
        let key = if self.has_raw_keys() {
            seq.next_element::<&'de RawValue>()?.map(|raw| self.raw_key(raw.get())).transpose()?
        } else {
            seq.next_element_seed(self.text("key"))?
        };
        let key = key.ok_or_else(wrong)?;
        let value = if self.raw_value() {
            seq.next_element::<&'de RawValue>()?.map(|raw| Cow::Borrowed(raw.get()))
        } else {
            seq.next_element_seed(self.text("value"))?
        };
        let value = match value {
            None if self.options.value_type == ValueType::None => Cow::Borrowed(""),
            value => value.ok_or_else(wrong)?,
        };
        if seq.next_element::<IgnoredAny>()?.is_some() {
            return Err(wrong());
        }
        Ok((key, value))
    }
}

/// An integer may be a number or a string.
fn unquoted(json: &str) -> Cow<'_, str> {
    Cow::Borrowed(json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json))
}

const INTEGER: &str = "an integer";

/// Reads a string, borrowed from the line if it has no escapes.
struct Text<'o> {
    row: Row<'o>,
    what: &'static str,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl Text<'_> {
    fn wrong<E: serde::de::Error>(&self, found: &str) -> E {
        if self.what == "value" {
            self.row.advice.set(Some(Advice::JsonValues));
        } else if found == INTEGER {
            self.row.advice.set(Some(Advice::IntKeys));
        }
        E::custom(format!("the {} is {found}, not a string", self.what))
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string as {}", self.what)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(self.wrong("true or false"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(self.wrong(INTEGER))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(self.wrong(INTEGER))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.wrong("a number"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(self.wrong("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.wrong("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.wrong("an object"))
    }
}
