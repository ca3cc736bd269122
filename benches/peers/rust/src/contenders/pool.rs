//! A file of values, for contenders that map keys to numbers only.

use super::Result;
use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

/// Up to this many different values are remembered, so that each is stored once.
const REMEMBERED: usize = 1 << 16;

/// Writes texts of up to 255 bytes, each after its length.
pub struct PoolWriter {
    out: BufWriter<File>,
    end: u64,
    seen: HashMap<Box<[u8]>, u64>,
}

impl PoolWriter {
    pub fn create(path: &Path) -> Result<Self> {
        let out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        Ok(PoolWriter { out, end: 0, seen: HashMap::new() })
    }

    /// Adds a text. Returns its place.
    pub fn push(&mut self, text: &[u8]) -> Result<u64> {
        let at = self.end;
        self.out.write_all(&[u8::try_from(text.len())?])?;
        self.out.write_all(text)?;
        self.end += 1 + text.len() as u64;
        Ok(at)
    }

    /// Adds a text, unless it is one of the remembered ones. Returns its place.
    pub fn push_once(&mut self, text: &[u8]) -> Result<u64> {
        if let Some(&at) = self.seen.get(text) {
            return Ok(at);
        }
        let at = self.push(text)?;
        if self.seen.len() < REMEMBERED {
            self.seen.insert(text.into(), at);
        }
        Ok(at)
    }

    pub fn finish(self) -> Result<()> {
        self.out.into_inner()?.sync_all()?;
        Ok(())
    }
}

/// The text at `at`, and the place of the next one.
#[inline]
pub fn text_at(pool: &[u8], at: usize) -> (&[u8], usize) {
    let end = at + 1 + usize::from(pool[at]);
    (&pool[at + 1..end], end)
}

/// Maps a file.
pub fn map(path: &Path) -> Result<memmap2::Mmap> {
    // SAFETY: nobody writes to the file while it is measured.
    let map = unsafe { memmap2::Mmap::map(&File::open(path)?)? };
    map.advise(memmap2::Advice::Random)?;
    Ok(map)
}
