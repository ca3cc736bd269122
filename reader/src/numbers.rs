//! Values that are numbers or vectors of numbers, as slices of them.

use crate::{found::Found, index::Index, part::Part};
use bytemuck::{Pod, PodCastError};
use hashlith_format::{Error, Number, ValueType, int_key};
use std::borrow::Cow;

/// A type of numbers that values may have (`spec.md` section 3). `float16` has none in Rust: its bytes are in
/// [`Part::values`].
pub trait Numeric: Pod {
    /// Its name in the header.
    const NUMBER: Number;

    /// The number in these bytes, as the file has them; 0 if they are fewer or more than it has.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! numeric {
    ($($number:ident $type:ty,)*) => {$(
        impl Numeric for $type {
            const NUMBER: Number = Number::$number;

            fn read(bytes: &[u8]) -> Self {
                bytes.try_into().map(Self::from_le_bytes).unwrap_or_default()
            }
        }
    )*};
}

numeric! {
    Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64, Float32 f32, Float64 f64,
}

/// Bytes of the file as numbers: where they lie if they are aligned, as they are in a mapped file; otherwise a copy.
fn numbers<T: Numeric>(bytes: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(numbers) if cfg!(target_endian = "little") => Cow::Borrowed(numbers),
        Ok(_) | Err(PodCastError::TargetAlignmentGreaterAndInputNotAligned) => {
            Cow::Owned(bytes.chunks_exact(size_of::<T>()).map(T::read).collect())
        }
        Err(_) => Cow::Borrowed(&[]),
    }
}

fn has<T: Numeric>(values: ValueType) -> bool {
    values.row().is_some_and(|row| row.number == T::NUMBER)
}

impl<'a> Found<'a, '_> {
    /// The value as numbers: one, or all of a vector. `None` if values are not numbers of this type.
    ///
    /// ```
    /// # use hashlith_reader::Index;
    /// // Its values are of the type float32[4].
    /// let index = Index::load("../tests/golden/text_to_float32.hlith")?;
    /// let found = index.lookup(b"word 7")?.unwrap();
    /// assert_eq!(found.numbers::<f32>().unwrap().len(), 4);
    /// assert_eq!(found.numbers::<f64>(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn numbers<T: Numeric>(&self) -> Option<Cow<'a, [T]>> {
        let value = self.stored_value().filter(|_| has::<T>(self.value_type()))?;
        Some(numbers(value))
    }
}

impl<D: AsRef<[u8]>> Part<D> {
    /// The values of all keys in the order of the dense ids, as numbers; vectors one after another. `None` if values are not
    /// numbers of this type.
    ///
    /// ```
    /// # use hashlith_reader::Index;
    /// let index = Index::load("../tests/golden/text_to_float32.hlith")?;
    /// let vectors = index.parts()[0].numbers::<f32>().unwrap();
    /// let found = index.lookup(b"word 7")?.unwrap();
    /// assert_eq!(vectors[4 * found.id() as usize..][..4], found.numbers::<f32>().unwrap()[..]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn numbers<T: Numeric>(&self) -> Option<Cow<'_, [T]>> {
        has::<T>(self.header().value_type).then(|| numbers(self.values()))
    }
}

impl<D: AsRef<[u8]>> Index<D> {
    /// The value of an integer, in an index with [`KeyType::Int`](crate::KeyType::Int).
    ///
    /// ```
    /// # use hashlith_reader::Index;
    /// let index = Index::load("../tests/golden/int.hlith")?;
    /// assert_eq!(index.get_int(-1)?.as_deref(), Some(&b"word 1"[..]));
    /// assert_eq!(index.get_int(5)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn get_int(&self, key: i64) -> Result<Option<Cow<'_, [u8]>>, Error> {
        self.get(&int_key(key))
    }
}
