//! One JSON object or two-element array a line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Halt;
use crate::feed::Block;
use crate::options::{Options, ValueKind};
use crate::outlet::Outlet;
use crate::read::Sink;

/// Feeds all records of a block to the sink.
pub(crate) fn parse<S: Sink>(
    block: &Block,
    options: &Options,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Halt<S::Error>> {
    let bytes = block.bytes();
    let mut start = 0;
    // A byte order mark, which some programs put first, is not JSON.
    if block.start == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
        start = 3;
    }
    let row = Row { options };
    while start < bytes.len() {
        let rest = &bytes[start..];
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..length];
        if !line.trim_ascii().is_empty() {
            match row.read(line) {
                Ok((key, value)) => {
                    outlet.record(block.start + start as u64, key.as_bytes(), value.as_bytes())?;
                }
                Err(what) => outlet.bad_row(block.fault(start, what))?,
            }
        }
        start += length + 1;
    }
    Ok(())
}

type Pair<'de> = (Cow<'de, str>, Cow<'de, str>);

/// Reads one line.
#[derive(Clone, Copy)]
struct Row<'o> {
    options: &'o Options,
}

impl Row<'_> {
    fn read(self, line: &[u8]) -> Result<Pair<'_>, String> {
        let mut json = serde_json::Deserializer::from_slice(line);
        let pair = self.deserialize(&mut json).and_then(|pair| json.end().map(|()| pair));
        pair.map_err(|error| self.explain(&error))
    }

    #[cold]
    fn explain(self, error: &serde_json::Error) -> String {
        // The line is known already, and within it the library counts columns.
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        if what.contains("surrogate") || what.contains("unexpected end of hex escape") {
            return format!("a string holds half of a surrogate pair, which is not text ({what})");
        }
        if error.is_syntax() || error.is_eof() {
            return format!("not valid JSON ({what} at column {})", error.column());
        }
        what.to_owned()
    }

    fn text(self) -> Text {
        Text { what: "value", json_hint: true }
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
        let Options { key_field, value_field, .. } = self.options;
        write!(f, "an object with the fields {key_field:?} and {value_field:?}, or an array of key and value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pair<'de>, A::Error> {
        let Options { key_field, value_field, .. } = self.options;
        let (mut key, mut value) = (None, None);
        while let Some(name) = map.next_key_seed(Text { what: "name", json_hint: false })? {
            let twice = |is: bool| {
                if is { Err(A::Error::custom(format!("the field {name:?} is there twice"))) } else { Ok(()) }
            };
            if *name == **key_field {
                twice(key.is_some())?;
                key = Some(map.next_value_seed(Text { what: "key", json_hint: false })?);
                if key_field == value_field {
                    value.clone_from(&key);
                }
            } else if *name == **value_field {
                twice(value.is_some())?;
                value = Some(if self.options.values == ValueKind::Json {
                    Cow::Borrowed(map.next_value::<&'de RawValue>()?.get())
                } else {
                    map.next_value_seed(self.text())?
                });
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let missing = |name: &str| {
            A::Error::custom(format!(
                "the field {name:?} is missing (--key-field and --value-field name others)"
            ))
        };
        Ok((key.ok_or_else(|| missing(key_field))?, value.ok_or_else(|| missing(value_field))?))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pair<'de>, A::Error> {
        let wrong = || A::Error::custom("the array must have exactly two elements, key and value");
        let key = seq.next_element_seed(Text { what: "key", json_hint: false })?.ok_or_else(wrong)?;
        let value = if self.options.values == ValueKind::Json {
            seq.next_element::<&'de RawValue>()?.map(|raw| Cow::Borrowed(raw.get()))
        } else {
            seq.next_element_seed(self.text())?
        };
        let value = value.ok_or_else(wrong)?;
        if seq.next_element::<IgnoredAny>()?.is_some() {
            return Err(wrong());
        }
        Ok((key, value))
    }
}

/// Reads a string, borrowed from the line if it has no escapes.
struct Text {
    what: &'static str,
    json_hint: bool,
}

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl Text {
    fn wrong<E: serde::de::Error>(&self, kind: &str) -> E {
        let hint = if self.json_hint { "; use --values json to store it as JSON text" } else { "" };
        E::custom(format!("the {} is {kind}, not a string{hint}", self.what))
    }
}

impl<'de> Visitor<'de> for Text {
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
        Err(self.wrong("a number"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(self.wrong("a number"))
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
