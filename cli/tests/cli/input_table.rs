//! The table of inputs in `tests/inputs`: which records or which error a file with options gives. Each case goes through the crate and
//! through the command; `python/tests/test_input_table.py` puts it through the package. `tests/inputs/README.md` says what a line has.

use crate::support::Place;
use hashlith::{Builder, Column, DumpFormat, Error, Index, OnError, ReadOptions, build_from_files, dump};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Text(String),
    Hex { hex: String },
}

impl Bytes {
    fn get(&self) -> Vec<u8> {
        match self {
            Bytes::Text(text) => text.as_bytes().to_vec(),
            Bytes::Hex { hex } => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
        }
    }
}

/// A line of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default, rename = "made")]
    _made: String,
    files: BTreeMap<String, Bytes>,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    records: Vec<(Bytes, Bytes)>,
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    dropped: u64,
    #[serde(default)]
    notes: Vec<String>,
    error: Option<String>,
    unused: Option<String>,
    advice: Option<String>,
    #[serde(default)]
    code: i32,
    #[serde(default)]
    then: Vec<String>,
}

impl Case {
    fn fails(&self) -> bool {
        self.code != 0
    }

    /// What a build must give.
    fn built(&self) -> Built {
        let mut records: Vec<_> = self.records.iter().map(|(key, value)| (key.get(), value.get())).collect();
        records.sort();
        Built { records, skipped: self.skipped, dropped: self.dropped, notes: self.notes.clone() }
    }

    /// The options with which it is built although it fails.
    fn helped(&self) -> Vec<String> {
        [&self.options[..], &self.then].concat()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Built {
    records: Vec<(Vec<u8>, Vec<u8>)>,
    skipped: u64,
    dropped: u64,
    notes: Vec<String>,
}

/// Calls `check` for each case, in a folder with its files.
fn each(check: impl Fn(&Case, &Place) -> Result<(), String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/inputs");
    let mut tables: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let (mut count, mut wrong) = (0, Vec::new());
    for table in tables {
        for line in std::fs::read_to_string(&table).unwrap().lines() {
            let case: Case = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let place = Place::new();
            for (name, bytes) in &case.files {
                place.write(name, bytes.get());
            }
            let group = table.file_stem().unwrap().display();
            if let Err(what) = check(&case, &place) {
                wrong.push(format!("{group}: {}: {what}", case.name));
            }
            count += 1;
        }
    }
    assert!(count > 900, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{found:?}, not {wanted:?}")) }
}

/// The records of the input of `cdbmake`, sorted.
fn records(mut text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    while let Some(rest) = text.strip_prefix(b"+") {
        let colon = rest.iter().position(|&byte| byte == b':').unwrap();
        let lengths = std::str::from_utf8(&rest[..colon]).unwrap().split_once(',').unwrap();
        let (key, value): (usize, usize) = (lengths.0.parse().unwrap(), lengths.1.parse().unwrap());
        let key = &rest[colon + 1..][..key];
        let from = colon + 1 + key.len() + 2;
        records.push((key.to_vec(), rest[from..from + value].to_vec()));
        text = &rest[from + value + 1..];
    }
    records.sort();
    records
}

/// The words of a command line, as the crate takes them.
fn parse(words: &[String]) -> (ReadOptions, Builder) {
    fn get<T: FromStr<Err: std::fmt::Debug>>(word: &str) -> T {
        word.parse().unwrap()
    }
    let (mut options, mut builder) =
        (ReadOptions::default(), Builder::new().threads(2).memory_limit(64 << 20));
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let mut value = || value.or_else(|| words.next()).unwrap();
        match name {
            "--format" => options.format = Some(get(value())),
            "--keys" => match value() {
                "json" => options.json_keys = true,
                keys => options.key_type = get(keys),
            },
            "--values" => options.value_type = get(value()),
            "--encoding" => options.encoding = Some(hashlith::encoding(value()).unwrap()),
            "--delimiter" => options.delimiter = Some(get(value())),
            "--quotes" => options.quotes = Some(get(value())),
            "--escape" => options.escape = true,
            "--header" => options.header = Some(true),
            "--no-header" => options.header = Some(false),
            "--key-column" => options.key_columns.push(get::<Column>(value())),
            "--value-column" => options.value_columns.push(get::<Column>(value())),
            "--join" => options.join = Some(value().to_owned()),
            "--comment" => options.comment = Some(value().to_owned()),
            "--skip-rows" => options.skip_rows = get(value()),
            "--key-field" => options.key_field = Some(value().to_owned()),
            "--value-field" => options.value_field = Some(value().to_owned()),
            "--query" => options.query = Some(value().to_owned()),
            "--pick" => options.pick = Some(value().to_owned()),
            "--on-error" => {
                same(&value(), &"skip").unwrap();
                options.on_error = OnError::Skip { max_errors: None };
            }
            "--max-errors" => options.on_error = OnError::Skip { max_errors: Some(get(value())) },
            "--on-duplicate" => builder = builder.on_duplicate(get(value())),
            other => panic!("{other}"),
        }
    }
    (options, builder)
}

fn with_crate(case: &Case, place: &Place, words: &[String], block_bytes: usize) -> Result<Built, Error> {
    let files: Vec<PathBuf> = case.files.keys().map(|name| place.path(name)).collect();
    let (options, builder) = parse(words);
    let options = ReadOptions { block_bytes, ..options };
    let index = place.path("x.hlith");
    let report = build_from_files(&index, &files, options, builder)?;
    let mut text = Vec::new();
    dump(&Index::load(&index)?, DumpFormat::Cdbmake, &mut text)?;
    let folder = place.path("").display().to_string();
    let notes = report.notes.iter().map(|note| note.replace(&folder, "")).collect();
    let (skipped, dropped) = (report.skipped, report.built.duplicates);
    Ok(Built { records: records(&text), skipped, dropped, notes })
}

/// What is read does not depend on where blocks end.
#[test]
fn through_the_crate() {
    each(|case, place| {
        [1, 7, 1 << 20].into_iter().try_for_each(|block_bytes| by_crate(case, place, block_bytes))
    });
}

fn by_crate(case: &Case, place: &Place, block_bytes: usize) -> Result<(), String> {
    let built = with_crate(case, place, &case.options, block_bytes);
    if !case.fails() {
        return same(&built.map_err(|error| error.to_string())?, &case.built());
    }
    let error = built.err().ok_or("no error")?;
    let folder = place.path("").display().to_string();
    let message = error.to_string().replace(&folder, "");
    match &case.unused {
        Some(option) => {
            let wanted = format!("the option {option} has no effect");
            same(&message.starts_with(&wanted), &true).map_err(|_| message)?;
        }
        None => same(&Some(message), &case.error)?,
    }
    same(&error.advice().map(|advice| format!("{advice:?}")), &case.advice)?;
    same(&error.is_usage(), &(case.code == 2))?;
    if case.then.is_empty() {
        return Ok(());
    }
    let helped = with_crate(case, place, &case.helped(), block_bytes).map_err(|error| error.to_string())?;
    same(&helped.records, &case.built().records)
}

fn with_command(case: &Case, place: &Place, words: &[String]) -> Result<Built, (i32, String)> {
    let usual = ["-o", "x.hlith", "--json", "--threads", "2", "--memory", "64M"];
    let files = case.files.keys().map(String::as_str);
    let words = words.iter().map(String::as_str);
    let run = place.run_args(["build"].into_iter().chain(files).chain(usual).chain(words));
    if run.code != 0 {
        return Err((run.code, run.err));
    }
    let report: serde_json::Value = serde_json::from_slice(&run.out).unwrap();
    let text = place.run("dump x.hlith --format cdbmake").ok().out;
    let notes = serde_json::from_value(report["notes"].clone()).unwrap();
    let count = |name: &str| report[name].as_u64().unwrap();
    Ok(Built { records: records(&text), skipped: count("skipped"), dropped: count("duplicates"), notes })
}

#[test]
fn through_the_command() {
    each(|case, place| {
        let built = with_command(case, place, &case.options);
        if !case.fails() {
            return same(&built.map_err(|(_, message)| message)?, &case.built());
        }
        let (code, message) = built.err().ok_or("no error")?;
        same(&code, &case.code)?;
        let wanted = match (&case.error, &case.unused) {
            (Some(error), _) => format!("hashlith: {error}"),
            (_, unused) => {
                format!("hashlith: --{} has no effect: ", unused.as_ref().unwrap().replace('_', "-"))
            }
        };
        let rest = message.trim_end().strip_prefix(&wanted).ok_or_else(|| message.clone())?;
        if case.unused.is_none() {
            same(&rest.starts_with("; "), &case.advice.is_some()).map_err(|_| message.clone())?;
        }
        if case.then.is_empty() {
            return Ok(());
        }
        // What helps is an option that the message names, or a value that it names.
        for help in case.then.chunks(2) {
            same(&help.iter().any(|word| message.contains(word)), &true).map_err(|_| message.clone())?;
        }
        let helped = with_command(case, place, &case.helped()).map_err(|(_, message)| message)?;
        same(&helped.records, &case.built().records)
    });
}
