//! Maps index files.
#![allow(unsafe_code)]

use crate::errors;
use hashlith::{Index, MapOptions, Mapping, OpenError, Span, check_path};
use pyo3::prelude::*;
use std::path::Path;

/// An index of the library.
pub type Open = Index<Data>;

/// The bytes of an index: a file that all processes share, or a private copy in memory.
#[derive(Debug)]
pub enum Data {
    /// The file.
    Mapped(Mapping),
    /// The copy.
    Memory(Vec<u8>),
}

impl AsRef<[u8]> for Data {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Data::Mapped(mapping) => mapping.as_ref(),
            Data::Memory(bytes) => bytes,
        }
    }
}

impl Data {
    fn will_need(&self, span: Span) {
        if let Data::Mapped(mapping) = self {
            mapping.will_need(span);
        }
    }
}

/// Opens an index file, or a set.
///
/// # Errors
/// OSError, CorruptError.
pub fn open(py: Python<'_>, path: &Path, in_memory: bool, options: &MapOptions) -> PyResult<Index<Data>> {
    check_path(path).map_err(|error| errors::from_error(py, error))?;
    let open_file = |path: &Path| {
        if in_memory {
            let source = std::fs::read(path);
            return source.map(Data::Memory).map_err(|source| OpenError::Io { path: path.into(), source });
        }
        // SAFETY: `open` requires that nobody writes to the file or truncates it while it is mapped. As with Python's own
        // `mmap`, the user must ensure that: the documentation of `hashlith.open` says so, and recommends `in_memory=True`
        // for other files. hashlith itself never does it: a build writes to another file and renames it (spec.md section 10).
        unsafe { Mapping::open(path, options) }.map(Data::Mapped)
    };
    let index = py.detach(|| Index::open_with(path, open_file));
    let index = index.map_err(|error| errors::from_error(py, error))?;
    Ok(if options.cold { index.read_ahead_with(Data::will_need) } else { index })
}

/// Maps an index file, or a set, for the duration of one call.
///
/// # Errors
/// As [`open`].
pub fn map(py: Python<'_>, path: &Path) -> PyResult<Index<Mapping>> {
    check_path(path).map_err(|error| errors::from_error(py, error))?;
    // SAFETY: as in `open`.
    let index = py.detach(|| unsafe { Index::map(path, &MapOptions::default()) });
    index.map_err(|error| errors::from_error(py, error))
}
