//! `cargo bench`: the pieces of a lookup and of a build, on data that fits the processor's caches.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail by a panic")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hashlith_benches::{Shape, mix, record};
use hashlith_builder::Builder;
use hashlith_format::{Geometry, KeyHasher, record::Lengths};
use hashlith_reader::Index;
use std::hint::black_box;

const KEYS: u64 = 10_000;

fn keys(from: u64) -> Vec<Vec<u8>> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    (from..from + KEYS)
        .map(|number| {
            record(Shape::Strings, number, &mut key, &mut value);
            key.clone()
        })
        .collect()
}

fn builder() -> Builder {
    let mut builder = Builder::new().threads(1);
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in 0..KEYS {
        record(Shape::Strings, number, &mut key, &mut value);
        builder.add(&key, &value).unwrap();
    }
    builder
}

fn lookups(criterion: &mut Criterion) {
    let dir = std::env::temp_dir().join(format!("hashlith-micro-{}", std::process::id()));
    builder().finish(&dir).unwrap();
    let index = Index::load(&dir).unwrap();
    std::fs::remove_file(&dir).unwrap();
    let (hits, absent) = (keys(0), keys(KEYS));
    let mut group = criterion.benchmark_group("10k keys in cache");
    group.throughput(Throughput::Elements(KEYS));
    for (name, keys) in [("hit", &hits), ("absent", &absent)] {
        group.bench_function(format!("get, {name}"), |bench| {
            bench.iter(|| keys.iter().filter(|key| index.get(key).unwrap().is_some()).count());
        });
        group.bench_function(format!("get_many, {name}"), |bench| {
            bench.iter(|| index.get_many(keys).unwrap())
        });
    }
    group.bench_function("iter", |bench| {
        bench.iter(|| index.iter().map(|one| one.unwrap().value.len()).sum::<usize>())
    });
    group.finish();
}

fn pieces(criterion: &mut Criterion) {
    let keys = keys(0);
    let mut group = criterion.benchmark_group("pieces");
    group.throughput(Throughput::Elements(KEYS));
    group.bench_function("hash of a key", |bench| {
        bench.iter(|| keys.iter().fold(0, |sum, key| sum ^ KeyHasher::xxh3(0).hash(key).lo));
    });
    group.bench_function("slot of a hash, cell by cell", |bench| {
        let geometry = Geometry { keys: black_box(40) };
        bench.iter(|| (0..KEYS).fold(0, |sum, number| sum ^ geometry.slot(mix(number), number as u8)));
    });
    let head = [17u8, 25, 0, 0];
    group.bench_function("lengths of a record", |bench| {
        bench.iter(|| (0..KEYS).filter_map(|_| Lengths::parse(black_box(&head))).count());
    });
    group.finish();
}

fn builds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build 10k");
    group.throughput(Throughput::Elements(KEYS)).sample_size(20);
    let path = std::env::temp_dir().join(format!("hashlith-micro-build-{}", std::process::id()));
    group.bench_function("cells and file, one thread", |bench| {
        bench.iter_batched(builder, |builder| builder.finish(&path).unwrap(), BatchSize::PerIteration);
    });
    std::fs::remove_file(&path).unwrap();
    group.finish();
}

criterion_group!(benches, lookups, pieces, builds);
criterion_main!(benches);
