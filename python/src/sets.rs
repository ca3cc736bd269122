//! For builds of sets on many machines: the part of a key, and the commit of the parts.

use crate::column::{Column, Fault};
use crate::errors;
use crate::paths::AnyPath;
use crate::progress::{Listener, supervise};
use crate::settings;
use hashlith::{MAX_PARTS, Progress, Seed};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::path::PathBuf;

/// The part of each key of an Arrow column, as native 4-byte numbers; -1 for a null.
#[pyfunction]
#[pyo3(signature = (keys, parts, *, hash = "xxh3", seed = 0))]
pub fn part_numbers<'py>(
    py: Python<'py>,
    keys: &Bound<'py, PyAny>,
    parts: u32,
    hash: &str,
    seed: u128,
) -> PyResult<Bound<'py, PyByteArray>> {
    let hasher = settings::hasher(hash, Some(Seed::Number(seed)))?;
    if !(1..=MAX_PARTS).contains(&parts) {
        return Err(PyValueError::new_err(format!("parts must be 1 to 65,536, not {parts}")));
    }
    let column = Column::any(keys)?.ok_or_else(|| PyTypeError::new_err("keys must be an Arrow column"))?;
    let column = column.into_keys()?;
    let bytes = column.len().saturating_mul(size_of::<i32>());
    PyByteArray::new_with(py, bytes, |numbers| {
        let fill = || -> Result<(), Fault> {
            for (number, key) in numbers.as_chunks_mut().0.iter_mut().zip(column.rows()) {
                *number = key?.map_or(-1, |key| hasher.hash(key).part(parts).cast_signed()).to_le_bytes();
            }
            Ok(())
        };
        Ok(py.detach(fill)?)
    })
}

/// Creates the directory of a set, or checks that the existing one may become a set. Returns True if it was created.
#[pyfunction]
#[pyo3(signature = (path))]
pub fn prepare_set(py: Python<'_>, path: AnyPath) -> PyResult<bool> {
    let path = errors::absolute(&path)?;
    py.detach(|| hashlith::prepare_set(&path)).map_err(|error| errors::from_error(py, error))
}

/// For `os.register_at_fork`: a child gets no share of the locks of builds.
#[pyfunction]
pub fn before_fork() {
    hashlith::before_fork();
}

/// See `before_fork`.
#[pyfunction]
pub fn after_fork_in_parent() {
    hashlith::after_fork_in_parent();
}

/// See `before_fork`.
#[pyfunction]
pub fn after_fork_in_child() {
    hashlith::after_fork_in_child();
}

/// Makes a set of finished part files.
#[pyfunction]
#[pyo3(signature = (path, files))]
pub fn commit_set(py: Python<'_>, path: AnyPath, files: Vec<AnyPath>) -> PyResult<u64> {
    let path = errors::absolute(&path)?;
    let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
    let progress = Progress::new();
    let commit = || hashlith::commit_set(&path, &files, &progress);
    supervise(py, &Listener::Nobody, &progress, commit)?.map_err(|error| errors::from_error(py, error))
}
