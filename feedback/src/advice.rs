//! Which kind of help applies after an error.

use std::fmt;

/// What helps after an error. The display is neutral; a front end that has an option for it names the option instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Declare keys to be bytes.
    BytesKeys,
    /// Declare values to be bytes.
    BytesValues,
    /// Declare keys and values to be bytes.
    Bytes,
    /// Name the encoding of the text, or declare keys and values to be bytes.
    EncodingOrBytes,
    /// Name the encoding of the text.
    Encoding,
    /// Name what is between two columns.
    Delimiter,
    /// Read quotes leniently, or as characters like any other.
    LenientQuotes,
    /// Read quotes as characters like any other.
    NoQuotes,
    /// Read a backslash in a quoted field as an escape.
    BackslashQuotes,
    /// Name the delimiter with the blank that follows it.
    BlankDelimiter,
    /// Store values as JSON text.
    JsonValues,
    /// State the format of the input.
    Format,
    /// Name the fields that hold key and value.
    Fields,
    /// Put temporary files into another directory.
    TempDir,
    /// Allow more memory, or do what the message says.
    MoreMemory,
    /// Allow more memory, or use fewer threads.
    MoreMemoryOrFewerThreads,
    /// Build with less memory, or do what the message says.
    LessMemory,
    /// Use fewer threads, or do what the message says.
    FewerThreads,
    /// Keep the first or the last record of each key.
    KeepFirstOrLast,
    /// Hash keys with SipHash and a random key.
    SipHash,
    /// Build one file instead of a set.
    OneFile,
    /// State the metadata of the output.
    Metadata,
    /// Write TSV with escapes, or another format.
    Escape,
    /// Write TSV with escapes, or a format that holds any bytes.
    EscapeOrAnyBytes,
    /// Write a format that holds any bytes.
    AnyBytesFormat,
    /// Declare keys to be integers.
    IntKeys,
    /// Declare keys to be integers, or JSON.
    IntOrJsonKeys,
    /// Store keys as JSON text.
    JsonKeys,
    /// Name one of the dicts that a pickle holds.
    Pick,
    /// Give the query whose rows are the records.
    Query,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Advice::BytesKeys => "declare keys to be bytes to keep them as they are",
            Advice::BytesValues => "declare values to be bytes to keep them as they are",
            Advice::Bytes => "declare keys and values to be bytes to keep any bytes",
            Advice::EncodingOrBytes => {
                "name the encoding of the text, or declare keys and values to be bytes"
            }
            Advice::Encoding => "name the encoding of the text",
            Advice::Delimiter => "name the delimiter, if it is another one",
            Advice::LenientQuotes => {
                "read quotes leniently, or turn them off if they are ordinary characters"
            }
            Advice::NoQuotes => "turn quotes off if they are ordinary characters",
            Advice::BackslashQuotes => "let a backslash escape quotes",
            Advice::BlankDelimiter => {
                "name the delimiter with its blank, if each has one, or read quotes leniently"
            }
            Advice::JsonValues => "declare values to be JSON to store them as JSON text",
            Advice::Format => "state the format",
            Advice::Fields => "name the fields that hold key and value",
            Advice::TempDir => "choose another directory for temporary files",
            Advice::MoreMemory => "or allow more memory",
            Advice::MoreMemoryOrFewerThreads => "allow more memory, or use fewer threads",
            Advice::LessMemory => "or build with less memory",
            Advice::FewerThreads => "or use fewer threads",
            Advice::KeepFirstOrLast => {
                "remove one, or choose to keep the first or the last record of each key"
            }
            Advice::SipHash => "build with SipHash",
            Advice::OneFile => "choose another name, or build one file instead of a set",
            Advice::Metadata => "state the metadata of the output",
            Advice::Escape => "write escapes, or another format",
            Advice::EscapeOrAnyBytes => "write escapes, or cdbmake records",
            Advice::AnyBytesFormat => "write cdbmake records, which hold any bytes",
            Advice::IntKeys => "declare keys to be integers",
            Advice::IntOrJsonKeys => "declare keys to be integers, or JSON if only some are",
            Advice::JsonKeys => "declare keys to be JSON to store them as JSON text",
            Advice::Pick => "pick one of them",
            Advice::Query => "give a query",
        })
    }
}
