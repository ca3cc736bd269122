//! `hashlith get`: looks up keys.

use crate::{
    failure::{Failure, code, tell},
    open::{self, Access},
    output::Output,
};
use hashlith::{
    Error, Header, Index, KeyType, Mapping, Texts, ValueType,
    inputs::{escape, typed},
    shown_key, write_value,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    ffi::OsString,
    io::{self, BufRead, BufReader},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Bytes of standard input that are read at once. The keys in them are looked up together.
const READ: usize = 65_536;

/// Look up keys and write their values, one per line
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith get my.hlith apple pear
  hashlith get my.hlith -- -a-key-that-begins-with-a-hyphen
  hashlith get my.hlith - < keys.txt > pairs.tsv

An index of keys without values writes each key that it has. With - the keys are the lines of
standard input. For each key in the index, get writes a line of
key, TAB, value, in the order of the keys. It flushes its output whenever no more keys are waiting,
so that a program can look up key by key. Absent keys are named on standard error; then the exit
code is 3.")]
pub struct Args {
    /// The index
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Keys, or - for keys on standard input
    #[arg(required = true, value_name = "KEY", allow_negative_numbers = true)]
    keys: Vec<OsString>,
    /// Write a JSON object per line: {"key":...,"value":...}; the value of an absent key is null
    #[arg(long, conflicts_with = "escape")]
    json: bool,
    /// Read keys, and write keys and values, with \t, \n, \r and \\ for TAB, newline, CR and backslash
    #[arg(long)]
    escape: bool,
}

impl Args {
    /// Looks the keys up.
    pub fn run(self) -> Result<(), Failure> {
        let index = open::open(&self.index, Access::Random)?;
        let mut answers = Answers {
            path: &self.index,
            escape: self.escape,
            json: self.json,
            header: *index.first_header(),
            texts: Texts::of(index.first_header()),
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
            let keys: Result<Vec<_>, _> = self.keys.iter().map(|key| answers.key(key.as_bytes())).collect();
            keys.and_then(|keys| answers.batch(&keys))
        };
        // Answers before a failure are good.
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
    path: &'a Path,
    index: &'a Index<Mapping>,
    /// Keys and values have escapes.
    escape: bool,
    json: bool,
    header: Header,
    texts: Texts,
    /// Keys are written before their values.
    with_keys: bool,
    absent: u64,
    named: u64,
    line: Vec<u8>,
    out: Output,
}

/// One answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    key: JsonValue<'a>,
    value: Option<JsonValue<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonValue<'a> {
    Text(&'a str),
    Json(&'a RawValue),
}

impl Answers<'_> {
    /// This many absent keys are named; the others are counted.
    const NAMED: u64 = 100;

    /// The key that a text on the command line or on standard input stands for.
    fn key(&self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.header.key_type == KeyType::Int {
            let key = typed::parse_key(text);
            return key
                .map(|key| key.to_vec())
                .map_err(|what| Failure::usage(format!("the key {} {what}", shown_key(text))));
        }
        if !self.escape {
            return Ok(text.to_vec());
        }
        let mut key = Vec::with_capacity(text.len());
        escape::unescape(text, &mut key).map_err(|error| {
            Failure::usage(format!("key {}: {error}; write a backslash as \\\\", shown_key(text)))
        })?;
        Ok(key)
    }

    fn serve_standard_input(&mut self) -> Result<(), Failure> {
        let mut input = BufReader::with_capacity(READ, io::stdin().lock());
        let mut keys: Vec<Vec<u8>> = Vec::new();
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
                keys.push(self.key(&line)?);
            }
            // If no complete line is waiting, the other program may be waiting for these answers.
            if !input.buffer().contains(&b'\n') {
                self.batch(&keys)?;
                keys.clear();
                self.out.flush()?;
            }
        }
        Ok(())
    }

    fn batch(&mut self, keys: &[Vec<u8>]) -> Result<(), Failure> {
        let index = self.index;
        let corrupt = |error| Error::corrupt(index, &error);
        let mut answers = Vec::with_capacity(keys.len());
        index
            .lookup_many(keys, |found| {
                answers.push(found);
                Ok(())
            })
            .map_err(corrupt)?;
        for (key, answer) in keys.iter().zip(answers) {
            match answer {
                Some(found) => self.found(key, &found.value().map_err(corrupt)?)?,
                None => self.not_found(key)?,
            }
        }
        Ok(())
    }

    /// A key as it was asked for.
    fn text<'k>(&self, key: &'k [u8]) -> Cow<'k, [u8]> {
        let mut text = Vec::new();
        match self.header.key_type {
            KeyType::Int => typed::write_key(KeyType::Int, key, &mut text),
            _ => return Cow::Borrowed(key),
        }
        Cow::Owned(text)
    }

    fn json_key<'k>(&self, key: &'k str) -> JsonValue<'k> {
        let number = if self.header.key_type == KeyType::Int { serde_json::from_str(key).ok() } else { None };
        number.map_or(JsonValue::Text(key), JsonValue::Json)
    }

    fn found(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.line.clear();
        let key = &*self.text(key);
        let mut text = Vec::new();
        typed::write_value(self.header.value_type, value, &mut text);
        let value = &*text;
        if self.json {
            let (key, value) = (as_text(key, key)?, as_text(key, value)?);
            let is_json = matches!(self.header.value_type, ValueType::Json | ValueType::Numbers(_));
            // JSON strings contain no newlines; elsewhere a newline means the same as a blank.
            let flat = if is_json { value.replace('\n', " ") } else { String::new() };
            let json = if is_json { serde_json::from_str(&flat).ok() } else { None };
            let value = Some(json.map_or(JsonValue::Text(value), JsonValue::Json));
            return self.out.json(&Answer { key: self.json_key(key), value });
        }
        if self.with_keys || self.header.value_type == ValueType::None {
            self.texts.write_pair(key, value, self.escape, &mut self.line)?;
        } else {
            write_value(value, self.escape, &mut self.line);
        }
        self.out.write(&self.line)
    }

    fn not_found(&mut self, key: &[u8]) -> Result<(), Failure> {
        self.absent += 1;
        let key = &*self.text(key);
        if self.json {
            let key = self.json_key(as_text(key, key)?);
            self.out.json(&Answer { key, value: None })?;
        }
        if self.named < Self::NAMED {
            self.named += 1;
            // Keeps both streams in order on a terminal.
            self.out.flush()?;
            tell(&format!("key {} is not in {}", shown_key(key), self.path.display()));
        }
        Ok(())
    }
}

fn as_text<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| {
        let what = if key == bytes { "it" } else { "its value" };
        Failure::new(format!(
            "key {}: {what} is not UTF-8, so JSON cannot hold it: leave out --json",
            shown_key(key)
        ))
    })
}
