//! Files that are not what they are read as, which their first bytes show. Without this, what is wrong with such a file would be said of a
//! line or an opcode that it does not have.

use std::io::{self, Cursor, ErrorKind, Read};

use hashlith_feedback::Advice;

use crate::bad_row::Reason;
use crate::cdb::Cdb;
use crate::decompress::Compression;
use crate::format::Format;

/// How many bytes are looked at: the longest header, that of a wide cdb.
pub(crate) const LOOKED_AT: usize = Cdb::header(true);

/// Kinds of files with their first bytes, and the format that reads them. No text in UTF-8 begins so, no pickle and no cdb.
const KINDS: &[(&str, &[u8], Option<Format>)] = &[
    ("a Parquet file", b"PAR1\x15", Some(Format::Parquet)),
    ("an Arrow file", b"ARROW1\0\0", Some(Format::Arrow)),
    ("a pickle", b"\x80\x02", Some(Format::Pickle)),
    ("a pickle", b"\x80\x03", Some(Format::Pickle)),
    ("a pickle", b"\x80\x04", Some(Format::Pickle)),
    ("a pickle", b"\x80\x05", Some(Format::Pickle)),
    ("a hashlith index", &hashlith_format::MAGIC, None),
    ("an SQLite database", b"SQLite format 3\0", Some(Format::Sqlite)),
    ("an HDF5 file", b"\x89HDF\r\n\x1a\n", None),
    ("a numpy array", b"\x93NUMPY", None),
    ("an Avro file", b"Obj\x01", None),
];

/// Archives and compressed data that are not unpacked here.
const PACKED: &[(&str, &[u8])] = &[
    ("a 7z archive", b"7z\xbc\xaf\x27\x1c"),
    ("a rar archive", b"Rar!\x1a\x07"),
    ("compressed with lzip", b"LZIP\x01"),
    ("compressed with compress", b"\x1f\x9d\x90"),
    ("compressed with snappy", b"\xff\x06\0\0sNaPpY"),
    ("lz4 data of an old kind", b"\x02\x21\x4c\x18"),
];

/// What is wrong if data that begins like this is not of this format, but of another known kind.
pub(crate) fn mismatch(head: &[u8], format: Format) -> Option<Reason> {
    if let Some((name, _)) = PACKED.iter().find(|(_, magic)| head.starts_with(magic)) {
        return Some(format!("this is {name}, which is not unpacked here: unpack it first").into());
    }
    // Text may begin so too, if it is UTF-8.
    let is_text = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    if matches!(head, [0x78, 0x9c | 0xda, ..]) && !is_text {
        return Some("this is zlib data, which is not unpacked here: unpack it first".into());
    }
    // In text these letters may stand anywhere; in a tar archive zeros fill up the name in front of them.
    if head.get(257..262) == Some(b"ustar") && head[..257].contains(&0) {
        return Some("this is a tar archive: unpack it first".into());
    }
    if head.starts_with(b"FEA1") {
        let what = "this is a Feather file of version 1, which nobody writes any more: write it again as version 2, for example with \
                    pyarrow.feather.write_feather(pyarrow.feather.read_table(old), new)";
        return Some(what.into());
    }
    match Compression::of(head) {
        Compression::None => {}
        packed => return Some(format!("this is {} data: unpack it first", packed.name()).into()),
    }
    let known = KINDS.iter().find(|(_, magic, _)| head.starts_with(magic));
    let (name, reads) = match known {
        Some((name, _, reads)) => (*name, *reads),
        None if is_stream(head) => ("an Arrow stream", Some(Format::Arrow)),
        None if head.contains(&0) && Cdb::begin(head).is_some() => ("a binary cdb", Some(Format::Cdbmake)),
        None => return None,
    };
    match reads {
        Some(reads) if reads == format => None,
        Some(reads) => {
            let what = format!("this is {name} (format {reads}), but it is read as {format}");
            Some(Reason::with(Advice::Format, what))
        }
        None => Some(format!("this is {name}, but it is read as {format}").into()),
    }
}

/// The mark of a message, its length, and the place of its table.
fn is_stream(head: &[u8]) -> bool {
    matches!(head, [0xff, 0xff, 0xff, 0xff, _, _, _, 0, place, 0, 0, 0, ..] if place % 4 == 0)
}

/// Reads the beginning of a stream, and returns it with a reader of all of the stream. If the beginning cannot be read, reading fails
/// there.
pub(crate) fn peek<'a>(mut reader: Box<dyn Read + Send + 'a>) -> (Vec<u8>, Box<dyn Read + Send + 'a>) {
    let mut head = Vec::new();
    let mut failed = None;
    while head.len() < LOOKED_AT {
        let from = head.len();
        head.resize(LOOKED_AT, 0);
        let got = reader.read(&mut head[from..]);
        head.truncate(from + got.as_ref().map_or(0, |got| *got));
        match got {
            Ok(0) => break,
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                failed = Some(error);
                break;
            }
            _ => {}
        }
    }
    let again = Cursor::new(head.clone()).chain(Failed(failed)).chain(reader);
    (head, Box::new(again))
}

/// Fails once, if it has an error.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
