//! Whether bytes are what keys and values must be.

use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType};
use serde::de::IgnoredAny;

use crate::bad_row::Reason;
use crate::options::ReadOptions;

/// What the keys and values of one block must be.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    key_text: bool,
    value_text: bool,
    value_json: bool,
}

impl Check {
    /// For a block in which every field ends at an ASCII byte. If all of it is UTF-8, so is every field.
    pub fn new(options: &ReadOptions, block: &[u8]) -> Self {
        let each = Check::each(options);
        let valid = (each.key_text || each.value_text) && std::str::from_utf8(block).is_ok();
        Check { key_text: each.key_text && !valid, value_text: each.value_text && !valid, ..each }
    }

    /// For formats whose fields may end anywhere: each field is checked.
    pub fn each(options: &ReadOptions) -> Self {
        Check {
            key_text: options.key_type == KeyType::Text,
            value_text: options.value_type == ValueType::Text,
            value_json: options.value_type == ValueType::Json,
        }
    }

    #[inline]
    pub fn key(self, key: &[u8]) -> Result<(), Reason> {
        if self.key_text && std::str::from_utf8(key).is_err() {
            return Err(Reason::with(Advice::Bytes, "the key is not valid UTF-8"));
        }
        Ok(())
    }

    #[inline]
    pub fn value(self, key: &[u8], value: &[u8]) -> Result<(), Reason> {
        let text =
            if self.value_text || self.value_json { std::str::from_utf8(value).ok() } else { Some("") };
        let Some(text) = text else {
            let what = format!("the value of key {} is not valid UTF-8", shown(key));
            return Err(Reason::with(Advice::Bytes, what));
        };
        if self.value_json
            && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
        {
            return Err(format!("the value of key {} is not valid JSON ({error})", shown(key)).into());
        }
        Ok(())
    }
}

/// A key in a message: quoted, and cut off if it is long.
pub(crate) fn shown(key: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(&key[..key.len().min(4 * MOST)]);
    let mut head: String = text.chars().take(MOST).collect();
    if head.len() < text.len() || key.len() > 4 * MOST {
        head.push('…');
    }
    format!("{head:?}")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn long_keys_are_cut_off() {
        for (key, wanted) in [
            ("a\t".to_owned(), "\"a\\t\"".to_owned()),
            ("a".repeat(60), format!("\"{}\"", "a".repeat(60))),
            ("a".repeat(61), format!("\"{}…\"", "a".repeat(60))),
            ("😀".repeat(60), format!("\"{}\"", "😀".repeat(60))),
            ("😀".repeat(60) + "a", format!("\"{}…\"", "😀".repeat(60))),
            ("a".repeat(5_000), format!("\"{}…\"", "a".repeat(60))),
        ] {
            assert_eq!(shown(key.as_bytes()), wanted);
        }
    }
}
