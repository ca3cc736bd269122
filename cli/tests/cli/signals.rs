//! SIGINT and SIGTERM in the middle of a build: it cleans up and reports it, and the old index stays.

use crate::support::{Place, many_lines};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A command with signals as on a terminal, even if these tests ignore some (nohup, `&` in a script).
fn interruptible<const N: usize>(place: &Place, args: [&str; N]) -> Command {
    let command = place.command(args);
    let mut with_defaults = Command::new("env");
    with_defaults.arg("--default-signal=HUP,INT,TERM").arg(command.get_program()).args(command.get_args());
    with_defaults.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    with_defaults.current_dir(place.path(".")).stdin(Stdio::null());
    with_defaults
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Waits until the process has installed all its signal handlers, the last for SIGXFSZ, as its status shows.
fn wait_for_handlers(child: &Child) {
    let path = format!("/proc/{}/status", child.id());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = std::fs::read_to_string(&path).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() >> (Signal::XFSZ.as_raw() - 1) & 1 == 1 {
            return;
        }
        assert!(Instant::now() < deadline, "no handlers");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn end(mut child: Child) -> (ExitStatus, String) {
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap(), err)
}

/// Nobody writes to the pipe or closes it: the build is waiting for records when the signal arrives.
#[test]
fn a_build_that_waits_for_its_input() {
    for (format, signal, code) in
        [("tsv", Signal::INT, 130), ("tsv", Signal::TERM, 143), ("pickle", Signal::TERM, 143)]
    {
        let place = Place::with_index("old\tindex\n");
        let old = place.read("x.hlith");
        let mut command = interruptible(&place, ["build", "-", "--format", format, "-o", "x.hlith"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut feed = child.stdin.take().unwrap();
        wait_for_handlers(&child);
        if format == "tsv" {
            feed.write_all(many_lines(100_000).as_bytes()).unwrap();
        }
        kill_process(pid(&child), signal).unwrap();
        let (status, err) = end(child);
        assert_eq!(status.code(), Some(code), "{err}");
        assert!(err.starts_with("hashlith: stopped by SIG"), "{err}");
        assert_eq!(place.read("x.hlith"), old);
        place.holds(&["x.hlith", "x.tsv"]);
        drop(feed);
    }
}

/// At random moments: either the build is complete and reported, or the old index is there and nothing else.
#[test]
fn a_build_at_work() {
    let place = Place::with_index("old\tindex\n");
    let old = place.read("x.hlith");
    place.write("big.tsv", many_lines(200_000));
    let mut stopped = 0;
    for delay in (0..40).map(|n| Duration::from_millis(n * 8)) {
        let mut command = interruptible(&place, ["build", "big.tsv", "-o", "x.hlith", "--quiet"]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_for_handlers(&child);
        std::thread::sleep(delay);
        kill_process(pid(&child), Signal::TERM).unwrap();
        let (status, err) = end(child);
        place.holds(&["big.tsv", "x.hlith", "x.tsv"]);
        if status.code() == Some(0) {
            place.run("verify x.hlith --against big.tsv").ok();
            place.write("x.hlith", &old);
        } else {
            stopped += 1;
            assert_eq!(status.code(), Some(143), "{err}");
            assert!(place.read("x.hlith") == old);
        }
    }
    assert!(stopped > 0, "no signal came in time; make the input larger");
}

/// Nobody ever opens the named pipe for writing, so the build cannot end by itself.
#[test]
fn a_second_signal_kills() {
    let place = Place::new();
    place.shell("mkfifo p.tsv").ok();
    let mut command = interruptible(&place, ["build", "p.tsv", "-o", "x.hlith"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_for_handlers(&child);
    // Two different signals, because two of the same kind may become one.
    kill_process(pid(&child), Signal::INT).unwrap();
    kill_process(pid(&child), Signal::TERM).unwrap();
    let (status, err) = end(child);
    assert!(matches!(status.signal(), Some(2 | 15)), "{status:?} {err}");
    place.holds(&["p.tsv"]);
}

/// A signal that nohup or `&` in a script has ignored stays ignored.
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec $HASHLITH build - --format tsv -o x.hlith --quiet"]);
    command.current_dir(place.path(".")).env("HASHLITH", env!("CARGO_BIN_EXE_hashlith"));
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_handlers(&child);
    for signal in [Signal::HUP, Signal::INT] {
        kill_process(pid(&child), signal).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    child.stdin.take().unwrap().write_all(b"a\tb\n").unwrap();
    let (status, err) = end(child);
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
    assert_eq!(place.run("get x.hlith a").ok().text(), "b\n");
}

/// Another process is about to replace the set, and does not end. The first signal ends the wait.
#[test]
fn a_build_that_waits_for_another() {
    let place = Place::new();
    place.write("a.tsv", "a\tb\n");
    place.run("build a.tsv -o set --parts 2 --quiet").ok();
    let before = crate::support::names_in(&place.path("set"));
    for (line, signal, code) in [("build a.tsv", Signal::INT, 130), ("split set", Signal::TERM, 143)] {
        let lock = place.path("set/manifest.json.lock");
        let held = std::fs::File::create(&lock).unwrap();
        held.lock().unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = interruptible(&place, [words[0], words[1], "-o", "set", "--parts", "3", "--quiet"]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let complete = |path: std::path::PathBuf| path.extension().is_some_and(|end| end == "hlith");
        let waits = || {
            let staging = |name: &String| name.starts_with(".new.");
            let staging = crate::support::names_in(&place.path("set")).into_iter().find(staging);
            let parts = staging.and_then(|name| std::fs::read_dir(place.path("set").join(name)).ok());
            parts.is_some_and(|parts| parts.flatten().filter(|part| complete(part.path())).count() == 3)
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !waits() {
            assert!(Instant::now() < deadline, "it does not wait");
        }
        std::thread::sleep(Duration::from_millis(200));
        kill_process(pid(&child), signal).unwrap();
        let (status, err) = end(child);
        assert_eq!(status.code(), Some(code), "{err}");
        assert!(err.starts_with("hashlith: stopped by SIG"), "{err}");
        std::fs::remove_file(lock).unwrap();
        assert_eq!(crate::support::names_in(&place.path("set")), before);
    }
}
