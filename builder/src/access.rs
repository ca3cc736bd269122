//! Who may read and write a file: its mode, owner and group. A file that replaces another one keeps them.

use std::{
    fs::{File, Metadata, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// The nine bits for owner, group and others.
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Access {
    pub fn of(found: &Metadata) -> Self {
        Access { mode: found.mode() & 0o777, uid: found.uid(), gid: found.gid() }
    }

    /// That of the file at this path, if there is one.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().filter(Metadata::is_file).map(|found| Access::of(&found))
    }

    /// The same with these bits only.
    pub fn masked(self, bits: u32) -> Self {
        Access { mode: self.mode & bits, ..self }
    }

    /// Gives it to an open file, as far as this process and the file system can. Returns what the file had if that was
    /// something else.
    pub fn give(self, file: &File) -> Option<Self> {
        let before = Access::of(&file.metadata().ok()?);
        if before.gid != self.gid && fchown(file, None, Some(self.gid)).is_err() {
            // Another group gets no more than everyone.
            let mode = self.mode & (0o707 | (self.mode & 0o007) << 3);
            let _ = file.set_permissions(Permissions::from_mode(mode));
        } else if before.mode != self.mode {
            let _ = file.set_permissions(Permissions::from_mode(self.mode));
        }
        // Last, because the mode is the owner's to change.
        if before.uid != self.uid {
            let _ = fchown(file, Some(self.uid), None);
        }
        (file.metadata().ok().map(|now| Access::of(&now)) != Some(before)).then_some(before)
    }
}
