//! Members and frames of gzip, zlib, zstd, bzip2, xz and lzma, one after the other.

use std::fmt::Display;
use std::io::{self, BufRead, ErrorKind, Read};

use flate2::{Decompress, FlushDecompress};
use liblzma::stream::{Action, Error as LzmaError, Status as LzmaStatus, Stream};
use zstd::stream::raw::{DParameter, Operation};
use zstd::zstd_safe::get_error_name;

use crate::decompress::damage::{Memory, What};
use crate::decompress::kind::Compression;
use crate::decompress::packed::Packed;

/// What one step of a decoder did.
struct Step {
    taken: usize,
    given: usize,
    /// The member or frame has ended.
    ended: bool,
}

enum Decoder {
    Deflate(Decompress),
    Zstd(zstd::stream::raw::Decoder<'static>),
    Bzip2(bzip2::Decompress),
    Lzma(Stream),
}

impl Decoder {
    fn new(kind: Compression, memory: Memory) -> io::Result<Self> {
        // Beside the window, liblzma takes some tens of thousands of bytes.
        let most = memory.most.saturating_add(1 << 20);
        Ok(match kind {
            Compression::Zstd => {
                let mut decoder = zstd::stream::raw::Decoder::new()?;
                // The most that there is: `check_zstd` has compared the window with the limit.
                let most = if usize::BITS < 64 { 30 } else { 31 };
                decoder.set_parameter(DParameter::WindowLogMax(most))?;
                Decoder::Zstd(decoder)
            }
            Compression::Bzip2 => Decoder::Bzip2(bzip2::Decompress::new(false)),
            Compression::Xz => Decoder::Lzma(Stream::new_stream_decoder(most, 0)?),
            Compression::Lzma => Decoder::Lzma(Stream::new_lzma_decoder(most)?),
            Compression::Zlib => Decoder::Deflate(Decompress::new(true)),
            _ => Decoder::Deflate(Decompress::new_gzip(15)),
        })
    }

    fn totals(&self) -> (u64, u64) {
        match self {
            Decoder::Deflate(decoder) => (decoder.total_in(), decoder.total_out()),
            Decoder::Bzip2(decoder) => (decoder.total_in(), decoder.total_out()),
            Decoder::Lzma(decoder) => (decoder.total_in(), decoder.total_out()),
            Decoder::Zstd(_) => (0, 0),
        }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8], memory: Memory) -> Result<Step, Failure> {
        let before = self.totals();
        let ended = match self {
            Decoder::Deflate(decoder) => {
                let status = decoder.decompress(input, output, FlushDecompress::None).map_err(damaged)?;
                status == flate2::Status::StreamEnd
            }
            Decoder::Zstd(decoder) => {
                let status = decoder.run_on_buffers(input, output).map_err(of_zstd)?;
                let ended = status.remaining == 0;
                return Ok(Step { taken: status.bytes_read, given: status.bytes_written, ended });
            }
            Decoder::Bzip2(decoder) => match decoder.decompress(input, output).map_err(damaged)? {
                bzip2::Status::MemNeeded => return Err(Failure::NoMemory),
                status => status == bzip2::Status::StreamEnd,
            },
            Decoder::Lzma(decoder) => match decoder.process(input, output, Action::Run) {
                Ok(status) => matches!(status, LzmaStatus::StreamEnd),
                Err(LzmaError::Mem) => return Err(Failure::NoMemory),
                Err(LzmaError::MemLimit) => return Err(memory.exceeded(lzma_needs(decoder)).into()),
                Err(error) => return Err(damaged(error)),
            },
        };
        let after = self.totals();
        let length = |before, after| usize::try_from(after - before).unwrap_or_default();
        Ok(Step { taken: length(before.0, after.0), given: length(before.1, after.1), ended })
    }
}

/// Why a step failed.
enum Failure {
    Damage(What),
    /// The system gives no more.
    NoMemory,
}

impl From<What> for Failure {
    fn from(what: What) -> Self {
        Failure::Damage(what)
    }
}

#[cold]
fn damaged(error: impl Display) -> Failure {
    Failure::Damage(What::Other(error.to_string()))
}

#[cold]
fn of_zstd(error: io::Error) -> Failure {
    /// `ZSTD_error_memory_allocation`.
    const NO_MEMORY: usize = 64;
    let words = error.to_string();
    if words == get_error_name(NO_MEMORY.wrapping_neg()) { Failure::NoMemory } else { damaged(words) }
}

/// How many bytes the decoder would take, after it was refused: the least limit that it accepts.
#[cold]
fn lzma_needs(decoder: &mut Stream) -> u64 {
    let (mut refused, mut accepted) = (0, u64::MAX);
    while accepted - refused > 1 {
        let limit = refused + (accepted - refused) / 2;
        match decoder.set_memlimit(limit) {
            Ok(()) => accepted = limit,
            Err(_) => refused = limit,
        }
    }
    accepted
}

/// Checks what a frame needs: section 3.1.1.1 of RFC 8878. A head that is cut off is left to the decoder.
fn check_zstd(head: &[u8], memory: Memory) -> Result<(), What> {
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    };
    let Some(&descriptor) = head.get(4) else { return Ok(()) };
    let one_segment = descriptor & 0x20 != 0;
    let dictionary_at = if one_segment { 5 } else { 6 };
    let dictionary_length = [0, 1, 2, 4][usize::from(descriptor & 3)];
    if number(dictionary_at, dictionary_length).is_some_and(|dictionary| dictionary != 0) {
        return Err(What::Unpack("needs a dictionary".to_owned()));
    }
    // A frame of one segment has a window that is as long as the data.
    let window = if one_segment {
        let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
        number(dictionary_at + dictionary_length, length)
    } else {
        head.get(5).map(|&window| (8 + u64::from(window & 7)) << (7 + (window >> 3)))
    };
    match window {
        Some(window) if window > memory.most => Err(memory.exceeded(window)),
        _ => Ok(()),
    }
}

/// The members or frames of compressed data, decompressed.
pub(crate) struct Frames<R> {
    packed: Packed<R>,
    kind: Compression,
    memory: Memory,
    decoder: Decoder,
    /// No frame has begun since the last one ended.
    between: bool,
}

impl<R: Read> Frames<R> {
    pub fn new(packed: Packed<R>, kind: Compression, memory: Memory) -> io::Result<Self> {
        Ok(Frames { packed, kind, memory, decoder: Decoder::new(kind, memory)?, between: true })
    }

    /// Begins the next frame; false at the end of the data.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(head) = self.packed.begin(self.kind)? else { return Ok(false) };
        if self.kind == Compression::Zstd {
            check_zstd(head, self.memory).map_err(|what| what.of(self.kind))?;
        }
        self.between = false;
        Ok(true)
    }

    fn end(&mut self) -> io::Result<()> {
        self.between = true;
        self.packed.ended_at = self.packed.at;
        match &mut self.decoder {
            Decoder::Deflate(decoder) => decoder.reset(true),
            Decoder::Zstd(decoder) => decoder.reinit()?,
            decoder => *decoder = Decoder::new(self.kind, self.memory)?,
        }
        Ok(())
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if buffer.is_empty() || self.between && !self.begin()? {
                return Ok(0);
            }
            let input = self.packed.fill_buf()?;
            let is_end = input.is_empty();
            let step = self.decoder.step(input, buffer, self.memory).map_err(|failure| match failure {
                Failure::Damage(what) => what.of(self.kind),
                Failure::NoMemory => ErrorKind::OutOfMemory.into(),
            })?;
            self.packed.consume(step.taken);
            if step.ended {
                self.end()?;
            }
            if step.given > 0 {
                return Ok(step.given);
            }
            if !step.ended && step.taken == 0 {
                let what = if is_end { What::EarlyEnd } else { What::Other("it leads nowhere".to_owned()) };
                return Err(what.of(self.kind));
            }
        }
    }
}
