//! Whether bytes are what keys and values must be.

use hashlith_feedback::Advice;
use hashlith_format::{KeyType, Row, ValueType};
use serde::de::IgnoredAny;

use crate::bad_row::Reason;
use crate::options::ReadOptions;
use crate::shown::shown;
use crate::typed::{parse_key, parse_row};

/// What the keys and values of one block must be.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    /// All rows are what they must be, as they stand.
    pub as_is: bool,
    key_text: bool,
    value_text: bool,
    value_json: bool,
    /// Keys are integers in decimal.
    key_int: bool,
    /// There are no values: those of the input are ignored.
    no_value: bool,
    /// Values are numbers in decimal.
    row: Option<Row>,
    /// What helps if something is not UTF-8.
    advice: Advice,
}

/// The bytes of a key and a value that are text in the input.
#[derive(Default)]
pub(crate) struct Typed {
    key: [u8; 8],
    value: Vec<u8>,
}

impl Check {
    /// For a block whose fields end at an ASCII byte or at this delimiter. If both are UTF-8, so is every field.
    pub fn new(options: &ReadOptions, block: &[u8], delimiter: &[u8]) -> Self {
        let each = Check::each(options);
        let text = std::str::from_utf8(delimiter).is_ok();
        let valid = text && (each.key_text || each.value_text) && std::str::from_utf8(block).is_ok();
        let (key_text, value_text) = (each.key_text && !valid, each.value_text && !valid);
        let as_is = !(key_text || value_text || each.value_json || each.converts());
        Check { as_is, key_text, value_text, advice: Advice::EncodingOrBytes, ..each }
    }

    /// For formats whose fields may end anywhere: each field is checked.
    pub fn each(options: &ReadOptions) -> Self {
        Check {
            as_is: false,
            key_text: options.key_type == KeyType::Text,
            value_text: options.value_type == ValueType::Text,
            value_json: options.value_type == ValueType::Json,
            key_int: options.key_type == KeyType::Int,
            no_value: options.value_type == ValueType::None,
            row: options.value_type.row(),
            advice: Advice::Bytes,
        }
    }

    /// True if rows need no value.
    #[inline]
    pub fn no_value(self) -> bool {
        self.no_value
    }

    /// Whether a value may be null.
    pub fn has_nulls(self) -> bool {
        self.value_json
    }

    /// Whether what the sink takes is not what stands in the row.
    #[inline]
    fn converts(self) -> bool {
        self.key_int || self.no_value || self.row.is_some()
    }

    /// Checks a row, and returns its key and value as the sink takes them.
    #[inline]
    pub fn row<'a>(
        self,
        key: &'a [u8],
        value: &'a [u8],
        typed: &'a mut Typed,
    ) -> Result<(&'a [u8], &'a [u8]), Reason> {
        self.key(key)?;
        self.value(key, value)?;
        self.typed(key, value, typed)
    }

    /// As [`Self::row`], for a row that is known to be text.
    #[inline]
    pub fn typed<'a>(
        self,
        key: &'a [u8],
        value: &'a [u8],
        typed: &'a mut Typed,
    ) -> Result<(&'a [u8], &'a [u8]), Reason> {
        if self.converts() {
            return self.convert(key, value, typed);
        }
        Ok((key, value))
    }

    #[inline(never)]
    fn convert<'a>(
        self,
        key: &'a [u8],
        value: &'a [u8],
        typed: &'a mut Typed,
    ) -> Result<(&'a [u8], &'a [u8]), Reason> {
        let Typed { key: int, value: numbers } = typed;
        let stored = if self.key_int {
            *int = parse_key(key).map_err(|what| format!("the key {} {what}", shown(key)))?;
            &*int
        } else {
            key
        };
        if self.no_value {
            return Ok((stored, &[]));
        }
        let Some(row) = self.row else { return Ok((stored, value)) };
        numbers.clear();
        parse_row(row, value, numbers).map_err(|what| format!("the value of key {} {what}", shown(key)))?;
        Ok((stored, numbers))
    }

    #[inline]
    pub fn key(self, key: &[u8]) -> Result<(), Reason> {
        if self.key_text && std::str::from_utf8(key).is_err() {
            return Err(Reason::with(self.advice, "the key is not valid UTF-8"));
        }
        Ok(())
    }

    #[inline]
    pub fn value(self, key: &[u8], value: &[u8]) -> Result<(), Reason> {
        let text =
            if self.value_text || self.value_json { std::str::from_utf8(value).ok() } else { Some("") };
        let Some(text) = text else {
            let what = format!("the value of key {} is not valid UTF-8", shown(key));
            return Err(Reason::with(self.advice, what));
        };
        if self.value_json
            && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
        {
            return Err(format!("the value of key {} is not valid JSON ({error})", shown(key)).into());
        }
        Ok(())
    }
}
