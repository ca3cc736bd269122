//! Frames of lz4, one after the other.

use std::io::{self, ErrorKind, Read};

use lz4_flex::frame::FrameDecoder;

use crate::decompress::damage::What;
use crate::decompress::kind::Compression;
use crate::decompress::packed::Packed;

const KIND: Compression = Compression::Lz4;

/// The frames, decompressed.
pub(crate) struct Lz4Frames<R: Read> {
    /// `None` only while it is replaced.
    frame: Option<FrameDecoder<Packed<R>>>,
    /// No frame has begun since the last one ended.
    between: bool,
}

impl<R: Read> Lz4Frames<R> {
    pub fn new(packed: Packed<R>) -> Self {
        Lz4Frames { frame: Some(FrameDecoder::new(packed)), between: true }
    }
}

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = self.frame.as_mut().filter(|_| !buffer.is_empty()) {
            if self.between {
                match frame.get_mut().begin(KIND)? {
                    None => break,
                    // The flag of a dictionary.
                    Some([_, _, _, _, flags, ..]) if flags & 1 != 0 => {
                        return Err(What::Unpack("needs a dictionary".to_owned()).of(KIND));
                    }
                    Some(_) => self.between = false,
                }
            }
            match frame.read(buffer) {
                Ok(0) => {}
                Ok(got) => return Ok(got),
                Err(error) => return Err(explain(error)),
            }
            // The decoder takes a frame without an end mark for a whole one.
            if frame.get_ref().is_short {
                return Err(What::EarlyEnd.of(KIND));
            }
            self.between = true;
            // A decoder keeps the buffers of its first frame, which may be too small.
            self.frame = self.frame.take().map(|frame| {
                let mut packed = frame.into_inner();
                packed.ended_at = packed.at;
                FrameDecoder::new(packed)
            });
        }
        Ok(0)
    }
}

/// What an error of the decoder means. An error of the system stays what it is.
#[cold]
fn explain(error: io::Error) -> io::Error {
    let of_decoder = error.get_ref().is_some_and(|inner| inner.is::<lz4_flex::frame::Error>());
    match error.kind() {
        ErrorKind::UnexpectedEof => What::EarlyEnd.of(KIND),
        _ if of_decoder => What::Other(error.to_string()).of(KIND),
        _ => error,
    }
}
