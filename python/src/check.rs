//! `verify`, `info`, and the command itself.

use crate::{
    errors, open,
    paths::AnyPath,
    progress::{Listener, supervise},
};
use hashlith::{Progress, VerifyOptions};
use pyo3::{exceptions::PyRuntimeError, prelude::*};
use std::{ffi::OsString, sync::Arc};

/// Checks every byte of an index, and that every key finds its value. Returns the numbers of keys, cells and bytes.
#[pyfunction]
#[pyo3(signature = (path, threads, progress))]
pub fn verify(
    py: Python<'_>,
    path: AnyPath,
    threads: Option<usize>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(u64, u64, u64)> {
    let path = errors::absolute(&path)?;
    let options = threads.map_or_else(VerifyOptions::default, |threads| VerifyOptions { threads });
    let job = Arc::new(Progress::new());
    let listener = Listener::new(progress, Arc::clone(&job))?;
    let done = supervise(py, &listener, &job, || hashlith::verify(&path, &options, &job))?;
    let report = done.map_err(|error| errors::from_error(py, error))?.report;
    Ok((report.keys, report.cells, report.bytes))
}

/// The output of `hashlith info --json`, without the path.
#[pyfunction]
#[pyo3(signature = (path))]
pub fn info(py: Python<'_>, path: AnyPath) -> PyResult<String> {
    let path = errors::absolute(&path)?;
    let index = open::map(py, &path)?;
    let info = py.detach(|| hashlith::info(&index)).map_err(|error| errors::from_error(py, error))?;
    serde_json::to_string(&info).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// The `hashlith` command. Returns its exit code.
#[pyfunction]
#[pyo3(signature = (arguments))]
pub fn run(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| hashlith_cli::run(arguments))
}
