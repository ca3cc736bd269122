//! Temporary copies of sources that must be read out of order.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// A temporary copy could not be written; travels inside an [`io::Error`].
#[derive(Debug)]
pub(crate) struct TempCopyError {
    pub directory: PathBuf,
    pub source: io::Error,
}

impl fmt::Display for TempCopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no temporary copy could be written in {}: {}", self.directory.display(), self.source)
    }
}

impl std::error::Error for TempCopyError {}

/// Copies a stream to a temporary file that disappears when it is closed; `None` if cancelled.
pub(crate) fn temp_copy(
    stream: &mut dyn Read,
    temp_dir: Option<&Path>,
    cancelled: impl Fn() -> bool,
) -> io::Result<Option<File>> {
    let directory = temp_dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let failed = |source: io::Error| {
        io::Error::new(source.kind(), TempCopyError { directory: directory.clone(), source })
    };
    let mut file = tempfile::tempfile_in(&directory).map_err(failed)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        if cancelled() {
            return Ok(None);
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(Some(file)),
            Ok(got) => file.write_all(&buffer[..got]).map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
