//! Arrow arrays of other libraries, through the Arrow PyCapsule interface.
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>
//!
//! The interface hands over pointers without the lengths of what is behind them: those follow from the number of rows, and
//! from the last offset. That the buffers are as long is what is trusted (SECURITY.md); what they hold is checked by
//! [`Chunk::get`].
#![allow(unsafe_code)]

use crate::chunk::{Chunk, Layout, Numbers, row_of};
use arrow_array::{
    Array, RecordBatch, StructArray,
    ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type},
    ffi_stream::FFI_ArrowArrayStream,
};
use arrow_buffer::Buffer;
use arrow_schema::{ArrowError, DataType, Schema};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    intern,
    prelude::*,
    types::{PyCapsule, PyTuple},
};
use std::{
    ffi::CStr,
    ops::Range,
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
            other => Err(PyTypeError::new_err(format!("a table is needed, not a column of {other}"))),
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
        // The crate says what is wrong with some arrays by a panic.
        let checked = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the interface requires that the array has this type; that its buffers are as long as its length and offsets
            // say is trusted, all else is checked below.
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
    DataType::try_from(schema).map_err(|error| PyTypeError::new_err(format!("an Arrow type: {error}")))
}

fn column_type(data_type: DataType) -> PyResult<DataType> {
    // The first buffer of these does not say which rows are null. Of any other type there may be nulls only.
    match data_type {
        DataType::Union(..) | DataType::RunEndEncoded(..) => Err(not_a_known_column(&data_type)),
        _ => Ok(data_type),
    }
}

#[cold]
fn not_a_known_column(found: &DataType) -> PyErr {
    not_a_column_of("strings, binary or numbers", found)
}

#[cold]
pub fn not_a_column_of(wanted: &str, found: &DataType) -> PyErr {
    PyTypeError::new_err(format!("a column of {wanted} is needed, not of {found}: cast it first"))
}

#[cold]
fn contradiction(what: &str) -> PyErr {
    PyValueError::new_err(format!("an Arrow column contradicts itself: {what}"))
}

fn chunk(array: FFI_ArrowArray, data_type: &DataType) -> PyResult<Chunk> {
    match array.is_released() {
        true => Err(contradiction("its array was used before")),
        false => {
            let owner = Arc::new(array);
            Foreign { array: &owner, owner: &owner }.chunk(data_type)
        }
    }
}

/// True for a row whose bit is 0.
fn is_null(valid: &Buffer, row: usize) -> bool {
    valid.get(row / 8).is_some_and(|bits| bits >> (row % 8) & 1 == 0)
}

/// An array of another library, or the dictionary in it. The owner keeps all buffers.
struct Foreign<'a> {
    array: &'a FFI_ArrowArray,
    owner: &'a Arc<FFI_ArrowArray>,
}

impl Foreign<'_> {
    fn chunk(&self, data_type: &DataType) -> PyResult<Chunk> {
        let (rows, first) = (self.array.len(), self.array.offset());
        // Sizes of buffers are computed with a margin: 16 bytes for a row are the most, and there is one more offset.
        let end = first.checked_add(rows).filter(|&end| end < isize::MAX as usize / 32);
        let end =
            end.ok_or_else(|| contradiction("its length or its offset is negative, or beyond any memory"))?;
        if rows == 0 || *data_type == DataType::Null {
            return Ok(Chunk { rows, first: 0, valid: None, layout: Layout::Nulls });
        }
        let valid = match self.address(0)? {
            Some(_) => Some(self.buffer(0, end.div_ceil(8))?),
            None => None,
        };
        // Not for lists and dictionaries in it, whose nulls mean something else.
        let is_column = std::ptr::eq(self.array, Arc::as_ptr(self.owner));
        if is_column && valid.as_ref().is_some_and(|valid| (first..end).all(|row| is_null(valid, row))) {
            return Ok(Chunk { rows, first: 0, valid: None, layout: Layout::Nulls });
        }
        let layout = match data_type {
            DataType::Utf8 | DataType::Binary => {
                self.offsets(Numbers::I32(self.buffer(1, 4 * (end + 1))?), end)?
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                self.offsets(Numbers::I64(self.buffer(1, 8 * (end + 1))?), end)?
            }
            DataType::Utf8View | DataType::BinaryView => {
                Layout::Views { views: self.buffer(1, 16 * end)?, bytes: self.variadic()? }
            }
            DataType::FixedSizeBinary(width) => {
                let width = usize::try_from(*width).ok();
                let size = width.and_then(|width| Some((width, width.checked_mul(end)?)));
                let (width, size) =
                    size.ok_or_else(|| contradiction("its width is negative, or beyond any memory"))?;
                Layout::Fixed { width, bytes: self.buffer(1, size)? }
            }
            DataType::Dictionary(indexes, values) => {
                let dictionary = self.array.dictionary();
                let array = dictionary.ok_or_else(|| contradiction("its dictionary is missing"))?;
                let values = Box::new(Foreign { array, ..*self }.chunk(values)?);
                Layout::Dictionary { indexes: self.indexes(indexes, end)?, values }
            }
            DataType::FixedSizeList(item, dimension) => {
                let child = self.array.num_children().checked_sub(1).map(|last| self.array.child(last));
                let array = child.ok_or_else(|| contradiction("its list has no items"))?;
                self.lists(array, item.data_type(), *dimension, first..end, valid.as_ref())?
            }
            other => match row_of(other) {
                Some(row) => {
                    let width = row.width() as usize;
                    Layout::Fixed { width, bytes: self.buffer(1, width * end)? }
                }
                None => return Err(not_a_known_column(other)),
            },
        };
        Ok(Chunk { rows, first, valid, layout })
    }

    /// Lists of `dimension` numbers, which follow one another in another array. `rows` are those that are looked at, unless they are
    /// null in `own_valid`.
    fn lists(
        &self,
        array: &FFI_ArrowArray,
        item: &DataType,
        dimension: i32,
        rows: Range<usize>,
        own_valid: Option<&Buffer>,
    ) -> PyResult<Layout> {
        let beyond = || contradiction("its lists are beyond any memory");
        let items = usize::try_from(dimension).ok().and_then(|dimension| dimension.checked_mul(rows.end));
        let items = items.ok_or_else(beyond)?;
        if array.len() < items {
            return Err(contradiction("its lists have fewer items than their sizes say"));
        }
        let Chunk { valid, layout, first, .. } = Foreign { array, ..*self }.chunk(item)?;
        let Layout::Fixed { width, bytes } = layout else {
            return Err(not_a_column_of("lists of numbers", item));
        };
        let dimension = dimension as usize;
        let has_null = |valid: &Buffer, row: usize| {
            let from = first + row * dimension;
            (from..from + dimension).any(|at| is_null(valid, at))
        };
        let is_list = |row: &usize| own_valid.is_none_or(|valid| !is_null(valid, *row));
        if valid.is_some_and(|valid| rows.filter(is_list).any(|row| has_null(&valid, row))) {
            return Err(PyValueError::new_err("a list of an Arrow column has a null in it: fill it first"));
        }
        let start = (width * first).min(bytes.len());
        let width = width.checked_mul(dimension).ok_or_else(beyond)?;
        Ok(Layout::Fixed { width, bytes: bytes.slice(start) })
    }

    fn offsets(&self, offsets: Numbers, end: usize) -> PyResult<Layout> {
        let last = offsets.get(end).ok_or_else(|| contradiction("its last offset is negative"))?;
        Ok(Layout::Offsets { offsets, bytes: self.buffer(2, last)? })
    }

    fn indexes(&self, data_type: &DataType, end: usize) -> PyResult<Numbers> {
        let numbers = |wrap: fn(Buffer) -> Numbers, size| self.buffer(1, size * end).map(wrap);
        match data_type {
            DataType::Int8 => numbers(Numbers::I8, 1),
            DataType::Int16 => numbers(Numbers::I16, 2),
            DataType::Int32 => numbers(Numbers::I32, 4),
            DataType::Int64 => numbers(Numbers::I64, 8),
            DataType::UInt8 => numbers(Numbers::U8, 1),
            DataType::UInt16 => numbers(Numbers::U16, 2),
            DataType::UInt32 => numbers(Numbers::U32, 4),
            DataType::UInt64 => numbers(Numbers::U64, 8),
            _ => Err(contradiction("its dictionary has no integers as indexes")),
        }
    }

    /// The buffers of views: those behind nulls and views, but for the last, which has their lengths.
    fn variadic(&self) -> PyResult<Vec<Buffer>> {
        let lengths_at = self.array.num_buffers().saturating_sub(1);
        let Some(count) = lengths_at.checked_sub(2) else { return Err(contradiction("a buffer is missing")) };
        let lengths = Numbers::I64(self.buffer(lengths_at, count.saturating_mul(8))?);
        let buffer = |number| match lengths.get(number) {
            Some(length) => self.buffer(2 + number, length),
            None => Err(contradiction("a buffer has a negative length")),
        };
        (0..count).map(buffer).collect()
    }

    /// The address of a buffer; `None` for one that was left out.
    fn address(&self, index: usize) -> PyResult<Option<NonNull<u8>>> {
        match index < self.array.num_buffers() {
            true => Ok(NonNull::new(self.array.buffer(index).cast_mut())),
            false => Err(contradiction("a buffer is missing")),
        }
    }

    /// Buffer number `index`, of which the interface requires that it has `size` bytes.
    fn buffer(&self, index: usize, size: usize) -> PyResult<Buffer> {
        match self.address(index)? {
            _ if size == 0 => Ok(Buffer::default()),
            // A slice is never longer; nor is any memory.
            Some(address) if size <= isize::MAX as usize => {
                // SAFETY: the interface requires that many bytes, and that they live as long as the array, which the buffer
                // keeps.
                Ok(unsafe { Buffer::from_custom_allocation(address, size, Arc::clone(self.owner) as _) })
            }
            Some(_) => Err(contradiction("a buffer is longer than any memory")),
            None => Err(contradiction("a buffer is missing")),
        }
    }
}
