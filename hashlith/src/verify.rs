//! Checks every byte of an index, and compares it with the inputs that it was built from.

use crate::Error;
use hashlith_builder::{available_memory, open_files};
use hashlith_checker::{
    Against, AgainstOptions, AgainstReport, Duplicates, Error as CheckError, Files, Mismatch, Options,
    PathError, Report, VerifiedSet, verify_set,
};
use hashlith_feedback::{Phase, Progress, Unit};
use hashlith_format::{MAX_PARTS, manifest::MANIFEST_NAME};
use hashlith_inputs::{ReadError, ReadOptions, Sink, Sources};
use parking_lot::Mutex;
use rustix::io::Errno;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// An index that passed every check. Its files stay open, unless that is more files than may be open.
#[derive(Debug)]
pub struct Verified {
    /// The path that was verified.
    path: PathBuf,
    /// `None` if its parts were verified one by one.
    files: Option<Files>,
    parts: Vec<PathBuf>,
    left_over: Vec<PathBuf>,
    /// What it holds.
    pub report: Report,
}

/// Fails unless the path is a file, or the directory of a set.
///
/// # Errors
/// [`Error::NotAnIndex`] and [`Error::Io`].
pub fn check_path(path: &Path) -> Result<(), Error> {
    let found = fs::metadata(path).map_err(Error::io("cannot open", path))?;
    let is_set = || found.is_dir() && fs::exists(path.join(MANIFEST_NAME)).unwrap_or(true);
    if found.is_file() || is_set() {
        return Ok(());
    }
    Err(Error::NotAnIndex { path: path.into(), is_directory: found.is_dir() })
}

/// Checks every rule of `spec.md` section 9 for an index file, and for a set also those of section 15: all sums, that each record
/// is where its slot says, and that each key finds its record.
///
/// # Errors
/// [`Error::Corrupt`] with the file, the rule and the offset; [`Error::Io`], [`Error::Check`], [`Error::Cancelled`].
///
/// ```
/// use hashlith::{Builder, Progress, VerifyOptions, verify};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("colours.hlith");
/// # let mut builder = Builder::new();
/// # builder.add(b"sky", b"blue")?;
/// # builder.finish(&path)?;
/// let verified = verify(&path, &VerifyOptions::default(), &Progress::new())?;
/// assert_eq!(verified.report.keys, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(path: impl AsRef<Path>, options: &Options, progress: &Progress) -> Result<Verified, Error> {
    let path = path.as_ref();
    progress.enter(Phase::Checking, Unit::Bytes, None);
    check_path(path)?;
    // A set has all its parts open at the same time, if it can.
    open_files(u64::from(MAX_PARTS) + 64);
    let files = match Files::open(path) {
        Err(PathError { error: CheckError::Open { source }, .. })
            if source.raw_os_error() == Some(Errno::MFILE.raw_os_error()) && path.is_dir() =>
        {
            let VerifiedSet { report, parts, left_over } = verify_set(path, options, progress)?;
            return Ok(Verified { path: path.into(), files: None, parts, left_over, report });
        }
        files => files?,
    };
    let report = files.verify(options, progress)?;
    let parts = files.parts.iter().map(|(path, _)| path.clone()).collect();
    let left_over = files.left_over.clone();
    Ok(Verified { path: path.into(), files: Some(files), parts, left_over, report })
}

/// The result of comparing an index with its inputs.
#[derive(Debug)]
pub struct Comparison {
    /// The counts, and the first keys that differ.
    pub report: AgainstReport,
    /// Bad rows of the inputs that were left out.
    pub skipped: u64,
    /// The first few records that differ, in the order of the input, each with its place: `words.tsv, line 17`.
    pub differences: Vec<(String, Mismatch)>,
}

impl Verified {
    /// The files of the index: one, or the parts of a set.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(PathBuf::as_path)
    }

    /// Files in the directory of a set that are named like parts but are not in the manifest. A killed or a running build may
    /// have left them. They do no harm.
    pub fn left_over(&self) -> &[PathBuf] {
        &self.left_over
    }

    /// Looks up every record of the sources, and counts the keys of the index that the sources do not have.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Corrupt`], [`Error::Check`], [`Error::Cancelled`]. A difference is not an error: see
    /// [`AgainstReport::agrees`].
    ///
    /// ```
    /// use hashlith::{Builder, Duplicates, Progress, ReadOptions, Sources, VerifyOptions, build_from_files, verify};
    /// # let dir = tempfile::tempdir()?;
    /// # let (words, path) = (dir.path().join("words.tsv"), dir.path().join("words.hlith"));
    /// # std::fs::write(&words, "sky\tblue\ngrass\tgreen\n")?;
    /// # build_from_files(&path, &[&words], ReadOptions::default(), Builder::new())?;
    /// let (options, progress) = (ReadOptions::default(), Progress::new());
    /// let verified = verify(&path, &VerifyOptions::default(), &progress)?;
    /// let sources = Sources::expand(&[words], &options)?;
    /// let comparison = verified.against(&sources, &options, Duplicates::Unexpected, 2, &progress)?;
    /// assert!(comparison.report.agrees());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn against(
        &self,
        sources: &Sources,
        options: &ReadOptions,
        duplicates: Duplicates,
        threads: usize,
        progress: &Progress,
    ) -> Result<Comparison, Error> {
        let failed = |error| self.error(error);
        // With the hot section in memory, a lookup is one read.
        let hot_cache = available_memory().map_or(512 << 20, |available| available / 4);
        let against_options = AgainstOptions { duplicates, hot_cache };
        let opened = if self.files.is_none() { Some(Files::open(&self.path)?) } else { None };
        let files = opened.as_ref().or(self.files.as_ref()).into_iter();
        let files = files.flat_map(|files| files.parts.iter().map(|(_, file)| file));
        let against = Against::of_parts(files, &against_options).map_err(failed)?;
        let differences = Mutex::new(BTreeMap::new());
        progress.enter(Phase::Comparing, Unit::Bytes, sources.size());
        let new_sink = || Compare { against: &against, differences: &differences, progress, compared: 0 };
        let read = hashlith_inputs::read(sources, options, threads, new_sink, progress);
        let (read, _) = read.map_err(|error| match error {
            ReadError::Sink(error) => failed(error),
            ReadError::Input(error) => error.into(),
        })?;
        let report = against.finish().map_err(failed)?;
        let differences = differences.into_inner().into_iter();
        let place = |((source, position), mismatch)| (sources.describe(source, position), mismatch);
        Ok(Comparison { report, skipped: read.skipped, differences: differences.map(place).collect() })
    }
}

impl Verified {
    /// An error of a check of the whole index, with the file that it is about.
    fn error(&self, error: CheckError) -> Error {
        match error {
            CheckError::InPart { part, error } => {
                Error::of_check(self.parts.get(part as usize).unwrap_or(&self.path), *error)
            }
            error => Error::of_check(&self.path, error),
        }
    }
}

/// The first few differences in the order of the input, whichever thread found them.
type Differences = Mutex<BTreeMap<(u32, u64), Mismatch>>;

struct Compare<'a> {
    against: &'a Against<'a, File>,
    differences: &'a Differences,
    progress: &'a Progress,
    compared: u64,
}

impl Compare<'_> {
    fn count(&mut self) {
        self.progress.add(Unit::Records, std::mem::take(&mut self.compared));
    }
}

impl Drop for Compare<'_> {
    fn drop(&mut self) {
        self.count();
    }
}

impl Sink for Compare<'_> {
    type Error = CheckError;

    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), CheckError> {
        self.compared += 1;
        if self.compared == 1024 {
            self.count();
        }
        match self.against.check(key, value) {
            Ok(()) => Ok(()),
            Err(Mismatch::Index(error)) => Err(error),
            Err(mismatch) => {
                let mut differences = self.differences.lock();
                differences.insert((source, position), mismatch);
                if differences.len() > Against::<File>::SHOWN {
                    differences.pop_last();
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, build_from_files};

    #[test]
    fn all_records_are_counted_and_the_first_differences_named() {
        let dir = tempfile::tempdir().unwrap();
        let (words, path) = (dir.path().join("words.tsv"), dir.path().join("words.hlith"));
        let write = |value: fn(u32) -> u32| {
            let lines = (1..=1500).map(|n| format!("{n}\t{}\n", value(n))).collect::<String>();
            fs::write(&words, lines).unwrap();
        };
        let (options, progress) = (ReadOptions::default(), Progress::new());
        write(|n| n);
        build_from_files(&path, &[&words], ReadOptions::default(), Builder::new()).unwrap();
        let verified = verify(&path, &Options::default(), &progress).unwrap();
        write(|n| if n % 50 == 0 { 0 } else { n });
        let sources = Sources::expand(&[&words], &options).unwrap();
        let comparison = verified.against(&sources, &options, Duplicates::Unexpected, 2, &progress).unwrap();
        assert_eq!((progress.done(Unit::Records), comparison.report.mismatched), (1500, 30));
        let places: Vec<_> = comparison.differences.iter().map(|(place, _)| place.clone()).collect();
        let wanted: Vec<_> =
            (1..=Against::<File>::SHOWN).map(|n| format!("{}, line {}", words.display(), 50 * n)).collect();
        assert_eq!(places, wanted);
    }
}
