//! Why a build ended without an index.

use std::{io, path::PathBuf};

/// Where a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the source, as it was given to [`crate::Feeder::add_from`].
    pub source: u32,
    /// Position in the source, as it was given to [`crate::Feeder::add_from`].
    pub position: u64,
}

/// Why a build failed. Whatever it is, nothing is left behind, and a file that was at the final path is still there;
/// [`Error::NotDurable`] is the exception, and an [`Error::Io`] of a set that says that the set is complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One key came twice, and duplicates are an error.
    #[error("the key \"{}\" is there twice (record {} of source {}, record {} of source {}): keep the first or the last by choosing what to do with duplicates", 
        .key.escape_ascii(), .first.position, .first.source, .second.position, .second.source)]
    Duplicate {
        /// The key.
        key: Vec<u8>,
        /// The earlier place.
        first: Place,
        /// The later place.
        second: Place,
    },
    /// Reading or writing a file failed.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What was being done, in words.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The memory limit is below what the builder can work with.
    #[error(
        "a memory limit of {given} bytes is too small: with {threads} threads at least {smallest} bytes are needed"
    )]
    MemoryLimit {
        /// The limit that was set, in bytes.
        given: u64,
        /// The smallest that works, in bytes.
        smallest: u64,
        /// The number of threads.
        threads: usize,
    },
    /// The process may not have as many addresses as the build needs.
    #[error(
        "a limit of {limit} bytes leaves this process {free} bytes of addresses, the build needs about {needed}: raise it (ulimit -v, ulimit -d), or build with less memory"
    )]
    Addresses {
        /// The limit in bytes.
        limit: u64,
        /// What is left of it, in bytes.
        free: u64,
        /// What is needed, in bytes.
        needed: u64,
    },
    /// There is less free space than the build needs.
    #[error("{} has {free} bytes free, the build needs about {needed} more: free some, or choose another place", .path.display())]
    DiskSpace {
        /// The directory.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Needed bytes.
        needed: u64,
    },
    /// The process may not open enough files to spill.
    #[error(
        "only {limit} files may be open, the build needs {needed}: raise the limit (ulimit -n {needed}), or give it memory for all records"
    )]
    OpenFiles {
        /// The limit.
        limit: u64,
        /// How many are needed.
        needed: u64,
    },
    /// A key or value is longer than the format or the builder allows.
    #[error("a {what} of {len} bytes is longer than {limit} bytes")]
    TooLong {
        /// Key or value.
        what: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The longest that is possible, in bytes.
        limit: u64,
    },
    /// The metadata is above 1 MiB.
    #[error("the metadata has {len} bytes, at most 1 MiB is possible")]
    Metadata {
        /// Its length in bytes.
        len: u64,
    },
    /// No perfect hash was found for a cell: its keys were made to collide.
    #[error(
        "no perfect hash for the {keys} keys of cell {cell}: the keys look made to collide; build with SipHash (--hash siphash)"
    )]
    Hash {
        /// Number of the cell.
        cell: u64,
        /// How many keys it has.
        keys: usize,
    },
    /// More keys share a cell than fit the memory: they were made to.
    #[error(
        "{keys} records share cell {cell} and take {needed} bytes: the keys look made to collide; build with SipHash (--hash siphash), or with more memory"
    )]
    Crowded {
        /// Number of the cell, or of the first of a few.
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
    /// The system does not give that many threads.
    #[error("cannot start {threads} threads: ask for fewer, or raise the limit (ulimit -u)")]
    Threads {
        /// How many were asked for.
        threads: usize,
    },
    /// A key belongs to another part of the set than the one that is built.
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
    /// A file that should be a part of a set is none.
    #[error("{}: {what}", .path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The directory that should become a set holds something else.
    #[error("{} is no set, and holds {}: choose another name for the set, or move that away", .path.display(), .holds.display())]
    NoSet {
        /// The directory.
        path: PathBuf,
        /// The first foreign file.
        holds: PathBuf,
    },
    /// The build was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// An option has no possible value.
    #[error("{what}")]
    Options {
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Error {
    /// Wraps an I/O error, for `map_err`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
