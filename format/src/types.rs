//! What keys and values are (section 3).

use crate::{Number, Row};
use core::{fmt, str::FromStr};

/// A word that names no type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownType {
    /// What should have been named.
    what: &'static str,
    /// The words that would do.
    names: &'static [&'static str],
}

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be one of", self.what)?;
        self.names.iter().enumerate().try_for_each(|(number, name)| {
            f.write_str(if number == 0 { " " } else { ", " })?;
            f.write_str(name)
        })
    }
}

impl core::error::Error for UnknownType {}

/// What keys are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Any bytes.
    #[default]
    Bytes = 0,
    /// UTF-8.
    Text = 1,
    /// Integers from -2^63 to 2^63 - 1. As bytes such a key has always eight, see [`int_key`].
    Int = 2,
    /// Any bytes, which the file does not have: it knows them by their hashes, and so may take an absent key for a present one.
    None = 3,
}

/// An integer as the bytes of a key: eight, in two's complement, the lowest first.
pub const fn int_key(key: i64) -> [u8; 8] {
    key.to_le_bytes()
}

/// The integer that these bytes of a key stand for; `None` if they are not eight.
pub fn key_int(key: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(key.try_into().ok()?))
}

impl KeyType {
    /// True if the file has keys of any length, as they are or as codes.
    #[inline]
    pub fn is_string(self) -> bool {
        matches!(self, Self::Bytes | Self::Text)
    }

    /// The names of all types.
    pub const NAMES: &[&str] = &["bytes", "text", "int", "none"];

    const ALL: [Self; 4] = [Self::Bytes, Self::Text, Self::Int, Self::None];

    /// The type with this number in the header.
    pub(crate) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&one| one as u8 == id)
    }

    /// Its name, one of [`Self::NAMES`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Text => "text",
            Self::Int => "int",
            Self::None => "none",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for KeyType {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or(UnknownType { what: "the type of keys", names: Self::NAMES })
    }
}

/// What values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Any bytes.
    #[default]
    Bytes,
    /// UTF-8.
    Text,
    /// One JSON value in UTF-8.
    Json,
    /// There are none: the index is a set of keys. As bytes such a value is empty.
    None,
    /// A number, or a vector of numbers.
    Numbers(Row),
}

impl ValueType {
    /// The names of all types. In front of `[n]`, that of a number means vectors of n of them.
    pub const NAMES: &[&str] = &[
        "bytes",
        "text",
        "json",
        "none",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "or a number and its count: float32[128]",
    ];

    /// Bytes of a value, if all have the same number and lie in the values section.
    #[inline]
    pub fn row(self) -> Option<Row> {
        if let Self::Numbers(row) = self { Some(row) } else { None }
    }

    /// Bytes that each value has in the values section; 0 if there is none.
    #[inline]
    pub fn width(self) -> u64 {
        self.row().map_or(0, Row::width)
    }

    /// True if values have any length, as they are or as codes; if not, records have none.
    #[inline]
    pub fn is_string(self) -> bool {
        matches!(self, Self::Bytes | Self::Text | Self::Json)
    }

    /// True if values are UTF-8.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Json)
    }

    /// Its bytes in the header: type, number, dimension.
    pub(crate) fn ids(self) -> (u8, u8, u32) {
        match self {
            Self::Bytes => (0, 0, 0),
            Self::Text => (1, 0, 0),
            Self::Json => (2, 0, 0),
            Self::None => (3, 0, 0),
            Self::Numbers(row) => (4, row.number as u8, row.dimension),
        }
    }

    /// The type with these bytes in the header. The error says at which of the three they are wrong.
    pub(crate) fn from_ids(id: u8, number: u8, dimension: u32) -> Result<Self, Part> {
        let plain = match id {
            0 => Self::Bytes,
            1 => Self::Text,
            2 => Self::Json,
            3 => Self::None,
            4 => {
                let number = Number::from_id(number).ok_or(Part::Number)?;
                return Ok(Self::Numbers(Row { number, dimension }));
            }
            _ => return Err(Part::Type),
        };
        match (number, dimension) {
            (0, 0) => Ok(plain),
            (0, _) => Err(Part::Dimension),
            _ => Err(Part::Number),
        }
    }
}

/// A part of a value type in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Type,
    Number,
    Dimension,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes => f.pad("bytes"),
            Self::Text => f.pad("text"),
            Self::Json => f.pad("json"),
            Self::None => f.pad("none"),
            Self::Numbers(row) => row.fmt(f),
        }
    }
}

impl FromStr for ValueType {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        match name {
            "bytes" => Ok(Self::Bytes),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "none" => Ok(Self::None),
            _ => match Row::parse(name) {
                Some(row) => Ok(Self::Numbers(row)),
                None => Err(UnknownType { what: "the type of values", names: Self::NAMES }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_come_back() {
        for name in KeyType::NAMES {
            assert_eq!(name.parse::<KeyType>().unwrap().name(), *name);
        }
        let (_, names) = ValueType::NAMES.split_last().unwrap();
        for name in names.iter().copied().chain(["float32[128]", "uint8[1]", "int64[4294967295]"]) {
            let parsed = name.parse::<ValueType>().unwrap();
            assert_eq!(parsed.to_string(), name);
            let (id, number, dimension) = parsed.ids();
            assert_eq!(ValueType::from_ids(id, number, dimension), Ok(parsed));
            assert_eq!(parsed.is_text(), name == "text" || name == "json");
            assert_eq!(parsed.is_string(), parsed.is_text() || name == "bytes");
        }
        for (name, width, is_float) in [
            ("int8", 1, false),
            ("uint16", 2, false),
            ("int32[3]", 12, false),
            ("uint64[1]", 8, false),
            ("float16[5]", 10, true),
            ("float32", 4, true),
            ("float64[1000]", 8000, true),
        ] {
            let kind = name.parse::<ValueType>().unwrap();
            assert_eq!((kind.width(), kind.row().unwrap().number.is_float()), (width, is_float));
        }
        assert_eq!((ValueType::Text.width(), ValueType::None.width()), (0, 0));
        for wrong in [
            "",
            "float32[0]",
            "float32[]",
            "float32[01]",
            "float32[4294967296]",
            "float",
            "text[3]",
            "float32[3",
        ] {
            assert!(wrong.parse::<ValueType>().is_err(), "{wrong}");
        }
        let message = "integer".parse::<KeyType>().unwrap_err().to_string();
        assert_eq!(message, "the type of keys must be one of bytes, text, int, none");
        assert_eq!(ValueType::from_ids(5, 0, 0), Err(Part::Type));
        assert_eq!(ValueType::from_ids(4, 0, 0), Err(Part::Number));
        assert_eq!(ValueType::from_ids(4, 12, 0), Err(Part::Number));
        assert_eq!(ValueType::from_ids(1, 1, 0), Err(Part::Number));
        assert_eq!(ValueType::from_ids(1, 0, 1), Err(Part::Dimension));
    }

    #[test]
    fn integers_are_eight_bytes() {
        for key in [0, 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(key_int(&int_key(key)), Some(key));
        }
        assert_eq!((key_int(b"1234567"), key_int(b"123456789")), (None, None));
    }
}
