//! What keys and values are (section 3).

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

/// An enum of types: its number in the header, its name, and what it is.
macro_rules! types {
    ($(#[$doc:meta])* $type:ident, $what:literal, $($(#[$each:meta])* $variant:ident = $id:literal $name:literal,)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$each])* $variant = $id,)+
        }

        impl $type {
            /// The names of all types.
            pub const NAMES: &[&str] = &[$($name),+];

            /// The type with this number in the header.
            pub(crate) fn from_id(id: u8) -> Option<Self> {
                match id {
                    $($id => Some($type::$variant),)+
                    _ => None,
                }
            }

            /// Its name, one of [`Self::NAMES`].
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownType;

            fn from_str(name: &str) -> Result<Self, UnknownType> {
                match name {
                    $($name => Ok($type::$variant),)+
                    _ => Err(UnknownType { what: $what, names: Self::NAMES }),
                }
            }
        }
    };
}

types! {
    /// What keys are.
    KeyType, "the type of keys",
    /// Any bytes.
    #[default]
    Bytes = 0 "bytes",
    /// UTF-8.
    Text = 1 "text",
}

types! {
    /// What values are.
    ValueType, "the type of values",
    /// Any bytes.
    #[default]
    Bytes = 0 "bytes",
    /// UTF-8.
    Text = 1 "text",
    /// One JSON value in UTF-8.
    Json = 2 "json",
}
