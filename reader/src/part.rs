//! One file of an index.

use crate::lookup::{self, Lookup};
use hashlith_format::{Coding, Error, Header, PAGE, Span};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One file: a whole index, or a part of a set.
#[derive(Clone)]
pub struct Part<D> {
    data: D,
    header: Header,
    /// `None` if keys and values are stored as they are.
    coding: Option<Arc<Coding>>,
    /// Number of keys in the parts before.
    pub(crate) first_id: u64,
    /// The index has other parts.
    pub(crate) in_set: bool,
    /// A thin pointer: with a wide one, lookups in sets took more instructions.
    path: Option<Arc<PathBuf>>,
}

/// Leaves out the bytes, which are too many.
impl<D> fmt::Debug for Part<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("path", &self.path).field("header", &self.header).finish_non_exhaustive()
    }
}

impl<D: AsRef<[u8]>> Part<D> {
    pub(crate) fn new(data: D, path: Option<&Path>) -> Result<Self, Error> {
        let bytes = data.as_ref();
        let head = bytes.get(..PAGE as usize).unwrap_or(bytes);
        let header = Header::parse(head, bytes.len() as u64)?;
        let tables = header.sections.tables;
        let coding =
            Coding::parse(&header, lookup::slice(bytes, tables.offset, tables.len).unwrap_or_default())?;
        let coding = (!coding.is_plain()).then(|| Arc::new(coding));
        let path = path.map(|path| Arc::new(path.into()));
        Ok(Part { data, header, coding, first_id: 0, in_set: false, path })
    }

    /// The same part over a borrow of its bytes.
    pub(crate) fn borrowed(&self) -> Part<&[u8]> {
        Part {
            data: self.as_bytes(),
            header: self.header,
            coding: self.coding.clone(),
            first_id: self.first_id,
            in_set: self.in_set,
            path: self.path.clone(),
        }
    }

    /// The path that the file was opened by, or `None` for bytes that were given to [`Index::new`](crate::Index::new).
    ///
    /// Another file may have taken the place of the open one since.
    ///
    /// ```
    /// let index = hashlith_reader::Index::load("tests/colours.hlith")?;
    /// assert_eq!(index.parts()[0].path(), Some("tests/colours.hlith".as_ref()));
    /// # Ok::<(), hashlith_reader::OpenError>(())
    /// ```
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref().map(PathBuf::as_path)
    }

    /// The decoded header: counts, types, and where the sections lie (`spec.md` section 3).
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let header = index.parts()[0].header();
    /// assert_eq!((header.keys, header.cells), (2, 1));
    /// assert_eq!(header.file_len(), 12_296);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes of the file.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert!(index.parts()[0].as_bytes().starts_with(b"\x89HLITH\r\n"));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        self.data.as_ref()
    }

    /// What the index lies over.
    ///
    /// ```
    /// let index = hashlith_reader::Index::load("tests/colours.hlith")?;
    /// let bytes: &Vec<u8> = index.parts()[0].data();
    /// assert_eq!(bytes.len(), 12_296);
    /// # Ok::<(), hashlith_reader::OpenError>(())
    /// ```
    pub fn data(&self) -> &D {
        &self.data
    }

    /// The first dense id of this part: the number of keys in the parts before it.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert_eq!(index.parts()[0].first_id(), 0);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn first_id(&self) -> u64 {
        self.first_id
    }

    /// The header digest, which covers every byte of the file by way of the sums (`spec.md` section 8).
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let part = &index.parts()[0];
    /// assert_eq!(part.digest().to_le_bytes(), part.as_bytes()[4088..4096]);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn digest(&self) -> u64 {
        self.as_bytes().first_chunk().map_or(0, hashlith_format::header::digest)
    }

    /// Where bytes that this part returned lie, in bytes from the beginning of the file: keys and values that it stores as they
    /// are, and the metadata.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let part = &index.parts()[0];
    /// let value = index.get(b"sky")?.unwrap();
    /// let at = part.offset_of(&value) as usize;
    /// assert_eq!(&part.as_bytes()[at..at + 4], b"blue");
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn offset_of(&self, bytes: &[u8]) -> u64 {
        (bytes.as_ptr() as usize).wrapping_sub(self.data.as_ref().as_ptr() as usize) as u64
    }

    /// The values section: the values of a fixed width, in the order of the dense ids. Empty for other types of values.
    ///
    /// ```
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// assert!(index.parts()[0].values().is_empty());
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn values(&self) -> &[u8] {
        self.section(self.header.sections.values)
    }

    #[inline]
    pub(crate) fn section(&self, span: Span) -> &[u8] {
        lookup::slice(self.data.as_ref(), span.offset, span.len).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup::new(self.data.as_ref(), &self.header, self.coding.as_deref(), self.first_id, self.in_set)
    }
}
