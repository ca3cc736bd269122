//! One file of an index.

use crate::{Error, Header, Index, Span, lookup};
use hashlith_format::PAGE;
use std::fmt;

/// One file: a whole index, or a part of a set.
#[derive(Clone)]
pub struct Part<D> {
    data: D,
    header: Header,
    /// Number of keys in the parts before.
    pub(crate) first_id: u64,
}

/// What the header says; the bytes would be too many.
impl<D> fmt::Debug for Part<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<D: AsRef<[u8]>> Part<D> {
    pub(crate) fn new(data: D) -> Result<Self, Error> {
        let bytes = data.as_ref();
        let head = bytes.get(..PAGE as usize).unwrap_or(bytes);
        let header = Header::parse(head, bytes.len() as u64)?;
        Ok(Part { data, header, first_id: 0 })
    }

    /// What the file says of itself: counts, types, and the places and lengths of its sections.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes of the file.
    pub fn as_bytes(&self) -> &[u8] {
        self.data.as_ref()
    }

    /// What the index lies over.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// Number of keys in the parts before: what the dense ids of this one begin with.
    pub fn first_id(&self) -> u64 {
        self.first_id
    }

    /// This part as an index of its own, whose ids begin with 0.
    pub fn alone(&self) -> Index<&[u8]> {
        Index::of(vec![Part { data: self.as_bytes(), header: self.header, first_id: 0 }])
    }

    /// The digest of the header, which by way of the sums covers every byte (`spec.md` section 8).
    pub fn digest(&self) -> u64 {
        self.as_bytes().first_chunk().map_or(0, hashlith_format::header::digest)
    }

    /// Where a key or value that this part gave lies, in bytes from the beginning of the file.
    pub fn offset_of(&self, bytes: &[u8]) -> u64 {
        (bytes.as_ptr() as usize).wrapping_sub(self.data.as_ref().as_ptr() as usize) as u64
    }

    #[inline]
    pub(crate) fn section(&self, span: Span) -> &[u8] {
        lookup::slice(self.data.as_ref(), span.offset, span.len).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn lookup(&self) -> lookup::Lookup<'_> {
        lookup::Lookup::new(self.data.as_ref(), &self.header, self.first_id)
    }
}
