//! Temporary files and directories next to a final path. They are locked while in use, so that a later build can tell
//! those of a killed build, which it removes, from those of a running one.

use crate::{Error, output};
use rustix::fs::Dir;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// How many names are tried, if other builds take or remove them at the same time.
pub(crate) const ATTEMPTS: u32 = 1000;

/// Creates a file, locked, next to the final path, and removes what killed builds of the same path have left.
pub(crate) fn create_locked(final_path: &Path) -> Result<(File, PathBuf), Error> {
    let (dir, name) = split(final_path)?;
    remove_left_over(&dir, &name);
    for attempt in 0..ATTEMPTS {
        let mut temp_name = name.clone();
        temp_name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let temp_path = dir.join(temp_name);
        match OpenOptions::new().write(true).read(true).create_new(true).open(&temp_path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("cannot create a file in", dir)(error)),
            Ok(file) => {
                // Another build may have removed the file as left over before it was locked. On a file system without locks
                // (some network ones) left-over files stay.
                if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) || !is_at(&file, &temp_path) {
                    continue;
                }
                return Ok((file, temp_path));
            }
        }
    }
    Err(Error::io("cannot create a file in", dir)(io::ErrorKind::AlreadyExists.into()))
}

/// The directory and the name of a final path.
pub(crate) fn split(path: &Path) -> Result<(PathBuf, OsString), Error> {
    let name = path.file_name().filter(|_| !path.is_dir());
    let name =
        name.ok_or(Error::Options { what: "the output must be the path of a file, not of a directory" })?;
    Ok((output::parent(path).into(), name.to_os_string()))
}

/// True if this open file is the one at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    is_same(file, fs::symlink_metadata(path))
}

/// True if this open file is the one that `found` describes.
pub(crate) fn is_same(file: &File, found: io::Result<fs::Metadata>) -> bool {
    let place = |file: fs::Metadata| (file.dev(), file.ino());
    file.metadata().is_ok_and(|open| found.is_ok_and(|found| place(found) == place(open)))
}

/// Removes temporary files of this name that no process has locked.
pub(crate) fn remove_left_over(dir: &Path, name: &OsStr) {
    let names = names_in(dir).into_iter();
    for path in names.filter(|found| is_temp_name(found, name)).map(|found| dir.join(found)) {
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file())
            && let Ok(file) = OpenOptions::new().write(true).open(&path)
            && file.try_lock().is_ok()
            // Its build may have ended by now, and another one may have made a file of the same name.
            && is_at(&file, &path)
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
    fn a_file_that_was_replaced_is_not_at_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path));
        File::create(&path).unwrap();
        assert!(!is_at(&file, &path));
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
