//! Writes a table of tokens.

use super::{
    CLASSES, ENDS, ENTRY_LEN, KEY, KEY_TAIL, KIND_SHIFT, LEN_SHIFT, MAX_INDEX_BITS, MAX_TEXTS, TABLE_ALIGN,
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::cmp::Reverse;

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
    let texts: Vec<&[u8]> =
        tokens.iter().map(|token| if let Text::Bytes(text) = token.text { text } else { &[] }).collect();
    let (begins, mut texts) = share(&texts);
    let texts_len = u32::try_from(texts.len()).ok().filter(|_| texts.len() <= MAX_TEXTS)?;
    let mut entries = Vec::with_capacity(tokens.len().checked_mul(ENTRY_LEN)?);
    for (token, &begin) in tokens.iter().zip(&begins) {
        let entry = match token.text {
            Text::Bytes([]) if !token.ends => return None,
            // One that has no bytes may begin behind the last one.
            Text::Bytes([]) => 0,
            Text::Bytes(text) => {
                u32::try_from(begin).ok()? | u32::from(u8::try_from(text.len()).ok()?) << LEN_SHIFT
            }
            Text::Key => KEY << KIND_SHIFT,
            Text::KeyTail => KEY_TAIL << KIND_SHIFT,
        };
        entries.extend_from_slice(&(entry | if token.ends { ENDS } else { 0 }).to_le_bytes());
    }
    out.extend_from_slice(index_bits);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&texts_len.to_le_bytes());
    out.append(&mut entries);
    out.append(&mut texts);
    out.resize(out.len().checked_next_multiple_of(TABLE_ALIGN)?, 0);
    Some(())
}

/// Puts texts one after another, but those that another begins or ends with into that one. Returns where each begins, and all.
///
/// The order of the texts makes no difference to the bytes.
fn share(texts: &[&[u8]]) -> (Vec<usize>, Vec<u8>) {
    let text = |number: usize| texts.get(number).copied().unwrap_or_default();
    // In alphabetical order a text comes in front of those that begin with it; read backwards, of those that end with it.
    let mut sorted: Vec<usize> = (0..texts.len()).collect();
    sorted.sort_unstable_by_key(|&number| text(number));
    let (begin_with, mut sorted) = holders(&sorted, |holder, held| text(holder).starts_with(text(held)));
    sorted.sort_unstable_by(|&a, &b| text(a).iter().rev().cmp(text(b).iter().rev()));
    let (end_with, mut alone) = holders(&sorted, |holder, held| text(holder).ends_with(text(held)));
    alone.sort_unstable_by_key(|&number| (Reverse(text(number).len()), text(number)));
    let mut all = Vec::new();
    let mut ends = BTreeMap::new();
    for number in alone {
        all.extend_from_slice(text(number));
        ends.insert(number, all.len());
    }
    let begins = (0..texts.len()).map(|number| {
        let whole = begin_with.get(&number).copied().unwrap_or(number);
        let end = ends.get(end_with.get(&whole).unwrap_or(&whole)).copied().unwrap_or_default();
        end.wrapping_sub(text(whole).len())
    });
    (begins.collect(), all)
}

/// For each number the next one behind it that holds it and is held by none, if there is one; and those that are held by none.
fn holders(sorted: &[usize], holds: impl Fn(usize, usize) -> bool) -> (BTreeMap<usize, usize>, Vec<usize>) {
    let (mut held, mut others) = (BTreeMap::new(), Vec::new());
    for &number in sorted.iter().rev() {
        match others.last() {
            Some(&holder) if holds(holder, number) => drop(held.insert(number, holder)),
            _ => others.push(number),
        }
    }
    (held, others)
}
