//! The four backslash escapes that let a TSV field hold any bytes: `\t`, `\n`, `\r` and `\\`.

use memchr::{memchr, memchr3};

use crate::scan;

/// What MySQL and PostgreSQL write for a null, as all of a field.
pub(crate) const NULL: &[u8] = b"\\N";

/// A backslash that begins none of the four escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown escape {} at byte {at} of the field: the escapes are \\t, \\n, \\r and \\\\", shown(*.byte))]
pub struct EscapeError {
    /// Offset of the backslash in the field, in bytes.
    pub at: usize,
    /// The byte after the backslash; `None` if the field ends there.
    pub byte: Option<u8>,
}

fn shown(byte: Option<u8>) -> String {
    match byte {
        Some(b) => format!("\\{}", char::from(b).escape_default()),
        None => "\\ (nothing follows it)".to_owned(),
    }
}

/// Appends `field` to `out` with its escapes decoded.
///
/// ```
/// use hashlith_inputs::escape::unescape;
///
/// let mut field = Vec::new();
/// unescape(br"two\tthree\\four", &mut field)?;
/// assert_eq!(field, b"two\tthree\\four");
///
/// let error = unescape(br"C:\data", &mut field).unwrap_err();
/// assert_eq!((error.at, error.byte), (2, Some(b'd')));
/// # Ok::<(), hashlith_inputs::escape::EscapeError>(())
/// ```
///
/// # Errors
/// For a backslash that is not followed by `t`, `n`, `r` or a backslash. `out` then holds a part of the field.
pub fn unescape(field: &[u8], out: &mut Vec<u8>) -> Result<(), EscapeError> {
    let mut rest = field;
    while let Some(at) = scan::first(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest.get(at + 1).copied();
        out.push(match byte {
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b'\\') => b'\\',
            _ => return Err(EscapeError { at: field.len() - rest.len() + at, byte }),
        });
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// Appends `field` to `out` with TAB, LF, CR and backslash escaped, so that [`unescape`] restores it.
///
/// ```
/// use hashlith_inputs::escape::escape_into;
///
/// let mut line = Vec::new();
/// escape_into(b"key\twith a TAB", &mut line);
/// line.push(b'\t');
/// escape_into(b"value", &mut line);
/// assert_eq!(line, b"key\\twith a TAB\tvalue");
/// ```
pub fn escape_into(field: &[u8], out: &mut Vec<u8>) {
    // Most fields need no escape, which two vector searches show.
    if memchr3(b'\t', b'\n', b'\r', field).is_none() && memchr(b'\\', field).is_none() {
        return out.extend_from_slice(field);
    }
    for &byte in field {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).chain([b'\\', b'\\', b't']).collect();
        for field in all.chunks(1).chain([&all[..]]) {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            escape_into(field, &mut there);
            assert!(memchr3(b'\t', b'\n', b'\r', &there).is_none());
            unescape(&there, &mut back).unwrap();
            assert_eq!(back, field);
        }
    }

    #[test]
    fn unknown_escapes_are_named() {
        let error = unescape(br"ab\x", &mut Vec::new()).unwrap_err();
        assert_eq!(error, EscapeError { at: 2, byte: Some(b'x') });
        assert!(error.to_string().contains("\\x at byte 2"), "{error}");
        assert!(unescape(br"ab\", &mut Vec::new()).unwrap_err().to_string().contains("nothing follows"));
    }
}
