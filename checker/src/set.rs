//! One file, or all files of a set (`spec.md` section 15).

use crate::{
    error::Error,
    read::{read_array, read_header},
    verify::{Options, Report, verify_file},
};
use hashlith_feedback::{Phase, Progress, Unit};
use hashlith_format::{FileError, Header, Manifest, PAGE, SetFiles, manifest::PartFile, open_regular};
use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// An error and the file that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .path.display())]
pub struct PathError {
    /// The file; for a fault of a set as a whole, its manifest.
    pub path: PathBuf,
    /// What is wrong.
    pub error: Error,
}

impl From<FileError> for PathError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, source } => PathError { path, error: Error::Open { source } },
            FileError::Fault { path, source } => PathError { path, error: source.into() },
        }
    }
}

fn open_error(path: &Path) -> impl FnOnce(io::Error) -> PathError + '_ {
    |source| PathError { path: path.into(), error: Error::Open { source } }
}

/// The open files of an index.
///
/// ```
/// use hashlith_checker::{Files, Options, Progress};
///
/// let files = Files::open("tests/colours.hlith".as_ref())?;
/// let report = files.verify(&Options::default(), &Progress::new())?;
/// assert_eq!(report.keys, 2);
/// # Ok::<(), hashlith_checker::PathError>(())
/// ```
#[derive(Debug)]
pub struct Files {
    /// Path and file of each part, in order; one for an index that is not a set.
    pub parts: Vec<(PathBuf, File)>,
    /// Files in the directory of a set that are named like parts but are not in the manifest. A build that was killed, or
    /// that is under way, may have left them. They do no harm.
    pub left_over: Vec<PathBuf>,
}

impl Files {
    /// Opens a file, or all files of the set in a directory; a set is checked against its manifest (M1 to M6).
    ///
    /// ```
    /// use hashlith_checker::Files;
    ///
    /// let files = Files::open("tests/colours.hlith".as_ref())?;
    /// assert_eq!((files.parts.len(), files.left_over.len()), (1, 0));
    /// assert!(Files::open("no such file".as_ref()).is_err());
    /// # Ok::<(), hashlith_checker::PathError>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Fault`] and [`Error::Io`], with the path of the file.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        if path.is_dir() {
            return SetFiles::open_current(path, |files| Self::open_set(path, files));
        }
        let file = File::open(path).map_err(open_error(path))?;
        Ok(Files { parts: vec![(path.into(), file)], left_over: Vec::new() })
    }

    fn open_set(directory: &Path, files: &SetFiles) -> Result<Self, PathError> {
        let mut parts = Vec::with_capacity(files.manifest.parts.len());
        let mut first: Option<Header> = None;
        for (number, path) in (0..).zip(files.part_paths()) {
            let file = open_part(files, number, &path, &mut first)?;
            parts.push((path, file));
        }
        let left_over = left_over(directory, &files.manifest).map_err(open_error(directory))?;
        Ok(Files { parts, left_over })
    }

    /// Verifies each file in turn, as [`verify`](crate::verify()) does. `progress` counts the bytes of all of them.
    ///
    /// ```
    /// use hashlith_checker::{Files, Options, Progress};
    ///
    /// let files = Files::open("tests/colours.hlith".as_ref())?;
    /// let progress = Progress::new();
    /// files.verify(&Options { threads: 1 }, &progress)?;
    /// assert_eq!(progress.snapshot().done, 12_296);
    /// # Ok::<(), hashlith_checker::PathError>(())
    /// ```
    ///
    /// # Errors
    /// As [`verify`](crate::verify()), for the first part that fails, with its path.
    pub fn verify(&self, options: &Options, progress: &Progress) -> Result<Report, PathError> {
        let lengths = self.parts.iter().map(|(_, file)| file.metadata().map_or(0, |meta| meta.len()));
        progress.enter(Phase::Checking, Unit::Bytes, Some(lengths.sum()));
        let mut whole: Option<Report> = None;
        for (path, file) in &self.parts {
            let report = verify_file(file, options, progress);
            let report = report.map_err(|error| PathError { path: path.clone(), error })?;
            whole = Some(joined(whole, report));
        }
        whole.ok_or_else(|| PathError { path: PathBuf::new(), error: Error::Cancelled })
    }
}

/// What [`verify_set`] has verified.
#[derive(Debug)]
pub struct VerifiedSet {
    /// Of all parts together.
    pub report: Report,
    /// The path of each part, in order.
    pub parts: Vec<PathBuf>,
    /// As [`Files::left_over`].
    pub left_over: Vec<PathBuf>,
}

/// Verifies the set in a directory with one part open at a time, where [`Files::open`] may not open as many files. Starts over if
/// the set is replaced meanwhile.
///
/// ```
/// use hashlith_checker::{Options, Progress, verify_set};
///
/// assert!(verify_set("tests".as_ref(), &Options::default(), &Progress::new()).is_err());
/// ```
///
/// # Errors
/// As [`Files::open`] and [`Files::verify`].
pub fn verify_set(
    directory: &Path,
    options: &Options,
    progress: &Progress,
) -> Result<VerifiedSet, PathError> {
    SetFiles::open_current(directory, |files| {
        let parts: Vec<PathBuf> = files.part_paths().collect();
        let lengths = parts.iter().map(|path| path.metadata().map_or(0, |meta| meta.len()));
        progress.enter(Phase::Checking, Unit::Bytes, Some(lengths.sum()));
        let (mut first, mut whole) = (None, None);
        for (number, path) in (0..).zip(&parts) {
            let file = open_part(files, number, path, &mut first)?;
            let report = verify_file(&file, options, progress);
            let report = report.map_err(|error| PathError { path: path.clone(), error })?;
            whole = Some(joined(whole, report));
        }
        let report = whole.ok_or_else(|| PathError { path: directory.into(), error: Error::Cancelled })?;
        let left_over = left_over(directory, &files.manifest).map_err(open_error(directory))?;
        Ok(VerifiedSet { report, parts, left_over })
    })
}

/// Opens a part of a set and checks it against the manifest; `first` is the header of the first part, once it is known.
fn open_part(
    files: &SetFiles,
    number: u32,
    path: &Path,
    first: &mut Option<Header>,
) -> Result<File, PathError> {
    let file = open_regular(path).map_err(|source| files.part_error(number, path, source))?;
    let failed = |error| PathError { path: path.into(), error };
    let header = read_header(&file).map_err(failed)?;
    let page: [u8; PAGE as usize] = read_array(&file, 0).map_err(failed)?;
    let checked = files.manifest.check_part(number, &page, &header, first.as_ref());
    checked.map_err(|fault| files.fault(fault))?;
    first.get_or_insert(header);
    Ok(file)
}

/// The report of parts, and of one more.
fn joined(before: Option<Report>, report: Report) -> Report {
    match before {
        None => report,
        Some(before) => Report {
            keys: before.keys + report.keys,
            cells: before.cells + report.cells,
            bytes: before.bytes + report.bytes,
            ..before
        },
    }
}

/// The files named like parts that are not in the manifest, in the order of their names.
fn left_over(directory: &Path, manifest: &Manifest) -> io::Result<Vec<PathBuf>> {
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
