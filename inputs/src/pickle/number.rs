//! Numbers as Python writes them in JSON.

use std::fmt::Write;

/// Most digits of an int, which is also the default limit of Python's own conversion to text.
pub(crate) const MOST_DIGITS: usize = 4_300;

/// Appends `repr(float)`; false for NaN and the infinities, which JSON does not have.
pub(crate) fn write_float(number: f64, out: &mut Vec<u8>) -> bool {
    if !number.is_finite() {
        return false;
    }
    // The shortest digits that read back as the same number. If two are equally near, as for 2.50000762939453125, Python
    // takes the even one, and so does rounding to that number of digits.
    let mut text = format!("{number:e}");
    let digits = text.bytes().take_while(|&byte| byte != b'e').filter(u8::is_ascii_digit).count();
    let rounded = format!("{number:.*e}", digits - 1);
    if rounded.parse() == Ok(number) {
        text = rounded;
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0).max(1);
        text = format!("{number:.decimals$}");
    } else {
        text = format!("{mantissa}e{exponent:+03}");
    }
    out.extend_from_slice(text.as_bytes());
    true
}

/// Appends a little-endian two's complement number in decimal; false if it has too many digits.
pub(crate) fn write_binary(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    // 4,300 digits are a little less than 1,786 bytes.
    if bytes.len() > 1_800 {
        return false;
    }
    let negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let mut words: Vec<u32> = bytes
        .chunks(4)
        .map(|chunk| {
            let mut word = [if negative { 0xff } else { 0 }; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        })
        .collect();
    if negative {
        let mut carry = true;
        for word in &mut words {
            (*word, carry) = (!*word).overflowing_add(u32::from(carry));
        }
    }
    let mut groups = Vec::new();
    while words.iter().any(|&word| word != 0) {
        let mut remainder = 0;
        for word in words.iter_mut().rev() {
            let dividend = remainder << 32 | u64::from(*word);
            *word = (dividend / 1_000_000_000) as u32;
            remainder = dividend % 1_000_000_000;
        }
        groups.push(remainder);
    }
    let mut text = String::from(if negative { "-" } else { "" });
    let first = groups.pop().unwrap_or(0);
    let _ = write!(text, "{first}");
    for group in groups.iter().rev() {
        let _ = write!(text, "{group:09}");
    }
    out.extend_from_slice(text.as_bytes());
    text.len() <= MOST_DIGITS + usize::from(negative)
}

/// Appends a decimal number, which may have a sign and the `L` of Python 2, as JSON writes it; false if it is not a number
/// or has too many digits.
pub(crate) fn write_digits(line: &[u8], out: &mut Vec<u8>) -> bool {
    let line = line.trim_ascii();
    let line = line.strip_suffix(b"L").unwrap_or(line);
    let (negative, digits) = match line {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = if zeros == digits.len() { &b"0"[..] } else { &digits[zeros..] };
    if negative && digits != b"0" {
        out.push(b'-');
    }
    out.extend_from_slice(digits);
    digits.len() <= MOST_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_as_in_python() {
        let table = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (5e-324, "5e-324"),
            (f64::from_bits(0x4004_0004_0000_0000), "2.5000076293945312"),
            (9007199254740993.0, "9007199254740992.0"),
            (123456.0, "123456.0"),
            (0.00012345678901234567, "0.00012345678901234567"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            // Rounded to as many digits it is another number.
            (2f64.powi(-44), "5.684341886080802e-14"),
        ];
        for (number, text) in table {
            let mut out = Vec::new();
            assert!(write_float(number, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        assert!(!write_float(f64::NAN, &mut Vec::new()));
    }

    #[test]
    fn long_numbers() {
        let table: [(&[u8], &str); 7] = [
            (b"", "0"),
            (b"\x00", "0"),
            (b"\xff", "-1"),
            (b"\x80", "-128"),
            (b"\xff\x00", "255"),
            (b"\x00\x00\x00\x00\x00\x00\x00\x00\x01", "18446744073709551616"),
            (b"\x00\x00\x00\x00\x00\x00\x00\x80", "-9223372036854775808"),
        ];
        for (bytes, text) in table {
            let mut out = Vec::new();
            assert!(write_binary(bytes, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        for (length, is_read) in [(1_800, true), (1_801, false)] {
            let mut out = Vec::new();
            assert_eq!(write_binary(&[&b"\x05"[..], &vec![0; length - 1]].concat(), &mut out), is_read);
            assert!(!is_read || out == b"5");
        }
        // 256 ** 1785 has 4,299 digits, and 256 ** 1786 has 4,302.
        for (power, is_read) in [(1_785, true), (1_786, false)] {
            for (last, sign) in [(1, ""), (0xff, "-")] {
                let mut out = Vec::new();
                assert_eq!(write_binary(&[&vec![0; power][..], &[last]].concat(), &mut out), is_read);
                assert!(out.starts_with(sign.as_bytes()));
            }
        }
    }

    #[test]
    fn digits() {
        for (line, text) in [("12L", "12"), ("-007", "-7"), ("-0", "0"), ("+5", "5")] {
            let mut out = Vec::new();
            assert!(write_digits(line.as_bytes(), &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        assert!(!write_digits(b"1x", &mut Vec::new()));
        assert!(!write_digits(b"", &mut Vec::new()));
    }
}
