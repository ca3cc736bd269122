//! Sizes as people write and read them.

use std::fmt;

/// Parses `512M`, `4G`, `1GiB`, `2GB` or a plain number of bytes.
///
/// K, M, G, T and KiB, MiB, ... are powers of 1,024; KB, MB, ... are powers of 1,000: the rule of `sort -S`, `split -b`
/// and `head -c`.
pub fn parse(text: &str) -> Result<u64, String> {
    let advice = || format!("`{text}` is no size: write 512M, 4G, 1.5GiB or a number of bytes");
    let text_only = text.trim();
    let split = text_only.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text_only.len());
    let (number, unit) = text_only.split_at(split);
    let unit = unit.trim().to_ascii_uppercase();
    let power = match unit.chars().next() {
        None | Some('B') => 0,
        Some('K') => 1,
        Some('M') => 2,
        Some('G') => 3,
        Some('T') => 4,
        Some(_) => return Err(advice()),
    };
    let base: u64 = match unit.get(1..).unwrap_or("") {
        "" | "IB" => 1024,
        "B" => 1000,
        _ => return Err(advice()),
    };
    let scale = base.checked_pow(power).ok_or_else(advice)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale).ok_or_else(advice);
    }
    match number.parse::<f64>() {
        Ok(fraction) if power > 0 && fraction.is_finite() => Ok((fraction * scale as f64) as u64),
        _ => Err(advice()),
    }
}

/// Bytes in the largest unit that keeps the number at 1 or more: `1.23 GiB`.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        let mut units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].iter();
        let mut unit = units.next().unwrap_or(&"B");
        while value >= 1023.995 {
            let Some(next) = units.next() else { break };
            unit = next;
            value /= 1024.0;
        }
        let text = match unit {
            &"B" => format!("{} B", self.0),
            _ if value < 10.0 => format!("{value:.2} {unit}"),
            _ if value < 100.0 => format!("{value:.1} {unit}"),
            _ => format!("{value:.0} {unit}"),
        };
        f.pad(&text)
    }
}

/// A large number in few places: `27.0 M`.
pub struct Rough(pub u64);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scaled = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
            .into_iter()
            .find(|(scale, _)| self.0 as f64 >= 0.9995 * scale);
        let Some((scale, unit)) = scaled else { return write!(f, "{}", self.0) };
        let value = self.0 as f64 / scale;
        let places = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
        write!(f, "{value:.places$} {unit}")
    }
}

/// A number with a comma between thousands: `1,750,000`.
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_sort_and_head_read_them() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("4096"), Ok(4096));
        assert_eq!(parse("4096B"), Ok(4096));
        assert_eq!(parse("512M"), Ok(512 << 20));
        assert_eq!(parse("4G"), Ok(4 << 30));
        assert_eq!(parse("4g"), Ok(4 << 30));
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        assert_eq!(parse("1 GiB"), Ok(1 << 30));
        assert_eq!(parse("2GB"), Ok(2_000_000_000));
        assert_eq!(parse("1.5K"), Ok(1536));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "G", "x", "4X", "4Gx", "-1", "1..5G", "1.5", "99999999999T", "é", "1é", "Gé"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        let shown = [0, 1023, 1024, 1 << 20, (1 << 20) - 1, 86_000_000_000].map(|n| Bytes(n).to_string());
        assert_eq!(shown, ["0 B", "1023 B", "1.00 KiB", "1.00 MiB", "1.00 MiB", "80.1 GiB"]);
    }

    #[test]
    fn rough_numbers_have_three_digits() {
        let shown = [0, 999, 1000, 27_033_200, 999_999, 123_456, 1_750_000_000].map(|n| Rough(n).to_string());
        assert_eq!(shown, ["0", "999", "1.00 k", "27.0 M", "1.00 M", "123 k", "1.75 G"]);
    }

    #[test]
    fn counts_have_commas() {
        let shown = [0, 999, 1000, 1_750_000_000].map(|n| Count(n).to_string());
        assert_eq!(shown, ["0", "999", "1,000", "1,750,000,000"]);
    }
}
