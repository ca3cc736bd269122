//! Strings of pickles: decodes those of protocols 0 and 1, and says why bytes are not text.

use crate::encoding::Encoding;

use crate::pickle::item::Kind;
use crate::pickle::row_error::RowError;
use crate::scan;

/// What is wrong with an encoded string.
pub(crate) type Wrong = &'static str;

/// Decodes `raw-unicode-escape`, the argument of `UNICODE`: Latin-1 with `\uXXXX` and `\UXXXXXXXX`. Lone surrogates
/// become three bytes, as with Python's `surrogatepass`.
pub(crate) fn unescape_unicode(line: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escape = if byte == b'\\' { rest.first().copied() } else { None };
        let digits = match escape {
            Some(b'u') => 4,
            Some(b'U') => 8,
            // Two backslashes stay two, and the second begins no escape.
            Some(other) => {
                out.push(b'\\');
                push_code_point(u32::from(other), out);
                rest = &rest[1..];
                continue;
            }
            None if byte == b'\\' => return Err("a backslash ends the string"),
            None => {
                push_code_point(u32::from(byte), out);
                continue;
            }
        };
        let hex = rest.get(1..1 + digits).ok_or("a \\u escape is cut off")?;
        let code = hexadecimal(hex).ok_or("a \\u escape has a wrong digit")?;
        if code > 0x10_ffff {
            return Err("a \\U escape is beyond the last character");
        }
        push_code_point(code, out);
        rest = &rest[1 + digits..];
    }
    Ok(())
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |number, &digit| Some(number << 4 | char::from(digit).to_digit(16)?))
}

/// Appends a code point in the bit pattern of UTF-8, even if it is a surrogate.
fn push_code_point(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}

/// Decodes a Python 2 string literal, the argument of `STRING`.
pub(crate) fn unquote(line: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let line = line.trim_ascii();
    let [quote @ (b'\'' | b'"'), inner @ .., last] = line else { return Err("a string has no quotes") };
    if quote != last {
        return Err("a string's quotes differ");
    }
    let mut rest = inner;
    while let Some(at) = scan::first(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escape = *rest.get(at + 1).ok_or("a backslash ends the string")?;
        rest = &rest[at + 2..];
        match escape {
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(escape),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'v' => out.push(11),
            b'f' => out.push(12),
            b'r' => out.push(b'\r'),
            b'x' => {
                let code = rest.get(..2).and_then(hexadecimal).ok_or("a \\x escape has a wrong digit")?;
                out.push(code as u8);
                rest = &rest[2..];
            }
            b'0'..=b'7' => {
                let mut code = u32::from(escape - b'0');
                for _ in 0..2 {
                    let Some((digit @ b'0'..=b'7', after)) = rest.split_first() else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    rest = after;
                }
                out.push(code as u8);
            }
            other => out.extend_from_slice(&[b'\\', other]),
        }
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// Encodes UTF-8 as Latin-1: older protocols write bytes as such text.
pub(crate) fn latin1(utf8: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    if utf8.is_ascii() {
        out.extend_from_slice(utf8);
        return Ok(());
    }
    let text = std::str::from_utf8(utf8).map_err(|_| "bytes are not written as text")?;
    for char in text.chars() {
        out.push(u8::try_from(u32::from(char)).map_err(|_| "bytes hold a character beyond Latin-1")?);
    }
    Ok(())
}

/// Decodes the four bytes per character of numpy's strings, which zeros may follow.
pub(crate) fn ucs4(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    if !bytes.len().is_multiple_of(4) {
        return Err("a string of numpy is not four bytes per character");
    }
    let end = bytes.chunks_exact(4).rposition(|code| code != [0; 4]).map_or(0, |last| last + 1);
    for code in bytes.chunks_exact(4).take(end) {
        let code = u32::from_le_bytes([code[0], code[1], code[2], code[3]]);
        if code > 0x10_ffff {
            return Err("a string of numpy holds a number that is no character");
        }
        push_code_point(code, out);
    }
    Ok(())
}

/// Decodes a Python 2 `str` in this encoding.
pub(crate) fn decode_old(encoding: Option<Encoding>, bytes: &mut Vec<u8>) -> Result<(), RowError> {
    let Some(encoding) = encoding.filter(|_| !bytes.is_ascii()) else { return Ok(()) };
    match encoding.decode(bytes) {
        Some(text) => {
            *bytes = text.into_owned().into_bytes();
            Ok(())
        }
        None => Err(format!("is a Python 2 str that is not valid {}", encoding.name()).into()),
    }
}

/// Why bytes of this kind are not text, if they are not.
pub(crate) fn not_text(kind: Kind, bytes: &[u8]) -> Option<&'static str> {
    std::str::from_utf8(bytes).is_err().then(|| match kind {
        Kind::Old | Kind::OldQuoted => "is a Python 2 str that is not valid UTF-8",
        _ if has_surrogate(bytes) => "holds a lone surrogate, which is not text",
        _ => "is not valid UTF-8",
    })
}

/// True if UTF-8 is invalid because of a surrogate, which Python allows.
fn has_surrogate(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|w| w[0] == 0xed && (0xa0..=0xbf).contains(&w[1]) && (0x80..=0xbf).contains(&w[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(f: fn(&[u8], &mut Vec<u8>) -> Result<(), Wrong>, from: &[u8]) -> Result<Vec<u8>, Wrong> {
        let mut out = Vec::new();
        f(from, &mut out).map(|()| out)
    }

    #[test]
    fn unicode_escapes() {
        assert_eq!(done(unescape_unicode, b"a\\u000ab\\U0001f600\xe4").unwrap(), "a\nb😀ä".as_bytes());
        assert_eq!(done(unescape_unicode, b"\\\\u0041").unwrap(), b"\\\\u0041");
        assert_eq!(done(unescape_unicode, b"\\ud800").unwrap(), b"\xed\xa0\x80");
        for bad in [&b"\\u12"[..], b"\\uzzzz", b"\\U00110000", b"\\"] {
            assert!(done(unescape_unicode, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn string_literals() {
        assert_eq!(done(unquote, br#"'a\'\x41\101\n\\'"#).unwrap(), b"a'AA\n\\");
        assert_eq!(done(unquote, br#""it's \q""#).unwrap(), br"it's \q");
        for bad in [&b"a"[..], b"'", b"'a\"", br"'\x4'", br"'\'"] {
            assert!(done(unquote, bad).is_err(), "{bad:?}");
        }
    }
}
