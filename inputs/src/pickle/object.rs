//! Objects of numpy and a few others: their shapes are known, so that their contents are read as data.

use std::cell::Cell;

use hashlith_format::Number;

use crate::pickle::held::Held;
use crate::pickle::span::Span;

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
}

/// Most dimensions of an array.
pub(crate) const MOST_DIMENSIONS: usize = 8;

/// The dimensions of an array.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shape {
    count: usize,
    sizes: [u64; MOST_DIMENSIONS],
    /// The first index changes fastest, not the last.
    pub in_fortran_order: bool,
}

impl Shape {
    /// A shape with these sizes, if they are few.
    pub fn new(lengths: &[u64], in_fortran_order: bool) -> Option<Self> {
        let mut sizes = [0; MOST_DIMENSIONS];
        sizes.get_mut(..lengths.len())?.copy_from_slice(lengths);
        Some(Shape { count: lengths.len(), sizes, in_fortran_order })
    }

    /// The sizes: none for a single element.
    pub fn sizes(&self) -> &[u64] {
        &self.sizes[..self.count]
    }

    /// Where the element is that is at `place` when the last index changes fastest.
    pub fn index(&self, place: u64) -> u64 {
        if !self.in_fortran_order {
            return place;
        }
        let (mut index, mut rest, mut stride) = (0, place, self.sizes().iter().product::<u64>());
        for &size in self.sizes().iter().rev() {
            stride /= size;
            index += rest % size * stride;
            rest /= size;
        }
        index
    }
}

/// An array of numbers, truth values or texts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Array {
    pub dtype: Dtype,
    pub shape: Shape,
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
