//! Arrow arrays out, through the Arrow PyCapsule interface.
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>

use crate::capsule::schema_type;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, ArrayRef, LargeBinaryArray, LargeStringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_cast::cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::collections::TryReserveError;
use std::sync::Arc;

/// At most so many bytes are reserved for values that are not known yet.
const GUESS: usize = 16 << 20;

/// Collects values for an Arrow array.
pub struct Values {
    bytes: Vec<u8>,
    /// Where each value begins, and where the last one ends.
    offsets: Vec<i64>,
    /// A bit for each value: 0 for a null.
    valid: Vec<u8>,
}

impl Values {
    /// With room for `rows` values. What long values take is added as they come.
    ///
    /// # Errors
    /// If there is no memory: a column of nulls takes none, whatever its length.
    pub fn new(rows: usize) -> Result<Self, TryReserveError> {
        let mut values = Values { bytes: Vec::new(), offsets: Vec::new(), valid: Vec::new() };
        values.offsets.try_reserve_exact(rows.saturating_add(1))?;
        values.valid.try_reserve_exact(rows.div_ceil(8))?;
        values.valid.resize(rows.div_ceil(8), 0);
        values.offsets.push(0);
        // Only to save copies; it may fail.
        let _ = values.bytes.try_reserve(rows.saturating_mul(24).min(GUESS));
        Ok(values)
    }

    /// Appends a value, or a null; at most as many as there is room for.
    ///
    /// # Errors
    /// If there is no memory.
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) -> Result<(), TryReserveError> {
        match value {
            Some(value) => {
                self.bytes.try_reserve(value.len())?;
                self.push_with(|bytes| {
                    bytes.extend_from_slice(value);
                    Ok(())
                })
            }
            None => {
                self.end_row();
                Ok(())
            }
        }
    }

    /// Appends a value that `append` appends to the bytes of all.
    #[inline]
    pub fn push_with<E>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        append(&mut self.bytes)?;
        let at = self.offsets.len() - 1;
        if let Some(bits) = self.valid.get_mut(at / 8) {
            *bits |= 1 << (at % 8);
        }
        self.end_row();
        Ok(())
    }

    #[inline]
    fn end_row(&mut self) {
        self.offsets.push(self.bytes.len().cast_signed() as i64);
    }

    /// The array, as strings or as binary.
    ///
    /// # Errors
    /// The row of a value that should be a string but is not UTF-8.
    pub fn finish(self, text: bool) -> Result<ArrowArray, usize> {
        let rows = self.offsets.len() - 1;
        let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(self.valid), 0, rows));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
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

fn schema_of<'py>(py: Python<'py>, data_type: &DataType) -> PyResult<Bound<'py, PyCapsule>> {
    let field = Field::new("", data_type.clone(), true);
    let schema = FFI_ArrowSchema::try_from(field).map_err(not_converted)?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

#[cold]
fn not_converted(error: ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

#[pymethods]
impl ArrowArray {
    /// In the requested type, if there is a conversion: pyarrow relies on it.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        let requested = requested_schema.map(|capsule| schema_type(&capsule)).transpose()?;
        let array = match requested.filter(|requested| can_cast_types(self.array.data_type(), requested)) {
            // A value that the other type cannot hold is an error, not a null.
            Some(requested) => {
                let options = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(&self.array, &requested, &options).map_err(not_converted)?
            }
            None => Arc::clone(&self.array),
        };
        let data = FFI_ArrowArray::new(&array.to_data());
        Ok((schema_of(py, array.data_type())?, PyCapsule::new_with_value(py, data, c"arrow_array")?))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_of(py, self.array.data_type())
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
