//! Opens indexes: the one place of this program with unsafe code.
#![allow(unsafe_code)]

use crate::failure::Failure;
use hashlith::{Index, MapOptions, Mapping, check_path};
use std::path::Path;

/// What will be read of an index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Records here and there.
    Random,
    /// All records from front to back.
    Whole,
}

/// Opens an index. Its pages are shared with every process that has it open.
pub fn open(path: &Path, access: Access) -> Result<Index<Mapping>, Failure> {
    check_path(path)?;
    let options = MapOptions { random: access == Access::Random, ..MapOptions::default() };
    // SAFETY: `map` asks that nobody writes to the file or cuts it off while it is mapped. hashlith itself never does:
    // a build writes to another file and renames it (spec.md section 10), and no command opens an index for writing.
    // That other programs keep to this is what the documentation asks of the user of this one (spec.md section 13);
    // this process ends with the command, so the promise is needed only that long.
    let index = unsafe { Index::map(path, &options) };
    index.map_err(|error| hashlith::Error::from(error).into())
}

/// Some key of an index that one can type, for the command to try next.
pub fn typeable_key(path: &Path) -> Option<String> {
    let index = open(path, Access::Random).ok()?;
    (0..100).find_map(|id| {
        let key = std::str::from_utf8(index.by_id(id).ok()??.key).ok()?;
        let easy =
            !key.is_empty() && key.len() <= 60 && !key.starts_with('-') && !key.contains(char::is_control);
        easy.then(|| key.to_owned())
    })
}
