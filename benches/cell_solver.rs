//! `cargo bench --bench cell_solver 2>/dev/null`: the perfect hash of a cell next to the crate `ptr_hash`, on the same keys in
//! one run. (For many small groups `ptr_hash` reports on standard error that it tries another seed.)
//!
//! PtrHash is used in two ways: one instance for all keys, which needs them all in memory, and one instance per group of keys
//! as large as a cell. Both times and sizes are printed.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail by a panic")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hashlith_benches::mix;
use hashlith_builder::solver::Solver;
use hashlith_format::{Attempt, Geometry};
use ptr_hash::{DefaultPtrHash, FastPtrHash, PtrHashParams, hash::FastIntHash};
use std::hint::black_box;

/// Keys of a group: the average of a cell with records of 45 to 50 bytes.
const GROUP: usize = 40;
const KEYS: usize = 25_000 * GROUP;

type Compact = DefaultPtrHash<FastIntHash>;
type Fast = FastPtrHash<FastIntHash>;

/// Hashes of distinct keys.
fn hashes() -> Vec<u64> {
    (0..KEYS as u64).map(mix).collect()
}

/// For each cell its attempt, and behind it a pilot for each bucket, as a cell of the format has them.
struct Cells {
    bytes: Vec<u8>,
    len: usize,
}

impl Cells {
    fn new(hashes: &[u64]) -> Self {
        let mut solver = Solver::default();
        let len = 1 + Geometry { keys: GROUP as u8 }.buckets() as usize;
        let mut bytes = Vec::with_capacity(hashes.len() / GROUP * len);
        for group in hashes.chunks(GROUP) {
            bytes.push(solver.solve(group).unwrap());
            bytes.extend_from_slice(&solver.pilots);
        }
        Cells { bytes, len }
    }

    fn slot(&self, number: usize, hash: u64) -> u8 {
        let (&attempt, pilots) = self.bytes[number / GROUP * self.len..].split_first().unwrap();
        let geometry = Geometry { keys: GROUP as u8 };
        let x = Attempt(attempt).number(hash);
        geometry.slot(x, pilots[geometry.bucket(x) as usize])
    }
}

fn sizes(hashes: &[u64]) {
    let cell_bits = 8.0 * Geometry { keys: GROUP as u8 }.buckets() as f64 / GROUP as f64;
    let bits = |(pilots, remap): (f64, f64)| pilots + remap;
    let one = Compact::new(hashes, PtrHashParams::default());
    let fast = Fast::new(hashes, PtrHashParams::default_fast());
    let group = Compact::new(&hashes[..GROUP], PtrHashParams::default());
    let group_bytes = size_of::<Compact>() as f64 + bits(group.bits_per_element()) * GROUP as f64 / 8.0;
    println!("bits per key of the perfect hash, {KEYS} keys:");
    println!("  cells of {GROUP} keys               {cell_bits:.2}");
    println!("  ptr_hash, one instance         {:.2}", bits(one.bits_per_element()));
    println!("  ptr_hash, one fast instance    {:.2}", bits(fast.bits_per_element()));
    println!(
        "  ptr_hash per {GROUP} keys           {:.0} ({group_bytes:.0} bytes each)",
        8.0 * group_bytes / GROUP as f64
    );
}

fn construction(criterion: &mut Criterion) {
    let hashes = hashes();
    sizes(&hashes);
    let mut group = criterion.benchmark_group("construction");
    group.throughput(Throughput::Elements(KEYS as u64)).sample_size(10);
    group.bench_function("cells", |bench| bench.iter(|| Cells::new(&hashes)));
    // One thread each, as for cells and groups.
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    group.bench_function("ptr_hash, one instance", |bench| {
        bench.iter(|| one_thread.install(|| Compact::new(&hashes, PtrHashParams::default())));
    });
    group.bench_function("ptr_hash, one fast instance", |bench| {
        bench.iter(|| one_thread.install(|| Fast::new(&hashes, PtrHashParams::default_fast())));
    });
    group.throughput(Throughput::Elements(KEYS as u64 / 10));
    group.bench_function("ptr_hash per group", |bench| {
        let groups = || hashes.chunks(GROUP).take(KEYS / GROUP / 10);
        bench.iter(|| {
            one_thread.install(|| {
                groups().map(|group| Compact::new(group, PtrHashParams::default())).collect::<Vec<_>>()
            })
        });
    });
    group.finish();
}

fn evaluation(criterion: &mut Criterion) {
    let hashes = hashes();
    let cells = Cells::new(&hashes);
    let one = Compact::new(&hashes, PtrHashParams::default());
    let fast = Fast::new(&hashes, PtrHashParams::default_fast());
    // In random order, like lookups.
    let order: Vec<usize> = (0..KEYS as u64).map(|i| (mix(i ^ 1) % KEYS as u64) as usize).collect();
    let mut group = criterion.benchmark_group("evaluation");
    group.throughput(Throughput::Elements(KEYS as u64)).sample_size(10);
    group.bench_function("cells", |bench| {
        bench.iter(|| order.iter().map(|&i| u64::from(cells.slot(i, black_box(hashes[i])))).sum::<u64>());
    });
    group.bench_function("ptr_hash, one instance", |bench| {
        bench.iter(|| order.iter().map(|&i| one.index(black_box(&hashes[i]))).sum::<usize>());
    });
    group.bench_function("ptr_hash, one fast instance", |bench| {
        bench.iter(|| order.iter().map(|&i| fast.index(black_box(&hashes[i]))).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, construction, evaluation);
criterion_main!(benches);
