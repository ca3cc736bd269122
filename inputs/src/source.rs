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

/// What the paths of a command line stand for.
#[derive(Debug, Default)]
pub struct Expanded {
    /// Files and standard input, in order.
    pub sources: Vec<Source>,
    /// Files in directories whose extension tells no format.
    pub left_out: Vec<PathBuf>,
}

/// Puts files in the place of directories: all files in them and in the directories below, in the order of their
/// paths, whose extension tells a format; with a `format` given, all files. Hidden files and directories are left
/// out, and directories behind symbolic links are not gone into. `-` is standard input.
///
/// # Errors
/// [`Error::Io`] for a directory that cannot be read, [`Error::EmptyDirectory`] for one without such files.
pub fn expand<P: AsRef<Path>>(paths: &[P], format: Option<Format>) -> Result<Expanded, Error> {
    let mut expanded = Expanded::default();
    for path in paths {
        let path = path.as_ref();
        if path == Path::new("-") || !path.is_dir() {
            expanded.sources.push(Source::from(path));
            continue;
        }
        let mut files = Vec::new();
        let mut directories = vec![path.to_path_buf()];
        while let Some(directory) = directories.pop() {
            let io = |source| Error::Io { path: directory.display().to_string(), source };
            for entry in fs::read_dir(&directory).map_err(io)? {
                let entry = entry.map_err(io)?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if entry.file_type().map_err(io)?.is_dir() {
                    directories.push(entry.path());
                } else if !entry.path().is_dir() {
                    files.push(entry.path());
                }
            }
        }
        files.sort();
        let is_known = |file: &PathBuf| format.is_some() || Format::from_path(file).is_some();
        let (known, unknown): (Vec<_>, Vec<_>) = files.into_iter().partition(is_known);
        if known.is_empty() {
            return Err(Error::EmptyDirectory { path: path.display().to_string() });
        }
        expanded.sources.extend(known.into_iter().map(Source::Path));
        expanded.left_out.extend(unknown);
    }
    Ok(expanded)
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
