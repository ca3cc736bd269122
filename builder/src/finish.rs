//! The second half of a build: blocks, sections, header, final name.

use crate::{
    Builder, Error, OnDuplicate, Phase, Progress,
    block::{BlockOptions, Output},
    jobs::{self, Partitions, Work},
    publish::{self, NewFile},
    spill::Spill,
};
use hashlith_format::{Entry, Header, Sections, checksum};
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

/// Keys in a block, on average, at most (spec section 10; `benches/README.md` has the sweep).
pub(crate) const BLOCK_KEYS: u64 = 4096;
/// Bytes of records in a block, on average, at most.
const BLOCK_LEN: u64 = 1 << 20;

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

/// How many blocks a file gets for this many records and bytes of records: a power of two up to 1,024, a multiple of
/// 1,024 above, so that blocks and partitions share their boundaries.
pub(crate) fn block_count(records: u64, bytes: u64, block_keys: u64) -> u64 {
    let blocks = records.div_ceil(block_keys).max(bytes.div_ceil(BLOCK_LEN)).max(1);
    if blocks <= 1024 { blocks.next_power_of_two() } else { blocks.next_multiple_of(1024) }
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
        self.build_blocks(spill, block_count(records, bytes, self.options.block_keys), &mut file)?;
        let keys = file.next.first_id;
        let header = file.seal(&self.options, &self.progress)?;
        self.progress.enter(Phase::Done, 0);
        let phases = self.progress.phases();
        Ok(Report { records, keys, duplicates: records - keys, header, spilled_bytes, phases })
    }

    fn build_blocks(&self, spill: Spill, blocks: u64, file: &mut Assembly) -> Result<(), Error> {
        let options = BlockOptions {
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
        let jobs = jobs::plan(&sizes, blocks, memory / (threads as u64 + 2));
        let partitions = Partitions::new(partitions, &jobs);
        let work =
            Work::new(&jobs, (partitions, threads), (blocks, memory), options, &spill_dir, &self.progress);
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
            let written = outputs.iter().try_for_each(|output| {
                file.append(&output)?;
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
    /// The hot section: it lies behind the pool, whose length is not known before the last block.
    hot: SpooledTempFile,
    directory: Vec<u8>,
    /// The entry of the next block.
    next: Entry,
    temp_dir: PathBuf,
}

impl Assembly {
    fn create(path: &Path, builder: &Builder, spill: &Spill) -> Result<Self, Error> {
        let in_memory = (builder.options.memory_limit / 16) as usize;
        Ok(Assembly {
            file: NewFile::create(path)?,
            hot: tempfile::spooled_tempfile_in(in_memory, spill.dir()),
            directory: Vec::new(),
            next: Entry::default(),
            temp_dir: spill.dir().into(),
        })
    }

    fn append(&mut self, output: &Output) -> Result<(), Error> {
        self.file.write(&output.pool)?;
        self.hot
            .write_all(&output.hot)
            .map_err(Error::io("cannot write temporary data to", &self.temp_dir))?;
        for block in &output.blocks {
            self.directory.extend_from_slice(&Entry { layout: block.layout, ..self.next }.to_bytes());
            self.next.first_id += block.keys;
            self.next.pool_start += block.pool_len;
            self.next.hot_start += block.hot_len;
        }
        Ok(())
    }

    /// Writes everything behind the pool, then the header, and publishes the file.
    fn seal(mut self, options: &crate::Options, progress: &Progress) -> Result<Header, Error> {
        let blocks = self.directory.len() as u64 / hashlith_format::directory::ENTRY_LEN;
        self.directory.extend_from_slice(&self.next.to_bytes());
        let metadata = options.metadata.as_bytes();
        let sections =
            Sections::place(self.next.pool_start, self.next.hot_start, blocks, metadata.len() as u64);
        let sections = sections.ok_or(Error::Options { what: "the index would be longer than any file" })?;
        progress.enter(Phase::Seal, self.next.hot_start);

        self.file.pad_to(sections.hot.offset)?;
        let failed = |source| Error::Io {
            action: "cannot read temporary data in",
            path: self.temp_dir.clone(),
            source,
        };
        self.hot.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut buffer = Vec::with_capacity(COPY_LEN as usize);
        loop {
            progress.check()?;
            buffer.clear();
            let len = (&mut self.hot).take(COPY_LEN).read_to_end(&mut buffer).map_err(failed)?;
            if len == 0 {
                break;
            }
            self.file.write(&buffer)?;
            progress.add(len as u64);
        }
        self.file.pad_to(sections.directory.offset)?;
        self.file.write(&self.directory)?;
        self.file.pad_to(sections.metadata.offset)?;
        self.file.write(metadata)?;
        self.file.pad_to(sections.sums.offset)?;
        let sums_digest = self.file.write_sums()?;
        progress.check()?;
        let header = Header {
            ignorable_features: 0,
            keys: self.next.first_id,
            blocks,
            hasher: options.hasher,
            key_type: options.key_type,
            value_type: options.value_type,
            fingerprint_bits: options.fingerprint_bits,
            sections,
            directory_digest: checksum::digest(&self.directory),
            sums_digest,
        };
        self.file.publish(&header)?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_KEYS, block_count};

    #[test]
    fn block_counts_follow_the_spec() {
        assert_eq!(block_count(0, 0, BLOCK_KEYS), 1);
        assert_eq!(block_count(4096, 0, BLOCK_KEYS), 1);
        assert_eq!(block_count(4097, 0, BLOCK_KEYS), 2);
        assert_eq!(block_count(10_000_000, 0, BLOCK_KEYS), 3 * 1024);
        assert_eq!(block_count(3, 100 << 20, BLOCK_KEYS), 128);
        assert_eq!(block_count(1 << 40, 1 << 46, BLOCK_KEYS), 1 << 28);
    }
}
