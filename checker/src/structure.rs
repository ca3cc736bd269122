//! What a reader checks when it opens a file: rules R1 to R20.

use crate::{Error, ReadAt, read::read_whole};
use hashlith_format::{BlockView, Directory, Header, PAGE};

/// The header and the directory of a file, checked.
pub(crate) struct Structure {
    pub(crate) header: Header,
    directory: Vec<u8>,
}

impl Structure {
    /// Reads both and checks R1 to R20.
    pub(crate) fn open<R: ReadAt + ?Sized>(file: &R) -> Result<Self, Error> {
        let len = file.len().map_err(|source| Error::Io { offset: 0, source })?;
        let mut page = Vec::new();
        read_whole(file, 0, len.min(PAGE), &mut page)?;
        let header = Header::parse(&page, len)?;
        let mut directory = Vec::new();
        let span = header.sections.directory;
        read_whole(file, span.offset, span.len, &mut directory)?;
        Directory::check(&directory, &header)?;
        Ok(Structure { header, directory })
    }

    pub(crate) fn directory(&self) -> Directory<'_> {
        Directory::new(&self.directory)
    }

    /// Block `number`; that of any block below B exists, because the directory has been checked.
    #[inline]
    pub(crate) fn block(&self, number: u64) -> Option<BlockView> {
        self.directory().block(number, &self.header)
    }

    /// Where the records of block `number` begin, from the beginning of the file; for B, where the pool ends.
    pub(crate) fn pool_start(&self, number: u64) -> u64 {
        let pool = self.header.sections.pool;
        self.directory()
            .entry(number)
            .map_or(pool.end(), |entry| pool.offset.saturating_add(entry.pool_start))
    }
}
