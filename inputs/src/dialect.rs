//! How delimited text is written. Feed and workers share these rules, so that blocks end where rows end.

use std::str::FromStr;

use crate::format::UnknownName;
use crate::scan;

/// How quotes are read in delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// They are characters like any other.
    Off,
    /// By RFC 4180: a quoted field begins and ends with a quote; a quote anywhere else is an error.
    Strict,
    /// A quote within a bare field, and text behind a closing quote, are taken as they stand.
    Lenient,
    /// As strict, but in a quoted field a backslash may stand in front of a quote or a backslash.
    Backslash,
}

impl Quotes {
    /// The names of all, in the order of the variants.
    pub const NAMES: &[&str] = &["off", "strict", "lenient", "backslash"];

    /// Whether a quote within a bare field, and text behind a closing quote, are errors.
    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Quotes::Strict | Quotes::Backslash)
    }
}

impl FromStr for Quotes {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        match word {
            "off" => Ok(Quotes::Off),
            "strict" => Ok(Quotes::Strict),
            "lenient" => Ok(Quotes::Lenient),
            "backslash" => Ok(Quotes::Backslash),
            _ => Err(UnknownName {
                word: word.to_owned(),
                what: "way to read quotes",
                choices: Quotes::NAMES.join(", "),
            }),
        }
    }
}

/// What stands between two columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delimiter {
    /// These bytes; at least one, and no newline.
    Text(Vec<u8>),
    /// Any number of spaces and TABs. Those at the ends of a row do not count.
    Blanks,
}

impl FromStr for Delimiter {
    type Err = UnknownName;

    /// `blanks`, or the text itself, in which `\t` stands for a TAB, `\\` for a backslash, and `\xHH` for any byte.
    ///
    /// ```
    /// use hashlith_inputs::Delimiter;
    ///
    /// assert_eq!(r"\t|\t".parse(), Ok(Delimiter::Text(b"\t|\t".to_vec())));
    /// assert_eq!("blanks".parse(), Ok(Delimiter::Blanks));
    /// assert!("".parse::<Delimiter>().is_err());
    /// ```
    fn from_str(word: &str) -> Result<Self, UnknownName> {
        let wrong = || UnknownName {
            word: word.to_owned(),
            what: "delimiter",
            choices:
                r"any text without a newline, in which \t is a TAB, \\ a backslash and \x1f a byte; or blanks"
                    .to_owned(),
        };
        if word == "blanks" {
            return Ok(Delimiter::Blanks);
        }
        let (mut bytes, mut rest) = (Vec::new(), word.as_bytes());
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'\\' {
                bytes.push(byte);
                continue;
            }
            let (&kind, after) = rest.split_first().ok_or_else(wrong)?;
            rest = after;
            match kind {
                b't' => bytes.push(b'\t'),
                b'\\' => bytes.push(b'\\'),
                b'x' => {
                    let digits =
                        rest.get(..2).and_then(|two| std::str::from_utf8(two).ok()).ok_or_else(wrong)?;
                    bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
                    rest = &rest[2..];
                }
                _ => return Err(wrong()),
            }
        }
        let bad = bytes.is_empty() || bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'"'));
        if bad { Err(wrong()) } else { Ok(Delimiter::Text(bytes)) }
    }
}

/// How the rows of one file are written.
#[derive(Debug, Clone)]
pub(crate) struct Dialect {
    pub delimiter: Delimiter,
    pub quotes: Quotes,
    pub comment: Option<Vec<u8>>,
}

/// Where a quoted field ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Behind the closing quote at this offset.
    At(usize),
    /// Something that may not be there follows the closing quote.
    Text,
    /// Not within these bytes.
    Open,
}

impl Dialect {
    /// The delimiter's bytes; of blanks none.
    pub fn text(&self) -> &[u8] {
        match &self.delimiter {
            Delimiter::Text(text) => text,
            Delimiter::Blanks => b"",
        }
    }

    /// Whether the line, with or without what follows it, is a comment.
    pub fn is_comment(&self, line: &[u8]) -> bool {
        self.comment.as_ref().is_some_and(|comment| line.starts_with(comment))
    }

    /// How many bytes are whole rows: up to the last newline outside of quotes.
    pub fn cut(&self, bytes: &[u8], at_end: bool) -> usize {
        if self.quotes == Quotes::Off {
            return if at_end {
                bytes.len()
            } else {
                scan::last(b'\n', bytes).map_or(0, |newline| newline + 1)
            };
        }
        let mut last = 0;
        // A row begins at `plain`, or a field does behind a quoted one; from there on there are no quotes before `from`.
        let (mut plain, mut from) = (0, 0);
        while let Some(quote) = scan::first(b'"', &bytes[from..]).map(|at| from + at) {
            let before = &bytes[plain..quote];
            let opens = before.is_empty() || before.ends_with(b"\n") || before.ends_with(self.text());
            if !opens && self.quotes == Quotes::Lenient {
                from = quote + 1;
                continue;
            }
            if let Some(newline) = scan::last(b'\n', before) {
                (plain, last) = (plain + newline + 1, plain + newline + 1);
            }
            let is_comment = last == plain && self.is_comment(&bytes[last..]);
            let closing =
                if opens && !is_comment { self.closing(bytes, quote + 1, at_end) } else { Closing::Text };
            match closing {
                Closing::At(after) => (plain, from) = (after, after),
                Closing::Open if !at_end => return last,
                Closing::Text | Closing::Open => {
                    let Some(newline) = scan::first(b'\n', &bytes[quote..]) else {
                        return if at_end { bytes.len() } else { last };
                    };
                    last = quote + newline + 1;
                    (plain, from) = (last, last);
                }
            }
        }
        if at_end {
            return bytes.len();
        }
        scan::last(b'\n', &bytes[plain..]).map_or(last, |newline| plain + newline + 1)
    }

    /// Where the quoted field ends that continues at `from`.
    pub fn closing(&self, bytes: &[u8], mut from: usize, at_end: bool) -> Closing {
        loop {
            let quote = match self.quotes {
                Quotes::Backslash => {
                    let found = memchr::memchr2(b'"', b'\\', &bytes[from..]);
                    scan::looked_at(found.unwrap_or(bytes.len() - from));
                    found
                }
                _ => scan::first(b'"', &bytes[from..]),
            };
            let Some(quote) = quote.map(|at| from + at) else { return Closing::Open };
            if bytes[quote] == b'\\' {
                from = quote + 2;
                if from > bytes.len() {
                    return Closing::Open;
                }
                continue;
            }
            let rest = &bytes[quote + 1..];
            let is_start_of = |text: &[u8]| !at_end && text.len() > rest.len() && text.starts_with(rest);
            match rest {
                [b'"', ..] => from = quote + 2,
                // What follows has not been read.
                [] if !at_end => return Closing::Open,
                [] | [b'\n', ..] | [b'\r', b'\n', ..] => return Closing::At(quote + 1),
                [b'\r'] if at_end => return Closing::At(quote + 1),
                _ if rest.starts_with(self.text()) => return Closing::At(quote + 1),
                _ if is_start_of(self.text()) || is_start_of(b"\r\n") => return Closing::Open,
                _ if self.quotes == Quotes::Lenient => return Closing::At(quote + 1),
                _ => return Closing::Text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(quotes: Quotes, comment: Option<&str>) -> Dialect {
        let comment = comment.map(|comment| comment.as_bytes().to_vec());
        Dialect { delimiter: Delimiter::Text(b",".to_vec()), quotes, comment }
    }

    #[test]
    fn blocks_end_behind_the_last_newline_outside_quotes() {
        for (bytes, at_end, wanted) in [
            (&b"a,b\nc"[..], false, 4),
            (b"a,b\nc", true, 5),
            (b"a\n\"b\nc\",\n\"\n", false, 9),
            (b"\"a\nb\"", false, 0),
            (b"\n\r\n", false, 3),
            // A bad quote ends with its line.
            (b"a\"b\nc\n\"", false, 6),
            (b"\"a\nb\"c\nd", false, 7),
            (b"a,\"b\nc\nd", true, 8),
        ] {
            let found = dialect(Quotes::Strict, None).cut(bytes, at_end);
            assert_eq!(found, wanted, "{}", bytes.escape_ascii());
        }
        assert_eq!(dialect(Quotes::Strict, Some("#")).cut(b"# it's \"\na,b\nc", false), 13);
        assert_eq!(dialect(Quotes::Lenient, None).cut(b"a\"b\n\"c\"d\"\ne", false), 10);
    }
}
