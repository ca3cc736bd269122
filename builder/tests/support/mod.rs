//! Cases that run in a process of their own, whose peak memory the kernel counts; and figures for `docs/reliability.md`.
#![allow(clippy::unwrap_used, dead_code, reason = "a test may fail by a panic; none needs all of this")]

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// After this time a case hangs: the slowest takes about ten seconds.
const DEADLINE: Duration = Duration::from_secs(600);

pub const LIMIT: u64 = 48 << 20;
/// Bytes of a process in addition to the builder's memory: code, stacks, memory that the allocator keeps.
pub const BASE: u64 = 32 << 20;

/// True for the long form of the tests, which leaves nothing out.
pub fn soak() -> bool {
    std::env::var_os("HASHLITH_SOAK").is_some()
}

/// Records a figure for `docs/reliability.md`, if `HASHLITH_EVIDENCE` names a folder.
pub fn evidence(what: &str, number: usize) {
    if let Some(folder) = std::env::var_os("HASHLITH_EVIDENCE") {
        let form = if soak() { "long" } else { "short" };
        let path = std::path::Path::new(&folder).join(format!("{what}.json"));
        std::fs::write(path, format!("{{\"number\": {number}, \"form\": \"{form}\"}}\n")).unwrap();
    }
}

/// Runs `case` in a child process, which is this program with the test `name` of `module`. Returns its peak memory in bytes and
/// its answer.
pub fn in_child(module: &str, name: &str, case: impl FnOnce() -> String) -> Option<(u64, String)> {
    in_child_with(module, name, &[], case)
}

/// The same with environment variables.
pub fn in_child_with(
    module: &str,
    name: &str,
    variables: &[(&str, &str)],
    case: impl FnOnce() -> String,
) -> Option<(u64, String)> {
    if std::env::var_os("HASHLITH_CHILD").is_some() {
        let answer = case();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        println!("ANSWER {} {answer}", kib << 10);
        return None;
    }
    let test = module.split_once("::").map_or(name.into(), |(_, module)| format!("{module}::{name}"));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &test, "--nocapture", "--include-ignored"]).env("HASHLITH_CHILD", "1");
    command.envs(variables.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("{name} does not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("ANSWER ")).map(|(_, line)| line.to_owned());
    let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let (peak, answer) = line.split_once(' ').unwrap();
    evidence(&format!("{}.{name}", module.rsplit("::").next().unwrap()), 1);
    Some((peak.parse().unwrap(), answer.to_owned()))
}
