//! The lock of a set: its commits (spec section 15) come one after the other.

use crate::{Error, access::Access, lock::Lock, staging::prepare_set};
use hashlith_feedback::Progress;
use rustix::fs::{OFlags, major, minor};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The file that is locked. It is there only while a set is replaced; one that a killed process has left is used again.
const NAME: &str = "manifest.json.lock";
/// How long one holder of the lock is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a lock file that may not be opened is taken for one that its maker is about to open for others.
const DENIED: Duration = Duration::from_secs(1);
/// The first and the longest time between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// A locked set. Dropping this unlocks it.
pub(crate) struct SetLock {
    path: PathBuf,
    _lock: Lock,
}

impl SetLock {
    /// Waits until no other commit has the set. Creates its directory again if another commit has failed and removed it; then
    /// `is_new` becomes true.
    ///
    /// # Errors
    /// [`Error::Locked`] after this time, [`Error::Cancelled`], [`Error::Io`], and those of [`prepare_set`].
    pub fn wait(
        set: &Path,
        is_new: &mut bool,
        patience: Duration,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let path = set.join(NAME);
        let (mut since, mut last, mut pause) = (Instant::now(), None, PAUSES.0);
        loop {
            progress.check()?;
            let mut found = None;
            let taken = Lock::take(|| open(&path, set).inspect(|file| found = file.metadata().ok()), &path);
            let waited = since.elapsed();
            match taken {
                Ok(Some(lock)) => return Ok(SetLock { path, _lock: lock }),
                Ok(None) if waited > patience => {
                    let holder = found.as_ref().and_then(holder);
                    return Err(Error::Locked { path: set.into(), lock: path, holder });
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && waited <= patience => {
                    *is_new |= prepare_set(set)?;
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && waited <= DENIED => {}
                Err(error) => return Err(Error::io("cannot open", path)(error)),
            }
            // Each holder has a file of its own: the set is free soon if they take turns.
            let file = found.map(|found| (found.ino(), found.ctime(), found.ctime_nsec()));
            if file.is_some() && file != last {
                (since, last, pause) = (Instant::now(), file, PAUSES.0);
            }
            thread::sleep(pause);
            pause = PAUSES.1.min(pause * 2);
        }
    }
}

impl Drop for SetLock {
    fn drop(&mut self) {
        // While it is locked: whoever locks it next sees that it is gone.
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens the lock file, or creates it so that whoever may write to the directory may open it, and nobody else: a lock on a file
/// takes no more than permission to read it.
fn open(path: &Path, set: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Nothing but a file: not the target of a link, and no wait for the reader of a pipe.
    options.write(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    match options.clone().create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
        Ok(file) => {
            Access::of(&fs::metadata(set)?).masked(0o222).give(&file);
            Ok(file)
        }
    }
}

/// The process that has locked this file, as `/proc/locks` says.
fn holder(file: &fs::Metadata) -> Option<String> {
    let device = file.dev();
    let place = format!(" {:02x}:{:02x}:{} ", major(device), minor(device), file.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF; whoever waits has an arrow after the number.
    let is_holder = |line: &&str| line.contains(": FLOCK ") && line.contains(&place);
    let pid = locks.lines().find(is_holder)?.split_whitespace().nth(4)?;
    Some(match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim()),
        // It may have ended, and have left the lock to children.
        Err(_) => format!("process {pid}, or a child that it has forked"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commit_set, lock::tests::of_a_child, staging::Staging, temp_file::tests::meanwhile};
    use std::os::unix::fs::PermissionsExt;

    fn wait(set: &Path, patience: Duration) -> Result<SetLock, Error> {
        SetLock::wait(set, &mut false, patience, &Progress::new())
    }

    /// A build that fails removes the directory of the set while another build is about to use it.
    #[test]
    fn a_failing_build_does_no_harm_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        let give_up = || {
            let _ = fs::create_dir(&set);
            let _ = fs::remove_dir(&set);
        };
        let build = || Staging::create(&set).and_then(|_| wait(&set, PATIENCE)).err();
        let failed = meanwhile(give_up, || (0..1000).find_map(|_| build()));
        assert!(failed.is_none(), "{}", failed.unwrap());
    }

    /// A commit waits while another one has the lock, and creates the directory again if the other one has failed and removed it.
    #[test]
    fn one_commit_after_the_other() {
        for removed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (set, part) = (dir.path().join("set"), dir.path().join("part"));
            crate::Builder::new().threads(1).memory_limit(64 << 20).part(0, 1).finish(&part).unwrap();
            fs::create_dir(&set).unwrap();
            let other = wait(&set, PATIENCE).unwrap();
            thread::scope(|scope| {
                let commit = scope.spawn(|| commit_set(&set, &[part], &Progress::new()));
                thread::sleep(Duration::from_millis(300));
                assert!(!set.join("manifest.json").exists());
                if removed {
                    fs::remove_dir_all(&set).unwrap();
                }
                drop(other);
                commit.join().unwrap().unwrap();
            });
            assert_eq!(fs::read_dir(&set).unwrap().count(), 2);
        }
    }

    #[test]
    fn the_wait_ends_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = wait(dir.path(), PATIENCE).unwrap();
        let error = wait(dir.path(), Duration::ZERO).err().unwrap();
        let Error::Locked { path, lock, holder } = &error else { panic!("{error}") };
        assert_eq!((&**path, lock), (dir.path(), &dir.path().join(NAME)));
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(holder.as_ref(), Some(&format!("process {} ({})", std::process::id(), name.trim())));
        let progress = Progress::new();
        progress.cancel();
        let cancelled = SetLock::wait(dir.path(), &mut false, PATIENCE, &progress);
        assert!(matches!(cancelled, Err(Error::Cancelled)));
        drop(held);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(wait(dir.path(), Duration::ZERO).unwrap());
    }

    /// A child that was forked meanwhile has the open file. A lock file that a killed process has left is used again.
    #[test]
    fn what_is_left_of_a_lock_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let held = wait(dir.path(), PATIENCE).unwrap();
        let child = of_a_child();
        drop(held);
        fs::write(dir.path().join(NAME), b"").unwrap();
        drop(wait(dir.path(), Duration::ZERO).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(child);
    }

    /// As many as may write to the directory.
    #[test]
    fn who_may_open_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, wanted) in [(0o755, 0o200), (0o775, 0o220), (0o777, 0o222), (0o700, 0o200)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let _held = wait(dir.path(), PATIENCE).unwrap();
            let found = fs::metadata(dir.path().join(NAME)).unwrap();
            assert_eq!(found.mode() & 0o777, wanted, "{mode:o}");
            assert_eq!(found.gid(), fs::metadata(dir.path()).unwrap().gid());
        }
    }

    /// Opening a pipe would wait for its reader; a link leads elsewhere.
    #[test]
    fn only_a_file_is_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        fs::write(dir.path().join("elsewhere"), b"").unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(matches!(wait(dir.path(), PATIENCE), Err(Error::Io { action: "cannot open", .. })));
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
        assert!(matches!(wait(dir.path(), PATIENCE), Err(Error::Io { action: "cannot open", .. })));
    }
}
