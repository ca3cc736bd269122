//! Writes the sections of new files: of one file, or of the files of a set, one after the other.

use crate::{
    Error,
    access::Access,
    cell::Output,
    codecs::Tables,
    commit::commit,
    options::{Options, Shape},
    pool::{Part, PoolView},
    publish::NewFile,
    spill,
    staging::Staging,
};
use hashlith_feedback::{Phase, Progress, Unit};
use hashlith_format::{
    CELL_LEN, Head, Header, MAX_POOL, Sections,
    header::Lens,
    manifest::{MANIFEST_NAME, PartFile},
};
use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tempfile::SpooledTempFile;

/// Bytes that are copied at a time: two huge pages, see [`NewFile`].
const COPY_LEN: u64 = 4 << 20;

/// Finished cells that follow one another, with their records and far bodies.
pub(crate) struct Piece<'a> {
    pub pool: PoolView<'a>,
    /// Values of a fixed width.
    pub values: PoolView<'a>,
    /// Bytes of such a value.
    pub width: u64,
    pub cells: &'a mut [u8],
    pub far: &'a [u8],
    /// What ids and offsets in the cells count from.
    pub start: Offsets,
    /// Where they end.
    pub end: Offsets,
}

/// A number of keys, of bytes of the pool, and of bytes of the far section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub keys: u64,
    pub pool: u64,
    pub far: u64,
}

impl<'a> Piece<'a> {
    /// The whole output of a job.
    pub fn of(output: &'a mut Output, width: u64) -> Self {
        let end = Offsets { keys: output.keys, pool: output.pool.len(), far: output.far.len() as u64 };
        Piece {
            pool: output.pool.view(),
            values: output.values.view(),
            width,
            cells: &mut output.cells,
            far: &output.far,
            start: Offsets::default(),
            end,
        }
    }

    fn len(&self) -> u64 {
        self.cells.len() as u64 / CELL_LEN
    }

    /// The first `count` cells, and the others.
    fn split(self, count: u64) -> (Self, Self) {
        let (first, second) = self.cells.split_at_mut((count * CELL_LEN) as usize);
        let mut heads = second.as_chunks().0.iter().map(Head::parse);
        let cut = heads.clone().next().map_or(self.end, |head| Offsets {
            keys: head.first_id,
            // Cells that share records have none of their own.
            pool: if self.pool.len() == 0 { self.start.pool } else { head.pool_start },
            far: heads.find_map(|head| head.far).unwrap_or(self.end.far),
        });
        let (pool, pool_rest) = self.pool.split_at(cut.pool - self.start.pool);
        let width = self.width;
        let (values, values_rest) = self.values.split_at((cut.keys - self.start.keys) * width);
        let (far, far_rest) = self.far.split_at((cut.far - self.start.far) as usize);
        (
            Piece { pool, values, width, cells: first, far, start: self.start, end: cut },
            Piece {
                pool: pool_rest,
                values: values_rest,
                width,
                cells: second,
                far: far_rest,
                start: cut,
                end: self.end,
            },
        )
    }
}

/// A new file whose sections are being written.
struct Assembly {
    file: NewFile,
    /// Records wait here if the values come first: where they will begin is known only after the last cell.
    pool: Option<SpooledTempFile>,
    /// Cells and far bodies wait here, for the same reason.
    hot: SpooledTempFile,
    far: SpooledTempFile,
    len: Offsets,
    cells: u64,
    temp_dir: PathBuf,
    /// Keys share records, which are written first.
    shared: bool,
}

impl Assembly {
    fn create(mut file: NewFile, options: &Options, temp_dir: &Path) -> Result<Self, Error> {
        // Three of these, or two, share a sixteenth.
        let in_memory = (options.memory() / 48) as usize;
        let temporary = || tempfile::spooled_tempfile_in(in_memory, temp_dir);
        let mut len = Offsets::default();
        if let Some(shared) = &options.shared {
            file.write(&shared.pool)?;
            len.pool = shared.len();
        }
        Ok(Assembly {
            file,
            pool: options.value_type.row().map(|_| temporary()),
            hot: temporary(),
            far: temporary(),
            len,
            cells: 0,
            temp_dir: temp_dir.into(),
            shared: options.shared.is_some(),
        })
    }

    /// Appends cells, and makes their offsets and ids count from the beginning of the file.
    fn append(&mut self, piece: Piece<'_>) -> Result<(), Error> {
        let Piece { pool, values, width: _, cells, far, start, end } = piece;
        for cell in cells.as_chunks_mut::<{ CELL_LEN as usize }>().0 {
            let mut head = Head::parse(cell);
            head.first_id = head.first_id - start.keys + self.len.keys;
            if !self.shared {
                head.pool_start = head.pool_start - start.pool + self.len.pool;
            }
            head.far = head.far.map(|at| at - start.far + self.len.far);
            head.write(cell);
        }
        let pool_len = pool.len();
        let temp_dir = &self.temp_dir;
        let failed = |source| Error::io("cannot write temporary data to", temp_dir)(source);
        let write = |view: PoolView<'_>, each: &mut dyn FnMut(&[u8]) -> Result<(), Error>| {
            let failed = |source| Error::io(spill::READ, temp_dir)(source);
            view.each(|part| match part {
                Part::Short(bytes) => each(bytes),
                Part::Apart(record) => record.each_block(failed, &mut *each),
            })
        };
        write(values, &mut |bytes| self.file.write(bytes))?;
        write(pool, &mut |bytes| match &mut self.pool {
            Some(pool) => pool.write_all(bytes).map_err(failed),
            None => self.file.write(bytes),
        })?;
        self.hot.write_all(cells).and_then(|()| self.far.write_all(far)).map_err(failed)?;
        self.len.keys += end.keys - start.keys;
        self.len.pool += pool_len;
        self.len.far += far.len() as u64;
        self.cells += cells.len() as u64 / CELL_LEN;
        Ok(())
    }

    /// Writes everything after the pool, then the header, and publishes the file; in a set, under a name with its digest.
    fn seal(
        mut self,
        (part, parts): (u32, u32),
        options: &Options,
        tables: &Tables,
        progress: &Progress,
        in_set: bool,
    ) -> Result<Header, Error> {
        let metadata = options.metadata.as_bytes();
        let (tables_len, metadata_len) = (tables.bytes.len() as u64, metadata.len() as u64);
        let sections = Sections::place(Lens {
            values: self.len.keys * options.value_type.width(),
            pool: self.len.pool,
            cells: self.cells,
            far: self.len.far,
            tables: tables_len,
            metadata: metadata_len,
        });
        let sections = sections.filter(|sections| sections.pool.len < MAX_POOL);
        let sections = sections.ok_or(Error::Options { what: "the index would be longer than any file" })?;

        let waiting =
            [(self.pool, sections.pool), (Some(self.hot), sections.hot), (Some(self.far), sections.far)];
        for (from, section) in waiting {
            self.file.pad_to(section.offset)?;
            if let Some(from) = from {
                copy(from, &mut self.file, &self.temp_dir, progress)?;
            }
        }
        self.file.pad_to(sections.tables.offset)?;
        self.file.write(&tables.bytes)?;
        self.file.pad_to(sections.metadata.offset)?;
        self.file.write(metadata)?;
        self.file.pad_to(sections.sums.offset)?;
        let sums_digest = self.file.write_sums()?;
        progress.check()?;
        let header = Header {
            ignorable_features: 0,
            keys: self.len.keys,
            cells: self.cells,
            part,
            parts,
            hasher: options.hasher,
            key_type: options.key_type,
            value_type: options.value_type,
            fingerprint_bits: options.fingerprint_bits,
            key_width: options.key_width,
            key_tables: tables.counts.0,
            value_tables: tables.counts.1,
            shared_records: options.shared.is_some(),
            sections,
            sums_digest,
        };
        if in_set {
            self.file.set_final_name(&PartFile::of(&header).file);
            // The commit makes the names of all parts durable at once.
            self.file.rename(&header)?;
        } else {
            self.file.publish(&header)?;
        }
        Ok(header)
    }
}

/// Appends a temporary file.
fn copy(
    mut from: SpooledTempFile,
    file: &mut NewFile,
    temp_dir: &Path,
    progress: &Progress,
) -> Result<(), Error> {
    let failed = |source| Error::io("cannot read temporary data in", temp_dir)(source);
    from.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut buffer = Vec::with_capacity(COPY_LEN as usize);
    loop {
        progress.check()?;
        buffer.clear();
        let len = Read::by_ref(&mut from).take(COPY_LEN).read_to_end(&mut buffer).map_err(failed)?;
        if len == 0 {
            return Ok(());
        }
        file.write(&buffer)?;
        progress.add(Unit::Bytes, len as u64);
    }
}

/// Takes cells in order and cuts them into files.
pub(crate) struct Writer<'b> {
    options: &'b Options,
    progress: &'b Progress,
    path: &'b Path,
    temp_dir: PathBuf,
    tables: Tables,
    /// Files bypass the page cache.
    direct: bool,
    /// How many cells each file gets.
    cells: Vec<u64>,
    staging: Option<Staging>,
    /// Of the set that is replaced.
    access: Option<Access>,
    current: Option<Assembly>,
    done: Vec<Header>,
}

impl<'b> Writer<'b> {
    /// For files with these numbers of cells, at `path` or, for a set, in it. Creates the first file, so that it fails early.
    pub fn create(
        path: &'b Path,
        options: &'b Options,
        progress: &'b Progress,
        temp_dir: &Path,
        cells: Vec<u64>,
        tables: Tables,
        direct: bool,
    ) -> Result<Self, Error> {
        let staging = match options.shape {
            Shape::Part { .. } => None,
            Shape::Set { .. } => Some(Staging::create(path)?),
        };
        let temp_dir = temp_dir.to_path_buf();
        let mut writer = Writer {
            options,
            progress,
            path,
            temp_dir,
            tables,
            direct,
            cells,
            staging,
            access: Access::at(&path.join(MANIFEST_NAME)),
            current: None,
            done: Vec::new(),
        };
        writer.current()?;
        Ok(writer)
    }

    /// The file that the next cell goes to.
    fn current(&mut self) -> Result<&mut Assembly, Error> {
        let current = match self.current.take() {
            Some(current) => current,
            None => {
                let mut file = match &self.staging {
                    None => NewFile::create(self.path)?,
                    Some(staging) => {
                        let path = staging.path().join(format!("part-{:05}", self.done.len()));
                        NewFile::create_with(path, self.access)?
                    }
                };
                if self.direct {
                    file.write_directly();
                }
                Assembly::create(file, self.options, &self.temp_dir)?
            }
        };
        Ok(self.current.insert(current))
    }

    /// Appends cells.
    pub fn append(&mut self, mut piece: Piece<'_>) -> Result<(), Error> {
        loop {
            let cells = self.cells.get(self.done.len()).copied().unwrap_or(0);
            let current = self.current()?;
            let left = cells - current.cells;
            if piece.len() <= left {
                return current.append(piece);
            }
            let (now, later) = piece.split(left);
            current.append(now)?;
            self.seal()?;
            piece = later;
        }
    }

    fn seal(&mut self) -> Result<(), Error> {
        self.current()?;
        let Some(current) = self.current.take() else { return Ok(()) };
        let number = match self.options.shape {
            Shape::Part { part, parts } => (part, parts),
            Shape::Set { parts } => (self.done.len() as u32, parts),
        };
        let in_set = self.staging.is_some();
        self.done.push(current.seal(number, self.options, &self.tables, self.progress, in_set)?);
        Ok(())
    }

    /// Fails unless exactly this many keys were written.
    pub fn check_keys(&self, expected: u64) -> Result<(), Error> {
        let done: u64 = self.done.iter().map(|header| header.keys).sum();
        let found = done + self.current.as_ref().map_or(0, |current| current.len.keys);
        if found == expected { Ok(()) } else { Err(Error::Lost { expected, found }) }
    }

    /// Finishes the last file, puts all files at their final path, and returns their headers.
    pub fn finish(mut self) -> Result<Vec<Header>, Error> {
        let current = self.current()?;
        let records = if current.pool.is_some() { current.len.pool } else { 0 };
        let bytes = records + current.cells * CELL_LEN + current.len.far;
        self.progress.enter(Phase::Sealing, Unit::Bytes, Some(bytes));
        while self.done.len() < self.cells.len() {
            self.seal()?;
        }
        if let Some(staging) = self.staging {
            let files = self.done.iter().map(|header| staging.path().join(PartFile::of(header).file));
            commit(self.path, &files.collect::<Vec<_>>(), true, self.progress)?;
            staging.remove();
        }
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests;
