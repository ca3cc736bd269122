//! Single cells of Arrow arrays: texts, integers, and numbers as typed values.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray,
    StringArray, StringViewArray,
};
use arrow_schema::DataType;
use hashlith_format::{Number, Row};

use crate::typed::{Numbers, not_so_many};

/// A column of strings or binary in any layout.
pub(crate) enum Texts<'a> {
    Small(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    Fixed(&'a FixedSizeBinaryArray),
    /// Its indexes and its values.
    Dictionary(&'a dyn Array, Box<Texts<'a>>),
    /// Only nulls, or a column of another type.
    Nothing,
}

impl<'a> Texts<'a> {
    pub fn new(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Utf8 => Texts::Small(array.as_string()),
            DataType::LargeUtf8 => Texts::Large(array.as_string()),
            DataType::Utf8View => Texts::View(array.as_string_view()),
            DataType::Binary => Texts::Binary(array.as_binary()),
            DataType::LargeBinary => Texts::LargeBinary(array.as_binary()),
            DataType::BinaryView => Texts::BinaryView(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => Texts::Fixed(array.as_fixed_size_binary()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                Texts::Dictionary(dictionary.keys(), Box::new(Texts::new(dictionary.values())))
            }
            _ => Texts::Nothing,
        }
    }

    /// The bytes of a row; `None` for a null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Texts::Small(array) => array.is_valid(row).then(|| array.value(row).as_bytes()),
            Texts::Large(array) => array.is_valid(row).then(|| array.value(row).as_bytes()),
            Texts::View(array) => array.is_valid(row).then(|| array.value(row).as_bytes()),
            Texts::Binary(array) => array.is_valid(row).then(|| array.value(row)),
            Texts::LargeBinary(array) => array.is_valid(row).then(|| array.value(row)),
            Texts::BinaryView(array) => array.is_valid(row).then(|| array.value(row)),
            Texts::Fixed(array) => array.is_valid(row).then(|| array.value(row)),
            Texts::Dictionary(keys, values) => {
                if keys.is_valid(row) {
                    values.get(index_at(*keys, row))
                } else {
                    None
                }
            }
            Texts::Nothing => None,
        }
    }
}

/// An integer of a column of any type of integers; 0 for other columns.
pub(crate) fn int_at(array: &dyn Array, row: usize) -> i128 {
    match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        _ => 0,
    }
}

/// An index into a dictionary.
pub(crate) fn index_at(keys: &dyn Array, row: usize) -> usize {
    usize::try_from(int_at(keys, row)).unwrap_or(usize::MAX)
}

/// The items of a list; `None` for a column without lists.
fn list_at(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

/// Appends the bytes of a number or a vector that is not null.
///
/// # Errors
/// What is wrong, as words that follow "the value".
pub(crate) fn write_row(kind: Row, array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if kind.dimension == 0 {
        let mut numbers = Numbers::new(kind, out);
        push(&mut numbers, array, row)?;
        return numbers.finish();
    }
    let Some(items) = list_at(array, row) else { return Ok(()) };
    if items.null_count() > 0 {
        return Err("holds a null, which is no number".to_owned());
    }
    if items.len() == kind.dimension as usize && write_same(kind.number, &*items, out) {
        return Ok(());
    }
    // Too many are not looked at: a list may be longer than any value.
    let most = items.len().min(kind.dimension as usize);
    let mut numbers = Numbers::new(kind, out);
    (0..most).try_for_each(|item| push(&mut numbers, &*items, item))?;
    if items.len() > most {
        return Err(not_so_many(kind, items.len() as u64));
    }
    numbers.finish()
}

fn push(numbers: &mut Numbers<'_>, array: &dyn Array, row: usize) -> Result<(), String> {
    let float = match array.data_type() {
        DataType::Float16 => array.as_primitive::<Float16Type>().value(row).into(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        _ => return numbers.int(int_at(array, row)),
    };
    numbers.float(float, &format!("{float:?}"))
}

/// Appends all numbers of an array if they are of this very type.
fn write_same(number: Number, array: &dyn Array, out: &mut Vec<u8>) -> bool {
    macro_rules! write_as {
        ($($number:ident $kind:ident $type:ty,)*) => {
            match (number, array.data_type()) {
                $((Number::$number, DataType::$kind) => {
                    for number in array.as_primitive::<$type>().values().iter() {
                        out.extend_from_slice(&number.to_le_bytes());
                    }
                    true
                })*
                _ => false,
            }
        };
    }
    write_as!(
        Int8 Int8 Int8Type,
        Int16 Int16 Int16Type,
        Int32 Int32 Int32Type,
        Int64 Int64 Int64Type,
        Uint8 UInt8 UInt8Type,
        Uint16 UInt16 UInt16Type,
        Uint32 UInt32 UInt32Type,
        Uint64 UInt64 UInt64Type,
        Float16 Float16 Float16Type,
        Float32 Float32 Float32Type,
        Float64 Float64 Float64Type,
    )
}

/// True for strings and binary in any layout, and for a column of nulls.
pub(crate) fn is_string(data_type: &DataType) -> bool {
    is_text(data_type) || is_binary(data_type)
}

/// True for strings in any layout, and for a column of nulls.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_binary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            true
        }
        DataType::Dictionary(_, values) => is_binary(values),
        _ => false,
    }
}
