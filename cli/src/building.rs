//! Builds from files, for the command and the Python package: what is looked at before any work, and the work.

use crate::escaped::shown;
use crate::failure::{Failure, Subject, code};
use crate::meter::{Snapshot, Unit};
use crate::{input_args, process, size};
use hashlith_builder::{Builder, Feeder, OnDuplicate, Phase, Place, Progress, Report};
use hashlith_format::{KeyHasher, KeyType, ValueType};
use hashlith_inputs::{Expanded, Format, KeyKind, OnError, Options, Sink, Source, Summary, ValueKind, Watch};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

/// How an index is to be built.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of memory to use; half of what is available, if not said.
    pub memory: Option<u64>,
    /// Number of threads; one for each processor, if not said.
    pub threads: Option<usize>,
    /// Folder for temporary files; that of the output, if not said.
    pub temp_dir: Option<PathBuf>,
    /// What happens when a key comes twice.
    pub on_duplicate: OnDuplicate,
    /// Bits of a fingerprint, 1 to 16.
    pub fingerprint_bits: u32,
    /// Hash of the keys.
    pub hasher: KeyHasher,
    /// A JSON object of the user's, or nothing.
    pub metadata: String,
    /// Makes a set of so many files.
    pub parts: Option<u32>,
    /// Makes this part of a set of so many files, out of records that belong to it.
    pub part: Option<(u32, u32)>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            memory: None,
            threads: None,
            temp_dir: None,
            on_duplicate: OnDuplicate::Error,
            fingerprint_bits: 8,
            hasher: KeyHasher::xxh3(0),
            metadata: String::new(),
            parts: None,
            part: None,
        }
    }
}

impl Settings {
    /// How many threads work.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(process::threads)
    }

    /// Bytes of memory to use.
    pub fn memory(&self) -> u64 {
        self.memory.unwrap_or_else(|| default_memory(self.threads()))
    }

    /// A builder with these settings. Temporary files go to `dir` if the settings name no folder.
    pub fn builder(&self, keys: KeyKind, values: ValueKind, dir: &Path) -> Builder {
        let key_type = match keys {
            KeyKind::Text => KeyType::Text,
            KeyKind::Bytes => KeyType::Bytes,
        };
        let value_type = match values {
            ValueKind::Text => ValueType::Text,
            ValueKind::Bytes => ValueType::Bytes,
            ValueKind::Json => ValueType::Json,
        };
        self.builder_of(key_type, value_type, dir)
    }

    /// The same, by the types of the format.
    pub fn builder_of(&self, key_type: KeyType, value_type: ValueType, dir: &Path) -> Builder {
        let threads = self.threads();
        let builder = Builder::new();
        let builder = match (self.part, self.parts) {
            (Some((part, parts)), _) => builder.part(part, parts),
            (None, Some(parts)) => builder.parts(parts),
            (None, None) => builder,
        };
        builder
            .memory_limit(self.memory())
            .threads(threads)
            .temp_dir(self.temp_dir.as_deref().unwrap_or(dir))
            .on_duplicate(self.on_duplicate)
            .key_type(key_type)
            .value_type(value_type)
            .fingerprint_bits(self.fingerprint_bits)
            .hasher(self.hasher)
            .metadata(self.metadata.clone())
    }
}

/// Half of what is available, so that the page cache and the neighbours have the other half.
fn default_memory(threads: usize) -> u64 {
    let least = Builder::smallest_memory(threads);
    process::available().map_or(1 << 30, |available| (available / 2).max(least))
}

/// A build from files that can begin: all inputs can be opened, and as far as can be told there is room for the output.
pub struct FileBuild {
    /// What is read, in order.
    pub sources: Vec<Source>,
    /// The format of each source.
    pub formats: Vec<Format>,
    /// Files of folders that are not read, because their names tell no format.
    pub left_out: Vec<PathBuf>,
    output: PathBuf,
    input: Options,
    threads: usize,
    builder: Mutex<Option<Builder>>,
    watch: Arc<BuildWatch>,
}

/// Why a build from files failed: [`hashlith_inputs::Error::Sink`] holds what the builder could not do.
pub type BuildError = hashlith_inputs::Error<hashlith_builder::Error>;

/// Why a build from files ended without an index.
pub enum Ended {
    /// Something went wrong.
    Failed(BuildError),
    /// Whoever was asked after the reading wanted no more.
    Stopped(Failure),
}

impl FileBuild {
    /// Looks at everything that can be looked at before any work: what the system does not tell ahead goes wrong late.
    ///
    /// # Errors
    /// What is wrong with the output, the inputs or the settings.
    pub fn new(
        output: &Path,
        inputs: &[PathBuf],
        mut input: Options,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let dir = output_dir(output, settings.parts.is_some())?;
        let memory = usize::try_from(settings.memory()).unwrap_or(usize::MAX);
        // Each thread may have one in hand.
        input.max_record_bytes = input.max_record_bytes.min(memory / settings.threads().max(1));
        input.temp_dir = Some(settings.temp_dir.clone().unwrap_or_else(|| dir.clone()));
        let (Expanded { sources, left_out }, formats) = input_args::sources(inputs, &input)?;
        refuse_input_as_output(output, &sources)?;
        let mut builder = settings.builder(input.keys, input.values, &dir);
        if settings.on_duplicate == OnDuplicate::Error && input.on_error == OnError::Stop && !input.escape {
            builder = builder.expected_bytes(least_bytes(&sources, &formats));
        }
        builder
            .preflight(output)
            .map_err(|error| builder_failure(&error, &|place| format!("source {}", place.source)))?;
        let watch = BuildWatch {
            reading: Watch::default(),
            progress: builder.progress(),
            input_bytes: sources.iter().map(Source::size).sum(),
        };
        Ok(FileBuild {
            sources,
            formats,
            left_out,
            output: output.to_owned(),
            input,
            threads: settings.threads(),
            builder: Mutex::new(Some(builder)),
            watch: Arc::new(watch),
        })
    }

    /// For whoever shows progress or cancels.
    pub fn watch(&self) -> Arc<BuildWatch> {
        Arc::clone(&self.watch)
    }

    /// Reads all records, asks `go_on`, and builds the index. To be called once.
    ///
    /// # Errors
    /// What went wrong, or the answer of `go_on`. Then the output is as it was.
    pub fn run(&self, go_on: impl FnOnce() -> Result<(), Failure>) -> Result<(Report, Summary), Ended> {
        let builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner).take();
        let builder = Mutex::new(builder.unwrap_or_default());
        let new_sink =
            || FeederSink(builder.lock().unwrap_or_else(PoisonError::into_inner).feeder().map_err(Some));
        let read =
            hashlith_inputs::read(&self.sources, &self.input, self.threads, new_sink, &self.watch.reading);
        // Input that somebody cut off looks like input that ends early.
        go_on().map_err(Ended::Stopped)?;
        let (summary, sinks) = read.map_err(Ended::Failed)?;
        let failed = |error| Ended::Failed(BuildError::Sink(error));
        for sink in sinks {
            sink.finish().map_err(failed)?;
        }
        let builder = builder.into_inner().unwrap_or_else(PoisonError::into_inner);
        let report = builder.finish(&self.output).map_err(failed)?;
        Ok((report, summary))
    }

    /// What went wrong, in words for people.
    pub fn failure(&self, error: &BuildError) -> Failure {
        match error {
            BuildError::Sink(error) => builder_failure(error, &|place| self.place(place)),
            error => input_failure(error),
        }
    }

    /// Where a record came from: `words.tsv, line 17`.
    fn place(&self, place: &Place) -> String {
        let number = place.source as usize;
        match (self.sources.get(number), self.formats.get(number)) {
            (Some(source), Some(&format)) => hashlith_inputs::describe(source, format, place.position),
            _ => format!("source {number}, byte {}", place.position),
        }
    }
}

/// How far a build from files is, and the switch that ends it.
pub struct BuildWatch {
    reading: Watch,
    progress: Arc<Progress>,
    input_bytes: Option<u64>,
}

impl BuildWatch {
    /// Asks the build to end and to clean up. May be called from any thread.
    pub fn cancel(&self) {
        self.reading.cancel.store(true, Ordering::Relaxed);
        self.progress.cancel();
    }

    /// True while records are read.
    pub fn is_reading(&self) -> bool {
        is_reading(&self.progress)
    }

    /// What the progress shows: bytes of input while reading, then records, then bytes of the index.
    pub fn snapshot(&self) -> Snapshot {
        after_feeding(&self.progress).unwrap_or_else(|| Snapshot {
            phase: "reading",
            done: self.reading.bytes_done.load(Ordering::Relaxed),
            total: self.input_bytes,
            unit: Unit::Bytes,
            records: Some(self.reading.records.load(Ordering::Relaxed)),
        })
    }
}

/// True while a builder takes records.
pub fn is_reading(progress: &Progress) -> bool {
    progress.event().phase == Phase::Feed
}

/// Where a builder is once it has all records; nothing before.
pub fn after_feeding(progress: &Progress) -> Option<Snapshot> {
    let event = progress.event();
    let (phase, unit) = match event.phase {
        Phase::Feed => return None,
        Phase::Build => ("building", Unit::Records),
        Phase::Seal | Phase::Done => ("sealing", Unit::Bytes),
    };
    Some(Snapshot { phase, done: event.done, total: Some(event.total), unit, records: None })
}

/// Hands records on to the builder. Without a feeder it refuses the first one, with the reason.
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

/// What the builder could not do, in the words of this command. `place` says where a record came from.
pub fn builder_failure(error: &hashlith_builder::Error, place: &dyn Fn(&Place) -> String) -> Failure {
    use hashlith_builder::Error;
    match error {
        Error::Duplicate { key, first, second } => {
            let (first, second) = (place(first), place(second));
            let message = format!(
                "the key {} is there twice: {first} and {second}; remove one, or keep one with --on-duplicate first or --on-duplicate last",
                shown(key)
            );
            Failure::new(message).about(Subject::Duplicate { key: key.clone(), first, second })
        }
        Error::MemoryLimit { smallest, threads, .. } => Failure::usage(format!(
            "--memory is too small: with {threads} threads {}M is the smallest that works; fewer --threads need less",
            smallest.div_ceil(1 << 20)
        )),
        Error::Addresses { limit, free, needed } => Failure::new(format!(
            "a limit of {} leaves this process {} of addresses, the build needs about {}: raise it (ulimit -v, ulimit -d), or give a smaller --memory",
            size::Bytes(*limit),
            size::Bytes(*free),
            size::Bytes(*needed)
        )),
        Error::Io { action, path, source } => Failure::io(action.trim_start_matches("cannot "), path, source),
        Error::DiskSpace { path, free, needed } => Failure::new(format!(
            "{} has {} free, the build needs about {}: free some, or choose another place",
            path.display(),
            size::Bytes(*free),
            size::Bytes(*needed)
        ))
        .about(Subject::system(path, Some(Errno::NOSPC.raw_os_error()))),
        Error::Options { .. } | Error::Metadata { .. } => Failure::from_error(code::USAGE, "", error),
        _ => Failure::from_error(code::FAILED, "", error),
    }
}

/// What is wrong with the input, in the words of this command.
pub fn input_failure(error: &BuildError) -> Failure {
    let input =
        |path: Option<&String>| Some(Subject::Input { path: path.cloned(), line: None, offset: None });
    let subject = match error {
        BuildError::Io { path, source } => Subject::system(Path::new(path), source.raw_os_error()),
        BuildError::Bad { place, .. } => Some(Subject::Input {
            path: Some(place.name.clone()),
            line: place.line,
            offset: Some(place.byte),
        }),
        BuildError::UnknownFormat { path }
        | BuildError::Directory { path }
        | BuildError::NotAFile { path }
        | BuildError::EmptyDirectory { path }
        | BuildError::Compression { path, .. } => input(Some(path)),
        BuildError::Cancelled => None,
        _ => input(None),
    };
    Failure::from_error(code::FAILED, "", error).about(subject)
}

/// How many bytes of records there are at least, as far as file sizes tell: for the check of free space, which must
/// not refuse what would have fitted.
fn least_bytes(sources: &[Source], formats: &[Format]) -> u64 {
    let least = |(source, format): (&Source, &Format)| {
        let plain = matches!(source, Source::Path(path) if !path.extension().is_some_and(is_packed));
        match (format, source.size().filter(|_| plain)) {
            // A TAB and a newline become two lengths and the share of the hot section.
            (Format::Tsv, Some(bytes)) => bytes / 10 * 9,
            // Old protocols and short records have more around the records than in them.
            (Format::Pickle | Format::Cdbmake, Some(bytes)) => bytes / 3,
            _ => 0,
        }
    };
    sources.iter().zip(formats).map(least).sum()
}

fn is_packed(extension: &OsStr) -> bool {
    ["gz", "zst", "zstd"].iter().any(|packed| extension.eq_ignore_ascii_case(packed))
}

/// The folder of the output, which must be there.
///
/// # Errors
/// There is none, or the output could not be a file, or the directory of a set.
pub fn output_dir(output: &Path, is_set: bool) -> Result<PathBuf, Failure> {
    let shown = output.display();
    if is_set {
        if fs::metadata(output).is_ok_and(|found| !found.is_dir()) {
            let message =
                format!("{shown} is a file: a set is a directory; choose another name, or leave out --parts");
            return Err(
                Failure::new(message).about(Subject::system(output, Some(Errno::NOTDIR.raw_os_error())))
            );
        }
        // It may be another file system than the one that it lies in.
        if output.is_dir() {
            return Ok(output.to_owned());
        }
    } else if output.is_dir() {
        let name = output.join("index.hlith");
        let message = format!("{shown} is a directory: name a file, for example {}", name.display());
        return Err(Failure::new(message).about(Subject::system(output, Some(Errno::ISDIR.raw_os_error()))));
    }
    // A rename would put a file in the place of a device or pipe: /dev/null, /dev/stdout.
    if output == Path::new("-") || !is_set && fs::metadata(output).is_ok_and(|found| !found.is_file()) {
        let message = format!("cannot write to {shown}: an index has to be a file; name one");
        return Err(Failure::new(message).about(Subject::system(output, Some(Errno::INVAL.raw_os_error()))));
    }
    let dir = output.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = |why: &str, errno: Errno| {
        let message = format!("cannot write {shown}: {why}");
        Failure::new(message).about(Subject::system(dir, Some(errno.raw_os_error())))
    };
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(dir.to_owned()),
        Ok(_) => {
            Err(cannot(&format!("{} is not a directory; choose another place", dir.display()), Errno::NOTDIR))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let why = format!(
                "the directory {} does not exist; make it first (mkdir -p) or choose another place",
                dir.display()
            );
            Err(cannot(&why, Errno::NOENT))
        }
        Err(error) => Err(Failure::io("write to", dir, &error)),
    }
}

/// An index written over its own input would destroy it.
fn refuse_input_as_output(output: &Path, sources: &[Source]) -> Result<(), Failure> {
    let Ok(output_is) = fs::metadata(output) else { return Ok(()) };
    for source in sources {
        let same = match source {
            Source::Path(path) => fs::metadata(path)
                .is_ok_and(|input| (input.dev(), input.ino()) == (output_is.dev(), output_is.ino())),
            _ => rustix::fs::fstat(io::stdin())
                .is_ok_and(|input| (input.st_dev, input.st_ino) == (output_is.dev(), output_is.ino())),
        };
        if same {
            let (output, source) = (output.display(), source.name());
            return Err(Failure::new(format!(
                "the output {output} is the same file as the input {source}: choose another name for the output"
            )));
        }
    }
    Ok(())
}
