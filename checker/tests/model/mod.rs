//! A plain writer of small indexes, straight from `spec.md`, whose parts can be spoiled before it writes them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use hashlith_checker::{Error, Options, Progress, Report, verify};
use hashlith_format::{
    Entry, Geometry, Header, KeyHasher, KeyType, PAGE, Rule, Sections, ValueType,
    block::{HotData, SEEDS},
    checksum::{ChunkSums, digest},
    header::seal,
    record,
};

/// An index before it is written. All fields may be spoiled.
#[derive(Clone)]
pub struct Model {
    pub hasher: KeyHasher,
    pub key_type: KeyType,
    pub value_type: ValueType,
    pub fingerprint_bits: u32,
    pub metadata: Vec<u8>,
    pub blocks: Vec<Block>,
}

/// A block before it is packed.
#[derive(Clone, Default)]
pub struct Block {
    /// The key of each slot.
    pub keys: Vec<Vec<u8>>,
    /// The bytes of each record, in slot order.
    pub records: Vec<Vec<u8>>,
    pub fingerprints: Vec<u16>,
    pub remap: Vec<u32>,
    /// Which remap entries a key needs.
    pub used: Vec<bool>,
    pub pilots: Vec<u8>,
    pub seed_number: u8,
    pub salt: u8,
    /// Puts the entry of a slot somewhere else.
    pub moved: Option<(usize, u64)>,
    /// Bytes behind the last record.
    pub trailing: Vec<u8>,
}

/// How to make a model.
#[derive(Clone)]
pub struct Plan {
    pub blocks: u64,
    pub hasher: KeyHasher,
    pub key_type: KeyType,
    pub value_type: ValueType,
    pub fingerprint_bits: u32,
    pub first_salt: u8,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            blocks: 1,
            hasher: KeyHasher::xxh3(0),
            key_type: KeyType::Bytes,
            value_type: ValueType::Bytes,
            fingerprint_bits: 8,
            first_salt: 0,
        }
    }
}

pub type Pair = (Vec<u8>, Vec<u8>);

pub fn pair(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Pair {
    (key.into(), value.into())
}

/// `count` short pairs.
pub fn pairs(count: usize) -> Vec<Pair> {
    (0..count).map(|i| pair(format!("key {i}"), format!("value {}", i * 7))).collect()
}

impl Plan {
    pub fn model(&self, pairs: &[Pair]) -> Model {
        let mut parts = vec![Vec::new(); self.blocks as usize];
        for pair in pairs {
            parts[self.hasher.hash(&pair.0).block(self.blocks) as usize].push(pair);
        }
        Model {
            hasher: self.hasher,
            key_type: self.key_type,
            value_type: self.value_type,
            fingerprint_bits: self.fingerprint_bits,
            metadata: Vec::new(),
            blocks: parts.iter().map(|part| self.block(part)).collect(),
        }
    }

    pub fn file(&self, pairs: &[Pair]) -> Vec<u8> {
        self.model(pairs).file()
    }

    fn block(&self, pairs: &[&Pair]) -> Block {
        if pairs.is_empty() {
            return Block::default();
        }
        let geometry = Geometry::new(pairs.len() as u32);
        let tries = (self.first_salt..64).flat_map(|salt| (0..10u8).map(move |number| (salt, number)));
        for (salt, seed_number) in tries {
            let s = SEEDS[seed_number as usize];
            let xs: Vec<u64> =
                pairs.iter().map(|(key, _)| self.hasher.x(key, self.hasher.hash(key), salt) ^ s).collect();
            let Some((pilots, slots)) = find_pilots(&geometry, &xs, s) else { continue };
            let mut block = Block { pilots, seed_number, salt, ..Block::default() };
            self.fill(&mut block, &geometry, pairs, &slots);
            return block;
        }
        panic!("no pilots for {} keys: make the block smaller", pairs.len());
    }

    fn fill(&self, block: &mut Block, geometry: &Geometry, pairs: &[&Pair], slots: &[u32]) {
        let mut free = (0..geometry.keys).filter(|slot| !slots.contains(slot));
        block.remap = vec![0; geometry.remaps() as usize];
        block.used = vec![false; block.remap.len()];
        let count = pairs.len();
        block.keys = vec![Vec::new(); count];
        block.records = vec![Vec::new(); count];
        block.fingerprints = vec![0; count];
        for ((key, value), &slot) in pairs.iter().zip(slots) {
            let mut slot = slot;
            if let Some(number) = slot.checked_sub(geometry.keys) {
                slot = free.next().unwrap();
                block.remap[number as usize] = slot;
                block.used[number as usize] = true;
            }
            let slot = slot as usize;
            block.keys[slot] = key.clone();
            record::write(key, value, &mut block.records[slot]);
            let hash = self.hasher.hash(key);
            block.fingerprints[slot] = hash.fingerprint(self.fingerprint_bits) as u16;
        }
    }
}

/// Greedy, the largest buckets first; enough for a few dozen keys.
fn find_pilots(geometry: &Geometry, xs: &[u64], seed: u64) -> Option<(Vec<u8>, Vec<u32>)> {
    let mut buckets = vec![Vec::new(); geometry.buckets as usize];
    for (i, &x) in xs.iter().enumerate() {
        buckets[geometry.bucket(x) as usize].push(i);
    }
    let mut order: Vec<usize> = (0..buckets.len()).collect();
    order.sort_by_key(|&bucket| std::cmp::Reverse(buckets[bucket].len()));
    let mut taken = vec![false; geometry.slots as usize];
    let mut pilots = vec![0; buckets.len()];
    let mut slots = vec![0; xs.len()];
    for bucket in order {
        let places = |pilot| buckets[bucket].iter().map(move |&i| (i, geometry.slot(xs[i], pilot, seed)));
        let fits = |&pilot: &u8| {
            let mut own: Vec<u32> = places(pilot).map(|(_, slot)| slot).collect();
            own.sort_unstable();
            own.windows(2).all(|two| two[0] != two[1]) && own.iter().all(|&slot| !taken[slot as usize])
        };
        let pilot = (0..=255).find(fits)?;
        pilots[bucket] = pilot;
        for (i, slot) in places(pilot) {
            taken[slot as usize] = true;
            slots[i] = slot;
        }
    }
    Some((pilots, slots))
}

impl Model {
    /// The bytes of the file, with all digests and sums right for what it holds.
    pub fn file(&self) -> Vec<u8> {
        let (mut pool, mut hot, mut directory) = (Vec::new(), Vec::new(), Vec::new());
        let mut keys = 0;
        for block in &self.blocks {
            let mut entry = Entry {
                first_id: keys,
                hot_start: hot.len() as u64,
                pool_start: pool.len() as u64,
                ..Entry::default()
            };
            if !block.records.is_empty() {
                entry.layout = block.write(self.fingerprint_bits, &mut hot);
            }
            pool.extend(block.records.concat());
            pool.extend(&block.trailing);
            keys += block.records.len() as u64;
            directory.extend(entry.to_bytes());
        }
        let closing = Entry {
            first_id: keys,
            hot_start: hot.len() as u64,
            pool_start: pool.len() as u64,
            ..Entry::default()
        };
        directory.extend(closing.to_bytes());

        let blocks = self.blocks.len() as u64;
        let header = Header {
            ignorable_features: 0,
            keys,
            blocks,
            hasher: self.hasher,
            key_type: self.key_type,
            value_type: self.value_type,
            fingerprint_bits: self.fingerprint_bits,
            sections: Sections::place(
                pool.len() as u64,
                hot.len() as u64,
                blocks,
                self.metadata.len() as u64,
            )
            .unwrap(),
            directory_digest: 0,
            sums_digest: 0,
        };
        let mut file = vec![0; header.file_len() as usize];
        file[..PAGE as usize].copy_from_slice(&header.to_bytes());
        let spans = header.sections.all();
        for ((_, span), bytes) in spans.iter().zip([&pool, &hot, &directory, &self.metadata]) {
            file[span.offset as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        reseal(&mut file, &header.sections);
        file
    }

    /// Where the record of a slot begins in the file.
    pub fn record_at(&self, block: usize, slot: usize) -> u64 {
        let before: usize = self.blocks[..block].iter().map(Block::pool_len).sum();
        PAGE + (before + self.blocks[block].records[..slot].concat().len()) as u64
    }
}

impl Block {
    fn pool_len(&self) -> usize {
        self.records.concat().len() + self.trailing.len()
    }

    fn write(&self, fingerprint_bits: u32, hot: &mut Vec<u8>) -> hashlith_format::Layout {
        let mut offsets = Vec::new();
        let mut at = 0;
        for record in &self.records {
            offsets.push(at);
            at += record.len() as u64;
        }
        if let Some((slot, offset)) = self.moved {
            offsets[slot] = offset;
        }
        let data = HotData {
            pool_len: self.pool_len() as u64,
            offsets: &offsets,
            fingerprints: &self.fingerprints,
            fingerprint_bits,
            remap: &self.remap,
            pilots: &self.pilots,
            seed_number: self.seed_number,
            salt: self.salt,
        };
        data.write(hot).unwrap()
    }
}

/// Makes all digests and sums right for what the file holds.
pub fn reseal(file: &mut [u8], sections: &Sections) {
    let span = sections.directory;
    let directory = digest(&file[span.offset as usize..span.end() as usize]);
    let mut sums = ChunkSums::default();
    sums.update(&file[PAGE as usize..sections.sums.offset as usize]);
    let sums = sums.finish();
    file[sections.sums.offset as usize..].copy_from_slice(&sums);
    seal_header(file, directory, digest(&sums));
}

/// Writes the three digests of the header.
pub fn seal_header(file: &mut [u8], directory: u64, sums: u64) {
    file[160..168].copy_from_slice(&directory.to_le_bytes());
    file[168..176].copy_from_slice(&sums.to_le_bytes());
    seal((&mut file[..PAGE as usize]).try_into().unwrap());
}

/// The file with some bytes changed, and sealed again.
pub fn edited(file: &[u8], edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let sections = header(file).sections;
    let mut file = file.to_vec();
    edit(&mut file);
    reseal(&mut file, &sections);
    file
}

pub fn header(file: &[u8]) -> Header {
    Header::parse(file, file.len() as u64).unwrap()
}

/// Verifies with this many threads.
pub fn check(file: &[u8], threads: usize) -> Result<Report, Error> {
    verify(file, &Options { threads }, &Progress::default())
}

/// The broken rule and the offset, which must not depend on the number of threads.
pub fn fault(file: &[u8]) -> (Rule, u64) {
    let [one, three] = [1, 3].map(|threads| match check(file, threads) {
        Err(Error::Fault(fault)) => (fault.rule(), fault.offset()),
        other => panic!("no fault: {other:?}"),
    });
    assert_eq!(one, three);
    one
}
