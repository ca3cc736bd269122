//! Many lookups at once.
//!
//! Keys are looked up in runs. A run's bytes are copied out of the Python objects, the GIL is released while the reader
//! searches, and the answers become Python objects while they are still in the processor's cache.

use crate::arena::Arena;
use crate::arrow::{ArrowArray, Column, Values};
use crate::handle::{InUse, Index};
use hashlith::{KeyType, Record, ValueType};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PySequence, PyString, PyTuple};

/// Keys of a run: enough that releasing the GIL costs little, and few enough that all they touch stays in the L2 cache.
const RUN: usize = 1024;

/// `Index.get_many`.
pub fn get_many<'py>(
    handle: &Index,
    keys: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let py = keys.py();
    let default = default.unwrap_or_else(|| py.None().into_bound(py));
    let index = handle.open()?;
    let mut values = Vec::with_capacity(keys.len().unwrap_or(0));
    fn value_of<'a>(record: Record<'a>) -> &'a [u8] {
        record.value
    }
    search_sequence(handle, &index, keys, value_of, |value| {
        values.push(match value {
            Some(value) => handle.to_value(py, &index, value)?,
            None => default.clone(),
        });
        Ok(())
    })?;
    PyList::new(py, values)
}

/// `Index.get_many_arrow`.
pub fn get_many_arrow(handle: &Index, column: &Bound<'_, PyAny>) -> PyResult<ArrowArray> {
    let py = column.py();
    // First, because a refused handle does not know its types.
    let index = handle.open()?;
    let column = Column::required(column, handle.keys == KeyType::Text)?;
    let mut values = Values::with_capacity(column.len());
    search_column(handle, &index, py, &column, |record| values.push(record.map(|record| record.value)))?;
    let array = py.detach(|| values.finish(handle.values != ValueType::Bytes));
    array.map_err(|row| match column.rows().nth(row).flatten().map(|key| index.get(key)) {
        Some(Err(error)) => handle.corrupt(py, &index, &error),
        Some(Ok(Some(value))) => handle.not_text(py, &index, value),
        // Not reached: a row without a value has no bad one.
        _ => handle.not_text(py, &index, &[]),
    })
}

/// `Index._ids`.
pub fn ids<'py>(handle: &Index, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyByteArray>> {
    let py = keys.py();
    let index = handle.open()?;
    let mut ids = Vec::new();
    let mut push = |id: Option<u64>| ids.extend(id.map_or(-1, u64::cast_signed).to_le_bytes());
    match Column::of(keys, handle.keys == KeyType::Text)? {
        Some(column) => {
            search_column(handle, &index, py, &column, |record| push(record.map(|record| record.id)))?;
        }
        None => {
            let id_of = |record: Record<'_>| record.id;
            search_sequence(handle, &index, keys, id_of, |id| {
                push(id);
                Ok(())
            })?;
        }
    }
    Ok(PyByteArray::new(py, &ids))
}

/// Looks up the keys of a Python sequence, run by run, and passes a part of each answer to `each` with the GIL held.
fn search_sequence<'a, T: Send>(
    handle: &Index,
    index: &'a InUse,
    keys: &Bound<'_, PyAny>,
    part: impl Fn(Record<'a>) -> T + Sync,
    mut each: impl FnMut(Option<T>) -> PyResult<()>,
) -> PyResult<()> {
    let py = keys.py();
    let keys = sequence(keys)?;
    let list = keys.cast::<PyList>().ok();
    let count = keys.len()?;
    let mut arena = Arena::default();
    for start in (0..count).step_by(RUN) {
        arena.truncate(0);
        for at in start..count.min(start + RUN) {
            match list {
                Some(list) => arena.push(handle.key(&list.get_item(at)?)?),
                None => arena.push(handle.key(&keys.get_item(at)?)?),
            }
        }
        let found = py.detach(|| {
            let run: Vec<&[u8]> = arena.iter().collect();
            let mut found = Vec::with_capacity(run.len());
            index.find_many(&run, |record| found.push(record.map(&part))).map(|()| found)
        });
        found.map_err(|error| handle.corrupt(py, index, &error))?.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// The keys as a list or tuple: the object itself, or a list of the items of another iterable.
fn sequence<'py>(keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PySequence>> {
    if keys.is_instance_of::<PyList>() || keys.is_instance_of::<PyTuple>() {
        return Ok(keys.cast::<PySequence>()?.clone());
    }
    if keys.is_instance_of::<PyString>() || keys.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err("a list of keys is needed, not one key: write [key]"));
    }
    let list = PyList::empty(keys.py());
    for key in keys.try_iter()? {
        list.append(key?)?;
    }
    Ok(list.into_sequence())
}

/// Looks up the keys of an Arrow column with the GIL released, and passes each answer to `each`.
fn search_column<'a>(
    handle: &Index,
    index: &'a InUse,
    py: Python<'_>,
    column: &Column,
    mut each: impl FnMut(Option<Record<'a>>) + Send,
) -> PyResult<()> {
    let done = py.detach(|| {
        column.runs(RUN, |keys| match keys {
            Some(keys) => index.find_many(keys, &mut each),
            None => {
                each(None);
                Ok(())
            }
        })
    });
    done.map_err(|error| handle.corrupt(py, index, &error))
}
