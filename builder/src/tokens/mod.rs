//! Codes strings of a side, keys or values, in tokens that are learnt from a sample: `hashlith_format::tokens`.
//!
//! [`train`] takes a sample and gives a [`Codec`], which has the bytes of the tables and encodes strings. The same sample, in
//! the same order, gives the same codec on every machine: all costs are whole numbers.

mod automaton;
mod bits;
mod classes;
mod codec;
mod cost;
mod layout;
mod learn;
mod parse;
mod sample;
mod strings;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use bits::BitWriter;
pub use codec::{Codec, Estimate, train};
pub use learn::Effort;
pub use parse::Scratch;
pub use strings::Strings;
