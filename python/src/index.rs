//! The methods of `hashlith.Index`, which extends this class and `collections.abc.Mapping`.

use crate::{
    arrow,
    errors::{self, no_memory, unless_not_utf8},
    handle::{Index, is_not_json},
    kinds::{key_type_name, value_type_name},
    many::{self, Stop},
    open::{Open, open},
    paths::AnyPath,
    records::{Records, Yields},
};
use arc_swap::ArcSwapOption;
use hashlith::{Field, KeyType, MapOptions, Rule, ValueType, format::Error, int_key};
use indicatif::{BinaryBytes, HumanCount};
use pyo3::{
    exceptions::{PyIndexError, PyKeyError, PyOverflowError, PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyString},
};
use std::{
    borrow::Cow,
    ffi::OsString,
    sync::{Mutex, PoisonError},
};

/// A value and its dense id.
type Value<'a> = (Cow<'a, [u8]>, u64);

/// The value of a key.
#[inline]
fn value_of<'a>(index: &'a Open, key: &[u8]) -> Result<Option<Value<'a>>, Error> {
    let Some(found) = index.lookup(key)? else { return Ok(None) };
    Ok(Some((found.value()?, found.id())))
}

#[pymethods]
impl Index {
    #[new]
    #[pyo3(signature = (path, flag = "r", *, in_memory = false, huge_pages = false, preload = false, lock = false,
                        random = true, cold = false, decode_json = true, _digest = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python class")]
    fn new(
        py: Python<'_>,
        path: AnyPath,
        flag: &str,
        in_memory: bool,
        huge_pages: bool,
        preload: bool,
        lock: bool,
        random: bool,
        cold: bool,
        decode_json: bool,
        _digest: Option<String>,
    ) -> PyResult<Self> {
        if flag != "r" {
            return Err(PyValueError::new_err(format!(
                "flag must be \"r\", not {flag:?}: an index is read-only; hashlith.build makes a new one"
            )));
        }
        let path = errors::absolute(&path)?;
        let options = MapOptions { huge_pages, preload, lock, random, cold };
        let opened = open(py, &path, in_memory, &options).and_then(|index| {
            match (&_digest, hashlith::digest(&index)) {
                (Some(expected), found) if *expected != found => {
                    Err(errors::replaced(py, &path, expected, &found))
                }
                (_, found) => Ok((index, found)),
            }
        });
        let (index, digest) = match (opened, _digest) {
            (Ok((index, digest)), _) => (index, digest),
            (Err(error), None) => return Err(error),
            (Err(error), Some(digest)) => {
                return Ok(Index {
                    index: ArcSwapOption::empty(),
                    path,
                    in_memory,
                    options,
                    keys: KeyType::Text,
                    values: ValueType::Text,
                    matrices: Mutex::default(),
                    loads: None,
                    digest,
                    refused: Some(error.into_value(py)),
                });
            }
        };
        let header = *index.first_header();
        let loads = match header.value_type {
            ValueType::Json if decode_json => Some(py.import("json")?.getattr("loads")?.unbind()),
            _ => None,
        };
        Ok(Index {
            index: ArcSwapOption::from_pointee(index),
            path,
            in_memory,
            options,
            keys: header.key_type,
            values: header.value_type,
            matrices: Mutex::default(),
            loads,
            digest,
            refused: None,
        })
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let index = self.open()?;
        let Some(asked) = self.key(key)? else { return Err(PyKeyError::new_err((key.clone().unbind(),))) };
        match value_of(&index, &asked) {
            Ok(Some((value, id))) => self.to_value(py, &index, &value, id),
            Ok(None) => Err(PyKeyError::new_err((key.clone().unbind(),))),
            Err(error) => Err(self.corrupt(py, &index, &error)),
        }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let index = self.open()?;
        let Some(asked) = self.key(key)? else { return Ok(false) };
        index.contains(&asked).map_err(|error| self.corrupt(key.py(), &index, &error))
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(usize::try_from(self.open()?.len())?)
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Records> {
        if slf.get().keys == KeyType::None {
            return Err(PyTypeError::new_err(
                "the keys of this index are left out: items() gives dense ids and values",
            ));
        }
        Records::new(slf, Yields::Keys)
    }

    fn _values(slf: Bound<'_, Self>) -> PyResult<Records> {
        Records::new(slf, Yields::Values)
    }

    fn _items(slf: Bound<'_, Self>) -> PyResult<Records> {
        Records::new(slf, Yields::Items)
    }

    /// The value of key, or default if it is absent.
    #[pyo3(signature = (key, /, default = None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        let index = self.open()?;
        let Some(asked) = self.key(key)? else { return Ok(default) };
        match value_of(&index, &asked) {
            Ok(Some((value, id))) => self.to_value(py, &index, &value, id).map(Some),
            Ok(None) => Ok(default),
            Err(error) => Err(self.corrupt(py, &index, &error)),
        }
    }

    /// The values of many keys, as a list in the order of the keys; default for absent keys.
    ///
    /// Numbers come as one numpy array of shape (n,), vectors of d numbers as one of shape (n, d). A default for absent keys is
    /// a number then; without one, an absent key is a KeyError.
    /// A key that is None, NaN or pandas.NA is a TypeError; with missing="none" it is absent, as nulls of Arrow columns are.
    /// A batch is several times faster than one lookup after the other. Other threads run while it searches.
    #[pyo3(signature = (keys, default = None, *, missing = "error"))]
    fn get_many<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        missing: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let missing = missing.parse()?;
        match self.values {
            ValueType::Numbers(row) => many::get_rows(self, keys, default, missing, row),
            _ => many::get_many(self, keys, default, missing).map(Bound::into_any),
        }
    }

    /// The values of an Arrow column of keys, as an Arrow array: null where a key is null or absent.
    ///
    /// Takes any object with __arrow_c_array__ or __arrow_c_stream__, such as arrays of pyarrow and series of polars and
    /// pandas. For str keys the column may have strings, large strings, string views or dictionaries of them; for bytes
    /// keys, the same kinds of binary; for int keys, integers. The result is large_string, also for JSON values, large_binary,
    /// numbers, or lists of a fixed size.
    #[pyo3(signature = (column, /))]
    fn get_many_arrow(&self, column: &Bound<'_, PyAny>) -> PyResult<arrow::ArrowArray> {
        many::get_many_arrow(self, column)
    }

    /// The dense ids of many keys as native 8-byte numbers, -1 for an absent key.
    #[pyo3(signature = (keys, /))]
    fn _ids<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, pyo3::types::PyByteArray>> {
        many::ids(self, keys)
    }

    /// The key and the value with a dense id, from 0 up to len(index) - 1.
    #[pyo3(signature = (id, /))]
    fn by_id<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = id.py();
        let index = self.open()?;
        let record = match id.extract::<u64>() {
            Ok(id) => index.by_id(id).map_err(|error| self.corrupt(py, &index, &error))?,
            Err(error) if error.is_instance_of::<PyOverflowError>(py) => None,
            Err(error) => return Err(error),
        };
        let Some(record) = record else {
            let message = format!("id {id} is not in 0..{}", index.len());
            return Err(PyIndexError::new_err(message));
        };
        let id = record.id;
        Ok((self.to_key(py, &index, &record.key, id)?, self.to_value(py, &index, &record.value, id)?))
    }

    /// The keys and the values with the dense ids `start..stop`, as two Arrow arrays; an unwanted column is None. Returns fewer
    /// records at the end of the index, and after `most_bytes` bytes.
    #[pyo3(signature = (start, stop, most_bytes, want_keys, want_values))]
    fn _arrow_slice(
        &self,
        py: Python<'_>,
        start: u64,
        stop: u64,
        most_bytes: usize,
        want_keys: bool,
        want_values: bool,
    ) -> PyResult<(u64, Option<arrow::ArrowArray>, Option<arrow::ArrowArray>)> {
        let index = self.open()?;
        let kind = arrow::Kind::of_values(self.values).check()?;
        let rows = usize::try_from(stop.saturating_sub(start)).unwrap_or(usize::MAX).min(1 << 20);
        let column = |wanted: bool| wanted.then(|| arrow::Values::new(rows).map_err(no_memory)).transpose();
        let mut columns = [column(want_keys)?, column(want_values)?];
        let read = py.detach(|| {
            let (mut id, mut bytes) = (start, 0usize);
            for record in index.iter_from(start).map_err(Stop::Damage)? {
                if id >= stop || bytes >= most_bytes {
                    break;
                }
                let record = record.map_err(Stop::Damage)?;
                let own_id = int_key(record.id.cast_signed());
                let key = if self.keys == KeyType::None { &own_id[..] } else { &record.key };
                for (column, field) in columns.iter_mut().zip([key, &record.value]) {
                    if let Some(column) = column {
                        column.push(Some(field)).map_err(Stop::NoMemory)?;
                        bytes = bytes.saturating_add(field.len());
                    }
                }
                id += 1;
            }
            Ok(id)
        });
        let id = read.map_err(|stop: Stop| stop.raise(self, py, &index))?;
        let [keys, values] = columns;
        let finish = |column: Option<arrow::Values>, kind, field: Field, what| {
            let array = column.map(|column| column.finish(kind)).transpose();
            array.map_err(|row| {
                self.damage(py, &index, (start.saturating_add(row as u64), field), Rule::R(17), what)
            })
        };
        let keys = finish(keys, arrow::Kind::of_keys(self.keys), Field::Key, "a key is not UTF-8")?;
        Ok((id, keys, finish(values, kind, Field::Value, "a value is not UTF-8")?))
    }

    /// The absolute path and the number of keys of each file, in order.
    fn _part_files(&self) -> PyResult<Vec<(OsString, u64)>> {
        let index = self.open()?;
        let file = |part: &hashlith::Part<_>| {
            let path = part.path().unwrap_or(&self.path).as_os_str().to_owned();
            (path, part.header().keys)
        };
        Ok(index.parts().iter().map(file).collect())
    }

    /// Closes the file. Using the index afterwards is a ValueError; closing it again is not.
    fn close(&self) {
        self.index.store(None);
        self.matrices.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().open()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        let state = match &*self.index.load() {
            Some(index) => format!(
                "{} keys ({} to {}), {}",
                HumanCount(index.len()),
                key_type_name(self.keys),
                value_type_name(self.values),
                BinaryBytes(index.bytes())
            ),
            None if self.refused.is_some() => "refused".to_owned(),
            None => "closed".to_owned(),
        };
        format!("<hashlith.Index {:?}: {state}>", self.path)
    }

    /// True after close().
    #[getter]
    fn closed(&self) -> bool {
        self.index.load().is_none()
    }

    /// The absolute path of the file, or of the directory of a set.
    #[getter]
    fn path(&self) -> &std::ffi::OsStr {
        self.path.as_os_str()
    }

    /// The type of the keys: "str", "bytes", "int", or "none" if keys are left out: then a key that is not in the index may look
    /// like one that is, once in 2**check_bits times.
    #[getter]
    fn key_type(&self) -> PyResult<&'static str> {
        if self.refused.is_some() { Err(self.not_open()) } else { Ok(key_type_name(self.keys)) }
    }

    /// The type of the values: "str", "bytes", "json", "none", or that of numbers: "float32", "float32[128]".
    #[getter]
    fn value_type(&self) -> PyResult<String> {
        if self.refused.is_some() { Err(self.not_open()) } else { Ok(value_type_name(self.values)) }
    }

    /// If keys are left out: how many bits of its hash stand for each. None otherwise.
    #[getter]
    fn check_bits(&self) -> PyResult<Option<u32>> {
        Ok(self.open()?.check_bits())
    }

    /// The values of each file, in the order of the dense ids, as numpy arrays that share the memory of the index.
    fn _matrices<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.open()?;
        let Some(row) = self.values.row() else {
            let message =
                format!("the values of this index are {}, not numbers", value_type_name(self.values));
            return Err(PyTypeError::new_err(message));
        };
        self.matrices(py, row)
    }

    /// Length of the file, or of all files of a set, in bytes.
    #[getter]
    fn nbytes(&self) -> PyResult<usize> {
        Ok(usize::try_from(self.open()?.bytes())?)
    }

    /// The JSON object that was stored with the index, or None.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let index = self.open()?;
        let metadata = index.metadata();
        if metadata.is_empty() {
            return Ok(None);
        }
        let damage = || {
            let fault = index.metadata_fault(Rule::V(9), "the metadata is not a JSON object");
            self.corrupt(py, &index, &fault)
        };
        let text = PyString::from_bytes(py, metadata).map_err(unless_not_utf8(py, damage))?;
        match py.import("json")?.getattr("loads")?.call1((text,)) {
            Ok(object) if object.is_instance_of::<PyDict>() => Ok(Some(object)),
            Err(error) if !is_not_json(py, &error) => Err(error),
            _ => Err(damage()),
        }
    }

    /// The number of files: 1, or that of the parts of a set.
    #[getter]
    fn parts(&self) -> PyResult<usize> {
        Ok(self.open()?.parts().len())
    }

    /// A short text that identifies the content of the files, 32 hexadecimal digits. Indexes with the same digest hold the
    /// same bytes, unless 128 bits of checksums collide.
    #[getter]
    fn digest(&self) -> &str {
        &self.digest
    }

    /// The keywords that this index was opened with.
    fn _options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let options = PyDict::new(py);
        options.set_item("in_memory", self.in_memory)?;
        options.set_item("huge_pages", self.options.huge_pages)?;
        options.set_item("preload", self.options.preload)?;
        options.set_item("lock", self.options.lock)?;
        options.set_item("random", self.options.random)?;
        options.set_item("cold", self.options.cold)?;
        options.set_item("decode_json", self.values != ValueType::Json || self.loads.is_some())?;
        Ok(options)
    }
}
