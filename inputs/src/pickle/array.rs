//! Arrays of numpy: what they are made of, and their elements.

use half::f16;
use hashlith_format::Number;

use crate::pickle::item::{Item, Kind};
use crate::pickle::object::{Array, Dtype, Element, Shape, What};

impl Dtype {
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

/// An array of these elements and dimensions, or why it is not read.
pub(crate) fn array(dtype: Dtype, shape: &[Item], in_fortran_order: bool, data: &Item) -> What {
    let Item::Span(data) = data else { return What::Unread("numpy array of objects") };
    let lengths: Option<Vec<u64>> = shape
        .iter()
        .map(|length| if let Item::Int(length) = length { u64::try_from(*length).ok() } else { None })
        .collect();
    let Some(lengths) = lengths else { return What::Unread("malformed numpy array") };
    let Some(shape) = Shape::new(&lengths, in_fortran_order) else {
        return What::Unread("numpy array of more than 8 dimensions");
    };
    let is_read = dtype.element != Element::Other && dtype.size > 0;
    let length = lengths.iter().try_fold(1u64, |length, &size| length.checked_mul(size));
    let Some(length) = length else { return What::Unread("malformed numpy array") };
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
    What::Array(Array { dtype, shape, length, data: *data })
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
