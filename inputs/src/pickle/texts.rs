//! Gets the bytes of strings, from the window or from further back in the pickle.

use crate::encoding::Encoding;

use crate::block::Buffers;
use crate::pickle::input::Input;
use crate::pickle::item::{Kind, Span};
use crate::pickle::row_error::RowError;
use crate::pickle::slots::Slots;
use crate::pickle::text;
use crate::pickle::window::Window;
use crate::scan;
use crate::stop::PlainStop;

/// Longest string in the cache.
const LONGEST: u64 = 4 << 10;
/// Most bytes in the cache.
const MOST: usize = 8 << 20;

/// Appends the decoded form of a string.
type Decode<'a> = &'a dyn Fn(&[u8], &mut Vec<u8>) -> Result<(), text::Wrong>;

/// Which of the two buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Key,
    Value,
}

/// Buffers for decoded strings, and a cache of strings that are referred to from far away.
pub(crate) struct Texts {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// Strings before they are decoded, and strings within JSON.
    pub raw: Vec<u8>,
    pub part: Vec<u8>,
    /// By the offset of the opcode.
    cache: Slots<Box<[u8]>, { 1 << 16 }>,
    cached: usize,
    /// The encoding of Python 2's `str`; `None` is UTF-8.
    encoding: Option<Encoding>,
}

impl Texts {
    pub fn new(encoding: Option<Encoding>) -> Self {
        Texts {
            key: Vec::new(),
            value: Vec::new(),
            raw: Vec::new(),
            part: Vec::new(),
            cache: Slots::default(),
            cached: 0,
            encoding,
        }
    }

    /// Decodes a Python 2 `str` in one of the buffers.
    pub fn decode_old(&mut self, which: Which) -> Result<(), RowError> {
        let encoding = self.encoding;
        text::decode_old(
            encoding,
            match which {
                Which::Key => &mut self.key,
                Which::Value => &mut self.value,
            },
        )
    }

    /// Decodes a Python 2 `str` in `part`.
    pub fn decode_old_part(&mut self) -> Result<(), RowError> {
        text::decode_old(self.encoding, &mut self.part)
    }

    /// Exchanges the buffers of whole strings.
    pub fn swap(&mut self, buffers: &mut Buffers) {
        std::mem::swap(&mut self.value, &mut buffers.bytes);
        std::mem::swap(&mut self.key, &mut buffers.scratch.key);
        std::mem::swap(&mut self.raw, &mut buffers.scratch.value);
    }

    pub fn buffer(&self, which: Which) -> &[u8] {
        match which {
            Which::Key => &self.key,
            Which::Value => &self.value,
        }
    }

    /// Puts a decoded string into one of the buffers.
    pub fn load(&mut self, span: Span, window: &mut Window<Input<'_>>, which: Which) -> Result<(), RowError> {
        let mut buffer = std::mem::take(match which {
            Which::Key => &mut self.key,
            Which::Value => &mut self.value,
        });
        buffer.clear();
        let result = self.decode(span, window, &mut buffer);
        match which {
            Which::Key => self.key = buffer,
            Which::Value => self.value = buffer,
        }
        result
    }

    /// Puts a decoded string, or the bytes of a number, into `part`.
    pub fn load_part(&mut self, span: Span, window: &mut Window<Input<'_>>) -> Result<(), RowError> {
        let mut part = std::mem::take(&mut self.part);
        part.clear();
        let result = self.decode(span, window, &mut part);
        self.part = part;
        result
    }

    fn decode(
        &mut self,
        span: Span,
        window: &mut Window<Input<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        let decode: Decode<'_> = match span.kind {
            Kind::Utf8 | Kind::Bytes | Kind::Old | Kind::LongBinary | Kind::LongDigits => {
                return Ok(self.append(span, window, out)?);
            }
            Kind::Escaped => &text::unescape_unicode,
            Kind::OldQuoted => &text::unquote,
            Kind::Latin1OfUtf8 => &text::latin1,
            Kind::Latin1OfEscaped => &|line, out| {
                let mut utf8 = Vec::new();
                text::unescape_unicode(line, &mut utf8)?;
                text::latin1(&utf8, out)
            },
            Kind::Ucs4 => &text::ucs4,
            Kind::Ucs4OfUtf8 => &|utf8, out| {
                let mut bytes = Vec::new();
                text::latin1(utf8, &mut bytes)?;
                text::ucs4(&bytes, out)
            },
            Kind::Ucs4OfEscaped => &|line, out| {
                let (mut utf8, mut bytes) = (Vec::new(), Vec::new());
                text::unescape_unicode(line, &mut utf8)?;
                text::latin1(&utf8, &mut bytes)?;
                text::ucs4(&bytes, out)
            },
        };
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        let result = self.append(span, window, &mut raw);
        let result = result.map_err(RowError::Stop).and_then(|()| {
            out.reserve(raw.len());
            decode(&raw, out).map_err(|wrong| format!("is malformed ({wrong})").into())
        });
        self.raw = raw;
        result
    }

    /// Appends a string as it is in the pickle.
    fn append(
        &mut self,
        span: Span,
        window: &mut Window<Input<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), PlainStop> {
        scan::looked_at(span.length as usize);
        if let Some(bytes) = window.slice(span.payload(), span.length) {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        if span.length > LONGEST {
            return window.reader.append(span.payload(), span.length, out);
        }
        if let Some(bytes) = self.cache.get(span.op) {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        let start = out.len();
        window.reader.append(span.payload(), span.length, out)?;
        self.keep(span, &out[start..]);
        Ok(())
    }

    /// Keeps a string that is likely to be needed again, as it is in the pickle.
    pub fn keep(&mut self, span: Span, bytes: &[u8]) {
        if span.length > LONGEST {
            return;
        }
        if self.cached > MOST {
            self.cache = Slots::default();
            self.cached = 0;
        }
        let before = self.cache.put(span.op, bytes.into());
        self.cached += bytes.len();
        self.cached -= before.map_or(0, |bytes| bytes.len());
    }
}
