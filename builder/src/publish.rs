//! The new file, from its first byte to its final name (spec section 10).

use crate::{
    Error,
    direct::{self, Buffer},
};
use hashlith_format::{HUGE_PAGE, Header, PAGE, checksum::ChunkSums};
use rustix::fs::Dir;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

/// A file beside the final path that becomes it, or vanishes.
///
/// It is locked while it is being written, so that a later build can tell the file of a killed build, which it
/// removes, from that of a running one.
pub(crate) struct NewFile {
    file: File,
    temp_path: PathBuf,
    final_path: PathBuf,
    sums: ChunkSums,
    /// Bytes that are not written yet: less than a huge page, up to the next boundary of one.
    ///
    /// Linux makes the pages of its cache as large as the write that fills them, so a file that is written in whole,
    /// aligned huge pages can be mapped with huge pages at once.
    pending: Buffer,
    /// How many bytes of `pending` there are.
    filled: usize,
    /// Where `pending` goes.
    written: u64,
    published: bool,
}

impl NewFile {
    /// Creates the file, and removes what killed builds of the same final path have left.
    pub fn create(final_path: &Path) -> Result<Self, Error> {
        let (file, temp_path) = create_locked(final_path)?;
        Ok(NewFile {
            file,
            temp_path,
            final_path: final_path.into(),
            sums: ChunkSums::default(),
            pending: Buffer::new(HUGE_PAGE as usize),
            filled: 0,
            written: PAGE,
            published: false,
        })
    }

    /// Has the file go to another name of the same directory than the one it was created for.
    pub fn set_final_name(&mut self, name: &str) {
        self.final_path.set_file_name(name);
    }

    /// Writes past the page cache from here to the last whole huge page.
    pub fn write_directly(&mut self) {
        direct::set_direct(&self.file, true);
    }

    /// Appends bytes.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = (HUGE_PAGE - self.written % HUGE_PAGE) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(room - self.filled));
            self.pending[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == room {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn end(&self) -> u64 {
        self.written + self.filled as u64
    }

    fn flush(&mut self) -> Result<(), Error> {
        let pending = &self.pending[..self.filled];
        let written = direct::write_all_at(&self.file, pending, self.written);
        self.sums.update(pending);
        written.map_err(|source| self.failed("cannot write", source))?;
        self.written += self.filled as u64;
        self.filled = 0;
        Ok(())
    }

    /// Appends zeros up to `offset`.
    pub fn pad_to(&mut self, offset: u64) -> Result<(), Error> {
        while self.end() < offset {
            let zeros = [0; PAGE as usize];
            let len = (offset - self.end()).min(PAGE) as usize;
            self.write(&zeros[..len])?;
        }
        Ok(())
    }

    /// Appends the sums, and returns their digest.
    pub fn write_sums(&mut self) -> Result<u64, Error> {
        // What is left is no whole page.
        direct::set_direct(&self.file, false);
        self.flush()?;
        let sums = std::mem::take(&mut self.sums).finish();
        self.file.write_all_at(&sums, self.written).map_err(|source| self.failed("cannot write", source))?;
        self.written += sums.len() as u64;
        Ok(hashlith_format::checksum::digest(&sums))
    }

    /// Writes the header, makes everything durable, and puts the file at its final path.
    pub fn publish(mut self, header: &Header) -> Result<(), Error> {
        debug_assert_eq!(self.written, header.file_len());
        self.file
            .write_all_at(&header.to_bytes(), 0)
            .map_err(|source| self.failed("cannot write", source))?;
        self.file.sync_all().map_err(|source| self.failed("cannot make durable", source))?;
        fs::rename(&self.temp_path, &self.final_path)
            .map_err(Error::io("cannot rename to", &self.final_path))?;
        self.published = true;
        let (dir, _) = split(&self.final_path)?;
        let synced = File::open(&dir).and_then(|dir| dir.sync_all());
        synced.map_err(|source| Error::NotDurable { path: dir, source })
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: self.temp_path.clone(), source }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a failure here; the next build tries again.
            let _ = fs::remove_file(&self.temp_path);
        }
    }
}

/// Creates a file, locked, beside the final path, and removes what killed builds of the same path have left.
pub(crate) fn create_locked(final_path: &Path) -> Result<(File, PathBuf), Error> {
    let (dir, name) = split(final_path)?;
    remove_left_over(&dir, &name);
    for attempt in 0..1000u32 {
        let mut temp_name = name.clone();
        temp_name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let temp_path = dir.join(temp_name);
        match OpenOptions::new().write(true).read(true).create_new(true).open(&temp_path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("cannot create a file in", dir)(error)),
            Ok(file) => {
                // Another build may have taken the file for left over before it was locked. A file system without
                // locks (some network ones) only loses the clearing of left-over files.
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
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_path_buf(),
        _ => PathBuf::from("."),
    };
    Ok((dir, name.to_os_string()))
}

/// True if this open file is the one at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    is_same(file, fs::symlink_metadata(path))
}

/// True if this open file is the one that was found.
pub(crate) fn is_same(file: &File, found: io::Result<fs::Metadata>) -> bool {
    let place = |file: fs::Metadata| (file.dev(), file.ino());
    file.metadata().is_ok_and(|open| found.is_ok_and(|found| place(found) == place(open)))
}

/// Removes temporary files of this name that nobody holds a lock on.
pub(crate) fn remove_left_over(dir: &Path, name: &OsStr) {
    let names = names_in(dir).into_iter();
    for path in names.filter(|found| is_temp_name(found, name)).map(|found| dir.join(found)) {
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file())
            && let Ok(file) = OpenOptions::new().write(true).open(&path)
            && file.try_lock().is_ok()
            // A build that has ended meanwhile may have been followed by another one, with a file of the same name.
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

    /// What `act`, which must not panic, gives while another thread does something again and again.
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
    fn a_folder_that_is_missing_is_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let error = NewFile::create(&dir.path().join("none").join("x.hlith")).err().unwrap();
        assert!(matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound));
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

    /// What is written goes out in whole huge pages, which begin at their boundaries.
    #[test]
    fn writes_end_at_huge_pages() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = NewFile::create(&dir.path().join("x")).unwrap();
        for _ in 0..1000 {
            file.write(&[7; 5000]).unwrap();
            assert_eq!(
                file.written,
                if file.end() < HUGE_PAGE { PAGE } else { file.end() / HUGE_PAGE * HUGE_PAGE }
            );
        }
        file.pad_to(HUGE_PAGE * 3).unwrap();
        assert_eq!((file.end(), file.filled), (HUGE_PAGE * 3, 0));
        file.pad_to(HUGE_PAGE).unwrap();
        assert_eq!(file.end(), HUGE_PAGE * 3);
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

    /// A build that clears up takes no file that another has just made, not even under the name of an earlier one.
    #[test]
    fn what_is_in_use_is_not_left_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.hlith");
        let kept = || {
            let file = NewFile::create(&path);
            std::thread::yield_now();
            file.is_ok_and(|file| file.temp_path.exists())
        };
        let clear = || remove_left_over(dir.path(), "x.hlith".as_ref());
        assert_eq!(meanwhile(clear, || (0..3000).find(|_| !kept())), None);
    }

    /// Promise 3: the file of a killed build goes, that of a running one stays.
    #[test]
    fn left_over_files_are_removed_and_running_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.hlith");
        let left = dir.path().join("x.hlith.1-0.tmp");
        fs::write(&left, b"half").unwrap();
        let running = NewFile::create(&path).unwrap();
        assert!(!left.exists());
        let second = NewFile::create(&path).unwrap();
        assert!(running.temp_path.exists() && second.temp_path.exists());
        drop((running, second));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
