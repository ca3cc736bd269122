//! Iterators over an index.

use crate::handle::Index;
use hashlith::Position;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Signals are looked at before each record whose number is a multiple of this.
const CHECKED: u64 = 1024;

/// What an iterator yields for each record.
#[derive(Clone, Copy)]
pub enum Yields {
    Keys,
    Values,
    Items,
}

/// An iterator over the records of an index, in the order of the file. It ends with a ValueError when the index is
/// closed.
#[pyclass(frozen, module = "hashlith._native")]
pub struct Records {
    index: Py<Index>,
    yields: Yields,
    /// Where it is, and how many records are left.
    state: Mutex<(Position, u64)>,
}

impl Records {
    pub fn new(index: Bound<'_, Index>, yields: Yields) -> PyResult<Self> {
        let left = index.get().open()?.len();
        Ok(Records { index: index.unbind(), yields, state: Mutex::new((Position::default(), left)) })
    }
}

#[pymethods]
impl Records {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let handle = self.index.get();
        let index = handle.open()?;
        let left;
        let record = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let position;
            (position, left) = *state;
            let mut records = index.iter_at(position);
            match records.next() {
                None => return Ok(None),
                Some(Err(error)) => return Err(handle.corrupt(py, &index, &error)),
                Some(Ok(record)) => {
                    *state = (records.position(), left.saturating_sub(1));
                    record
                }
            }
        };
        // `list` and `dict` run no Python code meanwhile that would notice Ctrl-C.
        if left.is_multiple_of(CHECKED) {
            py.check_signals()?;
        }
        let key = || handle.to_key(py, &index, &record.key, record.id);
        let value = || handle.to_value(py, &index, &record.value, record.id);
        match self.yields {
            Yields::Keys => key().map(Some),
            Yields::Values => value().map(Some),
            Yields::Items => (key()?, value()?).into_bound_py_any(py).map(Some),
        }
    }

    fn __length_hint__(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
