//! Merges indexes, and splits one into a set.

use crate::{BuildReport, Error, Index, Part};
use hashlith_builder::{Builder, Compress, Error as BuilderError, OnDuplicate, Origin, Report, can_recut};
use hashlith_checker::Options;
use hashlith_feedback::{Phase, Progress, Unit};
use hashlith_format::{Header, KeyType, set::in_order};
use parking_lot::Mutex;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

/// Merges several indexes into one at `output`, or with `parts` into a set of that many files. Verifies the inputs first.
///
/// `builder` says how much memory and how many threads to use, and what to do with duplicates. Hash, types and fingerprints are
/// those of the inputs; so is the metadata, if `metadata` is `None`.
///
/// # Errors
/// Any [`Error`]. Then `output` is unchanged.
///
/// ```
/// use hashlith::{Builder, Index, OnDuplicate, merge};
/// # let dir = tempfile::tempdir()?;
/// let day = |name: &str, value: &str| -> Result<_, Box<dyn std::error::Error>> {
///     let path = dir.path().join(name);
///     let mut builder = Builder::new();
///     builder.add(b"sky", value.as_bytes())?;
///     builder.finish(&path)?;
///     Ok(Index::load(&path)?)
/// };
/// let inputs = vec![day("monday", "grey")?, day("tuesday", "blue")?];
/// let output = dir.path().join("both.hlith");
/// merge(inputs, &output, Builder::new().on_duplicate(OnDuplicate::Last))?;
/// assert_eq!(Index::load(&output)?.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn merge<D: AsRef<[u8]> + Sync>(
    inputs: Vec<Index<D>>,
    output: impl AsRef<Path>,
    builder: Builder,
) -> Result<BuildReport, Error> {
    Merge::new(inputs, output, builder)?.run()
}

/// Splits an index into a set of `parts` files in the directory `output`. With 2, 4, 8, ... parts, the
/// cells of a large index are copied, if the parts can have equally many; otherwise the index is built again.
///
/// # Errors
/// As [`merge()`].
///
/// ```
/// use hashlith::{Builder, Index, split};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("colours.hlith");
/// # let mut builder = Builder::new();
/// # builder.add(b"sky", b"blue")?;
/// # builder.finish(&path)?;
/// split(Index::load(&path)?, dir.path().join("set"), Builder::new(), 4)?;
/// assert_eq!(Index::load(dir.path().join("set"))?.parts().len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn split<D: AsRef<[u8]> + Sync>(
    input: Index<D>,
    output: impl AsRef<Path>,
    builder: Builder,
    parts: u32,
) -> Result<BuildReport, Error> {
    merge(vec![input], output, builder.parts(parts))
}

/// A merge that has passed all checks before the work.
#[derive(Debug)]
pub struct Merge<D> {
    inputs: Vec<Index<D>>,
    output: PathBuf,
    builder: Builder,
    progress: Arc<Progress>,
    began: Instant,
}

impl<D: AsRef<[u8]> + Sync> Merge<D> {
    /// Checks inputs, output and options. If all parts of a set were opened one by one, in any order, they count as one index, in
    /// the place of the first of them.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn new(inputs: Vec<Index<D>>, output: impl AsRef<Path>, builder: Builder) -> Result<Self, Error> {
        let began = Instant::now();
        let output = output.as_ref().to_path_buf();
        let inputs = join_parts(inputs)?;
        let first = first_header(&inputs)?;
        let mut builder = builder.hasher(first.hasher).key_type(first.key_type).value_type(first.value_type);
        builder = match first.check_bits() {
            // Cells that are copied keep their own, which may be others than a build makes.
            Some(bits) if (8..=64).contains(&bits) => builder.check_bits(bits),
            Some(_) => builder,
            None => builder.fingerprint_bits(first.fingerprint_bits),
        };
        if builder.metadata_in_use().is_empty() {
            builder = builder.metadata(common_metadata(&inputs)?);
        }
        if builder.duplicate_policy() == OnDuplicate::Error {
            builder = builder.expected_bytes(bytes(&inputs));
        }
        if first.keys_left_out() && recut_files(&inputs, &builder).is_none() {
            return Err(Error::KeysLeftOut { path: inputs.first().map(name).unwrap_or_default() });
        }
        let headers = || inputs.iter().flat_map(Index::parts).map(Part::header);
        let is_compressed = headers().any(|header| header.key_tables > 0 || header.value_tables > 0);
        // Copied cells keep their tokens; otherwise they are learnt anew.
        if is_compressed && recut_files(&inputs, &builder).is_none() {
            builder = builder.compress(Compress::On);
        }
        builder.preflight(&output)?;
        let progress = builder.progress_handle();
        progress.enter(Phase::Checking, Unit::Bytes, Some(bytes(&inputs)));
        Ok(Merge { inputs, output, builder, progress, began })
    }

    /// How far the merge is: bytes of the inputs while it verifies them, then as in a build.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Verifies the inputs and writes the output.
    ///
    /// # Errors
    /// Any [`Error`]. Then the output is unchanged.
    pub fn run(self) -> Result<BuildReport, Error> {
        let Merge { inputs, output, builder, progress, began } = self;
        let threads = builder.thread_count();
        let files: Vec<&Part<D>> = inputs.iter().flat_map(Index::parts).collect();
        // New sums would hide faults of the copied bytes.
        for part in &files {
            let checked = hashlith_checker::verify_file(part.as_bytes(), &Options { threads }, &progress);
            checked.map_err(|error| Error::of_check(part.path().unwrap_or(Path::new("")), error))?;
        }
        let input_bytes = bytes(&inputs);
        let place = |from: &Origin| place(&files, from);
        let key_type = files.first().map_or(KeyType::Bytes, |part| part.header().key_type);
        let built = match recut_files(&inputs, &builder) {
            Some(bytes) => builder.finish_recut(&bytes, &output).map_err(Error::from),
            None => {
                progress.enter(Phase::Reading, Unit::Records, Some(inputs.iter().map(Index::len).sum()));
                rebuild(&files, builder, &output, threads).map_err(|error| match error {
                    Stopped::Build(error) => Error::of_build(error, key_type, place),
                    Stopped::Read(error) => error,
                })
            }
        }?;
        let took = began.elapsed();
        Ok(BuildReport {
            output,
            built,
            input_bytes,
            skipped: 0,
            first_skipped: Vec::new(),
            notes: Vec::new(),
            took,
        })
    }
}

fn bytes<D: AsRef<[u8]>>(inputs: &[Index<D>]) -> u64 {
    inputs.iter().map(Index::bytes).sum()
}

/// Where a record came from: `monday.hlith, record 17`.
fn place<D: AsRef<[u8]>>(files: &[&Part<D>], from: &Origin) -> String {
    let name = files.get(from.source as usize).and_then(|part| part.path());
    format!("{}, record {}", name.unwrap_or(Path::new("an index")).display(), from.position)
}

/// The path of an index's first file, for messages.
fn name<D: AsRef<[u8]>>(index: &Index<D>) -> PathBuf {
    index.parts().first().and_then(Part::path).map(Path::to_path_buf).unwrap_or_default()
}

/// Joins the indexes that are parts of a set.
fn join_parts<D: AsRef<[u8]>>(inputs: Vec<Index<D>>) -> Result<Vec<Index<D>>, Error> {
    let place = inputs.iter().position(|index| !index.is_whole());
    let (mut whole, lone): (Vec<_>, Vec<_>) = inputs.into_iter().partition(Index::is_whole);
    if let Some(place) = place {
        let headers: Vec<Header> = lone.iter().map(|index| *index.first_header()).collect();
        let order = in_order(&headers).map_err(|what| {
            let path = what.file().and_then(|file| lone.get(file)).map(name);
            Error::Build(BuilderError::NotOneSet { path, what })
        })?;
        let mut lone: Vec<Option<Index<D>>> = lone.into_iter().map(Some).collect();
        let parts = order.into_iter().filter_map(|file| lone.get_mut(file)?.take());
        whole.insert(place, Index::join(parts));
    }
    Ok(whole)
}

/// The header whose hash, types and fingerprints the output gets.
fn first_header<D: AsRef<[u8]>>(inputs: &[Index<D>]) -> Result<Header, Error> {
    let first = inputs.first().ok_or(Error::NoInputs)?;
    let header = *first.first_header();
    match inputs.iter().find(|index| !index.first_header().same_types(&header)) {
        None => Ok(header),
        Some(other) => Err(Error::OtherTypes { path: name(other), first: name(first) }),
    }
}

fn common_metadata<D: AsRef<[u8]>>(inputs: &[Index<D>]) -> Result<String, Error> {
    let mut all = inputs.iter().map(Index::metadata);
    let first = all.next().unwrap_or_default();
    match all.any(|other| other != first) {
        true => Err(Error::OtherMetadata),
        false => Ok(String::from_utf8_lossy(first).into_owned()),
    }
}

/// The files of the one input, if its cells can be copied.
fn recut_files<'i, D: AsRef<[u8]>>(inputs: &'i [Index<D>], builder: &Builder) -> Option<Vec<&'i [u8]>> {
    let [only] = inputs else { return None };
    // Each value becomes an array.
    if builder.duplicate_policy() == OnDuplicate::Collect {
        return None;
    }
    let files: Vec<&[u8]> = only.parts().iter().map(Part::as_bytes).collect();
    can_recut(&files, builder.part_count()).then_some(files)
}

enum Stopped {
    Build(BuilderError),
    Read(Error),
}

impl From<BuilderError> for Stopped {
    fn from(error: BuilderError) -> Self {
        Stopped::Build(error)
    }
}

/// Builds an index from the records of others; each thread reads a file at a time.
fn rebuild<D: AsRef<[u8]> + Sync>(
    files: &[&Part<D>],
    mut builder: Builder,
    output: &Path,
    threads: usize,
) -> Result<Report, Stopped> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let feeders = (0..threads.min(files.len())).map(|_| builder.feeder()).collect::<Result<Vec<_>, _>>()?;
    std::thread::scope(|scope| {
        for mut feeder in feeders {
            let (next, failed) = (&next, &failed);
            let feed = move || -> Result<(), Stopped> {
                loop {
                    // The number of the file is the source of its records.
                    let number = next.fetch_add(1, Relaxed);
                    let Some(part) = files.get(number) else { break };
                    let alone = part.alone();
                    for record in alone.iter() {
                        let record = record.map_err(|error| Stopped::Read(Error::corrupt(&alone, &error)))?;
                        feeder.add_from(number as u32, record.id + 1, &record.key, &record.value)?;
                    }
                }
                Ok(feeder.finish()?)
            };
            scope.spawn(move || {
                if let Err(error) = feed() {
                    // The other threads begin no further file.
                    next.store(files.len(), Relaxed);
                    failed.lock().get_or_insert(error);
                }
            });
        }
    });
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(builder.finish(output)?),
    }
}
