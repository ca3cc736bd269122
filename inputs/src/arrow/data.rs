//! The bytes of a Parquet file, of which many workers read parts.

use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};

use crate::source::Source;

/// The bytes of a file.
pub(crate) enum Data {
    Disk(fs::File, u64),
    Memory(Bytes),
}

impl Data {
    pub fn open(source: &Source) -> io::Result<Self> {
        match source {
            Source::Path(path) => {
                let file = fs::File::open(path)?;
                let length = file.metadata()?.len();
                Ok(Data::Disk(file, length))
            }
            Source::Memory { bytes, .. } => Ok(Data::Memory(Bytes::from_owner(Arc::clone(bytes)))),
            Source::Stdin => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub fn length(&self) -> u64 {
        match self {
            Data::Disk(_, length) => *length,
            Data::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// These bytes, which must be there.
    pub fn part(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let end = start.checked_add(length).filter(|&end| end <= self.length());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        match self {
            Data::Disk(file, _) => {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
            Data::Memory(bytes) => Ok(bytes.slice(start as usize..end as usize)),
        }
    }
}

impl Length for Data {
    fn len(&self) -> u64 {
        self.length()
    }
}

impl ChunkReader for Data {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match self {
            Data::Disk(file, _) => Box::new(BufReader::new(At(file.try_clone()?, start))),
            Data::Memory(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
                Box::new(io::Cursor::new(bytes.slice(start..)))
            }
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        Ok(self.part(start, length as u64)?)
    }
}

/// A file from a place on. Other readers have other places.
struct At(fs::File, u64);

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read_at(buffer, self.1)?;
        self.1 += got as u64;
        Ok(got)
    }
}
