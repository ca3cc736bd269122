//! Opens indexes.
#![allow(unsafe_code)]

use crate::failure::Failure;
use hashlith::{Index, MapOptions, Mapping, check_path};
use std::path::Path;

/// Which records of an index will be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Single records, in any order.
    Random,
    /// All records from front to back.
    Whole,
}

/// Opens an index. All processes that have it open share its pages.
pub fn open(path: &Path, access: Access) -> Result<Index<Mapping>, Failure> {
    check_path(path)?;
    let options = MapOptions { random: access == Access::Random, ..MapOptions::default() };
    // SAFETY: `map` requires that nobody writes to the file or truncates it while it is mapped. hashlith itself never does:
    // a build writes to another file and renames it (spec.md section 10), and no command opens an index for writing. The
    // documentation requires the same of the user's other programs (spec.md section 13), and only until this command ends.
    let index = unsafe { Index::map(path, &options) };
    index.map_err(|error| hashlith::Error::from(error).into())
}

/// A key of an index that is easy to type, for the suggestion of the next command.
pub fn typeable_key(path: &Path) -> Option<String> {
    let index = open(path, Access::Random).ok()?;
    (0..100).find_map(|id| {
        let key = String::from_utf8(index.by_id(id).ok()??.key.into_owned()).ok()?;
        let easy =
            !key.is_empty() && key.len() <= 60 && !key.starts_with('-') && !key.contains(char::is_control);
        easy.then_some(key)
    })
}
