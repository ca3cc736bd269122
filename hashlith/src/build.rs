//! Builds from files.

use crate::Error;
use hashlith_builder::{Builder, Feeder, OnDuplicate, Report};
use hashlith_feedback::{Phase, Progress, Unit};
use hashlith_inputs::{Format, OnError, ReadError, ReadOptions, Sink, Skipped, Source, Sources};
use parking_lot::Mutex;
use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// What a build has read and written.
#[derive(Clone, Debug)]
pub struct BuildReport {
    /// The index file, or the directory of the set.
    pub output: PathBuf,
    /// Records, keys, headers, phases.
    pub built: Report,
    /// Bytes of the inputs as they are on disk, compressed or not.
    pub input_bytes: u64,
    /// Bad rows that were left out.
    pub skipped: u64,
    /// The first ten of them, in the order of the input.
    pub first_skipped: Vec<Skipped>,
    /// What people should know about how files were read, such as a first row that looks like a header and was taken for a record.
    pub notes: Vec<String>,
    /// Time from the beginning to the finished index.
    pub took: Duration,
}

/// A build from files that has passed all checks before the work: the inputs can be opened, the options agree, and the disk
/// seems to have room.
#[derive(Debug)]
pub struct FileBuild {
    sources: Sources,
    output: PathBuf,
    options: ReadOptions,
    builder: Builder,
    progress: Arc<Progress>,
    began: Instant,
}

/// Builds an index at `output` from files and directories (`-` is standard input), with the options of `builder`. `options`
/// give the types of keys and values.
///
/// # Errors
/// Any [`Error`]. Then `output` is unchanged, and no temporary file is left.
///
/// ```
/// use hashlith::{Builder, Index, ReadOptions, build_from_files};
/// # let dir = tempfile::tempdir()?;
/// # let (words, path) = (dir.path().join("words.tsv"), dir.path().join("words.hlith"));
/// std::fs::write(&words, "sky\tblue\ngrass\tgreen\n")?;
/// let report = build_from_files(&path, &[words], ReadOptions::default(), Builder::new())?;
/// assert_eq!(report.built.keys, 2);
/// assert_eq!(Index::load(&path)?.get_str("sky")?.as_deref(), Some("blue"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn build_from_files<P: AsRef<Path>>(
    output: impl AsRef<Path>,
    inputs: &[P],
    options: ReadOptions,
    builder: Builder,
) -> Result<BuildReport, Error> {
    FileBuild::new(output, inputs, options, builder)?.run()
}

impl FileBuild {
    /// Checks everything that can be checked before the work: inputs, output, options, free space.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn new<P: AsRef<Path>>(
        output: impl AsRef<Path>,
        inputs: &[P],
        mut options: ReadOptions,
        builder: Builder,
    ) -> Result<Self, Error> {
        let began = Instant::now();
        let output = output.as_ref().to_path_buf();
        // The buffers of a long record come on top of the limit, once for all threads.
        let memory = usize::try_from(builder.memory()).unwrap_or(usize::MAX);
        options.max_record_bytes = options.max_record_bytes.min(memory);
        builder.check_output(&output)?;
        let sources = Sources::expand(inputs, &options)?;
        refuse_input_as_output(&output, &sources)?;
        let mut builder = builder.key_type(options.key_type).value_type(options.value_type);
        let keeps_all = builder.duplicate_policy() == OnDuplicate::Error && options.on_error == OnError::Stop;
        if keeps_all {
            builder = builder.expected_bytes(least_bytes(&sources, &options));
        }
        builder.preflight(&output)?;
        if options.temp_dir.is_none() {
            options.temp_dir = builder.temporary_directory().map(Path::to_path_buf);
        }
        let progress = builder.progress_handle();
        progress.enter(Phase::Reading, Unit::Bytes, sources.size());
        Ok(FileBuild { sources, output, options, builder, progress, began })
    }

    /// The files that will be read.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// How far the build is: bytes of input while reading, then records, then bytes of the index.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Reads all records and builds the index.
    ///
    /// # Errors
    /// Any [`Error`]. Then the output is unchanged.
    pub fn run(self) -> Result<BuildReport, Error> {
        self.run_if(|| Ok(()))
    }

    /// Reads all records, calls `go_on`, and builds the index if that returns `Ok`. Standard input that was cut off looks like
    /// input that ends early; only the caller may know.
    ///
    /// # Errors
    /// Any [`Error`], or the error of `go_on`. Then the output is unchanged.
    pub fn run_if<E: From<Error>>(self, go_on: impl FnOnce() -> Result<(), E>) -> Result<BuildReport, E> {
        let FileBuild { sources, output, options, builder, progress, began } = self;
        let threads = builder.thread_count();
        let key_type = options.key_type;
        let builder = Mutex::new(builder);
        let new_sink = || FeederSink(builder.lock().feeder().map_err(Some));
        let read = hashlith_inputs::read(&sources, &options, threads, new_sink, &progress);
        go_on()?;
        let failed =
            |error| Error::of_build(error, key_type, |from| sources.describe(from.source, from.position));
        let (read, sinks) = read.map_err(|error| match error {
            ReadError::Sink(error) => failed(error),
            ReadError::Input(error) => error.into(),
        })?;
        let build = || {
            sinks.into_iter().try_for_each(FeederSink::finish)?;
            builder.into_inner().finish(&output)
        };
        let built = build().map_err(failed)?;
        Ok(BuildReport {
            output,
            built,
            input_bytes: read.bytes,
            skipped: read.skipped,
            first_skipped: read.first_skipped,
            notes: read.notes,
            took: began.elapsed(),
        })
    }
}

/// Passes records to the builder. If there is no feeder, the first record fails with the reason.
struct FeederSink(Result<Feeder, Option<hashlith_builder::Error>>);

impl FeederSink {
    fn finish(self) -> Result<(), hashlith_builder::Error> {
        match self.0 {
            Ok(feeder) => feeder.finish(),
            Err(error) => Err(error.unwrap_or(hashlith_builder::Error::Cancelled)),
        }
    }
}

impl Sink for FeederSink {
    type Error = hashlith_builder::Error;

    #[inline]
    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Self::Error> {
        match &mut self.0 {
            Ok(feeder) => feeder.add_from(source, position, key, value),
            Err(error) => Err(error.take().unwrap_or(hashlith_builder::Error::Cancelled)),
        }
    }
}

/// The least number of bytes of records in the sources, by the lengths of the files. The check of free space uses it, and must not
/// refuse what would fit.
fn least_bytes(sources: &Sources, options: &ReadOptions) -> u64 {
    let least = |(source, format): (&Source, Format)| {
        // Numbers may take far fewer bytes than their text.
        if !options.key_type.is_string() || !options.value_type.is_string() {
            return 0;
        }
        let plain = matches!(source, Source::Path(path) if !path.extension().is_some_and(is_packed));
        match (format, source.size().filter(|_| plain)) {
            // A TAB and a newline become two lengths and the share of the hot section.
            (Format::Tsv, Some(bytes)) if options.takes_all_of_tsv() => bytes / 10 * 9,
            // Old protocols take more bytes around short records than the records themselves have.
            (Format::Pickle | Format::Cdbmake, Some(bytes)) => bytes / 3,
            _ => 0,
        }
    };
    sources.iter().map(least).sum()
}

fn is_packed(extension: &OsStr) -> bool {
    Format::PACKED.iter().any(|packed| extension.eq_ignore_ascii_case(packed))
}

/// An index written over its own input would destroy it.
fn refuse_input_as_output(output: &Path, sources: &Sources) -> Result<(), Error> {
    let Ok(output_is) = fs::metadata(output) else { return Ok(()) };
    for (source, _) in sources.iter() {
        let same = match source {
            Source::Path(path) => fs::metadata(path)
                .is_ok_and(|input| (input.dev(), input.ino()) == (output_is.dev(), output_is.ino())),
            _ => rustix::fs::fstat(io::stdin())
                .is_ok_and(|input| (input.st_dev, input.st_ino) == (output_is.dev(), output_is.ino())),
        };
        if same {
            return Err(Error::SameFile { output: output.into(), input: source.name() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the check of free space asks for is less than what the records take, and 0 where the length says nothing.
    #[test]
    fn inputs_have_a_least_size() {
        let dir = tempfile::tempdir().unwrap();
        let table = [
            ("x.tsv", 2700),
            ("x.pkl", 1000),
            ("x.cdb", 1000),
            ("x.csv", 0),
            ("x.jsonl", 0),
            ("x.tsv.gz", 0),
            ("x.tsv.ZST", 0),
            ("x.tsv.zstd", 0),
            ("x.tsv.bz2", 0),
            ("x.tsv.zip", 0),
        ];
        let paths: Vec<_> = table.iter().map(|(name, _)| dir.path().join(name)).collect();
        for (path, (_, least)) in paths.iter().zip(table) {
            fs::write(path, [b'x'; 3000]).unwrap();
            let sources = Sources::expand(&[path], &ReadOptions::default()).unwrap();
            assert_eq!(least_bytes(&sources, &ReadOptions::default()), least, "{}", path.display());
        }
        let sources = Sources::expand(&paths, &ReadOptions::default()).unwrap();
        assert_eq!(least_bytes(&sources, &ReadOptions::default()), 4700);
    }
}
