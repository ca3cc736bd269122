//! The directory of a set: where its parts wait, and how they all come into force at once (spec section 15).

use crate::{
    Error,
    publish::{self, is_at, is_same},
};
use hashlith_format::{
    Header, Manifest, PAGE,
    manifest::{MANIFEST_NAME, MAX_MANIFEST, PartFile},
};
use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// A directory within that of a set, for parts that are not in force yet. It vanishes with this, unless its process is
/// killed; then the next build of the set removes it.
pub(crate) struct Staging {
    path: PathBuf,
    set: PathBuf,
    /// The directory of the set was not there before.
    is_new: bool,
    /// Locked, so that others can tell it from one that was left over.
    _lock: File,
}

impl Staging {
    /// Makes the directory of the set if it is not there, and one in it.
    pub fn create(set: &Path) -> Result<Self, Error> {
        let mut is_new = prepare(set)?;
        remove_left_over(set);
        for attempt in 0..ATTEMPTS {
            let path = set.join(format!(".new.{}-{attempt}.tmp", std::process::id()));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Another build has given up, and removed the directory that it had made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => is_new |= prepare(set)?,
                Err(error) => return Err(Error::io("cannot make a directory in", set)(error)),
                Ok(()) => {
                    // Another build may have taken it for left over before it was locked.
                    let lock = match File::open(&path) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        opened => opened.map_err(Error::io("cannot open", &path))?,
                    };
                    if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) || !is_at(&lock, &path) {
                        continue;
                    }
                    return Ok(Staging { path, set: set.into(), is_new, _lock: lock });
                }
            }
        }
        Err(Error::io("cannot make a directory in", set)(io::ErrorKind::AlreadyExists.into()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it so that no power cut brings it back, as far as that can be had.
    pub fn remove(self) {
        let set = self.set.clone();
        drop(self);
        let _ = File::open(set).and_then(|set| set.sync_all());
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next build tries again.
        let _ = fs::remove_dir_all(&self.path);
        if self.is_new {
            // Only if it is empty.
            let _ = fs::remove_dir(&self.set);
        }
    }
}

/// How often a directory that others make and remove meanwhile is tried.
const ATTEMPTS: u32 = 1000;

/// Makes the directory of a set, or checks that the one that is there may become a set. True if it was not there.
///
/// # Errors
/// [`Error::Io`], and [`Error::NoSet`] for a directory that holds something else.
pub fn prepare(set: &Path) -> Result<bool, Error> {
    let mut others = 0;
    loop {
        match fs::create_dir(set) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("cannot make the directory", set)(error)),
        }
        match check_may_become_set(set) {
            // Another build has given up, and removed the directory that it had made; or it is a link that leads nowhere.
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
    // Others have files of this name too.
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

/// Puts part files into the set that is, or will be, the directory `set`: all at once, in place of the parts that are there.
///
/// The files lie on the same file system; each is a part of a set of as many files as these, and all of that set are here.
/// They are moved. Readers that have the old set open keep it; its files are removed.
///
/// # Errors
/// [`Error::Part`] when the files are no set together; [`Error::Io`]. Then nothing has changed, except after
/// [`Error::NotDurable`], and when a part that the old set has too cannot be moved: then the new set has the old copy.
pub fn commit(set: &Path, files: &[PathBuf]) -> Result<Manifest, Error> {
    let (manifest, files) = manifest_of(files)?;
    let (directory, is_new) = open_locked(set)?;
    let names: HashSet<&str> = manifest.parts.iter().map(|part| part.file.as_str()).collect();
    let mut moved = Vec::new();
    let mut shared = Vec::new();
    let mut done = files_of(set).and_then(|in_force| {
        let mut new = Vec::new();
        for (path, part) in files.into_iter().zip(&manifest.parts) {
            // Whoever has copied it may have left it in the cache.
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(Error::io("cannot make durable", path))?;
            // One that the old set has too waits: the manifests, the old and the new one, fit either file.
            let is_shared = in_force.contains(part.file.as_bytes()) && is_there(&set.join(&part.file))?;
            let group = if is_shared { &mut shared } else { &mut new };
            group.push((path, part));
        }
        put(set, &directory, &new, &manifest, &mut moved)
    });
    if done.is_ok() {
        for (path, part) in shared {
            let kept = "the set is complete, but keeps its old copy: cannot move into it";
            done = done.and(fs::rename(path, set.join(&part.file)).map_err(Error::io(kept, path)));
        }
        done = done.and(make_durable(set, &directory));
    } else {
        for (path, name) in moved {
            let _ = fs::rename(set.join(name), path);
        }
        if is_new {
            let _ = fs::remove_dir(set);
        }
    }
    if done.is_ok() {
        let is_left = |name: &str| PartFile::is_name(name) && !names.contains(name);
        for name in publish::names_in(set).iter().filter(|name| name.to_str().is_some_and(is_left)) {
            let _ = fs::remove_file(set.join(name));
        }
    }
    remove_left_over(set);
    done.map(|()| manifest)
}

/// The directory of a set, locked where the file system (not some network ones) has locks, and true if it was not there.
///
/// # Errors
/// As [`prepare`].
fn open_locked(set: &Path) -> Result<(File, bool), Error> {
    let (mut is_new, mut failed) = (false, io::Error::from(io::ErrorKind::NotFound));
    for _ in 0..ATTEMPTS {
        is_new |= prepare(set)?;
        match File::open(set) {
            Err(error) => failed = error,
            Ok(directory) => {
                while directory.lock().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
                // A commit that has failed meanwhile may have removed the directory that it had made.
                if is_same(&directory, fs::metadata(set)) {
                    return Ok((directory, is_new));
                }
            }
        }
    }
    Err(Error::io("cannot open", set)(failed))
}

/// The manifest that these files make, and the files in the order of their parts.
fn manifest_of(files: &[PathBuf]) -> Result<(Manifest, Vec<&Path>), Error> {
    let wrong = |path: &Path, what: String| Error::Part { path: path.into(), what };
    let mut parts: Vec<Option<(&Path, Header)>> = vec![None; files.len()];
    let mut first: Option<Header> = None;
    for path in files {
        let header = read_header(path)?;
        if header.parts as usize != files.len() {
            let count = files.len();
            let what = format!("is a part of a set of {}, not of the {count} that are here", header.parts);
            return Err(wrong(path, what));
        }
        let first = first.get_or_insert(header);
        let facts = |header: &Header| (header.hasher, header.key_type, header.value_type);
        if facts(first) != facts(&header) {
            let what = "has another hash, seed, or type of keys or values than the others".to_owned();
            return Err(wrong(path, what));
        }
        let place = &mut parts[header.part as usize];
        if let Some((other, _)) = place {
            return Err(wrong(path, format!("is part {}, and so is {}", header.part, other.display())));
        }
        *place = Some((path, header));
    }
    let hasher = first.map(|header| header.hasher);
    let hasher = hasher.ok_or(Error::Options { what: "a set has at least one part" })?;
    // As many places as files, and no two in one.
    let (files, headers): (Vec<_>, Vec<_>) = parts.into_iter().flatten().unzip();
    Ok((Manifest { hasher, parts: headers.iter().map(PartFile::of).collect() }, files))
}

/// The header of a part file.
///
/// # Errors
/// [`Error::Io`], [`Error::Part`].
fn read_header(path: &Path) -> Result<Header, Error> {
    let read = || {
        // A pipe would wait for its writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let mut file = File::open(path)?;
        let mut page = Vec::new();
        (&mut file).take(PAGE).read_to_end(&mut page)?;
        Ok((page, file.metadata()?.len()))
    };
    let (page, len) = read().map_err(Error::io("cannot read", path))?;
    Header::parse(&page, len).map_err(|error| Error::Part { path: path.into(), what: error.to_string() })
}

/// The names in the manifest that is in force, of whichever version it is: all that stands in quotes.
fn files_of(set: &Path) -> Result<HashSet<Vec<u8>>, Error> {
    let path = set.join(MANIFEST_NAME);
    match read_manifest(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
        text => {
            let text = text.map_err(Error::io("cannot read", &path))?;
            Ok(text.split(|&byte| byte == b'"').map(<[u8]>::to_vec).collect())
        }
    }
}

/// True for all but a directory, into whose place no file can be moved.
fn is_there(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => Ok(!found.map_err(Error::io("cannot look at", path))?.is_dir()),
    }
}

/// Makes durable what was moved within the directory of a set, and the directory itself, which may be new.
fn make_durable(set: &Path, directory: &File) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::NotDurable { path, source }
    };
    directory.sync_all().map_err(failed(set))?;
    let parent = match set.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => parent,
        None => Path::new("."),
    };
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed(parent))
}

/// Moves parts in and then the manifest, which makes them the set. Tells what it has moved, and to which names.
fn put<'f>(
    set: &Path,
    directory: &File,
    files: &[(&'f Path, &'f PartFile)],
    manifest: &Manifest,
    moved: &mut Vec<(&'f Path, &'f str)>,
) -> Result<(), Error> {
    for &(path, part) in files {
        fs::rename(path, set.join(&part.file)).map_err(Error::io("cannot move into the set", path))?;
        moved.push((path, &part.file));
    }
    let path = set.join(MANIFEST_NAME);
    let (mut file, temp_path) = publish::create_locked(&path)?;
    let written = file.write_all(manifest.to_text().as_bytes()).and_then(|()| file.sync_all());
    let put = written
        .map_err(Error::io("cannot write", &temp_path))
        // The parts must be there before the manifest that names them.
        .and_then(|()| directory.sync_all().map_err(Error::io("cannot make durable", set)))
        .and_then(|()| fs::rename(&temp_path, &path).map_err(Error::io("cannot rename to", &path)));
    if put.is_err() {
        let _ = fs::remove_file(&temp_path);
    }
    put
}

/// A manifest, or as much of a file of that name as a manifest can have.
fn read_manifest(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_MANIFEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Removes what killed builds have left, but no parts: those may belong to a manifest that is about to come.
fn remove_left_over(set: &Path) {
    publish::remove_left_over(set, OsStr::new(MANIFEST_NAME));
    for name in publish::names_in(set).iter().filter(|name| publish::is_temp_name(name, OsStr::new(".new"))) {
        let path = set.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir())
            && let Ok(lock) = File::open(&path)
            && lock.try_lock().is_ok()
            && is_at(&lock, &path)
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::tests::meanwhile;

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
        // Whoever found the directory leaves it.
        assert_eq!(fs::read_dir(&set).unwrap().count(), 0);
        fs::remove_dir(&set).unwrap();
        drop(Staging::create(&set).unwrap());
        assert!(!set.exists());
    }

    /// One that gives up removes the directory of the set while another is about to use it.
    #[test]
    fn a_build_that_gives_up_does_no_harm_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        let give_up = || {
            let _ = fs::create_dir(&set);
            let _ = fs::remove_dir(&set);
        };
        let build = || Staging::create(&set).and_then(|_| open_locked(&set)).err();
        let failed = meanwhile(give_up, || (0..1000).find_map(|_| build()));
        assert!(failed.is_none(), "{}", failed.unwrap());
    }

    /// A build that clears up takes no directory that another has just made.
    #[test]
    fn what_is_in_use_is_not_left_over() {
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

    /// Procfs has files that can be read, but not be moved away.
    #[test]
    fn a_commit_that_fails_removes_the_directory_that_it_has_made() {
        let dir = tempfile::tempdir().unwrap();
        let (set, part) = (dir.path().join("set"), dir.path().join("part"));
        crate::Builder::new().threads(1).memory_limit(64 << 20).part(0, 1).finish(&part).unwrap();
        let file = File::open(&part).unwrap();
        let other = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let error = commit(&set, &[other.into()]).unwrap_err();
        assert!(matches!(error, Error::Io { action: "cannot move into the set", .. }), "{error}");
        assert!(!set.exists());
        commit(&set, &[part]).unwrap();
    }

    #[test]
    fn what_cannot_be_looked_at_is_neither_there_nor_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), b"").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        let there = ["file", "link", "none", "."].map(|name| is_there(&path(name)).unwrap());
        assert_eq!(there, [true, true, false, false]);
        assert!(is_there(&path(&"n".repeat(300))).is_err());
    }

    /// Else parts that are in force could be taken away by a commit that fails.
    #[test]
    fn a_manifest_that_cannot_be_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let files = || files_of(dir.path());
        assert!(files().unwrap().is_empty());
        fs::create_dir(dir.path().join(MANIFEST_NAME)).unwrap();
        assert!(matches!(files(), Err(Error::Io { action: "cannot read", .. })));
    }

    /// A commit waits while another one has the directory, and makes it again if that one has failed and removed it.
    #[test]
    fn one_commit_after_the_other() {
        for removed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (set, part) = (dir.path().join("set"), dir.path().join("part"));
            crate::Builder::new().threads(1).memory_limit(64 << 20).part(0, 1).finish(&part).unwrap();
            fs::create_dir(&set).unwrap();
            let other = File::open(&set).unwrap();
            other.lock().unwrap();
            std::thread::scope(|scope| {
                let commit = scope.spawn(|| commit(&set, &[part]));
                std::thread::sleep(std::time::Duration::from_millis(300));
                assert!(!set.join(MANIFEST_NAME).exists());
                if removed {
                    fs::remove_dir(&set).unwrap();
                }
                other.unlock().unwrap();
                commit.join().unwrap().unwrap();
            });
            assert!(set.join(MANIFEST_NAME).exists());
        }
    }

    /// The system's own answer is told.
    #[test]
    fn a_set_that_cannot_be_made_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let Err(Error::Io { action, source, .. }) = Staging::create(&dir.path().join("none").join("set"))
        else {
            panic!("made")
        };
        assert_eq!((action, source.kind()), ("cannot make the directory", io::ErrorKind::NotFound));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        // With a slash it is what it leads to, which is there for the call that makes a directory alone.
        for link in [&link, &dir.path().join("link/")] {
            let Err(Error::Io { action, source, .. }) = Staging::create(link) else { panic!("made") };
            assert_eq!((action, source.kind()), ("cannot look into", io::ErrorKind::NotFound));
        }
        // A path that leaves no room for another name: 4,095 bytes are the most that Linux takes.
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
