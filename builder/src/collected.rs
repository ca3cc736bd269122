//! The values of one key as a JSON array, which may be longer than the memory.

use crate::{
    Error,
    chunk::BLOCK,
    spill::{Disk, WRITE},
};
use std::{fs::File, io, os::unix::fs::FileExt};

/// An array that grows. Its beginning goes into a temporary file when it is long.
pub(crate) struct Collected<'d> {
    disk: &'d Disk,
    /// What is not in the file.
    tail: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    filed: u64,
    values: u64,
    /// Values are text, which becomes strings of JSON; otherwise they are JSON.
    is_text: bool,
}

impl<'d> Collected<'d> {
    pub fn new(disk: &'d Disk, is_text: bool) -> Self {
        Collected { disk, tail: Vec::new(), file: None, filed: 0, values: 0, is_text }
    }

    /// Begins the next value.
    pub fn begin(&mut self) {
        self.tail.push(if self.values == 0 { b'[' } else { b',' });
        self.quote();
        self.values += 1;
    }

    /// Appends bytes of the value.
    pub fn push(&mut self, part: &[u8]) -> Result<(), Error> {
        if self.is_text {
            part.iter().for_each(|&byte| escape(byte, &mut self.tail));
        } else {
            self.tail.extend_from_slice(part);
        }
        if self.tail.len() >= BLOCK {
            let failed = self.disk.failed(WRITE);
            if self.file.is_none() {
                self.file = Some(tempfile::tempfile_in(&self.disk.dir).map_err(&failed)?);
            }
            if let Some(file) = &self.file {
                file.write_all_at(&self.tail, self.filed).map_err(failed)?;
            }
            self.filed += self.tail.len() as u64;
            self.tail.clear();
        }
        Ok(())
    }

    /// Ends the value.
    pub fn end(&mut self) {
        self.quote();
    }

    fn quote(&mut self) {
        if self.is_text {
            self.tail.push(b'"');
        }
    }

    /// Ends the array.
    pub fn finish(&mut self) {
        self.tail.push(b']');
    }

    /// Begins an empty array.
    pub fn clear(&mut self) {
        self.tail.clear();
        (self.file, self.filed, self.values) = (None, 0, 0);
    }

    /// The array, if all of it is in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        self.file.is_none().then_some(&self.tail)
    }

    /// Bytes of the array.
    pub fn len(&self) -> u64 {
        self.filed + self.tail.len() as u64
    }

    /// Copies the bytes from this offset on.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let in_file = self.filed.saturating_sub(at).min(out.len() as u64) as usize;
        let (filed, rest) = out.split_at_mut(in_file);
        if let Some(file) = &self.file {
            file.read_exact_at(filed, at)?;
        }
        let start = at.saturating_sub(self.filed) as usize;
        rest.copy_from_slice(&self.tail[start..start + rest.len()]);
        Ok(())
    }
}

/// Appends a byte of a JSON string. Bytes of UTF-8 above ASCII stay as they are.
#[inline]
fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0..0x20 => {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', short]);
}
