//! Decompression of gzip and zstd, recognized by the first bytes of the data; the file's name does not matter.

use std::fmt;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};

use hashlith_feedback::{Progress, Unit};

/// How data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// What is wrong with compressed data; travels inside an [`io::Error`].
#[derive(Debug)]
pub(crate) struct Damage {
    kind: Compression,
    early_end: bool,
    detail: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == Compression::Gzip { "gzip" } else { "zstd" };
        if self.early_end {
            write!(f, "the {kind} data ends early: the file is cut off; copy or download it again")
        } else {
            write!(f, "the {kind} data is damaged ({}); copy or download the file again", self.detail)
        }
    }
}

impl std::error::Error for Damage {}

/// Counts the raw bytes that are read from a file.
struct Counting<'a, R> {
    inner: R,
    progress: Option<&'a Progress>,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        if let Some(progress) = self.progress {
            progress.add(Unit::Bytes, got as u64);
        }
        Ok(got)
    }
}

/// A decoder whose own errors become [`Damage`]; errors of the system stay what they are.
struct Decoding<R> {
    decoder: R,
    kind: Compression,
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| {
            // zstd's errors may carry numbers that look like the system's, but their kind is `Other`.
            let of_system = error.raw_os_error().is_some() && error.kind() != ErrorKind::Other;
            if of_system || error.kind() == ErrorKind::Interrupted {
                return error;
            }
            let early_end = error.kind() == ErrorKind::UnexpectedEof;
            io::Error::new(
                ErrorKind::InvalidData,
                Damage { kind: self.kind, early_end, detail: error.to_string() },
            )
        })
    }
}

/// Reads `raw`, decompressed if its first bytes are those of compressed data. Counts the raw bytes in `progress`.
pub(crate) fn decompress<'a>(
    raw: impl Read + Send + 'a,
    progress: Option<&'a Progress>,
) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let mut raw = Counting { inner: raw, progress };
    let mut head = Vec::with_capacity(4);
    while head.len() < 4 {
        let mut more = [0; 4];
        let wanted = 4 - head.len();
        match raw.read(&mut more[..wanted]) {
            Ok(0) => break,
            Ok(got) => head.extend_from_slice(&more[..got]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let kind = Compression::of(&head);
    let whole = Cursor::new(head).chain(raw);
    let reader: Box<dyn Read + Send + 'a> = match kind {
        Compression::None => Box::new(whole),
        Compression::Gzip => {
            let buffered = BufReader::with_capacity(1 << 17, whole);
            Box::new(Decoding { decoder: flate2::bufread::MultiGzDecoder::new(buffered), kind })
        }
        Compression::Zstd => {
            let buffered = BufReader::with_capacity(1 << 17, whole);
            Box::new(Decoding { decoder: zstd::stream::read::Decoder::with_buffer(buffered)?, kind })
        }
    };
    Ok((kind, reader))
}
