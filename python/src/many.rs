//! Many lookups at once.
//!
//! Keys go through in runs: a run's bytes are copied out of the Python objects, then the GIL is let go while the reader
//! searches, then the answers become Python objects while their cache lines are still near.

use crate::arena::Arena;
use crate::arrow::{ArrowArray, Column, Values};
use crate::index::{InUse, Index};
use hashlith_reader::{KeyType, Record, ValueType};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PySequence, PyString, PyTuple};

/// Keys of a run: enough that the change of hands costs nothing, few enough that all they touch stays in the L2 cache.
const RUN: usize = 1024;

/// A list or tuple of the keys: the object itself, or for other iterables a list of what they give.
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

/// Looks up the keys of a Python sequence, run by run, and hands each answer to `each` with the GIL held.
fn search_sequence(
    handle: &Index,
    keys: &Bound<'_, PyAny>,
    mut each: impl FnMut(&InUse, Option<Record<'_>>) -> PyResult<()>,
) -> PyResult<()> {
    let py = keys.py();
    let index = handle.open()?;
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
        let (found, end) = py.detach(|| {
            let run: Vec<&[u8]> = arena.iter().collect();
            let mut found = Vec::with_capacity(run.len());
            let end = index.find_many(&run, |record| found.push(record));
            (found, end)
        });
        end.map_err(|error| handle.corrupt(py, &error))?;
        for record in found {
            each(&index, record)?;
        }
    }
    Ok(())
}

/// Looks up the keys of an Arrow column with the GIL let go, and hands each answer to `each`.
fn search_column<'a>(
    handle: &Index,
    index: &'a InUse,
    py: Python<'_>,
    column: &Column,
    mut each: impl FnMut(Option<Record<'a>>) + Send,
) -> PyResult<()> {
    let done = py.detach(|| {
        let mut rows = column.rows().peekable();
        let mut run = Vec::with_capacity(RUN);
        loop {
            // A null is an absent key, and ends a run.
            run.clear();
            while run.len() < RUN
                && let Some(key) = rows.next_if(Option::is_some)
            {
                run.extend(key);
            }
            index.find_many(&run, &mut each)?;
            match rows.peek() {
                None => return Ok(()),
                Some(Some(_)) => {}
                Some(None) => {
                    rows.next();
                    each(None);
                }
            }
        }
    });
    done.map_err(|error| handle.corrupt(py, &error))
}

/// `Index.get_many`.
pub fn get_many<'py>(
    handle: &Index,
    keys: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let py = keys.py();
    let default = default.unwrap_or_else(|| py.None().into_bound(py));
    let mut values = Vec::with_capacity(keys.len().unwrap_or(0));
    search_sequence(handle, keys, |index, record| {
        values.push(match record {
            Some(record) => handle.to_value(py, index, record.value)?,
            None => default.clone(),
        });
        Ok(())
    })?;
    PyList::new(py, values)
}

/// `Index.get_many_arrow`.
pub fn get_many_arrow(handle: &Index, column: &Bound<'_, PyAny>) -> PyResult<ArrowArray> {
    let py = column.py();
    let column = Column::required(column, handle.keys == KeyType::Text)?;
    let mut values = Values::new(handle.values != ValueType::Bytes, column.len());
    let index = handle.open()?;
    search_column(handle, &index, py, &column, |record| values.push(record.map(|record| record.value)))?;
    values.finish().map_err(|bad| handle.not_text(py, &index, bad))
}

/// `Index._ids`.
pub fn ids<'py>(handle: &Index, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyByteArray>> {
    let py = keys.py();
    let id_of =
        |record: Option<Record<'_>>| record.map_or(-1, |record| record.id.cast_signed()).to_le_bytes();
    let mut ids: Vec<u8> = Vec::new();
    match Column::of(keys, handle.keys == KeyType::Text)? {
        Some(column) => {
            search_column(handle, &handle.open()?, py, &column, |record| ids.extend(id_of(record)))?
        }
        None => search_sequence(handle, keys, |_, record| {
            ids.extend(id_of(record));
            Ok(())
        })?,
    }
    Ok(PyByteArray::new(py, &ids))
}
