//! From Python objects to the bytes of a batch of records.

use crate::{
    arena::Arena,
    column::Column,
    errors::{self, no_memory},
    kinds::{Asked, KeyBytes, bytes_of, is_text, key_bytes, shown, tuple_as_text, type_name},
    numbers::{encode, row_of},
};
use hashlith::{KeyType, ValueType};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBool, PyDict, PyInt, PyTuple},
};
use std::sync::OnceLock;

/// A batch is full when it has this many records or bytes.
const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 1 << 18;

/// Turns records into bytes. The first record settles the types of keys and values, unless a keyword has.
#[derive(Default)]
pub struct Encoder {
    pub keys: OnceLock<KeyType>,
    pub values: OnceLock<ValueType>,
    /// Tuples stand for their JSON text.
    pub json_keys: bool,
    /// Makes JSON of a value.
    to_json: OnceLock<Py<PyAny>>,
}

/// True if a batch of alternating keys and values is full.
pub fn is_full(batch: &Arena) -> bool {
    batch.len() >= 2 * BATCH_RECORDS || batch.bytes() >= BATCH_BYTES
}

/// Appends a record to a batch.
///
/// # Errors
/// MemoryError; then nothing is appended.
pub fn push_record(batch: &mut Arena, key: &[u8], value: &[u8]) -> PyResult<()> {
    let parts = batch.len();
    batch.push(key).and_then(|()| batch.push(value)).map_err(|error| {
        batch.truncate(parts);
        no_memory(error)
    })
}

impl Encoder {
    /// With these types, if they are known.
    pub fn new(keys: Option<KeyType>, values: Option<ValueType>, json_keys: bool) -> Self {
        Encoder {
            keys: keys.map_or_else(OnceLock::new, OnceLock::from),
            values: values.map_or_else(OnceLock::new, OnceLock::from),
            json_keys,
            to_json: OnceLock::new(),
        }
    }

    /// The types; text if there are no records.
    pub fn types(&self) -> (KeyType, ValueType) {
        (
            self.keys.get().copied().unwrap_or(KeyType::Text),
            self.values.get().copied().unwrap_or(ValueType::Text),
        )
    }

    /// Appends a record to a batch. Appends nothing if it fails.
    pub fn push(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>, batch: &mut Arena) -> PyResult<()> {
        let kind = self.keys.get().copied().or_else(|| {
            let kind = match is_text(key) {
                Some(true) => KeyType::Text,
                Some(false) => KeyType::Bytes,
                // An integer of Python or numpy; `True` is more likely a mistake.
                None if is_int(key) => KeyType::Int,
                None => return None,
            };
            Some(*self.keys.get_or_init(|| kind))
        });
        let key_bytes = match kind {
            // More likely a mistake; a lookup takes it, as a dict does.
            Some(KeyType::Int) if key.is_instance_of::<PyBool>() => Asked::WrongType,
            Some(kind) => key_bytes(key, kind)?,
            None => Asked::WrongType,
        };
        let key_bytes = match key_bytes {
            Asked::Key(bytes) => bytes,
            Asked::Beyond => {
                let shown = shown(key);
                let message = format!("the key {shown} is outside of the integers of 64 bits");
                return Err(errors::input_error(key.py(), &message));
            }
            Asked::WrongType => match if self.json_keys { tuple_as_text(key)? } else { None } {
                Some(text) => KeyBytes::Json(text),
                None => return Err(wrong_key(key, kind)),
            },
        };
        let key_bytes = &*key_bytes;

        let kind = self.values.get().copied().or_else(|| {
            let kind = match is_text(value) {
                Some(true) => ValueType::Text,
                Some(false) => ValueType::Bytes,
                None => ValueType::Numbers(row_of(value)?),
            };
            Some(*self.values.get_or_init(|| kind))
        });
        let encoded;
        let mut numbers = Vec::new();
        let value_bytes = match kind {
            Some(ValueType::None) => Some(&[][..]),
            Some(ValueType::Numbers(row)) => {
                encode(row, value, &mut numbers)?.map_err(|what| {
                    let message = format!("the value of key {} {what}", shown(key));
                    errors::input_error(key.py(), &message)
                })?;
                Some(&numbers[..])
            }
            Some(ValueType::Json) => {
                encoded = self.json(key, value)?;
                bytes_of(&encoded, true)?
            }
            Some(kind) => bytes_of(value, kind == ValueType::Text)?,
            None => None,
        };
        let value_bytes =
            value_bytes.ok_or_else(|| wrong_value(key, value, kind.map(|kind| kind.to_string())))?;
        push_record(batch, key_bytes, value_bytes)
    }

    /// A value as JSON text.
    fn json<'py>(&self, key: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let encode = match self.to_json.get() {
            Some(encode) => encode,
            None => {
                let keywords = PyDict::new(py);
                keywords.set_item("ensure_ascii", false)?;
                keywords.set_item("separators", (",", ":"))?;
                keywords.set_item("allow_nan", false)?;
                let encoder = py.import("json")?.getattr("JSONEncoder")?.call((), Some(&keywords))?;
                let encode = encoder.getattr("encode")?.unbind();
                self.to_json.get_or_init(|| encode)
            }
        };
        encode.bind(py).call1((value,)).map_err(|error| {
            let help = if value.hasattr("tolist").unwrap_or(false) { ": give its tolist()" } else { "" };
            let message = format!("the value of key {}: {}{help}", shown(key), error.value(py));
            match error.is_instance_of::<PyTypeError>(py) {
                true => PyTypeError::new_err(message),
                false if error.is_instance_of::<PyValueError>(py) => errors::input_error(py, &message),
                false => error,
            }
        })
    }

    /// Takes the types from two columns, or checks that the columns have the types.
    ///
    /// # Errors
    /// ValueError for columns of different lengths, TypeError for other types.
    pub fn check_columns(&self, keys: &Column, values: &Column) -> PyResult<()> {
        if keys.len() != values.len() {
            let (keys, values) = (keys.len(), values.len());
            return Err(PyValueError::new_err(format!(
                "{keys} keys and {values} values: the numbers must be equal"
            )));
        }
        if keys.len() == 0 {
            return Ok(());
        }
        let key_type = match keys.row() {
            _ if keys.is_text() => KeyType::Text,
            Some(_) => KeyType::Int,
            None => KeyType::Bytes,
        };
        let value_type = match values.row() {
            _ if values.is_text() => ValueType::Text,
            Some(row) => ValueType::Numbers(row),
            None => ValueType::Bytes,
        };
        let own_keys = *self.keys.get_or_init(|| key_type);
        let left_out = own_keys == KeyType::None && key_type != KeyType::Int;
        let own_values = *self.values.get_or_init(|| value_type);
        if own_keys != key_type && !left_out || own_values != value_type && own_values != ValueType::None {
            return Err(PyTypeError::new_err(
                "the columns have other types than the keys and values of this index: text needs strings, bytes \
                 need binary, numbers a column of their own type, and JSON values must be Python objects",
            ));
        }
        Ok(())
    }
}

/// True for an integer of Python or numpy; not for a bool.
fn is_int(object: &Bound<'_, PyAny>) -> bool {
    let is_bool = object.is_instance_of::<PyBool>();
    !is_bool
        && (object.is_instance_of::<PyInt>() || object.hasattr("dtype").unwrap_or(false))
        && object.hasattr("__index__").unwrap_or(false)
}

/// The Python type of a kind of values; several, if the kind is not settled yet.
fn wanted(kind: Option<String>) -> &'static str {
    match kind.as_deref() {
        Some("text") => "str",
        Some(_) => "bytes",
        None => "str, bytes, a number or a vector of numpy",
    }
}

#[cold]
fn wrong_key(key: &Bound<'_, PyAny>, kind: Option<KeyType>) -> PyErr {
    let (shown, found) = (shown(key), type_name(key));
    let wanted = match kind {
        Some(KeyType::Text) => "str",
        Some(KeyType::Bytes) => "bytes",
        Some(KeyType::Int) => "int",
        Some(KeyType::None) => "str or bytes",
        None => "str, bytes or int",
    };
    let help = match kind {
        Some(KeyType::Text) | None if key.is_instance_of::<PyTuple>() => {
            ": build with keys=\"json\" to store tuples as their JSON text"
        }
        _ => "",
    };
    PyTypeError::new_err(format!("keys of this index are {wanted}, but {shown} is {found}{help}"))
}

#[cold]
fn wrong_value(key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>, kind: Option<String>) -> PyErr {
    let (shown, found, wanted) = (shown(key), type_name(value), wanted(kind));
    if let (Ok(dtype), Ok(shape)) = (value.getattr("dtype"), value.getattr("shape")) {
        return PyTypeError::new_err(format!(
            "the value of key {shown} is an array of {dtype} with the shape {shape}, not {wanted}: a vector has one dimension \
             (ravel()) and numbers of a type such as int8 or float64 (astype()); store any other as a list (tolist()) with \
             values=\"json\""
        ));
    }
    PyTypeError::new_err(format!(
        "the value of key {shown} is {found}, not {wanted}: convert it, or build with values=\"json\" to store any JSON value, values=\"int64\" or \"float64\" for numbers"
    ))
}
