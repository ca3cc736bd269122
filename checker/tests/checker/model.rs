//! A plain writer of small indexes, straight from `spec.md`. A test can spoil every part of a file before it is written.

use hashlith_checker::{Error, Options, Progress, Report, verify};
use hashlith_format::{
    Attempt, CELL_LEN, CellData, CellView, Geometry, Head, Header, KeyHasher, KeyType, PAGE, Rule, Sections,
    ValueType,
    checksum::{ChunkSums, digest},
    header::{Lens, seal},
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
    pub cells: Vec<Cell>,
}

/// A cell before it is packed.
#[derive(Clone, Default)]
pub struct Cell {
    /// The key of each slot.
    pub keys: Vec<Vec<u8>>,
    /// The bytes of each record, in slot order.
    pub records: Vec<Vec<u8>>,
    pub fingerprints: Vec<u32>,
    pub pilots: Vec<u8>,
    pub attempt: Attempt,
    /// Puts the entry of a slot somewhere else.
    pub moved: Option<(usize, u64)>,
    /// Bytes behind the last record.
    pub trailing: Vec<u8>,
}

/// How to make a model.
#[derive(Clone)]
pub struct Plan {
    pub cells: u64,
    pub hasher: KeyHasher,
    pub key_type: KeyType,
    pub value_type: ValueType,
    pub fingerprint_bits: u32,
    /// Attempts before this one are skipped.
    pub first_attempt: u8,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            cells: 1,
            hasher: KeyHasher::xxh3(0),
            key_type: KeyType::Bytes,
            value_type: ValueType::Bytes,
            fingerprint_bits: 8,
            first_attempt: 0,
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
        let mut parts = vec![Vec::new(); self.cells as usize];
        for pair in pairs {
            parts[self.hasher.hash(&pair.0).cell(1, self.cells) as usize].push(pair);
        }
        Model {
            hasher: self.hasher,
            key_type: self.key_type,
            value_type: self.value_type,
            fingerprint_bits: self.fingerprint_bits,
            metadata: Vec::new(),
            cells: parts.iter().map(|part| self.cell(part)).collect(),
        }
    }

    pub fn file(&self, pairs: &[Pair]) -> Vec<u8> {
        self.model(pairs).file()
    }

    fn cell(&self, pairs: &[&Pair]) -> Cell {
        if pairs.is_empty() {
            return Cell::default();
        }
        let geometry = Geometry { keys: u8::try_from(pairs.len()).unwrap() };
        for attempt in (self.first_attempt..=255).map(Attempt) {
            let lo = |key| self.hasher.salted_lo(key, self.hasher.hash(key), attempt.salt());
            let xs: Vec<u64> = pairs.iter().map(|(key, _)| attempt.number(lo(key))).collect();
            let Some((pilots, slots)) = find_pilots(&geometry, &xs) else { continue };
            let mut cell = Cell { pilots, attempt, ..Cell::default() };
            self.fill(&mut cell, pairs, &slots);
            return cell;
        }
        panic!("no pilots for {} keys", pairs.len());
    }

    fn fill(&self, cell: &mut Cell, pairs: &[&Pair], slots: &[u8]) {
        let count = pairs.len();
        cell.keys = vec![Vec::new(); count];
        cell.records = vec![Vec::new(); count];
        cell.fingerprints = vec![0; count];
        for ((key, value), &slot) in pairs.iter().zip(slots) {
            let slot = slot as usize;
            cell.keys[slot] = key.clone();
            record::write(key, value, &mut cell.records[slot]);
            let hash = self.hasher.hash(key);
            cell.fingerprints[slot] = hash.fingerprint(self.fingerprint_bits) as u32;
        }
    }
}

/// Greedy, the largest buckets first.
fn find_pilots(geometry: &Geometry, xs: &[u64]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut buckets = vec![Vec::new(); geometry.buckets() as usize];
    for (i, &x) in xs.iter().enumerate() {
        buckets[geometry.bucket(x) as usize].push(i);
    }
    let mut order: Vec<usize> = (0..buckets.len()).collect();
    order.sort_by_key(|&bucket| std::cmp::Reverse(buckets[bucket].len()));
    let mut taken = vec![false; geometry.keys as usize];
    let mut pilots = vec![0; buckets.len()];
    let mut slots = vec![0; xs.len()];
    for bucket in order {
        let places = |pilot| buckets[bucket].iter().map(move |&i| (i, geometry.slot(xs[i], pilot)));
        let fits = |&pilot: &u8| {
            let mut own: Vec<u8> = places(pilot).map(|(_, slot)| slot).collect();
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
    /// The bytes of the file, sealed.
    pub fn file(&self) -> Vec<u8> {
        let (mut pool, mut hot, mut far) = (Vec::new(), Vec::new(), Vec::new());
        let mut keys = 0;
        for cell in &self.cells {
            cell.write(keys, pool.len() as u64, self.fingerprint_bits, &mut hot, &mut far);
            pool.extend(cell.records.concat());
            pool.extend(&cell.trailing);
            keys += cell.records.len() as u64;
        }

        let cells = self.cells.len() as u64;
        let header = Header {
            part: 0,
            parts: 1,
            ignorable_features: 0,
            keys,
            cells,
            hasher: self.hasher,
            key_type: self.key_type,
            value_type: self.value_type,
            fingerprint_bits: self.fingerprint_bits,
            key_width: 0,
            key_tables: 0,
            value_tables: 0,
            shared_records: false,
            sections: Sections::place(Lens {
                pool: pool.len() as u64,
                cells,
                far: far.len() as u64,
                metadata: self.metadata.len() as u64,
                ..Lens::default()
            })
            .unwrap(),
            sums_digest: 0,
        };
        let mut file = vec![0; header.file_len() as usize];
        file[..PAGE as usize].copy_from_slice(&header.to_bytes());
        let spans = header.sections.all();
        for ((_, span), bytes) in
            spans.iter().zip([&Vec::new(), &pool, &hot, &far, &Vec::new(), &self.metadata])
        {
            file[span.offset as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        reseal(&mut file, &header.sections);
        file
    }

    /// Where the record of a key begins in the file.
    pub fn record_of(&self, key: &[u8]) -> u64 {
        let slot_in = |cell: &Cell| cell.keys.iter().position(|found| found == key);
        let mut places =
            self.cells.iter().enumerate().filter_map(|(number, cell)| Some((number, slot_in(cell)?)));
        let (cell, slot) = places.next().unwrap();
        self.record_at(cell, slot)
    }

    /// Where the record of a slot begins in the file.
    pub fn record_at(&self, cell: usize, slot: usize) -> u64 {
        let before: usize = self.cells[..cell].iter().map(Cell::pool_len).sum();
        PAGE + (before + self.cells[cell].records[..slot].concat().len()) as u64
    }
}

impl Cell {
    fn pool_len(&self) -> usize {
        self.records.concat().len() + self.trailing.len()
    }

    fn write(
        &self,
        first_id: u64,
        pool_start: u64,
        fingerprint_bits: u32,
        hot: &mut Vec<u8>,
        far: &mut Vec<u8>,
    ) {
        if self.records.is_empty() {
            let mut cell = [0; CELL_LEN as usize];
            Head { first_id, pool_start, ..Head::default() }.write(&mut cell);
            hot.extend(cell);
            return;
        }
        let mut offsets = vec![0];
        for record in &self.records {
            offsets.push(offsets.last().unwrap() + record.len() as u64);
        }
        if let Some((slot, offset)) = self.moved {
            offsets[slot] = offset;
        }
        let data = CellData {
            offsets: &offsets,
            fingerprints: &self.fingerprints,
            fingerprint_bits,
            pilots: &self.pilots,
            attempt: self.attempt,
            shared: None,
        };
        data.write(first_id, pool_start, hot, far).unwrap();
    }
}

/// Makes all digests and sums right for the bytes of the file.
pub fn reseal(file: &mut [u8], sections: &Sections) {
    let mut sums = ChunkSums::default();
    sums.update(&file[PAGE as usize..sections.sums.offset as usize]);
    let sums = sums.finish();
    file[sections.sums.offset as usize..].copy_from_slice(&sums);
    seal_header(file, digest(&sums));
}

/// Writes the two digests of the header.
pub fn seal_header(file: &mut [u8], sums: u64) {
    file[208..216].copy_from_slice(&sums.to_le_bytes());
    seal((&mut file[..PAGE as usize]).try_into().unwrap());
}

/// The file after an edit, sealed again.
pub fn edited(file: &[u8], edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let sections = header(file).sections;
    let mut file = file.to_vec();
    edit(&mut file);
    reseal(&mut file, &sections);
    file
}

/// Where a cell begins in the file.
pub fn cell_at(file: &[u8], cell: usize) -> usize {
    header(file).sections.hot.offset as usize + cell * CELL_LEN as usize
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

/// The fault of a file after an edit of one byte of a cell, and where that cell begins.
pub fn with_byte(file: &[u8], cell: usize, at: usize, edit: impl Fn(u8) -> u8) -> ((Rule, u64), u64) {
    let start = cell_at(file, cell);
    let file = edited(file, |file| file[start + at] = edit(file[start + at]));
    (fault(&file), start as u64)
}

/// One cell that is far although its body may fit.
pub fn far_file(plan: &Plan, pairs: &[Pair]) -> Vec<u8> {
    let near = plan.file(pairs);
    let mut header = header(&near);
    let at = cell_at(&near, 0);
    let (head, body) = body_of(&near, at, plan.fingerprint_bits);
    let (pool, far) = (header.sections.pool.len, body.len() as u64);
    header.sections = Sections::place(Lens { pool, cells: 1, far, ..Lens::default() }).unwrap();
    let mut file = near[..at].to_vec();
    file.resize(header.file_len() as usize, 0);
    file[..4096].copy_from_slice(&header.to_bytes());
    Head { far: Some(0), ..head }.write((&mut file[at..][..128]).try_into().unwrap());
    file[header.sections.far.offset as usize..][..body.len()].copy_from_slice(&body);
    edited(&file, |_| ())
}

/// The first bytes of a cell and its body.
pub fn body_of(file: &[u8], at: usize, fingerprint_bits: u32) -> (Head, Vec<u8>) {
    let far = header(file).sections.far;
    let view = CellView::new(file[at..].first_chunk().unwrap(), at as u64, fingerprint_bits, far).unwrap();
    (view.head, file[view.body as usize..][..view.body_len() as usize].to_vec())
}
