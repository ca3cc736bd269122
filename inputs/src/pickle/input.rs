//! A pickle's bytes, read once from front to back, and again at single places when a repeated object asks for it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::decompress::Compression;
use crate::error::{Halt, PlainHalt};
use crate::pickle::window::vanished;
use crate::read::Watch;
use crate::source::{Source, read_at};

/// Bytes that can be read at any place.
enum Random<'a> {
    File(File),
    Memory(Arc<[u8]>),
    /// Compressed: it becomes a decompressed temporary file when a place of it is first asked for.
    Packed(&'a Source, Option<&'a Path>),
}

/// The two ways to read one source.
pub(crate) struct Input<'a> {
    /// Where a first pass over compressed data comes from.
    stream: Option<Box<dyn Read + Send + 'a>>,
    random: Random<'a>,
    /// The offset that the next read from front to back begins at.
    next: u64,
    /// Raw bytes are counted up to here.
    counted: u64,
    count: &'a AtomicU64,
}

impl<'a> Input<'a> {
    /// Opens a source. Pipes are copied into a temporary file first.
    pub fn open(source: &'a Source, temp_dir: Option<&'a Path>, watch: &'a Watch) -> Result<Self, PlainHalt> {
        let io = |error| Halt::Io(0, error);
        let (compression, mut stream) = source.open(Some(&watch.bytes_done)).map_err(io)?;
        let count = &watch.bytes_done;
        let input = |stream, random, counted| Ok(Input { stream, random, next: 0, counted, count });
        let seekable = match source {
            Source::Path(path) => path.metadata().map_err(io)?.is_file(),
            Source::Stdin => false,
            Source::Memory { .. } => true,
        };
        if !seekable {
            let cancelled = || watch.cancel.load(Ordering::Relaxed);
            let file = spool(&mut stream, temp_dir, cancelled).map_err(io)?;
            let Some(file) = file else { return Err(Halt::Stopped) };
            return input(None, Random::File(file), u64::MAX);
        }
        match (compression, source) {
            // The first four bytes were read, and counted, to look for compression.
            (Compression::None, Source::Path(path)) => {
                input(None, Random::File(File::open(path).map_err(io)?), 4)
            }
            (Compression::None, Source::Memory { bytes, .. }) => {
                input(None, Random::Memory(Arc::clone(bytes)), 4)
            }
            _ => input(Some(stream), Random::Packed(source, temp_dir), u64::MAX),
        }
    }

    /// Goes on reading at another offset.
    pub fn seek(&mut self, offset: u64) {
        self.stream = None;
        self.next = offset;
    }

    /// Appends the bytes at an offset to `out`. They have been there before, so the length can be trusted.
    pub fn append(&mut self, at: u64, length: u64, out: &mut Vec<u8>) -> Result<(), PlainHalt> {
        let start = out.len();
        let length = usize::try_from(length).map_err(|_| vanished(at))?;
        out.resize(start + length, 0);
        let mut filled = 0;
        while filled < length {
            match self.read_at(&mut out[start + filled..], at + filled as u64) {
                Ok(0) => return Err(vanished(at)),
                Ok(got) => filled += got,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Halt::Io(at, error)),
            }
        }
        Ok(())
    }

    /// A reader of its own that begins at an offset.
    pub fn reader_at(&mut self, next: u64) -> ReaderAt<'_, 'a> {
        ReaderAt { input: self, next }
    }

    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if let Random::Packed(source, temp_dir) = self.random {
            let (_, mut stream) = source.open(None)?;
            if let Some(file) = spool(&mut stream, temp_dir, || false)? {
                self.random = Random::File(file);
            }
        }
        match &self.random {
            Random::File(file) => read_at(file, buffer, at),
            Random::Memory(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(buffer)
            }
            Random::Packed(..) => Ok(0),
        }
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match &mut self.stream {
            Some(stream) => stream.read(buffer)?,
            None => self.read_at(buffer, self.next)?,
        };
        self.next += got as u64;
        if self.next > self.counted {
            self.count.fetch_add(self.next - self.counted, Ordering::Relaxed);
            self.counted = self.next;
        }
        Ok(got)
    }
}

/// Reads an input from some offset on.
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

/// Copies a stream into a temporary file that goes away with its handle; nothing if cancelled.
fn spool(
    stream: &mut dyn Read,
    temp_dir: Option<&Path>,
    cancelled: impl Fn() -> bool,
) -> io::Result<Option<File>> {
    let directory = temp_dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let explain = |error: io::Error| {
        let text = format!(
            "no temporary copy could be written in {}: {error}; choose another directory with --temp-dir",
            directory.display()
        );
        io::Error::new(error.kind(), text)
    };
    let mut file = tempfile::tempfile_in(&directory).map_err(explain)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        if cancelled() {
            return Ok(None);
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(Some(file)),
            Ok(got) => file.write_all(&buffer[..got]).map_err(explain)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
