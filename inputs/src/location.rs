//! Where something is in an input file, for people.

use std::fmt;

/// A place in an input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file as it was named, or "standard input".
    pub name: String,
    /// The index of its source, from 0.
    pub source: u32,
    /// Byte offset in the decompressed source.
    pub byte: u64,
    /// The line, from 1, if the format has lines.
    pub line: Option<u64>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}", self.name),
            None => write!(f, "{}, byte {}", self.name, self.byte),
        }
    }
}
