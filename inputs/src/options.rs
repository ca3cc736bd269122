//! What to read and how: formats, kinds of keys and values, columns, what to do with a bad row.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How the records are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Python pickles, protocols 0 to 5: a dict, an `OrderedDict`, `defaultdict` or `Counter`, or a list or
    /// tuple of pairs; several one after another are fine.
    Pickle,
    /// Lines of key, TAB, value.
    Tsv,
    /// Comma-separated values with RFC 4180 quotes.
    Csv,
    /// One JSON object or `["key", "value"]` array a line.
    Jsonl,
    /// The input of D. J. Bernstein's `cdbmake`: `+3,5:one->Hello` lines, ended by an empty line.
    Cdbmake,
}

impl Format {
    /// All formats, in the order in which help texts name them.
    pub const ALL: [Format; 5] = [Format::Pickle, Format::Tsv, Format::Csv, Format::Jsonl, Format::Cdbmake];

    /// The format a file name tells by its extension, looking under `.gz`, `.zst` and `.zstd`.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Format> {
        let extension = |p: &Path| p.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let mut found = extension(path)?;
        if matches!(found.as_str(), "gz" | "zst" | "zstd") {
            found = extension(Path::new(path.file_stem()?))?;
        }
        match found.as_str() {
            "pkl" | "pickle" | "p" => Some(Format::Pickle),
            "tsv" | "txt" | "tab" => Some(Format::Tsv),
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
            "cdb" | "cdbmake" => Some(Format::Cdbmake),
            _ => None,
        }
    }

    /// Whether people count places in this format in lines (otherwise in bytes).
    #[must_use]
    pub fn has_lines(self) -> bool {
        matches!(self, Format::Tsv | Format::Csv | Format::Jsonl)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Format::Pickle => "pickle",
            Format::Tsv => "tsv",
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Cdbmake => "cdbmake",
        })
    }
}

/// A word that names none of the choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a known {what}; choose one of: {choices}")]
pub struct UnknownName {
    /// The word that was given.
    pub word: String,
    /// What it should have named.
    pub what: &'static str,
    /// The words that would do.
    pub choices: &'static str,
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        Format::ALL.into_iter().find(|f| f.to_string() == word).ok_or_else(|| UnknownName {
            word: word.to_owned(),
            what: "format",
            choices: "pickle, tsv, csv, jsonl, cdbmake",
        })
    }
}

/// What keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// Text: every key must be valid UTF-8, and `bytes` objects in pickles are refused.
    #[default]
    Text,
    /// Any bytes; text is taken as its UTF-8.
    Bytes,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueKind {
    /// Text: every value must be valid UTF-8, and anything but strings in pickles and JSON lines is refused.
    #[default]
    Text,
    /// Any bytes; text is taken as its UTF-8.
    Bytes,
    /// Any JSON value, stored as JSON text: as it stands in text formats; for pickles compact text as of
    /// Python's `json.dumps(value, separators=(",", ":"), ensure_ascii=False)`.
    Json,
}

macro_rules! words {
    ($type:ident, $what:literal, $choices:literal, $($variant:ident = $word:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $($type::$variant => $word),+ })
            }
        }
        impl FromStr for $type {
            type Err = UnknownName;
            fn from_str(word: &str) -> Result<Self, UnknownName> {
                match word {
                    $($word => Ok($type::$variant),)+
                    _ => Err(UnknownName { word: word.to_owned(), what: $what, choices: $choices }),
                }
            }
        }
    };
}
words!(KeyKind, "kind of key", "text, bytes", Text = "text", Bytes = "bytes");
words!(ValueKind, "kind of value", "text, bytes, json", Text = "text", Bytes = "bytes", Json = "json");

/// What to do with a row that cannot be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// End with an error that says where the row is.
    #[default]
    Stop,
    /// Leave the row out and count it. Damage after which the rest of a file cannot be trusted (a truncated or
    /// malformed pickle, bad compression) still ends reading.
    Skip {
        /// More bad rows than this are an error after all.
        max_errors: Option<u64>,
    },
}

/// A column of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its name in the header, which is the first record of each file.
    Name(String),
    /// By its place, from 1.
    Number(usize),
}

impl FromStr for Column {
    type Err = UnknownName;

    /// A whole number from 1 is a place; anything else is a name.
    fn from_str(word: &str) -> Result<Self, UnknownName> {
        match word.parse::<usize>() {
            Ok(0) => Err(UnknownName {
                word: word.to_owned(),
                what: "column",
                choices: "a number from 1, or a name from the header",
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

/// How to read. `Options::default()` reads text keys and text values and stops at the first bad row.
#[derive(Debug, Clone)]
pub struct Options {
    /// The format of all sources; `None` tells it from each file's extension.
    pub format: Option<Format>,
    /// What keys are.
    pub keys: KeyKind,
    /// What values are.
    pub values: ValueKind,
    /// TSV: undo `\t`, `\n`, `\r` and `\\` in keys and values.
    pub escape: bool,
    /// CSV: the key's column.
    pub key_column: Column,
    /// CSV: the value's column.
    pub value_column: Column,
    /// CSV: the first record of each file is a header although both columns are numbers.
    pub header: bool,
    /// JSON lines: the name of the key's field.
    pub key_field: String,
    /// JSON lines: the name of the value's field.
    pub value_field: String,
    /// What to do with a bad row.
    pub on_error: OnError,
    /// Where pickles from pipes, and compressed pickles with repeated objects, are kept while they are read.
    /// `None` is the system's directory for temporary files.
    pub temp_dir: Option<PathBuf>,
    /// The longest record of a line format, in bytes; a guard against a missing quote or newline.
    pub max_record_bytes: usize,
    /// How many bytes are read at a time. For tests.
    #[doc(hidden)]
    pub block_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            format: None,
            keys: KeyKind::Text,
            values: ValueKind::Text,
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
        }
    }
}

impl Options {
    /// Whether the first record of a CSV file is its header.
    #[must_use]
    pub fn has_header(&self) -> bool {
        let named = |column: &Column| matches!(column, Column::Name(_));
        self.header || named(&self.key_column) || named(&self.value_column)
    }
}
