//! A file as memory: the only file of this crate with unsafe code.
#![allow(unsafe_code)]

use crate::{index::Index, open::OpenError};
use hashlith_format::{Error, Header, PAGE, Span};
use memmap2::{Advice, Mmap, MmapOptions};
use std::{fs::File, io, path::Path, sync::Arc};

/// What to ask of the kernel for a mapped index. The kernel may ignore every request but `lock`, which costs speed only;
/// `lock` fails loudly.
///
/// ```
/// use hashlith_reader::{Index, MapOptions};
///
/// let options = MapOptions { preload: true, ..MapOptions::default() };
/// // SAFETY: nobody changes this file in place; new versions replace it by a rename.
/// let index = unsafe { Index::map("tests/colours.hlith", &options)? };
/// # assert_eq!(index.len(), 2);
/// # Ok::<(), hashlith_reader::OpenError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MapOptions {
    /// Ask for 2 MiB pages: fewer misses in the processor's page tables, on file systems that have them. The kernel then
    /// reads a missing page with its 511 neighbours; with [`Self::cold`], therefore, only the hot and the far section
    /// get such pages. Off by default.
    pub huge_pages: bool,
    /// Read the hot and the far section into memory before the first lookup. Off by default.
    pub preload: bool,
    /// Keep the hot and the far section in memory (mlock). Counts against RLIMIT_MEMLOCK. Off by default.
    pub lock: bool,
    /// Tell the kernel that records, hot and far section are read in random order: a cold lookup then reads only the pages
    /// that it needs, without read-ahead. On by default; turn it off to read most of the file front to back.
    pub random: bool,
    /// For a file that does not fit in memory: batches ask for the pages of records some hundred keys ahead
    /// ([`Index::read_ahead_with`]), so that the disk works on many at once. Off by default, because asking for a page that
    /// is in memory already costs a system call too.
    pub cold: bool,
}

impl Default for MapOptions {
    fn default() -> Self {
        MapOptions { huge_pages: false, preload: false, lock: false, random: true, cold: false }
    }
}

/// A read-only shared mapping of a whole file. Clones share it.
#[derive(Clone, Debug)]
pub struct Mapping {
    map: Arc<Mmap>,
    /// A second mapping of the hot and the far section, which holds the lock on their pages.
    _locked: Option<Arc<Mmap>>,
}

impl AsRef<[u8]> for Mapping {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Index<Mapping> {
    /// Maps a file, or all files of a set, and opens them. All processes that map a file share its pages.
    ///
    /// ```
    /// use hashlith_reader::{Index, MapOptions};
    ///
    /// // SAFETY: nobody changes this file in place; new versions replace it by a rename.
    /// let index = unsafe { Index::map("tests/colours.hlith", &MapOptions::default())? };
    /// assert_eq!(index.get(b"sky")?.as_deref(), Some(&b"blue"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// Nobody may write to the file or truncate it while the mapping or a clone of it lives: the bytes behind a `&[u8]`
    /// must not change, and an access past the new end of a file kills the process (SIGBUS). Replacing the file by a
    /// rename, or the set by another build, is fine: the mapping keeps the old files.
    ///
    /// # Errors
    /// [`OpenError`], with the path of the file at fault.
    pub unsafe fn map(path: impl AsRef<Path>, options: &MapOptions) -> Result<Self, OpenError> {
        // SAFETY: the caller promises what `Mapping::open` asks for.
        let index = Index::open_with(path.as_ref(), |path| unsafe { Mapping::open(path, options) })?;
        Ok(if options.cold { index.read_ahead_with(Mapping::will_need) } else { index })
    }
}

impl Mapping {
    /// Maps one file with these options, if its header is sound.
    ///
    /// ```
    /// use hashlith_reader::{Index, MapOptions, Mapping};
    ///
    /// let path = "tests/colours.hlith".as_ref();
    /// // SAFETY: nobody changes this file in place; new versions replace it by a rename.
    /// let mapping = unsafe { Mapping::open(path, &MapOptions::default())? };
    /// let index = Index::new(mapping)?;
    /// assert_eq!(index.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// As [`Index::map`].
    ///
    /// # Errors
    /// [`OpenError`], with the path; [`OpenError::Invalid`] for a header that breaks a rule (`spec.md` R1 to R14).
    pub unsafe fn open(path: &Path, options: &MapOptions) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.into(), source };
        let invalid = |source| OpenError::Invalid { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        // SAFETY: the caller promises that the file is not changed while the mapping lives.
        let map = unsafe { MmapOptions::new().map(&file) };
        let map = match map {
            Ok(map) => map,
            // An empty file cannot be mapped, and is not an index.
            Err(_) if file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0) => {
                return Err(invalid(Error::TooShort { len: 0 }));
            }
            Err(source) => return Err(failed(source)),
        };
        let head = map.get(..PAGE as usize).unwrap_or(&map);
        let sections = Header::parse(head, map.len() as u64).map_err(invalid)?.sections;
        let hot = Span { offset: sections.hot.offset, len: sections.far.end() - sections.hot.offset };
        if options.huge_pages {
            // With this advice a page fault reads 2 MiB, whatever other advice says: too much for one record.
            let whole = Span { offset: 0, len: map.len() as u64 };
            advise(&map, Advice::HugePage, if options.cold { hot } else { whole });
        }
        if options.preload && !advise(&map, Advice::PopulateRead, hot) {
            touch(&map, hot);
        }
        // After the preload, which would go page by page under this advice.
        if options.random {
            let start = sections.pool.offset;
            advise(&map, Advice::Random, Span { offset: start, len: sections.far.end() - start });
        }
        let mut locked = None;
        if options.lock {
            let (offset, len) = (hot.offset, hot.len as usize);
            // SAFETY: as for the first mapping.
            let map = unsafe { MmapOptions::new().offset(offset).len(len).map(&file) }.map_err(failed)?;
            map.lock().map_err(|source| OpenError::Lock { path: path.into(), source })?;
            locked = Some(Arc::new(map));
        }
        Ok(Mapping { map: Arc::new(map), _locked: locked })
    }
}

/// Gives the kernel advice on a part of the mapping; false if it refuses.
fn advise(map: &Mmap, advice: Advice, span: Span) -> bool {
    span.len == 0 || map.advise_range(advice, span.offset as usize, span.len as usize).is_ok()
}

/// Reads a byte of every page: for kernels before 5.14, which lack `MADV_POPULATE_READ`.
fn touch(map: &Mmap, span: Span) {
    let bytes = map.get(span.offset as usize..span.end() as usize).unwrap_or_default();
    std::hint::black_box(bytes.iter().step_by(4096).fold(0u8, |sum, &byte| sum.wrapping_add(byte)));
}

impl Mapping {
    /// Asks the kernel to read this part of the file soon, without waiting for it (`MADV_WILLNEED`, madvise(2)).
    ///
    /// ```
    /// # let path = "tests/colours.hlith".as_ref();
    /// # // SAFETY: nobody changes this file in place.
    /// # let mapping = unsafe { hashlith_reader::Mapping::open(path, &Default::default())? };
    /// mapping.will_need(hashlith_reader::Span { offset: 4096, len: 21 });
    /// # Ok::<(), hashlith_reader::OpenError>(())
    /// ```
    pub fn will_need(&self, span: Span) {
        // Only a hint: a page that is still missing later is read then.
        advise(&self.map, Advice::WillNeed, span);
    }

    /// How many of the `len` bytes from `offset` on are in the page cache (mincore(2)). The kernel answers only callers who
    /// own the file or may write it; for others everything looks resident.
    ///
    /// ```
    /// # let path = "tests/colours.hlith".as_ref();
    /// # // SAFETY: nobody changes this file in place.
    /// # let mapping = unsafe { hashlith_reader::Mapping::open(path, &Default::default())? };
    /// assert!(mapping.resident_bytes(4096, 21)? <= 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's answer, if it has no such call.
    pub fn resident_bytes(&self, offset: u64, len: u64) -> io::Result<u64> {
        const PAGE: usize = 4096;
        let start = (offset as usize).min(self.map.len()) / PAGE * PAGE;
        let end = (offset.saturating_add(len) as usize).min(self.map.len());
        let mut resident = 0;
        let mut state = vec![0u8; 1 << 16];
        for at in (start..end).step_by(state.len() * PAGE) {
            let part = (end - at).min(state.len() * PAGE);
            let first = self.map.as_ptr().wrapping_add(at);
            // SAFETY: `first` is a page boundary inside the mapping, `part` bytes from there lie inside it, and `state`
            // has a byte for each of their pages (mincore(2)).
            let answer = unsafe { libc::mincore(first.cast_mut().cast(), part, state.as_mut_ptr().cast()) };
            if answer != 0 {
                return Err(io::Error::last_os_error());
            }
            let pages = state.iter().take(part.div_ceil(PAGE)).filter(|&&page| page & 1 != 0).count();
            resident += (pages * PAGE) as u64;
        }
        Ok(resident.min(len))
    }
}
