//! Where records come from: files, standard input, memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::decompress::{Compression, decompress};
use crate::error::Error;
use crate::options::{Format, Options};

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file or a named pipe.
    Path(PathBuf),
    /// Standard input; needs an explicit format.
    Stdin,
    /// Bytes in memory, with the name that messages call them and that tells their format.
    Memory {
        /// The name, such as `words.tsv`.
        name: String,
        /// What a file would hold; may be compressed.
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
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Source::Path(path) => path.display().to_string(),
            Source::Stdin => "standard input".to_owned(),
            Source::Memory { name, .. } => name.clone(),
        }
    }

    /// Its size in (compressed) bytes, for showing progress; `None` if that is not known in advance.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Source::Path(path) => fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len()),
            Source::Stdin => None,
            Source::Memory { bytes, .. } => Some(bytes.len() as u64),
        }
    }

    /// Opens it for reading from the start, decompressed, adding raw bytes to `count`.
    pub(crate) fn open<'a>(
        &self,
        count: Option<&'a AtomicU64>,
    ) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
        match self {
            Source::Path(path) => decompress(File::open(path)?, count),
            Source::Stdin => decompress(io::stdin(), count),
            Source::Memory { bytes, .. } => decompress(io::Cursor::new(Arc::clone(bytes)), count),
        }
    }

    fn format(&self, options: &Options) -> Result<Format, Error> {
        if let Some(format) = options.format {
            return Ok(format);
        }
        let known = match self {
            Source::Stdin => return Err(Error::StdinNeedsFormat),
            Source::Path(path) => Format::from_path(path),
            Source::Memory { name, .. } => Format::from_path(Path::new(name)),
        };
        known.ok_or_else(|| Error::UnknownFormat { path: self.name() })
    }
}

/// Makes sure before any work that every source can be read, and tells the format of each.
///
/// # Errors
/// The first source that is missing, may not be read, is a directory or another thing that is neither file nor
/// pipe, or whose format is not known.
pub fn check_sources(sources: &[Source], options: &Options) -> Result<Vec<Format>, Error> {
    if sources.is_empty() {
        return Err(Error::NoSources);
    }
    if sources.iter().filter(|&source| *source == Source::Stdin).count() > 1 {
        return Err(Error::StdinTwice);
    }
    sources.iter().map(|source| check(source, options)).collect()
}

fn check(source: &Source, options: &Options) -> Result<Format, Error> {
    if let Source::Path(path) = source {
        let io = |source| Error::Io { path: path.display().to_string(), source };
        let kind = fs::metadata(path).map_err(io)?.file_type();
        if kind.is_dir() {
            return Err(Error::Directory { path: path.display().to_string() });
        }
        if kind.is_file() {
            // Opening tells whether it may be read. A pipe is left alone: its writer would see a reader go.
            File::open(path).map_err(io)?;
        } else if !is_pipe(kind) {
            return Err(Error::NotAFile { path: path.display().to_string() });
        }
    }
    source.format(options)
}

#[cfg(unix)]
fn is_pipe(kind: fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_pipe(_: fs::FileType) -> bool {
    false
}

/// The sources that paths from a command line stand for: `-` is standard input, and a directory stands for the
/// files in it with extensions that tell a format, in the order of their names, without hidden files and without
/// going into further directories.
///
/// # Errors
/// A directory that cannot be read or holds no such file. Files are not looked at: see [`check_sources`].
pub fn expand<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Source>, Error> {
    let mut sources = Vec::new();
    for path in paths {
        let path = path.as_ref();
        if path == Path::new("-") || !path.is_dir() {
            sources.push(Source::from(path));
            continue;
        }
        let io = |source| Error::Io { path: path.display().to_string(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let file = entry.path();
            if !hidden && Format::from_path(&file).is_some() && !file.is_dir() {
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(Error::EmptyDirectory { path: path.display().to_string() });
        }
        files.sort();
        sources.extend(files.into_iter().map(Source::Path));
    }
    Ok(sources)
}

/// The place of a record that turned out bad later (a duplicate, say), for a message: `words.tsv, line 17` for
/// formats made of lines, whose lines are counted by reading the file again up to `position`; `standard input,
/// byte 1234` where that cannot be done; `part-0003.pkl, byte 5121` for the other formats.
///
/// `position` is what [`Sink::record`](crate::Sink::record) was given.
#[must_use]
pub fn describe(source: &Source, format: Format, position: u64) -> String {
    match count_lines(source, format, position) {
        Some(line) => format!("{}, line {line}", source.name()),
        None => format!("{}, byte {position}", source.name()),
    }
}

fn count_lines(source: &Source, format: Format, position: u64) -> Option<u64> {
    let again = match source {
        Source::Path(path) => fs::metadata(path).is_ok_and(|m| m.is_file()),
        Source::Stdin => false,
        Source::Memory { .. } => true,
    };
    if !format.has_lines() || !again {
        return None;
    }
    let (_, reader) = source.open(None).ok()?;
    let mut rest = reader.take(position);
    let mut buffer = vec![0; 1 << 18];
    let (mut lines, mut seen) = (1, 0);
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return (seen == position).then_some(lines),
            Ok(got) => {
                lines += newlines(&buffer[..got]);
                seen += got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// How many newlines there are.
pub(crate) fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Reads at an offset without moving the file's own position.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
}
