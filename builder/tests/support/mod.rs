//! Cases that run in a process of their own, whose peak memory the kernel counts.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::process::Command;

pub const LIMIT: u64 = 48 << 20;
/// What a process has beside the builder's own: code, stacks, what the allocator holds back.
pub const BESIDES: u64 = 32 << 20;

/// Runs `case` in a child, which is this test program again, and returns its peak memory in bytes and its answer.
pub fn in_child(name: &str, case: impl FnOnce() -> String) -> Option<(u64, String)> {
    if std::env::var_os("HASHLITH_CHILD").is_some() {
        let answer = case();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        println!("ANSWER {} {answer}", kib << 10);
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", name, "--nocapture"]).env("HASHLITH_CHILD", "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("ANSWER ")).map(|(_, line)| line.to_owned());
    let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let (peak, answer) = line.split_once(' ').unwrap();
    Some((peak.parse().unwrap(), answer.to_owned()))
}
