//! Promise 3 when the disk fills up at many places of the output: an error, the old file, no deadlock, nothing left behind. A
//! limit on file sizes stands in for the disk, in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use hashlith_builder::{Builder, Error};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::process::Command;

fn build(limit: u64) -> String {
    // SAFETY: ignores a signal, which would end the process instead of failing the write.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    std::fs::write(&path, "old").unwrap();
    setrlimit(Resource::Fsize, Rlimit { current: Some(limit), maximum: Some(limit) }).unwrap();
    let mut builder = Builder::new().threads(3).memory_limit(1 << 30);
    for i in 0..300_000u32 {
        builder.add(&i.to_le_bytes(), &[b'v'; 100]).unwrap();
    }
    let answer = match builder.finish(&path) {
        Err(Error::Io { source, .. }) => source.to_string(),
        Err(error) => format!("another error: {error}"),
        Ok(report) => format!("built {}", report.bytes()),
    };
    let names = std::fs::read_dir(dir.path()).unwrap().count();
    let old = std::fs::read(&path).unwrap() == b"old";
    format!("{answer}, {names} file, old file {old}")
}

#[test]
fn at_every_part_of_the_file() {
    if let Ok(limit) = std::env::var("HASHLITH_FILE_LIMIT") {
        println!("ANSWER {}", build(limit.parse().unwrap()));
        return;
    }
    let mut failed = 0;
    for limit in (0..40).map(|step| step << 20) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "at_every_part_of_the_file", "--nocapture"]);
        let output = child.env("HASHLITH_FILE_LIMIT", (limit + 4096).to_string()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answer =
            text.lines().find_map(|line| line.split_once("ANSWER ")).unwrap_or_else(|| panic!("{text}")).1;
        if answer.starts_with("built") {
            assert!(answer.ends_with("1 file, old file false"), "{limit}: {answer}");
        } else {
            failed += 1;
            assert!(
                answer.contains("File too large") && answer.ends_with("1 file, old file true"),
                "{limit}: {answer}"
            );
        }
    }
    assert!((20..40).contains(&failed), "{failed}");
}
