//! Values of a fixed width: numbers, and vectors of them (section 3).

use core::fmt;

/// The type of a number: an integer in two's complement, or a floating-point number of IEEE 754. The lowest byte comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Number {
    Int8 = 1,
    Int16 = 2,
    Int32 = 3,
    Int64 = 4,
    Uint8 = 5,
    Uint16 = 6,
    Uint32 = 7,
    Uint64 = 8,
    Float16 = 9,
    Float32 = 10,
    Float64 = 11,
}

impl Number {
    /// All types.
    pub const ALL: [Self; 11] = [
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
    ];

    pub(crate) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&one| one as u8 == id)
    }

    /// Its name, as numpy has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// Bytes of a number.
    pub const fn size(self) -> u8 {
        match self {
            Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 | Self::Float16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float32 => 4,
            Self::Int64 | Self::Uint64 | Self::Float64 => 8,
        }
    }

    /// True for the three floating-point types.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::Float16 | Self::Float32 | Self::Float64)
    }
}

/// What each value is: a number, or a vector of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The type of the numbers.
    pub number: Number,
    /// How many numbers a vector has; 0 if each value is a number by itself.
    pub dimension: u32,
}

impl Row {
    /// How many numbers a value has.
    #[inline]
    pub fn count(self) -> u32 {
        self.dimension.max(1)
    }

    /// Bytes of a value.
    #[inline]
    pub fn width(self) -> u64 {
        u64::from(self.count()).wrapping_mul(u64::from(self.number.size()))
    }

    /// The row that a name means: `float32`, or `float32[128]` for vectors.
    pub fn parse(name: &str) -> Option<Self> {
        let (number, dimension) = match name.split_once('[') {
            None => (name, 0),
            Some((number, rest)) => {
                let digits = rest.strip_suffix(']')?;
                let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
                (number, digits.parse().ok().filter(|_| is_plain)?)
            }
        };
        let number = Number::ALL.into_iter().find(|one| one.name() == number)?;
        Some(Row { number, dimension })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dimension == 0 {
            f.pad(self.number.name())
        } else {
            write!(f, "{}[{}]", self.number.name(), self.dimension)
        }
    }
}
