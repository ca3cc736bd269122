//! The second half of a build: cells, sections, header, final name.

use crate::{
    Builder, Error, OnDuplicate, Phase, Progress,
    cell::{CellOptions, Output},
    jobs::{self, Partitions, Work},
    publish::{self, NewFile},
    sizing::cell_count,
    spill::Spill,
};
use hashlith_format::{CELL_LEN, Head, Header, MAX_POOL, Sections};
use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::Ordering::{Acquire, Relaxed},
        mpsc,
    },
    time::Duration,
};
use tempfile::SpooledTempFile;

/// Bytes that are copied at a time: two huge pages, see [`NewFile`].
const COPY_LEN: u64 = 4 << 20;

/// What a build has made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Records that were added.
    pub records: u64,
    /// Keys in the index.
    pub keys: u64,
    /// Records that were dropped because their key was there already.
    pub duplicates: u64,
    /// The header, with the lengths of all sections.
    pub header: Header,
    /// Bytes that went through temporary files.
    pub spilled_bytes: u64,
    /// How long each phase took.
    pub phases: Vec<(Phase, Duration)>,
}

/// Fails if the disk of `dir` has fewer than `needed` bytes free.
pub(crate) fn check_space(dir: &Path, needed: u64) -> Result<(), Error> {
    let stat = rustix::fs::statvfs(dir).map_err(|error| Error::io("cannot look at", dir)(error.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < needed { Err(Error::DiskSpace { path: dir.into(), free, needed }) } else { Ok(()) }
}

fn same_device(a: &Path, b: &Path) -> bool {
    let device = |path: &Path| rustix::fs::stat(path).map(|stat| stat.st_dev);
    device(a).is_ok_and(|a| device(b).is_ok_and(|b| a == b))
}

impl Builder {
    /// Builds the index and puts it at `path`, in place of what was there.
    ///
    /// # Errors
    /// Any [`Error`]; then nothing has changed at `path`, except after [`Error::NotDurable`].
    pub fn finish(mut self, path: impl AsRef<Path>) -> Result<Report, Error> {
        let path = path.as_ref();
        if let Some(feeder) = self.own_feeder.take() {
            feeder.finish()?;
        }
        let intake = self.intake()?.clone();
        if intake.open.load(Acquire) > 0 {
            return Err(Error::Options { what: "a feeder was not finished: its records would be missing" });
        }
        let spill = intake.spill.write().unwrap_or_else(PoisonError::into_inner).take();
        let spill = spill.ok_or(Error::Cancelled)?;
        let records = intake.records.load(Relaxed);
        let bytes = intake.bytes.load(Relaxed);
        let mut file = Assembly::create(path, &self, &spill)?;
        if bytes > self.options.page_cache / 2 {
            // The cache could not keep it.
            file.file.write_directly();
        }
        let (dir, _) = publish::split(path)?;
        if self.options.on_duplicate == OnDuplicate::Error {
            // Spilled records are freed while the output grows; other policies may drop any number of them.
            let freed = if same_device(&dir, spill.dir()) { spill.written() } else { 0 };
            check_space(&dir, bytes.saturating_sub(freed))?;
        }

        let spilled_bytes = spill.written();
        self.progress.enter(Phase::Build, records);
        let lengths = intake.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        let cell_keys = self.options.cell_keys;
        let cell_keys = cell_keys.unwrap_or_else(|| lengths.cell_keys(self.options.fingerprint_bits));
        drop(lengths);
        self.build_cells(spill, cell_count(records, bytes, cell_keys), &mut file)?;
        let keys = file.keys;
        let header = file.seal(&self.options, &self.progress)?;
        self.progress.enter(Phase::Done, 0);
        let phases = self.progress.phases();
        Ok(Report { records, keys, duplicates: records - keys, header, spilled_bytes, phases })
    }

    fn build_cells(&self, spill: Spill, cells: u64, file: &mut Assembly) -> Result<(), Error> {
        let options = CellOptions {
            hasher: self.options.hasher,
            fingerprint_bits: self.options.fingerprint_bits,
            on_duplicate: self.options.on_duplicate,
        };
        let spill_dir = spill.dir().to_path_buf();
        let partitions = spill.into_partitions();
        let sizes: Vec<_> = partitions.iter().map(|one| (one.records, one.bytes)).collect();
        let threads = self.options.threads;
        // The other half may still hold records of later jobs, and the writer's buffers.
        let memory = self.options.memory_limit / 2;
        // Every thread has a job in hand, one output waits, one is being written.
        let jobs = jobs::plan(&sizes, cells, memory / (threads as u64 + 2));
        let partitions = Partitions::new(partitions, &jobs);
        let work =
            Work::new(&jobs, (partitions, threads), (cells, memory), options, &spill_dir, &self.progress);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("build-{number}"));
        let pool = pool.build().map_err(|_| Error::Threads { threads })?;
        let failures = Mutex::new(Vec::new());
        // The pool's threads do the jobs, this one writes.
        let written = pool.in_place_scope(|scope| {
            let (sender, outputs) = mpsc::sync_channel::<Output>(1);
            for _ in 0..threads {
                let (work, failures, sender) = (&work, &failures, sender.clone());
                scope.spawn(move |_| {
                    if let Err(error) = work.run(&sender) {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    }
                });
            }
            drop(sender);
            let written = outputs.iter().try_for_each(|mut output| {
                file.append(&mut output)?;
                work.written(output);
                Ok(())
            });
            // First of all whoever waits for the channel is let go: it holds what `stop` needs.
            drop(outputs);
            if written.is_err() {
                work.stop();
            }
            written
        });
        let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        failures.into_iter().reduce(earlier).map_or(written, Err)
    }
}

/// Of the errors of two threads the one to report: a duplicate before anything else, the one with the earlier place.
fn earlier(a: Error, b: Error) -> Error {
    match (&a, &b) {
        (Error::Duplicate { second: at_a, .. }, Error::Duplicate { second: at_b, .. }) if at_b < at_a => b,
        (Error::Duplicate { .. }, _) => a,
        (_, Error::Duplicate { .. }) => b,
        _ => a,
    }
}

/// The new file while its sections come together.
struct Assembly {
    file: NewFile,
    /// Cells and far bodies: they lie behind the pool, whose length is not known before the last cell.
    hot: SpooledTempFile,
    far: SpooledTempFile,
    keys: u64,
    pool_len: u64,
    hot_len: u64,
    far_len: u64,
    temp_dir: PathBuf,
}

impl Assembly {
    fn create(path: &Path, builder: &Builder, spill: &Spill) -> Result<Self, Error> {
        let in_memory = (builder.options.memory_limit / 32) as usize;
        let temporary = || tempfile::spooled_tempfile_in(in_memory, spill.dir());
        Ok(Assembly {
            file: NewFile::create(path)?,
            hot: temporary(),
            far: temporary(),
            keys: 0,
            pool_len: 0,
            hot_len: 0,
            far_len: 0,
            temp_dir: spill.dir().into(),
        })
    }

    /// Appends the output of a job, whose places and ids count from here.
    fn append(&mut self, output: &mut Output) -> Result<(), Error> {
        for cell in output.cells.as_chunks_mut::<{ CELL_LEN as usize }>().0 {
            let mut head = Head::parse(cell);
            head.first_id += self.keys;
            head.pool_start += self.pool_len;
            head.far = head.far.map(|start| start + self.far_len);
            head.write(cell);
        }
        self.file.write(&output.pool)?;
        let failed = Error::io("cannot write temporary data to", &self.temp_dir);
        self.hot.write_all(&output.cells).and_then(|()| self.far.write_all(&output.far)).map_err(failed)?;
        self.keys += output.keys;
        self.pool_len += output.pool.len() as u64;
        self.hot_len += output.cells.len() as u64;
        self.far_len += output.far.len() as u64;
        Ok(())
    }

    /// Copies a temporary file to where its section begins.
    fn copy(
        &mut self,
        which: fn(&mut Self) -> &mut SpooledTempFile,
        at: u64,
        progress: &Progress,
    ) -> Result<(), Error> {
        self.file.pad_to(at)?;
        let path = self.temp_dir.clone();
        let failed =
            |source| Error::Io { action: "cannot read temporary data in", path: path.clone(), source };
        which(self).seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut buffer = Vec::with_capacity(COPY_LEN as usize);
        loop {
            progress.check()?;
            buffer.clear();
            let len = which(self).take(COPY_LEN).read_to_end(&mut buffer).map_err(failed)?;
            if len == 0 {
                return Ok(());
            }
            self.file.write(&buffer)?;
            progress.add(len as u64);
        }
    }

    /// Writes everything behind the pool, then the header, and publishes the file.
    fn seal(mut self, options: &crate::Options, progress: &Progress) -> Result<Header, Error> {
        let cells = self.hot_len / CELL_LEN;
        let metadata = options.metadata.as_bytes();
        let sections = Sections::place(self.pool_len, cells, self.far_len, metadata.len() as u64);
        let sections = sections.filter(|sections| sections.pool.len < MAX_POOL);
        let sections = sections.ok_or(Error::Options { what: "the index would be longer than any file" })?;
        progress.enter(Phase::Seal, self.hot_len + self.far_len);

        self.copy(|file| &mut file.hot, sections.hot.offset, progress)?;
        self.copy(|file| &mut file.far, sections.far.offset, progress)?;
        self.file.pad_to(sections.metadata.offset)?;
        self.file.write(metadata)?;
        self.file.pad_to(sections.sums.offset)?;
        let sums_digest = self.file.write_sums()?;
        progress.check()?;
        let header = Header {
            ignorable_features: 0,
            keys: self.keys,
            cells,
            hasher: options.hasher,
            key_type: options.key_type,
            value_type: options.value_type,
            fingerprint_bits: options.fingerprint_bits,
            sections,
            sums_digest,
        };
        self.file.publish(&header)?;
        Ok(header)
    }
}
