//! Sets whose parts were built separately.

use crate::{Error, Progress};
use std::path::{Path, PathBuf};

/// Creates the directory of a set, or checks that the existing one may become a set. Returns true if it was created.
///
/// # Errors
/// [`Error::Io`], and [`Error::Build`] for a directory that holds something else.
pub fn prepare_set(path: impl AsRef<Path>) -> Result<bool, Error> {
    Ok(hashlith_builder::prepare_set(path.as_ref())?)
}

/// Makes the directory `path` a set of these part files: all parts of one set, in any order. Returns the number of keys.
///
/// Moves the files into the directory, which must be on the same file system. The new set replaces the old one in one step;
/// readers keep the version they opened. If another process replaces the set at the same time, this waits for it, up to a
/// minute, unless `progress` is cancelled.
///
/// The manifest and the parts get the mode, owner and group that the old manifest had, as far as this process may.
///
/// # Errors
/// [`Error::Build`] if the files are not one set, or cannot be moved; [`Error::Cancelled`]; [`Error::Corrupt`] if one is not an index; [`Error::Io`].
///
/// ```
/// use hashlith::{Builder, Index, KeyHasher, Progress, commit_set};
/// # let dir = tempfile::tempdir()?;
/// let records = [("sky", "blue"), ("sea", "green"), ("snow", "white")];
/// let mut files = Vec::new();
/// for part in 0..2 {
///     let mut builder = Builder::new().part(part, 2);
///     for (key, value) in records {
///         if KeyHasher::xxh3(0).hash(key.as_bytes()).part(2) == part {
///             builder.add(key.as_bytes(), value.as_bytes())?;
///         }
///     }
///     let path = dir.path().join(format!("{part}.hlith"));
///     builder.finish(&path)?;
///     files.push(path);
/// }
/// assert_eq!(commit_set(dir.path().join("set"), &files, &Progress::new())?, 3);
/// assert_eq!(Index::load(dir.path().join("set"))?.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn commit_set(path: impl AsRef<Path>, files: &[PathBuf], progress: &Progress) -> Result<u64, Error> {
    let manifest = hashlith_builder::commit_set(path.as_ref(), files, progress)?;
    Ok(manifest.parts.iter().map(|part| part.keys).sum())
}
