//! `verify`, `info`, and the command itself.

use crate::errors;
use crate::progress::{Listener, supervise};
use hashlith_checker::{FileError, Files, Options, Progress};
use hashlith_cli::meter::{Snapshot, Unit};
use hashlith_cli::open::check_index;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Checks every byte of an index, and that every key finds its value; gives the numbers of keys, cells and bytes.
#[pyfunction]
#[pyo3(signature = (path, threads, progress))]
pub fn verify(
    py: Python<'_>,
    path: PathBuf,
    threads: Option<usize>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(u64, u64, u64)> {
    let path = errors::absolute(&path)?;
    check_index(&path).map_err(|failure| errors::from_failure(py, failure))?;
    let failed = |failed: FileError| {
        errors::from_failure(py, hashlith_cli::verify_failure(&failed.path, &failed.error))
    };
    // Of a set all parts are open at a time.
    hashlith_builder::open_files(u64::from(hashlith_format::MAX_PARTS) + 64);
    let files = Files::open(&path).map_err(failed)?;
    let options = threads.map_or_else(Options::default, |threads| Options { threads });
    let state = Arc::new(Progress::default());
    let shown = Arc::clone(&state);
    let sampler = move || Snapshot {
        phase: "checking",
        done: shown.done.load(Relaxed),
        total: Some(shown.total.load(Relaxed)),
        unit: Unit::Bytes,
        records: None,
    };
    let listener = Listener::new(progress, Arc::new(sampler))?;
    let cancel = || state.cancel.store(true, Relaxed);
    let done = supervise(py, &listener, cancel, || files.verify(&options, &state))?;
    let report = done.map_err(failed)?;
    Ok((report.keys, report.cells, report.bytes))
}

/// What `hashlith info --json` tells of an index, as JSON.
#[pyfunction]
#[pyo3(signature = (path))]
pub fn info(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    let path = errors::absolute(&path)?;
    py.detach(|| hashlith_cli::info_json(&path)).map_err(|failure| errors::from_failure(py, failure))
}

/// The `hashlith` command; gives its exit code.
#[pyfunction]
#[pyo3(signature = (arguments))]
pub fn run(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| hashlith_cli::run(arguments))
}
