//! A pickle's bytes: read once from front to back, and again at single places when a repeated object needs it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use hashlith_feedback::{Progress, Unit};

use crate::decompress::{Compression, HEAD};
use crate::pickle::window::vanished;
use crate::scan;
use crate::source::Source;
use crate::stop::{PlainStop, Stop};
use crate::temp_copy::temp_copy;

/// Bytes that can be read at any place.
enum Random<'a> {
    File(File),
    Memory(Arc<[u8]>),
    /// Compressed: decompressed into a temporary file when a place in it is first needed.
    Packed(&'a Source, Option<&'a Path>),
}

/// The two ways to read a source.
pub(crate) struct Input<'a> {
    /// The first pass over compressed data.
    stream: Option<Box<dyn Read + Send + 'a>>,
    random: Random<'a>,
    /// The offset of the next read from front to back.
    next: u64,
    /// Raw bytes before this offset are counted.
    counted: u64,
    progress: &'a Progress,
}

impl<'a> Input<'a> {
    /// Opens a source. A pipe is first copied to a temporary file.
    pub fn open(
        source: &'a Source,
        temp_dir: Option<&'a Path>,
        progress: &'a Progress,
    ) -> Result<Self, PlainStop> {
        let io = |error| Stop::Io(0, error);
        let (compression, mut stream) = source.open_pickle(Some(progress)).map_err(io)?;
        let input = |stream, random, counted| Ok(Input { stream, random, next: 0, counted, progress });
        let seekable = match source {
            Source::Path(path) => path.metadata().map_err(io)?.is_file(),
            Source::Stdin => false,
            Source::Memory { .. } => true,
        };
        if !seekable {
            let file = temp_copy(&mut stream, temp_dir, || progress.is_cancelled()).map_err(io)?;
            let Some(file) = file else { return Err(Stop::Asked) };
            return input(None, Random::File(file), u64::MAX);
        }
        match (compression, source) {
            // The first bytes were read, and counted, to recognize compression.
            (Compression::None, Source::Path(path)) => {
                input(None, Random::File(File::open(path).map_err(io)?), HEAD as u64)
            }
            (Compression::None, Source::Memory { bytes, .. }) => {
                input(None, Random::Memory(Arc::clone(bytes)), HEAD as u64)
            }
            _ => input(Some(stream), Random::Packed(source, temp_dir), u64::MAX),
        }
    }

    /// Continues at another offset.
    pub fn seek(&mut self, offset: u64) {
        self.stream = None;
        self.next = offset;
    }

    /// Appends the bytes at an offset to `out`. They were read before, so the length can be trusted.
    pub fn append(&mut self, at: u64, length: u64, out: &mut Vec<u8>) -> Result<(), PlainStop> {
        let start = out.len();
        let length = usize::try_from(length).map_err(|_| vanished(at))?;
        out.resize(start + length, 0);
        self.reader_at(at).read_exact(&mut out[start..]).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => vanished(at),
            _ => Stop::Io(at, error),
        })
    }

    /// A reader of its own that begins at an offset.
    pub fn reader_at(&mut self, next: u64) -> ReaderAt<'_, 'a> {
        ReaderAt { input: self, next }
    }

    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if let Random::Packed(source, temp_dir) = self.random {
            let (_, mut stream) = source.open_pickle(None)?;
            if let Some(file) = temp_copy(&mut stream, temp_dir, || false)? {
                self.random = Random::File(file);
            }
        }
        let got = match &self.random {
            Random::File(file) => read_at(file, buffer, at)?,
            Random::Memory(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(buffer)?
            }
            Random::Packed(..) => 0,
        };
        scan::looked_at(got);
        Ok(got)
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match &mut self.stream {
            Some(stream) => stream.read(buffer)?,
            None => self.read_at(buffer, self.next)?,
        };
        self.next += got as u64;
        self.progress.add(Unit::Bytes, self.next.saturating_sub(self.counted));
        self.counted = self.counted.max(self.next);
        Ok(got)
    }
}

/// Reads an input from an offset on.
pub(crate) struct ReaderAt<'i, 'a> {
    input: &'i mut Input<'a>,
    next: u64,
}

impl Read for ReaderAt<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read_at(buffer, self.next)?;
        self.next += got as u64;
        Ok(got)
    }
}

/// Reads at an offset without moving the file's own position.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
}
