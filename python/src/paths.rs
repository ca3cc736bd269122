//! Paths as Python has them: `str`, `bytes`, or objects of `os.PathLike` that give one of these.

use crate::kinds::type_name;
use pyo3::{Borrowed, exceptions::PyTypeError, prelude::*, types::PyBytes};
use std::{
    ffi::{OsStr, OsString},
    ops::Deref,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// A path that the caller gave.
#[derive(Debug)]
pub struct AnyPath(PathBuf);

impl Deref for AnyPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl From<AnyPath> for PathBuf {
    fn from(path: AnyPath) -> Self {
        path.0
    }
}

impl FromPyObject<'_, '_> for AnyPath {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let path = py.import("os")?.getattr("fspath")?.call1((object,)).map_err(|error| {
            // An error in `__fspath__` of an object that has it stays as it is.
            match error.is_instance_of::<PyTypeError>(py) && !object.hasattr("__fspath__").unwrap_or(false) {
                true => PyTypeError::new_err(format!(
                    "a path must be str, bytes or os.PathLike, not {}",
                    type_name(&object)
                )),
                false => error,
            }
        })?;
        if let Ok(bytes) = path.cast::<PyBytes>() {
            return Ok(AnyPath(OsStr::from_bytes(bytes.as_bytes()).into()));
        }
        Ok(AnyPath(path.extract::<OsString>()?.into()))
    }
}
