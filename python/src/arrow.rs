//! Arrow arrays out, through the Arrow PyCapsule interface.
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>

use crate::capsule::schema_type;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, LargeBinaryArray, LargeStringArray, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_cast::cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, Field};
use hashlith::{KeyType, Number, Row, ValueType};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::collections::TryReserveError;
use std::sync::Arc;

/// At most so many bytes are reserved for values that are not known yet.
const GUESS: usize = 16 << 20;

/// What an array holds.
#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Binary,
    Numbers(Row),
}

impl Kind {
    /// For keys. Those that are left out are dense ids.
    pub fn of_keys(keys: KeyType) -> Self {
        match keys {
            KeyType::Text => Kind::Text,
            KeyType::Bytes => Kind::Binary,
            KeyType::Int | KeyType::None => Kind::Numbers(Row { number: Number::Int64, dimension: 0 }),
        }
    }

    /// For values. Those of a set of keys are nulls, or empty text.
    pub fn of_values(values: ValueType) -> Self {
        match values {
            ValueType::Bytes => Kind::Binary,
            ValueType::Text | ValueType::Json | ValueType::None => Kind::Text,
            ValueType::Numbers(row) => Kind::Numbers(row),
        }
    }
}

impl Kind {
    /// ValueError for vectors that no Arrow list can hold.
    pub fn check(self) -> PyResult<Self> {
        match self {
            Kind::Numbers(row) if i32::try_from(row.dimension).is_err() => {
                Err(PyValueError::new_err(format!("an Arrow list cannot hold {} numbers", row.dimension)))
            }
            kind => Ok(kind),
        }
    }
}

/// Collects values for an Arrow array.
pub struct Values {
    /// Bytes of a null.
    width: usize,
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
        let mut values = Values { width: 0, bytes: Vec::new(), offsets: Vec::new(), valid: Vec::new() };
        values.offsets.try_reserve_exact(rows.saturating_add(1))?;
        values.valid.try_reserve_exact(rows.div_ceil(8))?;
        values.valid.resize(rows.div_ceil(8), 0);
        values.offsets.push(0);
        // Only to save copies; it may fail.
        let _ = values.bytes.try_reserve(rows.saturating_mul(24).min(GUESS));
        Ok(values)
    }

    /// The same for values of this kind: a null of numbers takes as much room as the others.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn of(rows: usize, kind: Kind) -> Result<Self, TryReserveError> {
        let width = if let Kind::Numbers(row) = kind { row.width() as usize } else { 0 };
        Ok(Values { width, ..Values::new(rows)? })
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
                self.bytes.try_reserve(self.width)?;
                self.bytes.resize(self.bytes.len() + self.width, 0);
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

    /// The array.
    ///
    /// # Errors
    /// The row of a value that should be a string but is not UTF-8.
    pub fn finish(self, kind: Kind) -> Result<ArrowArray, usize> {
        let rows = self.offsets.len() - 1;
        let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(self.valid), 0, rows));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        let bytes = Buffer::from_vec(self.bytes);
        if let Kind::Numbers(row) = kind {
            return Ok(ArrowArray { array: numbers(row, rows, bytes, nulls).map_err(|_| 0usize)? });
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        if matches!(kind, Kind::Binary) {
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

/// An array of numbers, or of vectors as lists of a fixed size.
fn numbers(row: Row, rows: usize, bytes: Buffer, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let item = match row.number {
        Number::Int8 => DataType::Int8,
        Number::Int16 => DataType::Int16,
        Number::Int32 => DataType::Int32,
        Number::Int64 => DataType::Int64,
        Number::Uint8 => DataType::UInt8,
        Number::Uint16 => DataType::UInt16,
        Number::Uint32 => DataType::UInt32,
        Number::Uint64 => DataType::UInt64,
        Number::Float16 => DataType::Float16,
        Number::Float32 => DataType::Float32,
        Number::Float64 => DataType::Float64,
    };
    let (len, own_nulls) = match row.dimension {
        0 => (rows, nulls.clone()),
        dimension => (rows.saturating_mul(dimension as usize), None),
    };
    let data =
        ArrayData::builder(item.clone()).len(len).add_buffer(bytes).nulls(own_nulls).align_buffers(true);
    let items = make_array(data.build()?);
    match i32::try_from(row.dimension) {
        Ok(0) => Ok(items),
        Ok(dimension) => {
            let field = Arc::new(Field::new("item", item, true));
            Ok(Arc::new(FixedSizeListArray::try_new(field, dimension, items, nulls)?))
        }
        Err(error) => Err(ArrowError::InvalidArgumentError(error.to_string())),
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
        let name = match self.array.data_type() {
            DataType::LargeUtf8 => "large_string".to_owned(),
            DataType::LargeBinary => "large_binary".to_owned(),
            other => other.to_string(),
        };
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
