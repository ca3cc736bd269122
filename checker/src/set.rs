//! One file, or all files of a set (`spec.md` section 15).

use crate::{Error, Options, Progress, Report, structure, verify::verify_file};
use hashlith_format::{
    Header, Manifest, PAGE,
    manifest::{MANIFEST_NAME, MAX_MANIFEST, PartFile},
};
use std::{
    collections::HashSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// How often a set is opened that is replaced meanwhile.
const ATTEMPTS: usize = 10;

/// An error and the file that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .path.display())]
pub struct FileError {
    /// The file; for what is wrong with a set as a whole, its manifest.
    pub path: PathBuf,
    /// What is wrong.
    pub error: Error,
}

/// The open files of an index.
#[derive(Debug)]
pub struct Files {
    /// Path and file of each part; one if the index is no set.
    pub parts: Vec<(PathBuf, File)>,
    /// Files in the directory of a set that have names of parts and are none of its: a build that was killed, or one that is
    /// under way, may have left them. They do no harm.
    pub left_over: Vec<PathBuf>,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> FileError + '_ {
    |source| FileError { path: path.into(), error: Error::Open { source } }
}

impl Files {
    /// Opens a file, or the files of the set in a directory, and checks the manifest of a set (M1 to M6).
    ///
    /// # Errors
    /// [`Error::Fault`] and [`Error::Io`], with the file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        if !path.is_dir() {
            let file = File::open(path).map_err(io(path))?;
            return Ok(Files { parts: vec![(path.into(), file)], left_over: Vec::new() });
        }
        let manifest_path = path.join(MANIFEST_NAME);
        for _ in 1..ATTEMPTS {
            let text = read_manifest(&manifest_path)?;
            match Self::open_set(path, &text) {
                // Replaced meanwhile.
                Err(_) if read_manifest(&manifest_path).is_ok_and(|now| now != text) => {}
                opened => return opened,
            }
        }
        Self::open_set(path, &read_manifest(&manifest_path)?)
    }

    fn open_set(directory: &Path, text: &[u8]) -> Result<Self, FileError> {
        let fault = |error: hashlith_format::Error| FileError {
            path: directory.join(MANIFEST_NAME),
            error: error.into(),
        };
        let manifest = Manifest::parse(text).map_err(fault)?;
        let mut parts = Vec::with_capacity(manifest.parts.len());
        let mut first: Option<Header> = None;
        for (number, part) in (0..).zip(&manifest.parts) {
            let path = directory.join(&part.file);
            let file = match open_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(fault(manifest.fault(4, number, "is missing")));
                }
                opened => opened.map_err(io(&path))?,
            };
            let failed = |error| FileError { path: path.clone(), error };
            let header = structure::open(&file).map_err(failed)?;
            let page: [u8; PAGE as usize] = crate::read::read_array(&file, 0).map_err(failed)?;
            part.check(&manifest, number, &page, &header).map_err(fault)?;
            let types = |header: &Header| (header.key_type, header.value_type);
            if first.is_some_and(|first| types(&first) != types(&header)) {
                let what = "has another type of keys or values than the first part";
                return Err(fault(manifest.fault(6, number, what)));
            }
            first = first.or(Some(header));
            parts.push((path, file));
        }
        Ok(Files { parts, left_over: left_over(directory, &manifest).map_err(io(directory))? })
    }

    /// [`verify`](crate::verify()) for each of them.
    ///
    /// # Errors
    /// The first part's that is at fault.
    pub fn verify(&self, options: &Options, progress: &Progress) -> Result<Report, FileError> {
        let lengths = self.parts.iter().map(|(_, file)| file.metadata().map_or(0, |meta| meta.len()));
        progress.total.store(lengths.sum(), Ordering::Relaxed);
        let mut whole: Option<Report> = None;
        for (path, file) in &self.parts {
            let report = verify_file(file, options, progress);
            let report = report.map_err(|error| FileError { path: path.clone(), error })?;
            whole = Some(match whole {
                None => report,
                Some(before) => Report {
                    keys: before.keys + report.keys,
                    cells: before.cells + report.cells,
                    bytes: before.bytes + report.bytes,
                    ..before
                },
            });
        }
        whole.ok_or_else(|| FileError { path: PathBuf::new(), error: Error::Cancelled })
    }
}

/// Opens what must be a file: a pipe would wait for its writer.
fn open_file(path: &Path) -> std::io::Result<File> {
    match std::fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a file")),
    }
}

fn read_manifest(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut text = Vec::new();
    let read = open_file(path).and_then(|file| file.take(MAX_MANIFEST + 1).read_to_end(&mut text));
    read.map(|_| text).map_err(io(path))
}

fn left_over(directory: &Path, manifest: &Manifest) -> std::io::Result<Vec<PathBuf>> {
    let own: HashSet<&str> = manifest.parts.iter().map(|part| part.file.as_str()).collect();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| PartFile::is_name(name) && !own.contains(name)) {
            found.push(directory.join(name));
        }
    }
    found.sort();
    Ok(found)
}
