//! The pairs of all contenders, and the keys to look up.

use clap::ValueEnum;
use hashlith_benches::{Shape, mix, record};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
};

/// Which pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Data {
    /// Keys of 16 to 24 random characters, values of 20 to 30, all different: nothing that a trie could share.
    Random,
    /// Keys like those of web pages, of some sites and sections; 1,000 different values.
    Natural,
}

const SITES: [&str; 16] = [
    "news.example",
    "shop.example",
    "wiki.example",
    "blog.example",
    "mail.example",
    "maps.example",
    "arts.example",
    "docs.example",
    "data.example",
    "code.example",
    "food.example",
    "home.example",
    "play.example",
    "book.example",
    "film.example",
    "song.example",
];
const SECTIONS: [&str; 16] = [
    "people", "places", "travel", "garden", "sports", "health", "school", "market", "nature", "letter",
    "number", "colour", "animal", "season", "street", "window",
];
const WORDS: [&str; 32] = [
    "red", "blue", "green", "old", "new", "small", "large", "quick", "slow", "warm", "cold", "long", "short",
    "round", "bright", "quiet", "lamp", "table", "river", "stone", "cloud", "bread", "train", "horse",
    "paper", "glass", "house", "field", "light", "water", "forest", "bridge",
];
/// How many different values the natural pairs have.
const VALUES: u64 = 1000;

impl Data {
    /// Writes key and value of pair `number`. Keys of different numbers differ.
    pub fn pair(self, number: u64, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        match self {
            Data::Random => record(Shape::Strings, number, key, value),
            Data::Natural => {
                let hash = mix(number);
                record(Shape::Strings, mix(hash) % VALUES, key, value);
                key.clear();
                // The AND of two random numbers makes some sites much larger than others.
                for part in [
                    SITES[(hash & (hash >> 4) & 15) as usize],
                    "/",
                    SECTIONS[(hash >> 8 & (hash >> 12) & 15) as usize],
                    "/",
                    WORDS[(hash >> 16 & 15) as usize],
                    "-",
                    WORDS[16 + (hash >> 20 & 15) as usize],
                    "-",
                ] {
                    key.extend_from_slice(part.as_bytes());
                }
                base36(number, key);
            }
        }
    }

    /// Pairs 0..`pairs` as a TSV file.
    pub fn write(self, pairs: u64, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for number in 0..pairs {
            self.pair(number, &mut key, &mut value);
            for part in [&key[..], b"\t", &value, b"\n"] {
                out.write_all(part)?;
            }
        }
        out.flush()
    }

    /// Pairs in random order, from 0..`pairs` or, if not `present`, from those behind.
    pub fn sample(self, pairs: u64, seed: u64, count: u64, present: bool) -> Sample {
        let mut sample = Sample { keys: Texts::default(), values: Texts::default() };
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for at in 0..count {
            let random = mix(mix(seed * 2 + u64::from(present)) ^ at) % pairs;
            self.pair(if present { random } else { pairs + random }, &mut key, &mut value);
            sample.keys.push(&key);
            sample.values.push(&value);
        }
        sample
    }
}

fn base36(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// Texts side by side in memory, so that fetching them costs almost nothing.
#[derive(Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    /// Each of them.
    pub fn list(&self) -> Vec<&[u8]> {
        let mut start = 0;
        self.ends.iter().map(|&end| &self.bytes[std::mem::replace(&mut start, end)..end]).collect()
    }
}

/// Keys to look up, with the right answers.
pub struct Sample {
    /// The keys.
    pub keys: Texts,
    /// Their values, if they are present.
    pub values: Texts,
}

/// Calls `each` with key and value of every line of a TSV file.
pub fn for_each_pair<E: From<io::Error>>(
    source: &Path,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(source)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let (key, value) = split(&line[..line.len() - 1])?;
        each(key, value)?;
    }
}

/// All pairs of a TSV file in the order of their keys, handed to `each`.
pub fn for_each_sorted<E: From<io::Error>>(
    source: &Path,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let text = std::fs::read(source)?;
    let mut pairs = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(split)
        .collect::<io::Result<Vec<_>>>()?;
    pairs.sort_unstable();
    for (key, value) in pairs {
        each(key, value)?;
    }
    Ok(())
}

fn split(line: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let tab = line.iter().position(|&byte| byte == b'\t').ok_or(io::ErrorKind::InvalidData)?;
    Ok((&line[..tab], &line[tab + 1..]))
}
