//! Transfers that bypass the page cache (`O_DIRECT`), for files that are larger than it can hold.
//!
//! The page cache helps a file that is read again soon, but not one larger than memory. Writing that through the cache costs
//! a copy and the search for free pages, and evicts the pages of other files (`benches/README.md` has the figures).

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
};
use std::{
    fs::File,
    io,
    ops::{Deref, DerefMut},
    os::unix::fs::FileExt,
};

/// Direct transfers begin and end at multiples of this, in the file and in memory. Some devices allow 512.
pub(crate) const ALIGN: usize = 4096;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(4096))]
pub(crate) struct Aligned([u8; ALIGN]);

/// Buffers from this many bytes on are mapped.
const MAPPED_FROM: usize = 128 << 10;

/// Zeroed bytes at an address that suits direct transfers.
///
/// Long ones are mapped, and unmapped when they are dropped: an allocator may keep the memory, in pieces too small for the next.
pub(crate) enum Buffer {
    Allocated(Vec<Aligned>),
    Mapped(MmapMut),
}

impl Buffer {
    /// Of at least `len` bytes, rounded up to a multiple of [`ALIGN`].
    pub fn new(len: usize) -> Self {
        let blocks = len.div_ceil(ALIGN);
        if len >= MAPPED_FROM
            && let Ok(map) = MmapMut::map_anon(blocks * ALIGN)
        {
            return Buffer::Mapped(map);
        }
        Buffer::Allocated(vec![Aligned::zeroed(); blocks])
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Buffer::Allocated(blocks) => bytemuck::cast_slice(blocks),
            Buffer::Mapped(map) => map,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Buffer::Allocated(blocks) => bytemuck::cast_slice_mut(blocks),
            Buffer::Mapped(map) => map,
        }
    }
}

/// Turns direct transfers of a file on or off. A file system without them uses the page cache.
pub(crate) fn set_direct(file: &File, direct: bool) {
    if let Ok(flags) = fcntl_getfl(file) {
        let wanted = if direct { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
        let _ = fcntl_setfl(file, wanted);
    }
}

/// Writes all bytes at an offset. Where the file system takes direct transfers only at larger multiples than [`ALIGN`],
/// this file uses the page cache from now on.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    match file.write_all_at(bytes, offset) {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            set_direct(file, false);
            file.write_all_at(bytes, offset)
        }
        done => done,
    }
}

/// Fills the buffer from an offset. The page cache is used as in [`write_all_at`].
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_exact_at(buffer, offset) {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            set_direct(file, false);
            file.read_exact_at(buffer, offset)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_written_directly_are_read_either_way() {
        let file = tempfile::tempfile().unwrap();
        let mut buffer = Buffer::new(3 * ALIGN - 5);
        assert_eq!(buffer.len(), 3 * ALIGN);
        buffer.iter_mut().zip(0u64..).for_each(|(byte, number)| *byte = (number % 251) as u8);
        for direct in [true, false, true] {
            set_direct(&file, direct);
            file.write_all_at(&buffer, 0).unwrap();
            let mut back = Buffer::new(3 * ALIGN);
            file.read_exact_at(&mut back, 0).unwrap();
            assert_eq!(*back, *buffer);
        }
    }

    /// Unaligned bytes act like a device that wants more than [`ALIGN`].
    #[test]
    fn refused_direct_transfers_go_through_the_cache() {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let mut back = [0; 4];
        set_direct(&file, true);
        write_all_at(&file, b"head", 0).unwrap();
        set_direct(&file, true);
        read_exact_at(&file, &mut back, 0).unwrap();
        assert_eq!(&back, b"head");
    }
}
