//! Keys and values as Python objects: text is `str`, bytes are `bytes`, and a JSON value is the object that `json.loads`
//! returns.

use hashlith::{KeyType, ValueType, int_key};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

/// The name of the Python type of keys.
pub fn key_type_name(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Int => "int",
        KeyType::None => "none",
        KeyType::Text => "str",
        KeyType::Bytes => "bytes",
    }
}

/// The name of the Python type of values.
pub fn value_type_name(kind: ValueType) -> String {
    match kind {
        ValueType::Text => "str".to_owned(),
        other => other.to_string(),
    }
}

/// The bytes of a key.
pub enum KeyBytes<'a> {
    Of(&'a [u8]),
    /// The JSON text of a tuple.
    Json(PyBackedStr),
    Int([u8; 8]),
}

impl std::ops::Deref for KeyBytes<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            KeyBytes::Of(bytes) => bytes,
            KeyBytes::Json(text) => text.as_bytes(),
            KeyBytes::Int(bytes) => bytes,
        }
    }
}

/// A key that is an object of the right type.
pub enum Asked<'a> {
    Key(KeyBytes<'a>),
    /// An integer that no index has: it needs more than 64 bits.
    Beyond,
    WrongType,
}

/// The bytes of a key of this type.
///
/// # Errors
/// UnicodeEncodeError for a lone surrogate.
#[inline]
pub fn key_bytes<'a>(object: &'a Bound<'_, PyAny>, kind: KeyType) -> PyResult<Asked<'a>> {
    let bytes = match kind {
        KeyType::Text => bytes_of(object, true)?,
        KeyType::Bytes => bytes_of(object, false)?,
        KeyType::None => bytes_of(object, object.is_instance_of::<PyString>())?,
        KeyType::Int => return Ok(int_bytes(object)),
    };
    Ok(bytes.map_or(Asked::WrongType, |bytes| Asked::Key(KeyBytes::Of(bytes))))
}

/// The JSON text that a tuple stands for as a text key; `None` for an object of another type.
///
/// # Errors
/// Those of `json.dumps`; UnicodeEncodeError for a lone surrogate.
pub fn tuple_as_text(object: &Bound<'_, PyAny>) -> PyResult<Option<PyBackedStr>> {
    static ENCODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if !object.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let py = object.py();
    let encode = ENCODE.get_or_try_init(py, || {
        let keywords = PyDict::new(py);
        keywords.set_item("ensure_ascii", false)?;
        keywords.set_item("separators", (",", ":"))?;
        keywords.set_item("default", wrap_pyfunction!(plain, py)?)?;
        let encoder = py.import("json")?.getattr("JSONEncoder")?.call((), Some(&keywords))?;
        Ok::<_, PyErr>(encoder.getattr("encode")?.unbind())
    })?;
    let text =
        encode.bind(py).call1((object,)).map_err(|error| match error.is_instance_of::<PyTypeError>(py) {
            true => PyTypeError::new_err(format!("the key {}: {}", shown(object), error.value(py))),
            false => error,
        })?;
    let text = text.cast_into::<PyString>()?;
    text.try_into().map(Some).map_err(|error| lone_surrogate(py, error))
}

/// A scalar of numpy that is a truth value, an integer or a float, as one of Python, of which JSON knows more.
#[pyfunction]
fn plain<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let shape = object.getattr("shape");
    let kind = object.getattr("dtype").and_then(|dtype| dtype.getattr("kind")?.extract::<String>());
    let is_number = shape.is_ok_and(|shape| shape.cast::<PyTuple>().is_ok_and(|shape| shape.is_empty()))
        && kind.is_ok_and(|kind| matches!(&kind[..], "b" | "i" | "u" | "f"));
    let number = if is_number { Some(object.call_method0("item")?) } else { None };
    // A long double stays what it is.
    match number.filter(|number| number.get_type().as_ptr() != object.get_type().as_ptr()) {
        Some(number) => Ok(number),
        None => {
            let name = type_name(object);
            Err(PyTypeError::new_err(format!("Object of type {name} is not JSON serializable")))
        }
    }
}

fn int_bytes<'a>(object: &Bound<'_, PyAny>) -> Asked<'a> {
    match object.extract::<i64>() {
        Ok(key) => Asked::Key(KeyBytes::Int(int_key(key))),
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => Asked::Beyond,
        Err(_) => Asked::WrongType,
    }
}

/// True for `str`, false for `bytes`, `None` for any other object.
pub fn is_text(object: &Bound<'_, PyAny>) -> Option<bool> {
    let text = object.is_instance_of::<PyString>();
    (text || object.is_instance_of::<PyBytes>()).then_some(text)
}

/// The bytes of a `str` (its UTF-8) or of a `bytes`; `None` for an object of another type.
///
/// # Errors
/// UnicodeEncodeError for a lone surrogate, which UTF-8 cannot hold.
#[inline]
pub fn bytes_of<'a>(object: &'a Bound<'_, PyAny>, text: bool) -> PyResult<Option<&'a [u8]>> {
    if text {
        let Ok(string) = object.cast::<PyString>() else { return Ok(None) };
        match string.to_str() {
            Ok(text) => Ok(Some(text.as_bytes())),
            Err(error) => Err(lone_surrogate(object.py(), error)),
        }
    } else {
        Ok(object.cast::<PyBytes>().ok().map(|bytes| bytes.as_bytes()))
    }
}

/// Adds what to do to CPython's own error.
#[cold]
fn lone_surrogate(py: Python<'_>, error: PyErr) -> PyErr {
    if error.is_instance_of::<PyUnicodeEncodeError>(py) {
        let reason =
            "a lone surrogate cannot be stored as text: use bytes, or encode with errors=\"surrogatepass\"";
        // If this fails, the reason stays CPython's: "surrogates not allowed".
        let _ = error.value(py).setattr("reason", reason);
    }
    error
}

/// The name of an object's type, for messages.
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

/// A key in a message, cut off if it is long.
pub fn shown(key: &Bound<'_, PyAny>) -> String {
    let text = key.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
