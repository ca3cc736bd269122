//! A place in a file.

/// A range of bytes in a file, such as a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first byte, from the beginning of the file.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Span {
    /// The first byte behind it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}
