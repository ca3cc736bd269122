//! From a path to an index: one file, or the directory of a set (`spec.md` section 15).

use crate::{Error, Index, Part};
use hashlith_format::{
    Manifest, PAGE,
    manifest::{MANIFEST_NAME, MAX_MANIFEST},
};
use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Why a file or a set was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be opened, mapped or locked.
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
    /// The file is no index that can be read.
    Invalid {
        /// The file; for what is wrong with a set as a whole, its manifest.
        path: PathBuf,
        /// The rule that it breaks.
        source: Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io { path, source } => write!(f, "{}: {source}", path.display()),
            OpenError::Lock { path, source } => write!(
                f,
                "cannot keep the hot section of {} in memory: {source}; raise the limit (ulimit -l), or do without \
                 lock",
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

/// How often a set is opened anew that is replaced meanwhile.
const ATTEMPTS: usize = 10;

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
    /// [`OpenError::Io`], and [`OpenError::Invalid`] with M1 to M3.
    pub fn read(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(MANIFEST_NAME);
        let mut text = Vec::new();
        if let Err(source) = check_file(&path) {
            return Err(OpenError::Io { path, source });
        }
        let read = File::open(&path).and_then(|file| file.take(MAX_MANIFEST + 1).read_to_end(&mut text));
        if let Err(source) = read {
            return Err(OpenError::Io { path, source });
        }
        match Manifest::parse(&text) {
            Ok(manifest) => Ok(SetFiles { path, manifest, text }),
            Err(source) => Err(OpenError::Invalid { path, source }),
        }
    }

    /// The paths of the parts, in order.
    pub fn part_paths(&self) -> Vec<PathBuf> {
        self.manifest.parts.iter().map(|part| self.path.with_file_name(&part.file)).collect()
    }

    /// True if the manifest is another by now: then parts of this one may be gone.
    fn is_replaced(&self) -> bool {
        std::fs::read(&self.path).is_ok_and(|text| text != self.text)
    }

    fn invalid(&self, source: Error) -> OpenError {
        OpenError::Invalid { path: self.path.clone(), source }
    }
}

impl<D: AsRef<[u8]>> Index<D> {
    /// Opens the file at `path`, or the set in that directory, with bytes that `open_file` gives for each file.
    ///
    /// A set that is replaced meanwhile is opened anew.
    ///
    /// # Errors
    /// [`OpenError`], with the path of the file that is at fault.
    pub fn open_with(
        path: &Path,
        open_file: impl Fn(&Path) -> Result<D, OpenError>,
    ) -> Result<Self, OpenError> {
        let open_part = |path: &Path| {
            let invalid = |source| OpenError::Invalid { path: path.into(), source };
            open_file(path).and_then(|data| Part::new(data).map_err(invalid))
        };
        if !path.is_dir() {
            return Ok(Index::of(vec![open_part(path)?]));
        }
        let mut attempt = 1;
        loop {
            let files = SetFiles::read(path)?;
            match open_set(&files, open_part) {
                Err(_) if attempt < ATTEMPTS && files.is_replaced() => attempt += 1,
                result => return result.map(Index::of),
            }
        }
    }
}

/// A pipe would wait for its writer.
fn check_file(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path)?.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file")),
    }
}

fn open_set<D: AsRef<[u8]>>(
    files: &SetFiles,
    open_part: impl Fn(&Path) -> Result<Part<D>, OpenError>,
) -> Result<Vec<Part<D>>, OpenError> {
    let mut parts: Vec<Part<D>> = Vec::with_capacity(files.manifest.parts.len());
    for ((number, file), path) in (0..).zip(&files.manifest.parts).zip(files.part_paths()) {
        let part = check_file(&path).map_err(|source| OpenError::Io { path: path.clone(), source });
        let part = part.and_then(|()| open_part(&path)).map_err(|error| match error {
            OpenError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                files.invalid(files.manifest.fault(4, number, "is missing"))
            }
            error => error,
        })?;
        let page = part.as_bytes().first_chunk().unwrap_or(&[0; PAGE as usize]);
        file.check(&files.manifest, number, page, part.header()).map_err(|fault| files.invalid(fault))?;
        if let Some(first) = parts.first().map(Part::header)
            && (first.key_type, first.value_type) != (part.header().key_type, part.header().value_type)
        {
            let fault =
                files.manifest.fault(6, number, "has another type of keys or values than the first part");
            return Err(files.invalid(fault));
        }
        parts.push(part);
    }
    Ok(parts)
}

impl Index<Vec<u8>> {
    /// Reads a whole file, or all files of a set, into memory and opens them: safe whatever happens to the files later.
    ///
    /// # Errors
    /// [`OpenError`], with the path.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path.as_ref(), |path| {
            std::fs::read(path).map_err(|source| OpenError::Io { path: path.into(), source })
        })
    }
}
