//! What the tests share: a sink that keeps everything, and Python.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hashlith_inputs::{Error, Options, Sink, Source, Summary, Watch, read};

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

/// Reads everything; records come in input order.
pub fn read_sources(
    sources: &[Source],
    options: &Options,
    threads: usize,
) -> Result<(Summary, Vec<Record>), Error> {
    let watch = Watch::default();
    let (summary, sinks) = read(sources, options, threads, Keep::default, &watch)?;
    let mut records: Vec<Record> = sinks.into_iter().flat_map(|sink| sink.0).collect();
    records.sort();
    let places: Vec<(u32, u64)> = records.iter().map(|r| (r.source, r.position)).collect();
    assert!(places.windows(2).all(|two| two[0] < two[1]), "every record has a place of its own");
    assert_eq!(summary.records, records.len() as u64);
    assert_eq!(watch.records.into_inner(), summary.records);
    Ok((summary, records))
}

/// Keys and values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Bytes as a source.
pub fn memory(name: &str, bytes: &[u8]) -> Source {
    Source::Memory { name: name.to_owned(), bytes: Arc::from(bytes) }
}

/// Key and value pairs of one source in memory.
pub fn pairs(name: &str, bytes: &[u8], options: &Options) -> Result<Pairs, String> {
    let (_, records) = read_sources(&[memory(name, bytes)], options, 1).map_err(|error| error.to_string())?;
    Ok(records.into_iter().map(|record| (record.key, record.value)).collect())
}

/// The error of one source in memory.
pub fn error(name: &str, bytes: &[u8], options: &Options) -> String {
    match pairs(name, bytes, options) {
        Ok(pairs) => panic!("{name}: no error but {} records", pairs.len()),
        Err(error) => error,
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

/// Undoes hexadecimal digits.
pub fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
