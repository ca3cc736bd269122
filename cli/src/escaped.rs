//! Keys and values as lines of text, and the refusal to write lines that would read back differently.

use crate::failure::Failure;
use hashlith_inputs::escape;

/// How bytes become fields of lines.
#[derive(Clone, Copy)]
pub struct Lines {
    /// TAB, newline, CR and backslash are written as `\t`, `\n`, `\r` and `\\`.
    pub escape: bool,
}

impl Lines {
    /// The bytes that a key on the command line or on standard input stands for.
    pub fn key(self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        if !self.escape {
            return Ok(text.to_vec());
        }
        let mut key = Vec::with_capacity(text.len());
        escape::unescape(text, &mut key).map_err(|error| {
            Failure::usage(format!("key {}: {error}; write a backslash as \\\\", shown(text)))
        })?;
        Ok(key)
    }

    /// Appends `key TAB value newline`, if that can be told apart again.
    pub fn pair(self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.escape {
            escape::escape_into(key, out);
            out.push(b'\t');
            escape::escape_into(value, out);
        } else {
            if key.iter().any(|byte| matches!(byte, b'\t' | b'\n')) {
                return Err(refuse(key, "the key has a TAB or a newline in it"));
            }
            if value.contains(&b'\n') {
                return Err(refuse(key, "the value has a newline in it"));
            }
            out.extend_from_slice(key);
            out.push(b'\t');
            out.extend_from_slice(value);
        }
        out.push(b'\n');
        Ok(())
    }

    /// Appends `value newline`.
    pub fn value(self, value: &[u8], out: &mut Vec<u8>) {
        if self.escape {
            escape::escape_into(value, out)
        } else {
            out.extend_from_slice(value)
        }
        out.push(b'\n');
    }
}

fn refuse(key: &[u8], why: &str) -> Failure {
    Failure::new(format!(
        "key {}: {why}, so its line would read back as something else: use --escape, or JSON or cdbmake output",
        shown(key)
    ))
}

/// A key for a message: in quotes, on one line, not longer than a line.
pub fn shown(key: &[u8]) -> String {
    const MOST: usize = 80;
    match key.get(..MOST) {
        Some(head) => format!("\"{}...\" ({} bytes)", printable(head), key.len()),
        None => format!("\"{}\"", printable(key)),
    }
}

/// JSON text on one line, without characters that a terminal would obey. It means the same: in strings there are only those
/// from U+007F on, and they are escaped; all others are white space.
pub fn json(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{0}'..' ' => line.push(' '),
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
}

fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        });
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_on_one_line() {
        assert_eq!(shown("käse".as_bytes()), "\"käse\"");
        assert_eq!(shown(b"a\tb\n\"\\\xff\0"), "\"a\\tb\\n\\\"\\\\\\xff\\u{0}\"");
        assert_eq!(json("{\n\t\"\u{9b}2J\u{7f}\": \"käse\"}"), r#"{  "\u009b2J\u007f": "käse"}"#);
        assert!(shown(&[b'x'; 1000]).ends_with("xxx...\" (1000 bytes)"));
    }
}
