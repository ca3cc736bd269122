//! Puts all parts of a set in place of the old ones, all at once (spec section 15).

use crate::{
    Error, output,
    staging::{prepare_set, remove_left_over},
    temp_file::{self, ATTEMPTS, is_same},
};
use hashlith_format::{
    Header, Manifest, PAGE,
    manifest::{MANIFEST_NAME, PartFile},
    open_regular, read_manifest,
    set::{NotOneSet, in_order},
};
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Makes the directory `set` the set of these part files, and replaces the set that was there, all at once.
///
/// The files must be all parts of one set, in any order, and on the file system of `set`. They are moved. Readers keep the
/// version they opened; its files are removed.
///
/// ```
/// use hashlith_builder::{Builder, KeyHasher, commit_set};
/// # let dir = tempfile::tempdir()?;
///
/// let mut files = Vec::new();
/// for part in 0..2 {
///     let mut builder = Builder::new().part(part, 2);
///     for key in ["sky", "grass", "snow"] {
///         if KeyHasher::xxh3(0).hash(key.as_bytes()).part(2) == part {
///             builder.add(key.as_bytes(), b"colour")?;
///         }
///     }
///     let file = dir.path().join(format!("{part}.hlith"));
///     builder.finish(&file)?;
///     files.push(file);
/// }
/// let manifest = commit_set(&dir.path().join("set"), &files)?;
/// assert_eq!(manifest.parts.iter().map(|part| part.keys).sum::<u64>(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Part`] and [`Error::NotOneSet`] if the files are not one set; [`Error::Io`]; those of [`prepare_set`]. Then nothing has changed, with two
/// exceptions: after [`Error::NotDurable`] the new set is in place, and so it is if a part that the old set also has cannot be
/// moved; then the new set keeps the old copy of that part.
pub fn commit_set(set: &Path, files: &[PathBuf]) -> Result<Manifest, Error> {
    let (manifest, files) = manifest_of(files)?;
    let (directory, is_new) = open_locked(set)?;
    let names: HashSet<&str> = manifest.parts.iter().map(|part| part.file.as_str()).collect();
    let mut moved = Vec::new();
    let mut shared = Vec::new();
    let mut done = files_of(set).and_then(|in_force| {
        let mut new = Vec::new();
        for (path, part) in files.into_iter().zip(&manifest.parts) {
            // If a program copied it, it may be in the page cache only.
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(Error::io("cannot make durable", path))?;
            // A part that the old set also has is moved last: either copy fits both manifests.
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
        for name in temp_file::names_in(set).iter().filter(|name| name.to_str().is_some_and(is_left)) {
            let _ = fs::remove_file(set.join(name));
        }
    }
    remove_left_over(set);
    done.map(|()| manifest)
}

/// Opens the directory of a set, and locks it if the file system has locks (some network ones have none). Also returns
/// true if the directory is new.
///
/// # Errors
/// Those of [`prepare_set`].
fn open_locked(set: &Path) -> Result<(File, bool), Error> {
    let (mut is_new, mut failed) = (false, io::Error::from(io::ErrorKind::NotFound));
    for _ in 0..ATTEMPTS {
        is_new |= prepare_set(set)?;
        match File::open(set) {
            Err(error) => failed = error,
            Ok(directory) => {
                while directory.lock().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
                // Another commit may have failed by now, and removed the directory that it had created.
                if is_same(&directory, fs::metadata(set)) {
                    return Ok((directory, is_new));
                }
            }
        }
    }
    Err(Error::io("cannot open", set)(failed))
}

/// The manifest of these files, and the files in the order of their parts.
fn manifest_of(files: &[PathBuf]) -> Result<(Manifest, Vec<&Path>), Error> {
    let headers = files.iter().map(|path| read_header(path)).collect::<Result<Vec<_>, _>>()?;
    let not_one_set =
        |what: NotOneSet| Error::NotOneSet { path: what.file().map(|file| files[file].clone()), what };
    let order = in_order(&headers).map_err(not_one_set)?;
    let parts = order.iter().map(|&file| PartFile::of(&headers[file])).collect();
    let manifest = Manifest { hasher: headers[0].hasher, parts };
    Ok((manifest, order.into_iter().map(|file| &*files[file]).collect()))
}

/// The header of a part file.
///
/// # Errors
/// [`Error::Io`], [`Error::Part`].
fn read_header(path: &Path) -> Result<Header, Error> {
    let read = || {
        let mut file = open_regular(path)?;
        let mut page = Vec::new();
        (&mut file).take(PAGE).read_to_end(&mut page)?;
        Ok((page, file.metadata()?.len()))
    };
    let (page, len) = read().map_err(Error::io("cannot read", path))?;
    Header::parse(&page, len).map_err(|fault| Error::Part { path: path.into(), fault })
}

/// The names in the present manifest, whatever its version: everything in quotes.
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

/// True if there is anything but a directory, which no file can replace.
fn is_there(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => Ok(!found.map_err(Error::io("cannot look at", path))?.is_dir()),
    }
}

/// Makes the moves within the directory of a set durable, and the directory itself, which may be new.
fn make_durable(set: &Path, directory: &File) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::NotDurable { path, source }
    };
    directory.sync_all().map_err(failed(set))?;
    let parent = output::parent(set);
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed(parent))
}

/// Moves parts in, and then the manifest, which makes them the set. Adds the moved files and their new names to `moved`.
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
    let (mut file, temp_path) = temp_file::create_locked(&path)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{staging::Staging, temp_file::tests::meanwhile};

    /// A build that fails removes the directory of the set while another build is about to use it.
    #[test]
    fn a_failing_build_does_no_harm_to_another() {
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

    /// Procfs has files that can be read, but not moved.
    #[test]
    fn a_failing_commit_removes_the_directory_that_it_has_created() {
        let dir = tempfile::tempdir().unwrap();
        let (set, part) = (dir.path().join("set"), dir.path().join("part"));
        crate::Builder::new().threads(1).memory_limit(64 << 20).part(0, 1).finish(&part).unwrap();
        let file = File::open(&part).unwrap();
        let other = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let error = commit_set(&set, &[other.into()]).unwrap_err();
        assert!(matches!(error, Error::Io { action: "cannot move into the set", .. }), "{error}");
        assert!(!set.exists());
        commit_set(&set, &[part]).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_inspected_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), b"").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        let there = ["file", "link", "none", "."].map(|name| is_there(&path(name)).unwrap());
        assert_eq!(there, [true, true, false, false]);
        assert!(is_there(&path(&"n".repeat(300))).is_err());
    }

    /// Otherwise a failing commit could remove parts of the present set.
    #[test]
    fn a_manifest_that_cannot_be_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let files = || files_of(dir.path());
        assert!(files().unwrap().is_empty());
        fs::create_dir(dir.path().join(MANIFEST_NAME)).unwrap();
        assert!(matches!(files(), Err(Error::Io { action: "cannot read", .. })));
    }

    /// A commit waits while another one holds the directory, and creates it again if the other one has failed and removed it.
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
                let commit = scope.spawn(|| commit_set(&set, &[part]));
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
}
