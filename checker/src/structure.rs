//! What a reader checks when it opens a file: rules R1 to R14.

use crate::{Error, ReadAt, read::read_whole};
use hashlith_format::{Header, PAGE};

/// Reads the header of a file and checks R1 to R14.
pub(crate) fn open<R: ReadAt + ?Sized>(file: &R) -> Result<Header, Error> {
    let len = file.len().map_err(|source| Error::Io { offset: 0, source })?;
    let mut page = Vec::new();
    read_whole(file, 0, len.min(PAGE), &mut page)?;
    Ok(Header::parse(&page, len)?)
}
