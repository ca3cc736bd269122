//! Decompression. The first bytes of the data tell how it is compressed; the file's name does not matter.

mod damage;
mod frames;
mod kind;
mod lz4;
mod packed;
mod zip;

use std::io::{self, Cursor, ErrorKind, Read};

use hashlith_feedback::{Progress, Unit};

pub(crate) use damage::{Damage, Memory};
use frames::Frames;
pub(crate) use kind::{Compression, HEAD};
use lz4::Lz4Frames;
use packed::Packed;
use zip::Zip;

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

/// Tries again what was interrupted.
fn again<T>(mut what: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match what() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads `raw`, decompressed if its first bytes are those of compressed data, of which `kind_of` says how. Counts the raw bytes in
/// `progress`.
pub(crate) fn decompress<'a>(
    raw: impl Read + Send + 'a,
    kind_of: fn(&[u8]) -> Compression,
    memory: Memory,
    progress: Option<&'a Progress>,
) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let mut raw = Counting { inner: raw, progress };
    let (mut head, mut length) = ([0; HEAD], 0);
    while length < HEAD {
        match again(|| raw.read(&mut head[length..]))? {
            0 => break,
            got => length += got,
        }
    }
    let kind = kind_of(&head[..length]);
    let whole = Cursor::new(head).take(length as u64).chain(raw);
    if kind == Compression::None {
        return Ok((kind, Box::new(whole)));
    }
    let mut packed = Packed::new(whole);
    let reader: Box<dyn Read + Send + 'a> = match kind {
        Compression::Zip => Box::new(Zip::new(packed)),
        // Frames to be skipped are the same in lz4.
        Compression::Zstd | Compression::Lz4 => {
            again(|| packed.skip_frames())?;
            if Compression::Lz4.begins(again(|| packed.peek(HEAD).map(<[u8]>::to_vec))?.as_slice(), false) {
                Box::new(Lz4Frames::new(packed))
            } else {
                Box::new(Frames::new(packed, Compression::Zstd, memory)?)
            }
        }
        _ => Box::new(Frames::new(packed, kind, memory)?),
    };
    Ok((kind, reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const MEMORY: Memory = Memory { most: 1 << 27, may_grow: false };

    /// Gives one byte at a time, and each time is interrupted first.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if buffer.is_empty() {
                return Ok(0);
            }
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
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&lines).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(&lines).unwrap();
        for one in [
            gzip.finish().unwrap(),
            zstd::encode_all(&lines[..], 1).unwrap(),
            lz4.finish().unwrap(),
            bzip2.finish().unwrap(),
            liblzma::encode_all(&lines[..], 1).unwrap(),
            lines.clone(),
        ] {
            let (_, mut reader) = decompress(Slow(one.repeat(3), 0), Compression::of, MEMORY, None).unwrap();
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
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(lines).unwrap();
        for one in [
            gzip.finish().unwrap(),
            zstd::encode_all(&lines[..], 1).unwrap(),
            lz4.finish().unwrap(),
            liblzma::encode_all(&lines[..], 1).unwrap(),
            lines.to_vec(),
        ] {
            for length in 0..=one.len() {
                let opened = decompress(Failing(&one[..length]), Compression::of, MEMORY, None);
                let read = opened.and_then(|(_, mut reader)| reader.read_to_end(&mut Vec::new()));
                assert_eq!(read.unwrap_err().raw_os_error(), Some(5), "{length} bytes of {}", one.len());
            }
        }
    }
}
