//! One input: a file, standard input, or bytes in memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::encoding::Encoding;
use hashlith_feedback::Progress;

use crate::decompress::{Compression, Memory, decompress};
use crate::encoding::Decoded;
use crate::scan::newlines;

/// The longest window that zstd itself takes if it is not told otherwise. Those of the other kinds are shorter, as a rule.
const USUAL_WINDOW: u64 = 128 << 20;

/// One input.
///
/// ```
/// use hashlith_inputs::Source;
///
/// assert_eq!(Source::from("-"), Source::Stdin);
/// assert_eq!(Source::from("words.tsv"), Source::Path("words.tsv".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file or a named pipe.
    Path(PathBuf),
    /// Standard input, whose format must be stated in [`ReadOptions::format`](crate::ReadOptions::format).
    Stdin,
    /// Bytes in memory.
    Memory {
        /// A file name, such as `words.tsv`, for messages. Its extension stands for the format.
        name: String,
        /// The contents of the file, which may be compressed.
        bytes: Arc<[u8]>,
    },
}

impl<P: AsRef<Path>> From<P> for Source {
    /// `-` is standard input.
    fn from(path: P) -> Self {
        match path.as_ref() {
            dash if dash == Path::new("-") => Source::Stdin,
            path => Source::Path(path.to_owned()),
        }
    }
}

impl Source {
    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Source::Path(path) => path.display().to_string(),
            Source::Stdin => "standard input".to_owned(),
            Source::Memory { name, .. } => name.clone(),
        }
    }

    /// Its size in raw (compressed) bytes; `None` if it is not known in advance.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Source::Path(path) => fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len()),
            Source::Stdin => None,
            Source::Memory { bytes, .. } => Some(bytes.len() as u64),
        }
    }

    /// Opens it, decompressed, at its start. Counts the raw bytes in `progress`. The window of its compression may take
    /// `memory`, or what is usual: one that many workers read at a time takes no more than that.
    pub(crate) fn open<'a>(
        &self,
        progress: Option<&'a Progress>,
        memory: Option<usize>,
    ) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
        self.open_as(Compression::of, progress, memory)
    }

    /// Opens a pickle, decompressed, at its start. Counts the raw bytes in `progress`.
    pub(crate) fn open_pickle<'a>(
        &self,
        progress: Option<&'a Progress>,
    ) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
        self.open_as(Compression::of_pickle, progress, None)
    }

    fn open_as<'a>(
        &self,
        kind_of: fn(&[u8]) -> Compression,
        progress: Option<&'a Progress>,
        memory: Option<usize>,
    ) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
        let most = memory.map_or(0, |bytes| bytes as u64).max(USUAL_WINDOW);
        let memory = Memory { most, may_grow: memory.is_some() };
        match self {
            Source::Path(path) => decompress(File::open(path)?, kind_of, memory, progress),
            Source::Stdin => decompress(io::stdin(), kind_of, memory, progress),
            Source::Memory { bytes, .. } => {
                decompress(io::Cursor::new(Arc::clone(bytes)), kind_of, memory, progress)
            }
        }
    }

    /// Opens text in this encoding, decompressed and as UTF-8, at its start. Counts the raw bytes in `progress`.
    pub(crate) fn open_text<'a>(
        &self,
        encoding: Option<Encoding>,
        memory: usize,
        progress: Option<&'a Progress>,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        let (_, reader) = self.open(progress, Some(memory))?;
        Ok(match encoding {
            Some(encoding) => Box::new(Decoded::new(reader, encoding)),
            None => reader,
        })
    }

    /// The line, from 1, of a byte offset in the decompressed and decoded source, found by reading it again; `None` if it cannot
    /// be read twice, or ends before that byte.
    pub(crate) fn line_of(&self, position: u64, encoding: Option<Encoding>, memory: usize) -> Option<u64> {
        let again = match self {
            Source::Path(path) => fs::metadata(path).is_ok_and(|m| m.is_file()),
            Source::Stdin => false,
            Source::Memory { .. } => true,
        };
        if !again {
            return None;
        }
        let mut rest = self.open_text(encoding, memory, None).ok()?.take(position);
        let mut buffer = vec![0; 1 << 18];
        let (mut line, mut seen) = (1, 0);
        loop {
            match rest.read(&mut buffer) {
                Ok(0) => return (seen == position).then_some(line),
                Ok(got) => {
                    line += newlines(&buffer[..got]);
                    seen += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}
