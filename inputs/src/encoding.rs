//! Text in other encodings than UTF-8.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind, Read};

use encoding_rs::{Decoder, DecoderResult};
use hashlith_feedback::Advice;

use crate::bad_row::Reason;

/// An encoding of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// ISO 8859-1: each byte is the character with its number. On the web this name stands for windows-1252, which has other
    /// characters for the bytes 0x80 to 0x9f; here, as in Python, it does not.
    Latin1,
    /// An encoding of the web.
    Web(&'static encoding_rs::Encoding),
}

/// The encoding with this name, in upper or lower case: a label of the [Encoding
/// Standard](https://encoding.spec.whatwg.org/#names-and-labels), or a usual name that Python has for one of them.
///
/// ```
/// use hashlith_inputs::{Encoding, encoding};
///
/// assert_eq!(encoding("latin-1"), Some(Encoding::Latin1));
/// assert_eq!(encoding("UTF-16").map(Encoding::name), Some("UTF-16LE"));
/// assert_eq!(encoding("utf-42"), None);
/// ```
pub fn encoding(name: &str) -> Option<Encoding> {
    let lower = name.trim().to_ascii_lowercase();
    let hyphens = lower.replace('_', "-");
    let other = match hyphens.as_str() {
        "latin-1" | "latin1" | "l1" | "iso-8859-1" | "iso8859-1" | "iso88591" => {
            return Some(Encoding::Latin1);
        }
        // UTF-8 has ASCII in it; on the web the name stands for windows-1252.
        "ascii" | "us-ascii" | "utf-8-sig" => return Some(Encoding::Web(encoding_rs::UTF_8)),
        "utf-16-le" => "utf-16le",
        "utf-16-be" => "utf-16be",
        "mac-roman" => "macintosh",
        "cp932" => "windows-31j",
        "cp936" => "gbk",
        "cp949" => "euc-kr",
        "cp950" => "big5",
        label => label,
    };
    let label = encoding_rs::Encoding::for_label(lower.as_bytes());
    label.or_else(|| encoding_rs::Encoding::for_label(other.as_bytes())).map(Encoding::Web)
}

impl Encoding {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Latin1 => "ISO-8859-1",
            Encoding::Web(encoding) => encoding.name(),
        }
    }

    /// The text of these bytes; `None` if they are not text in this encoding.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Encoding::Latin1 => Some(encoding_rs::mem::decode_latin1(bytes)),
            Encoding::Web(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        }
    }
}

/// Bytes that are not text in the encoding that was named; travels inside an [`io::Error`].
#[derive(Debug)]
pub(crate) struct NotInEncoding {
    encoding: Encoding,
    /// Offset in the decompressed source.
    at: u64,
}

impl fmt::Display for NotInEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotInEncoding { encoding, at } = self;
        write!(
            f,
            "the text is not {}: byte {at} cannot be decoded; name the encoding that the file has",
            encoding.name()
        )
    }
}

impl std::error::Error for NotInEncoding {}

/// Reads text as UTF-8, without its byte order mark.
pub(crate) struct Decoded<R> {
    inner: R,
    encoding: Encoding,
    /// `None` for Latin-1, which needs none.
    decoder: Option<Decoder>,
    input: Vec<u8>,
    /// What has been read and not decoded.
    from: usize,
    to: usize,
    /// How many bytes have been decoded.
    at: u64,
    output: Vec<u8>,
    /// What has been decoded and not returned.
    given: usize,
    filled: usize,
    is_end: bool,
}

impl<R: Read> Decoded<R> {
    pub fn new(inner: R, encoding: Encoding) -> Self {
        const PIECE: usize = 1 << 16;
        Decoded {
            inner,
            encoding,
            decoder: match encoding {
                Encoding::Latin1 => None,
                Encoding::Web(encoding) => Some(encoding.new_decoder()),
            },
            input: vec![0; PIECE],
            from: 0,
            to: 0,
            at: 0,
            output: vec![0; PIECE],
            given: 0,
            filled: 0,
            is_end: false,
        }
    }

    /// Decodes some more; false at the end of the text.
    fn decode(&mut self) -> io::Result<bool> {
        if self.is_end && self.from == self.to {
            return Ok(false);
        }
        if self.from == self.to {
            (self.from, self.to) = (0, self.inner.read(&mut self.input)?);
            self.is_end = self.to == 0;
        }
        let input = &self.input[self.from..self.to];
        let (result, read, written) = match &mut self.decoder {
            Some(decoder) => decoder.decode_to_utf8_without_replacement(input, &mut self.output, self.is_end),
            None => {
                // A byte becomes two at most.
                let read = input.len().min(self.output.len() / 2);
                let written = encoding_rs::mem::convert_latin1_to_utf8(&input[..read], &mut self.output);
                (DecoderResult::InputEmpty, read, written)
            }
        };
        self.from += read;
        self.at += read as u64;
        (self.given, self.filled) = (0, written);
        if let DecoderResult::Malformed(length, after) = result {
            let at = self.at.saturating_sub(u64::from(length) + u64::from(after));
            let wrong = NotInEncoding { encoding: self.encoding, at };
            return Err(io::Error::new(ErrorKind::InvalidData, wrong));
        }
        Ok(!self.is_end || written > 0 || result == DecoderResult::OutputFull)
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.filled {
            if !self.decode()? {
                return Ok(0);
            }
        }
        let got = (&self.output[self.given..self.filled]).read(buffer)?;
        self.given += got;
        Ok(got)
    }
}

/// What is wrong if text that begins like this is not UTF-8, but UTF-16 or UTF-32.
pub(crate) fn wide(bytes: &[u8]) -> Option<Reason> {
    if let [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] = bytes {
        return Some("the file is UTF-32: convert it to UTF-8".into());
    }
    let what = format!("the file is UTF-16 (the encoding {}), not UTF-8", utf16(bytes)?);
    Some(Reason::with(Advice::Encoding, what))
}

/// The encoding of text that begins like this, if it is UTF-16: by its byte order mark, or because of zeros.
fn utf16(bytes: &[u8]) -> Option<&'static str> {
    /// Bytes of text that are looked at.
    const LOOKED_AT: usize = 256;
    match bytes {
        [0xff, 0xfe, ..] => return Some("utf-16le"),
        [0xfe, 0xff, ..] => return Some("utf-16be"),
        _ => {}
    }
    let units = &bytes[..bytes.len().min(LOOKED_AT) & !1];
    // One byte of an ASCII character is zero. Any other character may stand between TABs, ends of lines or the signs of JSON, but is not
    // made of such a byte: in UTF-8 these would stand alone.
    let all = |zero: usize| {
        let mut signs = 0;
        let mut others = false;
        let fits = units.chunks_exact(2).all(|unit| match (unit[zero], unit[1 - zero]) {
            (0, 0) => false,
            (0, ascii) => {
                signs += usize::from(matches!(ascii, b'\t' | b'\n' | b'"'));
                true
            }
            (high, low) => {
                others = true;
                [high, low].iter().all(|byte| !matches!(byte, 0 | b'\t' | b'\n' | b'"'))
            }
        });
        fits && (!others || signs > 0)
    };
    match units.len() {
        0..4 => None,
        _ if all(1) => Some("utf-16le"),
        _ if all(0) => Some("utf-16be"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            let most = buffer.len().min(self.1 % 3 + 1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn text_comes_back_in_pieces_of_any_size() {
        let text = "key\tvälue €😀\n".repeat(50);
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&b"\xff\xfe"[..], &utf16].concat();
        let latin: Vec<u8> =
            "käse\n".repeat(9).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        for (label, bytes, wanted) in [
            ("utf-16le", &utf16, &text),
            ("utf-16", &marked, &text),
            ("utf-16be", &marked, &text),
            ("latin1", &latin, &"käse\n".repeat(9)),
            ("latin-1", &(0..=255).collect(), &(0..=255u8).map(char::from).collect()),
            ("utf-8", &text.clone().into_bytes(), &text),
            ("utf-8", &vec![], &String::new()),
        ] {
            let encoding = encoding(label).unwrap();
            let mut reader = Decoded::new(Slow(bytes, 0), encoding);
            let (mut found, mut piece) = (Vec::new(), [0; 5]);
            loop {
                match reader.read(&mut piece).unwrap() {
                    0 => break,
                    got => found.extend_from_slice(&piece[..got]),
                }
            }
            assert!(found == wanted.as_bytes(), "{label}: {}", String::from_utf8_lossy(&found));
        }
    }

    #[test]
    fn what_is_not_text_is_an_error_with_its_place() {
        for (label, bytes, at) in [
            ("utf-8", &b"abc\xffdef"[..], 3),
            ("utf-16le", b"a\0b\0\0\xdcc\0", 4),
            ("utf-16le", b"a\0b", 2),
            ("shift_jis", b"ab\x81", 2),
        ] {
            let mut reader = Decoded::new(bytes, encoding(label).unwrap());
            let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
            let wrong = error.downcast::<NotInEncoding>().unwrap();
            assert_eq!(wrong.at, at, "{label} {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn utf16_is_known_by_its_first_bytes() {
        for (bytes, wanted) in [
            (&b"\xff\xfek\0"[..], Some("utf-16le")),
            (b"\xfe\xff\0k", Some("utf-16be")),
            (b"k\x001\0\t\0", Some("utf-16le")),
            (b"\0k\x001", Some("utf-16be")),
            (
                "ключ\tключ\n".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>().as_slice(),
                Some("utf-16be"),
            ),
            (b"\x04\x3a\x04\x3b\0k", None),
            (b"k\0\tv\0\n", None),
            (b"k\x001\0\t\0\0\0", None),
            (b"k\0", None),
            (b"key\tvalue", None),
            (b"\0\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(utf16(bytes), wanted, "{}", bytes.escape_ascii());
        }
    }
}
