//! Why a build failed.

use crate::origin::Origin;
use hashlith_feedback::{Advice, Cancelled};
use hashlith_format::set::NotOneSet;
use rustix::io::Errno;
use std::{io, path::PathBuf};

/// Why a build failed. A failed build leaves nothing behind, and does not change what was at the final path. There are two
/// exceptions: [`Error::NotDurable`], and an [`Error::Io`] whose action says that the set is complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key occurs twice, and [`OnDuplicate`](crate::OnDuplicate) makes that an error.
    #[error("the key \"{}\" occurs twice{} (record {} of source {}, record {} of source {})",
        .key.escape_ascii(), if *.differ { " with different values" } else { "" }, .first.position, .first.source, .second.position, .second.source)]
    Duplicate {
        /// The key.
        key: Vec<u8>,
        /// The origin of the earlier record.
        first: Origin,
        /// The origin of the later record.
        second: Origin,
        /// Copies with equal values are tolerated, and these have different ones.
        differ: bool,
    },
    /// Reading or writing a file failed.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What failed, in words: "cannot open".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An index cannot be put at the output's path.
    #[error("{} {what}", .path.display())]
    Output {
        /// The output, or its directory.
        path: PathBuf,
        /// What is wrong with it.
        what: OutputFault,
    },
    /// The memory limit is below what the builder can work with.
    #[error(
        "the memory limit is too small: with {threads} thread{} {} MiB is the smallest that works",
        if *.threads == 1 { "" } else { "s" }, mib(.smallest)
    )]
    MemoryLimit {
        /// The limit that was set, in bytes.
        given: u64,
        /// The smallest that works, in bytes.
        smallest: u64,
        /// The number of threads.
        threads: usize,
    },
    /// The limit on addresses is too low for the build.
    #[error(
        "a limit of {} MiB leaves this process {} MiB of addresses, the build needs about {} MiB: raise it (ulimit -v, ulimit -d)",
        mib(.limit), mib(.free), mib(.needed)
    )]
    Addresses {
        /// The limit in bytes.
        limit: u64,
        /// How much of it is left, in bytes.
        free: u64,
        /// How much the build needs, in bytes.
        needed: u64,
    },
    /// There is less free space than the build needs.
    #[error("{} has {} MiB free, the build needs about {} MiB more: free some, or choose another place", .path.display(), mib(.free), mib(.needed))]
    DiskSpace {
        /// The directory.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Needed bytes.
        needed: u64,
    },
    /// A key or value is longer than the format or the builder allows.
    #[error("a {what} of {len} bytes is longer than {limit} bytes")]
    TooLong {
        /// What is too long: a key, a value, or all records of a cell.
        what: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The longest possible, in bytes.
        limit: u64,
    },
    /// A key or value does not have the length that its type says.
    #[error("a {what} of {len} bytes is no {kind}: that has {width}")]
    Width {
        /// A key or a value.
        what: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The type.
        kind: String,
        /// The length that it should have, in bytes.
        width: u64,
    },
    /// The metadata is above 1 MiB.
    #[error("the metadata has {len} bytes, at most 1 MiB is possible")]
    Metadata {
        /// Its length in bytes.
        len: u64,
    },
    /// No perfect hash was found for a cell: its keys were made to collide.
    #[error("no perfect hash for the {keys} keys of cell {cell}: the keys look made to collide")]
    Hash {
        /// Number of the cell.
        cell: u64,
        /// How many keys it has.
        keys: usize,
    },
    /// The records of a cell do not fit into the memory: their keys were made to collide.
    #[error(
        "{keys} records share cell {cell} and take {needed} bytes, too many for the memory limit: the keys look made to collide"
    )]
    Crowded {
        /// Number of the cell, or of the first of a few cells.
        cell: u64,
        /// How many records.
        keys: usize,
        /// Bytes that they take.
        needed: u64,
    },
    /// The index is complete and at its final path, but a power cut may undo that.
    #[error("the index is complete, but may not survive a power cut: cannot make {} durable: {source}", .path.display())]
    NotDurable {
        /// The directory whose fsync failed.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused to start the threads.
    #[error("cannot start {threads} threads: raise the limit (ulimit -u)")]
    Threads {
        /// The number of threads.
        threads: usize,
    },
    /// A key belongs to another part of the set.
    #[error("the key \"{}\" belongs to part {found} of {parts}, this is part {part}: bring each key to its part first", .key.escape_ascii())]
    OtherPart {
        /// The key.
        key: Vec<u8>,
        /// The part that it belongs to.
        found: u32,
        /// The part that is built.
        part: u32,
        /// The number of parts.
        parts: u32,
    },
    /// A file that should be a part of a set is not an index.
    #[error("{}: {fault}", .path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// The broken rule.
        fault: hashlith_format::Error,
    },
    /// Files are not the parts of one set.
    #[error("{}{what}", .path.as_ref().map(|path| format!("{} ", path.display())).unwrap_or_default())]
    NotOneSet {
        /// The file at fault, if a single one is.
        path: Option<PathBuf>,
        /// What is wrong.
        what: NotOneSet,
    },
    /// The directory that should become a set holds something else.
    #[error("{} is not a set, and holds {}: choose another name for the set, or move it away", .path.display(), .holds.display())]
    NoSet {
        /// The directory.
        path: PathBuf,
        /// The first file that is not part of a set.
        holds: PathBuf,
    },
    /// Records were lost or invented between their addition and the index. The temporary files were changed, or this is a bug.
    #[error(
        "{expected} records went in, {found} came out: the index is not written; if this happens again, report it as a bug of hashlith"
    )]
    Lost {
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// A file cannot be moved into a set.
    #[error("{} {what}", .path.display())]
    PartFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: PartFault,
    },
    /// Another process does not give up the lock of a set. It is a lock of the system (flock) on a file that only those who may
    /// write to the directory of the set may open.
    #[error(
        "{} is being replaced by {}, which has locked {}: try again when it has ended, or end it",
        .path.display(), .holder.as_deref().unwrap_or("another process"), .lock.display()
    )]
    Locked {
        /// The directory of the set.
        path: PathBuf,
        /// The locked file.
        lock: PathBuf,
        /// The process that has it, by number and name, if the system tells.
        holder: Option<String>,
    },
    /// The build was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// An option has an impossible value, or a method was called at the wrong time.
    #[error("{what}")]
    Options {
        /// What is wrong.
        what: &'static str,
    },
}

/// Why an index cannot be put at the output's path. Messages show it after the path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputFault {
    /// The path of a set is that of a file.
    #[error("is a file: a set is a directory")]
    SetIsFile,
    /// The path of a file is that of a directory.
    #[error("is a directory: name a file, for example {}", .example.display())]
    FileIsDirectory {
        /// A file in it.
        example: PathBuf,
    },
    /// The path ends in a slash, and there is no such directory.
    #[error("ends like a directory, and there is none: name a file, for example {}", .example.display())]
    NoDirectory {
        /// A file in it.
        example: PathBuf,
    },
    /// The path is that of a device or a pipe, or is `-`.
    #[error("is not a regular file: an index must be one; name a file")]
    NotAFile,
    /// The output's parent is not a directory.
    #[error("is not a directory: choose another place")]
    ParentIsFile,
    /// The output's directory does not exist.
    #[error("does not exist: make this directory first (mkdir -p), or choose another place")]
    ParentMissing,
}

/// Why a file cannot be moved into a set. Messages show it after the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartFault {
    /// Moving it would move the link, not the file.
    #[error("is a symbolic link: name the file itself, which is moved into the set")]
    Link,
    /// Only a copy could get from there to the set.
    #[error("is on another file system than the set: copy it to that one first")]
    OtherFileSystem,
    /// Moving it would take it away from the readers of the present set.
    #[error("belongs to the present set, under another name than it would get: copy it first")]
    InForce,
    /// Another file has taken its place during the call.
    #[error("was replaced meanwhile: see that nothing else writes it, and try again")]
    Replaced,
}

impl OutputFault {
    /// The system's number for this error: ENOTDIR, EISDIR, EINVAL or ENOENT.
    ///
    /// ```
    /// use hashlith_builder::{Builder, Error};
    ///
    /// let Err(Error::Output { what, .. }) = Builder::new().finish("/") else { panic!("made") };
    /// assert_eq!(std::io::Error::from_raw_os_error(what.errno()).kind(), std::io::ErrorKind::IsADirectory);
    /// ```
    pub fn errno(&self) -> i32 {
        let errno = match self {
            OutputFault::SetIsFile | OutputFault::ParentIsFile => Errno::NOTDIR,
            OutputFault::FileIsDirectory { .. } => Errno::ISDIR,
            OutputFault::NotAFile => Errno::INVAL,
            OutputFault::ParentMissing | OutputFault::NoDirectory { .. } => Errno::NOENT,
        };
        errno.raw_os_error()
    }
}

impl From<Cancelled> for Error {
    #[inline]
    fn from(_: Cancelled) -> Self {
        Error::Cancelled
    }
}

/// For messages, rounded up.
fn mib(bytes: &u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

impl Error {
    /// Which kind of help applies, if any. [`Display`](std::fmt::Display) does not say it: a front end names its own option.
    ///
    /// ```
    /// use hashlith_builder::Builder;
    /// use hashlith_feedback::Advice;
    ///
    /// let mut builder = Builder::new().threads(4).memory_limit(1 << 20);
    /// let error = builder.add(b"key", b"value").unwrap_err();
    /// assert_eq!(error.advice(), Some(Advice::MoreMemoryOrFewerThreads));
    /// ```
    pub fn advice(&self) -> Option<Advice> {
        Some(match self {
            Error::Duplicate { .. } => Advice::KeepFirstOrLast,
            Error::Output { what: OutputFault::SetIsFile, .. } => Advice::OneFile,
            Error::MemoryLimit { .. } => Advice::MoreMemoryOrFewerThreads,
            Error::Addresses { .. } => Advice::LessMemory,
            Error::Hash { .. } | Error::Crowded { .. } => Advice::SipHash,
            Error::Threads { .. } => Advice::FewerThreads,
            _ => return None,
        })
    }

    /// Which of two errors to report: a duplicate before any other error, and the earlier of two duplicates.
    pub(crate) fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Error::Duplicate { second: own, .. }, Error::Duplicate { second: others, .. })
                if others < own =>
            {
                other
            }
            (Error::Duplicate { .. }, _) => self,
            (_, Error::Duplicate { .. }) => other,
            _ => self,
        }
    }

    /// Wraps an I/O error, for `map_err`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
