//! One lookup, in the steps of `spec.md` section 7. Single and batched lookups share the steps.

use crate::Record;
use hashlith_format::{BlockView, Directory, Error, Header, KeyHash, Rule, directory, record::Lengths};
use prefetch_index::prefetch_index;

/// The bytes of an index, ready for lookups.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    bytes: &'a [u8],
    header: &'a Header,
}

#[inline]
pub(crate) fn slice(bytes: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let from = usize::try_from(offset).ok()?;
    bytes.get(from..from.checked_add(usize::try_from(len).ok()?)?)
}

#[inline]
fn array<const N: usize>(bytes: &[u8], offset: u64) -> Option<[u8; N]> {
    bytes.get(usize::try_from(offset).ok()?..)?.first_chunk().copied()
}

/// An index is opened only when every place that a lookup computes lies inside it, so this stands for bytes that
/// changed or shrank since.
#[cold]
fn changed(offset: u64) -> Error {
    Error::Corrupt { rule: Rule::R(7), offset, what: "the bytes have changed since the index was opened" }
}

// The steps are inlined without exception: as calls of their own they made batches a third slower.
impl<'a> Lookup<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8], header: &'a Header) -> Self {
        Lookup { bytes, header }
    }

    #[inline]
    pub fn find(&self, key: &[u8], hash: KeyHash) -> Result<Option<Record<'a>>, Error> {
        let Some(mut probe) = self.start(key, hash)? else { return Ok(None) };
        self.find_slot(&mut probe)?;
        if !self.find_record(&mut probe, hash)? {
            return Ok(None);
        }
        // Two records of three go on in the next cache line: asked for now, it comes along with the first.
        self.prefetch(probe.record_at().wrapping_add(64));
        self.compare(&probe, key)
    }

    /// Asks for the directory entry of a key (before step 3).
    #[inline]
    pub fn prefetch_entry(&self, hash: KeyHash) {
        self.prefetch(self.directory_at(hash.block(self.header.blocks)));
    }

    #[inline]
    fn directory_at(&self, block: u64) -> u64 {
        self.header.sections.directory.offset.wrapping_add(block.wrapping_mul(directory::ENTRY_LEN))
    }

    #[inline]
    fn view(&self, block: u64) -> Result<BlockView, Error> {
        let at = self.directory_at(block);
        // In place: a copy would put a store and its load into every lookup's chain.
        let entries = self.bytes.get(at as usize..).and_then(<[u8]>::first_chunk);
        Ok(directory::block_between(entries.ok_or_else(|| changed(at))?, self.header))
    }

    /// Asks for the cache line at an offset.
    #[inline]
    pub fn prefetch(&self, offset: u64) {
        prefetch_index(self.bytes, offset as usize);
    }

    /// Steps 3 to 5: the block. `None` if it is empty.
    #[inline(always)]
    pub fn start(&self, key: &[u8], hash: KeyHash) -> Result<Option<Probe>, Error> {
        let block = hash.block(self.header.blocks);
        let view = self.view(block)?;
        if view.geometry.keys == 0 {
            return Ok(None);
        }
        let x = self.header.hasher.x(key, hash, view.layout.salt) ^ view.seed();
        Ok(Some(Probe { pilot_at: view.pilot_at(x), view, x, slot: 0, record: 0 }))
    }

    /// Steps 6 to 8: pilot and slot.
    #[inline(always)]
    pub fn find_slot(&self, probe: &mut Probe) -> Result<(), Error> {
        let [pilot] = array(self.bytes, probe.pilot_at).ok_or_else(|| changed(probe.pilot_at))?;
        let view = &probe.view;
        probe.slot = view.geometry.slot(probe.x, pilot, view.seed());
        if let Some(overflow) = probe.slot.checked_sub(view.geometry.keys) {
            let at = view.remap_at(overflow);
            probe.slot = u32::from_le_bytes(array(self.bytes, at).ok_or_else(|| changed(at))?);
            if probe.slot >= view.geometry.keys {
                let what = "a remap entry is not a slot of its block";
                return Err(Error::Corrupt { rule: Rule::R(21), offset: at, what });
            }
        }
        Ok(())
    }

    /// Step 9: the slot's entry. False if its fingerprint says that the key is absent.
    #[inline(always)]
    pub fn find_record(&self, probe: &mut Probe, hash: KeyHash) -> Result<bool, Error> {
        let at = probe.view.entry_at(probe.slot);
        let entry = array(self.bytes, at).ok_or_else(|| changed(at))?;
        let (fingerprint, delta) = probe.view.split_entry(probe.slot, entry);
        if fingerprint != probe.view.fingerprint(&hash) {
            return Ok(false);
        }
        probe.record = probe.view.record_offset(probe.slot, delta).ok_or_else(|| outside(at))?;
        Ok(true)
    }

    /// Steps 10 and 11: the record.
    #[inline(always)]
    pub fn compare(&self, probe: &Probe, key: &[u8]) -> Result<Option<Record<'a>>, Error> {
        let record = self.record(probe)?;
        // The comparison goes by the length of `key`, which is at hand, and not by the one that has just been read.
        let same = record.key.len() == key.len() && record.key.get(..key.len()) == Some(key);
        Ok(same.then_some(record))
    }

    #[inline]
    fn record(&self, probe: &Probe) -> Result<Record<'a>, Error> {
        let view = &probe.view;
        let at = view.pool.wrapping_add(probe.record);
        let rest = view.pool_len.wrapping_sub(probe.record);
        let rest = slice(self.bytes, at, rest).ok_or_else(|| changed(at))?;
        let (key, value) = split_record(rest).ok_or_else(|| outside(at))?;
        Ok(Record { key, value, id: view.first_id.wrapping_add(u64::from(probe.slot)) })
    }

    pub fn by_id(&self, id: u64) -> Result<Option<Record<'a>>, Error> {
        let span = self.header.sections.directory;
        let directory = Directory::new(slice(self.bytes, span.offset, span.len).unwrap_or_default());
        let Some(block) = directory.block_of_id(id) else { return Ok(None) };
        let view = self.view(block)?;
        let slot = u32::try_from(id.saturating_sub(view.first_id)).map_err(|_| changed(0))?;
        let at = view.entry_at(slot);
        let (_, delta) = view.split_entry(slot, array(self.bytes, at).ok_or_else(|| changed(at))?);
        let record = view.record_offset(slot, delta).ok_or_else(|| outside(at))?;
        self.record(&Probe { view, x: 0, pilot_at: 0, slot, record }).map(Some)
    }
}

/// A lookup under way.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    view: BlockView,
    x: u64,
    /// Where the pilot lies, from the beginning of the file.
    pub pilot_at: u64,
    slot: u32,
    /// Where the record begins, from the beginning of the block's records.
    record: u64,
}

impl Probe {
    /// Where the slot's entry lies, from the beginning of the file.
    #[inline]
    pub fn entry_at(&self) -> u64 {
        self.view.entry_at(self.slot)
    }

    /// Where the record lies, from the beginning of the file.
    #[inline]
    pub fn record_at(&self) -> u64 {
        self.view.pool.wrapping_add(self.record)
    }
}

/// Key and value of the record that `bytes` begin with, if it ends within them.
#[inline]
pub(crate) fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let lengths = Lengths::parse(bytes)?;
    let key_and_value = bytes.get(lengths.head as usize..)?;
    let (key, rest) = key_and_value.split_at_checked(usize::try_from(lengths.key).ok()?)?;
    Some((key, rest.get(..usize::try_from(lengths.value).ok()?)?))
}

#[cold]
pub(crate) fn outside(offset: u64) -> Error {
    Error::Corrupt {
        rule: Rule::R(22),
        offset,
        what: "a record does not lie within the records of its block",
    }
}
