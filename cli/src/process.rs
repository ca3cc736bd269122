//! Memory, time and signals of this process, from `/proc`.

use std::fs;

/// The most resident memory this process has had, in bytes. Pages of mapped files count.
pub fn peak_resident() -> Option<u64> {
    status_kib("/proc/self/status", "VmHWM:")
}

/// Processor seconds that all threads of this process have used, in user and in system mode.
pub fn core_seconds() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may contain anything; the numbers follow it.
    let (_, numbers) = stat.rsplit_once(')')?;
    let mut fields = numbers.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    // Linux reports in units of 1/100 s on every architecture (USER_HZ).
    Some((ticks()? / 100.0, ticks()? / 100.0))
}

/// A bit for each signal that this process ignores, signal 1 in the lowest bit.
pub fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn status_kib(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_a_peak_of_memory() {
        assert!(peak_resident().unwrap() > 100_000);
    }

    #[test]
    fn work_costs_core_seconds() {
        let before = core_seconds().unwrap();
        // To read the file costs system time, to parse it user time.
        loop {
            let now = core_seconds().unwrap();
            let took = (now.0 - before.0, now.1 - before.1);
            assert!((0.0..1.0).contains(&took.0) && (0.0..1.0).contains(&took.1), "{took:?}");
            if took.0 > 0.01 && took.1 > 0.01 {
                break;
            }
        }
    }
}
