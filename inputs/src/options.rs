//! How to read: types of keys and values, columns and fields, and what to do with a bad row.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hashlith_format::{KeyType, ValueType};

use crate::dialect::{Delimiter, Dialect, Quotes};
use crate::encoding::Encoding;
use crate::error::Error;
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

/// A column of delimited text or of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its name: in delimited text in the header, which is the first row of each file.
    Name(String),
    /// By its number, from 1.
    Number(usize),
    /// The whole row as it stands; only as a value, and only of delimited text.
    Row,
}

impl FromStr for Column {
    type Err = UnknownName;

    /// A whole number from 1, without a sign and zeros in front, is a column's number, `*` the whole row; anything else is a name.
    fn from_str(word: &str) -> Result<Self, UnknownName> {
        match word.parse::<usize>() {
            Ok(0) if word == "0" => Err(UnknownName {
                word: word.to_owned(),
                what: "column",
                choices: "a number from 1, a name from the header, or * for the whole row".to_owned(),
            }),
            Ok(number) if word.starts_with(|first: char| matches!(first, '1'..='9')) => {
                Ok(Column::Number(number))
            }
            _ if word == "*" => Ok(Column::Row),
            _ => Ok(Column::Name(word.to_owned())),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "{name:?}"),
            Column::Number(number) => write!(f, "{number}"),
            Column::Row => f.write_str("*"),
        }
    }
}

/// How to read. The default reads text keys and text values, and stops at the first bad row.
///
/// An option that is `None`, empty or false has not been given. One that has been given must apply to a source: see
/// [`Error::UnusedOption`](crate::Error::UnusedOption).
///
/// ```
/// use hashlith_format::ValueType;
/// use hashlith_inputs::{Column, Format, OnError, ReadOptions};
///
/// let options = ReadOptions {
///     format: Some(Format::Tsv),
///     value_type: ValueType::Json,
///     key_columns: vec![Column::Name("id".to_owned())],
///     value_columns: vec![Column::Number(3)],
///     on_error: OnError::Skip { max_errors: Some(100) },
///     ..ReadOptions::default()
/// };
/// assert!(options.has_header(Format::Tsv), "a column has a name");
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
    /// Text: its encoding. `None` is UTF-8. Pickles: that of Python 2's `str`.
    pub encoding: Option<Encoding>,
    /// Delimited text: what is between two columns. `None` is a TAB in TSV, a comma in CSV.
    pub delimiter: Option<Delimiter>,
    /// Delimited text: how quotes are read. `None` is `Off` in TSV, `Strict` in CSV.
    pub quotes: Option<Quotes>,
    /// Delimited text without quotes: decode `\t`, `\n`, `\r` and `\\` in keys and values.
    pub escape: bool,
    /// Delimited text: whether the first row of each file is a header. `None`: in CSV, and wherever a column has a name.
    pub header: Option<bool>,
    /// Delimited text, tables and databases: the key's columns. None: the first. Several are joined with `join`; without it the key is the JSON array of
    /// them, in delimited text of their texts.
    pub key_columns: Vec<Column>,
    /// Delimited text, tables and databases: the value's columns. None: the second one; in text without quotes all that follows the first
    /// delimiter, as it stands. Several are joined with `join`; without it values must be JSON, and the value is an object of the columns'
    /// names and what is in them, or an array if there is no header.
    pub value_columns: Vec<Column>,
    /// Delimited text, tables and databases: what several columns of a key or a value are joined with.
    pub join: Option<String>,
    /// Delimited text: lines that begin with this are comments.
    pub comment: Option<String>,
    /// Delimited text: so many lines at the start of each file are not looked at.
    pub skip_rows: u64,
    /// JSON, and pickled lists of dicts: the name of the key's field. `None` is `key`.
    pub key_field: Option<String>,
    /// JSON, and pickled lists of dicts: the name of the value's field. `None` is `value`.
    pub value_field: Option<String>,
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
    /// Pickle, JSON, tables and databases, with [`KeyType::Text`]: a key that is no string, but that JSON can hold, stands for its JSON text, the
    /// compact text of Python's `json.dumps(key, separators=(",", ":"), ensure_ascii=False)`. A string stands for itself; so `7`
    /// and `"7"` are one key.
    pub json_keys: bool,
    /// Databases: the query whose rows are the records. `None`: all rows of the only table.
    pub query: Option<String>,
    /// Pickle: the dict to read out of a tuple, list or dict of several, by its number from 0 or by its key.
    pub pick: Option<String>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            format: None,
            key_type: KeyType::Text,
            value_type: ValueType::Text,
            encoding: None,
            delimiter: None,
            quotes: None,
            escape: false,
            header: None,
            key_columns: Vec::new(),
            value_columns: Vec::new(),
            join: None,
            comment: None,
            skip_rows: 0,
            key_field: None,
            value_field: None,
            on_error: OnError::Stop,
            temp_dir: None,
            max_record_bytes: usize::try_from(4u64 << 30).unwrap_or(usize::MAX),
            block_bytes: 1 << 20,
            json_keys: false,
            query: None,
            pick: None,
        }
    }
}

impl ReadOptions {
    /// Whether the first row of a file of this format is its header.
    #[must_use]
    pub fn has_header(&self, format: Format) -> bool {
        let named = |column: &Column| matches!(column, Column::Name(_));
        let names = self.key_columns.iter().chain(&self.value_columns).any(named);
        self.header.unwrap_or(format == Format::Csv || names)
    }

    /// How quotes are read in a file of this format.
    #[must_use]
    pub fn quotes_in(&self, format: Format) -> Quotes {
        self.quotes.unwrap_or(if format == Format::Csv { Quotes::Strict } else { Quotes::Off })
    }

    /// How the rows of a file of this format are written.
    pub(crate) fn dialect(&self, format: Format) -> Dialect {
        let usual = if format == Format::Csv { b"," } else { b"\t" };
        let delimiter = match (&self.delimiter, self.encoding) {
            // Bytes of the file, of which text is made.
            (Some(Delimiter::Text(bytes)), Some(encoding)) if std::str::from_utf8(bytes).is_err() => {
                encoding.decode(bytes).map(|text| Delimiter::Text(text.as_bytes().to_vec()))
            }
            _ => None,
        };
        let delimiter = delimiter.or_else(|| self.delimiter.clone());
        Dialect {
            delimiter: delimiter.unwrap_or_else(|| Delimiter::Text(usual.to_vec())),
            quotes: self.quotes_in(format),
            comment: self.comment.as_ref().map(|comment| comment.clone().into_bytes()),
        }
    }

    /// Whether all bytes of a TSV are those of its records, but for TABs and the ends of lines.
    #[must_use]
    pub fn takes_all_of_tsv(&self) -> bool {
        let ReadOptions {
            encoding,
            delimiter,
            quotes,
            escape,
            header,
            key_columns,
            value_columns,
            comment,
            skip_rows,
            ..
        } = self;
        let columns = key_columns.is_empty() && value_columns.is_empty();
        columns
            && encoding.is_none()
            && delimiter.is_none()
            && quotes.is_none()
            && !escape
            && header.is_none()
            && comment.is_none()
            && *skip_rows == 0
    }

    /// The name of the key's field in JSON.
    #[must_use]
    pub fn key_field(&self) -> &str {
        self.key_field.as_deref().unwrap_or("key")
    }

    /// The name of the value's field in JSON.
    #[must_use]
    pub fn value_field(&self) -> &str {
        self.value_field.as_deref().unwrap_or("value")
    }

    /// Whether a field has been named, which only objects and dicts have.
    pub(crate) fn names_fields(&self) -> bool {
        self.key_field.is_some() || self.value_field.is_some()
    }

    /// Whether a record is a key alone.
    pub(crate) fn takes_keys(&self) -> bool {
        self.value_type == ValueType::None && !self.names_fields()
    }

    /// The options that have been given, by the names of the fields here, and the formats that each applies to.
    fn given(&self) -> impl Iterator<Item = (&'static str, &'static [Format])> {
        use Format::{Arrow, Csv, Json, Jsonl, Parquet, Pickle, Sqlite, Tsv};
        const DELIMITED: &[Format] = &[Tsv, Csv];
        const COLUMNS: &[Format] = &[Tsv, Csv, Parquet, Arrow, Sqlite];
        const TEXT: &[Format] = &[Tsv, Csv, Jsonl, Json, Pickle];
        const FIELDS: &[Format] = &[Jsonl, Json, Pickle];
        const TYPED: &[Format] = &[Jsonl, Json, Pickle, Parquet, Arrow, Sqlite];
        const PICKLE: &[Format] = &[Pickle];
        [
            (self.encoding.is_some(), "encoding", TEXT),
            (self.delimiter.is_some(), "delimiter", DELIMITED),
            (self.quotes.is_some(), "quotes", DELIMITED),
            (self.escape, "escape", DELIMITED),
            (self.header.is_some(), "header", DELIMITED),
            (!self.key_columns.is_empty(), "key_column", COLUMNS),
            (!self.value_columns.is_empty(), "value_column", COLUMNS),
            (self.join.is_some(), "join", COLUMNS),
            (self.comment.is_some(), "comment", DELIMITED),
            (self.skip_rows > 0, "skip_rows", DELIMITED),
            (self.key_field.is_some(), "key_field", FIELDS),
            (self.value_field.is_some(), "value_field", FIELDS),
            (self.json_keys, "keys json", TYPED),
            (self.query.is_some(), "query", &[Sqlite]),
            (self.pick.is_some(), "pick", PICKLE),
        ]
        .into_iter()
        .filter_map(|(given, name, formats)| given.then_some((name, formats)))
    }

    /// Refuses options that have no effect on files of these formats, or that contradict each other.
    pub(crate) fn check(&self, formats: &[Format]) -> Result<(), Error> {
        if let Some((option, takers)) =
            self.given().find(|(_, takers)| !formats.iter().any(|format| takers.contains(format)))
        {
            return Err(Error::UnusedOption { option, formats: takers });
        }
        let delimited =
            || formats.iter().copied().filter(|format| matches!(format, Format::Tsv | Format::Csv));
        let refuse = |what: &str| Err(Error::Options { what: what.to_owned() });
        let named = |column: &&Column| matches!(column, Column::Name(_));
        let mut columns = self.key_columns.iter().chain(&self.value_columns);
        if self.value_columns == [Column::Row] && formats.iter().any(|format| format.has_rows()) {
            return refuse(
                "* is a whole row of text: name the columns of the value, and declare values to be json",
            );
        }
        if let (Some(false), Some(column)) = (self.header, columns.find(named)) {
            return refuse(&format!(
                "column {column} is a name, but there is no header: give the column's number"
            ));
        }
        if self.key_columns.contains(&Column::Row)
            || self.value_columns.len() > 1 && self.value_columns.contains(&Column::Row)
        {
            return refuse("* is the whole row, which can only be the value: name the columns of the key");
        }
        let no_value = self.value_type == ValueType::None;
        if no_value && !self.value_columns.is_empty() {
            return refuse("there are no values (none), so they have no column");
        }
        if no_value && self.value_field.is_some() {
            return refuse("there are no values (none), so they have no field");
        }
        if self.join.is_some() && self.key_columns.len() < 2 && self.value_columns.len() < 2 {
            return refuse("there is nothing to join: name several columns of the key or of the value");
        }
        if self.value_columns.len() > 1 && self.join.is_none() && self.value_type != ValueType::Json {
            return refuse(
                "several columns make a JSON value: declare values to be json, or join the columns",
            );
        }
        if self.key_columns.len() > 1 && self.join.is_none() && self.key_type == KeyType::Int {
            return refuse("several columns make no integer: declare keys to be text, or join the columns");
        }
        if self.comment.as_deref() == Some("") {
            return refuse("a comment begins with some text: an empty one would make every line a comment");
        }
        let first = [Column::Number(1)];
        if !no_value
            && self.value_columns.is_empty()
            && !self.key_columns.is_empty()
            && self.key_columns != first
        {
            return refuse("name the value's column too: only the first column as the key goes without");
        }
        if self.escape
            && delimited().all(|format| self.quotes_in(format) != Quotes::Off)
            && delimited().next().is_some()
        {
            return refuse("escapes are for text without quotes");
        }
        if self.delimiter == Some(Delimiter::Blanks)
            && delimited().any(|format| self.quotes_in(format) != Quotes::Off)
        {
            return refuse(
                "blanks as a delimiter are for text without quotes: turn quotes off, or read the file as tsv",
            );
        }
        Ok(())
    }
}
