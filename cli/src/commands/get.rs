//! `hashlith get`: the values of keys.

use crate::escaped::{Lines, shown};
use crate::failure::{Failure, code, tell};
use crate::open::{self, Access};
use crate::output::Output;
use hashlith_format::ValueType;
use hashlith_reader::{Index, Mapping};
use serde::Serialize;
use serde_json::value::RawValue;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// So many keys from standard input are looked up together.
const BATCH: usize = 4096;
/// And so many bytes of keys.
const BATCH_BYTES: usize = 1 << 20;

/// Look up keys and write their values, one a line
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith get my.hlith apple pear
  hashlith get my.hlith -- -a-key-that-begins-with-a-hyphen
  hashlith get my.hlith - < keys.txt > pairs.tsv

With - the keys come on standard input, one a line, and a line of key, TAB, value goes out for each
that is there, in the order of the keys. Answers are handed on whenever no more keys are waiting, so
a program can ask key by key. Absent keys are named on standard error, and make the exit code 3.")]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Keys, or - for keys on standard input
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<OsString>,
    /// One JSON object a line instead: {"key":...,"value":...}, with null for an absent key's value
    #[arg(long, conflicts_with = "escape")]
    json: bool,
    /// Keys are given, and keys and values are written, with \t, \n, \r and \\ for TAB, newline, CR and backslash
    #[arg(long)]
    escape: bool,
}

impl Args {
    /// Looks the keys up.
    pub fn run(self) -> Result<(), Failure> {
        let index = open::open(&self.index, Access::Random)?;
        let mut answers = Answers {
            path: &self.index,
            lines: Lines { escape: self.escape },
            json: self.json,
            json_values: index.first_header().value_type == ValueType::Json,
            with_keys: false,
            absent: 0,
            named: 0,
            line: Vec::new(),
            out: Output::new(),
            index: &index,
        };
        let looked_up = if matches!(self.keys.as_slice(), [only] if only == "-") {
            answers.with_keys = true;
            answers.serve_standard_input()
        } else {
            let keys: Result<Vec<_>, _> =
                self.keys.iter().map(|key| answers.lines.key(key.as_bytes())).collect();
            keys.and_then(|keys| answers.batch(&keys))
        };
        // What was found before a failure is good.
        let flushed = answers.out.flush();
        looked_up.and(flushed)?;
        match answers.absent {
            0 => Ok(()),
            absent => {
                if absent > answers.named {
                    tell(&format!(
                        "and {} more keys are not in {}",
                        absent - answers.named,
                        self.index.display()
                    ));
                }
                Err(Failure::Silent(code::NOT_FOUND))
            }
        }
    }
}

struct Answers<'a> {
    path: &'a std::path::Path,
    index: &'a Index<Mapping>,
    lines: Lines,
    json: bool,
    json_values: bool,
    /// Keys stand before their values.
    with_keys: bool,
    absent: u64,
    named: u64,
    line: Vec<u8>,
    out: Output,
}

/// One answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    key: &'a str,
    value: Option<JsonValue<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonValue<'a> {
    Text(&'a str),
    Json(&'a RawValue),
}

impl Answers<'_> {
    /// Absent keys are named up to so many, then counted.
    const NAMED: u64 = 100;

    fn serve_standard_input(&mut self) -> Result<(), Failure> {
        let mut input = BufReader::with_capacity(1 << 16, io::stdin().lock());
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        let mut at_end = false;
        while !at_end {
            let mut line = Vec::new();
            at_end = input
                .read_until(b'\n', &mut line)
                .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?
                == 0;
            if !at_end {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                bytes += line.len();
                keys.push(self.lines.key(&line)?);
            }
            // Nothing complete is waiting: whoever asks may be waiting for answers before asking on.
            let waiting = input.buffer().contains(&b'\n');
            if keys.len() >= BATCH || bytes >= BATCH_BYTES || !waiting {
                self.batch(&keys)?;
                keys.clear();
                bytes = 0;
                if !waiting {
                    self.out.flush()?;
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, keys: &[Vec<u8>]) -> Result<(), Failure> {
        let values = self.index.get_many(keys).map_err(|error| open::corrupt(self.path, &error))?;
        for (key, value) in keys.iter().zip(values) {
            match value {
                Some(value) => self.found(key, value)?,
                None => self.not_found(key)?,
            }
        }
        Ok(())
    }

    fn found(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.line.clear();
        if self.json {
            let (key, value) = (as_text(key, key)?, as_text(key, value)?);
            // Outside of its strings, which cannot hold one, a newline of JSON is as good as a blank.
            let flat = if self.json_values { value.replace('\n', " ") } else { String::new() };
            let json = if self.json_values { serde_json::from_str(&flat).ok() } else { None };
            let value = Some(json.map_or(JsonValue::Text(value), JsonValue::Json));
            return self.out.json(&Answer { key, value });
        }
        if self.with_keys {
            self.lines.pair(key, value, &mut self.line)?;
        } else {
            self.lines.value(value, &mut self.line);
        }
        self.out.write(&self.line)
    }

    fn not_found(&mut self, key: &[u8]) -> Result<(), Failure> {
        self.absent += 1;
        if self.json {
            self.out.json(&Answer { key: as_text(key, key)?, value: None })?;
        }
        if self.named < Self::NAMED {
            self.named += 1;
            // In the order in which it happened, when both go to a terminal.
            self.out.flush()?;
            tell(&format!("key {} is not in {}", shown(key), self.path.display()));
        }
        Ok(())
    }
}

fn as_text<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| {
        let what = if key == bytes { "it" } else { "its value" };
        Failure::new(format!(
            "key {}: {what} is not UTF-8, so JSON cannot hold it: leave out --json",
            shown(key)
        ))
    })
}
