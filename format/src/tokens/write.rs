//! Writes a table of tokens.

use super::{CLASSES, ENDS, ENTRY_LEN, KEY, KEY_TAIL, LONG, MAX_INDEX_BITS, MAX_INLINE, MAX_TEXT};
use alloc::vec::Vec;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// These bytes, at most 255.
    Bytes(&'a [u8]),
    /// The key of the record.
    Key,
    /// The key of the record behind its last separator: [`super::key_tail`].
    KeyTail,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it stands for.
    pub text: Text<'a>,
    /// True if it ends the string.
    pub ends: bool,
}

/// Appends a table. The tokens fill the classes, of which class `j` holds `2^index_bits[j]`, in this order.
///
/// `None`, and nothing is written, if the classes do not hold the tokens or are too large, if a text is too long or all texts are,
/// or if a token stands for nothing.
#[must_use]
pub fn write_table(index_bits: &[u8; CLASSES], tokens: &[Token<'_>], out: &mut Vec<u8>) -> Option<()> {
    let held = index_bits.iter().try_fold(0u32, |sum, &bits| {
        if bits > MAX_INDEX_BITS { None } else { sum.checked_add(1u32.checked_shl(bits.into())?) }
    })?;
    let count = u32::try_from(tokens.len()).ok().filter(|&count| count <= held)?;
    let mut entries = Vec::with_capacity(tokens.len().checked_mul(ENTRY_LEN)?);
    let mut long = Vec::new();
    for token in tokens {
        let mut entry = [0; ENTRY_LEN];
        let mut put = |bytes: &[u8]| entry.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = byte);
        let flags = match token.text {
            Text::Bytes([]) if !token.ends => return None,
            Text::Bytes(text) => {
                let len = u8::try_from(text.len()).ok().filter(|&len| usize::from(len) <= MAX_TEXT)?;
                if text.len() <= MAX_INLINE {
                    put(text);
                    len
                } else {
                    let [o0, o1, o2, o3] = u32::try_from(long.len()).ok()?.to_le_bytes();
                    put(&[o0, o1, o2, o3, len]);
                    long.extend_from_slice(text);
                    LONG
                }
            }
            Text::Key => KEY,
            Text::KeyTail => KEY_TAIL,
        };
        let [.., last] = &mut entry;
        *last = flags | if token.ends { ENDS } else { 0 };
        entries.extend_from_slice(&entry);
    }
    let long_len = u32::try_from(long.len()).ok()?;
    out.extend_from_slice(index_bits);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&long_len.to_le_bytes());
    out.append(&mut entries);
    long.resize(long.len().checked_next_multiple_of(ENTRY_LEN)?, 0);
    out.append(&mut long);
    Some(())
}
