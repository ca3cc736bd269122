//! Parts of a pickle that are decoded only when a record needs them.

/// How a part of the pickle is written. It is decoded only when a record needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A `str` as UTF-8, which may have lone surrogates.
    Utf8,
    /// A `str` of protocol 0, with `\uXXXX` escapes in Latin-1.
    Escaped,
    /// Bytes as they are.
    Bytes,
    /// `_codecs.encode(text, 'latin1')` of a [`Kind::Utf8`].
    Latin1OfUtf8,
    /// `_codecs.encode(text, 'latin1')` of a [`Kind::Escaped`].
    Latin1OfEscaped,
    /// A Python 2 `str`: bytes that may be text.
    Old,
    /// A Python 2 `str` of protocol 0, quoted and with backslash escapes.
    OldQuoted,
    /// A whole number, little-endian in two's complement.
    LongBinary,
    /// A whole number in decimal digits.
    LongDigits,
    /// A `numpy.str_`: four bytes for each character, little-endian.
    Ucs4,
    /// The same, with its bytes written as a [`Kind::Latin1OfUtf8`].
    Ucs4OfUtf8,
    /// The same, with its bytes written as a [`Kind::Latin1OfEscaped`].
    Ucs4OfEscaped,
}

/// A part of the pickle that begins with an opcode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The offset of the opcode.
    pub op: u64,
    /// The length of the bytes after the header.
    pub length: u64,
    pub kind: Kind,
    /// The length of the opcode and the length field that follows it.
    pub header: u8,
}

impl Span {
    pub fn payload(self) -> u64 {
        self.op + u64::from(self.header)
    }
}

pub(crate) fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::LongBinary | Kind::LongDigits)
}
