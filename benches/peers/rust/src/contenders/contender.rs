//! What a contender is, and what contenders share.

use std::{error::Error, path::Path};

/// Any error ends the measurement.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the table says about a contender.
pub struct About {
    /// Its name in the table.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// How it is used.
    pub settings: &'static str,
    /// `uncompressed`, `compressed`, `ids only`, `in memory` or `server`.
    pub kind: &'static str,
    /// The most bytes that its file can have.
    pub limit: Option<u64>,
    /// It is loaded before the workers are forked, which share it.
    pub before_fork: bool,
}

/// One way to store and look up pairs.
pub trait Contender {
    /// What the table says about it.
    fn about(&self) -> About;

    /// Makes its file or files in `dir` out of a TSV file.
    fn build(&self, source: &Path, dir: &Path) -> Result<()>;

    /// Opens what [`Self::build`] made. A contender without files loads the TSV file here.
    fn open(&self, source: &Path, dir: &Path) -> Result<Box<dyn Reader>>;
}

/// An open contender.
pub trait Reader {
    /// Looks up all keys, one after the other, and reads each value found. Returns how many were found.
    fn count(&self, keys: &[&[u8]]) -> usize;

    /// The same with its call for many keys, if it has one.
    fn count_many(&self, _keys: &[&[u8]]) -> Option<usize> {
        None
    }

    /// The value of a key, for a check. `Unknowable` if it stores no values.
    fn value(&self, key: &[u8]) -> Answer;
}

/// An answer that can be compared with the right one.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The key's value.
    Value(Vec<u8>),
    /// There is no such key.
    Absent,
    /// This contender cannot tell.
    Unknowable,
}

impl From<Option<&[u8]>> for Answer {
    fn from(value: Option<&[u8]>) -> Self {
        value.map_or(Answer::Absent, |value| Answer::Value(value.to_vec()))
    }
}

/// Reads the first and the last byte of a value, as a program that uses it does.
#[inline]
pub fn read(value: &[u8]) {
    std::hint::black_box(value.first().copied().unwrap_or(0) ^ value.last().copied().unwrap_or(0));
}

/// The locked version of a crate.
pub fn version_of(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{name}\"\n")));
    let version = entry.and_then(|entry| entry.lines().find_map(|line| line.strip_prefix("version = ")));
    version.unwrap_or("?").trim_matches('"').to_owned()
}
