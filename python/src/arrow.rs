//! Arrow columns in, Arrow arrays out, through the Arrow PyCapsule interface.
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>

use crate::kinds::type_name;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeBinaryArray, LargeStringArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::error::{PyArrowError, PyArrowResult};
use pyo3_arrow::ffi::{to_array_pycapsules, to_schema_pycapsule};
use pyo3_arrow::input::AnyArray;
use std::sync::Arc;

/// A column of strings or of binary, as bytes.
pub struct Column {
    chunks: Vec<LargeBinaryArray>,
    data_type: DataType,
}

impl Column {
    /// The object as a column, or `None` if it is not an Arrow object.
    ///
    /// # Errors
    /// TypeError for a column of anything but strings or binary.
    pub fn any(object: &Bound<'_, PyAny>) -> PyResult<Option<Column>> {
        if !object.hasattr("__arrow_c_array__")? && !object.hasattr("__arrow_c_stream__")? {
            return Ok(None);
        }
        let column = object.extract::<AnyArray>()?;
        let (chunks, field) = column.into_chunked_array().map_err(PyErr::from)?.into_inner();
        let data_type = field.data_type().clone();
        if !is_text(&data_type) && !is_binary(&data_type) {
            return Err(not_a_column_of("strings or binary", &data_type));
        }
        let chunks: Result<_, ArrowError> = chunks.iter().map(to_bytes).collect();
        let chunks = chunks.map_err(|error| PyErr::from(PyArrowError::from(error)))?;
        Ok(Some(Column { chunks, data_type }))
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
        self.chunks.iter().map(Array::len).sum()
    }

    /// The rows; `None` for a null.
    pub fn rows(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.chunks.iter().flat_map(LargeBinaryArray::iter)
    }

    /// The first row that is not UTF-8. Arrow strings should be, but the library that made them may not have checked.
    pub fn first_not_utf8(&self) -> Option<usize> {
        let mut before = 0;
        for chunk in &self.chunks {
            if !is_utf8(chunk) {
                let is_bad = |row: Option<&[u8]>| row.is_some_and(|row| std::str::from_utf8(row).is_err());
                if let Some(row) = chunk.iter().position(is_bad) {
                    return Some(before + row);
                }
            }
            before += chunk.len();
        }
        None
    }

    /// Calls `each` with the rows, in runs of at most `most` keys, and with `None` for each null.
    ///
    /// # Errors
    /// The first error of `each`.
    pub fn runs<'a, E>(
        &'a self,
        most: usize,
        mut each: impl FnMut(Option<&[&'a [u8]]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut run = Vec::with_capacity(most);
        for chunk in &self.chunks {
            for row in 0..chunk.len() {
                if chunk.is_valid(row) {
                    run.push(chunk.value(row));
                    if run.len() < most {
                        continue;
                    }
                }
                each(Some(&run))?;
                run.clear();
                if chunk.is_null(row) {
                    each(None)?;
                }
            }
        }
        each(Some(&run))
    }
}

/// A chunk as bytes. Strings are bytes already; other layouts (views, dictionaries, 4-byte offsets) are converted.
fn to_bytes(chunk: &ArrayRef) -> Result<LargeBinaryArray, ArrowError> {
    match is_text(chunk.data_type()) {
        true => Ok(arrow_cast::cast(chunk, &DataType::LargeUtf8)?.as_string::<i64>().clone().into()),
        false => Ok(arrow_cast::cast(chunk, &DataType::LargeBinary)?.as_binary::<i64>().clone()),
    }
}

/// True if all values are UTF-8, including the bytes behind nulls. Checks all bytes in one go.
fn is_utf8(chunk: &LargeBinaryArray) -> bool {
    let ends = chunk.value_offsets();
    // The offsets of a slice need not begin at 0.
    let at = |end: Option<&i64>| end.and_then(|&end| usize::try_from(end).ok()).unwrap_or_default();
    let first = at(ends.first());
    let bytes = chunk.value_data().get(first..at(ends.last())).unwrap_or_default();
    bytes.is_ascii()
        || std::str::from_utf8(bytes)
            .is_ok_and(|text| ends.iter().all(|end| text.is_char_boundary(at(Some(end)) - first)))
}

/// True for strings in any layout, and for a column of nulls.
fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// True for binary in any layout, and for a column of nulls.
fn is_binary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            true
        }
        DataType::Null => true,
        DataType::Dictionary(_, values) => is_binary(values),
        _ => false,
    }
}

#[cold]
fn not_a_column_of(wanted: &str, found: &DataType) -> PyErr {
    PyTypeError::new_err(format!("a column of {wanted} is needed, not of {found}: cast it first"))
}

/// Collects values for an Arrow array.
pub struct Values {
    bytes: Vec<u8>,
    /// Where each value begins, and where the last one ends.
    offsets: Vec<i64>,
    valid: NullBufferBuilder,
}

impl Values {
    /// With room for `rows` values of medium length.
    pub fn with_capacity(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Values {
            bytes: Vec::with_capacity(rows.saturating_mul(24)),
            offsets,
            valid: NullBufferBuilder::new(rows),
        }
    }

    /// Appends a value, or a null.
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                self.bytes.extend_from_slice(value);
                self.valid.append_non_null();
            }
            None => self.valid.append_null(),
        }
        self.offsets.push(self.bytes.len().cast_signed() as i64);
    }

    /// The array, as strings or as binary.
    ///
    /// # Errors
    /// The row of a value that should be a string but is not UTF-8.
    pub fn finish(mut self, text: bool) -> Result<ArrowArray, usize> {
        let nulls = self.valid.finish();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let bytes = Buffer::from_vec(self.bytes);
        if !text {
            return Ok(ArrowArray { array: Arc::new(LargeBinaryArray::new(offsets, bytes, nulls)) });
        }
        match LargeStringArray::try_new(offsets.clone(), bytes.clone(), nulls) {
            Ok(array) => Ok(ArrowArray { array: Arc::new(array) }),
            Err(_) => {
                let values = LargeBinaryArray::new(offsets, bytes, None);
                let is_bad = |row: &usize| std::str::from_utf8(values.value(*row)).is_err();
                Err((0..values.len()).find(is_bad).unwrap_or_default())
            }
        }
    }
}

/// An Arrow array for any library with the Arrow PyCapsule interface: pyarrow.array(it), polars.Series(it), ...
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

    /// The array as a pyarrow array, without a copy. pyarrow must be installed.
    fn to_pyarrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.getattr("array")?.call1((slf,))
    }
}
