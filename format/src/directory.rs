//! The directory: where each block begins, and how it is laid out (section 5).

use crate::{
    BlockView, Error, Geometry, Header, MAX_BLOCK_KEYS, MAX_BLOCK_POOL, MAX_ENTRY_BITS, Rule, checksum,
    hash::mask,
};

/// Bytes of a directory entry.
pub const ENTRY_LEN: u64 = 32;

/// How many seeds a block may choose from.
pub const SEED_COUNT: u8 = 10;
/// The largest salt.
pub const MAX_SALT: u8 = 63;

/// How the hot data of a block is to be read: the fourth field of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// What is subtracted from each delta, below 2^48.
    pub bias: u64,
    /// Bits of a delta.
    pub width: u32,
    /// Which of the ten seeds, 0 to 9.
    pub seed_number: u8,
    /// 0, or what is added to the file's seed for this block's keys.
    pub salt: u8,
}

impl Layout {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most six bits remain")]
    fn unpack(packed: u64) -> Self {
        Layout {
            bias: packed & mask(48),
            width: (packed >> 48 & mask(6)) as u32,
            seed_number: (packed >> 54 & mask(4)) as u8,
            salt: (packed >> 58) as u8,
        }
    }

    fn pack(&self) -> u64 {
        self.bias & mask(48)
            | (u64::from(self.width) & mask(6)) << 48
            | (u64::from(self.seed_number) & mask(4)) << 54
            | u64::from(self.salt) << 58
    }
}

/// One entry of the directory, decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Number of keys in the blocks before.
    pub first_id: u64,
    /// Where the block's hot data begins, from the beginning of the hot section.
    pub hot_start: u64,
    /// Where the block's records begin, from the beginning of the pool.
    pub pool_start: u64,
    /// How its hot data is to be read.
    pub layout: Layout,
}

impl Entry {
    /// The 32 bytes of the entry.
    pub fn to_bytes(&self) -> [u8; ENTRY_LEN as usize] {
        bytemuck::cast(
            [self.first_id, self.hot_start, self.pool_start, self.layout.pack()].map(u64::to_le_bytes),
        )
    }

    #[inline]
    fn decode(raw: &RawEntry) -> Self {
        let [first_id, hot_start, pool_start, layout] = raw.map(u64::from_le_bytes);
        Entry { first_id, hot_start, pool_start, layout: Layout::unpack(layout) }
    }
}

/// The four fields of an entry: alignment 1, so that it can be laid over any bytes.
type RawEntry = [[u8; 8]; 4];

/// The directory, laid over its bytes.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    entries: &'a [RawEntry],
}

impl<'a> Directory<'a> {
    /// Lays a directory over the bytes of its section, without a look at them.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Directory { entries: bytemuck::try_cast_slice(bytes).unwrap_or_default() }
    }

    /// Number of blocks.
    #[inline]
    pub fn blocks(&self) -> u64 {
        (self.entries.len() as u64).saturating_sub(1)
    }

    /// Entry `number`; there is one more than blocks.
    #[inline]
    pub fn entry(&self, number: u64) -> Option<Entry> {
        Some(Entry::decode(self.entries.get(usize::try_from(number).ok()?)?))
    }

    /// Block `number`, in the terms that a lookup needs.
    #[inline]
    pub fn block(&self, number: u64, header: &Header) -> Option<BlockView> {
        let at = usize::try_from(number).ok()?;
        let pair: &[RawEntry; 2] = self.entries.get(at..)?.first_chunk()?;
        Some(block_of(pair, header))
    }

    /// Number of the block that holds dense id `id`.
    pub fn block_of_id(&self, id: u64) -> Option<u64> {
        let above = self.entries.partition_point(|&[first_id, ..]| u64::from_le_bytes(first_id) <= id);
        (above as u64).checked_sub(1).filter(|&block| block < self.blocks())
    }

    /// Checks rules R15 to R20, in time linear in the directory.
    ///
    /// # Errors
    /// The first rule that is broken, with the offset of the entry.
    pub fn check(bytes: &'a [u8], header: &Header) -> Result<Self, Error> {
        if checksum::digest(bytes) != header.directory_digest {
            return Err(Error::reader(15, 160, "the directory does not match its digest"));
        }
        let directory = Directory::new(bytes);
        let at =
            |number: u64| header.sections.directory.offset.saturating_add(number.saturating_mul(ENTRY_LEN));
        let fault =
            |rule, number, what| Err(Error::Corrupt { rule: Rule::R(rule), offset: at(number), what });
        let first = directory.entry(0).unwrap_or_default();
        if (first.first_id, first.hot_start, first.pool_start) != (0, 0, 0) {
            return fault(16, 0, "the first block does not begin at the beginning");
        }
        let closing = Entry {
            first_id: header.keys,
            hot_start: header.sections.hot.len,
            pool_start: header.sections.pool.len,
            layout: Layout::default(),
        };
        if directory.entry(header.blocks) != Some(closing) {
            return fault(16, header.blocks, "the closing entry does not match the header");
        }
        let pairs = directory.entries.windows(2);
        for (number, pair) in (0u64..).zip(pairs) {
            if let [entry, next] = pair
                && let Err((rule, what)) = check_block(&Entry::decode(entry), &Entry::decode(next), header)
            {
                return fault(rule, if rule == 17 { number.saturating_add(1) } else { number }, what);
            }
        }
        Ok(directory)
    }
}

/// The block of the first of two neighbouring entries.
#[inline]
pub fn block_between(entries: &[u8; 2 * ENTRY_LEN as usize], header: &Header) -> BlockView {
    block_of(bytemuck::cast_ref(entries), header)
}

#[inline]
fn block_of([entry, next]: &[RawEntry; 2], header: &Header) -> BlockView {
    BlockView::new(&Entry::decode(entry), &Entry::decode(next), header)
}

/// R17 to R20, for one block.
fn check_block(entry: &Entry, next: &Entry, header: &Header) -> Result<(), (u8, &'static str)> {
    let (Some(keys), Some(hot), Some(pool)) = (
        next.first_id.checked_sub(entry.first_id),
        next.hot_start.checked_sub(entry.hot_start),
        next.pool_start.checked_sub(entry.pool_start),
    ) else {
        return Err((17, "an entry begins before the one that precedes it"));
    };
    if keys > MAX_BLOCK_KEYS || pool >= MAX_BLOCK_POOL || pool < keys.saturating_mul(2) {
        return Err((18, "the keys and the bytes of a block do not fit each other"));
    }
    let layout = entry.layout;
    let entry_bits = layout.width.saturating_add(header.fingerprint_bits);
    let geometry = Geometry::new(u32::try_from(keys).unwrap_or(u32::MAX));
    if hot != geometry.hot_len(entry_bits) {
        return Err((19, "the hot data of a block does not have the length it must have"));
    }
    if entry_bits > MAX_ENTRY_BITS || layout.seed_number >= SEED_COUNT {
        return Err((20, "the layout of a block is not a possible one"));
    }
    if keys == 0 && (pool != 0 || layout != Layout::default()) {
        return Err((20, "an empty block has records or a layout"));
    }
    Ok(())
}
