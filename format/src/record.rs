//! Records of the pool: two varints, key, value (section 4).

use alloc::vec::Vec;

/// Most bytes of a varint.
pub const MAX_VARINT: usize = 10;

/// The lengths at the beginning of a stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Bytes of the two varints.
    pub head: u64,
    /// Bytes of the key.
    pub key: u64,
    /// Bytes of the value.
    pub value: u64,
}

impl Lengths {
    /// The lengths of a record whose key and value have these lengths, in bytes.
    pub fn of(key: u64, value: u64) -> Self {
        Lengths { head: varint_len(key).saturating_add(varint_len(value)), key, value }
    }

    /// Reads the two varints at the beginning of `bytes`; `None` if they are cut off, too long or too large.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // In nearly all records key and value are below 128 bytes.
        if let [key @ 0..0x80, value @ 0..0x80, ..] = *bytes {
            return Some(Lengths { head: 2, key: u64::from(key), value: u64::from(value) });
        }
        let (key, first) = read_varint(bytes)?;
        let (value, second) = read_varint(bytes.get(first..)?)?;
        Some(Lengths { head: first.checked_add(second)? as u64, key, value })
    }

    /// Bytes of the whole record; `None` above 2^64 - 1.
    #[inline]
    pub fn total(&self) -> Option<u64> {
        self.head.checked_add(self.key)?.checked_add(self.value)
    }

    /// True if both varints are as short as they can be (V6).
    pub fn is_minimal(&self) -> bool {
        self.head == Lengths::of(self.key, self.value).head
    }
}

/// Appends a record to the pool.
#[inline]
pub fn write(key: &[u8], value: &[u8], pool: &mut Vec<u8>) {
    write_varint(key.len() as u64, pool);
    write_varint(value.len() as u64, pool);
    pool.extend_from_slice(key);
    pool.extend_from_slice(value);
}

/// Appends `number` as a LEB128 varint in the fewest bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "seven bits are meant")]
pub fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a varint: its value, and its length in bytes. `None` if it is cut off, longer than ten bytes or above 2^64 - 1.
#[inline]
#[expect(clippy::arithmetic_side_effects, reason = "at most ten rounds: the shift is at most 63")]
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for (i, &byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        if i == MAX_VARINT - 1 && byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((number, i + 1));
        }
    }
    None
}

/// How many bytes `number` takes as a varint.
#[inline]
pub fn varint_len(number: u64) -> u64 {
    u64::from((number | 1).ilog2() / 7).saturating_add(1)
}
