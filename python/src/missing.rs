//! What stands for a missing key in a batch of keys.

use crate::handle::Index;
use crate::kinds::{KeyBytes, type_name};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::str::FromStr;

/// What None, NaN and pandas.NA are in a batch of keys.
#[derive(Clone, Copy)]
pub enum Missing {
    /// A TypeError.
    Error,
    /// A TypeError of `ids`, which has no keyword for it.
    ErrorOfIds,
    /// An absent key.
    Absent,
}

impl FromStr for Missing {
    type Err = PyErr;

    fn from_str(word: &str) -> PyResult<Self> {
        match word {
            "error" => Ok(Missing::Error),
            "none" => Ok(Missing::Absent),
            _ => Err(PyValueError::new_err(format!("missing must be \"error\" or \"none\", not {word:?}"))),
        }
    }
}

impl Missing {
    /// The bytes of a key; `None` for one that no index has.
    #[inline]
    pub fn key<'a>(self, handle: &Index, key: &'a Bound<'_, PyAny>) -> PyResult<Option<KeyBytes<'a>>> {
        handle.key(key).or_else(|error| self.otherwise(key, error))
    }

    #[cold]
    fn otherwise<'a>(self, key: &Bound<'_, PyAny>, error: PyErr) -> PyResult<Option<KeyBytes<'a>>> {
        let help = match self {
            Missing::Absent if is_missing(key) => return Ok(None),
            Missing::Error if is_missing(key) => {
                "get_many with missing=\"none\" takes None, NaN and pandas.NA for absent keys"
            }
            Missing::ErrorOfIds if is_missing(key) => {
                "leave it out, or pass pyarrow.array(keys, from_pandas=True), whose nulls are absent keys"
            }
            Missing::Error | Missing::Absent if key.hasattr("as_py").unwrap_or(false) => {
                "get_many_arrow takes Arrow columns"
            }
            _ => return Err(error),
        };
        Err(PyTypeError::new_err(format!("{}: {help}", error.value(key.py()))))
    }
}

/// True for None, pandas.NA, and what is not equal to itself: NaN of any type, NaT.
fn is_missing(key: &Bound<'_, PyAny>) -> bool {
    key.is_none() || type_name(key) == "NAType" || key.ne(key).unwrap_or(false)
}
