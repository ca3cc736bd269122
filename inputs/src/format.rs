//! How records are written in a file.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// How records are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Python pickles, protocols 0 to 5: a dict, `OrderedDict`, `defaultdict` or `Counter`, or a list or tuple of
    /// pairs. A file may hold several, one after another.
    Pickle,
    /// Lines of key, TAB, value; or of columns with any delimiter, as [`ReadOptions`](crate::ReadOptions) say.
    Tsv,
    /// Comma-separated values with a header and RFC 4180 quotes.
    Csv,
    /// One JSON object or `["key", "value"]` array per line.
    Jsonl,
    /// One JSON document: an object of keys and values, or an array of what a line of [`Self::Jsonl`] may be.
    Json,
    /// The input of D. J. Bernstein's `cdbmake`: lines such as `+3,5:one->Hello`, and an empty line at the end.
    Cdbmake,
    /// A Parquet file. With the feature `arrow`; so [`Self::Arrow`].
    Parquet,
    /// An Arrow file (Feather, version 2) or an Arrow stream.
    Arrow,
    /// An SQLite database. With the feature `sqlite`.
    Sqlite,
}

impl Format {
    /// All formats, in the order in which help texts list them.
    pub const ALL: [Format; 9] = [
        Format::Pickle,
        Format::Tsv,
        Format::Csv,
        Format::Jsonl,
        Format::Json,
        Format::Cdbmake,
        Format::Parquet,
        Format::Arrow,
        Format::Sqlite,
    ];

    /// The names of all formats, in the order of [`Self::ALL`].
    pub const NAMES: &[&str] =
        &["pickle", "tsv", "csv", "jsonl", "json", "cdbmake", "parquet", "arrow", "sqlite"];

    /// Its name, one of [`Self::NAMES`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The extensions of compressed files. They say nothing about the format.
    pub const PACKED: &[&str] = &["gz", "bgz", "zst", "zstd", "bz2", "xz", "lzma", "lz4", "zip", "z"];

    /// The format that a file's extension stands for. Those of [`Self::PACKED`] are ignored.
    ///
    /// ```
    /// use std::path::Path;
    /// use hashlith_inputs::Format;
    ///
    /// assert_eq!(Format::from_path(Path::new("data/words.tsv.gz")), Some(Format::Tsv));
    /// assert_eq!(Format::from_path(Path::new("part-0003.PKL")), Some(Format::Pickle));
    /// assert_eq!(Format::from_path(Path::new("README.md")), None);
    /// ```
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Format> {
        let extension = |path: &Path| path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let mut found = extension(path)?;
        if Self::PACKED.contains(&found.as_str()) {
            found = extension(Path::new(path.file_stem()?))?;
        }
        match found.as_str() {
            "pkl" | "pickle" | "p" | "joblib" => Some(Format::Pickle),
            "tsv" | "txt" | "tab" => Some(Format::Tsv),
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "json" => Some(Format::Json),
            "cdb" | "cdbmake" => Some(Format::Cdbmake),
            "parquet" | "pq" => Some(Format::Parquet),
            "arrow" | "arrows" | "feather" | "ipc" => Some(Format::Arrow),
            "sqlite" | "sqlite3" | "db" | "db3" => Some(Format::Sqlite),
            _ => None,
        }
    }

    /// Whether a location in this format is a line. In formats that have no rows either, it is a byte offset.
    #[must_use]
    pub fn has_lines(self) -> bool {
        matches!(self, Format::Tsv | Format::Csv | Format::Jsonl | Format::Json)
    }

    /// Whether a location in this format is the number of a row in a table.
    #[must_use]
    pub fn has_rows(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow | Format::Sqlite)
    }

    /// The feature that this format needs; empty if it needs none.
    pub(crate) const fn feature(self) -> &'static str {
        match self {
            Format::Parquet | Format::Arrow => "arrow",
            Format::Sqlite => "sqlite",
            _ => "",
        }
    }

    /// Whether this format is built in.
    pub(crate) fn is_built_in(self) -> bool {
        let arrow = cfg!(feature = "arrow") || self.feature() != "arrow";
        let sqlite = cfg!(feature = "sqlite") || self.feature() != "sqlite";
        arrow && sqlite
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        Format::ALL.into_iter().find(|format| format.name() == word).ok_or_else(|| UnknownName {
            word: word.to_owned(),
            what: "format",
            choices: Format::NAMES.join(", "),
        })
    }
}

/// A word that names none of the choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a known {what}; choose one of: {choices}")]
pub struct UnknownName {
    /// The given word.
    pub word: String,
    /// What it should have named.
    pub what: &'static str,
    /// What it may be.
    pub choices: String,
}
