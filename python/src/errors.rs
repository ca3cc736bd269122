//! Errors as Python exceptions, of the classes in `hashlith/_errors.py`.

use crate::advice;
use hashlith::{Error, KeyType, inputs};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyOSError, PyUnicodeDecodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};
use std::collections::TryReserveError;
use std::path::{Path, PathBuf};

static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// An exception of the package, with attributes.
fn raise(
    py: Python<'_>,
    class: &str,
    message: &str,
    attributes: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
) -> PyErr {
    let make = || {
        let module = MODULE.get_or_try_init(py, || py.import("hashlith._errors").map(Bound::unbind))?;
        let keywords = PyDict::new(py);
        attributes(&keywords)?;
        module.bind(py).getattr(class)?.call((message,), Some(&keywords))
    };
    make().map_or_else(|error| error, PyErr::from_value)
}

/// An `InputError` without a file.
pub fn input_error(py: Python<'_>, message: &str) -> PyErr {
    raise(py, "InputError", message, |_| Ok(()))
}

/// An `InputError` for a row of a table that is in no file.
pub fn row_error(py: Python<'_>, message: &str, row: u64) -> PyErr {
    raise(py, "InputError", message, |keywords| keywords.set_item("row", row))
}

/// The error for a file that is not the one that was pickled.
pub fn replaced(py: Python<'_>, path: &Path, expected: &str, found: &str) -> PyErr {
    let message = format!(
        "{}: not the file that the index was pickled with (its digest is {found}, not {expected}): it has been \
         replaced since; open it by its path to read the new one",
        path.display()
    );
    raise(py, "ReplacedError", &message, |keywords| keywords.set_item("path", path.as_os_str()))
}

/// The error for memory that is not there.
#[cold]
pub fn no_memory(error: TryReserveError) -> PyErr {
    PyMemoryError::new_err(error.to_string())
}

/// Turns CPython's error for text that is not UTF-8 into the one that `damage` makes. Others, such as MemoryError, stay.
pub fn unless_not_utf8(py: Python<'_>, damage: impl FnOnce() -> PyErr) -> impl FnOnce(PyErr) -> PyErr {
    move |error| if error.is_instance_of::<PyUnicodeDecodeError>(py) { damage() } else { error }
}

/// An error of the library, as an exception.
pub fn from_error(py: Python<'_>, error: impl Into<Error>) -> PyErr {
    of_build(py, error.into(), KeyType::Text)
}

/// The error of a build with keys of this type.
pub fn of_build(py: Python<'_>, error: Error, keys: KeyType) -> PyErr {
    let message = advice::message(&error);
    if let Error::Addresses { path, .. } = &error {
        let errno = error.system().map_or(0, |(_, errno)| errno);
        return PyOSError::new_err((errno, message, path.as_os_str().to_owned()));
    }
    if let Some((path, errno)) = error.system() {
        return os_error(py, errno, path, &message);
    }
    match error {
        Error::Cancelled => PyKeyboardInterrupt::new_err(()),
        Error::Input(error) => of_input(py, &error, &message),
        Error::Duplicate { key, first, second, .. } => raise(py, "DuplicateKeyError", &message, |keywords| {
            match keys {
                KeyType::Text => keywords.set_item("key", String::from_utf8_lossy(&key))?,
                KeyType::Int => {
                    keywords
                        .set_item("key", String::from_utf8_lossy(&key).parse::<i64>().unwrap_or_default())?;
                }
                KeyType::Bytes | KeyType::None => keywords.set_item("key", PyBytes::new(py, &key))?,
            }
            keywords.set_item("first", first)?;
            keywords.set_item("second", second)
        }),
        Error::Corrupt { path, fault } => raise(py, "CorruptError", &message, |keywords| {
            keywords.set_item("path", path.as_os_str())?;
            keywords.set_item("rule", fault.rule().to_string())?;
            keywords.set_item("offset", fault.offset())
        }),
        error if error.is_usage() => PyValueError::new_err(message),
        _ => raise(py, "Error", &message, |_| Ok(())),
    }
}

/// Input that cannot be read as records.
fn of_input(py: Python<'_>, error: &inputs::Error, message: &str) -> PyErr {
    use inputs::Error as E;
    let (path, place) = match error {
        E::Bad { location, .. } => (Some(&location.name), Some(location)),
        E::UnknownFormat { path }
        | E::Directory { path }
        | E::NotAFile { path }
        | E::EmptyDirectory { path }
        | E::NeedsFile { path, .. }
        | E::Table { path, .. }
        | E::Compression { path, .. } => (Some(path), None),
        _ => (None, None),
    };
    raise(py, "InputError", message, |keywords| {
        keywords.set_item("path", path)?;
        keywords.set_item("line", place.and_then(|place| place.line))?;
        keywords.set_item("offset", place.filter(|place| place.row.is_none()).map(|place| place.byte))?;
        keywords.set_item("row", place.and_then(|place| place.row))
    })
}

/// An `OSError` of the class for this system error number (`FileNotFoundError`, ...), with CPython's message, and ours as a
/// note.
fn os_error(py: Python<'_>, errno: i32, path: &Path, message: &str) -> PyErr {
    let words = std::io::Error::from_raw_os_error(errno).to_string();
    let words = words.split(" (os error").next().unwrap_or_default().to_owned();
    let error = PyOSError::new_err((errno, words, path.as_os_str().to_owned()));
    // Without the note the error is still right.
    let _ = error.value(py).call_method1("add_note", (message,));
    error
}

/// The user's path, made absolute.
///
/// # Errors
/// ValueError for a path with a zero byte, which no file has.
pub fn absolute(path: &Path) -> PyResult<PathBuf> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(PyValueError::new_err("embedded null byte in a path"));
    }
    Ok(std::path::absolute(path)?)
}
