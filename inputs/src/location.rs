//! Where something is in an input file, for people.

use std::fmt;

/// A place in an input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file as it was named, or "standard input".
    pub name: String,
    /// The index of its source, from 0.
    pub source: u32,
    /// Byte offset in the decompressed source; 0 in formats of rows.
    pub byte: u64,
    /// The line, from 1, if the format has lines.
    pub line: Option<u64>,
    /// The row of a table, from 1, if the format has rows.
    pub row: Option<u64>,
}

impl Location {
    /// A place in a format without lines: `at` is a byte offset, or the number of a row from 0.
    pub(crate) fn at(name: String, source: u32, at: u64, has_rows: bool) -> Self {
        let (byte, row) = if has_rows { (0, Some(at.saturating_add(1))) } else { (at, None) };
        Location { name, source, byte, line: None, row }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.row) {
            (Some(line), _) => write!(f, "{}, line {line}", self.name),
            (None, Some(row)) => write!(f, "{}, row {row}", self.name),
            (None, None) => write!(f, "{}, byte {}", self.name, self.byte),
        }
    }
}
