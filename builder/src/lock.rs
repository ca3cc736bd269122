//! Locks on files and directories (flock). They tell what a build uses from what a killed one has left, and order the commits
//! of a set.

use std::{
    cell::RefCell,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The locked files of this process, each with the number of its lock.
#[derive(Default)]
struct Held {
    files: Vec<(u64, File)>,
    next: u64,
}

/// Also held while a file is opened and locked, and during a fork. (The mutex of the standard library has no state outside of it,
/// which the threads that a fork loses could leave in disorder.)
static HELD: Mutex<Held> = Mutex::new(Held { files: Vec::new(), next: 0 });

thread_local! {
    /// What a thread that is about to fork holds.
    static FORKING: RefCell<Option<MutexGuard<'static, Held>>> = const { RefCell::new(None) };
}

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A locked file. A child that is forked meanwhile has the same open file, and so the same lock: dropping this unlocks it for
/// both, which closing would not.
pub(crate) struct Lock {
    number: u64,
    /// False on a file system without locks (some network ones).
    pub is_real: bool,
}

impl Lock {
    /// Opens a file and locks it. `None` if another process has locked it, or if it is not at this path any more.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn take(open: impl FnOnce() -> io::Result<File>, path: &Path) -> io::Result<Option<Self>> {
        let mut held = held();
        let file = open()?;
        let is_real = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(_)) => false,
        };
        if !is_at(&file, path) {
            let _ = file.unlock();
            return Ok(None);
        }
        let number = held.next;
        held.next += 1;
        held.files.push((number, file));
        Ok(Some(Lock { number, is_real }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let files = &mut held().files;
        if let Some(at) = files.iter().position(|&(number, _)| number == self.number) {
            let _ = files.swap_remove(at).1.unlock();
        }
    }
}

/// For a program that forks while it builds, and whose children live on without `exec`: call this before each fork,
/// [`after_fork_in_parent`] and [`after_fork_in_child`] after it, on the same thread. Then the child has no share of the locks
/// of builds, which go on in the parent. Otherwise it keeps them locked if the parent is killed. The Python package does it.
///
/// ```
/// hashlith_builder::before_fork();
/// // The fork.
/// hashlith_builder::after_fork_in_parent();
/// ```
pub fn before_fork() {
    FORKING.set(Some(held()));
}

/// See [`before_fork`].
pub fn after_fork_in_parent() {
    FORKING.set(None);
}

/// See [`before_fork`].
pub fn after_fork_in_child() {
    if let Some(mut held) = FORKING.take() {
        // Closes the files, which does not unlock them.
        held.files.clear();
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
        held().files.iter().map(|(_, file)| file.try_clone().unwrap()).collect()
    }

    fn take(path: &Path) -> Option<Lock> {
        Lock::take(|| File::create(path), path).unwrap()
    }

    #[test]
    fn a_file_that_was_replaced_is_not_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let old = File::create(&path).unwrap();
        let take_old = || Lock::take(|| old.try_clone(), &path).unwrap();
        let lock = take_old();
        assert!(lock.is_some() && take(&path).is_none());
        drop(lock);
        fs::remove_file(&path).unwrap();
        assert!(take_old().is_none());
        let lock = take(&path);
        assert!(lock.is_some() && take_old().is_none());
        drop(lock);
        assert!(take_old().is_none() && take(&path).is_some());
    }

    /// As long as a child lives, it has the open file, but not the lock.
    #[test]
    fn a_child_keeps_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let lock = take(&path).unwrap();
        let child = of_a_child();
        assert!(take(&path).is_none());
        drop(lock);
        assert!(take(&path).is_some());
        drop(child);
    }

    /// No file is opened and not yet known during a fork.
    #[test]
    fn a_fork_waits_for_a_lock_and_a_lock_for_a_fork() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        before_fork();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| take(&path));
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert!(!path.exists());
            after_fork_in_parent();
            assert!(other.join().unwrap().is_some() && path.exists());
        });
        after_fork_in_child();
    }
}
