//! Keys and other text in messages.

/// A key in a message: quoted, and cut off if it is long.
pub(crate) fn shown(key: &[u8]) -> String {
    format!("{:?}", cut_off(&String::from_utf8_lossy(&key[..key.len().min(8 * SHOWN)])))
}

/// As many characters as are shown.
const SHOWN: usize = 60;

/// The text, cut off if it is long.
pub(crate) fn cut_off(text: &str) -> String {
    let mut head: String = text.chars().take(SHOWN).collect();
    if head.len() < text.len() {
        head.push('…');
    }
    head
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
