//! The second half of a build: cells, sections, header, final path.

use crate::{
    Builder, Error, OnDuplicate,
    assembly::{Piece, Writer},
    cell::{CellOptions, Output},
    codecs::Codecs,
    feeder::Taken,
    jobs::Work,
    limits,
    load::JobContext,
    options::{Compress, Options, Shape},
    origin::Origin,
    output, plan,
    sample::Source,
    settle::settle,
    sizing::{LengthCounts, cell_count, keys_of_entries},
    spill::{Disk, Partition},
    tokens::Effort,
};
use hashlith_feedback::{Phase, Unit};
use hashlith_format::Header;
use parking_lot::Mutex;
use std::{
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

/// The result of a build.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Records that were added.
    pub records: u64,
    /// Keys in the index.
    pub keys: u64,
    /// Records that were dropped because their key occurs more than once. None is dropped if the values of a key are collected.
    pub duplicates: u64,
    /// The header of the file, or of each file of a set, with the lengths of all sections.
    pub headers: Vec<Header>,
    /// Bytes that went through temporary files.
    pub spilled_bytes: u64,
    /// How long each phase took.
    pub phases: Vec<(Phase, Duration)>,
}

impl Report {
    /// Length of all files in bytes.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let path = dir.path().join("empty.hlith");
    /// let report = Builder::new().finish(&path)?;
    /// assert_eq!(report.bytes(), std::fs::metadata(&path)?.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes(&self) -> u64 {
        self.headers.iter().map(Header::file_len).sum()
    }

    /// Length of the hot and far sections of all files in bytes.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let report = Builder::new().finish(dir.path().join("empty.hlith"))?;
    /// // One cell.
    /// assert_eq!(report.hot_bytes(), 128);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hot_bytes(&self) -> u64 {
        self.headers.iter().map(|header| header.sections.hot.len + header.sections.far.len).sum()
    }
}

impl Builder {
    /// Builds the index and puts it at `path`, replacing what was there. The new file keeps mode, owner and group of the old one,
    /// those of a set that of the old manifest, as far as this process may. If `path` is a symbolic link to a file, that file is
    /// replaced.
    ///
    /// ```
    /// use hashlith_builder::Builder;
    /// use hashlith_reader::Index;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("colours.hlith");
    ///
    /// let mut builder = Builder::new();
    /// builder.add(b"sky", b"blue")?;
    /// builder.finish(&path)?;
    /// assert_eq!(Index::load(&path)?.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Any [`Error`]; then nothing has changed at `path`, except after [`Error::NotDurable`].
    pub fn finish(mut self, path: impl AsRef<Path>) -> Result<Report, Error> {
        let path = path.as_ref();
        let dir = output::directory(path, self.options.shape.is_set())?;
        let temp_dir = self.options.temp_dir.get_or_insert_with(|| dir.clone()).clone();
        if let Some(feeder) = self.own_feeder.take() {
            feeder.finish()?;
        }
        let intake = self.intake()?.clone();
        self.options.check_types()?;
        if (intake.key_type, intake.value_type) != (self.options.key_type, self.options.value_type) {
            return Err(Error::Options {
                what: "the types of keys and values were changed after the first record",
            });
        }
        let place = Place { path, dir: &dir, temp_dir: &temp_dir };
        let mut taken = intake.close()?;
        let records = taken.records;
        let (mut dropped, mut spilled) = (0, 0);
        let tried = if self.may_be_unique(&place, &taken) {
            match self.build(&place, &taken, taken.partitions.clone(), true) {
                Err(Error::Duplicate { .. }) => None,
                built => Some(built?),
            }
        } else {
            None
        };
        let headers = match tried {
            Some(headers) => headers,
            None => {
                if self.options.on_duplicate != OnDuplicate::Error {
                    let settled = settle(taken, &intake, &mut self.options)?;
                    (taken, dropped, spilled) = (settled.taken, settled.dropped, settled.spilled);
                }
                let partitions = std::mem::take(&mut taken.partitions);
                self.build(&place, &taken, partitions, false)?
            }
        };
        self.progress.enter(Phase::Done, Unit::Records, None);
        Ok(Report {
            records,
            keys: headers.iter().map(|header| header.keys).sum(),
            duplicates: dropped,
            headers,
            spilled_bytes: spilled + taken.disk.written(),
            phases: self.progress.phases(),
        })
    }

    /// True if it is worth a trial whether all keys are different, so that there is nothing to settle. The records stay until that is
    /// known, beside the new file.
    fn may_be_unique(&self, place: &Place<'_>, taken: &Taken) -> bool {
        match self.options.on_duplicate {
            OnDuplicate::First | OnDuplicate::Last | OnDuplicate::Unique => {
                limits::check_space(place.dir, taken.bytes).is_ok()
            }
            OnDuplicate::Error | OnDuplicate::Collect => false,
        }
    }

    /// Builds and publishes the files of records with different keys. In a trial [`Error::Duplicate`] may name no key.
    fn build(
        &mut self,
        place: &Place<'_>,
        taken: &Taken,
        partitions: Vec<Arc<Partition>>,
        is_trial: bool,
    ) -> Result<Vec<Header>, Error> {
        let Taken { disk, records, bytes, .. } = taken;
        let (records, bytes) = (*records, *bytes);
        let shared = taken.distinct.clone().into_shared().filter(|_| self.options.can_share());
        self.options.shared = shared.map(Arc::new);
        self.options.settle_widths(taken.int_width);
        let (codecs, lengths) = self.learn(&partitions, taken, is_trial)?;
        let cell_keys = |lengths: &LengthCounts| lengths.cell_keys(self.options.fingerprint_bits);
        let cell_keys = match (self.options.cell_keys, &self.options.shared, &lengths) {
            (Some(keys), _, _) => keys,
            (None, Some(shared), _) => {
                keys_of_entries(f64::from(self.options.fingerprint_bits + shared.width()))
            }
            (None, None, None) => cell_keys(&taken.lengths),
            (None, None, Some(lengths)) => cell_keys(lengths),
        };
        let tables = codecs.tables();
        let parts = if let Shape::Set { parts } = self.options.shape { parts } else { 1 };
        let cells_each = cell_count(records, bytes, cell_keys, parts);
        // A file that the page cache could not keep bypasses it.
        let direct = bytes > self.options.page_cache / 2;
        let each = vec![cells_each; parts as usize];
        let Place { path, dir, temp_dir } = place;
        let mut writer = Writer::create(path, &self.options, &self.progress, temp_dir, each, tables, direct)?;
        // Spilled records are freed while the output grows.
        let freed = if is_trial || !same_device(dir, &disk.dir) { 0 } else { disk.written() };
        limits::check_space(dir, bytes.saturating_sub(freed))?;

        self.progress.enter(Phase::Building, Unit::Records, Some(records));
        let cells = cells_each * u64::from(parts);
        let loaded = self.build_cells(partitions, disk, cells, &codecs, &mut writer)?;
        // No record is lost or invented, whatever happened to the temporary files.
        if loaded != records {
            return Err(Error::Lost { expected: records, found: loaded });
        }
        writer.check_keys(records)?;
        writer.finish()
    }

    /// How these records are stored; and their lengths, if they are coded.
    fn learn(
        &self,
        partitions: &[Arc<Partition>],
        taken: &Taken,
        is_trial: bool,
    ) -> Result<(Codecs, Option<LengthCounts>), Error> {
        let Options { key_type, key_width, value_type, .. } = self.options;
        let mut codecs = Codecs::new(key_type, key_width, value_type, self.options.shared.clone());
        let effort = match self.options.compress {
            Compress::Off => return Ok((codecs, None)),
            Compress::Fast => Effort::FAST,
            Compress::On => Effort::THOROUGH,
        };
        let parts = if let Shape::Part { parts, .. } = self.options.shape { parts } else { 1 };
        let (hasher, disk, progress) = (self.options.hasher, &taken.disk, &*self.progress);
        progress.enter(Phase::Learning, Unit::Records, None);
        let sample = Source { partitions, disk, hasher, parts, progress }.sample()?;
        if is_trial && sample.has_copies {
            let none = Origin { source: 0, position: 0 };
            return Err(Error::Duplicate { key: Vec::new(), first: none, second: none, differ: false });
        }
        codecs.learn(&sample, taken.records, self.options.threads, effort);
        progress.check()?;
        let lengths = codecs.is_coded().then(|| codecs.lengths(&sample));
        Ok((codecs, lengths))
    }

    fn build_cells(
        &self,
        partitions: Vec<Arc<Partition>>,
        disk: &Disk,
        cells: u64,
        codecs: &Codecs,
        writer: &mut Writer<'_>,
    ) -> Result<u64, Error> {
        let parts = if let Shape::Part { parts, .. } = self.options.shape { parts } else { 1 };
        let options = CellOptions {
            hasher: self.options.hasher,
            parts,
            fingerprint_bits: self.options.fingerprint_bits,
            codecs: (!codecs.is_plain()).then_some(codecs),
        };
        let threads = self.options.threads;
        // The other half may hold records of later jobs, and the writer's buffers.
        let memory = self.options.memory() / 2;
        // Each thread has a job, one output waits, and one is being written.
        let budget = memory / (threads as u64 + 2);
        let copies = if codecs.is_coded() { plan::CODED_COPIES } else { plan::COPIES };
        let jobs = plan::join(plan::smallest(partitions, cells, copies), budget);
        let context =
            JobContext { options, cells, threads, memory, budget, copies, disk, progress: &self.progress };
        run(&Work::new(jobs, context), threads, codecs.width(), writer)
    }
}

/// Where the result goes.
struct Place<'p> {
    path: &'p Path,
    dir: &'p Path,
    temp_dir: &'p Path,
}

/// Runs all jobs on this many threads, while this thread writes. Returns how many records they have read. Values in the values section have `width` bytes.
fn run(work: &Work<'_>, threads: usize, width: u64, writer: &mut Writer<'_>) -> Result<u64, Error> {
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|number| format!("build-{number}"));
    let pool = pool.build().map_err(|_| Error::Threads { threads })?;
    let failures = Mutex::new(Vec::new());
    let written = pool.in_place_scope(|scope| {
        let (sender, outputs) = mpsc::sync_channel::<Output>(1);
        for _ in 0..threads {
            let (failures, sender) = (&failures, sender.clone());
            scope.spawn(move |_| {
                if let Err(error) = work.run(&sender) {
                    failures.lock().push(error);
                }
            });
        }
        drop(sender);
        let mut loaded = 0;
        let written = outputs.iter().try_for_each(|mut output| {
            writer.append(Piece::of(&mut output, width))?;
            loaded += output.loaded;
            work.written(output);
            Ok(())
        });
        // Before `stop`: a worker that waits for the channel holds a lock that `stop` needs.
        drop(outputs);
        if written.is_err() {
            work.stop();
        }
        written.map(|()| loaded)
    });
    let failed = failures.into_inner().into_iter().reduce(Error::or);
    failed.map_or(written, Err)
}

fn same_device(a: &Path, b: &Path) -> bool {
    let device = |path: &Path| rustix::fs::stat(path).map(|stat| stat.st_dev);
    device(a).is_ok_and(|a| device(b).is_ok_and(|b| a == b))
}
