//! How to read: types of keys and values, columns and fields, and what to do with a bad row.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hashlith_format::{KeyType, ValueType};

use crate::format::{Format, UnknownName};

/// What to do with a row that cannot be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Stop with an error that says where the row is.
    #[default]
    Stop,
    /// Leave the row out and count it. Damage after which the rest of a file cannot be trusted (a truncated or
    /// malformed pickle, bad compression) is still an error.
    Skip {
        /// More bad rows than this are an error.
        max_errors: Option<u64>,
    },
}

/// A column of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its name in the header, which is the first record of each file.
    Name(String),
    /// By its number, from 1.
    Number(usize),
}

impl FromStr for Column {
    type Err = UnknownName;

    /// A whole number from 1 is a column's number; anything else is a name.
    fn from_str(word: &str) -> Result<Self, UnknownName> {
        match word.parse::<usize>() {
            Ok(0) => Err(UnknownName {
                word: word.to_owned(),
                what: "column",
                choices: "a number from 1, or a name from the header".to_owned(),
            }),
            Ok(number) => Ok(Column::Number(number)),
            Err(_) => Ok(Column::Name(word.to_owned())),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "{name:?}"),
            Column::Number(number) => write!(f, "{number}"),
        }
    }
}

/// The encoding with this name: one of the labels of the Encoding Standard, or Python's `latin-1`.
#[must_use]
pub fn encoding(name: &str) -> Option<&'static encoding_rs::Encoding> {
    let name = if name.eq_ignore_ascii_case("latin-1") { "latin1" } else { name };
    encoding_rs::Encoding::for_label(name.as_bytes())
}

/// How to read. The default reads text keys and text values, and stops at the first bad row.
///
/// ```
/// use hashlith_format::ValueType;
/// use hashlith_inputs::{Column, Format, OnError, ReadOptions};
///
/// let options = ReadOptions {
///     format: Some(Format::Csv),
///     value_type: ValueType::Json,
///     key_column: Column::Name("id".to_owned()),
///     value_column: Column::Number(3),
///     on_error: OnError::Skip { max_errors: Some(100) },
///     ..ReadOptions::default()
/// };
/// assert!(options.has_header(), "a column has a name");
/// ```
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The format of all sources; `None` takes it from each file's extension.
    pub format: Option<Format>,
    /// What keys are. With [`KeyType::Text`] every key must be valid UTF-8, and a `bytes` object in a pickle is
    /// refused; with [`KeyType::Bytes`] text is stored as its UTF-8.
    pub key_type: KeyType,
    /// What values are. [`ValueType::Text`] and [`ValueType::Bytes`] are as for keys. [`ValueType::Json`] takes any
    /// JSON value: a text format's as it stands, a pickle's as the compact text of Python's
    /// `json.dumps(value, separators=(",", ":"), ensure_ascii=False)`.
    pub value_type: ValueType,
    /// TSV: decode `\t`, `\n`, `\r` and `\\` in keys and values.
    pub escape: bool,
    /// CSV: the key's column.
    pub key_column: Column,
    /// CSV: the value's column.
    pub value_column: Column,
    /// CSV: the first record of each file is a header even if both columns are numbers.
    pub header: bool,
    /// JSON lines, and pickled lists of dicts: the name of the key's field.
    pub key_field: String,
    /// JSON lines, and pickled lists of dicts: the name of the value's field.
    pub value_field: String,
    /// What to do with a bad row.
    pub on_error: OnError,
    /// Where pickles from pipes, and compressed pickles with repeated objects, are kept while they are read.
    /// `None` is the system's directory for temporary files.
    pub temp_dir: Option<PathBuf>,
    /// The longest record of a format other than pickle, in bytes: a guard against a missing quote or newline.
    pub max_record_bytes: usize,
    /// How many bytes are read at a time. For tests.
    #[doc(hidden)]
    pub block_bytes: usize,
    /// Pickle, with [`KeyType::Text`]: any key that JSON can hold is stored as its JSON text, the compact text of Python's
    /// `json.dumps(key, separators=(",", ":"), ensure_ascii=False)`; so a string gets quotes, and no two keys are the same.
    pub json_keys: bool,
    /// Pickle: the dict to read out of a tuple, list or dict of several, by its number from 0 or by its key.
    pub pick: Option<String>,
    /// The encoding of text that is not UTF-8; in pickles that of Python 2's `str`.
    pub encoding: Option<&'static encoding_rs::Encoding>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            format: None,
            key_type: KeyType::Text,
            value_type: ValueType::Text,
            escape: false,
            key_column: Column::Number(1),
            value_column: Column::Number(2),
            header: false,
            key_field: "key".to_owned(),
            value_field: "value".to_owned(),
            on_error: OnError::Stop,
            temp_dir: None,
            max_record_bytes: usize::try_from(4u64 << 30).unwrap_or(usize::MAX),
            block_bytes: 1 << 20,
            json_keys: false,
            pick: None,
            encoding: None,
        }
    }
}

impl ReadOptions {
    /// Whether the first record of a CSV file is its header.
    #[must_use]
    pub fn has_header(&self) -> bool {
        let named = |column: &Column| matches!(column, Column::Name(_));
        self.header || named(&self.key_column) || named(&self.value_column)
    }
}
