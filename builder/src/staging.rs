//! The directory where the parts of a set wait until they replace the old ones together (spec section 15).

use crate::{
    Error,
    lock::Lock,
    temp_file::{self, ATTEMPTS},
};
use hashlith_format::{
    manifest::{MANIFEST_NAME, PartFile},
    read_manifest,
};
use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// A directory within that of a set, for parts that no manifest names yet. Dropping this removes it. If the process is killed,
/// the next build of the set removes it.
pub(crate) struct Staging {
    path: PathBuf,
    set: PathBuf,
    /// The directory of the set is new.
    is_new: bool,
    /// Locked, so that others can tell it from a left-over one.
    _lock: Lock,
}

impl Staging {
    /// Creates the directory of the set if there is none, and the staging directory in it.
    pub fn create(set: &Path) -> Result<Self, Error> {
        let mut is_new = prepare_set(set)?;
        remove_left_over(set);
        for attempt in 0..ATTEMPTS {
            let path = set.join(format!(".new.{}-{attempt}.tmp", std::process::id()));
            // Nobody else may see the parts before they are in place, or lock the directory.
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Another build has failed, and removed the directory of the set that it had created.
                Err(error) if error.kind() == io::ErrorKind::NotFound => is_new |= prepare_set(set)?,
                Err(error) => return Err(Error::io("cannot make a directory in", set)(error)),
                // Another build may have removed it as left over before it was locked.
                Ok(()) => match Lock::take(|| File::open(&path), &path) {
                    Ok(Some(lock)) => return Ok(Staging { path, set: set.into(), is_new, _lock: lock }),
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(Error::io("cannot open", path)(error));
                    }
                    Ok(None) | Err(_) => {}
                },
            }
        }
        Err(Error::io("cannot make a directory in", set)(io::ErrorKind::AlreadyExists.into()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and tries to make that durable.
    pub fn remove(self) {
        let set = self.set.clone();
        drop(self);
        let _ = File::open(set).and_then(|set| set.sync_all());
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // If this fails, the next build removes the directory.
        let _ = fs::remove_dir_all(&self.path);
        if self.is_new {
            // Only if it is empty.
            let _ = fs::remove_dir(&self.set);
        }
    }
}

/// Creates the directory of a set, or checks that the existing one may become a set. Returns true if it was created.
///
/// ```
/// use hashlith_builder::prepare_set;
/// # let dir = tempfile::tempdir()?;
///
/// let set = dir.path().join("set");
/// assert!(prepare_set(&set)?);
/// assert!(!prepare_set(&set)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`], and [`Error::NoSet`] for a directory that holds something else.
pub fn prepare_set(set: &Path) -> Result<bool, Error> {
    let mut others = 0;
    loop {
        match fs::create_dir(set) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("cannot make the directory", set)(error)),
        }
        match check_may_become_set(set) {
            // Another build has failed and removed the directory that it had created; or it is a link that leads nowhere.
            Err(Error::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && others < ATTEMPTS =>
            {
                others += 1;
            }
            checked => return checked.map(|()| false),
        }
    }
}

fn check_may_become_set(set: &Path) -> Result<(), Error> {
    let failed = |error| Error::io("cannot look into", set)(error);
    let manifest = set.join(MANIFEST_NAME);
    // Other programs have files of this name too.
    let is_set = fs::metadata(&manifest).is_ok_and(|found| found.is_file())
        && read_manifest(&manifest).map_err(failed)?.starts_with(b"{\"hashlith\": ");
    if is_set {
        return Ok(());
    }
    let own =
        |name: &str| name.starts_with('.') || name.starts_with("manifest.json.") || PartFile::is_name(name);
    for entry in fs::read_dir(set).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !name.to_str().is_some_and(own) {
            return Err(Error::NoSet { path: set.into(), holds: set.join(name) });
        }
    }
    Ok(())
}

/// Removes what killed builds have left, except parts: another build may be about to write the manifest that names them.
pub(crate) fn remove_left_over(set: &Path) {
    let names = temp_file::names_in(set);
    temp_file::remove_left_over_of(set, &names, OsStr::new(MANIFEST_NAME));
    for name in names.iter().filter(|name| temp_file::is_temp_name(name, OsStr::new(".new"))) {
        let path = set.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir())
            && let Ok(Some(lock)) = Lock::take(|| File::open(&path), &path)
            && lock.is_real
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_file::tests::meanwhile;

    #[test]
    fn two_builds_of_one_set_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        let first = Staging::create(&set).unwrap();
        let second = Staging::create(&set).unwrap();
        assert!(first.path() != second.path() && first.path().is_dir() && second.path().is_dir());
        drop(first);
        assert!(second.path().is_dir());
        drop(second);
        // A build that found the directory leaves it.
        assert_eq!(fs::read_dir(&set).unwrap().count(), 0);
        fs::remove_dir(&set).unwrap();
        drop(Staging::create(&set).unwrap());
        assert!(!set.exists());
    }

    /// A build that clears up never removes a directory that another build has just created.
    #[test]
    fn a_directory_in_use_is_not_left_over() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        let kept = |staging: Staging| {
            let part = staging.path().join("part");
            let written = fs::write(&part, b"");
            std::thread::yield_now();
            written.is_ok() && part.exists()
        };
        let build = || Staging::create(&set).is_ok_and(kept);
        assert_eq!(meanwhile(|| remove_left_over(&set), || (0..3000).find(|_| !build())), None);
    }

    /// The error has the system's own answer.
    #[test]
    fn a_set_that_cannot_be_made_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let Err(Error::Io { action, source, .. }) = Staging::create(&dir.path().join("none").join("set"))
        else {
            panic!("made")
        };
        assert_eq!((action, source.kind()), ("cannot make the directory", io::ErrorKind::NotFound));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        // With a slash the path means the target: mkdir says that it exists, all other calls say that it does not.
        for link in [&link, &dir.path().join("link/")] {
            let Err(Error::Io { action, source, .. }) = Staging::create(link) else { panic!("made") };
            assert_eq!((action, source.kind()), ("cannot look into", io::ErrorKind::NotFound));
        }
        // A path with no room for another name: Linux allows 4,095 bytes.
        let mut long = dir.path().to_path_buf();
        while long.as_os_str().len() < 3890 {
            long.push("d".repeat(180));
        }
        fs::create_dir_all(&long).unwrap();
        long.push("s".repeat(4090 - long.as_os_str().len() - 1));
        let Err(Error::Io { action, source, .. }) = Staging::create(&long) else { panic!("made") };
        assert_eq!((action, source.kind()), ("cannot make a directory in", io::ErrorKind::InvalidFilename));
    }
}
