//! Why an operation failed: one type for all operations.

use crate::shown_key;
use hashlith_builder as builder;
use hashlith_checker as checker;
use hashlith_feedback::Advice;
use hashlith_format::KeyType;
use hashlith_inputs as inputs;
use hashlith_reader::OpenError;
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why an operation failed. `Display` says what went wrong and where; [`Self::advice`] says which kind of help applies, so that
/// a front end can name its own option for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused to open, read, write or rename a file.
    #[error("{action} {}: {source}{}", .path.display(), remedy(.source))]
    Io {
        /// What failed, in words: `cannot open`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is a damaged index, or not an index.
    #[error("{}: {fault}", shown(.path))]
    Corrupt {
        /// The file; of a set, the part or the manifest.
        path: PathBuf,
        /// The broken rule.
        fault: hashlith_format::Error,
    },
    /// The path is neither a file nor a set.
    #[error("{} is {}: name an index file, or a set", .path.display(), if *.is_directory { "a directory without a manifest.json" } else { "not a file" })]
    NotAnIndex {
        /// The path.
        path: PathBuf,
        /// It is a directory without a manifest.
        is_directory: bool,
    },
    /// An index could not be opened for another reason.
    #[error(transparent)]
    Open(OpenError),
    /// A check could not finish.
    #[error("{}: {source}", shown(.path))]
    Check {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: checker::Error,
    },
    /// Inputs could not be read as records.
    #[error("{error}{}", if let inputs::Error::Io { source, .. } = .0 { remedy(source) } else { "" }, error = .0)]
    Input(inputs::Error),
    /// A key occurs twice, and the policy for duplicates makes that an error.
    #[error("the key {} occurs twice{}: {first} and {second}", shown_key(.key), if *.differ { " with different values" } else { "" })]
    Duplicate {
        /// The key; an integer in decimal.
        key: Vec<u8>,
        /// Where it occurs first: `words.tsv, line 3`.
        first: String,
        /// Where it occurs again.
        second: String,
        /// Copies with equal values are tolerated, and these have different ones.
        differ: bool,
    },
    /// The builder failed.
    #[error("{error}{}", if let builder::Error::NotDurable { source, .. } = .0 { remedy(source) } else { "" }, error = .0)]
    Build(builder::Error),
    /// The output of a build is one of its inputs: the build would destroy it.
    #[error("the output {} is the same file as the input {input}: choose another name for the output", .output.display())]
    SameFile {
        /// The output.
        output: PathBuf,
        /// The input, as the caller named it.
        input: String,
    },
    /// Indexes to be merged have different types of keys or values.
    #[error(
        "{} has another type of keys or values than {}: dump it, and build it with the types of the other",
        shown(.path), shown(.first)
    )]
    OtherTypes {
        /// The index.
        path: PathBuf,
        /// The first one.
        first: PathBuf,
    },
    /// Indexes to be merged have different metadata, and none was given for the output.
    #[error("the inputs have different metadata")]
    OtherMetadata,
    /// Indexes without keys cannot be merged: only the keys say where records belong.
    #[error("the keys of {} are left out, so its records cannot be moved to other cells: build it again from its input", shown(.path))]
    KeysLeftOut {
        /// The first of the inputs.
        path: PathBuf,
    },
    /// A file does not fit into the addresses that this process may have.
    #[error(
        "cannot open {}: it has {} MiB, and a limit leaves this process {} MiB of addresses for all that it holds: raise it (ulimit -v)",
        shown(.path), len.div_ceil(1 << 20), limit >> 20
    )]
    Addresses {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// There is nothing to merge.
    #[error("there is nothing to merge: name at least one index")]
    NoInputs,
    /// A format cannot hold a record: it would read back as another one.
    #[error("key {}: {what}", shown_key(.key))]
    Unwritable {
        /// The key; an integer in decimal.
        key: Vec<u8>,
        /// What cannot be written.
        what: String,
        /// What helps.
        advice: Advice,
    },
    /// The records could not be written.
    #[error("cannot write the records: {0}")]
    Write(io::Error),
    /// The operation was cancelled through its [`Progress`](crate::Progress).
    #[error("cancelled")]
    Cancelled,
}

/// A path for messages.
fn shown(path: &Path) -> impl std::fmt::Display {
    if path.as_os_str().is_empty() { Path::new("the index").display() } else { path.display() }
}

/// What to do about some errors of the system.
fn remedy(error: &io::Error) -> &'static str {
    if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) {
        return "; raise the limit on open files (ulimit -n, or as root the hard limit, ulimit -Hn)";
    }
    match error.kind() {
        io::ErrorKind::NotFound => "; check the name",
        io::ErrorKind::PermissionDenied => "; check the permissions of the file and of its folders",
        io::ErrorKind::ReadOnlyFilesystem => "; choose a place that can be written to",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space or choose another place"
        }
        _ => "",
    }
}

impl Error {
    /// Which kind of help applies.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Error::Duplicate { .. } => Some(Advice::KeepFirstOrLast),
            Error::Build(error) => error.advice(),
            Error::Input(error) => error.advice(),
            Error::OtherMetadata => Some(Advice::Metadata),
            Error::Unwritable { advice, .. } => Some(*advice),
            _ => None,
        }
    }

    /// The file or directory and the system's error number, if the system refused.
    pub fn system(&self) -> Option<(&Path, i32)> {
        let refused = |path, source: &io::Error| Some((path, source.raw_os_error()?));
        match self {
            Error::Io { path, source, .. } | Error::Open(OpenError::Lock { path, source }) => {
                refused(path.as_path(), source)
            }
            Error::Addresses { path, .. } => Some((path, Errno::NOMEM.raw_os_error())),
            Error::NotAnIndex { path, is_directory } => {
                let errno = if *is_directory { Errno::ISDIR } else { Errno::INVAL };
                Some((path, errno.raw_os_error()))
            }
            Error::Input(inputs::Error::Io { path, source }) => refused(Path::new(path), source),
            Error::Input(inputs::Error::TempCopy { directory, source, .. }) => refused(directory, source),
            Error::Build(builder::Error::NotDurable { path, source }) => refused(path, source),
            Error::Build(builder::Error::Output { path, what }) => Some((path, what.errno())),
            Error::Build(builder::Error::DiskSpace { path, .. }) => Some((path, Errno::NOSPC.raw_os_error())),
            Error::Build(builder::Error::PartFile { path, what: builder::PartFault::OtherFileSystem }) => {
                Some((path, Errno::XDEV.raw_os_error()))
            }
            _ => None,
        }
    }

    /// True if an option or argument has an impossible value: the caller made a mistake, and nothing was tried.
    pub fn is_usage(&self) -> bool {
        use builder::Error as B;
        matches!(
            self,
            Error::NoInputs
                | Error::Input(inputs::Error::UnusedOption { .. } | inputs::Error::Options { .. })
                | Error::Build(B::Options { .. } | B::Metadata { .. } | B::MemoryLimit { .. })
                | Error::Build(B::NotOneSet { what: hashlith_format::set::NotOneSet::NoFiles, .. })
        )
    }

    /// Wraps an answer of the system, for `map_err`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }

    /// Damage that a lookup or an iteration found in an open index.
    pub fn corrupt<D: AsRef<[u8]>>(index: &crate::Index<D>, error: &hashlith_format::Error) -> Self {
        let path = index.fault_path(error).map(Path::to_path_buf).unwrap_or_default();
        match error {
            // The path of the part says more than its number.
            hashlith_format::Error::InPart { fault, .. } if !path.as_os_str().is_empty() => {
                Error::Corrupt { path, fault: (**fault).clone() }
            }
            fault => Error::Corrupt { path, fault: fault.clone() },
        }
    }

    /// The error of a build with keys of this type. `place` names where a record came from.
    pub fn of_build(
        error: builder::Error,
        key_type: KeyType,
        place: impl Fn(&builder::Origin) -> String,
    ) -> Self {
        match error {
            builder::Error::Duplicate { key, first, second, differ } => {
                let mut text = Vec::new();
                inputs::typed::write_key(key_type, &key, &mut text);
                Error::Duplicate { key: text, first: place(&first), second: place(&second), differ }
            }
            error => error.into(),
        }
    }
}

impl From<builder::Error> for Error {
    fn from(error: builder::Error) -> Self {
        match error {
            builder::Error::Io { action, path, source } => Error::Io { action, path, source },
            builder::Error::Cancelled => Error::Cancelled,
            builder::Error::Part { path, fault } => Error::Corrupt { path, fault },
            builder::Error::Duplicate { key, first, second, differ } => {
                let place = |place: builder::Origin| format!("record {}", place.position);
                Error::Duplicate { key, first: place(first), second: place(second), differ }
            }
            error => Error::Build(error),
        }
    }
}

impl From<inputs::Error> for Error {
    fn from(error: inputs::Error) -> Self {
        match error {
            inputs::Error::Cancelled => Error::Cancelled,
            error => Error::Input(error),
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { path, source } if source.raw_os_error() == Some(Errno::NOMEM.raw_os_error()) => {
                let len = fs::metadata(&path).map_or(0, |file| file.len());
                match getrlimit(Resource::As).current {
                    Some(limit) => Error::Addresses { path, len, limit },
                    None => Error::Io { action: "cannot open", path, source },
                }
            }
            OpenError::Io { path, source } => Error::Io { action: "cannot open", path, source },
            OpenError::Invalid { path, source } => Error::Corrupt { path, fault: source },
            error => Error::Open(error),
        }
    }
}

impl From<checker::PathError> for Error {
    fn from(error: checker::PathError) -> Self {
        Error::of_check(&error.path, error.error)
    }
}

impl Error {
    /// An error of a check of this file.
    pub(crate) fn of_check(path: &Path, error: checker::Error) -> Self {
        match error {
            checker::Error::Fault(fault) => Error::Corrupt { path: path.into(), fault },
            checker::Error::Open { source } => Error::Io { action: "cannot open", path: path.into(), source },
            checker::Error::Cancelled => Error::Cancelled,
            source => Error::Check { path: path.into(), source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each error of the system has its own remedy, and is named with its file by all that wrap it.
    #[test]
    fn errors_of_the_system() {
        let table = [
            (Errno::NOENT, "; check the name"),
            (Errno::ACCESS, "; check the permissions of the file and of its folders"),
            (Errno::ROFS, "; choose a place that can be written to"),
            (Errno::NOSPC, "; free some space or choose another place"),
            (Errno::DQUOT, "; free some space or choose another place"),
            (
                Errno::MFILE,
                "; raise the limit on open files (ulimit -n, or as root the hard limit, ulimit -Hn)",
            ),
            (Errno::IO, ""),
        ];
        for (errno, remedy) in table {
            let path = || PathBuf::from("file");
            let source = || io::Error::from(errno);
            let errors = [
                Error::Io { action: "cannot open", path: path(), source: source() },
                inputs::Error::Io { path: "file".into(), source: source() }.into(),
                builder::Error::Io { action: "cannot open", path: path(), source: source() }.into(),
                builder::Error::NotDurable { path: path(), source: source() }.into(),
                OpenError::Io { path: path(), source: source() }.into(),
                checker::PathError { path: path(), error: checker::Error::Open { source: source() } }.into(),
            ];
            for error in errors {
                assert!(error.to_string().ends_with(&format!("{}{remedy}", source())), "{error}");
                assert_eq!(error.system(), Some((Path::new("file"), errno.raw_os_error())), "{error}");
            }
            let copy = inputs::Error::TempCopy { path: "x".into(), directory: path(), source: source() };
            assert_eq!(Error::from(copy).system(), Some((Path::new("file"), errno.raw_os_error())));
        }
        for (is_directory, errno) in [(true, Errno::ISDIR), (false, Errno::INVAL)] {
            let error = Error::NotAnIndex { path: "file".into(), is_directory };
            assert_eq!(error.system(), Some((Path::new("file"), errno.raw_os_error())));
        }
        assert_eq!(Error::NoInputs.system(), None);
        assert!(Error::NoInputs.is_usage() && !Error::Cancelled.is_usage());
        assert_eq!(Error::Write(Errno::PIPE.into()).system(), None);
    }
}
