//! Arrow columns in, Arrow arrays out, through the Arrow PyCapsule interface.
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>

use crate::kinds::type_name;
use arrow_array::builder::{LargeBinaryBuilder, LargeStringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::iterator::ArrayIter;
use arrow_array::{Array, ArrayRef, GenericBinaryArray, GenericStringArray};
use arrow_schema::{ArrowError, DataType, Field};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::error::{PyArrowError, PyArrowResult};
use pyo3_arrow::ffi::{to_array_pycapsules, to_schema_pycapsule};
use pyo3_arrow::input::AnyArray;
use std::sync::Arc;

/// A column of strings, or of binary, in chunks of one of four types: (large) string, (large) binary.
pub struct Column {
    chunks: Vec<ArrayRef>,
    data_type: DataType,
    /// The column has no type but that of nulls.
    only_nulls: bool,
}

impl Column {
    /// The column that an object is, or `None` if it is no Arrow object.
    ///
    /// # Errors
    /// TypeError for a column of something else than strings or binary.
    pub fn any(object: &Bound<'_, PyAny>) -> PyResult<Option<Column>> {
        if !object.hasattr("__arrow_c_array__")? && !object.hasattr("__arrow_c_stream__")? {
            return Ok(None);
        }
        let column = object.extract::<AnyArray>()?;
        let (chunks, field) = column.into_chunked_array().map_err(PyErr::from)?.into_inner();
        let Some(wanted) = plain_type(field.data_type()) else {
            return Err(not_a_column_of("strings or binary", field.data_type()));
        };
        let plain = |chunk: ArrayRef| match *chunk.data_type() == wanted {
            true => Ok(chunk),
            false => arrow_cast::cast(&chunk, &wanted),
        };
        let chunks: Result<_, ArrowError> = object.py().detach(|| chunks.into_iter().map(plain).collect());
        let chunks = chunks.map_err(|error| PyErr::from(PyArrowError::from(error)))?;
        Ok(Some(Column { chunks, data_type: wanted, only_nulls: *field.data_type() == DataType::Null }))
    }

    /// The same for a column of strings (`text`) or of binary.
    pub fn of(object: &Bound<'_, PyAny>, text: bool) -> PyResult<Option<Column>> {
        let column = Self::any(object)?;
        match column {
            Some(column) if column.is_text() != text && !column.only_nulls => {
                Err(not_a_column_of(if text { "strings" } else { "binary" }, &column.data_type))
            }
            column => Ok(column),
        }
    }

    /// The column that an object is.
    ///
    /// # Errors
    /// TypeError, also for what is no Arrow object.
    pub fn required(object: &Bound<'_, PyAny>, text: bool) -> PyResult<Column> {
        Self::of(object, text)?.ok_or_else(|| {
            PyTypeError::new_err(format!(
                "an Arrow column is needed (an object with __arrow_c_array__ or __arrow_c_stream__), not {}",
                type_name(object)
            ))
        })
    }

    /// True for strings, false for binary.
    pub fn is_text(&self) -> bool {
        matches!(self.data_type, DataType::Utf8 | DataType::LargeUtf8)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    /// The rows; `None` for a null.
    pub fn rows(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.chunks.iter().flat_map(|chunk| Rows::new(chunk))
    }
}

/// The rows of a chunk.
enum Rows<'a> {
    Text(ArrayIter<&'a GenericStringArray<i32>>),
    LargeText(ArrayIter<&'a GenericStringArray<i64>>),
    Binary(ArrayIter<&'a GenericBinaryArray<i32>>),
    LargeBinary(ArrayIter<&'a GenericBinaryArray<i64>>),
}

impl<'a> Rows<'a> {
    fn new(chunk: &'a dyn Array) -> Self {
        match chunk.data_type() {
            DataType::Utf8 => Rows::Text(chunk.as_string().iter()),
            DataType::LargeUtf8 => Rows::LargeText(chunk.as_string().iter()),
            DataType::Binary => Rows::Binary(chunk.as_binary().iter()),
            _ => Rows::LargeBinary(chunk.as_binary().iter()),
        }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Rows::Text(rows) => rows.next().map(|row| row.map(str::as_bytes)),
            Rows::LargeText(rows) => rows.next().map(|row| row.map(str::as_bytes)),
            Rows::Binary(rows) => rows.next(),
            Rows::LargeBinary(rows) => rows.next(),
        }
    }
}

#[cold]
fn not_a_column_of(wanted: &str, found: &DataType) -> PyErr {
    PyTypeError::new_err(format!("a column of {wanted} is needed, not of {found}: cast it first"))
}

/// The type, one of the four of [`Rows`], that a column of this type is brought to; `None` if it holds something else.
fn plain_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => data_type.clone(),
        DataType::Utf8View | DataType::Null => DataType::LargeUtf8,
        DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::LargeBinary,
        DataType::Dictionary(_, values) => plain_type(values)?,
        _ => return None,
    })
}

/// Values on their way into an Arrow array.
pub enum Values<'a> {
    /// As `large_string`, with the first that is not UTF-8.
    Text(LargeStringBuilder, Option<&'a [u8]>),
    /// As `large_binary`.
    Binary(LargeBinaryBuilder),
}

impl<'a> Values<'a> {
    /// Room for `rows` values.
    pub fn new(text: bool, rows: usize) -> Self {
        let bytes = rows.saturating_mul(16);
        match text {
            true => Values::Text(LargeStringBuilder::with_capacity(rows, bytes), None),
            false => Values::Binary(LargeBinaryBuilder::with_capacity(rows, bytes)),
        }
    }

    /// Appends a value, or a null.
    #[inline]
    pub fn push(&mut self, value: Option<&'a [u8]>) {
        match self {
            Values::Binary(values) => values.append_option(value),
            Values::Text(values, bad) => match value.map(|value| (value, std::str::from_utf8(value))) {
                Some((_, Ok(text))) => values.append_value(text),
                Some((value, Err(_))) => {
                    bad.get_or_insert(value);
                    values.append_null();
                }
                None => values.append_null(),
            },
        }
    }

    /// The array.
    ///
    /// # Errors
    /// The first value that is not UTF-8 and should be.
    pub fn finish(self) -> Result<ArrowArray, &'a [u8]> {
        let array: ArrayRef = match self {
            Values::Text(_, Some(bad)) => return Err(bad),
            Values::Text(mut values, None) => Arc::new(values.finish()),
            Values::Binary(mut values) => Arc::new(values.finish()),
        };
        Ok(ArrowArray { array })
    }
}

/// An Arrow array for any library that speaks the Arrow PyCapsule interface: pyarrow.array(it), polars.Series(it), ...
#[pyclass(frozen, module = "hashlith._native")]
pub struct ArrowArray {
    array: ArrayRef,
}

impl ArrowArray {
    fn field(&self) -> Field {
        Field::new("", self.array.data_type().clone(), true)
    }
}

#[pymethods]
impl ArrowArray {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyTuple>> {
        to_array_pycapsules(py, Arc::new(self.field()), &self.array, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyArrowResult<Bound<'py, PyCapsule>> {
        to_schema_pycapsule(py, self.field())
    }

    fn __len__(&self) -> usize {
        self.array.len()
    }

    fn __repr__(&self) -> String {
        let name =
            if self.array.data_type() == &DataType::LargeUtf8 { "large_string" } else { "large_binary" };
        let (rows, nulls) = (self.array.len(), self.array.null_count());
        format!("<hashlith.ArrowArray of {rows} {name} values, {nulls} of them null>")
    }

    /// How many values are null.
    #[getter]
    fn null_count(&self) -> usize {
        self.array.null_count()
    }

    /// The array as one of pyarrow, which must be installed; nothing is copied.
    fn to_pyarrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.getattr("array")?.call1((slf,))
    }
}
