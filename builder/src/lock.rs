//! Locks on files and directories (flock). They tell what a build uses from what a killed one has left, and order the commits
//! of a set.

use parking_lot::Mutex;
use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The locked files of this process, by the number of their lock.
static HELD: Mutex<Vec<(u64, File)>> = Mutex::new(Vec::new());

/// A locked file. A child that is forked meanwhile has the same open file, and so the same lock: dropping this unlocks it for
/// both, which closing would not.
pub(crate) struct Lock {
    number: u64,
    /// False on a file system without locks (some network ones).
    pub is_real: bool,
}

impl Lock {
    /// Locks an open file. `None` if another process has locked it, or if it is not at this path any more.
    pub fn take(file: File, path: &Path) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let is_real = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Error(_)) => false,
        };
        let is_there = is_at(&file, path);
        let number = NEXT.fetch_add(1, Relaxed);
        HELD.lock().push((number, file));
        let lock = Lock { number, is_real };
        is_there.then_some(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut held = HELD.lock();
        if let Some(at) = held.iter().position(|&(number, _)| number == self.number) {
            let _ = held.swap_remove(at).1.unlock();
        }
    }
}

/// For a child process, right after the fork, before it starts threads: gives up its share of the locks of its parent's builds,
/// which go on. Otherwise they would stay locked while the child lives, if the parent is killed. A program that forks while it
/// builds calls this in its children; the Python package does.
///
/// ```
/// hashlith_builder::forget_locks();
/// ```
pub fn forget_locks() {
    // Closing does not unlock. If the fork came while another thread held the list, that thread is gone, and so is the list.
    if let Some(mut held) = HELD.try_lock() {
        held.clear();
    }
}

/// True if this open file is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let place = place_of(fs::symlink_metadata(path));
    place.is_ok_and(|found| place_of(file.metadata()).is_ok_and(|open| open == found))
}

/// What tells a file from every other one, as long as it is open.
pub(crate) fn place_of(found: io::Result<fs::Metadata>) -> io::Result<(u64, u64)> {
    found.map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The same open files, as a forked child has them.
    pub fn of_a_child() -> Vec<File> {
        HELD.lock().iter().map(|(_, file)| file.try_clone().unwrap()).collect()
    }

    #[test]
    fn a_file_that_was_replaced_is_not_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let file = || File::create(&path).unwrap();
        let old = file();
        let lock = Lock::take(file(), &path);
        assert!(lock.is_some() && Lock::take(file(), &path).is_none());
        drop(lock);
        fs::remove_file(&path).unwrap();
        assert!(Lock::take(old.try_clone().unwrap(), &path).is_none());
        drop(file());
        assert!(Lock::take(old, &path).is_none());
        assert!(Lock::take(file(), &path).is_some());
    }

    /// As long as a child lives, it has the open file, but not the lock.
    #[test]
    fn a_child_keeps_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let file = || File::create(&path).unwrap();
        let lock = Lock::take(file(), &path).unwrap();
        let child = of_a_child();
        assert!(Lock::take(file(), &path).is_none());
        drop(lock);
        assert!(Lock::take(file(), &path).is_some());
        drop(child);
    }
}
