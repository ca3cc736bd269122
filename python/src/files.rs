//! Building from files, as `hashlith build` does.

use crate::errors;
use crate::progress::{Listener, supervise};
use crate::settings::Keywords;
use hashlith_cli::building::{Ended, FileBuild};
use hashlith_inputs::Summary;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Builds an index from files and folders, and tells what was built.
#[pyfunction]
#[pyo3(signature = (path, inputs, **options))]
pub fn build_from_files<'py>(
    py: Python<'py>,
    path: PathBuf,
    inputs: Vec<PathBuf>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let began = Instant::now();
    let keywords = Keywords::new(py, options)?;
    let settings = keywords.settings()?;
    let input = keywords.input()?;
    let progress = keywords.object("progress")?;
    keywords.end()?;
    if inputs.iter().any(|input| input == Path::new("-")) {
        return Err(PyValueError::new_err(
            "standard input is for the command: pass an iterable of pairs to build()",
        ));
    }
    if let Some(pipe) = inputs.iter().find(|input| is_pipe(input)) {
        let message = format!(
            "{} is a pipe, and Ctrl-C could not end a wait for its writer: pass an iterable of pairs to build(), or use \
             the command",
            pipe.display()
        );
        return Err(errors::input_error(py, &message));
    }
    let keys = input.keys;
    let output = errors::absolute(&path)?;
    let build = py.detach(|| FileBuild::new(&output, &inputs, input, &settings));
    let build = build.map_err(|failure| errors::from_failure(py, failure))?;
    let (watch, shown) = (build.watch(), build.watch());
    let listener = Listener::new(progress.as_ref(), Arc::new(move || shown.snapshot()))?;
    let work = || {
        build.run(|| Ok(())).map_err(|ended| match ended {
            Ended::Failed(error) => build.failure(&error),
            Ended::Stopped(failure) => failure,
        })
    };
    let done = supervise(py, &listener, || watch.cancel(), work)?;
    let (built, read) = done.map_err(|failure| errors::build_failure(py, failure, keys))?;
    report(py, &output, &built, Some(&read), began.elapsed())
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// A `hashlith.BuildReport`.
pub fn report<'py>(
    py: Python<'py>,
    output: &Path,
    built: &hashlith_builder::Report,
    read: Option<&Summary>,
    took: Duration,
) -> PyResult<Bound<'py, PyAny>> {
    let values = PyDict::new(py);
    values.set_item("path", output.as_os_str())?;
    values.set_item("records", built.records)?;
    values.set_item("keys", built.keys)?;
    values.set_item("duplicates", built.duplicates)?;
    values.set_item("skipped", read.map_or(0, |read| read.skipped))?;
    let first = read.map_or(&[][..], |read| &read.first_skipped);
    let first: Vec<_> = first.iter().map(|text| errors::without_flags(text)).collect();
    values.set_item("first_skipped", PyTuple::new(py, first)?)?;
    values.set_item("nbytes", built.bytes())?;
    values.set_item("spilled_bytes", built.spilled_bytes)?;
    values.set_item("seconds", took.as_secs_f64())?;
    py.import("hashlith._build")?.getattr("BuildReport")?.call((), Some(&values))
}
