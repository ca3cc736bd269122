//! Kinds of compression, by their first bytes.

/// How many bytes tell the kind, and what a frame needs.
pub(crate) const HEAD: usize = 18;

/// How data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    /// The format before xz.
    Lzma,
    Lz4,
    Zip,
    /// Only around pickles, as joblib writes them: text may begin like it.
    Zlib,
}

/// Those that are recognized in any file.
const KINDS: [Compression; 7] = [
    Compression::Gzip,
    Compression::Zstd,
    Compression::Bzip2,
    Compression::Xz,
    Compression::Lzma,
    Compression::Lz4,
    Compression::Zip,
];

impl Compression {
    /// What data with this head is. A skippable frame belongs to zstd or lz4: the frame after it tells which.
    pub fn of(head: &[u8]) -> Self {
        let found = KINDS.into_iter().find(|kind| kind.begins(head, false));
        found.unwrap_or(if skippable(head) { Compression::Zstd } else { Compression::None })
    }

    /// What a pickle with this head is. No opcode is what zlib begins with.
    pub fn of_pickle(head: &[u8]) -> Self {
        match Self::of(head) {
            Compression::None if Compression::Zlib.begins(head, false) => Compression::Zlib,
            found => found,
        }
    }

    /// Whether a member or frame begins with this head; if the data ends in it, whether it may be one that is cut off.
    pub fn begins(self, head: &[u8], is_end: bool) -> bool {
        let is = |magic: &[u8]| head.starts_with(magic) || is_end && magic.starts_with(head);
        let is_skipped =
            || is_end && matches!(head, [0x50..=0x5f] | [0x50..=0x5f, 0x2a] | [0x50..=0x5f, 0x2a, 0x4d]);
        match self {
            Compression::None => false,
            // The method, deflate, is the only one there is.
            Compression::Gzip => is(&[0x1f, 0x8b, 8]),
            Compression::Zstd => is(&[0x28, 0xb5, 0x2f, 0xfd]) || is_skipped(),
            // The head of a stream is text. The first block, or the end if there is none, is not.
            Compression::Bzip2 => {
                let level = head.get(3).copied().filter(|level| matches!(level, b'1'..=b'9')).unwrap_or(b'9');
                is(&[b'B', b'Z', b'h', level, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                    || is(&[b'B', b'Z', b'h', level, 0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
            }
            Compression::Xz => is(&[0xfd, b'7', b'z', b'X', b'Z', 0]),
            Compression::Lzma => lzma(head),
            Compression::Lz4 => is(&[0x04, 0x22, 0x4d, 0x18]) || is_skipped(),
            // An archive without members begins with its end.
            Compression::Zip => is(b"PK\x03\x04") || is(b"PK\x05\x06"),
            // Deflate with the usual window, and no dictionary. RFC 1950, section 2.2.
            Compression::Zlib => match head {
                [0x78, flags, ..] => (0x7800 + u32::from(*flags)).is_multiple_of(31) && flags & 0x20 == 0,
                _ => is_end && head == [0x78],
            },
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Lzma => "lzma",
            Compression::Lz4 => "lz4",
            Compression::Zip => "zip",
            Compression::Zlib => "zlib",
        }
    }

    /// The command that decompresses it, whatever it needs.
    pub fn command(self) -> &'static str {
        match self {
            Compression::Zstd => "zstd -d --long=31",
            Compression::Xz | Compression::Lzma => "xz -dc",
            other => other.name(),
        }
    }
}

/// Whether a frame to be skipped begins here. There are 16 kinds of them.
pub(crate) fn skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// These files have no magic number: all of the header must be what the tools write. So the first byte is 0x5d, the size of
/// the dictionary is 2^n or 2^n + 2^(n-1), the length is unknown or less than 256 GiB, and the data begins with a zero.
fn lzma(head: &[u8]) -> bool {
    let Some((&[0x5d, ref size @ ..], [rest @ .., 0])) =
        head.get(..14).and_then(|head| head.split_first_chunk::<5>())
    else {
        return false;
    };
    let size = u32::from_le_bytes(*size);
    let highest = size.checked_ilog2().map_or(0, |bit| 1 << bit);
    let length = rest.iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte));
    size >= 1 << 12
        && (size == highest || size == highest | highest >> 1 || size == u32::MAX)
        && (length == u64::MAX || length < 1 << 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zlib_is_recognized_around_pickles() {
        for (head, wanted) in [
            (&b"\x78\x01"[..], Compression::Zlib),
            (b"x^k`", Compression::Zlib),
            (b"\x78\xda", Compression::Zlib),
            (b"\x78\x9c", Compression::Zlib),
            (b"\x78\xbb", Compression::None),
            (b"xy", Compression::None),
            (b"x", Compression::None),
            (b"\x80\x04}", Compression::None),
            (b"\x1f\x8b\x08", Compression::Gzip),
        ] {
            assert_eq!(Compression::of_pickle(head), wanted, "{head:?}");
        }
    }

    /// What only begins like compressed data is read as it is.
    #[test]
    fn text_is_not_mistaken() {
        for text in [
            &b"BZh9\tthe level of a bzip2 file\n"[..],
            b"BZ\t1\n",
            b"PK\tprimary key\n",
            b"PK\x03\t1\n",
            b"]\t]\n",
            b"]q\x00(U\x01aq\x01e.",
            b"]\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            b"]\x00\x00\x80\x00key\tvalue\n",
            b"\x1f\x8bkey\tvalue\n",
            b"7zXZ\t1\n",
            b"(c)\t1\n",
            b"P*M\t1\n",
            b"\x04\"M\t1\n",
            b"x^\t1\n",
            b"",
        ] {
            assert_eq!(Compression::of(text), Compression::None, "{text:?}");
        }
    }
}
