//! What the machine has, and how much of it this process may use.

use crate::{Error, cgroup};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{fs, path::Path};

/// Bytes of addresses that a build takes in addition to its memory: what the allocator reserves for each thread.
const RESERVED: u64 = 128 << 20;
/// Bytes of addresses of a thread: its stack, and room to start it.
const PER_THREAD: u64 = 4 << 20;

/// Bytes of memory that this process can take without swapping: the least of what the machine has available, what the limits
/// of its control groups (cgroups of version 1 and 2) leave, and the limits of the process (`ulimit -v`, `ulimit -d`). `None`
/// if nothing is known.
///
/// ```
/// assert!(hashlith_builder::available_memory().is_some_and(|bytes| bytes > 1 << 20));
/// ```
pub fn available_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_available(&text));
    let own = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    [machine, cgroup::available(Path::new("/"))].into_iter().chain(own).flatten().min()
}

/// What `/proc/meminfo` calls `MemAvailable`, in bytes.
fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// How many threads can run at once.
///
/// ```
/// assert!(hashlith_builder::available_threads() >= 1);
/// ```
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The smallest memory limit, in bytes, that works with this many threads.
pub(crate) fn smallest_memory(threads: usize) -> u64 {
    (16u64 << 20).saturating_mul((threads.max(1) as u64).saturating_add(1))
}

/// The smallest memory limit, in bytes, of a build that learns tokens: the sample, and what learning takes.
pub(crate) const LEARNING: u64 = 96 << 20;

/// Half of the available memory, in bytes: the page cache and other processes get the other half.
pub(crate) fn default_memory(available: Option<u64>, smallest: u64) -> u64 {
    available.map_or(1 << 30, |available| (available / 2).max(smallest))
}

/// Bytes of memory of this machine.
pub(crate) fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit).saturating_mul(info.totalram as u64)
}

/// Refuses a build that would run out of addresses later (`ulimit -v`, `ulimit -d`), when it could only abort.
pub(crate) fn check_addresses(memory: u64, threads: usize) -> Result<(), Error> {
    let limits = [Resource::As, Resource::Data].map(getrlimit);
    let Some(limit) = limits.iter().filter_map(|limit| limit.current).min() else { return Ok(()) };
    let needed = memory.saturating_add(RESERVED).saturating_add(PER_THREAD.saturating_mul(threads as u64));
    // The first number of the file: pages of the address space.
    let pages =
        fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').next()?.parse().ok());
    let free = limit.saturating_sub(pages.unwrap_or(0u64).saturating_mul(rustix::param::page_size() as u64));
    if free < needed { Err(Error::Addresses { limit, free, needed }) } else { Ok(()) }
}

/// Refuses a build if the disk of `dir` has fewer than `needed` bytes free.
pub(crate) fn check_space(dir: &Path, needed: u64) -> Result<(), Error> {
    let stat = rustix::fs::statvfs(dir).map_err(|error| Error::io("cannot look at", dir)(error.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < needed { Err(Error::DiskSpace { path: dir.into(), free, needed }) } else { Ok(()) }
}

/// Returns how many files may be open. Raises the soft limit to `needed`, or to the hard limit if that is lower.
///
/// ```
/// assert!(hashlith_builder::open_files(16) >= 16);
/// ```
pub fn open_files(needed: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match current {
        Some(soft) if soft < needed => {
            let raised = maximum.map_or(needed, |hard| hard.min(needed));
            match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
                Ok(()) => raised,
                Err(_) => soft,
            }
        }
        Some(soft) => soft,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_available() {
        assert!(available_memory().unwrap() > 1 << 20);
        assert_eq!(mem_available("MemFree: 1 kB\nMemAvailable:   42 kB\n"), Some(42 << 10));
        assert_eq!(mem_available("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_default_is_half_of_what_is_available_or_the_smallest() {
        assert_eq!(default_memory(Some(8 << 30), 2), 4 << 30);
        assert_eq!(default_memory(Some(1 << 20), 1 << 23), 1 << 23);
        assert_eq!(default_memory(None, 2), 1 << 30);
    }
}
