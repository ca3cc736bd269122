//! Failures as Python exceptions. The classes are those of `hashlith/_errors.py`.

use hashlith_cli::failure::{Failure, Subject, code};
use hashlith_inputs::KeyKind;
use hashlith_reader::OpenError;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};
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

/// An `InputError` that is about no file.
pub fn input_error(py: Python<'_>, message: &str) -> PyErr {
    raise(py, "InputError", message, |_| Ok(()))
}

/// Another file than the one that was pickled.
pub fn replaced(py: Python<'_>, path: &Path, expected: &str, found: &str) -> PyErr {
    let message = format!(
        "{}: not the file that the index was pickled with (its digest is {found}, not {expected}): it has been \
         replaced since; open it by its path to read the new one",
        path.display()
    );
    raise(py, "ReplacedError", &message, |keywords| keywords.set_item("path", path.as_os_str()))
}

/// Damage in an open index.
#[cold]
pub fn corrupt(py: Python<'_>, path: &Path, error: &hashlith_reader::Error) -> PyErr {
    from_failure(py, hashlith_cli::open::corrupt(path, error))
}

/// Why an index was not opened.
pub fn not_opened(py: Python<'_>, error: OpenError) -> PyErr {
    from_failure(py, hashlith_cli::open::open_failure(error))
}

/// A failure of the command, as an exception with the same message.
pub fn from_failure(py: Python<'_>, failure: Failure) -> PyErr {
    build_failure(py, failure, KeyKind::Text)
}

/// The failure of a build with keys of this kind.
pub fn build_failure(py: Python<'_>, failure: Failure, keys: KeyKind) -> PyErr {
    let (code, message, causes, subject) = match failure {
        Failure::Told { code, message, causes, subject } => (code, message, causes, subject),
        Failure::Signal(_) => return PyKeyboardInterrupt::new_err(()),
        Failure::Silent(_) | Failure::PipeClosed => return raise(py, "Error", "failed", |_| Ok(())),
    };
    let mut message = without_flags(&message);
    for cause in causes {
        message += &format!(" (because: {})", without_flags(&cause));
    }
    match subject.map(|subject| *subject) {
        Some(Subject::System { errno, path }) => os_error(py, errno, &path, &message),
        Some(Subject::Input { path, line, offset }) => raise(py, "InputError", &message, |keywords| {
            keywords.set_item("path", path)?;
            keywords.set_item("line", line)?;
            keywords.set_item("offset", offset)
        }),
        Some(Subject::Duplicate { key, first, second }) => {
            raise(py, "DuplicateKeyError", &message, |keywords| {
                match keys {
                    KeyKind::Text => keywords.set_item("key", String::from_utf8_lossy(&key))?,
                    KeyKind::Bytes => keywords.set_item("key", PyBytes::new(py, &key))?,
                }
                keywords.set_item("first", first)?;
                keywords.set_item("second", second)
            })
        }
        Some(Subject::Corrupt { path, rule, offset }) => raise(py, "CorruptError", &message, |keywords| {
            keywords.set_item("path", path.as_os_str())?;
            keywords.set_item("rule", rule)?;
            keywords.set_item("offset", offset)
        }),
        None if code == code::USAGE => PyValueError::new_err(message),
        None => raise(py, "Error", &message, |_| Ok(())),
    }
}

/// An `OSError` of the class that belongs to the system's number (`FileNotFoundError`, ...), in CPython's own words, with
/// ours as a note.
fn os_error(py: Python<'_>, errno: i32, path: &Path, message: &str) -> PyErr {
    let words = std::io::Error::from_raw_os_error(errno).to_string();
    let words = words.split(" (os error").next().unwrap_or_default().to_owned();
    let error = PyOSError::new_err((errno, words, path.as_os_str().to_owned()));
    // Without the note the error is still the right one.
    let _ = error.value(py).call_method1("add_note", (message,));
    error
}

/// A path that the user gave, made absolute.
///
/// # Errors
/// ValueError for one with a zero byte, which no file can have.
pub fn absolute(path: &Path) -> PyResult<PathBuf> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(PyValueError::new_err("embedded null byte in a path"));
    }
    Ok(std::path::absolute(path)?)
}

/// The command's options in a message, as the keywords of the package: `--on-duplicate first` becomes
/// `on_duplicate="first"`, `--memory` becomes `memory`.
pub fn without_flags(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut words = message.split(' ').peekable();
    while let Some(word) = words.next() {
        let name = word.trim_start_matches('(');
        text += word.get(..word.len() - name.len()).unwrap_or_default();
        match name
            .strip_prefix("--")
            .filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
        {
            None => text += name,
            Some(flag @ ("on-duplicate" | "on-error")) if words.peek().is_some() => {
                text += &format!("{}=\"{}\"", flag.replace('-', "_"), words.next().unwrap_or_default());
            }
            Some(flag) => text += &flag.replace('-', "_"),
        }
        text.push(' ');
    }
    text.truncate(text.len().saturating_sub(1));
    text
}
