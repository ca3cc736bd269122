//! From a path to an index: one file, or the directory of a set (`spec.md` section 15).

use crate::{index::Index, part::Part};
use hashlith_format::{Error, FileError, PAGE, SetFiles, open_regular};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why a file or a set was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The system refused to open, read or map a file.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The hot section cannot be kept in memory, as [`MapOptions::lock`](crate::MapOptions::lock) asks.
    Lock {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file breaks a rule of `spec.md`: R1 to R14, and M1 to M6 for sets.
    Invalid {
        /// The file; for a fault of a set as a whole, its manifest.
        path: PathBuf,
        /// The broken rule.
        source: Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io { path, source } => write!(f, "{}: {source}", path.display()),
            OpenError::Lock { path, source } => write!(
                f,
                "cannot keep the hot section of {} in memory: {source}; raise the limit (ulimit -l), or open it \
                 without locking",
                path.display()
            ),
            OpenError::Invalid { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { source, .. } | OpenError::Lock { source, .. } => Some(source),
            OpenError::Invalid { source, .. } => Some(source),
        }
    }
}

impl From<FileError> for OpenError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, source } => OpenError::Io { path, source },
            FileError::Fault { path, source } => OpenError::Invalid { path, source },
        }
    }
}

impl<D: AsRef<[u8]>> Index<D> {
    /// Opens the file at `path`, or the set in that directory, over the bytes that `open_file` returns for each file.
    ///
    /// Starts over if the set is replaced while it is being opened.
    ///
    /// ```
    /// use hashlith_reader::{Index, OpenError};
    /// use std::{path::Path, sync::Arc};
    ///
    /// let open_file = |path: &Path| match std::fs::read(path) {
    ///     Ok(bytes) => Ok(Arc::<[u8]>::from(bytes)),
    ///     Err(source) => Err(OpenError::Io { path: path.into(), source }),
    /// };
    /// let index = Index::open_with("tests/colours.hlith".as_ref(), open_file)?;
    /// assert_eq!(index.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`], with the path of the file at fault.
    pub fn open_with(
        path: &Path,
        open_file: impl Fn(&Path) -> Result<D, OpenError>,
    ) -> Result<Self, OpenError> {
        let open_part = |path: &Path| {
            let invalid = |source| OpenError::Invalid { path: path.into(), source };
            Part::new(open_file(path)?, Some(path)).map_err(invalid)
        };
        if path.is_dir() {
            SetFiles::open_current(path, |files| open_set(files, open_part)).map(Index::of)
        } else {
            Ok(Index::of(vec![open_part(path)?]))
        }
    }
}

/// Opens all parts of a set and checks them against its manifest (M4 to M6).
fn open_set<D: AsRef<[u8]>>(
    files: &SetFiles,
    open_part: impl Fn(&Path) -> Result<Part<D>, OpenError>,
) -> Result<Vec<Part<D>>, OpenError> {
    let mut parts: Vec<Part<D>> = Vec::with_capacity(files.manifest.parts.len());
    for (number, path) in (0..).zip(files.part_paths()) {
        // A pipe would make `open_part` wait for a writer.
        open_regular(&path).map_err(|source| files.part_error(number, &path, source))?;
        let part = open_part(&path).map_err(|error| match error {
            OpenError::Io { path, source } => files.part_error(number, &path, source).into(),
            error => error,
        })?;
        let page = part.as_bytes().first_chunk().unwrap_or(&[0; PAGE as usize]);
        let first = parts.first().map(Part::header);
        let checked = files.manifest.check_part(number, page, part.header(), first);
        checked.map_err(|fault| files.fault(fault))?;
        parts.push(part);
    }
    Ok(parts)
}

impl Index<Vec<u8>> {
    /// Reads a whole file, or all files of a set, into memory and opens them. What happens to the files later does not
    /// matter.
    ///
    /// ```
    /// use hashlith_reader::Index;
    ///
    /// let index = Index::load("tests/colours.hlith")?;
    /// assert_eq!(index.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`], with the path of the file at fault.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path.as_ref(), |path| {
            std::fs::read(path).map_err(|source| OpenError::Io { path: path.into(), source })
        })
    }
}
