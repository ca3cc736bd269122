//! A progress bar on a terminal, and a line every 30 seconds elsewhere.

use crate::{Phase, Progress, Snapshot, Unit, resident_memory};
use indicatif::{BinaryBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, Write, stderr},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

const REDRAW: Duration = Duration::from_millis(150);
const LINE: Duration = Duration::from_secs(30);

/// Shows the progress of an operation on standard error until it is dropped.
#[derive(Debug)]
pub struct Meter {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Meter {
    /// Starts to show the progress of an operation; shows nothing if `quiet`.
    pub fn start(quiet: bool, progress: Arc<Progress>) -> Self {
        if quiet {
            return Meter { running: None };
        }
        let (stop, stopped) = mpsc::channel();
        let terminal = stderr().is_terminal();
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let tick = if terminal { REDRAW } else { LINE };
            let bar = terminal.then(new_bar);
            let mut phase = (None, Instant::now());
            let mut last_look = Instant::now();
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                let now = progress.snapshot();
                if now.phase == Phase::Done {
                    continue;
                }
                if phase.0 != Some(now.phase) {
                    // The phase began after the last snapshot.
                    phase = (Some(now.phase), last_look);
                    bar.iter().for_each(|bar| begin(bar, &now));
                }
                last_look = Instant::now();
                let text = describe(&now, phase.1.elapsed());
                match &bar {
                    Some(bar) => draw(bar, &now, text),
                    // `eprintln!` would panic if standard error is closed.
                    None => drop(writeln!(stderr().lock(), "hashlith: {}: {text}", now.phase.name())),
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        });
        // If there is no thread, there is no bar; the operation goes on.
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
    bar.set_prefix(now.phase.name());
}

fn draw(bar: &ProgressBar, now: &Snapshot, text: String) {
    bar.set_length(now.total.unwrap_or(0).max(1));
    bar.set_position(now.done);
    bar.set_message(text);
    bar.tick();
}

/// `1.00 GiB of 10.00 GiB, 512.00 MiB/s, 18s left, mem 1.10 GiB, 24,000,000 records`: the most important first, because a
/// narrow terminal cuts off the end.
fn describe(now: &Snapshot, since: Duration) -> String {
    let amount = |n: u64| match now.unit {
        Unit::Bytes => BinaryBytes(n).to_string(),
        Unit::Records => HumanCount(n).to_string(),
    };
    let seconds = since.as_secs_f64();
    let rate = if seconds > 0.0 { now.done as f64 / seconds } else { 0.0 };
    let mut text = amount(now.done);
    if let Some(total) = now.total {
        text += &format!(" of {}", amount(total));
    }
    if now.unit == Unit::Records {
        text += " records";
    }
    if rate >= 1.0 {
        text += &format!(", {}/s", amount(rate as u64));
    }
    if let Some(total) = now.total.filter(|_| rate >= 1.0) {
        let left = Duration::from_secs_f64((total.saturating_sub(now.done) as f64 / rate).ceil());
        text += &format!(", {:#} left", HumanDuration(left));
    }
    if let Some(memory) = resident_memory() {
        text += &format!(", mem {}", BinaryBytes(memory));
    }
    if let Some(records) = now.records {
        text += &format!(", {} records", HumanCount(records));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_how_long() {
        let now = Snapshot {
            phase: Phase::Reading,
            done: 1 << 30,
            total: Some(10 << 30),
            unit: Unit::Bytes,
            records: Some(24_000_000),
        };
        let line = describe(&now, Duration::from_secs(2));
        assert!(line.starts_with("1.00 GiB of 10.00 GiB, 512.00 MiB/s, 18s left, mem "), "{line}");
        assert!(line.ends_with(", 24,000,000 records"), "{line}");
    }

    #[test]
    fn without_a_total_no_time_is_left() {
        let now =
            Snapshot { phase: Phase::Reading, done: 0, total: None, unit: Unit::Records, records: None };
        let line = describe(&now, Duration::ZERO);
        assert!(line.starts_with("0 records, mem ") && !line.contains("left"), "{line}");
    }
}
