//! The files of a set where they lie: its directory, its manifest, its parts (section 15).

use crate::{
    Error, Manifest,
    manifest::{MANIFEST_NAME, MAX_MANIFEST},
};
use alloc::{sync::Arc, vec::Vec};
use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// How often a set is opened again that is replaced at the same time. On a file system that gives a file another number each
/// time it is asked for, every set seems to be.
const ATTEMPTS: usize = 100;

/// What is wrong with a file, and with which one.
#[derive(Debug)]
pub enum FileError {
    /// The system refused to open or read a file.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file breaks a rule of `spec.md`.
    Fault {
        /// The file; for a fault of a set as a whole, its manifest.
        path: PathBuf,
        /// The broken rule.
        source: Error,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Io { path, source } => write!(f, "{}: {source}", path.display()),
            FileError::Fault { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl core::error::Error for FileError {}

/// The files of a set, as its manifest names them.
#[derive(Clone, Debug)]
pub struct SetFiles {
    /// The manifest's path.
    pub path: PathBuf,
    /// What it says.
    pub manifest: Manifest,
    /// Stays open, so that no later manifest is the same file.
    _open: Arc<File>,
    /// Which file it was when it was read.
    version: Version,
}

/// Device, number and time of the last change of a file: another file may have the same bytes.
type Version = (u64, u64, i64, i64);

fn version(found: &Metadata) -> Version {
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

impl SetFiles {
    /// Reads the manifest in a directory.
    ///
    /// # Errors
    /// [`FileError::Io`], and [`FileError::Fault`] with M1 to M3.
    pub fn read(directory: &Path) -> Result<Self, FileError> {
        let path = directory.join(MANIFEST_NAME);
        let read = || {
            let file = open_regular(&path)?;
            let version = version(&file.metadata()?);
            Ok((read_up_to_limit(&file)?, file, version))
        };
        match read() {
            Err(source) => Err(FileError::Io { path, source }),
            Ok((text, file, version)) => match Manifest::parse(&text) {
                Ok(manifest) => Ok(SetFiles { path, manifest, _open: Arc::new(file), version }),
                Err(source) => Err(FileError::Fault { path, source }),
            },
        }
    }

    /// Reads the manifest and hands it to `open`; starts over if the set was replaced before `open` was done.
    ///
    /// # Errors
    /// As [`Self::read`], and those of `open`.
    pub fn open_current<T, E: From<FileError>>(
        directory: &Path,
        open: impl Fn(&SetFiles) -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 1..ATTEMPTS {
            let files = Self::read(directory)?;
            match open(&files) {
                Err(_) if files.is_replaced() => {}
                result => return result,
            }
        }
        open(&Self::read(directory)?)
    }

    /// The paths of the parts, in order.
    pub fn part_paths(&self) -> impl Iterator<Item = PathBuf> {
        self.manifest.parts.iter().map(|part| self.path.with_file_name(&part.file))
    }

    /// A fault of the set, at its manifest.
    pub fn fault(&self, source: Error) -> FileError {
        FileError::Fault { path: self.path.clone(), source }
    }

    /// The error of a part that could not be opened: M4 if it is not there.
    pub fn part_error(&self, part: u32, path: &Path, source: io::Error) -> FileError {
        match source.kind() {
            io::ErrorKind::NotFound => self.fault(self.manifest.fault(4, part, "is missing")),
            _ => FileError::Io { path: path.into(), source },
        }
    }

    /// True if the manifest was replaced, even if by one of the same bytes: parts that it names may have been gone meanwhile.
    fn is_replaced(&self) -> bool {
        std::fs::metadata(&self.path).map_or(true, |found| version(&found) != self.version)
    }
}

/// Opens what must be a file: opening a pipe would wait for its writer.
///
/// # Errors
/// Those of the system; `InvalidInput` for anything but a file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    match std::fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file")),
    }
}

/// The bytes of a manifest; of a longer file, enough of them for [`Manifest::parse`] to refuse it.
///
/// # Errors
/// As [`open_regular`].
pub fn read_manifest(path: &Path) -> io::Result<Vec<u8>> {
    read_up_to_limit(&open_regular(path)?)
}

fn read_up_to_limit(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX_MANIFEST.saturating_add(1)).read_to_end(&mut text)?;
    Ok(text)
}
