//! Takes records, and checks early what would make a build fail late.

use crate::{
    Error, OnDuplicate,
    feeder::{Feeder, Intake},
    limits,
    options::{Options, Shape},
    output,
    publish::NewFile,
    spill::Spill,
    staging::Staging,
};
use hashlith_feedback::Progress;
use std::{path::Path, sync::Arc};

/// Collects options and records, and makes an index of them.
///
/// Options must not change after the first record or feeder.
#[derive(Default)]
pub struct Builder {
    pub(crate) options: Options,
    pub(crate) progress: Arc<Progress>,
    pub(crate) intake: Option<Arc<Intake>>,
    pub(crate) own_feeder: Option<Feeder>,
    /// [`Self::preflight`] has checked the options: the threads that start after it take addresses of their own.
    checked: bool,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Builder {
    /// A builder of one file, whose keys and values may be any bytes. It uses half of the available memory, and one thread per
    /// processor. A key that occurs twice is an error.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("colours.hlith");
    /// let mut builder = hashlith_builder::Builder::new();
    /// builder.add(b"sky", b"blue")?;
    /// builder.finish(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// How far the build is. It can also cancel the build.
    ///
    /// ```
    /// use hashlith_builder::{Builder, Error};
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let builder = Builder::new();
    /// builder.progress_handle().cancel();
    /// assert!(matches!(builder.finish(dir.path().join("never.hlith")), Err(Error::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress_handle(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// The memory limit, set or default, in bytes.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// let builder = Builder::new().threads(2);
    /// assert!(builder.memory() >= Builder::smallest_memory(2));
    /// ```
    pub fn memory(&self) -> u64 {
        self.options.memory()
    }

    /// How many threads build cells.
    ///
    /// ```
    /// # use hashlith_builder::{Builder, available_threads};
    /// assert_eq!(Builder::new().thread_count(), available_threads());
    /// ```
    pub fn thread_count(&self) -> usize {
        self.options.threads
    }

    /// What happens when a key occurs more than once.
    ///
    /// ```
    /// # use hashlith_builder::{Builder, OnDuplicate};
    /// assert_eq!(Builder::new().duplicate_policy(), OnDuplicate::Error);
    /// ```
    pub fn duplicate_policy(&self) -> OnDuplicate {
        self.options.on_duplicate
    }

    /// The metadata that was set; empty if none was.
    pub fn metadata_in_use(&self) -> &str {
        &self.options.metadata
    }

    /// How many files the set has that is built, or that the one file belongs to; 1 for a file that stands alone.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// assert_eq!(Builder::new().part_count(), 1);
    /// assert_eq!(Builder::new().parts(8).part_count(), 8);
    /// ```
    pub fn part_count(&self) -> u32 {
        match self.options.shape {
            Shape::Part { parts, .. } | Shape::Set { parts } => parts,
        }
    }

    /// The directory of temporary files: the one that was set or, after [`Self::preflight`], that of the output.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let mut builder = Builder::new();
    /// assert_eq!(builder.temporary_directory(), None);
    /// builder.preflight(&dir.path().join("index.hlith"))?;
    /// assert_eq!(builder.temporary_directory(), Some(dir.path()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn temporary_directory(&self) -> Option<&Path> {
        self.options.temp_dir.as_deref()
    }

    /// The smallest memory limit, in bytes, that works with this many threads; with [`Compress::On`](crate::Compress) at least 96 MiB.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// assert_eq!(Builder::smallest_memory(2), 48 << 20);
    /// ```
    pub fn smallest_memory(threads: usize) -> u64 {
        limits::smallest_memory(threads)
    }

    /// Checks only that nothing at this path keeps an index from being put there. [`Self::preflight`] checks that too.
    ///
    /// ```
    /// # use hashlith_builder::{Builder, Error};
    /// let error = Builder::new().check_output("no such directory/x.hlith".as_ref());
    /// assert!(matches!(error, Err(Error::Output { .. })));
    /// ```
    ///
    /// # Errors
    /// [`Error::Output`], [`Error::Io`].
    pub fn check_output(&self, output: &Path) -> Result<(), Error> {
        output::directory(output, self.options.shape.is_set()).map(drop)
    }

    /// Checks early what would make the build fail late: the options, that a file can be created where the output will
    /// go, and that the disk has room for [`Self::expected_bytes`].
    ///
    /// ```
    /// use hashlith_builder::{Builder, Error};
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let mut builder = Builder::new();
    /// assert!(matches!(builder.preflight(dir.path()), Err(Error::Output { .. })));
    /// builder.preflight(&dir.path().join("index.hlith"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Output`], [`Error::MemoryLimit`], [`Error::Addresses`], [`Error::Options`], [`Error::Metadata`],
    /// [`Error::Io`], [`Error::NoSet`], [`Error::DiskSpace`].
    pub fn preflight(&mut self, output: &Path) -> Result<(), Error> {
        let is_set = self.options.shape.is_set();
        let dir = output::directory(output, is_set)?;
        self.options.check()?;
        self.checked = true;
        if is_set {
            drop(Staging::create(output)?);
        } else {
            drop(NewFile::create(output)?);
        }
        let temp_dir = self.options.temp_dir.get_or_insert_with(|| dir.clone()).clone();
        tempfile::tempfile_in(&temp_dir).map_err(Error::io("cannot create temporary files in", &temp_dir))?;
        let expected = self.options.expected_bytes;
        let spilled = expected.saturating_sub(self.options.memory() / 2);
        // Spilled records are freed while the output grows, so on one disk the larger of the two is enough.
        limits::check_space(&dir, expected)?;
        limits::check_space(&temp_dir, spilled)
    }

    /// Adds a record. Its position is the number of this call, from 1. For more than one thread, see [`Self::feeder`].
    ///
    /// ```
    /// # use hashlith_builder::{Builder, Error};
    /// let mut builder = Builder::new();
    /// builder.add(b"sky", b"blue")?;
    /// builder.add(b"grass", b"green")?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Feeder::add_from`]; the first call also those of [`Self::feeder`].
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if self.own_feeder.is_none() {
            self.own_feeder = Some(self.feeder()?);
        }
        self.own_feeder.as_mut().map_or(Ok(()), |feeder| feeder.add(key, value))
    }

    /// A [`Feeder`], which adds records on a thread of its own.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let mut builder = Builder::new();
    /// let feeders = [builder.feeder()?, builder.feeder()?];
    /// std::thread::scope(|scope| {
    ///     let add_half = |(half, mut feeder): (u32, hashlith_builder::Feeder)| {
    ///         for number in half * 1000..(half + 1) * 1000 {
    ///             feeder.add(&number.to_le_bytes(), b"value")?;
    ///         }
    ///         feeder.finish()
    ///     };
    ///     let threads: Vec<_> =
    ///         (0..).zip(feeders).map(|one| scope.spawn(move || add_half(one))).collect();
    ///     threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    /// })?;
    /// assert_eq!(builder.finish(dir.path().join("numbers.hlith"))?.keys, 2000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::MemoryLimit`], [`Error::Addresses`], [`Error::Options`], [`Error::Metadata`].
    pub fn feeder(&mut self) -> Result<Feeder, Error> {
        Ok(Feeder::new(self.intake()?))
    }

    pub(crate) fn intake(&mut self) -> Result<&Arc<Intake>, Error> {
        if self.intake.is_none() {
            let options = &self.options;
            if self.checked { options.check_types() } else { options.check() }?;
            let partitions = options.partitions();
            let temp_dir = options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
            let spill = Spill::new(partitions, options.memory() / 16 * 7, temp_dir, options.page_cache);
            let intake = Intake::new(spill, partitions, options, self.progress.clone());
            self.intake = Some(Arc::new(intake));
        }
        self.intake.as_ref().ok_or(Error::Cancelled)
    }
}
