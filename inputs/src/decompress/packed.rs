//! Compressed bytes, as decoders take them.

use std::io::{self, BufRead, Read};

use crate::decompress::damage::What;
use crate::decompress::kind::{Compression, HEAD, skippable};

/// How many bytes are read at a time.
const SIZE: usize = 1 << 17;

/// Compressed data. It knows where the last member or frame ended. A method that is interrupted can be called again.
pub(crate) struct Packed<R> {
    inner: R,
    buffer: Vec<u8>,
    /// What of the buffer was read and not taken.
    from: usize,
    to: usize,
    /// There is no more to read.
    is_end: bool,
    /// How many bytes were taken.
    pub at: u64,
    /// Where the last member or frame ended.
    pub ended_at: u64,
    /// How many bytes are still to be skipped.
    pub skip: u64,
    /// How many zero bytes follow the last member.
    padding: u64,
    /// A reader asked for bytes after the last one.
    pub is_short: bool,
}

impl<R: Read> Packed<R> {
    pub fn new(inner: R) -> Self {
        let buffer = vec![0; SIZE];
        Packed {
            inner,
            buffer,
            from: 0,
            to: 0,
            is_end: false,
            at: 0,
            ended_at: 0,
            skip: 0,
            padding: 0,
            is_short: false,
        }
    }

    /// Reads more into the buffer; false at the end of the data.
    fn more(&mut self) -> io::Result<bool> {
        if !self.is_end {
            let got = self.inner.read(&mut self.buffer[self.to..])?;
            self.to += got;
            self.is_end = got == 0;
        }
        Ok(!self.is_end)
    }

    /// The next bytes: `count` of them, or fewer at the end of the data.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.from < count {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            self.buffer.resize(self.buffer.len().max(count), 0);
        }
        while self.to - self.from < count && self.more()? {}
        Ok(&self.buffer[self.from..self.to.min(self.from + count)])
    }

    /// Skips what is to be skipped; false if the data ends before.
    pub fn skip(&mut self) -> io::Result<bool> {
        while self.skip > 0 {
            let got = self.fill_buf()?.len();
            if got == 0 {
                return Ok(false);
            }
            let taken = usize::try_from(self.skip).unwrap_or(got).min(got);
            self.consume(taken);
            self.skip -= taken as u64;
        }
        Ok(true)
    }

    /// Skips the frames that are for other programs.
    pub fn skip_frames(&mut self) -> io::Result<()> {
        loop {
            if self.skip > 0 {
                if !self.skip()? {
                    return Err(What::EarlyEnd.of(Compression::Zstd));
                }
                self.ended_at = self.at;
            }
            let head = self.peek(8)?;
            if !skippable(head) {
                return Ok(());
            }
            let Some(length) = head[4..].first_chunk() else {
                return Err(What::EarlyEnd.of(Compression::Zstd));
            };
            self.skip = 8 + u64::from(u32::from_le_bytes(*length));
        }
    }

    /// Goes to the next member or frame, and returns its head; `None` at the end of the data.
    pub fn begin(&mut self, kind: Compression) -> io::Result<Option<&[u8]>> {
        match kind {
            Compression::Zstd | Compression::Lz4 => self.skip_frames()?,
            Compression::Gzip | Compression::Xz => self.skip_zeros()?,
            _ => {}
        }
        let followed = What::Followed(self.ended_at);
        // The specification of xz says so. Tapes and disks have blocks, which gzip's padding fills.
        let is_padded = match kind {
            Compression::Xz => self.padding.is_multiple_of(4),
            _ => self.padding == 0,
        };
        let head = self.peek(HEAD)?;
        match head {
            [] if is_padded || kind == Compression::Gzip => return Ok(None),
            [] => return Err(What::EarlyEnd.of(kind)),
            _ if is_padded && kind.begins(head, head.len() < HEAD) => {}
            _ => return Err(followed.of(kind)),
        }
        self.padding = 0;
        self.peek(HEAD).map(Some)
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let zeros = self.fill_buf()?.iter().take_while(|&&byte| byte == 0).count();
            if zeros == 0 {
                return Ok(());
            }
            self.consume(zeros);
            self.padding += zeros as u64;
        }
    }
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buffer)?;
        self.is_short |= got == 0 && !buffer.is_empty();
        self.consume(got);
        Ok(got)
    }
}

impl<R: Read> BufRead for Packed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
            self.more()?;
        }
        Ok(&self.buffer[self.from..self.to])
    }

    fn consume(&mut self, taken: usize) {
        self.from += taken;
        self.at += taken as u64;
    }
}
