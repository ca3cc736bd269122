//! Whether bytes are what the caller asked keys and values to be.

use serde::de::IgnoredAny;

use crate::options::{KeyKind, Options, ValueKind};

/// What keys and values must be, for one block.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    key_text: bool,
    value_text: bool,
    value_json: bool,
}

impl Check {
    /// `block` is looked at once: if all of it is UTF-8, then so is every field between ASCII separators.
    pub fn new(options: &Options, block: &[u8]) -> Self {
        let (key_text, value_text) = (options.keys == KeyKind::Text, options.values == ValueKind::Text);
        let valid = (key_text || value_text) && std::str::from_utf8(block).is_ok();
        Check {
            key_text: key_text && !valid,
            value_text: value_text && !valid,
            value_json: options.values == ValueKind::Json,
        }
    }

    /// For formats whose fields are not delimited by ASCII bytes: every field is looked at.
    pub fn each(options: &Options) -> Self {
        Check {
            key_text: options.keys == KeyKind::Text,
            value_text: options.values == ValueKind::Text,
            value_json: options.values == ValueKind::Json,
        }
    }

    #[inline]
    pub fn key(self, key: &[u8]) -> Result<(), String> {
        if self.key_text && std::str::from_utf8(key).is_err() {
            return Err(
                "the key is not valid UTF-8; use --keys bytes --values bytes to keep any bytes".into()
            );
        }
        Ok(())
    }

    #[inline]
    pub fn value(self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let text =
            if self.value_text || self.value_json { std::str::from_utf8(value).ok() } else { Some("") };
        let Some(text) = text else {
            return Err(format!(
                "the value of key {} is not valid UTF-8; use --keys bytes --values bytes to keep any bytes",
                shown(key)
            ));
        };
        if self.value_json
            && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
        {
            return Err(format!("the value of key {} is not valid JSON ({error})", shown(key)));
        }
        Ok(())
    }
}

/// A key as it is shown in a message: quoted, and not for ever long.
pub(crate) fn shown(key: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(&key[..key.len().min(4 * MOST)]);
    let mut head: String = text.chars().take(MOST).collect();
    if head.len() < text.len() || key.len() > 4 * MOST {
        head.push('…');
    }
    format!("{head:?}")
}
