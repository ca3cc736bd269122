//! Structures of the Arrow C data interface, which other libraries fill.
//! <https://arrow.apache.org/docs/format/CDataInterface.html>
//!
//! The interface hands over pointers without the lengths of what is behind them: those follow from the number of rows, from the
//! last offset, and from the numbers of children and of buffers. That all is as long is what is trusted (SECURITY.md).
#![allow(unsafe_code)]

use crate::chunk::{Chunk, Layout, Numbers, row_of};
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
};
use std::{
    ffi::{CStr, c_char, c_void},
    ops::Range,
    ptr::NonNull,
    sync::Arc,
};

/// Types are not nested deeper.
const DEEPEST: usize = 64;

/// The beginning of `struct ArrowSchema`.
#[repr(C)]
struct SchemaHead {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    children_count: i64,
    children: *const *const SchemaHead,
    dictionary: *const SchemaHead,
    release: *const c_void,
}

/// The beginning of `struct ArrowArray`.
#[repr(C)]
struct ArrayHead {
    length: i64,
    null_count: i64,
    offset: i64,
    buffers_count: i64,
    children_count: i64,
    buffers: *const *const c_void,
    children: *const *mut ArrayHead,
}

/// Checks what the crate takes for granted.
///
/// # Errors
/// What is wrong with the schema.
pub fn check_schema(schema: &FFI_ArrowSchema) -> Result<(), &'static str> {
    // SAFETY: both are `struct ArrowSchema`.
    let schema = unsafe { &*std::ptr::from_ref(schema).cast::<SchemaHead>() };
    schema.check(0)
}

impl SchemaHead {
    fn check(&self, depth: usize) -> Result<(), &'static str> {
        // SAFETY: a text of the interface ends with a zero.
        let is_text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_str().is_ok();
        if self.release.is_null() {
            return Err("its schema was used before");
        }
        if depth > DEEPEST {
            return Err("it is nested too deeply");
        }
        if self.format.is_null() || !is_text(self.format) {
            return Err("its format is no text");
        }
        if !self.name.is_null() && !is_text(self.name) {
            return Err("a name is no text");
        }
        let count = usize::try_from(self.children_count).map_err(|_| "its number of children is negative")?;
        if count > 0 && self.children.is_null() {
            return Err("its children are missing");
        }
        for child in 0..count {
            // SAFETY: the interface requires so many pointers.
            let child = unsafe { *self.children.wrapping_add(child) };
            // SAFETY: null, or such a structure.
            let child = unsafe { child.as_ref() };
            child.ok_or("a child is missing")?.check(depth + 1)?;
        }
        // SAFETY: null, or such a structure.
        match unsafe { self.dictionary.as_ref() } {
            Some(dictionary) => dictionary.check(depth + 1),
            None => Ok(()),
        }
    }
}

#[cold]
pub fn not_a_known_column(found: &DataType) -> PyErr {
    not_a_column_of("strings, binary or numbers", found)
}

#[cold]
pub fn not_a_column_of(wanted: &str, found: &DataType) -> PyErr {
    PyTypeError::new_err(format!("a column of {wanted} is needed, not of {found}: cast it first"))
}

#[cold]
pub fn contradiction(what: &str) -> PyErr {
    PyValueError::new_err(format!("an Arrow column contradicts itself: {what}"))
}

/// True for a row whose bit is 0.
fn is_null(valid: &Buffer, row: usize) -> bool {
    valid.get(row / 8).is_some_and(|bits| bits >> (row % 8) & 1 == 0)
}

/// An array of another library, or a dictionary or child in it. The owner keeps all buffers.
pub struct Foreign<'a> {
    array: &'a FFI_ArrowArray,
    owner: &'a Arc<FFI_ArrowArray>,
}

impl<'a> Foreign<'a> {
    pub fn of(owner: &'a Arc<FFI_ArrowArray>) -> Self {
        Foreign { array: owner, owner }
    }
}

impl Foreign<'_> {
    /// The array as a column.
    ///
    /// # Errors
    /// ValueError for one that contradicts itself, TypeError for one of a type that makes no keys and values.
    pub fn chunk(&self, data_type: &DataType) -> PyResult<Chunk> {
        let (rows, first, end) = (self.array.len(), self.array.offset(), self.end()?);
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

    /// Where its rows end in the buffers.
    fn end(&self) -> PyResult<usize> {
        // Sizes of buffers are computed with a margin, some in bits: 32 bytes for a row are the most, and there is one more offset.
        let end = self.array.offset().checked_add(self.array.len());
        end.filter(|&end| end < isize::MAX as usize / 512)
            .ok_or_else(|| contradiction("its length or its offset is negative, or beyond any memory"))
    }

    /// Checks that the sizes of all buffers of an array of this type, and of its children, can be computed.
    ///
    /// # Errors
    /// ValueError if not.
    pub fn check(&self, data_type: &DataType) -> PyResult<()> {
        let end = self.end()?;
        let has_rows = !self.array.is_empty();
        let most = match data_type {
            DataType::Null | DataType::RunEndEncoded(..) => 0,
            DataType::Struct(_) | DataType::FixedSizeList(..) => 1,
            DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => 3,
            DataType::ListView(_) | DataType::LargeListView(_) => 3,
            DataType::Utf8View | DataType::BinaryView => isize::MAX as usize / 16,
            _ => 2,
        };
        if self.array.num_buffers() > most {
            return Err(contradiction("it has more buffers than its type"));
        }
        if self.array.num_buffers() > 0 && self.head().buffers.is_null() {
            return Err(contradiction("its buffers are missing"));
        }
        match data_type {
            DataType::Utf8 | DataType::Binary if has_rows => {
                self.offsets(Numbers::I32(self.aligned(1, 4, end + 1)?), end).map(|_| ())
            }
            DataType::LargeUtf8 | DataType::LargeBinary if has_rows => {
                self.offsets(Numbers::I64(self.aligned(1, 8, end + 1)?), end).map(|_| ())
            }
            DataType::Utf8View | DataType::BinaryView => self.variadic().map(|_| ()),
            DataType::FixedSizeBinary(width) => {
                let bits =
                    usize::try_from(*width).ok().and_then(|width| width.checked_mul(8)?.checked_mul(end));
                bits.map(|_| ()).ok_or_else(|| contradiction("its width is negative, or beyond any memory"))
            }
            DataType::Dictionary(_, values) => {
                let dictionary = self.array.dictionary();
                let array = dictionary.ok_or_else(|| contradiction("its dictionary is missing"))?;
                Foreign { array, ..*self }.check(values)
            }
            DataType::Struct(fields) => {
                let fields: Vec<&Field> = fields.iter().map(|field| &**field).collect();
                self.check_children(&fields)?;
                match (0..fields.len()).all(|number| self.array.child(number).len() >= end) {
                    true => Ok(()),
                    false => Err(contradiction("it has fewer rows than its length says")),
                }
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => self.check_children(&[item]),
            DataType::RunEndEncoded(ends, values) => self.check_children(&[ends, values]),
            DataType::Union(fields, _) => {
                let fields: Vec<&Field> = fields.iter().map(|(_, field)| &**field).collect();
                self.check_children(&fields)
            }
            _ => Ok(()),
        }
    }

    fn check_children(&self, fields: &[&Field]) -> PyResult<()> {
        if self.array.num_children() != fields.len() {
            return Err(contradiction("it has more or fewer children than its type"));
        }
        let missing = || contradiction("a child is missing");
        let head = self.head();
        if !fields.is_empty() && head.children.is_null() {
            return Err(missing());
        }
        for (number, field) in fields.iter().enumerate() {
            // SAFETY: the interface requires so many pointers.
            let child = unsafe { *head.children.wrapping_add(number) };
            if child.is_null() {
                return Err(missing());
            }
            if *field.data_type() == DataType::Null {
                // SAFETY: such a structure, to which nothing else refers.
                let count = unsafe { &mut (*child).buffers_count };
                // Polars gives a column of nulls a buffer, which the crate refuses.
                *count = if *count == 1 { 0 } else { *count };
            }
            Foreign { array: self.array.child(number), ..*self }.check(field.data_type())?;
        }
        Ok(())
    }

    fn head(&self) -> &ArrayHead {
        // SAFETY: both are `struct ArrowArray`.
        unsafe { &*std::ptr::from_ref(self.array).cast::<ArrayHead>() }
    }

    /// A buffer of so many numbers of `width` bytes, which the crate reads at their alignment.
    fn aligned(&self, index: usize, width: usize, numbers: usize) -> PyResult<Buffer> {
        let buffer = self.buffer(index, width * numbers)?;
        match buffer.as_ptr().align_offset(width) {
            0 => Ok(buffer),
            _ => Err(contradiction("a buffer is not aligned")),
        }
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
        match index < self.array.num_buffers() && !self.head().buffers.is_null() {
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
