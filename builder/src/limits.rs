//! What the system lets a process have.

use crate::Error;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// Addresses that a build takes beside its memory: what the allocator reserves for threads of their own.
const RESERVED: u64 = 128 << 20;
/// Addresses of a thread: its stack, and room to start it.
const PER_THREAD: u64 = 4 << 20;

/// Refuses a build that would run out of addresses (`ulimit -v`, `ulimit -d`) halfway, where it could only be aborted.
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

/// How many files may be open; raises the soft limit as far as needed and allowed.
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
