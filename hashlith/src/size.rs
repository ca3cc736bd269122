//! Sizes as people write them, and the memory of this process.

/// Parses `512M`, `4G`, `1GiB`, `2GB` or a plain number of bytes.
///
/// K, M, G, T and KiB, MiB, ... are powers of 1,024; KB, MB, ... are powers of 1,000, as in `split -b` and `head -c`.
///
/// # Errors
/// What to write instead.
///
/// ```
/// assert_eq!(hashlith::parse_size("1.5K"), Ok(1536));
/// assert!(hashlith::parse_size("much").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<u64, String> {
    let advice = || format!("`{text}` is not a size: write 512M, 4G, 1.5GiB or a number of bytes");
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

/// Resident memory of this process in bytes; `None` without `/proc`.
pub fn resident_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_split_and_head_read_them() {
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("4096B"), Ok(4096));
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("4G"), Ok(4 << 30));
        assert_eq!(parse_size("4g"), Ok(4 << 30));
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("1 GiB"), Ok(1 << 30));
        assert_eq!(parse_size("2GB"), Ok(2_000_000_000));
        assert_eq!(parse_size("1.5K"), Ok(1536));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "G", "x", "4X", "4Gx", "-1", "1..5G", "1.5", "99999999999T", "é", "1é", "Gé"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_running_process_has_memory() {
        assert!(resident_memory().unwrap() > 100_000);
    }
}
