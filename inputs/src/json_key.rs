//! Keys that are no strings, as JSON text.

use std::borrow::Cow;

use crate::pickle::{write_float, write_string};

/// The key that this JSON stands for: a string for itself, anything else for its compact text, as Python's
/// `json.dumps(key, separators=(",", ":"), ensure_ascii=False)` writes it.
///
/// # Errors
/// What is wrong with it, in the words of the parser or such that follow "the key".
pub(crate) fn json_key(json: &str) -> Result<Cow<'_, str>, String> {
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).map_err(said)?;
        return Ok(Cow::Owned(text));
    }
    let (mut out, mut rest) = (Vec::with_capacity(json.len()), json);
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => {
                let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<Cow<'_, str>>();
                if let Some(text) = strings.next() {
                    write_string(text.map_err(said)?.as_bytes(), &mut out);
                }
                strings.byte_offset().max(1)
            }
            b'-' | b'0'..=b'9' => {
                let is_end = |byte: u8| !matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E');
                let length = rest.bytes().position(is_end).unwrap_or(rest.len());
                write_number(&rest[..length], &mut out)?;
                length
            }
            blank if blank.is_ascii_whitespace() => 1,
            other => {
                out.push(other);
                1
            }
        };
        rest = &rest[length..];
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|error| error.to_string())
}

/// The words of the parser, without the place: it is in the key.
fn said(error: serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned()
}

/// Integers have any number of digits.
fn write_number(number: &str, out: &mut Vec<u8>) -> Result<(), String> {
    if number == "-0" {
        out.push(b'0');
    } else if number.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9')) {
        out.extend_from_slice(number.as_bytes());
    } else if !number.parse().is_ok_and(|float| write_float(float, out)) {
        return Err(format!("the key is or holds {number}, which is too large for a float"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_python_writes_them() {
        for (json, wanted) in [
            (r#""a \"b\" \u00e9""#, "a \"b\" é"),
            ("7", "7"),
            ("-0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1.50", "1.5"),
            ("1E2", "100.0"),
            ("-0.0", "-0.0"),
            ("1e22", "1e+22"),
            ("true", "true"),
            ("null", "null"),
            (" [ \"a\" ,1,\t[ ] ]", "[\"a\",1,[]]"),
            ("{\"b\": [1.0], \"a\\u0009\\/\" : null}", "{\"b\":[1.0],\"a\\t/\":null}"),
        ] {
            assert_eq!(json_key(json).unwrap(), wanted, "{json}");
        }
        assert!(json_key("[1e999]").unwrap_err().contains("1e999"));
        assert!(json_key("[\"\\ud800\"]").unwrap_err().contains("hex escape"));
    }
}
