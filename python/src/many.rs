//! Many lookups at once.
//!
//! Keys are looked up in runs. A run's bytes are copied out of the Python objects, the GIL is released while the reader
//! searches, and the answers become Python objects while they are still in the processor's cache. Keys of an Arrow column
//! stay where they are: one that another thread changes meanwhile is found or absent.

use crate::arena::Arena;
use crate::arrow::{ArrowArray, Kind, Values};
use crate::column::{Column, Fault};
use crate::errors::no_memory;
use crate::handle::{InUse, Index};
use crate::missing::Missing;
use crate::numbers::{array, encode};
use hashlith::{Found, KeyType, Row, format::Error};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyString, PyTuple};
use std::borrow::Cow;
use std::collections::TryReserveError;

/// Keys of a run: enough that releasing the GIL costs little, and few enough that all they touch stays in the L2 cache.
const RUN: usize = 1024;
/// A run of long keys ends earlier.
const RUN_BYTES: usize = 1 << 20;

/// True if a run is complete.
fn is_full(run: &Arena) -> bool {
    run.len() >= RUN || run.bytes() >= RUN_BYTES
}

/// `Index.get_many`.
pub fn get_many<'py>(
    handle: &Index,
    keys: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
    missing: Missing,
) -> PyResult<Bound<'py, PyList>> {
    let py = keys.py();
    let default = default.unwrap_or_else(|| py.None().into_bound(py));
    let index = handle.open()?;
    let values = PyList::empty(py);
    fn value_of<'a>(found: Found<'a, '_>) -> Result<(Cow<'a, [u8]>, u64), Error> {
        Ok((found.value()?, found.id()))
    }
    search_objects(handle, &index, keys, missing, value_of, |value| match value {
        Some((value, id)) => values.append(handle.to_value(py, &index, &value, id)?),
        None => values.append(&default),
    })?;
    Ok(values)
}

/// `Index.get_many` of an index whose values are numbers: one array.
pub fn get_rows<'py>(
    handle: &Index,
    keys: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
    missing: Missing,
    row: Row,
) -> PyResult<Bound<'py, PyAny>> {
    let py = keys.py();
    let index = handle.open()?;
    let default = match default {
        None => None,
        Some(default) => {
            let mut one = Vec::new();
            let item = Row { dimension: 0, ..row };
            encode(item, &default, &mut one)?
                .map_err(|what| PyValueError::new_err(format!("the default {what}")))?;
            Some(one.repeat(row.count() as usize))
        }
    };
    let mut rows: Vec<u8> = Vec::new();
    let mut absent = None;
    let mut count = 0usize;
    {
        let mut each = |value: Option<&[u8]>| {
            let value = value.or(default.as_deref());
            let bytes = value.unwrap_or_default();
            rows.try_reserve(bytes.len())?;
            rows.extend_from_slice(bytes);
            if value.is_none() {
                absent.get_or_insert(count);
            }
            count += 1;
            Ok::<(), TryReserveError>(())
        };
        match Column::of(keys, handle.keys)? {
            Some(column) => search_column(handle, &index, py, &column, |found| {
                each(found.and_then(|found| found.stored_value())).map_err(Stop::NoMemory)
            })?,
            None => {
                fn part<'a>(found: Found<'a, '_>) -> Result<Option<&'a [u8]>, Error> {
                    Ok(found.stored_value())
                }
                let number = |value: Option<Option<&[u8]>>| each(value.flatten()).map_err(no_memory);
                search_objects(handle, &index, keys, missing, part, number)?;
            }
        }
    }
    if let Some(absent) = absent {
        // Of other objects an item need not be the one in this place.
        let is_sequence = keys.is_instance_of::<PyList>() || keys.is_instance_of::<PyTuple>();
        let key = match keys.get_item(absent) {
            Ok(key) if is_sequence => key.unbind(),
            _ => format!("key number {absent}, from 0").into_pyobject(py)?.into_any().unbind(),
        };
        return Err(PyKeyError::new_err((key,)));
    }
    let bytes = PyByteArray::new_with(py, rows.len(), |bytes| {
        bytes.copy_from_slice(&rows);
        Ok(())
    })?;
    let found = array(&bytes.into_any(), row.number)?;
    if row.dimension == 0 { Ok(found) } else { found.call_method1("reshape", (count, row.dimension)) }
}

/// `Index.get_many_arrow`.
pub fn get_many_arrow(handle: &Index, column: &Bound<'_, PyAny>) -> PyResult<ArrowArray> {
    let py = column.py();
    // First, because a refused handle does not know its types.
    let index = handle.open()?;
    let column = Column::required(column, handle.keys)?;
    let kind = Kind::of_values(handle.values).check()?;
    let mut values = Values::of(column.len(), kind).map_err(no_memory)?;
    search_column(handle, &index, py, &column, |found| match found {
        Some(found) => match found.stored_value() {
            Some(value) => values.push(Some(value)).map_err(Stop::NoMemory),
            None => values.push_with(|bytes| found.append_value(bytes)).map_err(Stop::Damage),
        },
        None => values.push(None).map_err(Stop::NoMemory),
    })?;
    let array = py.detach(|| values.finish(kind));
    array.map_err(|row| {
        match column.rows().nth(row).map(|key| key.map(|key| key.map(|key| index.id(key)))) {
            Some(Ok(Some(Err(error)))) => handle.corrupt(py, &index, &error),
            Some(Ok(Some(Ok(Some(id))))) => handle.not_text(py, &index, id),
            // Not reached: a row without a value has no bad one.
            _ => handle.not_text(py, &index, u64::MAX),
        }
    })
}

/// `Index._ids`.
pub fn ids<'py>(handle: &Index, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyByteArray>> {
    let py = keys.py();
    let index = handle.open()?;
    let mut ids: Vec<[u8; 8]> = Vec::new();
    let bytes = |id: Option<u64>| id.map_or(-1, u64::cast_signed).to_le_bytes();
    match Column::of(keys, handle.keys)? {
        Some(column) => {
            // A column of nulls takes no memory, whatever its length.
            ids.try_reserve_exact(column.len()).map_err(no_memory)?;
            let each = |found: Option<Found<'_, '_>>| {
                ids.push(bytes(found.map(|found| found.id())));
                Ok(())
            };
            search_column(handle, &index, py, &column, each)?;
        }
        None => {
            let each = |id| {
                ids.try_reserve(1).map_err(no_memory)?;
                ids.push(bytes(id));
                Ok(())
            };
            search_objects(handle, &index, keys, Missing::ErrorOfIds, |found| Ok(found.id()), each)?;
        }
    }
    let ids = ids.as_flattened();
    PyByteArray::new_with(py, ids.len(), |bytes| {
        bytes.copy_from_slice(ids);
        Ok(())
    })
}

/// Looks up Python objects, run by run, and passes a part of each answer to `each` with the GIL held.
fn search_objects<'a, T: Send>(
    handle: &Index,
    index: &'a InUse,
    keys: &Bound<'_, PyAny>,
    missing: Missing,
    part: impl Fn(Found<'a, '_>) -> Result<T, Error> + Sync,
    mut each: impl FnMut(Option<T>) -> PyResult<()>,
) -> PyResult<()> {
    let py = keys.py();
    if let Some(bytes) = int_array(handle, keys)? {
        return search_ints(handle, index, bytes.as_bytes(), py, part, each);
    }
    let mut keys = iterate(keys)?;
    let mut run = Arena::default();
    // Places in the run of keys that no index has.
    let mut absent: Vec<usize> = Vec::new();
    loop {
        run.truncate(0);
        absent.clear();
        while !is_full(&run)
            && let Some(key) = keys.next()
        {
            let key = key?;
            match missing.key(handle, &key)? {
                Some(key) => run.push(&key),
                None => {
                    absent.push(run.len());
                    run.push(&[])
                }
            }
            .map_err(no_memory)?;
        }
        if run.len() == 0 {
            return Ok(());
        }
        let found = py.detach(|| {
            let run: Vec<&[u8]> = run.iter().collect();
            let mut found = Vec::with_capacity(run.len());
            let each = |one: Option<Found<'a, '_>>| {
                found.push(one.map(&part).transpose()?);
                Ok::<(), Error>(())
            };
            index.lookup_many(&run, each).map(|()| found)
        });
        let found = found.map_err(|error| handle.corrupt(py, index, &error))?;
        let mut absent = absent.iter().peekable();
        for (place, one) in found.into_iter().enumerate() {
            each(if absent.next_if_eq(&&place).is_some() { None } else { one })?;
        }
    }
}

/// A numpy array of integers as the bytes of keys, if these are integers and the array is one. Integers without a sign that need
/// 64 bits may not fit: those are looked at one by one.
fn int_array<'py>(handle: &Index, keys: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if handle.keys != KeyType::Int || !keys.hasattr(intern!(keys.py(), "dtype"))? {
        return Ok(None);
    }
    let dtype = keys.getattr("dtype")?;
    // Other libraries have types of their own.
    let Some(kind) = dtype.getattr_opt(intern!(keys.py(), "kind"))? else { return Ok(None) };
    let kind: String = kind.extract()?;
    let size: usize = dtype.getattr("itemsize")?.extract()?;
    let dimensions: Option<usize> = keys.getattr("ndim").and_then(|ndim| ndim.extract()).ok();
    if dimensions != Some(1) || !(kind == "i" || kind == "u" && size < 8) {
        return Ok(None);
    }
    let bytes = keys.call_method1("astype", ("<i8",))?.call_method0("tobytes")?;
    Ok(bytes.cast_into::<PyBytes>().ok())
}

/// As [`search_objects`], for integer keys of 8 bytes each.
fn search_ints<'a, T: Send>(
    handle: &Index,
    index: &'a InUse,
    keys: &[u8],
    py: Python<'_>,
    part: impl Fn(Found<'a, '_>) -> Result<T, Error> + Sync,
    mut each: impl FnMut(Option<T>) -> PyResult<()>,
) -> PyResult<()> {
    for run in keys.as_chunks::<8>().0.chunks(RUN) {
        let found = py.detach(|| {
            let mut found = Vec::with_capacity(run.len());
            let each = |one: Option<Found<'a, '_>>| {
                found.push(one.map(&part).transpose()?);
                Ok::<(), Error>(())
            };
            index.lookup_many(run, each).map(|()| found)
        });
        found.map_err(|error| handle.corrupt(py, index, &error))?.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// The keys one by one. What their number is said to be does not matter.
fn iterate<'py>(
    keys: &Bound<'py, PyAny>,
) -> PyResult<Box<dyn Iterator<Item = PyResult<Bound<'py, PyAny>>> + 'py>> {
    if let Ok(list) = keys.cast::<PyList>() {
        return Ok(Box::new(list.iter().map(Ok)));
    }
    if let Ok(tuple) = keys.cast::<PyTuple>() {
        return Ok(Box::new(tuple.iter().map(Ok)));
    }
    if keys.is_instance_of::<PyString>() || keys.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err("a list of keys is needed, not one key: write [key]"));
    }
    Ok(Box::new(keys.try_iter()?))
}

/// Why work without the GIL ends early.
pub enum Stop {
    Damage(Error),
    Fault(Fault),
    NoMemory(TryReserveError),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Damage(error)
    }
}

impl Stop {
    #[cold]
    pub fn raise(self, handle: &Index, py: Python<'_>, index: &InUse) -> PyErr {
        match self {
            Stop::Damage(error) => handle.corrupt(py, index, &error),
            Stop::Fault(fault) => fault.into(),
            Stop::NoMemory(error) => no_memory(error),
        }
    }
}

/// Looks up the keys of an Arrow column with the GIL released, and passes each answer to `each`.
fn search_column<'a>(
    handle: &Index,
    index: &'a InUse,
    py: Python<'_>,
    column: &Column,
    mut each: impl FnMut(Option<Found<'a, '_>>) -> Result<(), Stop> + Send,
) -> PyResult<()> {
    let search = || {
        let mut run: Vec<&[u8]> = Vec::with_capacity(RUN);
        for row in column.rows() {
            let key = row.map_err(Stop::Fault)?;
            run.extend(key);
            if key.is_none() || run.len() == RUN {
                search_run(index, &mut run, &mut each)?;
            }
            if key.is_none() {
                each(None)?;
            }
        }
        search_run(index, &mut run, &mut each)
    };
    py.detach(search).map_err(|stop| stop.raise(handle, py, index))
}

/// Looks up the keys of a run and empties it.
fn search_run<'a>(
    index: &'a InUse,
    run: &mut Vec<&[u8]>,
    mut each: impl FnMut(Option<Found<'a, '_>>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let found = index.lookup_many(run, &mut each);
    run.clear();
    found
}
