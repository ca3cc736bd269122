//! Arrow columns as rows of bytes.

use crate::capsule::import;
use crate::chunk::{Chunk, Layout, Numbers, is_binary, is_int, is_text, row_of};
use crate::errors::no_memory;
use crate::foreign::not_a_column_of;
use crate::kinds::type_name;
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use hashlith::{KeyType, Row};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// The type of a column of Python objects, by which Polars hands over their addresses.
pub const OBJECT: DataType = DataType::FixedSizeBinary(8);

/// True for the data type of Polars that holds Python objects.
pub fn is_object(dtype: &Bound<'_, PyAny>) -> bool {
    dtype.str().is_ok_and(|name| name == "Object")
}

/// A column of strings, of binary or of numbers, as bytes.
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
    /// TypeError for a column of anything else.
    pub fn any(object: &Bound<'_, PyAny>) -> PyResult<Option<Column>> {
        let Some((data_type, chunks)) = import(object)? else { return Ok(None) };
        let column = Column { chunks, data_type };
        let is_object =
            column.data_type == OBJECT && object.getattr("dtype").is_ok_and(|dtype| is_object(&dtype));
        // Of nulls there are no addresses.
        match is_object && !column.is_null() {
            true => Err(PyTypeError::new_err(
                "a column of Python objects (Object of Polars) cannot be read: make text of them first, \
                 polars.Series([str(one) for one in column])",
            )),
            false => Ok(Some(column)),
        }
    }

    /// The same for a column of keys of this type, or of nulls.
    ///
    /// # Errors
    /// TypeError for a column of anything else.
    pub fn of(object: &Bound<'_, PyAny>, keys: KeyType) -> PyResult<Option<Column>> {
        let Some(column) = Self::any(object)? else { return Ok(None) };
        let data_type = &column.data_type;
        let (wanted, is_right) = match keys {
            KeyType::Text => ("strings", is_text(data_type)),
            KeyType::Bytes => ("binary", is_binary(data_type)),
            KeyType::None => ("strings or binary", is_text(data_type) || is_binary(data_type)),
            KeyType::Int => ("integers", is_int(data_type)),
        };
        // What has nulls only may have any type: libraries guess one.
        if !is_right && !column.is_null() {
            return Err(not_a_column_of(wanted, data_type));
        }
        if keys == KeyType::Int { column.widened().map(Some) } else { Ok(Some(column)) }
    }

    /// Integers as 64 bits each.
    ///
    /// # Errors
    /// ValueError for one that needs more.
    pub fn widened(mut self) -> PyResult<Column> {
        let numbers = match self.data_type {
            DataType::Int8 => Numbers::I8,
            DataType::Int16 => Numbers::I16,
            DataType::Int32 => Numbers::I32,
            DataType::UInt8 => Numbers::U8,
            DataType::UInt16 => Numbers::U16,
            DataType::UInt32 => Numbers::U32,
            DataType::UInt64 => Numbers::U64,
            _ => return Ok(self),
        };
        let mut before = 0usize;
        for chunk in &mut self.chunks {
            let Layout::Fixed { width, bytes } = &mut chunk.layout else {
                before += chunk.rows;
                continue;
            };
            let narrow = numbers(bytes.clone());
            let mut wide = Vec::new();
            wide.try_reserve_exact(8 * (chunk.first + chunk.rows)).map_err(no_memory)?;
            wide.resize(8 * chunk.first, 0);
            for row in chunk.first..chunk.first + chunk.rows {
                let is_null = chunk
                    .valid
                    .as_ref()
                    .is_some_and(|valid| valid.get(row / 8).is_some_and(|bits| bits >> (row % 8) & 1 == 0));
                let long = narrow.long(row).or(is_null.then_some(0));
                let fault = Fault {
                    row: before + row - chunk.first,
                    what: "beyond the integers of 64 bits with a sign",
                };
                wide.extend_from_slice(&long.ok_or(fault)?.to_le_bytes());
            }
            (*width, *bytes) = (8, Buffer::from_vec(wide));
            before += chunk.rows;
        }
        self.data_type = DataType::Int64;
        Ok(self)
    }

    /// A column of keys of any type: integers are widened.
    ///
    /// # Errors
    /// TypeError for floats and lists, ValueError for an integer beyond 64 bits.
    pub fn into_keys(self) -> PyResult<Column> {
        match self.row() {
            None => Ok(self),
            Some(_) if self.is_int() => self.widened(),
            Some(_) => Err(not_a_column_of("strings, binary or integers", &self.data_type)),
        }
    }

    /// The type of values in a column of numbers.
    pub fn row(&self) -> Option<Row> {
        row_of(&self.data_type)
    }

    /// True for integers.
    pub fn is_int(&self) -> bool {
        is_int(&self.data_type)
    }

    /// The object as a column.
    ///
    /// # Errors
    /// TypeError, also if it is not an Arrow object.
    pub fn required(object: &Bound<'_, PyAny>, keys: KeyType) -> PyResult<Column> {
        Self::of(object, keys)?.ok_or_else(|| {
            PyTypeError::new_err(format!(
                "an Arrow column is needed (an object with __arrow_c_array__ or __arrow_c_stream__), not {}",
                type_name(object)
            ))
        })
    }

    /// True if all rows are null.
    fn is_null(&self) -> bool {
        self.rows().all(|row| matches!(row, Ok(None)))
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
