//! The new file, from its first byte to its final name (spec section 10).

use crate::{
    Error,
    access::Access,
    direct::{self, Buffer},
    output,
    temp_file::{self, TempFile},
};
use hashlith_format::{HUGE_PAGE, Header, PAGE, checksum::ChunkSums};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A file next to the final path, which replaces what is there or is removed.
pub(crate) struct NewFile {
    temp: TempFile,
    final_path: PathBuf,
    /// Of the file that this one replaces.
    access: Option<Access>,
    sums: ChunkSums,
    /// Bytes that are not written yet: less than a huge page, up to the next boundary of one.
    ///
    /// Linux makes the pages of its cache as large as the write that fills them. So a file that is written in whole,
    /// aligned huge pages can be mapped with huge pages at once.
    pending: Buffer,
    /// How many bytes of `pending` there are.
    filled: usize,
    /// Where `pending` goes.
    written: u64,
}

impl NewFile {
    /// Creates the file, and removes those that killed builds of the same final path have left. A link at that path is followed.
    pub fn create(final_path: &Path) -> Result<Self, Error> {
        let final_path = output::target(final_path)?;
        let (dir, name) = temp_file::split(&final_path)?;
        temp_file::remove_left_over(&dir, &name);
        let access = Access::at(&final_path);
        Self::create_with(final_path, access)
    }

    /// Creates a file in a directory of its own, for a set whose files get this access.
    pub fn create_with(final_path: PathBuf, access: Option<Access>) -> Result<Self, Error> {
        // Whoever may not read the old file may not open the new one either, at any moment.
        let mode = if access.is_some() { 0o600 } else { 0o666 };
        Ok(NewFile {
            temp: TempFile::create(&final_path, mode)?,
            final_path,
            access,
            sums: ChunkSums::default(),
            pending: Buffer::new(HUGE_PAGE as usize),
            filled: 0,
            written: PAGE,
        })
    }

    /// Changes the final name, in the same directory.
    pub fn set_final_name(&mut self, name: &str) {
        self.final_path.set_file_name(name);
    }

    /// Bypasses the page cache from here on, up to the last whole huge page.
    pub fn write_directly(&mut self) {
        direct::set_direct(&self.temp.file, true);
    }

    /// Appends bytes.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = (HUGE_PAGE - self.written % HUGE_PAGE) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(room - self.filled));
            self.pending[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == room {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn end(&self) -> u64 {
        self.written + self.filled as u64
    }

    fn flush(&mut self) -> Result<(), Error> {
        let pending = &self.pending[..self.filled];
        let written = direct::write_all_at(&self.temp.file, pending, self.written);
        self.sums.update(pending);
        written.map_err(|source| self.failed("cannot write", source))?;
        self.written += self.filled as u64;
        self.filled = 0;
        Ok(())
    }

    /// Appends zeros up to `offset`.
    pub fn pad_to(&mut self, offset: u64) -> Result<(), Error> {
        while self.end() < offset {
            let zeros = [0; PAGE as usize];
            let len = (offset - self.end()).min(PAGE) as usize;
            self.write(&zeros[..len])?;
        }
        Ok(())
    }

    /// Appends the sums, and returns their digest.
    pub fn write_sums(&mut self) -> Result<u64, Error> {
        // The rest is not a whole page.
        direct::set_direct(&self.temp.file, false);
        self.flush()?;
        let sums = std::mem::take(&mut self.sums).finish();
        self.temp
            .file
            .write_all_at(&sums, self.written)
            .map_err(|source| self.failed("cannot write", source))?;
        self.written += sums.len() as u64;
        Ok(hashlith_format::checksum::digest(&sums))
    }

    /// Writes the header, makes the file durable, and gives it its final name. Returns the directory, whose sync makes that
    /// durable too.
    pub fn rename(self, header: &Header) -> Result<PathBuf, Error> {
        debug_assert_eq!(self.written, header.file_len());
        let file = &self.temp.file;
        file.write_all_at(&header.to_bytes(), 0).map_err(|source| self.failed("cannot write", source))?;
        // As it is by now.
        if let Some(access) = Access::at(&self.final_path).or(self.access) {
            access.give(file);
        }
        file.sync_all().map_err(|source| self.failed("cannot make durable", source))?;
        self.temp.rename(&self.final_path)?;
        Ok(output::parent(&self.final_path).into())
    }

    /// Puts the file at its final path, and makes everything durable.
    pub fn publish(self, header: &Header) -> Result<(), Error> {
        let dir = self.rename(header)?;
        let synced = File::open(&dir).and_then(|dir| dir.sync_all());
        synced.map_err(|source| Error::NotDurable { path: dir, source })
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: self.temp.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_file::{remove_left_over, tests::meanwhile};
    use std::fs;

    #[test]
    fn a_folder_that_is_missing_is_reported_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let error = NewFile::create(&dir.path().join("none").join("x.hlith")).err().unwrap();
        assert!(matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound));
    }

    /// Writes cover whole huge pages, at multiples of their size.
    #[test]
    fn writes_end_at_huge_pages() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = NewFile::create(&dir.path().join("x")).unwrap();
        for _ in 0..1000 {
            file.write(&[7; 5000]).unwrap();
            assert_eq!(
                file.written,
                if file.end() < HUGE_PAGE { PAGE } else { file.end() / HUGE_PAGE * HUGE_PAGE }
            );
        }
        file.pad_to(HUGE_PAGE * 3).unwrap();
        assert_eq!((file.end(), file.filled), (HUGE_PAGE * 3, 0));
        file.pad_to(HUGE_PAGE).unwrap();
        assert_eq!(file.end(), HUGE_PAGE * 3);
    }

    /// A build that clears up never removes a file that another build has just made, not even one with the name of a left-over
    /// file.
    #[test]
    fn a_file_in_use_is_not_left_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.hlith");
        let kept = || {
            let file = NewFile::create(&path);
            std::thread::yield_now();
            file.is_ok_and(|file| file.temp.path.exists())
        };
        let clear = || remove_left_over(dir.path(), "x.hlith".as_ref());
        assert_eq!(meanwhile(clear, || (0..3000).find(|_| !kept())), None);
    }

    /// Promise 3: the file of a killed build is removed, that of a running one is not.
    #[test]
    fn left_over_files_are_removed_and_running_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.hlith");
        let left = dir.path().join("x.hlith.1-0.tmp");
        fs::write(&left, b"half").unwrap();
        let running = NewFile::create(&path).unwrap();
        assert!(!left.exists());
        let second = NewFile::create(&path).unwrap();
        assert!(running.temp.path.exists() && second.temp.path.exists());
        drop((running, second));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// Whoever may not open the old file never may open the new one.
    #[test]
    fn a_file_that_replaces_another_is_closed_to_others_meanwhile() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.hlith");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        let file = NewFile::create(&path).unwrap();
        assert_eq!(file.temp.file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
