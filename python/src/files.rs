//! Building from files, as `hashlith build` does.

use crate::{
    advice, errors,
    paths::AnyPath,
    progress::{Listener, supervise},
    settings::Keywords,
};
use hashlith::{BuildReport, FileBuild};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyDict, PyTuple},
};
use std::{
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

/// Builds an index from files and folders. Returns a report.
#[pyfunction]
#[pyo3(signature = (path, inputs, **options))]
pub fn build_from_files<'py>(
    py: Python<'py>,
    path: AnyPath,
    inputs: Vec<AnyPath>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let inputs: Vec<PathBuf> = inputs.into_iter().map(PathBuf::from).collect();
    let keywords = Keywords::new(py, options)?;
    let builder = keywords.builder()?;
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
            "{} is a pipe, and Ctrl-C could not end the wait for its writer: pass an iterable of pairs to build(), or use \
             the command",
            pipe.display()
        );
        return Err(errors::input_error(py, &message));
    }
    let keys = input.key_type;
    let output = errors::absolute(&path)?;
    let build = py.detach(|| FileBuild::new(&output, &inputs, input, builder));
    let build = build.map_err(|error| errors::from_error(py, error))?;
    let job = build.progress();
    let listener = Listener::new(progress.as_ref(), build.progress())?;
    let done = supervise(py, &listener, &job, || build.run())?;
    report(py, &done.map_err(|error| errors::of_build(py, error, keys))?)
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// A `hashlith.BuildReport`.
pub fn report<'py>(py: Python<'py>, report: &BuildReport) -> PyResult<Bound<'py, PyAny>> {
    let BuildReport { output, built, skipped, first_skipped, notes, took, .. } = report;
    let values = PyDict::new(py);
    values.set_item("path", output.as_os_str())?;
    values.set_item("records", built.records)?;
    values.set_item("keys", built.keys)?;
    values.set_item("duplicates", built.duplicates)?;
    values.set_item("skipped", skipped)?;
    values.set_item("first_skipped", PyTuple::new(py, first_skipped.iter().map(advice::skipped))?)?;
    values.set_item("notes", PyTuple::new(py, notes)?)?;
    values.set_item("nbytes", built.bytes())?;
    values.set_item("spilled_bytes", built.spilled_bytes)?;
    values.set_item("seconds", took.as_secs_f64())?;
    py.import("hashlith._build")?.getattr("BuildReport")?.call((), Some(&values))
}
