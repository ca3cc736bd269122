//! Progress: a bar on a terminal, no control characters anywhere else, nothing when quiet.

use crate::support::{Place, many_lines};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

/// Runs a build whose standard error is a terminal, and keeps its input open until `words` have been seen there.
fn on_a_terminal(place: &Place, words: &str) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();

    let mut command = place.command(["build", "-", "--format", "tsv", "-o", "x.hlith"]);
    command.env("TERM", "xterm").stdin(Stdio::piped()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // Closes the test's own end, so that reading ends when the program does.
    drop(command);
    let mut feed = child.stdin.take();
    if let Some(feed) = &mut feed {
        feed.write_all(many_lines(1000).as_bytes()).unwrap();
    }
    let mut seen = Vec::new();
    let mut screen = File::from(master);
    let mut buffer = [0; 4096];
    // Linux returns EIO when nobody has the terminal open any more.
    while let Ok(got @ 1..) = screen.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..got]);
        if String::from_utf8_lossy(&seen).contains(words) {
            feed.take();
        }
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(seen).unwrap()
}

#[test]
fn a_terminal_shows_phase_amount_and_memory() {
    let place = Place::new();
    let seen = on_a_terminal(&place, "mem ");
    assert!(seen.contains("reading") && seen.contains("KiB"), "{seen}");
    // The report replaces the bar.
    let (_, after) = seen.rsplit_once("\u{1b}[2K").unwrap();
    assert!(after.contains("next") && !after.contains("reading  "), "{seen}");
}

#[test]
fn a_log_has_no_control_characters() {
    let place = Place::new();
    let build = place.run_with_input("build - --format tsv -o x.hlith", many_lines(1000).as_bytes()).ok();
    assert!(build.err.chars().all(|c| c == '\n' || !c.is_control()), "{}", build.err);
}
