//! The report of a build, as a table and as JSON.

use crate::{
    advice, failure::Failure, failure::eprintln_quietly, open, output::Output, process, table::Table,
};
use hashlith::BuildReport;
use indicatif::{BinaryBytes as Bytes, HumanCount as Count};
use serde::Serialize;

/// The report of `build`.
#[derive(Serialize)]
pub struct BuildView {
    output: String,
    /// Records that were read.
    records: u64,
    keys: u64,
    /// Files of the set; 1 for an index that is not a set.
    parts: usize,
    /// Records dropped because another one has the same key.
    duplicates: u64,
    /// Bad rows left out.
    skipped: u64,
    first_skipped: Vec<String>,
    /// What people should know about how files were read.
    notes: Vec<String>,
    input_bytes: u64,
    file_bytes: u64,
    bytes_per_key: Option<f64>,
    hot_bytes_per_key: Option<f64>,
    seconds: f64,
    phases: Vec<PhaseTime>,
    core_seconds_user: Option<f64>,
    core_seconds_system: Option<f64>,
    peak_memory_bytes: Option<u64>,
    spilled_bytes: u64,
    #[serde(skip)]
    next: String,
}

#[derive(Serialize)]
struct PhaseTime {
    phase: &'static str,
    seconds: f64,
}

impl BuildView {
    /// Collects the figures.
    pub fn new(report: &BuildReport) -> Self {
        let BuildReport { output, built, input_bytes, skipped, first_skipped, notes, took } = report;
        let per_key = |bytes: u64| (built.keys > 0).then(|| bytes as f64 / built.keys as f64);
        let cores = process::core_seconds();
        BuildView {
            output: output.display().to_string(),
            records: built.records,
            keys: built.keys,
            parts: built.headers.len(),
            duplicates: built.duplicates,
            skipped: *skipped,
            first_skipped: first_skipped.iter().map(advice::skipped).collect(),
            notes: notes.clone(),
            input_bytes: *input_bytes,
            file_bytes: built.bytes(),
            bytes_per_key: per_key(built.bytes()),
            hot_bytes_per_key: per_key(built.hot_bytes()),
            seconds: took.as_secs_f64(),
            phases: built
                .phases
                .iter()
                .map(|(phase, time)| PhaseTime { phase: phase.name(), seconds: time.as_secs_f64() })
                .collect(),
            core_seconds_user: cores.map(|(user, _)| user),
            core_seconds_system: cores.map(|(_, system)| system),
            peak_memory_bytes: process::peak_resident(),
            spilled_bytes: built.spilled_bytes,
            next: open::typeable_key(output).map_or_else(
                || format!("hashlith info {}", quoted(&output.to_string_lossy())),
                |key| format!("hashlith get {} {}", quoted(&output.to_string_lossy()), quoted(&key)),
            ),
        }
    }

    /// Writes JSON to standard output, or a table to standard error, or nothing.
    pub fn write(&self, json: bool, quiet: bool) -> Result<(), Failure> {
        match (json, quiet) {
            (true, _) => Output::new().report(self)?,
            (false, false) => self.write_table(),
            (false, true) => {}
        }
        Ok(())
    }

    fn write_table(&self) {
        let mut table = Table::words();
        let parts = if self.parts > 1 {
            format!(", a set of {} parts", Count(self.parts as u64))
        } else {
            String::new()
        };
        table.row([&"index", &format!("{}{parts}", self.output)]);
        table.row([&"records in", &format!("{} from {}", Count(self.records), Bytes(self.input_bytes))]);
        table.row([&"keys", &Count(self.keys)]);
        if self.duplicates > 0 {
            table.row([&"duplicates dropped", &Count(self.duplicates)]);
        }
        if self.skipped > 0 {
            table.row([&"rows skipped", &Count(self.skipped)]);
            for message in &self.first_skipped {
                table.row([&"", &message]);
            }
            let unnamed = self.skipped.saturating_sub(self.first_skipped.len() as u64);
            if unnamed > 0 {
                table.row([&"", &format!("and {} more", Count(unnamed))]);
            }
        }
        for note in &self.notes {
            table.row([&"note", note]);
        }
        let per_key =
            |bytes: Option<f64>| bytes.map_or(String::new(), |bytes| format!(", {bytes:.1} B per key"));
        let hot =
            self.hot_bytes_per_key.map_or(String::new(), |bytes| format!(" ({bytes:.2} B of them hot)"));
        table.row([&"size", &format!("{}{}{hot}", Bytes(self.file_bytes), per_key(self.bytes_per_key))]);
        let phases: Vec<String> =
            self.phases.iter().map(|phase| format!("{} {:.2}", phase.phase, phase.seconds)).collect();
        table.row([&"time", &format!("{:.2} s ({})", self.seconds, phases.join(", "))]);
        if let (Some(user), Some(system)) = (self.core_seconds_user, self.core_seconds_system) {
            let each = (user + system) * 1e9 / self.records.max(1) as f64;
            let each =
                if self.records >= 100_000 { format!(", {each:.0} ns per record") } else { String::new() };
            table.row([
                &"core-seconds",
                &format!("{:.2} (user {user:.2}, system {system:.2}){each}", user + system),
            ]);
        }
        if let Some(peak) = self.peak_memory_bytes {
            let spilled = match self.spilled_bytes {
                0 => String::new(),
                bytes => format!(", {} through temporary files", Bytes(bytes)),
            };
            table.row([&"peak memory", &format!("{}{spilled}", Bytes(peak))]);
        }
        table.row([&"next", &self.next]);
        let mut text = Vec::new();
        if table.write(&mut text).is_ok() {
            eprintln_quietly(String::from_utf8_lossy(&text).trim_end());
        }
    }
}

/// A word quoted for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=~".contains(c);
    if !word.is_empty() && !word.starts_with(['-', '~']) && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(quoted("017/tomato"), "017/tomato");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!([quoted(""), quoted("a b"), quoted("~x")], ["''", "'a b'", "'~x'"]);
    }
}
