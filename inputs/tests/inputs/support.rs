//! Shared by the tests: a sink that keeps everything, sources in memory, and Python.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hashlith_feedback::{Progress, Unit};
use hashlith_inputs::{Column, Error, ReadOptions, Sink, Source, Sources, Summary, read};

/// A record as a sink got it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub source: u32,
    pub position: u64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Keeps all records.
#[derive(Debug, Default)]
pub struct Keep(pub Vec<Record>);

impl Sink for Keep {
    type Error = Infallible;

    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        let record = Record { source, position, key: key.to_vec(), value: value.to_vec() };
        let last = self.0.iter().rev().find(|last| last.source == source);
        assert!(last.is_none_or(|last| last.position < position), "positions rise within a sink");
        self.0.push(record);
        Ok(())
    }
}

/// Sources that are read with the default options.
pub fn checked(sources: &[Source]) -> Sources {
    Sources::new(sources.to_vec(), &ReadOptions::default()).unwrap()
}

/// Reads everything. Records are in input order.
pub fn read_sources(
    sources: &[Source],
    options: &ReadOptions,
    threads: usize,
) -> Result<(Summary, Vec<Record>), Error> {
    let (sources, progress) = (Sources::new(sources.to_vec(), options)?, Progress::new());
    let (summary, sinks) = read(&sources, options, threads, Keep::default, &progress)?;
    let mut records: Vec<Record> = sinks.into_iter().flat_map(|sink| sink.0).collect();
    records.sort();
    let places: Vec<(u32, u64)> = records.iter().map(|r| (r.source, r.position)).collect();
    assert!(places.windows(2).all(|two| two[0] < two[1]), "every record has its own place");
    assert_eq!(summary.records, records.len() as u64);
    assert_eq!((progress.done(Unit::Bytes), progress.done(Unit::Records)), (summary.bytes, 0));
    Ok((summary, records))
}

/// Keys and values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Bytes as a source.
pub fn memory(name: &str, bytes: &[u8]) -> Source {
    Source::Memory { name: name.to_owned(), bytes: Arc::from(bytes) }
}

/// Key and value pairs of one source in memory.
pub fn pairs(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Pairs, String> {
    let (_, records) = read_sources(&[memory(name, bytes)], options, 1).map_err(|error| error.to_string())?;
    Ok(records.into_iter().map(|record| (record.key, record.value)).collect())
}

/// The error of one source in memory.
pub fn failure(name: &str, bytes: &[u8], options: &ReadOptions) -> Error {
    match read_sources(&[memory(name, bytes)], options, 1) {
        Ok((_, records)) => panic!("{name}: no error but {} records", records.len()),
        Err(error) => error,
    }
}

/// The message of this error.
pub fn error(name: &str, bytes: &[u8], options: &ReadOptions) -> String {
    failure(name, bytes, options).to_string()
}

/// A column, as the command line names it.
pub fn column(word: &str) -> Column {
    word.parse().unwrap()
}

/// Options that name the column of the key and that of the value.
pub fn columns(key: &str, value: &str) -> ReadOptions {
    ReadOptions {
        key_columns: vec![column(key)],
        value_columns: vec![column(value)],
        ..ReadOptions::default()
    }
}

/// Pairs of strings, for comparing.
pub fn text(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Runs a Python program that writes files into a directory. Without Python the test fails.
pub fn python(program: &str, directory: &Path) {
    let status = Command::new("python3")
        .arg("-c")
        .arg(program)
        .current_dir(directory)
        .status()
        .expect("python3 is needed to make real pickles for this test: install it");
    assert!(status.success(), "the Python program failed");
}

/// The files with an extension in a directory, in name order.
pub fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

/// Decodes hexadecimal digits.
pub fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
