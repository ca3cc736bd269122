//! The handle of an open index: its types, its state, and its errors.

use crate::{
    errors::{self, unless_not_utf8},
    kinds::{Asked, KeyBytes, key_bytes, key_type_name, tuple_as_text, type_name},
    numbers::{scalar, view},
    open::Open,
};
use arc_swap::{ArcSwapOption, Guard};
use hashlith::{Field, KeyType, MapOptions, Row, Rule, ValueType, format::Error, key_int};
use pyo3::{
    IntoPyObjectExt,
    exceptions::{PyBaseException, PyTypeError, PyValueError},
    prelude::*,
    sync::MutexExt,
    types::{PyBytes, PyString},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// An open index file. Threads may share it. Unpickling opens the same file again.
#[pyclass(frozen, subclass, weakref, module = "hashlith._native")]
pub struct Index {
    /// `None` after `close`. A running lookup holds the file open until it ends.
    pub index: ArcSwapOption<Open>,
    pub path: PathBuf,
    pub in_memory: bool,
    pub options: MapOptions,
    pub keys: KeyType,
    pub values: ValueType,
    /// The values of each part as a numpy array, once a vector was asked for.
    pub matrices: Mutex<Vec<Py<PyAny>>>,
    /// `json.loads`, for JSON values.
    pub loads: Option<Py<PyAny>>,
    pub digest: String,
    /// Why unpickling did not open the index. A worker pool would lose an exception of unpickling, or hang on it, so it is
    /// raised when the handle is used.
    pub refused: Option<Py<PyBaseException>>,
}

/// An open index in use; it stays open until this is dropped.
pub struct InUse(Guard<Option<Arc<Open>>>);

impl std::ops::Deref for InUse {
    type Target = Open;

    #[inline]
    fn deref(&self) -> &Open {
        match &*self.0 {
            Some(index) => index,
            // `Index::open` has checked that.
            None => unreachable!("a closed index is not in use"),
        }
    }
}

impl Index {
    /// The open index.
    ///
    /// # Errors
    /// ValueError after `close`, as with files.
    #[inline]
    pub fn open(&self) -> PyResult<InUse> {
        let guard = self.index.load();
        if guard.is_none() {
            return Err(self.not_open());
        }
        Ok(InUse(guard))
    }

    #[cold]
    pub fn not_open(&self) -> PyErr {
        match &self.refused {
            Some(error) => Python::attach(|py| PyErr::from_value(error.bind(py).clone().into_any())),
            None => PyValueError::new_err("the index is closed"),
        }
    }

    /// The bytes of the user's key; `None` for one that no index has.
    ///
    /// # Errors
    /// TypeError for a key of another type, UnicodeEncodeError for a lone surrogate.
    #[inline]
    pub fn key<'a>(&self, key: &'a Bound<'_, PyAny>) -> PyResult<Option<KeyBytes<'a>>> {
        match key_bytes(key, self.keys)? {
            Asked::Key(key) => Ok(Some(key)),
            Asked::Beyond => Ok(None),
            Asked::WrongType if self.keys == KeyType::Text => match tuple_as_text(key)? {
                Some(text) => Ok(Some(KeyBytes::Json(text))),
                None => Err(self.wrong_type(key)),
            },
            Asked::WrongType => Err(self.wrong_type(key)),
        }
    }

    #[cold]
    fn wrong_type(&self, key: &Bound<'_, PyAny>) -> PyErr {
        let is = if self.keys == KeyType::None { "str or bytes" } else { key_type_name(self.keys) };
        let found = type_name(key);
        PyTypeError::new_err(format!("keys of this index are {is}, not {found}"))
    }

    /// The key with a dense id as a Python object; the id, if keys are left out.
    pub fn to_key<'py>(
        &self,
        py: Python<'py>,
        index: &Open,
        key: &[u8],
        id: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.keys {
            KeyType::Bytes => bytes(py, key),
            KeyType::Int => key_int(key).unwrap_or_default().into_bound_py_any(py),
            KeyType::None => id.into_bound_py_any(py),
            KeyType::Text => {
                let damage = || self.damage(py, index, (id, Field::Key), Rule::R(17), "a key is not UTF-8");
                PyString::from_bytes(py, key).map(Bound::into_any).map_err(unless_not_utf8(py, damage))
            }
        }
    }

    /// The value with a dense id as a Python object.
    #[inline]
    pub fn to_value<'py>(
        &self,
        py: Python<'py>,
        index: &Open,
        value: &[u8],
        id: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.values {
            ValueType::Bytes => bytes(py, value),
            ValueType::Text => self.text(py, index, value, id).map(Bound::into_any),
            ValueType::Json => self.json(py, index, value, id),
            ValueType::None => true.into_bound_py_any(py),
            ValueType::Numbers(row) if row.dimension == 0 => scalar(py, row.number, value),
            ValueType::Numbers(row) => self.vector(py, index, id, row),
        }
    }

    /// The vector with a dense id.
    fn vector<'py>(&self, py: Python<'py>, index: &Open, id: u64, row: Row) -> PyResult<Bound<'py, PyAny>> {
        let (number, first) = index.part_of_id(id).map_or((0, 0), |(number, part)| (number, part.first_id()));
        let known = |matrices: &Vec<Py<PyAny>>| matrices.get(number).map(|matrix| matrix.clone_ref(py));
        let mut matrix = known(&self.matrices.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner));
        if matrix.is_none() {
            let all = self.matrices(py, row)?;
            let all: Vec<_> = all.into_iter().map(Bound::unbind).collect();
            matrix = known(&all);
            let mut kept = self.matrices.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            // It may have been closed meanwhile.
            *kept = if self.index.load().is_some() { all } else { Vec::new() };
        }
        matrix.ok_or_else(|| self.not_open())?.into_bound(py).get_item(id.saturating_sub(first))
    }

    /// The values of each part, in the order of the dense ids, as numpy arrays that share the memory of the index.
    pub fn matrices<'py>(&self, py: Python<'py>, row: Row) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let index = self.share()?;
        let matrix = |(number, part): (usize, &hashlith::Part<_>)| {
            let array = view(py, Arc::clone(&index), number, part.values(), row.number)?;
            match row.dimension {
                0 => Ok(array),
                dimension => array.call_method1("reshape", (part.header().keys, dimension)),
            }
        };
        index.parts().iter().enumerate().map(matrix).collect()
    }

    /// The open index, to keep.
    pub fn share(&self) -> PyResult<Arc<Open>> {
        self.index.load_full().ok_or_else(|| self.not_open())
    }

    #[inline]
    fn text<'py>(
        &self,
        py: Python<'py>,
        index: &Open,
        text: &[u8],
        id: u64,
    ) -> PyResult<Bound<'py, PyString>> {
        PyString::from_bytes(py, text).map_err(unless_not_utf8(py, || self.not_text(py, index, id)))
    }

    fn json<'py>(&self, py: Python<'py>, index: &Open, value: &[u8], id: u64) -> PyResult<Bound<'py, PyAny>> {
        let text = self.text(py, index, value, id)?;
        let Some(loads) = &self.loads else { return Ok(text.into_any()) };
        loads.bind(py).call1((text,)).map_err(|error| match is_not_json(py, &error) {
            true => self.damage(py, index, (id, Field::Value), Rule::V(8), "a value is not JSON"),
            // JSON that Python cannot hold: numbers of thousands of digits, very deep nesting.
            false => error,
        })
    }

    /// The error for a value that is not UTF-8.
    #[cold]
    pub fn not_text(&self, py: Python<'_>, index: &Open, id: u64) -> PyErr {
        self.damage(py, index, (id, Field::Value), Rule::R(17), "a value is not UTF-8")
    }

    /// The error for damage that readers do not look for, found while making a Python object.
    #[cold]
    pub fn damage(
        &self,
        py: Python<'_>,
        index: &Open,
        (id, field): (u64, Field),
        rule: Rule,
        what: &'static str,
    ) -> PyErr {
        self.corrupt(py, index, &index.fault_of(id, field, rule, what))
    }

    /// The error for damage that a lookup has found.
    #[cold]
    pub fn corrupt(&self, py: Python<'_>, index: &Open, error: &Error) -> PyErr {
        let mut error = hashlith::Error::corrupt(index, error);
        if let hashlith::Error::Corrupt { path, .. } = &mut error
            && path.as_os_str().is_empty()
        {
            path.clone_from(&self.path);
        }
        errors::from_error(py, error)
    }
}

/// Bytes as an object. `PyBytes::new` would panic where there is no memory.
#[inline]
fn bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let copy = |copy: &mut [u8]| {
        copy.copy_from_slice(bytes);
        Ok(())
    };
    PyBytes::new_with(py, bytes.len(), copy).map(Bound::into_any)
}

/// True for the exception of `json.loads` for text that is not JSON.
pub fn is_not_json(py: Python<'_>, error: &PyErr) -> bool {
    error.get_type(py).name().is_ok_and(|name| name == "JSONDecodeError")
}
