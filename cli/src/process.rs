//! What this process and this machine have used and have left, from `/proc`.

use rustix::process::{Resource, getrlimit};
use std::fs;

/// Resident memory of this process in bytes.
pub fn resident() -> Option<u64> {
    status_kib("/proc/self/status", "VmRSS:")
}

/// The most resident memory this process has had, in bytes. Pages of mapped files count.
pub fn peak_resident() -> Option<u64> {
    status_kib("/proc/self/status", "VmHWM:")
}

/// Memory that the system can give out without swapping and lets this process have, in bytes.
pub fn available() -> Option<u64> {
    let machine = status_kib("/proc/meminfo", "MemAvailable:");
    // In a container the limit of the control group counts, not the machine.
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group: Option<u64> = group.and_then(|text| text.trim().parse().ok());
    let own = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    [machine, group].into_iter().chain(own).flatten().min()
}

/// How many threads can run at once.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor seconds that all threads of this process have used, in user and in system mode.
pub fn core_seconds() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may hold anything; the numbers stand behind it.
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
    fn a_running_process_has_memory_and_a_peak() {
        let (now, peak) = (resident().unwrap(), peak_resident().unwrap());
        assert!(now > 100_000 && peak >= now / 2, "{now} {peak}");
        assert!(available().unwrap() > 1 << 20);
    }

    #[test]
    fn work_costs_core_seconds() {
        let mut sum = 0u64;
        while core_seconds().unwrap().0 < 0.02 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
