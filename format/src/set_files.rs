//! The files of a set where they lie: its directory, its manifest, its parts (section 15).

use crate::{
    Error, Manifest,
    manifest::{MANIFEST_NAME, MAX_MANIFEST},
};
use alloc::vec::Vec;
use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// How often a set is opened again that is replaced at the same time.
const ATTEMPTS: usize = 10;

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
    text: Vec<u8>,
}

impl SetFiles {
    /// Reads the manifest in a directory.
    ///
    /// # Errors
    /// [`FileError::Io`], and [`FileError::Fault`] with M1 to M3.
    pub fn read(directory: &Path) -> Result<Self, FileError> {
        let path = directory.join(MANIFEST_NAME);
        match read_manifest(&path) {
            Err(source) => Err(FileError::Io { path, source }),
            Ok(text) => match Manifest::parse(&text) {
                Ok(manifest) => Ok(SetFiles { path, manifest, text }),
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

    /// True if the manifest has changed: then parts that this one names may be gone.
    fn is_replaced(&self) -> bool {
        read_manifest(&self.path).is_ok_and(|text| text != self.text)
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
    let mut text = Vec::new();
    open_regular(path)?.take(MAX_MANIFEST.saturating_add(1)).read_to_end(&mut text)?;
    Ok(text)
}
