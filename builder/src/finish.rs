//! The second half of a build: cells, sections, header, final name.

use crate::{
    Builder, Error, OnDuplicate, Phase, Shape,
    assembly::{Piece, Writer},
    cell::{CellOptions, Output},
    jobs::{self, Partitions, Work},
    sizing::cell_count,
    spill::Spill,
};
use hashlith_format::Header;
use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::Ordering::{Acquire, Relaxed},
        mpsc,
    },
    time::Duration,
};

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
    /// The header of the file, or of each file of a set: with the lengths of all sections.
    pub headers: Vec<Header>,
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

impl Report {
    /// Length in bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.headers.iter().map(Header::file_len).sum()
    }

    /// Bytes of the hot and the far sections.
    pub fn hot_bytes(&self) -> u64 {
        self.headers.iter().map(|header| header.sections.hot.len + header.sections.far.len).sum()
    }
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
        let lengths = intake.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        let cell_keys = self.options.cell_keys;
        let cell_keys = cell_keys.unwrap_or_else(|| lengths.cell_keys(self.options.fingerprint_bits));
        drop(lengths);
        let parts = if let Shape::Set { parts } = self.options.shape { parts } else { 1 };
        let cells_each = cell_count(records, bytes, cell_keys, parts);
        // What the page cache could not keep goes past it.
        let direct = bytes > self.options.page_cache / 2;
        let each = vec![cells_each; parts as usize];
        let mut writer = Writer::create(path, (&self.options, &self.progress), spill.dir(), each, direct)?;
        let dir = self.options.shape.directory(path)?;
        if self.options.on_duplicate == OnDuplicate::Error {
            // Spilled records are freed while the output grows; other policies may drop any number of them.
            let freed = if same_device(&dir, spill.dir()) { spill.written() } else { 0 };
            check_space(&dir, bytes.saturating_sub(freed))?;
        }

        let spilled_bytes = spill.written();
        self.progress.enter(Phase::Build, records);
        self.build_cells(spill, cells_each * u64::from(parts), &mut writer)?;
        let headers = writer.finish()?;
        self.progress.enter(Phase::Done, 0);
        let phases = self.progress.phases();
        let keys = headers.iter().map(|header| header.keys).sum();
        Ok(Report { records, keys, duplicates: records - keys, headers, spilled_bytes, phases })
    }

    fn build_cells(&self, spill: Spill, cells: u64, writer: &mut Writer<'_>) -> Result<(), Error> {
        let parts = if let Shape::Part { parts, .. } = self.options.shape { parts } else { 1 };
        let options = CellOptions {
            hasher: self.options.hasher,
            parts,
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
                writer.append(Piece::of(&mut output))?;
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
