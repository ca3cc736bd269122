//! One block: settle duplicates, perfect-hash the keys, pack records and hot data.

use crate::{Error, OnDuplicate, error::Place, pilots};
use hashlith_format::{KeyHash, Layout, block::HotData, directory::MAX_SALT, record::Lengths};

/// A record of a job: where it lies in which chunk, and its key's hash.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub hash: KeyHash,
    pub place: Place,
    pub chunk: u32,
    pub offset: u32,
}

/// The finished blocks of a job.
#[derive(Default)]
pub(crate) struct Output {
    pub pool: Vec<u8>,
    pub hot: Vec<u8>,
    pub blocks: Vec<BlockSizes>,
    /// Records that were dropped because their key was there already.
    pub duplicates: u64,
}

/// What the directory is made from.
pub(crate) struct BlockSizes {
    pub keys: u64,
    pub pool_len: u64,
    pub hot_len: u64,
    pub layout: Layout,
}

/// What does not change from block to block.
#[derive(Clone, Copy)]
pub(crate) struct BlockOptions {
    pub seed: u64,
    pub fingerprint_bits: u32,
    pub on_duplicate: OnDuplicate,
}

/// Builds blocks out of the records of a job, and keeps its buffers from one to the next.
pub(crate) struct BlockBuilder<'a> {
    pub options: BlockOptions,
    pub chunks: &'a [&'a [u8]],
    pub records: &'a [Record],
    pub output: Output,
    xs: Vec<u64>,
    by_slot: Vec<u32>,
    offsets: Vec<u64>,
    fingerprints: Vec<u16>,
}

impl<'a> BlockBuilder<'a> {
    pub fn new(options: BlockOptions, chunks: &'a [&'a [u8]], records: &'a [Record]) -> Self {
        BlockBuilder {
            options,
            chunks,
            records,
            output: Output::default(),
            xs: Vec::new(),
            by_slot: Vec::new(),
            offsets: Vec::new(),
            fingerprints: Vec::new(),
        }
    }

    /// Builds block `block` from the records with these numbers.
    pub fn build(&mut self, block: u64, members: &mut Vec<u32>) -> Result<(), Error> {
        let mut salt = 0;
        let mut settled = false;
        let found = loop {
            if members.is_empty() {
                self.output.blocks.push(BlockSizes {
                    keys: 0,
                    pool_len: 0,
                    hot_len: 0,
                    layout: Layout::default(),
                });
                return Ok(());
            }
            self.hash(members, salt);
            match pilots::solve(&self.xs, block) {
                Ok(found) => break found,
                Err(pilots::Failure::EqualHashes) if !settled => {
                    self.settle_duplicates(members)?;
                    settled = true;
                }
                Err(_) if salt < MAX_SALT => salt += 1,
                Err(_) => return Err(Error::Hash { block, keys: members.len() }),
            }
        };
        self.by_slot.clear();
        self.by_slot.resize(members.len(), 0);
        for (&member, &slot) in members.iter().zip(&found.slots) {
            self.by_slot[slot as usize] = member;
        }
        self.emit(&found, salt);
        Ok(())
    }

    fn hash(&mut self, members: &[u32], salt: u8) {
        let Self { xs, records, options, chunks, .. } = self;
        xs.clear();
        xs.extend(members.iter().map(|&member| {
            let record = &records[member as usize];
            if salt == 0 {
                record.hash.lo
            } else {
                record.hash.salted(key_of(chunks, record), options.seed, salt)
            }
        }));
    }

    /// Leaves one record of each key, or reports the two earliest places of a key.
    fn settle_duplicates(&mut self, members: &mut Vec<u32>) -> Result<(), Error> {
        let (records, chunks) = (self.records, self.chunks);
        let record = |member: u32| &records[member as usize];
        members.sort_unstable_by(|&a, &b| {
            let (a, b) = (record(a), record(b));
            let by_key = || key_of(chunks, a).cmp(key_of(chunks, b));
            a.hash.cmp(&b.hash).then_with(by_key).then_with(|| a.place.cmp(&b.place))
        });
        let same = |a: u32, b: u32| {
            record(a).hash == record(b).hash && key_of(chunks, record(a)) == key_of(chunks, record(b))
        };
        let before = members.len();
        match self.options.on_duplicate {
            OnDuplicate::Error => {
                let twice = members.windows(2).filter(|pair| same(pair[0], pair[1]));
                if let Some(pair) = twice.min_by_key(|pair| record(pair[1]).place) {
                    return Err(Error::Duplicate {
                        key: key_of(chunks, record(pair[0])).to_vec(),
                        first: record(pair[0]).place,
                        second: record(pair[1]).place,
                    });
                }
            }
            OnDuplicate::First => members.dedup_by(|later, first| same(*later, *first)),
            OnDuplicate::Last => members.dedup_by(|later, kept| {
                let equal = same(*later, *kept);
                if equal {
                    *kept = *later;
                }
                equal
            }),
        }
        self.output.duplicates += (before - members.len()) as u64;
        Ok(())
    }

    /// Appends the records in slot order, and the hot data that finds them.
    fn emit(&mut self, found: &pilots::PerfectHash, salt: u8) {
        let Output { pool, hot, blocks, .. } = &mut self.output;
        let (pool_start, hot_start) = (pool.len(), hot.len());
        self.offsets.clear();
        self.fingerprints.clear();
        for &member in &self.by_slot {
            let record = &self.records[member as usize];
            self.offsets.push((pool.len() - pool_start) as u64);
            self.fingerprints.push(record.hash.fingerprint(self.options.fingerprint_bits) as u16);
            pool.extend_from_slice(bytes_of(self.chunks, record).0);
        }
        let pool_len = (pool.len() - pool_start) as u64;
        let data = HotData {
            pool_len,
            offsets: &self.offsets,
            fingerprints: &self.fingerprints,
            fingerprint_bits: self.options.fingerprint_bits,
            remap: &found.remap,
            pilots: &found.pilots,
            seed_number: found.seed_number,
            salt,
        };
        // Records of 2^48 bytes do not fit in memory, which is the only way to fail here.
        let layout = data.write(hot).unwrap_or_default();
        let hot_len = (hot.len() - hot_start) as u64;
        blocks.push(BlockSizes { keys: self.by_slot.len() as u64, pool_len, hot_len, layout });
    }
}

/// The bytes of a record as the pool holds it, and its lengths.
#[inline]
fn bytes_of<'a>(chunks: &[&'a [u8]], record: &Record) -> (&'a [u8], Lengths) {
    let bytes = &chunks[record.chunk as usize][record.offset as usize..];
    // The job has parsed these very bytes before.
    let lengths = Lengths::parse(bytes).unwrap_or(Lengths { head: 0, key: 0, value: 0 });
    (&bytes[..lengths.total().unwrap_or(0) as usize], lengths)
}

fn key_of<'a>(chunks: &[&'a [u8]], record: &Record) -> &'a [u8] {
    let (bytes, lengths) = bytes_of(chunks, record);
    &bytes[lengths.head as usize..][..lengths.key as usize]
}
