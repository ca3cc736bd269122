//! Decompression of gzip and zstd, recognized by the first bytes of the data; the file's name does not matter.

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

use flate2::bufread::GzDecoder;
use hashlith_feedback::{Progress, Unit};
use zstd::stream::raw::Operation;

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

    /// Whether a member or frame may begin with these bytes, at most four.
    fn may_begin(self, head: &[u8]) -> bool {
        let is = |magic: &[u8]| magic.starts_with(&head[..head.len().min(magic.len())]);
        match self {
            Compression::None => true,
            Compression::Gzip => is(&[0x1f, 0x8b]),
            // Of frames to be skipped there are 16 kinds.
            Compression::Zstd => {
                is(&[0x28, 0xb5, 0x2f, 0xfd]) || (0x50..=0x5f).any(|kind| is(&[kind, 0x2a, 0x4d, 0x18]))
            }
        }
    }
}

/// What is wrong with compressed data; travels inside an [`io::Error`].
#[derive(Debug)]
pub(crate) struct Damage {
    kind: Compression,
    what: What,
}

#[derive(Debug)]
enum What {
    EarlyEnd,
    /// Something else begins at this offset, after whole members or frames.
    Followed(u64),
    /// In the decoder's words.
    Other(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == Compression::Gzip { "gzip" } else { "zstd" };
        match &self.what {
            What::EarlyEnd => {
                write!(f, "the {kind} data ends early: the file is cut off; copy or download it again")
            }
            What::Followed(at) => write!(
                f,
                "the {kind} data ends at byte {at}, but other bytes follow it; cut them off, or copy or download the file again"
            ),
            What::Other(detail) => {
                write!(f, "the {kind} data is damaged ({detail}); copy or download the file again")
            }
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

/// Compressed data. It knows where the current member or frame began.
struct Packed<R> {
    inner: R,
    kind: Compression,
    /// How many bytes were taken.
    at: u64,
    /// Where the current member or frame began.
    start: u64,
    /// Its first bytes: at least four, if as many were taken.
    head: Vec<u8>,
}

impl<R: BufRead> Packed<R> {
    /// Begins the next member or frame; false at the end of the data.
    fn begin(&mut self) -> io::Result<bool> {
        self.start = self.at;
        self.head.clear();
        Ok(!self.inner.fill_buf()?.is_empty())
    }

    /// What an error of the decoder means. An error of the system stays what it is.
    #[cold]
    fn explain(&mut self, error: io::Error) -> io::Error {
        // zstd's errors may carry numbers that look like the system's, but their kind is `Other`.
        let of_system = error.raw_os_error().is_some() && error.kind() != ErrorKind::Other;
        if of_system || error.kind() == ErrorKind::Interrupted {
            return error;
        }
        let rest = self.inner.fill_buf().unwrap_or_default();
        let head: Vec<u8> = self.head.iter().chain(rest).copied().take(4).collect();
        let what = if !self.kind.may_begin(&head) {
            What::Followed(self.start)
        } else if error.kind() == ErrorKind::UnexpectedEof {
            What::EarlyEnd
        } else {
            What::Other(error.to_string())
        };
        io::Error::new(ErrorKind::InvalidData, Damage { kind: self.kind, what })
    }
}

impl<R: BufRead> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buffer)?;
        self.consume(got);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Packed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, taken: usize) {
        if self.head.len() < 4 {
            let bytes = self.inner.fill_buf().unwrap_or_default();
            self.head.extend(bytes.iter().take(taken.min(4)));
        }
        self.inner.consume(taken);
        self.at += taken as u64;
    }
}

/// The members of gzip data, one after the other; `None` at the end.
struct Members<R>(Option<GzDecoder<Packed<R>>>);

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            match member.read(buffer) {
                Ok(0) if !buffer.is_empty() => {}
                result => return result.map_err(|error| member.get_mut().explain(error)),
            }
            let goes_on = member.get_mut().begin()?;
            self.0 = self.0.take().filter(|_| goes_on).map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

/// The frames of zstd data, one after the other.
struct Frames<R> {
    decoder: zstd::stream::raw::Decoder<'static>,
    packed: Packed<R>,
    /// No frame has begun since the last one ended.
    between: bool,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if buffer.is_empty() || (self.between && !self.packed.begin()?) {
                return Ok(0);
            }
            let input = self.packed.fill_buf()?;
            let is_end = input.is_empty();
            let status = self.decoder.run_on_buffers(input, buffer);
            let status = status.map_err(|error| self.packed.explain(error))?;
            self.packed.consume(status.bytes_read);
            self.between = status.remaining == 0;
            if self.between {
                self.decoder.reinit()?;
            }
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
            if is_end && !self.between {
                return Err(self.packed.explain(ErrorKind::UnexpectedEof.into()));
            }
        }
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
    let packed = |whole| {
        let inner = BufReader::with_capacity(1 << 17, whole);
        Packed { inner, kind, at: 0, start: 0, head: Vec::new() }
    };
    let reader: Box<dyn Read + Send + 'a> = match kind {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(Members(Some(GzDecoder::new(packed(whole))))),
        Compression::Zstd => {
            let decoder = zstd::stream::raw::Decoder::new()?;
            Box::new(Frames { decoder, packed: packed(whole), between: true })
        }
    };
    Ok((kind, reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Gives one byte at a time, and each time is interrupted first.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 % 2 == 1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let most = buffer.len().min(1);
            (&self.0[(self.1 / 2 - 1).min(self.0.len())..]).read(&mut buffer[..most])
        }
    }

    #[test]
    fn reads_may_be_of_any_length_and_interrupted() {
        let lines = b"one\ntwo\nthree\n".repeat(50);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&lines).unwrap();
        for one in [gzip.finish().unwrap(), zstd::encode_all(&lines[..], 1).unwrap(), lines.clone()] {
            let (_, mut reader) = decompress(Slow(one.repeat(3), 0), None).unwrap();
            let (mut found, mut buffer) = (Vec::new(), [0; 7]);
            for size in (0..=buffer.len()).cycle() {
                match reader.read(&mut buffer[..size]) {
                    Ok(0) if size > 0 => break,
                    Ok(got) => found.extend_from_slice(&buffer[..got]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
                }
            }
            assert!(found == lines.repeat(3));
        }
    }

    /// Fails after its bytes, as a disk does.
    struct Failing<'a>(&'a [u8]);

    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err(io::Error::from_raw_os_error(5)) } else { self.0.read(buffer) }
        }
    }

    #[test]
    fn errors_of_the_system_are_not_taken_for_damage() {
        let lines = b"one\ntwo\n";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(lines).unwrap();
        for one in [gzip.finish().unwrap(), zstd::encode_all(&lines[..], 1).unwrap(), lines.to_vec()] {
            for length in 0..=one.len() {
                let opened = decompress(Failing(&one[..length]), None);
                let read = opened.and_then(|(_, mut reader)| reader.read_to_end(&mut Vec::new()));
                assert_eq!(read.unwrap_err().raw_os_error(), Some(5), "{length} bytes of {}", one.len());
            }
        }
    }
}
