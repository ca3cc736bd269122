//! Reads pieces of a file without mapping it.

use crate::{coded::Codes, error::Error};
use hashlith_feedback::Progress;
use hashlith_format::{Coding, Header, PAGE};
use std::{fs::File, io, os::unix::fs::FileExt};

/// A file, or bytes that stand for one, read in pieces by many threads.
pub trait ReadAt: Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn len(&self) -> io::Result<u64>;

    /// True if there are no bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Those of the system, and `UnexpectedEof` if there are fewer bytes.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buf, offset)
    }
}

impl ReadAt for [u8] {
    fn len(&self) -> io::Result<u64> {
        Ok(<[u8]>::len(self) as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset).ok().and_then(|start| self.get(start..)?.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.as_slice())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buf, offset)
    }
}

/// The `N` bytes at `offset`.
pub(crate) fn read_array<const N: usize, R: ReadAt + ?Sized>(
    file: &R,
    offset: u64,
) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, offset).map_err(|source| Error::Io { offset, source })?;
    Ok(bytes)
}

/// Reads the `len` bytes at `offset` into `bytes`. The caller has checked that they lie within the file.
///
/// Memory that does not suffice is an error here: a sparse file costs its maker nothing and may be longer than any memory.
pub(crate) fn read_whole<R: ReadAt + ?Sized>(
    file: &R,
    offset: u64,
    len: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    let no_memory = Error::Memory { offset, bytes: len };
    bytes.clear();
    match usize::try_from(len) {
        Ok(len) if bytes.try_reserve_exact(len).is_ok() => bytes.resize(len, 0),
        _ => return Err(no_memory),
    }
    file.read_exact_at(bytes, offset).map_err(|source| Error::Io { offset, source })
}

/// Reads the header of a file and checks R1 to R14, as a reader does when it opens the file.
pub(crate) fn read_header<R: ReadAt + ?Sized>(file: &R) -> Result<Header, Error> {
    let len = file.len().map_err(|source| Error::Io { offset: 0, source })?;
    let mut page = Vec::new();
    read_whole(file, 0, len.min(PAGE), &mut page)?;
    Ok(Header::parse(&page, len)?)
}

/// Reads the token tables of a file and checks R18, as a reader does when it opens the file.
pub(crate) fn read_codes<R: ReadAt + ?Sized>(file: &R, header: &Header) -> Result<Codes, Error> {
    let mut tables = Vec::new();
    read_whole(file, header.sections.tables.offset, header.sections.tables.len, &mut tables)?;
    Ok(Codes { coding: Coding::parse(header, &tables)?, tables })
}

/// Most bytes that a [`Window`] holds: enough that system calls cost little, few enough to stay in the L2 cache.
pub(crate) const WINDOW: usize = 256 << 10;

/// A piece of a file in memory, which slides forward to the bytes that are asked for.
pub(crate) struct Window<'a, R: ?Sized> {
    file: &'a R,
    progress: &'a Progress,
    bytes: Vec<u8>,
    /// Where `bytes` begins in the file.
    start: u64,
    /// How many of `bytes` are from the file.
    filled: usize,
}

impl<'a, R: ReadAt + ?Sized> Window<'a, R> {
    pub(crate) fn new(file: &'a R, progress: &'a Progress) -> Self {
        Window { file, progress, bytes: Vec::new(), start: 0, filled: 0 }
    }

    /// The `len` bytes at `at`, at most [`WINDOW`]. Reads ahead up to byte `limit`, which lies within the file and not
    /// before the end of these bytes.
    ///
    /// # Errors
    /// `Io`, and `Cancelled`: a check that was cancelled stops at the next read.
    #[inline]
    pub(crate) fn get(&mut self, at: u64, len: usize, limit: u64) -> Result<&[u8], Error> {
        let mut from = at.wrapping_sub(self.start);
        if from > self.filled as u64 || (self.filled as u64 - from) < len as u64 {
            // No bytes may be asked for at any place: of records and bodies that have none.
            if len == 0 {
                return Ok(&[]);
            }
            self.fill(at, limit)?;
            from = 0;
        }
        let bytes = self.bytes.get(..self.filled).and_then(|bytes| bytes.get(from as usize..)?.get(..len));
        bytes.ok_or_else(|| Error::Io { offset: at, source: io::ErrorKind::UnexpectedEof.into() })
    }

    #[cold]
    fn fill(&mut self, at: u64, limit: u64) -> Result<(), Error> {
        self.progress.check()?;
        let len = usize::try_from(limit.saturating_sub(at)).unwrap_or(WINDOW).min(WINDOW);
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        self.filled = 0;
        if let Some(bytes) = self.bytes.get_mut(..len) {
            self.file.read_exact_at(bytes, at).map_err(|source| Error::Io { offset: at, source })?;
        }
        (self.start, self.filled) = (at, len);
        Ok(())
    }
}
