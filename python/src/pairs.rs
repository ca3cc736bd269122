//! What an item of an iterable of records is: a key with its value, or a key by itself.

use crate::{
    arena::Arena,
    batch::Encoder,
    errors,
    kinds::{is_text, type_name},
};
use hashlith::ValueType;
use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyByteArray, PyBytes, PyInt, PyList, PyMemoryView, PyString, PyTuple, PyType},
};

/// What the items of an iterable are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Items {
    Pairs,
    Keys,
    /// Pairs, or keys by themselves: there are no values.
    Either,
}

impl Items {
    /// What the items of `records` are, which is no mapping.
    pub fn of(records: &Bound<'_, PyAny>, encoder: &Encoder) -> PyResult<Items> {
        if encoder.values.get() != Some(&ValueType::None) {
            return Ok(Items::Pairs);
        }
        if is_text(records).is_some() {
            let what = "the keys are one str or bytes object: give an iterable of keys; for files there is build_from_files";
            return Err(pyo3::exceptions::PyTypeError::new_err(what));
        }
        let abc = records.py().import("collections.abc")?;
        if records.is_instance(&abc.getattr("ItemsView")?)? {
            return Ok(Items::Pairs);
        }
        match records.is_instance(&abc.getattr("Set")?)? {
            true => Ok(Items::Keys),
            false => Ok(Items::Either),
        }
    }
}

impl Encoder {
    /// Appends an item, which is record `number`. Appends nothing if it fails.
    pub fn push_item(
        &self,
        item: &Bound<'_, PyAny>,
        items: Items,
        number: u64,
        batch: &mut Arena,
    ) -> PyResult<()> {
        if items == Items::Keys {
            return self.push(item, item, batch);
        }
        if let Ok(pair) = item.cast::<PyTuple>()
            && pair.len() == 2
        {
            if items == Items::Either && self.json_keys {
                return Err(ambiguous(item, number));
            }
            let (key, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
            return self.push(&key, &value, batch);
        }
        if let Ok(pair) = item.cast::<PyList>()
            && pair.len() == 2
        {
            return self.push(&pair.get_item(0)?, &pair.get_item(1)?, batch);
        }
        if let Some((key, value)) = row_of_two(item)? {
            return self.push(&key, &value, batch);
        }
        match items {
            Items::Either => self.push(item, item, batch),
            _ => Err(not_a_pair(item, number)),
        }
    }
}

/// The items of another sequence of two, such as a row of SQLite or of a numpy array.
fn row_of_two<'py>(item: &Bound<'py, PyAny>) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    static SEQUENCE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let is_single = item.is_instance_of::<PyString>()
        || item.is_instance_of::<PyBytes>()
        || item.is_instance_of::<PyInt>()
        || item.is_instance_of::<PyByteArray>()
        || item.is_instance_of::<PyMemoryView>();
    if is_single {
        return Ok(None);
    }
    let sequence = SEQUENCE.import(item.py(), "collections.abc", "Sequence")?;
    let is_row = item.is_instance(sequence)? || type_name(item) == "ndarray";
    // An array without dimensions has no length.
    match is_row && item.len().is_ok_and(|length| length == 2) {
        true => Ok(Some((item.get_item(0)?, item.get_item(1)?))),
        false => Ok(None),
    }
}

#[cold]
fn ambiguous(item: &Bound<'_, PyAny>, number: u64) -> PyErr {
    let message = format!(
        "record {number} is a tuple of two, which may be a key, or a key with its value: pass keys as a set or as \
         dict.fromkeys(keys), pairs as dict(pairs)"
    );
    errors::input_error(item.py(), &message)
}

#[cold]
fn not_a_pair(item: &Bound<'_, PyAny>, number: u64) -> PyErr {
    let length = match item.len() {
        Ok(length) if !item.is_instance_of::<PyString>() && !item.is_instance_of::<PyBytes>() => {
            format!(" of length {length}")
        }
        _ => String::new(),
    };
    let message = format!(
        "record {number} is not a pair: (key, value) is needed, not {}{length}; pass a dict as it is, and keys without \
         values with values=\"none\"",
        type_name(item)
    );
    errors::input_error(item.py(), &message)
}
