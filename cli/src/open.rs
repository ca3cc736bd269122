//! Opens indexes: the one place of this program with unsafe code.
#![allow(unsafe_code)]

use crate::failure::{Failure, Subject, code};
use hashlith_format::manifest::MANIFEST_NAME;
use hashlith_reader::{Index, MapOptions, Mapping, OpenError, Part, SetFiles};
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};

/// What will be read of an index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Records here and there.
    Random,
    /// All records from front to back.
    Whole,
}

/// Fails if there is something else than a file, or the directory of a set, at this path.
pub fn check_index(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) if found.is_dir() && fs::exists(path.join(MANIFEST_NAME)).unwrap_or(true) => Ok(()),
        Ok(found) => {
            let (is, errno) = match found.is_dir() {
                true => ("a directory without a manifest.json, so no set", Errno::ISDIR),
                false => ("not a file", Errno::INVAL),
            };
            let failure = Failure::new(format!("{} is {is}: name an index file, or a set", path.display()));
            Err(failure.about(Subject::system(path, Some(errno.raw_os_error()))))
        }
        Err(error) => Err(Failure::io("open", path, &error)),
    }
}

/// Opens an index. Its pages are shared with every process that has it open.
pub fn open(path: &Path, access: Access) -> Result<Index<Mapping>, Failure> {
    check_index(path)?;
    map(path, access).map_err(open_failure)
}

/// Why an index was not opened.
pub fn open_failure(error: OpenError) -> Failure {
    match error {
        OpenError::Io { path, source } => Failure::io("open", &path, &source),
        OpenError::Lock { ref path, ref source } => {
            let subject = Subject::system(path, source.raw_os_error());
            Failure::new(error.to_string()).about(subject)
        }
        OpenError::Invalid { path, source } => corrupt(&path, &source),
        error => Failure::from_error(code::FAILED, "", &error),
    }
}

/// Damage that was met while reading an open index, which may be a set: then the part is named.
pub fn corrupt(path: &Path, error: &hashlith_format::Error) -> Failure {
    if let hashlith_format::Error::InPart { part, fault } = error
        && let Ok(files) = SetFiles::read(path)
        && let Some(path) = files.part_paths().get(*part as usize)
    {
        return corrupt(path, fault);
    }
    let subject =
        Subject::Corrupt { path: path.to_owned(), rule: error.rule().to_string(), offset: error.offset() };
    Failure::with_code(code::CORRUPT, format!("{}: {error}", path.display())).about(subject)
}

/// The file of each part of an open index, for messages: that of the whole set for a part that the set no longer has.
pub fn part_paths(path: &Path, index: &Index<Mapping>) -> Vec<PathBuf> {
    let files = SetFiles::read(path).ok();
    let file = |(number, part): (usize, &Part<Mapping>)| {
        let named = files.as_ref()?.manifest.parts.get(number)?;
        (named.digest == part.digest()).then(|| path.join(&named.file))
    };
    index.parts().iter().enumerate().map(|part| file(part).unwrap_or_else(|| path.to_owned())).collect()
}

/// Some key of an index that one can type, for the command to try next.
pub fn typeable_key(path: &Path) -> Option<String> {
    let index = map(path, Access::Random).ok()?;
    (0..100).find_map(|id| {
        let key = std::str::from_utf8(index.by_id(id).ok()??.key).ok()?;
        let easy =
            !key.is_empty() && key.len() <= 60 && !key.starts_with('-') && !key.contains(char::is_control);
        easy.then(|| key.to_owned())
    })
}

fn map(path: &Path, access: Access) -> Result<Index<Mapping>, OpenError> {
    let options = MapOptions::default().random(access == Access::Random);
    // SAFETY: `map` asks that nobody writes to the file or cuts it off while it is mapped. hashlith itself never does:
    // a build writes to another file and renames it (spec.md section 10), and no command opens an index for writing.
    // That other programs keep to this is what the documentation asks of whoever runs this one on a file (spec.md
    // section 13); this process ends with the command, so the promise is needed only that long.
    unsafe { Index::map(path, &options) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hashlith_builder::Builder;

    fn build(set: &Path, parts: u32, value: &[u8]) -> Index<Mapping> {
        let mut builder = Builder::new().threads(1).memory_limit(64 << 20).parts(parts);
        builder.add(b"key", value).unwrap();
        builder.finish(set).unwrap();
        map(set, Access::Whole).unwrap()
    }

    /// An index that is open has all its parts, whatever the manifest says by now.
    #[test]
    fn each_part_of_a_replaced_set_has_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        let index = build(&set, 8, b"old");
        let paths = part_paths(&set, &index);
        assert!(paths.len() == 8 && paths.iter().all(|path| path.is_file()));
        build(&set, 2, b"new");
        assert_eq!(part_paths(&set, &index), vec![set; 8]);
        let file = dir.path().join("file");
        let mut builder = Builder::new().threads(1).memory_limit(64 << 20);
        builder.add(b"key", b"value").unwrap();
        builder.finish(&file).unwrap();
        assert_eq!(part_paths(&file, &map(&file, Access::Whole).unwrap()), [file]);
    }
}
