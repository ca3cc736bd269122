//! Objects of numpy and a few others: their shapes are known, so that their contents are read as data.

use std::cell::Cell;

use half::f16;
use hashlith_format::Number;

use crate::pickle::item::{Held, Item, Kind, Span};

/// How many items an object counts as.
const WEIGHT: usize = 4;

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dtype {
    pub element: Element,
    /// Bytes of an element.
    pub size: u32,
    pub is_big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Number(Number),
    Bool,
    /// Four bytes per character.
    Str,
    Bytes,
    /// Anything else: dates, complex numbers, objects, records.
    Other,
}

impl Dtype {
    /// A type by the name that numpy pickles, such as `f4`.
    pub fn named(name: &[u8]) -> Self {
        let (letter, digits) = name.split_first().map_or((0, name), |(&letter, digits)| (letter, digits));
        let size = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let number = |number| Some(Element::Number(number));
        let element = match (letter, size) {
            (b'i', Some(1)) => number(Number::Int8),
            (b'i', Some(2)) => number(Number::Int16),
            (b'i', Some(4)) => number(Number::Int32),
            (b'i', Some(8)) => number(Number::Int64),
            (b'u', Some(1)) => number(Number::Uint8),
            (b'u', Some(2)) => number(Number::Uint16),
            (b'u', Some(4)) => number(Number::Uint32),
            (b'u', Some(8)) => number(Number::Uint64),
            (b'f', Some(2)) => number(Number::Float16),
            (b'f', Some(4)) => number(Number::Float32),
            (b'f', Some(8)) => number(Number::Float64),
            (b'b', Some(1)) => Some(Element::Bool),
            (b'U', Some(_)) => Some(Element::Str),
            (b'S', Some(_)) => Some(Element::Bytes),
            _ => None,
        };
        let size = size.unwrap_or(0u32);
        let size = if letter == b'U' { size.saturating_mul(4) } else { size };
        Dtype { element: element.unwrap_or(Element::Other), size, is_big_endian: false }
    }

    /// The element with these bytes, if it is a number or a truth value.
    pub fn item(self, bytes: &[u8]) -> Option<Item> {
        let mut little = [0; 8];
        let size = bytes.len().min(8);
        little[..size].copy_from_slice(&bytes[..size]);
        if self.is_big_endian {
            little[..size].reverse();
        }
        let unsigned = u64::from_le_bytes(little);
        let unused = 64 - 8 * size as u32;
        let signed = (unsigned.unbounded_shl(unused) as i64).unbounded_shr(unused);
        Some(match self.element {
            Element::Bool => Item::Bool(unsigned != 0),
            Element::Number(Number::Float16) => Item::Float(f16::from_bits(unsigned as u16).to_f64()),
            Element::Number(Number::Float32) => Item::Float(f64::from(f32::from_bits(unsigned as u32))),
            Element::Number(Number::Float64) => Item::Float(f64::from_bits(unsigned)),
            Element::Number(Number::Int8 | Number::Int16 | Number::Int32 | Number::Int64) => {
                Item::Int(signed)
            }
            Element::Number(_) => i64::try_from(unsigned).map_or(Item::Big(unsigned), Item::Int),
            Element::Str | Element::Bytes | Element::Other => return None,
        })
    }
}

/// An array of at most one dimension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Array {
    pub dtype: Dtype,
    /// It has no dimension: one element.
    pub is_scalar: bool,
    /// How many elements there are.
    pub length: u64,
    /// The bytes of the elements.
    pub data: Span,
}

/// What an object is. It becomes that when its state is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Dtype(Dtype),
    /// An array without its state.
    NoArray,
    Array(Array),
    /// An array that cannot be read, and why.
    Unread(&'static str),
    /// A `UserDict` without its state.
    UserDict,
    /// joblib's wrapper of an array, without its state.
    Wrapper,
}

#[derive(Debug)]
pub(crate) struct Object {
    pub what: Cell<What>,
    held: Held,
}

impl Object {
    pub fn new(what: What, held: &Held) -> Self {
        held.add(WEIGHT);
        Object { what: Cell::new(what), held: held.clone() }
    }

    pub fn array(&self) -> Option<Array> {
        if let What::Array(array) = self.what.get() { Some(array) } else { None }
    }

    pub fn type_name(&self) -> &'static str {
        match self.what.get() {
            What::Dtype(_) => "numpy dtype",
            What::NoArray | What::Array(_) | What::Wrapper => "numpy array",
            What::Unread(why) => why,
            What::UserDict => "UserDict",
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.held.remove(WEIGHT);
    }
}

/// An array of these elements and dimensions, or why it is not read.
pub(crate) fn array(dtype: Dtype, shape: &[Item], in_fortran_order: bool, data: &Item) -> What {
    let Item::Span(data) = data else { return What::Unread("numpy array of objects") };
    let (is_scalar, length) = match shape {
        [] => (true, 1),
        [Item::Int(length)] if *length >= 0 => (false, *length as u64),
        _ => return What::Unread("numpy array of more than one dimension"),
    };
    let is_read = dtype.element != Element::Other && dtype.size > 0 && (!in_fortran_order || shape.len() < 2);
    // Bytes that are written as text are longer in the pickle.
    let size = length.checked_mul(u64::from(dtype.size));
    let is_whole = match data.kind {
        Kind::Bytes => size == Some(data.length),
        Kind::Latin1OfUtf8 | Kind::Latin1OfEscaped => size.is_some_and(|size| size <= data.length),
        _ => false,
    };
    if !is_read {
        return What::Unread("numpy array of a type that has no numbers, texts or truth values");
    }
    if !is_whole {
        return What::Unread("malformed numpy array");
    }
    What::Array(Array { dtype, is_scalar, length, data: *data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_both_byte_orders() {
        let table: [(&str, &[u8], &str); 10] = [
            ("i1", b"\xff", "Int(-1)"),
            ("i2", b"\xfe\xff", "Int(-2)"),
            ("i4", b"\0\0\0\x80", "Int(-2147483648)"),
            ("u4", b"\0\0\0\x80", "Int(2147483648)"),
            ("i8", b"\0\0\0\0\0\0\0\x80", "Int(-9223372036854775808)"),
            ("u8", b"\xff\xff\xff\xff\xff\xff\xff\xff", "Big(18446744073709551615)"),
            ("f2", b"\0\x3c", "Float(1.0)"),
            ("f4", b"\0\0\x80\xbf", "Float(-1.0)"),
            ("f8", b"\0\0\0\0\0\0\xf0\x3f", "Float(1.0)"),
            ("b1", b"\x01", "Bool(true)"),
        ];
        for (name, bytes, wanted) in table {
            let dtype = Dtype::named(name.as_bytes());
            assert_eq!(dtype.size as usize, bytes.len());
            assert_eq!(format!("{:?}", dtype.item(bytes).unwrap()), wanted);
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            let big = Dtype { is_big_endian: true, ..dtype };
            assert_eq!(format!("{:?}", big.item(&reversed).unwrap()), wanted);
        }
        for name in ["", "f", "f16", "M8", "O8", "c8", "V4", "i3"] {
            assert_eq!(Dtype::named(name.as_bytes()).element, Element::Other, "{name}");
        }
    }
}
