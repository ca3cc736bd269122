//! Arrow columns as rows of bytes.

use crate::capsule::{import, not_a_column_of};
use crate::chunk::{Chunk, is_binary, is_text};
use crate::kinds::type_name;
use arrow_schema::DataType;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// A column of strings or of binary, as bytes.
pub struct Column {
    chunks: Vec<Chunk>,
    data_type: DataType,
}

/// What is wrong with a row of a column.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// From 0.
    pub row: usize,
    pub what: &'static str,
}

impl From<Fault> for PyErr {
    #[cold]
    fn from(Fault { row, what }: Fault) -> Self {
        PyValueError::new_err(format!("row {row} of an Arrow column is {what}"))
    }
}

impl Column {
    /// The object as a column, or `None` if it is not an Arrow object.
    ///
    /// # Errors
    /// TypeError for a column of anything but strings or binary.
    pub fn any(object: &Bound<'_, PyAny>) -> PyResult<Option<Column>> {
        Ok(import(object)?.map(|(data_type, chunks)| Column { chunks, data_type }))
    }

    /// The same for a column of strings (`text`) or of binary.
    ///
    /// # Errors
    /// TypeError for a column of anything else.
    pub fn of(object: &Bound<'_, PyAny>, text: bool) -> PyResult<Option<Column>> {
        let column = Self::any(object)?;
        if let Some(Column { data_type, .. }) = &column
            && !(if text { is_text(data_type) } else { is_binary(data_type) })
        {
            return Err(not_a_column_of(if text { "strings" } else { "binary" }, data_type));
        }
        Ok(column)
    }

    /// The object as a column.
    ///
    /// # Errors
    /// TypeError, also if it is not an Arrow object.
    pub fn required(object: &Bound<'_, PyAny>, text: bool) -> PyResult<Column> {
        Self::of(object, text)?.ok_or_else(|| {
            PyTypeError::new_err(format!(
                "an Arrow column is needed (an object with __arrow_c_array__ or __arrow_c_stream__), not {}",
                type_name(object)
            ))
        })
    }

    /// True for strings, and for a column without a type.
    pub fn is_text(&self) -> bool {
        is_text(&self.data_type)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.chunks.iter().fold(0, |rows, chunk| rows.saturating_add(chunk.rows))
    }

    /// The rows; `None` for a null.
    pub fn rows(&self) -> Rows<'_> {
        Rows { chunks: self.chunks.iter(), chunk: None, next: 0, before: 0 }
    }
}

/// An iterator over the rows of a column.
pub struct Rows<'a> {
    chunks: std::slice::Iter<'a, Chunk>,
    chunk: Option<&'a Chunk>,
    /// The next row of the chunk.
    next: usize,
    /// Rows before the chunk.
    before: usize,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Option<&'a [u8]>, Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = self.chunk {
                let row = self.next;
                if row < chunk.rows {
                    self.next += 1;
                    let fault = |what| Fault { row: self.before.saturating_add(row), what };
                    return Some(chunk.get(row).map_err(fault));
                }
                self.before = self.before.saturating_add(chunk.rows);
            }
            self.chunk = Some(self.chunks.next()?);
            self.next = 0;
        }
    }
}
