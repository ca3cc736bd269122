//! All inputs of a reading, checked before any work.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::encoding::Encoding;

use crate::error::Error;
use crate::format::Format;
use crate::location::Location;
use crate::options::ReadOptions;
use crate::source::Source;

/// Sources that can be read, each with its format. Both are checked once, when this is made.
///
/// ```
/// use hashlith_inputs::{Error, Format, ReadOptions, Source, Sources};
///
/// let words = Source::Memory { name: "words.tsv".into(), bytes: b"one\teins\ntwo\tzwei\n"[..].into() };
/// let sources = Sources::new(vec![words], &ReadOptions::default())?;
/// assert_eq!(sources.iter().map(|(_, format)| format).collect::<Vec<_>>(), [Format::Tsv]);
/// assert_eq!(sources.size(), Some(18));
///
/// let missing = Sources::new(vec!["missing.tsv".into()], &ReadOptions::default());
/// assert!(matches!(missing, Err(Error::Io { path, .. }) if path == "missing.tsv"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Sources {
    sources: Vec<Source>,
    /// The format of each source.
    formats: Vec<Format>,
    /// That of text.
    encoding: Option<Encoding>,
    /// Files in expanded directories that are not read because their extensions stand for no format.
    pub left_out: Vec<PathBuf>,
    /// Pipes, sockets and devices in expanded directories: reading them might never end. Those that are named are read.
    pub not_files: Vec<PathBuf>,
    /// How much memory the window of a compressed source may take.
    memory: usize,
}

impl Sources {
    /// Checks that every source can be read, and finds the format of each.
    ///
    /// # Errors
    /// For the first source that is missing, may not be read, is neither a file nor a pipe, or has an unknown format;
    /// [`Error::StdinTwice`]; [`Error::NoSources`]; [`Error::UnusedOption`] and [`Error::Options`].
    pub fn new(sources: Vec<Source>, options: &ReadOptions) -> Result<Self, Error> {
        if sources.is_empty() {
            return Err(Error::NoSources);
        }
        if sources.iter().filter(|&source| *source == Source::Stdin).count() > 1 {
            return Err(Error::StdinTwice);
        }
        let formats: Vec<_> =
            sources.iter().map(|source| check(source, options)).collect::<Result<_, _>>()?;
        options.check(&formats)?;
        let memory = options.max_record_bytes;
        Ok(Sources {
            sources,
            formats,
            encoding: options.encoding,
            left_out: Vec::new(),
            not_files: Vec::new(),
            memory,
        })
    }

    /// As [`Sources::new`], with the files of each directory in its place: all files in it and in the directories
    /// below whose extensions stand for a format, sorted by path. If [`ReadOptions::format`] is given, all files.
    ///
    /// Hidden files and directories, pipes, sockets and devices are left out, and symbolic links to directories are not followed. `-` is standard
    /// input.
    ///
    /// ```
    /// use hashlith_inputs::{ReadOptions, Sources};
    /// # let dir = tempfile::tempdir()?;
    /// # let shards = dir.path();
    ///
    /// for name in ["part-1.tsv", "part-0.tsv", "README.md"] {
    ///     std::fs::write(shards.join(name), "")?;
    /// }
    /// let sources = Sources::expand(&[shards], &ReadOptions::default())?;
    /// let names: Vec<String> = sources.iter().map(|(source, _)| source.name()).collect();
    /// assert!(names[0].ends_with("part-0.tsv") && names[1].ends_with("part-1.tsv"));
    /// assert_eq!(sources.left_out, [shards.join("README.md")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sources::new`]; [`Error::Io`] for a directory that cannot be read; [`Error::EmptyDirectory`] for one
    /// without such files.
    pub fn expand<P: AsRef<Path>>(paths: &[P], options: &ReadOptions) -> Result<Self, Error> {
        let (mut sources, mut left_out, mut not_files) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            let path = path.as_ref();
            if path == Path::new("-") || !path.is_dir() {
                sources.push(Source::from(path));
                continue;
            }
            let is_known = |file: &PathBuf| options.format.is_some() || Format::from_path(file).is_some();
            let (known, unknown): (Vec<_>, Vec<_>) =
                files_below(path, &mut not_files)?.into_iter().partition(is_known);
            if known.is_empty() {
                return Err(Error::EmptyDirectory { path: path.display().to_string() });
            }
            sources.extend(known.into_iter().map(Source::Path));
            left_out.extend(unknown);
        }
        Ok(Sources { left_out, not_files, ..Sources::new(sources, options)? })
    }

    /// The sources, each with its format, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, Format)> {
        self.sources.iter().zip(self.formats.iter().copied())
    }

    /// The source with this index, and its format.
    pub(crate) fn get(&self, source: u32) -> Option<(&Source, Format)> {
        let index = source as usize;
        Some((self.sources.get(index)?, *self.formats.get(index)?))
    }

    /// The encoding of the text of this format, if it is not UTF-8.
    pub(crate) fn encoding_of(&self, format: Format) -> Option<Encoding> {
        self.encoding.filter(|_| format.has_lines())
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is none; never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether standard input is one of them.
    #[must_use]
    pub fn reads_stdin(&self) -> bool {
        self.sources.contains(&Source::Stdin)
    }

    /// The sum of their raw (compressed) sizes in bytes; `None` if one is not known in advance.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.sources.iter().map(Source::size).sum()
    }

    /// The location of a record that turns out to be bad later, such as a duplicate. `source` and `position` are
    /// those of [`Sink::record`](crate::Sink::record).
    ///
    /// The result is `words.tsv, line 17` in formats with lines, if the file can be read again to count them;
    /// `words.parquet, row 17` in tables; otherwise `part-0003.pkl, byte 5121`.
    ///
    /// ```
    /// use hashlith_inputs::{ReadOptions, Source, Sources};
    ///
    /// let words = Source::Memory { name: "words.tsv".into(), bytes: b"one\teins\ntwo\tzwei\n"[..].into() };
    /// let sources = Sources::new(vec![words], &ReadOptions::default())?;
    /// assert_eq!(sources.describe(0, 9), "words.tsv, line 2");
    /// # Ok::<(), hashlith_inputs::Error>(())
    /// ```
    #[must_use]
    pub fn describe(&self, source: u32, position: u64) -> String {
        let Some((found, format)) = self.get(source) else {
            return format!("source {source}, byte {position}");
        };
        let line = match format.has_lines() {
            true => found.line_of(position, self.encoding_of(format), self.memory),
            false => None,
        };
        Location { line, ..Location::at(found.name(), source, position, format.has_rows()) }.to_string()
    }
}

/// The format of a source that can be read.
fn check(source: &Source, options: &ReadOptions) -> Result<Format, Error> {
    if let Source::Path(path) = source {
        let io = |source| Error::Io { path: path.display().to_string(), source };
        let kind = fs::metadata(path).map_err(io)?.file_type();
        if kind.is_dir() {
            return Err(Error::Directory { path: path.display().to_string() });
        }
        if kind.is_file() {
            // Opening shows whether it may be read. A pipe is not opened: its writer would see a reader leave.
            File::open(path).map_err(io)?;
        } else if !is_pipe(kind) {
            return Err(Error::NotAFile { path: path.display().to_string() });
        }
    }
    let format = format_of(source, options)?;
    if !format.is_built_in() {
        return Err(Error::NotBuiltIn { path: source.name(), format });
    }
    // They are not read from begin to end.
    if matches!(format, Format::Parquet | Format::Sqlite) && source.size().is_none() {
        return Err(Error::NeedsFile { path: source.name(), format });
    }
    Ok(format)
}

fn format_of(source: &Source, options: &ReadOptions) -> Result<Format, Error> {
    if let Some(format) = options.format {
        return Ok(format);
    }
    let known = match source {
        Source::Stdin => return Err(Error::StdinNeedsFormat),
        Source::Path(path) => Format::from_path(path),
        Source::Memory { name, .. } => Format::from_path(Path::new(name)),
    };
    known.ok_or_else(|| Error::UnknownFormat { path: source.name() })
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

/// All files in a directory and below, without hidden ones, sorted by path. What is neither a file nor a directory is
/// added to `not_files`.
fn files_below(directory: &Path, not_files: &mut Vec<PathBuf>) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let io = |source| Error::Io { path: directory.display().to_string(), source };
        for entry in fs::read_dir(&directory).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(io)?;
            // Of a symbolic link, what it leads to. One that leads nowhere is a file that cannot be read.
            let leads_to =
                if kind.is_symlink() { fs::metadata(&path).map(|m| m.file_type()) } else { Ok(kind) };
            match leads_to {
                Ok(_) if kind.is_dir() => directories.push(path),
                Ok(leads_to) if leads_to.is_dir() => {}
                Ok(leads_to) if !leads_to.is_file() => not_files.push(path),
                _ => files.push(path),
            }
        }
    }
    not_files.sort();
    files.sort();
    Ok(files)
}
