//! Checks the path of the output before the work.

use crate::{Error, error::OutputFault};
use rustix::io::Errno;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How many links lead to a file at most, as in Linux.
const MAX_LINKS: u32 = 40;

/// The directory that the output's files go to: the output itself if it is an existing set, else its parent.
///
/// # Errors
/// [`Error::Output`] if there is no such directory, or if the output cannot be a file, or the directory of a set;
/// [`Error::Io`].
pub(crate) fn directory(output: &Path, is_set: bool) -> Result<PathBuf, Error> {
    let fault = |path: &Path, what| Err(Error::Output { path: path.into(), what });
    let found = fs::metadata(output).ok();
    let is_dir = found.as_ref().is_some_and(fs::Metadata::is_dir);
    if is_set {
        if is_dir {
            // It may be on another file system than its parent.
            return Ok(output.into());
        }
        if found.is_some() {
            return fault(output, OutputFault::SetIsFile);
        }
    } else if is_dir {
        return fault(output, OutputFault::FileIsDirectory { example: output.join("index.hlith") });
    } else if [&b"/"[..], b"/."].iter().any(|end| output.as_os_str().as_encoded_bytes().ends_with(end)) {
        return fault(output, OutputFault::NoDirectory { example: output.join("index.hlith") });
    }
    // A rename would replace a device or pipe: /dev/null, /dev/stdout.
    if output == Path::new("-") || found.is_some_and(|found| !found.is_file()) {
        return fault(output, OutputFault::NotAFile);
    }
    let target = if is_set { output.into() } else { target(output)? };
    let parent = parent(&target);
    match fs::metadata(parent) {
        Ok(found) if found.is_dir() => Ok(parent.into()),
        Ok(_) => fault(parent, OutputFault::ParentIsFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fault(parent, OutputFault::ParentMissing),
        Err(error) => Err(Error::io("cannot write to", parent)(error)),
    }
}

/// The file that an output means: if it is a link, the one that the link leads to, whether or not it exists.
///
/// # Errors
/// [`Error::Io`] for links in a circle, and for those that the system does not follow.
pub(crate) fn target(output: &Path) -> Result<PathBuf, Error> {
    let mut path = output.to_path_buf();
    for _ in 0..MAX_LINKS {
        let Ok(link) = fs::read_link(&path) else { return Ok(path) };
        match fs::metadata(&path) {
            // In a directory like /tmp the system follows no links of strangers.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::io("cannot follow the link", path)(error));
            }
            // The system finds the way through `..` and links to directories.
            _ => path = parent(&path).join(link),
        }
    }
    Err(Error::io("cannot follow the link", output)(Errno::LOOP.into()))
}

/// The directory that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_path_and_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), b"").unwrap();
        for (output, is_set, at, wanted) in [
            (path("file"), true, path("file"), "is a file: a set is a directory"),
            (path(""), false, path(""), "is a directory: name a file, for example"),
            ("/dev/null".into(), false, "/dev/null".into(), "is not a regular file"),
            ("-".into(), true, "-".into(), "is not a regular file"),
            (path("file/x"), false, path("file"), "is not a directory"),
            (path("none/x"), true, path("none"), "does not exist"),
        ] {
            let error = directory(&output, is_set).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
            let Error::Output { path, what } = error else { panic!("{error}") };
            assert_eq!(path, at);
            let kind = io::Error::from_raw_os_error(what.errno()).kind();
            assert_eq!(kind == io::ErrorKind::NotFound, what == OutputFault::ParentMissing);
        }
        assert_eq!(directory(&path("x"), true).unwrap(), dir.path());
        assert_eq!(directory(&path("file"), false).unwrap(), dir.path());
        assert_eq!(directory(dir.path(), true).unwrap(), dir.path());
        assert_eq!(directory(Path::new("no such name"), false).unwrap(), Path::new("."));
    }
}
