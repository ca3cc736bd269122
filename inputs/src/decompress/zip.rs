//! A zip archive with one file, read from front to back.
//!
//! Folders in it, and the attributes that macOS writes beside each file, are no files.

use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::decompress::damage::What;
use crate::decompress::kind::Compression;
use crate::decompress::packed::Packed;
use crate::shown::shown;

const KIND: Compression = Compression::Zip;

/// What comes next.
#[derive(Clone, Copy)]
enum Place {
    /// A header.
    Between,
    /// The data of a member.
    Data(Member),
    /// What follows the data of a member.
    After(Member),
    /// The end of the archive, once its comment is skipped.
    End,
}

/// A file or folder in the archive.
#[derive(Clone, Copy)]
struct Member {
    is_file: bool,
    is_stored: bool,
    /// Sum and lengths follow the data.
    is_streamed: bool,
    sum: u32,
    /// Length in the archive, and of the file.
    lengths: [u64; 2],
}

/// The one file, decompressed.
pub(crate) struct Zip<R> {
    packed: Packed<R>,
    place: Place,
    inflate: Decompress,
    /// Of the current member: its sum, how many bytes were taken and given.
    crc: Crc,
    taken: u64,
    given: u64,
    /// The name of the file.
    name: Option<Vec<u8>>,
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn short(bytes: &[u8], at: usize) -> usize {
    usize::from(number(bytes, at, 2) as u16)
}

fn damaged(what: &str) -> io::Error {
    What::Other(what.to_owned()).of(KIND)
}

impl<R: Read> Zip<R> {
    pub fn new(packed: Packed<R>) -> Self {
        let inflate = Decompress::new(false);
        Zip { packed, place: Place::Between, inflate, crc: Crc::new(), taken: 0, given: 0, name: None }
    }

    /// The next bytes, all of them.
    fn head(&mut self, length: usize) -> io::Result<&[u8]> {
        let head = self.packed.peek(length)?;
        if head.len() < length { Err(What::EarlyEnd.of(KIND)) } else { Ok(head) }
    }

    /// Reads a header.
    fn header(&mut self) -> io::Result<Place> {
        if !self.packed.skip()? {
            return Err(What::EarlyEnd.of(KIND));
        }
        let skip = match self.head(4)? {
            b"PK\x03\x04" => return self.member().map(Place::Data),
            b"PK\x01\x02" => {
                let head = self.head(46)?;
                46 + short(head, 28) + short(head, 30) + short(head, 32)
            }
            // Of archives with long files.
            b"PK\x06\x06" => {
                let rest = number(self.head(12)?, 4, 8);
                self.packed.skip = rest.saturating_add(12);
                return Ok(Place::Between);
            }
            b"PK\x06\x07" => 20,
            b"PK\x05\x06" => 22 + short(self.head(22)?, 20),
            _ => return Err(damaged("a header is missing")),
        };
        let is_end = self.head(4)? == b"PK\x05\x06";
        self.packed.skip = skip as u64;
        Ok(if is_end { Place::End } else { Place::Between })
    }

    /// Reads the header of a member.
    fn member(&mut self) -> io::Result<Member> {
        let head = self.head(30)?;
        let (name_end, end) = (30 + short(head, 26), 30 + short(head, 26) + short(head, 28));
        let head = self.head(end)?;
        let (flags, method) = (short(head, 6), short(head, 8));
        let name = head[30..name_end].to_vec();
        let mut lengths = [number(head, 18, 4), number(head, 22, 4)];
        if lengths.contains(&u64::from(u32::MAX)) {
            long_lengths(&head[name_end..], &mut lengths);
        }
        let sum = number(head, 14, 4) as u32;
        let is_file = !name.ends_with(b"/") && !name.starts_with(b"__MACOSX/");
        let (is_stored, is_streamed) = (method == 0, flags & 8 != 0);
        let refused = match method {
            _ if flags & 0x2041 != 0 => Some("is encrypted".to_owned()),
            0 if is_streamed && is_file => Some("does not say where its file ends".to_owned()),
            0 | 8 => None,
            other => Some(format!("is compressed with method {other}")),
        };
        if let Some(refused) = refused {
            return Err(What::Unpack(refused).of(KIND));
        }
        if is_file && let Some(first) = self.name.replace(name.clone()) {
            let detail = format!("holds several files, such as {} and {}", shown(&first), shown(&name));
            return Err(What::Unpack(detail).of(KIND));
        }
        self.packed.consume(end);
        (self.taken, self.given) = (0, 0);
        self.crc.reset();
        self.inflate.reset(false);
        Ok(Member { is_file, is_stored, is_streamed, sum, lengths })
    }

    /// Reads data of a member; returns its length and whether the member ends.
    fn data(&mut self, member: Member, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let length = member.lengths[0];
        if member.is_stored && self.taken == length {
            return Ok((0, true));
        }
        let input = self.packed.fill_buf()?;
        let is_end = input.is_empty();
        let (taken, given, ended) = if member.is_stored {
            let left = usize::try_from(length - self.taken).unwrap_or(usize::MAX);
            let count = left.min(input.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&input[..count]);
            (count, count, false)
        } else {
            let inflate = &mut self.inflate;
            let status = inflate.decompress(input, buffer, FlushDecompress::None);
            let ended = status.map_err(|error| damaged(&error.to_string()))? == Status::StreamEnd;
            let taken = (inflate.total_in() - self.taken) as usize;
            (taken, (inflate.total_out() - self.given) as usize, ended)
        };
        self.packed.consume(taken);
        self.taken += taken as u64;
        self.given += given as u64;
        self.crc.update(&buffer[..given]);
        if taken == 0 && given == 0 && !ended {
            return Err(if is_end { What::EarlyEnd.of(KIND) } else { damaged("it leads nowhere") });
        }
        Ok((given, ended))
    }

    /// Compares a member with its sum and lengths.
    fn check(&mut self, member: Member) -> io::Result<()> {
        let (sum, lengths) = (self.crc.sum(), [self.taken, self.given]);
        let is_right = if member.is_streamed {
            // With or without a signature, and with lengths of 8 or 4 bytes.
            let layouts = [(4, 8), (4, 4), (0, 8), (0, 4)];
            let head = self.packed.peek(24)?;
            let is_whole = head.len() == 24;
            let found = layouts.into_iter().find(|&(start, width)| {
                let found = [number(head, start + 4, width), number(head, start + 4 + width, width)];
                (start == 0 || head.starts_with(b"PK\x07\x08"))
                    && (number(head, start, 4), found) == (u64::from(sum), lengths)
            });
            if found.is_none() && !is_whole {
                return Err(What::EarlyEnd.of(KIND));
            }
            self.packed.consume(found.map_or(0, |(start, width)| start + 4 + 2 * width));
            found.is_some()
        } else {
            (sum, lengths) == (member.sum, member.lengths)
        };
        if is_right { Ok(()) } else { Err(damaged("its sum or its length is another")) }
    }

    /// Checks that the archive ends here.
    fn end(&mut self) -> io::Result<()> {
        if !self.packed.skip()? {
            return Err(What::EarlyEnd.of(KIND));
        }
        if !self.packed.peek(1)?.is_empty() {
            return Err(What::Followed(self.packed.at).of(KIND));
        }
        match self.name {
            Some(_) => Ok(()),
            None => Err(What::Unpack("holds no file".to_owned()).of(KIND)),
        }
    }
}

/// Finds the lengths that have no room in a header: those of the file first.
fn long_lengths(mut extra: &[u8], lengths: &mut [u64; 2]) {
    while extra.len() >= 4 {
        let end = (4 + short(extra, 2)).min(extra.len());
        if short(extra, 0) == 1 {
            let mut at = 4;
            for length in lengths.iter_mut().rev().filter(|length| **length == u64::from(u32::MAX)) {
                *length = number(&extra[..end], at, 8);
                at += 8;
            }
            return;
        }
        extra = &extra[end..];
    }
}

impl<R: Read> Read for Zip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.place {
                Place::Between => self.place = self.header()?,
                Place::Data(member) => {
                    let (given, ended) = self.data(member, buffer)?;
                    if ended {
                        self.place = Place::After(member);
                    }
                    if given > 0 && member.is_file {
                        return Ok(given);
                    }
                }
                Place::After(member) => {
                    self.check(member)?;
                    self.place = Place::Between;
                }
                Place::End => return self.end().map(|()| 0),
            }
        }
    }
}
