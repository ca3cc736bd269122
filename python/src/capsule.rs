//! Arrow arrays of other libraries, through the Arrow PyCapsule interface.
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>
//!
//! What a structure says of itself is checked by [`Foreign`] and [`check_schema`], what its buffers hold by [`Chunk::get`], or in a
//! table by `validate_full`.
#![allow(unsafe_code)]

use crate::chunk::Chunk;
use crate::foreign::{Foreign, check_schema, contradiction, not_a_known_column};
use arrow_array::{
    Array, RecordBatch, StructArray,
    ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type},
    ffi_stream::FFI_ArrowArrayStream,
};
use arrow_schema::{ArrowError, DataType, Schema};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    intern,
    prelude::*,
    types::{PyCapsule, PyTuple},
};
use std::{
    ffi::CStr,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::Arc,
};

/// The arrays of a column, and its type; `None` if the object is not an Arrow object.
///
/// # Errors
/// TypeError for a column of anything else, ValueError for one that contradicts itself.
pub fn import(object: &Bound<'_, PyAny>) -> PyResult<Option<(DataType, Vec<Chunk>)>> {
    let py = object.py();
    if let Some(array) = object.getattr_opt(intern!(py, "__arrow_c_array__"))? {
        return import_array(&array.call0()?).map(Some);
    }
    match object.getattr_opt(intern!(py, "__arrow_c_stream__"))? {
        Some(stream) => import_stream(&stream.call0()?).map(Some),
        None => Ok(None),
    }
}

/// The type in a capsule with a schema.
///
/// # Errors
/// TypeError for one that is unknown here.
pub fn schema_type(capsule: &Bound<'_, PyAny>) -> PyResult<DataType> {
    let schema = pointer::<FFI_ArrowSchema>(capsule, c"arrow_schema")?;
    // SAFETY: a capsule of this name holds such a structure, which lives as long as the capsule.
    known_type(unsafe { schema.as_ref() })
}

fn import_array(answer: &Bound<'_, PyAny>) -> PyResult<(DataType, Vec<Chunk>)> {
    let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = answer.cast::<PyTuple>()?.extract()?;
    let data_type = column_type(schema_type(&schema)?)?;
    let array = pointer::<FFI_ArrowArray>(&array, c"arrow_array")?;
    // SAFETY: a capsule of this name holds such a structure; taking it marks the one in the capsule as released.
    let array = unsafe { FFI_ArrowArray::from_raw(array.as_ptr()) };
    let chunk = chunk(array, &data_type)?;
    Ok((data_type, vec![chunk]))
}

/// The stream in a capsule, and the type of its arrays.
fn open_stream(capsule: &Bound<'_, PyAny>) -> PyResult<(FFI_ArrowArrayStream, DataType)> {
    let stream = pointer::<FFI_ArrowArrayStream>(capsule, c"arrow_array_stream")?;
    // SAFETY: a capsule of this name holds such a structure; taking it marks the one in the capsule as released.
    let mut stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) };
    let (Some(get_schema), Some(_), Some(_)) = (stream.get_schema, stream.get_next, stream.release) else {
        return Err(contradiction("its stream was used before"));
    };
    let mut schema = FFI_ArrowSchema::empty();
    // SAFETY: the stream has not been released, and the schema takes any structure.
    let code = unsafe { get_schema(&raw mut stream, &raw mut schema) };
    if code != 0 {
        return Err(failure(&mut stream, code));
    }
    let data_type = known_type(&schema)?;
    Ok((stream, data_type))
}

/// The next array of an open stream; a released one at its end.
fn next_array(stream: &mut FFI_ArrowArrayStream) -> PyResult<FFI_ArrowArray> {
    let mut array = FFI_ArrowArray::empty();
    let Some(get_next) = stream.get_next else { return Ok(array) };
    // SAFETY: the stream has not been released, and the array takes any structure.
    let code = unsafe { get_next(stream, &raw mut array) };
    if code == 0 { Ok(array) } else { Err(failure(stream, code)) }
}

fn import_stream(capsule: &Bound<'_, PyAny>) -> PyResult<(DataType, Vec<Chunk>)> {
    let (mut stream, data_type) = open_stream(capsule)?;
    let data_type = column_type(data_type)?;
    let mut chunks = Vec::new();
    loop {
        let array = next_array(&mut stream)?;
        if array.is_released() {
            return Ok((data_type, chunks));
        }
        chunks.push(chunk(array, &data_type)?);
    }
}

/// A stream of batches of a table.
pub struct Batches {
    stream: FFI_ArrowArrayStream,
    data_type: DataType,
}

impl Batches {
    /// The stream of a table; `None` if the object is not an Arrow table.
    ///
    /// # Errors
    /// TypeError for a stream of something else.
    pub fn of(table: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let Some(stream) = table.getattr_opt(intern!(table.py(), "__arrow_c_stream__"))? else {
            return Ok(None);
        };
        let (stream, data_type) = open_stream(&stream.call0()?)?;
        match data_type {
            DataType::Struct(_) => Ok(Some(Batches { stream, data_type })),
            other => Err(PyTypeError::new_err(format!(
                "with key= a table is needed, not a column of {other}: leave key= out, and use values=\"none\" to take it as keys"
            ))),
        }
    }

    /// The columns.
    pub fn schema(&self) -> Schema {
        match &self.data_type {
            DataType::Struct(fields) => Schema::new(fields.clone()),
            _ => Schema::empty(),
        }
    }

    /// The next batch. All in it has been checked.
    ///
    /// # Errors
    /// ValueError for one that contradicts itself, or if the library fails.
    pub fn next(&mut self) -> PyResult<Option<RecordBatch>> {
        let array = next_array(&mut self.stream)?;
        if array.is_released() {
            return Ok(None);
        }
        let owner = Arc::new(array);
        Foreign::of(&owner).check(&self.data_type)?;
        let Some(array) = Arc::into_inner(owner) else { return Err(contradiction("its array is in use")) };
        // The crate says what is wrong with some arrays by a panic.
        let checked = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the sizes of its buffers were checked to be possible, and that they are right is trusted; all else is
            // checked below.
            let mut data = unsafe { from_ffi_and_data_type(array, self.data_type.clone()) }?;
            data.align_buffers();
            data.validate_full()?;
            Ok::<_, ArrowError>(StructArray::from(data))
        }));
        let rows = match checked {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => return Err(contradiction(&error.to_string())),
            Err(_) => return Err(contradiction("its buffers are missing, or too short")),
        };
        match rows.null_count() {
            0 => Ok(Some(RecordBatch::from(rows))),
            nulls => Err(PyValueError::new_err(format!(
                "{nulls} whole rows of the table are null: leave them out"
            ))),
        }
    }
}

fn pointer<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<NonNull<T>> {
    Ok(capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))?.cast())
}

/// The error that a stream has reported.
#[cold]
fn failure(stream: &mut FFI_ArrowArrayStream, code: i32) -> PyErr {
    let message = stream.get_last_error.and_then(|get_last_error| {
        // SAFETY: the stream has not been released, and its last call has failed.
        let text = unsafe { get_last_error(stream) };
        // SAFETY: a text of the interface ends with a zero, and lives until the next call.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    });
    let message = message.unwrap_or_else(|| std::io::Error::from_raw_os_error(code).to_string());
    PyValueError::new_err(format!("an Arrow column cannot be read: {message}"))
}

fn known_type(schema: &FFI_ArrowSchema) -> PyResult<DataType> {
    check_schema(schema)
        .map_err(|what| PyTypeError::new_err(format!("an Arrow type contradicts itself: {what}")))?;
    DataType::try_from(schema).map_err(|error| PyTypeError::new_err(format!("an Arrow type: {error}")))
}

fn column_type(data_type: DataType) -> PyResult<DataType> {
    // The first buffer of these does not say which rows are null. Of any other type there may be nulls only.
    match data_type {
        DataType::Union(..) | DataType::RunEndEncoded(..) => Err(not_a_known_column(&data_type)),
        _ => Ok(data_type),
    }
}

fn chunk(array: FFI_ArrowArray, data_type: &DataType) -> PyResult<Chunk> {
    match array.is_released() {
        true => Err(contradiction("its array was used before")),
        false => {
            let owner = Arc::new(array);
            Foreign::of(&owner).chunk(data_type)
        }
    }
}
