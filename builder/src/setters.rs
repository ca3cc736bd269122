//! The options of a builder.

use crate::{Builder, Compress, OnDuplicate, options::Shape};
use hashlith_feedback::Progress;
use hashlith_format::{KeyHasher, KeyType, ValueType};
use std::{path::PathBuf, sync::Arc};

impl Builder {
    /// Bytes of memory that the build may take. The caller's records come in addition, but no copy of a long one. The default is
    /// half of the memory that is available when the builder is made, but at least [`Self::smallest_memory`].
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// let builder = Builder::new().memory_limit(256 << 20);
    /// assert_eq!(builder.memory(), 256 << 20);
    /// ```
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.memory_limit = Some(bytes);
        self
    }

    /// How many threads build cells, at most 65,535. The memory is divided for the same number of feeders. The default is one
    /// per processor.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// assert_eq!(Builder::new().threads(3).thread_count(), 3);
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = threads.max(1);
        self
    }

    /// Directory of temporary files. The default is that of the output after [`Self::preflight`] or [`Self::finish`], and
    /// the system's before.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let mut builder = Builder::new().temp_dir("/no/such/directory");
    /// assert!(builder.preflight(&dir.path().join("index.hlith")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn temp_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.options.temp_dir = Some(dir.into());
        self
    }

    /// What happens when a key occurs more than once. By default the build fails.
    ///
    /// ```
    /// use hashlith_builder::{Builder, OnDuplicate};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("colours.hlith");
    ///
    /// let mut builder = Builder::new().on_duplicate(OnDuplicate::Last);
    /// builder.add(b"sky", b"grey")?;
    /// builder.add(b"sky", b"blue")?;
    /// let report = builder.finish(&path)?;
    /// assert_eq!((report.keys, report.duplicates), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_duplicate(mut self, policy: OnDuplicate) -> Self {
        self.options.on_duplicate = policy;
        self
    }

    /// Whether keys and values are made smaller; [`Compress::Off`] by default.
    ///
    /// ```
    /// use hashlith_builder::{Builder, Compress};
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let mut builder = Builder::new().compress(Compress::On);
    /// for number in 0..10_000 {
    ///     builder.add(format!("user {number}").as_bytes(), b"https://example.org/")?;
    /// }
    /// let report = builder.finish(dir.path().join("users.hlith"))?;
    /// assert!(report.bytes() < 10_000 * 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn compress(mut self, level: Compress) -> Self {
        self.options.compress = level;
        self
    }

    /// The type of the keys (spec section 3). The builder does not check that text is UTF-8. Integers are added as
    /// [`int_key`](crate::int_key) makes them.
    ///
    /// ```
    /// use hashlith_builder::{Builder, KeyType};
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let report = Builder::new().key_type(KeyType::Text).finish(dir.path().join("empty.hlith"))?;
    /// assert_eq!(report.headers[0].key_type, KeyType::Text);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key_type(mut self, key_type: KeyType) -> Self {
        self.options.key_type = key_type;
        self
    }

    /// The type of the values (spec section 3). The builder does not check text and JSON. Numbers, and vectors of them, are added
    /// as their bytes, the lowest first; values of type none as nothing.
    ///
    /// ```
    /// use hashlith_builder::{Builder, ValueType};
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let report = Builder::new().value_type(ValueType::Json).finish(dir.path().join("empty.hlith"))?;
    /// assert_eq!(report.headers[0].value_type, ValueType::Json);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn value_type(mut self, value_type: ValueType) -> Self {
        self.options.value_type = value_type;
        self
    }

    /// Bits of a fingerprint, 1 to 16; 8 by default. One lookup of an absent key in 2^bits reads a record.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let report = Builder::new().fingerprint_bits(12).finish(dir.path().join("empty.hlith"))?;
    /// assert_eq!(report.headers[0].fingerprint_bits, 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fingerprint_bits(mut self, bits: u32) -> Self {
        self.options.fingerprint_bits = bits;
        self.options.fingerprint_bits_set = true;
        self
    }

    /// With [`KeyType::None`]: how many bits of its hash stand for each key, 8 to 64; 32 by default. An absent key is taken for a
    /// present one once in 2^bits times.
    ///
    /// ```
    /// use hashlith_builder::{Builder, KeyType};
    /// # let dir = tempfile::tempdir()?;
    /// let builder = Builder::new().key_type(KeyType::None).check_bits(20);
    /// let report = builder.finish(dir.path().join("empty.hlith"))?;
    /// assert_eq!(report.headers[0].check_bits(), Some(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn check_bits(mut self, bits: u32) -> Self {
        self.options.check_bits = Some(bits);
        self
    }

    /// Hash of the keys; XXH3-128 with seed 0 by default. Another hash or seed gives other bytes. If strangers choose the
    /// keys, use [`KeyHasher::siphash`] with random seeds, so that they cannot make keys that share a cell.
    ///
    /// ```
    /// use hashlith_builder::{Builder, HashId, KeyHasher};
    /// # let (a, b) = (1, 2);
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let builder = Builder::new().hasher(KeyHasher::siphash(a, b));
    /// let report = builder.finish(dir.path().join("empty.hlith"))?;
    /// assert_eq!(report.headers[0].hasher.id(), HashId::SipHash13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hasher(mut self, hasher: KeyHasher) -> Self {
        self.options.hasher = hasher;
        self
    }

    /// The user's JSON object, kept in the file: at most 1 MiB. The builder does not parse it.
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let report = Builder::new().metadata(r#"{"source": "wiki"}"#).finish(dir.path().join("empty.hlith"))?;
    /// assert_eq!(report.headers[0].sections.metadata.len, 18);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn metadata(mut self, json: impl Into<String>) -> Self {
        self.options.metadata = json.into();
        self
    }

    /// Builds a set instead of one file: a directory with this many files, 1 to 65,536 (spec section 15).
    ///
    /// ```
    /// # use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// let report = Builder::new().parts(4).finish(dir.path().join("set"))?;
    /// assert_eq!(report.headers.len(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn parts(mut self, parts: u32) -> Self {
        self.options.shape = Shape::Set { parts };
        self
    }

    /// Builds one file that is this part of a set of `parts` files. All keys must belong to it.
    /// [`commit_set`](crate::commit_set) makes a set of such files.
    ///
    /// ```
    /// use hashlith_builder::{Builder, Error, KeyHasher};
    ///
    /// let home = KeyHasher::xxh3(0).hash(b"sky").part(2);
    /// Builder::new().part(home, 2).add(b"sky", b"blue")?;
    /// let refused = Builder::new().part(1 - home, 2).add(b"sky", b"blue");
    /// assert!(matches!(refused, Err(Error::OtherPart { .. })));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn part(mut self, part: u32, parts: u32) -> Self {
        self.options.shape = Shape::Part { part, parts };
        self
    }

    /// About how many bytes of keys and values will be added. [`Self::preflight`] then checks that the disk has room.
    ///
    /// ```
    /// use hashlith_builder::{Builder, Error};
    /// # let dir = tempfile::tempdir()?;
    ///
    /// let checked = Builder::new().expected_bytes(u64::MAX / 2).preflight(&dir.path().join("index.hlith"));
    /// assert!(matches!(checked, Err(Error::DiskSpace { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn expected_bytes(mut self, bytes: u64) -> Self {
        self.options.expected_bytes = bytes;
        self
    }

    /// Reports to this [`Progress`] instead of the builder's own. The builder never enters
    /// [`Phase::Reading`](hashlith_feedback::Phase), because the caller may have begun it with another unit.
    ///
    /// ```
    /// use hashlith_builder::Builder;
    /// use hashlith_feedback::{Phase, Progress, Unit};
    /// use std::sync::Arc;
    ///
    /// let progress = Arc::new(Progress::new());
    /// progress.enter(Phase::Reading, Unit::Bytes, Some(1000));
    /// let builder = Builder::new().progress(progress.clone());
    /// assert!(Arc::ptr_eq(&progress, &builder.progress_handle()));
    /// ```
    #[must_use]
    pub fn progress(mut self, progress: Arc<Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Average keys per cell, for measurements. The default depends on the lengths of the records.
    #[doc(hidden)]
    #[must_use]
    pub fn cell_keys(mut self, keys: f64) -> Self {
        self.options.cell_keys = Some(keys.max(1.0));
        self
    }

    /// Bytes that the page cache may grow to, for tests; the machine's memory by default. Files that are large
    /// compared with it bypass it.
    #[doc(hidden)]
    #[must_use]
    pub fn page_cache(mut self, bytes: u64) -> Self {
        self.options.page_cache = bytes;
        self
    }
}
