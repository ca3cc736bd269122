//! How fast the machine reads a mapped file, for comparison with lookups.

use crate::pick;
use prefetch_index::prefetch_index;
use std::{fs, hint::black_box, ops::Range, time::Instant};

const LINE: usize = 64;

/// Where the random line `number` of `bytes` begins.
#[inline]
fn line(bytes: &[u8], number: u64) -> usize {
    pick(number, 0, (bytes.len() / LINE) as u64) as usize * LINE
}

/// Reads random lines one after the other, each at a place that depends on the one before: ns per read.
pub fn dependent_reads(bytes: &[u8], count: usize, salt: u64) -> f64 {
    let start = Instant::now();
    let mut at = 0u64;
    for number in 0..count as u64 {
        at = u64::from(bytes[line(bytes, at ^ number ^ salt)]) + 1;
    }
    black_box(at);
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Reads random lines, each prefetched `window` lines ahead, the best that a batch can do: ns per read.
pub fn prefetched_reads(bytes: &[u8], count: usize, window: usize, salt: u64) -> f64 {
    let start = Instant::now();
    let mut sum = 0u64;
    for number in 0..count as u64 {
        prefetch_index(bytes, line(bytes, (number + window as u64) ^ salt));
        sum = sum.wrapping_add(u64::from(bytes[line(bytes, number ^ salt)]));
    }
    black_box(sum);
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Reads a byte of every page, so that later reads cause no page faults.
pub fn touch(bytes: &[u8]) {
    black_box(bytes.iter().step_by(4096).fold(0u8, |sum, &byte| sum ^ byte));
}

/// The share of mapped bytes that the kernel really maps with 2 MiB pages (`FilePmdMapped`, proc_pid_smaps(5)).
pub fn huge_share(bytes: &[u8]) -> f64 {
    let kib = mappings(bytes).into_iter().filter_map(|text| {
        let rest = text.lines().find_map(|line| line.strip_prefix("FilePmdMapped:"))?;
        rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    kib.sum::<u64>() as f64 * 1024.0 / bytes.len().max(1) as f64
}

/// True if the kernel knows that all of these bytes are read in random order (`rr` of `VmFlags`, proc_pid_smaps(5)).
pub fn read_at_random(bytes: &[u8]) -> bool {
    let flags = |text: &String| {
        let flags = text.lines().find_map(|line| line.strip_prefix("VmFlags:"));
        flags.is_some_and(|flags| flags.split(' ').any(|flag| flag == "rr"))
    };
    let mappings = mappings(bytes);
    !mappings.is_empty() && mappings.iter().all(flags)
}

/// What /proc/self/smaps says about the mappings of `bytes`.
fn mappings(bytes: &[u8]) -> Vec<String> {
    let Range { start, end } = bytes.as_ptr_range();
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in fs::read_to_string("/proc/self/smaps").unwrap_or_default().lines() {
        if let Some((from, to)) = addresses(line) {
            inside = from < end as usize && to > start as usize;
            if inside {
                found.push(String::new());
            }
        }
        if let Some(text) = found.last_mut().filter(|_| inside) {
            *text += line;
            *text += "\n";
        }
    }
    found
}

fn addresses(line: &str) -> Option<(usize, usize)> {
    let (from, to) = line.split(' ').next()?.split_once('-')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}
