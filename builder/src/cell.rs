//! One cell: refuses duplicates, perfect-hashes the keys, packs records and slot entries.

use crate::{
    Error,
    chunk::key_at,
    codecs::{Codecs, Coder, Store},
    origin::Origin,
    pool::Pool,
    shared::Shared,
    solver::{Solver, Unsolved},
    spill::{Chunk, Disk, READ},
};
use hashlith_format::{
    Attempt, CELL_LEN, CellData, Head, KeyHash, KeyHasher, cell::shared_start, record::Lengths,
};

/// The largest salt (spec section 10, point 7).
const MAX_SALT: u8 = 15;

/// Where a record of a job is, and the hash of its key.
#[derive(Clone, Copy)]
pub(crate) struct RecordRef {
    pub hash: KeyHash,
    pub origin: Origin,
    pub chunk: u32,
    pub offset: u32,
}

/// The finished cells of a job. Their offsets and ids count from the beginning of the job.
#[derive(Default)]
pub(crate) struct Output {
    pub pool: Pool,
    /// Values of a fixed width, in the order of the records.
    pub values: Pool,
    /// Long records of the pool.
    pub store: Store,
    pub cells: Vec<u8>,
    pub far: Vec<u8>,
    pub keys: u64,
    /// Records that the job has read.
    pub loaded: u64,
    /// Memory that the job took, in bytes.
    pub cost: u64,
}

/// The options that all cells share.
#[derive(Clone, Copy)]
pub(crate) struct CellOptions<'a> {
    pub hasher: KeyHasher,
    /// The number of parts if these are the cells of one part; 1 if they are those of all parts.
    pub parts: u32,
    pub fingerprint_bits: u32,
    /// `None` if records are stored as they are, after their lengths.
    pub codecs: Option<&'a Codecs>,
}

/// Builds cells from the records of a job. Reuses its buffers from cell to cell.
pub(crate) struct CellBuilder<'a> {
    pub options: CellOptions<'a>,
    pub disk: &'a Disk,
    pub chunks: &'a [Chunk<'a>],
    pub records: &'a [RecordRef],
    pub output: &'a mut Output,
    los: Vec<u64>,
    solver: Solver,
    by_slot: Vec<u32>,
    offsets: Vec<u64>,
    fingerprints: Vec<u32>,
    coder: Option<Coder<'a>>,
    coded: Vec<u8>,
    /// Bytes of all records, if keys share them.
    shared_len: Option<u64>,
}

impl<'a> CellBuilder<'a> {
    /// For records in these chunks. Appends cells to `output`.
    pub fn new(
        options: CellOptions<'a>,
        disk: &'a Disk,
        chunks: &'a [Chunk<'a>],
        records: &'a [RecordRef],
        output: &'a mut Output,
    ) -> Self {
        CellBuilder {
            options,
            disk,
            chunks,
            records,
            output,
            los: Vec::new(),
            solver: Solver::default(),
            by_slot: Vec::new(),
            offsets: Vec::new(),
            fingerprints: Vec::new(),
            coder: options.codecs.map(Coder::new),
            coded: Vec::new(),
            shared_len: options.codecs.and_then(Codecs::shared).map(Shared::len),
        }
    }

    /// Builds cell `cell` from the records with these numbers.
    pub fn build(&mut self, cell: u64, members: &[u32]) -> Result<(), Error> {
        let mut salt = 0;
        let mut checked = false;
        let attempt = loop {
            if members.is_empty() {
                let Output { pool, cells, keys, .. } = &mut *self.output;
                let mut bytes = [0; CELL_LEN as usize];
                let pool_start = self.shared_len.map_or(pool.len(), shared_start);
                Head { first_id: *keys, pool_start, ..Head::default() }.write(&mut bytes);
                cells.extend_from_slice(&bytes);
                return Ok(());
            }
            self.hash(members, salt);
            match self.solver.solve(&self.los) {
                Ok(attempt) => break Attempt(salt << 4 | attempt),
                Err(Unsolved::EqualHashes | Unsolved::TooMany) if !checked => {
                    self.refuse_duplicates(members)?;
                    checked = true;
                }
                Err(Unsolved::EqualHashes | Unsolved::NoPilots) if salt < MAX_SALT => salt += 1,
                Err(_) => return Err(Error::Hash { cell, keys: members.len() }),
            }
        };
        self.by_slot.clear();
        self.by_slot.resize(members.len(), 0);
        for (&member, &slot) in members.iter().zip(&self.solver.slots) {
            self.by_slot[slot as usize] = member;
        }
        self.emit(attempt)
    }

    fn hash(&mut self, members: &[u32], salt: u8) {
        let Self { los, records, options, chunks, .. } = self;
        los.clear();
        los.extend(members.iter().map(|&member| {
            let record = &records[member as usize];
            if salt == 0 {
                record.hash.lo
            } else {
                options.hasher.salted_lo(key_of(chunks, record), record.hash, salt)
            }
        }));
    }

    fn refuse_duplicates(&self, members: &[u32]) -> Result<(), Error> {
        let mut records: Vec<_> = members.iter().map(|&member| self.records[member as usize]).collect();
        refuse_duplicates(&mut records, self.chunks)
    }

    /// Appends the records in slot order, and the cell that finds them.
    fn emit(&mut self, attempt: Attempt) -> Result<(), Error> {
        let Output { pool, values, store, cells, far, keys, .. } = &mut *self.output;
        let pool_start = self.shared_len.map_or(pool.len(), shared_start);
        self.offsets.clear();
        self.fingerprints.clear();
        for &member in &self.by_slot {
            let record = &self.records[member as usize];
            self.fingerprints.push(record.hash.fingerprint(self.options.fingerprint_bits) as u32);
            if let Some(shared) = self.options.codecs.and_then(Codecs::shared) {
                let place = match &self.chunks[record.chunk as usize] {
                    Chunk::Short(chunk) => {
                        let bytes = record_at(chunk, record);
                        let lengths = lengths_of(bytes);
                        shared.place(&bytes[(lengths.head + lengths.key) as usize..])
                    }
                    Chunk::Long(long) => {
                        self.coded.clear();
                        long.each_block_of_value(self.disk.failed(READ), |block| {
                            self.coded.extend_from_slice(block);
                            Ok(())
                        })?;
                        shared.place(&self.coded)
                    }
                };
                self.offsets.push(place.ok_or_else(|| self.disk.damaged())?);
                continue;
            }
            self.offsets.push(pool.len() - pool_start);
            match (&self.chunks[record.chunk as usize], &mut self.coder) {
                (Chunk::Short(chunk), None) => pool.push(record_at(chunk, record)),
                (Chunk::Long(long), None) => pool.push_long(long),
                (Chunk::Short(chunk), Some(coder)) => {
                    let bytes = record_at(chunk, record);
                    let lengths = lengths_of(bytes);
                    let (key, value) = bytes[lengths.head as usize..].split_at(lengths.key as usize);
                    self.coded.clear();
                    coder.encode(key, value, record.hash.lo, &mut self.coded);
                    pool.push(&self.coded);
                    if coder.value_is_apart() {
                        values.push(value);
                    }
                }
                (Chunk::Long(long), Some(coder)) if coder.value_is_apart() => {
                    self.coded.clear();
                    coder.encode(long.key(), &[], record.hash.lo, &mut self.coded);
                    pool.push(&self.coded);
                    values.push_value_of(long);
                }
                (Chunk::Long(long), Some(coder)) => {
                    pool.push_stored(coder.encode_long(long, record.hash.lo, self.disk, store)?);
                }
            }
        }
        let len = pool.len().saturating_sub(pool_start);
        if self.shared_len.is_none() {
            self.offsets.push(len);
        }
        let data = CellData {
            offsets: &self.offsets,
            fingerprints: &self.fingerprints,
            fingerprint_bits: self.options.fingerprint_bits,
            pilots: &self.solver.pilots,
            attempt,
            shared: self.shared_len,
        };
        let too_long = Error::TooLong { what: "cell of records", len, limit: MAX_CELL };
        data.write(*keys, pool_start, cells, far).ok_or(too_long)?;
        *keys += self.by_slot.len() as u64;
        Ok(())
    }
}

/// If a cell has fewer bytes of records than this, its slot entries have at most 57 bits, even with 16-bit fingerprints.
const MAX_CELL: u64 = 1 << 40;

/// Reports a key that has two records, after sorting them by their keys.
pub(crate) fn refuse_duplicates(records: &mut [RecordRef], chunks: &[Chunk<'_>]) -> Result<(), Error> {
    records.sort_unstable_by(|a, b| {
        let by_key = || key_of(chunks, a).cmp(key_of(chunks, b));
        a.hash.cmp(&b.hash).then_with(by_key).then_with(|| a.origin.cmp(&b.origin))
    });
    let same = |a: &RecordRef, b: &RecordRef| a.hash == b.hash && key_of(chunks, a) == key_of(chunks, b);
    let twice = records.windows(2).filter(|pair| same(&pair[0], &pair[1]));
    twice.min_by_key(|pair| pair[1].origin).map_or(Ok(()), |pair| {
        Err(Error::Duplicate {
            key: key_of(chunks, &pair[0]).to_vec(),
            first: pair[0].origin,
            second: pair[1].origin,
            differ: false,
        })
    })
}

/// A record as the pool holds it; of a long one what is in memory.
#[inline]
pub(crate) fn bytes_of<'a>(chunks: &'a [Chunk<'_>], record: &RecordRef) -> &'a [u8] {
    record_at(chunks[record.chunk as usize].bytes(), record)
}

#[inline]
fn record_at<'a>(chunk: &'a [u8], record: &RecordRef) -> &'a [u8] {
    let bytes = &chunk[record.offset as usize..];
    &bytes[..(lengths_of(bytes).total().unwrap_or(0) as usize).min(bytes.len())]
}

fn key_of<'a>(chunks: &'a [Chunk<'_>], record: &RecordRef) -> &'a [u8] {
    let chunk = chunks[record.chunk as usize].bytes();
    key_at(chunk, record.offset as usize, lengths_of(&chunk[record.offset as usize..]))
}

#[inline]
fn lengths_of(record: &[u8]) -> Lengths {
    // The loader has parsed the records of a job before.
    Lengths::parse(record).unwrap_or(Lengths { head: 0, key: 0, value: 0 })
}
