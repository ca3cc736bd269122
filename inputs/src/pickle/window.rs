//! A sliding window over a pickle's bytes, which cuts them into opcodes with their arguments.

use std::io::{self, ErrorKind, Read};

use crate::bad_row::BadRow;
use crate::pickle::opcode::{self, Argument};
use crate::scan;
use crate::stop::{PlainStop, Stop};

/// Strings that wait for the end of their batch stay in the window up to this many bytes. Strings further back are read again
/// when they are needed.
pub(crate) const MOST_KEPT: u64 = 4 << 20;

/// An opcode and its argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub op: u8,
    /// The offset of the opcode.
    pub at: u64,
    /// The number after it, or the length of the bytes that follow.
    pub number: u64,
    /// The offset of the bytes or the line after it.
    pub payload: u64,
    /// The length of these bytes, without a line's newline.
    pub length: u64,
}

/// What the bytes in the window say about the next token.
enum Measure {
    /// The window holds all of it: its length.
    Whole(Token, usize),
    /// At least this many bytes are needed to know more.
    Short(usize),
    /// Some bytes after its header are missing: the header's length.
    Long(Token, usize),
    /// It is text whose last newline is missing.
    Open { newlines: u32 },
}

fn measure(rest: &[u8], at: u64) -> Result<Measure, BadRow> {
    let Some(&op) = rest.first() else { return Ok(Measure::Short(1)) };
    let Some(argument) = opcode::argument(op) else { return Err(no_opcode(op, at)) };
    let width = argument.width();
    let Some(digits) = rest.get(1..1 + width) else { return Ok(Measure::Short(1 + width)) };
    let mut number = [0; 8];
    number[..width].copy_from_slice(digits);
    let number = u64::from_le_bytes(number);
    let header = 1 + width;
    let mut token = Token { op, at, number, payload: at + header as u64, length: 0 };
    match argument {
        Argument::Counted1 | Argument::Counted4 | Argument::Counted8 => {
            token.length = number;
            let signed = matches!(op, opcode::BINSTRING | opcode::LONG4) && number > i32::MAX as u64;
            if signed || number > i64::MAX as u64 {
                return Err(BadRow::new(at, format!("{} has a negative length", named(op))));
            }
            let here = (rest.len() - header) as u64;
            Ok(if number <= here {
                Measure::Whole(token, header + number as usize)
            } else {
                Measure::Long(token, header)
            })
        }
        Argument::Line | Argument::Lines2 => {
            let newlines = if argument == Argument::Lines2 { 2 } else { 1 };
            let line = scan::first(b'\n', &rest[1..]);
            let end = match line {
                Some(first) if newlines == 2 => {
                    scan::first(b'\n', &rest[first + 2..]).map(|second| first + 1 + second)
                }
                line => line,
            };
            match end {
                Some(length) => {
                    token.length = length as u64;
                    Ok(Measure::Whole(token, length + 2))
                }
                None => Ok(Measure::Open { newlines }),
            }
        }
        _ => Ok(Measure::Whole(token, header)),
    }
}

/// The opcode's name, for messages.
pub(crate) fn named(op: u8) -> &'static str {
    opcode::name(op).unwrap_or("an unknown opcode")
}

#[cold]
fn no_opcode(op: u8, at: u64) -> BadRow {
    let what =
        if at == 0 { "the file is not a pickle" } else { "the pickle is damaged, or something follows it" };
    BadRow::new(at, format!("the byte 0x{op:02x} is not a pickle opcode: {what}"))
}

#[cold]
fn ends_early(at: u64) -> PlainStop {
    Stop::BadRow(BadRow::new(
        at,
        format!("the pickle ends early at byte {at}: the file is cut off; copy or write it again"),
    ))
}

/// A window that slides forward over a stream.
pub(crate) struct Window<R> {
    pub reader: R,
    buffer: Vec<u8>,
    /// The next byte, in the buffer.
    position: usize,
    /// The end of the bytes in the buffer.
    filled: usize,
    /// The offset in the stream of the buffer's first byte.
    base: u64,
}

impl<R: Read> Window<R> {
    /// A window over what `reader` returns from now on, which begins at the offset `base` of the stream.
    pub fn new(reader: R, mut buffer: Vec<u8>, size: usize, base: u64) -> Self {
        // The longest header is nine bytes.
        buffer.resize(size.max(16), 0);
        Window { reader, buffer, position: 0, filled: 0, base }
    }

    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Drops the bytes in the window and continues at another offset, to which the caller has moved the reader.
    pub fn restart(&mut self, base: u64) {
        (self.position, self.filled, self.base) = (0, 0, base);
    }

    /// The offset in the stream of the next byte.
    pub fn at(&self) -> u64 {
        self.base + self.position as u64
    }

    /// The bytes in the window from the next one on.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.position..self.filled]
    }

    pub fn advance(&mut self, bytes: usize) {
        self.position += bytes;
        debug_assert!(self.position <= self.filled);
    }

    /// Bytes of the stream, if the window holds all of them.
    #[inline]
    pub fn slice(&self, at: u64, length: u64) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.base)?).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        if end <= self.filled { self.buffer.get(start..end) } else { None }
    }

    /// Reads until the window holds at least `need` bytes; false if the stream ends before. Bytes from the offset `keep` on stay
    /// in the window unless they are too many.
    pub fn fill(&mut self, need: usize, keep: u64) -> Result<bool, PlainStop> {
        while self.filled - self.position < need {
            let kept = if self.at() - keep.min(self.at()) > MOST_KEPT { self.at() } else { keep };
            let start = usize::try_from(kept.saturating_sub(self.base)).unwrap_or(0).min(self.position);
            let wanted = self.position + need;
            if self.buffer.len() < wanted.max(self.filled + 1) || start > self.buffer.len() / 2 {
                self.buffer.copy_within(start..self.filled, 0);
                scan::looked_at(self.filled - start);
                self.position -= start;
                self.filled -= start;
                self.base += start as u64;
                if self.buffer.len() < self.filled + self.buffer.len() / 4
                    || self.buffer.len() < self.position + need
                {
                    let size = (self.position + need).max(2 * self.buffer.len());
                    self.buffer.resize(size, 0);
                }
            }
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(got) => self.filled += got,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io(self.base + self.filled as u64, error)),
            }
        }
        Ok(true)
    }

    /// The next token, if the window holds all of it.
    #[inline]
    pub fn token_at_hand(&mut self) -> Result<Option<Token>, BadRow> {
        match measure(self.rest(), self.at())? {
            Measure::Whole(token, size) => {
                self.position += size;
                Ok(Some(token))
            }
            _ => Ok(None),
        }
    }

    /// The next token. Its bytes stay in the window, with those from `keep` on, unless they are too many.
    pub fn token(&mut self, keep: u64) -> Result<Token, PlainStop> {
        loop {
            let keep = keep.min(self.at());
            match measure(self.rest(), self.at())? {
                Measure::Whole(token, size) => {
                    self.position += size;
                    return Ok(token);
                }
                Measure::Short(need) => {
                    if !self.fill(need, keep)? {
                        return Err(ends_early(self.base + self.filled as u64));
                    }
                }
                Measure::Long(token, header) => {
                    self.position += header;
                    self.pass(token.length, keep)?;
                    return Ok(token);
                }
                Measure::Open { newlines } => return self.line(newlines, keep),
            }
        }
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, PlainStop> {
        self.fill(1, u64::MAX)?;
        let byte = self.rest().first().copied().ok_or_else(|| ends_early(self.at()))?;
        self.position += 1;
        Ok(byte)
    }

    /// Skips bytes, which need not fit into the window.
    pub fn pass(&mut self, mut length: u64, keep: u64) -> Result<(), PlainStop> {
        loop {
            let here = ((self.filled - self.position) as u64).min(length);
            self.position += here as usize;
            length -= here;
            if length == 0 {
                return Ok(());
            }
            if !self.fill(1, keep)? {
                return Err(ends_early(self.at()));
            }
        }
    }

    /// Skips an opcode and its lines of text, which need not fit into the window.
    fn line(&mut self, mut newlines: u32, keep: u64) -> Result<Token, PlainStop> {
        let at = self.at();
        let op = self.rest().first().copied().unwrap_or(0);
        // The line itself must stay, however much lies before it.
        let keep = if at - keep > MOST_KEPT / 2 { at } else { keep };
        self.position += 1;
        loop {
            match scan::first(b'\n', self.rest()) {
                Some(before) => {
                    self.position += before + 1;
                    newlines -= 1;
                    if newlines == 0 {
                        let length = self.at() - at - 2;
                        return Ok(Token { op, at, number: 0, payload: at + 1, length });
                    }
                }
                None => {
                    self.position = self.filled;
                    if !self.fill(1, keep)? {
                        return Err(ends_early(self.at()));
                    }
                }
            }
        }
    }
}

/// The number of a `PUT` or `GET` whose line the window has just skipped.
pub(crate) fn text_number<R: Read>(token: &Token, window: &Window<R>) -> u64 {
    let line = window.slice(token.payload, token.length.min(32));
    line.and_then(decimal).unwrap_or(0)
}

/// A memo number in text.
pub(crate) fn decimal(line: &[u8]) -> Option<u64> {
    // The bound keeps sums in range; no memo holds that many objects.
    std::str::from_utf8(line).ok()?.trim().parse().ok().filter(|&number: &u64| number < 1 << 62)
}

/// The error for a part of the source that is gone when it is read again.
pub(crate) fn vanished(at: u64) -> PlainStop {
    Stop::Io(at, io::Error::new(ErrorKind::UnexpectedEof, "the file became shorter while it was read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, each time after an interruption, and fails at the end.
    struct Slow<'a> {
        bytes: &'a [u8],
        step: usize,
        is_interrupted: bool,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.is_interrupted = !self.is_interrupted;
            if self.is_interrupted {
                return Err(ErrorKind::Interrupted.into());
            }
            if self.bytes.is_empty() {
                return Err(io::Error::from_raw_os_error(5));
            }
            let most = buffer.len().min(self.step);
            self.bytes.read(&mut buffer[..most])
        }
    }

    /// An opcode, its place, and the place and the length of its payload.
    type Place = (u8, u64, u64, u64);

    /// A stream, and the opcode, place, and place and length of the payload of each token in it.
    fn tokens(base: u64) -> (Vec<u8>, Vec<Place>) {
        let (mut bytes, mut tokens) = (Vec::new(), Vec::new());
        for round in 0..20usize {
            let long = round * round * 3;
            let line = [&b"x".repeat(long)[..], b"\ny"].concat();
            let counted = [&b"X"[..], &(long as u32).to_le_bytes()].concat();
            let parts: [(&[u8], &[u8], &[u8]); 7] = [
                (b"N", b"", b""),
                (b"\x8c\x05", b"hello", b""),
                (&counted, &line[..long], b""),
                (b"V", &line[..long], b"\n"),
                (b"c", &line, b"\n"),
                (b"J\x01\x02\x03\x04", b"", b""),
                (b"G\x01\x02\x03\x04\x05\x06\x07\x08", b"", b""),
            ];
            for (header, payload, end) in parts {
                let at = base + bytes.len() as u64;
                tokens.push((header[0], at, at + header.len() as u64, payload.len() as u64));
                bytes.extend([header, payload, end].concat());
            }
        }
        (bytes, tokens)
    }

    #[test]
    fn windows_of_all_sizes_show_the_same_tokens() {
        let base = 1_000;
        let (bytes, wanted) = tokens(base);
        for size in [0, 17, 64, 4_096, 1 << 20] {
            for (step, behind) in [(1, 0), (7, 50), (1_000, 700), (1 << 20, 0)] {
                let slow = Slow { bytes: &bytes, step, is_interrupted: false };
                let mut window = Window::new(slow, Vec::new(), size, base);
                for &(op, at, payload, length) in &wanted {
                    assert_eq!(window.at(), at);
                    let keep = at.saturating_sub(behind).max(base);
                    let token = match window.token_at_hand().unwrap() {
                        Some(token) => token,
                        None => window.token(keep).unwrap_or_else(|_| panic!("no token at {at}")),
                    };
                    assert_eq!((token.op, token.at, token.payload, token.length), (op, at, payload, length));
                    let here = (keep - base) as usize..(payload + length - base) as usize;
                    assert_eq!(window.slice(keep, here.len() as u64), Some(&bytes[here]));
                }
                assert!(matches!(window.token(0), Err(Stop::Io(end, _)) if end == base + bytes.len() as u64));
                let most = 4 * (behind as usize + 1_200) + 2 * size.max(16);
                assert!(window.into_buffer().len() <= most);
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let bytes = b"N".repeat(3 * MOST_KEPT as usize);
        let mut window = Window::new(&bytes[..], Vec::new(), 1 << 16, 0);
        let mut at = 0;
        while at < bytes.len() as u64 {
            assert!(window.token(0).is_ok());
            at += 1;
            let kept = window.slice(0, at).is_some();
            assert!(kept || at > MOST_KEPT);
        }
        assert!(window.into_buffer().len() <= 2 * MOST_KEPT as usize);
        for (text, number) in [(&b" 17 "[..], Some(17)), (b"4611686018427387903", Some((1 << 62) - 1))] {
            assert_eq!(decimal(text), number);
        }
        for text in [&b"4611686018427387904"[..], b"x", b"", b"-1"] {
            assert_eq!(decimal(text), None);
        }
    }
}
