//! One array of an Arrow column, read with a check of every offset.
//!
//! The library that made it need not have checked it, and another thread may still write to it, so nothing is proved
//! beforehand: each row looks at its own offsets, and stays inside the buffers whatever they say.

use arrow_buffer::Buffer;
use arrow_schema::DataType;
use hashlith::{Number, Row};

/// What can be wrong with a row.
const OFFSETS: &str = "damaged: its offsets decrease or leave the buffer";
const VIEW: &str = "damaged: its view leaves the buffers";
const FIXED: &str = "damaged: it leaves the buffer";
const DICTIONARY: &str = "damaged: its index is not in the dictionary";
const BITS: &str = "damaged: it leaves the bits of the nulls";

/// One array.
pub struct Chunk {
    pub rows: usize,
    /// Where its rows begin in the buffers.
    pub first: usize,
    /// A bit for each row: 0 for a null. Without it there are none.
    pub valid: Option<Buffer>,
    pub layout: Layout,
}

/// Where the bytes of a row are.
pub enum Layout {
    Nulls,
    Offsets {
        offsets: Numbers,
        bytes: Buffer,
    },
    Views {
        views: Buffer,
        bytes: Vec<Buffer>,
    },
    /// Binary, numbers, or lists of numbers; the lists without their nulls.
    Fixed {
        width: usize,
        bytes: Buffer,
    },
    Dictionary {
        indexes: Numbers,
        values: Box<Chunk>,
    },
}

/// Numbers of one type. Negative ones are out of any range.
pub enum Numbers {
    I8(Buffer),
    I16(Buffer),
    I32(Buffer),
    I64(Buffer),
    U8(Buffer),
    U16(Buffer),
    U32(Buffer),
    U64(Buffer),
}

impl Chunk {
    /// The bytes of a row; `None` for a null.
    ///
    /// # Errors
    /// What is wrong with the row.
    #[inline]
    pub fn get(&self, row: usize) -> Result<Option<&[u8]>, &'static str> {
        // At most the length of a buffer: that was computed from the sum of the two.
        let at = self.first + row;
        if let Some(valid) = &self.valid {
            let bits = *valid.get(at / 8).ok_or(BITS)?;
            if bits >> (at % 8) & 1 == 0 {
                return Ok(None);
            }
        }
        match &self.layout {
            Layout::Nulls => Ok(None),
            Layout::Offsets { offsets, bytes } => {
                let span = offsets.pair(at);
                span.and_then(|(start, end)| bytes.get(start..end)).map(Some).ok_or(OFFSETS)
            }
            Layout::Views { views, bytes } => view(views, bytes, at).map(Some).ok_or(VIEW),
            Layout::Fixed { width, bytes } => {
                let start = at * width;
                bytes.get(start..start + width).map(Some).ok_or(FIXED)
            }
            Layout::Dictionary { indexes, values } => {
                let index = indexes.get(at).filter(|&index| index < values.rows).ok_or(DICTIONARY)?;
                values.get(index)
            }
        }
    }
}

impl Numbers {
    #[inline]
    #[expect(clippy::host_endian_bytes, reason = "Arrow arrays are in the order of the machine")]
    pub fn get(&self, at: usize) -> Option<usize> {
        match self {
            Numbers::I8(bytes) => i8::from_ne_bytes(item(bytes, at)?).try_into().ok(),
            Numbers::I16(bytes) => i16::from_ne_bytes(item(bytes, at)?).try_into().ok(),
            Numbers::I32(bytes) => i32::from_ne_bytes(item(bytes, at)?).try_into().ok(),
            Numbers::I64(bytes) => i64::from_ne_bytes(item(bytes, at)?).try_into().ok(),
            Numbers::U8(bytes) => Some(u8::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::U16(bytes) => Some(u16::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::U32(bytes) => u32::from_ne_bytes(item(bytes, at)?).try_into().ok(),
            Numbers::U64(bytes) => u64::from_ne_bytes(item(bytes, at)?).try_into().ok(),
        }
    }
}

impl Numbers {
    /// The number at `at`, if it fits 64 bits with a sign.
    #[expect(clippy::host_endian_bytes, reason = "Arrow arrays are in the order of the machine")]
    pub fn long(&self, at: usize) -> Option<i64> {
        match self {
            Numbers::I8(bytes) => Some(i8::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::I16(bytes) => Some(i16::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::I32(bytes) => Some(i32::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::I64(bytes) => Some(i64::from_ne_bytes(item(bytes, at)?)),
            Numbers::U8(bytes) => Some(u8::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::U16(bytes) => Some(u16::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::U32(bytes) => Some(u32::from_ne_bytes(item(bytes, at)?).into()),
            Numbers::U64(bytes) => u64::from_ne_bytes(item(bytes, at)?).try_into().ok(),
        }
    }

    /// The number at `at` and the next one, of offsets: these have 4 or 8 bytes.
    #[inline]
    fn pair(&self, at: usize) -> Option<(usize, usize)> {
        match self {
            Numbers::I32(bytes) => {
                let &[start, end] = bytes.as_chunks::<4>().0.get(at..)?.first_chunk()?;
                let [start, end] = [start, end].map(i32::from_ne_bytes);
                Some((start.try_into().ok()?, end.try_into().ok()?))
            }
            Numbers::I64(bytes) => {
                let &[start, end] = bytes.as_chunks::<8>().0.get(at..)?.first_chunk()?;
                let [start, end] = [start, end].map(i64::from_ne_bytes);
                Some((start.try_into().ok()?, end.try_into().ok()?))
            }
            _ => self.get(at).zip(self.get(at + 1)),
        }
    }
}

/// Item number `at` of `N` bytes, which need not be aligned.
#[inline]
fn item<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.as_chunks::<N>().0.get(at).copied()
}

/// The bytes of a view: they are in it, or it says where they are.
/// <https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout>
#[inline]
#[expect(clippy::host_endian_bytes, reason = "Arrow arrays are in the order of the machine")]
fn view<'a>(views: &'a [u8], bytes: &'a [Buffer], at: usize) -> Option<&'a [u8]> {
    let view = views.as_chunks::<16>().0.get(at)?;
    let number = |place| Some(i32::from_ne_bytes(item(view, place)?));
    let length = usize::try_from(number(0)?).ok()?;
    if let Some(inline) = view.get(4..)?.get(..length) {
        return Some(inline);
    }
    let start = usize::try_from(number(3)?).ok()?;
    bytes.get(usize::try_from(number(2)?).ok()?)?.get(start..start + length)
}

/// True for strings in any layout, and for a column of nulls.
pub fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// True for binary in any layout, and for a column of nulls.
pub fn is_binary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            true
        }
        DataType::Null => true,
        DataType::Dictionary(_, values) => is_binary(values),
        _ => false,
    }
}

/// True for integers.
pub fn is_int(data_type: &DataType) -> bool {
    data_type.is_integer() || *data_type == DataType::Null
}

/// The type of values in a column of numbers, or of lists of numbers of a fixed size.
pub fn row_of(data_type: &DataType) -> Option<Row> {
    let number = match data_type {
        DataType::Int8 => Number::Int8,
        DataType::Int16 => Number::Int16,
        DataType::Int32 => Number::Int32,
        DataType::Int64 => Number::Int64,
        DataType::UInt8 => Number::Uint8,
        DataType::UInt16 => Number::Uint16,
        DataType::UInt32 => Number::Uint32,
        DataType::UInt64 => Number::Uint64,
        DataType::Float16 => Number::Float16,
        DataType::Float32 => Number::Float32,
        DataType::Float64 => Number::Float64,
        DataType::FixedSizeList(item, dimension) => {
            let Row { number, dimension: 0 } = row_of(item.data_type())? else { return None };
            return Some(Row {
                number,
                dimension: u32::try_from(*dimension).ok().filter(|&count| count > 0)?,
            });
        }
        _ => return None,
    };
    Some(Row { number, dimension: 0 })
}
