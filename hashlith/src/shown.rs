//! Keys and JSON for messages and terminals.

/// A key for a message: in quotes, on one line, its first 80 bytes at most.
///
/// ```
/// assert_eq!(hashlith::shown_key(b"a\tb"), "\"a\\tb\"");
/// ```
pub fn shown_key(key: &[u8]) -> String {
    const MOST: usize = 80;
    match key.get(..MOST) {
        Some(head) if key.len() > MOST => format!("\"{}...\" ({} bytes)", printable(head), key.len()),
        _ => format!("\"{}\"", printable(key)),
    }
}

/// JSON text on one line, without control characters that a terminal would obey. Its meaning does not change: those from
/// U+007F on, which can only be in strings, are escaped; all others are white space, and become blanks.
///
/// ```
/// assert_eq!(hashlith::json_line("{\n\"a\": 1}"), "{ \"a\": 1}");
/// ```
pub fn json_line(text: &str) -> String {
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
        assert_eq!(shown_key("käse".as_bytes()), "\"käse\"");
        assert_eq!(shown_key(b"a\tb\n\"\\\xff\0"), "\"a\\tb\\n\\\"\\\\\\xff\\u{0}\"");
        assert_eq!(json_line("{\n\t\"\u{9b}2J\u{7f}\": \"käse\"}"), r#"{  "\u009b2J\u007f": "käse"}"#);
        assert!(shown_key(&[b'x'; 1000]).ends_with("xxx...\" (1000 bytes)"));
        assert!(shown_key(&[b'x'; 80]).ends_with("x\""));
    }
}
