//! Temporary files and directories next to a final path. They are locked while in use, so that a later build can tell
//! those of a killed build, which it removes, from those of a running one.

use crate::{Error, lock::Lock, output};
use rustix::fs::Dir;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

/// How many names are tried, if other builds take or remove them at the same time.
pub(crate) const ATTEMPTS: u32 = 1000;

/// A file next to its final path, locked. Dropping this removes it, unless it was renamed.
pub(crate) struct TempFile {
    pub file: File,
    pub path: PathBuf,
    is_renamed: bool,
    _lock: Lock,
}

impl TempFile {
    /// Creates the file, which gets this mode, less the umask.
    pub fn create(final_path: &Path, mode: u32) -> Result<Self, Error> {
        let (dir, name) = split(final_path)?;
        let failed = |error| Error::io("cannot create a file in", &dir)(error);
        for attempt in 0..ATTEMPTS {
            let mut temp_name = name.clone();
            temp_name.push(format!(".{}-{attempt}.tmp", std::process::id()));
            let path = dir.join(temp_name);
            let file = match OpenOptions::new().write(true).read(true).create_new(true).mode(mode).open(&path)
            {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created.map_err(failed)?,
            };
            // Not through `file`, which a forked child keeps open. On a file system without locks (some network ones) left-over
            // files stay.
            match open_locked(&path) {
                Ok(Some(lock)) => return Ok(TempFile { file, path, is_renamed: false, _lock: lock }),
                // Another build takes it for left over: it was not locked yet.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let _ = fs::remove_file(&path);
                    return Err(failed(error));
                }
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// Gives it its final name.
    pub fn rename(mut self, to: &Path) -> Result<(), Error> {
        fs::rename(&self.path, to).map_err(Error::io("cannot rename to", to))?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.is_renamed {
            // If this fails, the next build removes the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The directory and the name of a final path.
pub(crate) fn split(path: &Path) -> Result<(PathBuf, OsString), Error> {
    let name = path.file_name().filter(|_| !path.is_dir());
    let name =
        name.ok_or(Error::Options { what: "the output must be the path of a file, not of a directory" })?;
    Ok((output::parent(path).into(), name.to_os_string()))
}

/// Opens and locks a file; `None` if another process has locked it, or just removed it.
fn open_locked(path: &Path) -> io::Result<Option<Lock>> {
    Lock::take(|| OpenOptions::new().write(true).open(path), path)
}

/// Removes temporary files of this name that no process has locked.
pub(crate) fn remove_left_over(dir: &Path, name: &OsStr) {
    remove_left_over_of(dir, &names_in(dir), name);
}

/// The same, of a directory that has these names.
pub(crate) fn remove_left_over_of(dir: &Path, names: &[OsString], name: &OsStr) {
    for path in names.iter().filter(|found| is_temp_name(found, name)).map(|found| dir.join(found)) {
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file())
            && let Ok(Some(lock)) = open_locked(&path)
            && lock.is_real
        {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The names in a directory; none if it cannot be read.
pub(crate) fn names_in(dir: &Path) -> Vec<OsString> {
    // The standard library's own listing panics when a close fails.
    let Some(entries) = File::open(dir).ok().and_then(|dir| Dir::new(dir).ok()) else { return Vec::new() };
    entries.flatten().map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()).collect()
}

/// True for `NAME.PID-ATTEMPT.tmp`.
pub(crate) fn is_temp_name(candidate: &OsStr, name: &OsStr) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let rest = candidate.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
    rest.and_then(|rest| str::from_utf8(rest).ok())
        .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp")?.split_once('-'))
        .is_some_and(|(pid, attempt)| digits(pid) && digits(attempt))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Runs `act`, which must not panic, while another thread runs `other` again and again.
    pub(crate) fn meanwhile<T>(other: impl Fn() + Sync, act: impl FnOnce() -> T) -> T {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    other();
                }
            });
            let result = act();
            ended.store(true, Ordering::Relaxed);
            result
        })
    }

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        assert_eq!(split(Path::new("x.hlith")).unwrap(), (".".into(), "x.hlith".into()));
        assert_eq!(split(Path::new("/tmp/x.hlith")).unwrap(), ("/tmp".into(), "x.hlith".into()));
        assert!(split(Path::new("/")).is_err() && split(Path::new("/tmp")).is_err());
    }

    #[test]
    fn only_our_own_names_are_left_overs() {
        for name in ["a.hlith.12-0.tmp", "a.hlith.1-99.tmp"] {
            assert!(is_temp_name(name.as_ref(), "a.hlith".as_ref()), "{name}");
        }
        for name in [
            "a.hlith.tmp",
            "a.hlith",
            "ba.hlith.1-0.tmp",
            "a.hlith.x-0.tmp",
            "a.hlith.1-.tmp",
            "a.hlith.1-0.tmp2",
        ] {
            assert!(!is_temp_name(name.as_ref(), "a.hlith".as_ref()), "{name}");
        }
    }
}
