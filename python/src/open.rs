//! Maps index files: the one file of the package with unsafe code.
#![allow(unsafe_code)]

use crate::errors;
use hashlith::{Index, MapOptions, Mapping, OpenError, Span, check_path};
use pyo3::prelude::*;
use std::path::Path;

/// The bytes of an index: a file that all processes share, or a copy of this process's own.
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
        // SAFETY: `open` asks that nobody writes to the file or cuts it off while it is mapped. As Python's own `mmap`
        // does, the package leaves this promise to whoever opens the file: the documentation of `hashlith.open` states
        // it, along with `in_memory=True` for files that cannot be trusted to keep it. hashlith itself keeps it: a build
        // writes to another file and renames it (spec.md section 10).
        unsafe { Mapping::open(path, options) }.map(Data::Mapped)
    };
    let index = py.detach(|| Index::open_with(path, open_file));
    let index = index.map_err(|error| errors::from_error(py, error))?;
    Ok(if options.cold { index.read_ahead_with(Data::will_need) } else { index })
}

/// Maps an index file, or a set, for as long as one call takes.
///
/// # Errors
/// As [`open`].
pub fn map(py: Python<'_>, path: &Path) -> PyResult<Index<Mapping>> {
    check_path(path).map_err(|error| errors::from_error(py, error))?;
    // SAFETY: as in `open`.
    let index = py.detach(|| unsafe { Index::map(path, &MapOptions::default()) });
    index.map_err(|error| errors::from_error(py, error))
}
