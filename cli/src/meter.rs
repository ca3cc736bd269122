//! How far a command is: a bar on a terminal, a line every 30 seconds elsewhere, nothing when quiet.

use crate::failure::tell;
use crate::process;
use crate::size::{Bytes, Rough};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(150);
const LINE: Duration = Duration::from_secs(30);

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of files.
    Bytes,
    /// Records.
    Records,
}

/// Where a command is.
pub struct Snapshot {
    /// What it does now.
    pub phase: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// Of how much, if that is known.
    pub total: Option<u64>,
    /// What `done` and `total` count.
    pub unit: Unit,
    /// Records so far, when bytes are counted.
    pub records: Option<u64>,
}

/// Shows progress until it is dropped.
pub struct Meter {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Meter {
    /// Begins to show what `sample` sees.
    pub fn start(quiet: bool, sample: impl Fn() -> Snapshot + Send + 'static) -> Self {
        if quiet {
            return Meter { running: None };
        }
        let (stop, stopped) = mpsc::channel();
        let terminal = stderr().is_terminal();
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let tick = if terminal { REDRAW } else { LINE };
            let bar = terminal.then(new_bar);
            let mut phase = ("", Instant::now());
            let mut last_look = Instant::now();
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                let now = sample();
                if now.phase != phase.0 {
                    // It began some time after the last look.
                    phase = (now.phase, last_look);
                    bar.iter().for_each(|bar| begin(bar, &now));
                }
                last_look = Instant::now();
                let text = describe(&now, phase.1.elapsed());
                match &bar {
                    Some(bar) => draw(bar, &now, text),
                    None => tell(&format!("{}: {text}", now.phase)),
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        });
        // Without a thread to spare there is no bar, and that is all.
        Meter { running: thread.ok().map(|thread| (stop, thread)) }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn new_bar() -> ProgressBar {
    ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(20))
}

/// A new phase has a new name, and a bar if its end is known.
fn begin(bar: &ProgressBar, now: &Snapshot) {
    let template = match now.total {
        Some(_) => "{prefix:9} {bar:12} {percent:>3} %  {wide_msg}",
        None => "{prefix:9} {spinner}  {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("##-"));
    }
    bar.set_message("");
    bar.set_position(0);
    bar.set_prefix(now.phase);
}

fn draw(bar: &ProgressBar, now: &Snapshot, text: String) {
    bar.set_length(now.total.unwrap_or(0).max(1));
    bar.set_position(now.done);
    bar.set_message(text);
    bar.tick();
}

/// `1.20 of 80.1 GiB, 512 MiB/s, 2 min 34 s left, mem 1.1 GiB, 24.0 M records`: what matters most first, since
/// a narrow terminal cuts the end off.
fn describe(now: &Snapshot, since: Duration) -> String {
    let amount = |n: u64| match now.unit {
        Unit::Bytes => Bytes(n).to_string(),
        Unit::Records => Rough(n).to_string(),
    };
    let seconds = since.as_secs_f64();
    let rate = if seconds > 0.0 { now.done as f64 / seconds } else { 0.0 };
    let mut text = amount(now.done);
    if let Some(total) = now.total {
        let total = amount(total);
        // The unit once, if it is the same.
        if let (Some((number, unit)), Some((_, total_unit))) = (text.split_once(' '), total.split_once(' '))
            && unit == total_unit
        {
            text = number.to_owned();
        }
        text += &format!(" of {total}");
    }
    if now.unit == Unit::Records {
        text += " records";
    }
    if rate >= 1.0 {
        text += &format!(", {}/s", amount(rate as u64));
    }
    if let Some(total) = now.total.filter(|_| rate >= 1.0) {
        let left = total.saturating_sub(now.done) as f64 / rate;
        text += &format!(", {} left", duration(left));
    }
    if let Some(memory) = process::resident() {
        text += &format!(", mem {}", Bytes(memory));
    }
    if let Some(records) = now.records {
        text += &format!(", {} records", Rough(records));
    }
    text
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_how_fast_and_how_long() {
        let now = Snapshot {
            phase: "reading",
            done: 1 << 30,
            total: Some(10 << 30),
            unit: Unit::Bytes,
            records: Some(24_000_000),
        };
        let line = describe(&now, Duration::from_secs(2));
        assert!(line.starts_with("1.00 of 10.0 GiB, 512 MiB/s, 18 s left, mem "), "{line}");
        assert!(line.ends_with(", 24.0 M records"), "{line}");
    }

    #[test]
    fn without_a_total_there_is_no_time_left() {
        let now = Snapshot { phase: "reading", done: 0, total: None, unit: Unit::Records, records: None };
        let line = describe(&now, Duration::ZERO);
        assert!(line.starts_with("0 records, mem ") && !line.contains("left"), "{line}");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!([0.2, 59.0, 61.0, 7260.0].map(duration), ["1 s", "59 s", "1 min 01 s", "2 h 01 min"]);
    }
}
