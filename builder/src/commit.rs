//! Puts all parts of a set in place of the old ones, all at once (spec section 15).

use crate::{
    Error,
    access::Access,
    error::PartFault,
    lock::place_of,
    output,
    set_lock::{PATIENCE, SetLock},
    staging::{prepare_set, remove_left_over},
    temp_file::{self, TempFile},
};
use hashlith_feedback::Progress;
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
/// The files must be all parts of one set, in any order, and on the file system of `set`. They are moved, and get the mode,
/// owner and group of the manifest that they replace, as far as this process may. Readers keep the version they opened; its
/// files are removed. If another process replaces the set at the same time, this waits for it, up to a minute.
///
/// ```
/// use hashlith_builder::{Builder, KeyHasher, Progress, commit_set};
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
/// let manifest = commit_set(&dir.path().join("set"), &files, &Progress::new())?;
/// assert_eq!(manifest.parts.iter().map(|part| part.keys).sum::<u64>(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Part`], [`Error::PartFile`] and [`Error::NotOneSet`] if the files are not one set, or cannot be moved there;
/// [`Error::Locked`], [`Error::Cancelled`], [`Error::Io`]; those of [`prepare_set`]. Then nothing has changed, with two
/// exceptions: after [`Error::NotDurable`] the new set is in place, and so it is if a part that the old set also has cannot be
/// moved; then the new set keeps the old copy of that part.
pub fn commit_set(set: &Path, files: &[PathBuf], progress: &Progress) -> Result<Manifest, Error> {
    commit(set, files, false, progress)
}

/// The same; `is_durable` says that the files are durable, but not their names.
pub(crate) fn commit(
    set: &Path,
    files: &[PathBuf],
    is_durable: bool,
    progress: &Progress,
) -> Result<Manifest, Error> {
    let (manifest, mut parts) = parts_of(files)?;
    let mut is_new = prepare_set(set)?;
    let replaced = make_ready(set, &mut parts, is_durable, progress).and_then(|()| {
        let lock = SetLock::wait(set, &mut is_new, PATIENCE, progress)?;
        replace(set, &manifest, &mut parts)?;
        Ok(lock)
    });
    let done = match replaced {
        Ok(_lock) => complete(set, &manifest, &parts),
        Err(error) => {
            for part in &parts {
                if let Some(before) = part.before {
                    let _ = File::open(part.path).map(|file| before.give(&file));
                }
            }
            if is_new {
                let _ = fs::remove_dir(set);
            }
            Err(error)
        }
    };
    remove_left_over(set);
    done.map(|()| manifest)
}

/// A file that becomes a part.
struct Part<'f> {
    path: &'f Path,
    /// The file that was inspected: another one may take its path.
    place: (u64, u64),
    /// Its name in the set.
    name: String,
    /// What it had before it got the access of the old manifest.
    before: Option<Access>,
    /// The old set has it too. It is moved last: either copy fits both manifests.
    is_shared: bool,
}

impl Part<'_> {
    fn fault(&self, what: PartFault) -> Error {
        Error::PartFile { path: self.path.into(), what }
    }

    /// Fails if this is not the file that was inspected.
    fn check_place(&self, found: io::Result<fs::Metadata>) -> Result<(), Error> {
        let place = place_of(found).map_err(Error::io("cannot look at", self.path))?;
        if place == self.place { Ok(()) } else { Err(self.fault(PartFault::Replaced)) }
    }

    fn move_in(&self, set: &Path) -> io::Result<()> {
        fs::rename(self.path, set.join(&self.name))
    }
}

/// The manifest of these files, and the files in the order of their parts.
fn parts_of(files: &[PathBuf]) -> Result<(Manifest, Vec<Part<'_>>), Error> {
    let found = files.iter().map(|path| read_header(path)).collect::<Result<Vec<_>, _>>()?;
    let headers: Vec<Header> = found.iter().map(|&(header, _)| header).collect();
    let not_one_set =
        |what: NotOneSet| Error::NotOneSet { path: what.file().map(|file| files[file].clone()), what };
    let order = in_order(&headers).map_err(not_one_set)?;
    let manifest = Manifest {
        hasher: headers[0].hasher,
        parts: order.iter().map(|&file| PartFile::of(&headers[file])).collect(),
    };
    let part = |(&file, part): (&usize, &PartFile)| Part {
        path: &files[file],
        place: found[file].1,
        name: part.file.clone(),
        before: None,
        is_shared: false,
    };
    let parts = order.iter().zip(&manifest.parts).map(part).collect();
    Ok((manifest, parts))
}

/// The header of a part file, and its place.
///
/// # Errors
/// [`Error::Io`], [`Error::Part`], [`Error::PartFile`].
fn read_header(path: &Path) -> Result<(Header, (u64, u64)), Error> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
        return Err(Error::PartFile { path: path.into(), what: PartFault::Link });
    }
    let read = || {
        let mut file = open_regular(path)?;
        let mut page = Vec::new();
        (&mut file).take(PAGE).read_to_end(&mut page)?;
        let found = file.metadata()?;
        Ok((page, found.len(), place_of(Ok(found))?))
    };
    let (page, len, place) = read().map_err(Error::io("cannot read", path))?;
    let header = Header::parse(&page, len).map_err(|fault| Error::Part { path: path.into(), fault })?;
    Ok((header, place))
}

/// Checks that the files can be moved into the set, gives them the access of the old manifest, and makes them durable.
fn make_ready(
    set: &Path,
    parts: &mut [Part<'_>],
    is_durable: bool,
    progress: &Progress,
) -> Result<(), Error> {
    let look = |path: &Path| place_of(fs::metadata(path)).map_err(Error::io("cannot look at", path));
    let (device, _) = look(set)?;
    for part in &*parts {
        if look(output::parent(part.path))?.0 != device {
            return Err(part.fault(PartFault::OtherFileSystem));
        }
    }
    let access = Access::at(&set.join(MANIFEST_NAME));
    for part in parts {
        progress.check()?;
        let file = open_regular(part.path).map_err(Error::io("cannot read", part.path))?;
        part.check_place(file.metadata())?;
        part.before = access.and_then(|access| access.give(&file));
        // If a program copied it, it may be in the page cache only.
        if !is_durable || part.before.is_some() {
            file.sync_all().map_err(Error::io("cannot make durable", part.path))?;
        }
    }
    Ok(())
}

/// Moves all parts in that the old set does not have, and then the manifest, which makes them the set. If anything fails, moves
/// them back.
fn replace(set: &Path, manifest: &Manifest, parts: &mut [Part<'_>]) -> Result<(), Error> {
    let in_force = files_of(set)?;
    let directory = place_of(fs::metadata(set)).map_err(Error::io("cannot look at", set))?;
    for part in &mut *parts {
        part.is_shared = in_force.contains(part.name.as_bytes()) && is_there(&set.join(&part.name))?;
        let name = part.path.file_name().unwrap_or_default();
        if name != &*part.name
            && in_force.contains(name.as_encoded_bytes())
            && place_of(fs::metadata(output::parent(part.path))).is_ok_and(|parent| parent == directory)
        {
            return Err(part.fault(PartFault::InForce));
        }
    }
    let mut moved = Vec::new();
    let put = parts.iter().filter(|part| !part.is_shared).try_for_each(|part| {
        part.move_in(set).map_err(|error| match error.kind() {
            io::ErrorKind::CrossesDevices => part.fault(PartFault::OtherFileSystem),
            _ => Error::io("cannot move into the set", part.path)(error),
        })?;
        moved.push(part);
        part.check_place(fs::symlink_metadata(set.join(&part.name)))
    });
    let put = put.and_then(|()| {
        parts.iter().try_for_each(|part| match part.is_shared {
            true => part.check_place(fs::symlink_metadata(part.path)),
            false => Ok(()),
        })
    });
    let put = put.and_then(|()| put_manifest(set, manifest));
    if put.is_err() {
        for part in moved {
            let _ = fs::rename(set.join(&part.name), part.path);
        }
    }
    put
}

/// Makes the parts durable in the directory, and then the manifest that names them the one of the set.
fn put_manifest(set: &Path, manifest: &Manifest) -> Result<(), Error> {
    let path = set.join(MANIFEST_NAME);
    let access = Access::at(&path);
    let mut temp = TempFile::create(&path, if access.is_some() { 0o600 } else { 0o666 })?;
    let written = temp.file.write_all(manifest.to_text().as_bytes()).and_then(|()| {
        access.map(|access| access.give(&temp.file));
        temp.file.sync_all()
    });
    written.map_err(Error::io("cannot write", &temp.path))?;
    let synced = File::open(set).and_then(|directory| directory.sync_all());
    synced.map_err(Error::io("cannot make durable", set))?;
    temp.rename(&path)
}

/// Moves the other parts in, makes the set durable, and removes the parts of older ones.
fn complete(set: &Path, manifest: &Manifest, parts: &[Part<'_>]) -> Result<(), Error> {
    let kept = "the set is complete, but keeps its old copy: cannot move into it";
    let mut done = Ok(());
    for part in parts.iter().filter(|part| part.is_shared) {
        done = done.and(part.move_in(set).map_err(Error::io(kept, part.path)));
    }
    done.and(make_durable(set))?;
    let names: HashSet<&str> = manifest.parts.iter().map(|part| part.file.as_str()).collect();
    let is_left = |name: &str| PartFile::is_name(name) && !names.contains(name);
    for name in temp_file::names_in(set).iter().filter(|name| name.to_str().is_some_and(is_left)) {
        let _ = fs::remove_file(set.join(name));
    }
    Ok(())
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
fn make_durable(set: &Path) -> Result<(), Error> {
    for path in [set, output::parent(set)] {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|source| Error::NotDurable { path: path.into(), source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    /// What was inspected is what becomes the set, or nothing does.
    #[test]
    fn a_file_that_takes_the_place_of_a_part_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        fs::create_dir(&set).unwrap();
        let files = [0, 1].map(|part| {
            let path = dir.path().join(part.to_string());
            crate::Builder::new().threads(1).memory_limit(64 << 20).part(part, 2).finish(&path).unwrap();
            path
        });
        let (manifest, mut parts) = parts_of(&files).unwrap();
        fs::copy(&files[1], dir.path().join("other")).unwrap();
        fs::rename(dir.path().join("other"), &files[1]).unwrap();
        let ready = make_ready(&set, &mut parts, false, &Progress::new());
        let moved = replace(&set, &manifest, &mut parts);
        for refused in [ready, moved] {
            let Err(Error::PartFile { path, what: PartFault::Replaced }) = refused else { panic!("moved") };
            assert_eq!(path, files[1]);
        }
        assert!(fs::read_dir(&set).unwrap().next().is_none() && files.iter().all(|path| path.exists()));
    }
}
