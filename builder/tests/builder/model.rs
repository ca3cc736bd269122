//! Promises 4 and 6: an index of any records answers like a map of them, and has the same bytes for any order of the records,
//! any number of threads and any memory limit.

use crate::{
    small,
    support::{evidence, soak},
};
use hashlith_builder::{Builder, Compress, Error, OnDuplicate};
use hashlith_reader::Index;
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn build(path: &Path, pairs: &Pairs, builder: Builder) -> Result<Index<Vec<u8>>, Error> {
    let mut builder = builder;
    for (key, value) in pairs {
        builder.add(key, value)?;
    }
    builder.finish(path)?;
    Ok(Index::load(path).unwrap())
}

fn check(index: &Index<Vec<u8>>, model: &BTreeMap<Vec<u8>, Vec<u8>>, absent: &[Vec<u8>]) {
    assert_eq!(index.len(), model.len() as u64);
    let mut ids = vec![false; model.len()];
    for (key, value) in model {
        assert_eq!(index.get(key).unwrap().as_deref(), Some(&value[..]));
        let id = index.id(key).unwrap().unwrap();
        assert!(!std::mem::replace(&mut ids[id as usize], true), "id {id} twice");
        let record = index.by_id(id).unwrap().unwrap();
        assert_eq!((&*record.key, &*record.value, record.id), (&key[..], &value[..], id));
    }
    for key in absent {
        assert_eq!(index.get(key).unwrap().as_deref(), model.get(key).map(|value| &value[..]));
        assert_eq!(index.contains(key).unwrap(), model.contains_key(key));
    }
    assert_eq!(index.by_id(model.len() as u64).unwrap(), None);
    let keys: Vec<_> = model.keys().chain(absent).collect();
    let expected: Vec<_> = keys.iter().map(|&key| model.get(key).map(|value| value.into())).collect();
    assert_eq!(index.get_many(&keys).unwrap(), expected);
    let listed: BTreeMap<_, _> = index
        .iter()
        .enumerate()
        .map(|(at, record)| {
            let record = record.unwrap();
            assert_eq!(record.id, at as u64);
            (record.key.to_vec(), record.value.to_vec())
        })
        .collect();
    assert_eq!(&listed, model);
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..12),
        1 => prop::collection::vec(any::<u8>(), 0..longest),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn answers_are_those_of_a_map(
        model in prop::collection::btree_map(bytes(300), bytes(3000), 0..300),
        absent in prop::collection::vec(bytes(300), 0..50),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let pairs: Pairs = model.clone().into_iter().collect();
        check(&build(&dir.path().join("x"), &pairs, small()).unwrap(), &model, &absent);
    }

    #[test]
    fn compressed_answers_are_those_of_a_map(
        texts in prop::collection::btree_map(text(12), text(40), 200..600),
        others in prop::collection::btree_map(bytes(300), bytes(3000), 0..20),
        absent in prop::collection::vec(text(12), 0..50),
        has_long in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = texts;
        model.extend(others);
        if has_long {
            // Long records, of which a job keeps the beginning only: each side long, and both.
            model.insert(b"long value".to_vec(), b"a long value ".repeat(20_000));
            model.insert(b"a long key ".repeat(9_000), b"its value".to_vec());
            model.insert(b"both are long".repeat(9_000), (0..200_000u32).flat_map(u32::to_le_bytes).collect());
            model.insert(b"a long key without a value".repeat(9_000), Vec::new());
        }
        let pairs: Pairs = model.clone().into_iter().collect();
        let builder = small().memory_limit(96 << 20).compress(Compress::On);
        let index = build(&dir.path().join("x"), &pairs, builder).unwrap();
        prop_assert!(index.first_header().key_tables > 0 || index.first_header().value_tables > 0);
        check(&index, &model, &absent);
        let file = std::fs::File::open(dir.path().join("x")).unwrap();
        hashlith_checker::verify(&file, &hashlith_checker::Options::default(), &hashlith_checker::Progress::new()).unwrap();
    }

    #[test]
    fn duplicates_follow_the_policy(
        pairs in prop::collection::vec((prop::collection::vec(0..4u8, 0..3), bytes(20)), 0..60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let last: BTreeMap<_, _> = pairs.iter().cloned().collect();
        let first: BTreeMap<_, _> = pairs.iter().rev().cloned().collect();
        check(&build(&path, &pairs, small().on_duplicate(OnDuplicate::Last)).unwrap(), &last, &[]);
        check(&build(&path, &pairs, small().on_duplicate(OnDuplicate::First)).unwrap(), &first, &[]);
        let strict = build(&path, &pairs, small());
        if last.len() == pairs.len() {
            check(&strict.unwrap(), &last, &[]);
        } else {
            let Err(Error::Duplicate { key, first, second, differ: false }) = strict else { panic!("no error") };
            let at = |position: u64| &pairs[position as usize - 1].0;
            prop_assert!(first.position < second.position);
            prop_assert_eq!((at(first.position), at(second.position)), (&key, &key));
            // The old file is still there, and nothing else.
            prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }
}

/// Text of at most this many words, which compresses.
fn text(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..40usize, 0..most).prop_map(|words| {
        let words = words.into_iter().map(|word| {
            ["red", "green", "blue", "dark", "light", "small", "large", "stone", "river", "field"][word % 10]
                .to_owned()
                + ["", "s", "ish", "-"][word / 10]
        });
        words.collect::<Vec<_>>().join(" ").into_bytes()
    })
}

fn numbered(count: u32) -> Pairs {
    (0..count)
        .map(|i| {
            let value = "v".repeat(i as usize * 7 % 40) + &i.to_string();
            (format!("key-{i}").into_bytes(), value.into_bytes())
        })
        .collect()
}

/// Promise 6. The digest covers the whole file, and changes only with its bytes.
#[test]
fn bytes_do_not_depend_on_order_threads_or_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut pairs = numbered(300_000);
    let mut random = fastrand::Rng::with_seed(5);
    let mut seen = Vec::new();
    let mut ways = vec![(1, 48 << 20), (2, 48 << 20), (3, 1 << 30), (16, 2 << 30)];
    if soak() {
        let memory = |threads| [Builder::smallest_memory(threads), 512 << 20, 1 << 30];
        ways = (1..=16).flat_map(|threads| memory(threads).map(|memory| (threads, memory))).collect();
    }
    for level in [Compress::Off, Compress::On] {
        for &(threads, memory) in &ways {
            random.shuffle(&mut pairs);
            let memory = if level == Compress::On { memory.max(96 << 20) } else { memory };
            let builder = Builder::new().threads(threads).memory_limit(memory).compress(level);
            build(&path, &pairs, builder).unwrap();
            seen.push(hashlith_format::checksum::digest(&std::fs::read(&path).unwrap()));
        }
    }
    let (plain, compressed) = seen.split_at(ways.len());
    assert!(plain.iter().all(|digest| *digest == DIGEST), "{plain:?}");
    assert!(compressed.iter().all(|digest| *digest == COMPRESSED), "{compressed:?}");
    evidence("model.same_bytes", seen.len());
}
/// If one of these fails, the format has changed, or the choices that `spec.md` section 10 leaves to the builder.
const DIGEST: u64 = 389_812_774_533_609_813;
const COMPRESSED: u64 = 8_295_277_444_166_151_423;

/// Temporary files and index go through the page cache, or bypass it.
#[test]
fn bytes_do_not_depend_on_the_page_cache() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let pairs = numbered(700_000);
    let mut seen = Vec::new();
    for page_cache in [u64::MAX, 0, 40 << 20] {
        let mut builder = small().page_cache(page_cache).temp_dir(dir.path());
        pairs.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
        assert!(builder.finish(&path).unwrap().spilled_bytes > 2 << 20);
        seen.push(hashlith_format::checksum::digest(&std::fs::read(&path).unwrap()));
    }
    assert!(seen.iter().all(|digest| *digest == seen[0]));
}

/// More than the memory limit: through temporary files, from four feeders, with `last` by source and position.
#[test]
fn spilled_and_parallel_builds_answer_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let pairs = numbered(700_000);
    let mut builder = small().on_duplicate(OnDuplicate::Last);
    let feeders: Vec<_> = (0..4).map(|_| builder.feeder().unwrap()).collect();
    std::thread::scope(|scope| {
        for (number, mut feeder) in feeders.into_iter().enumerate() {
            let pairs = &pairs;
            scope.spawn(move || {
                for (position, (key, value)) in (0u64..).zip(&pairs[number * 100_000..][..400_000]) {
                    let value = [&value[..], b" of ", number.to_string().as_bytes()].concat();
                    feeder.add_from(number as u32, position, key, &value).unwrap();
                }
                feeder.finish().unwrap();
            });
        }
    });
    let report = builder.finish(&path).unwrap();
    assert!(report.spilled_bytes > 0);
    assert_eq!((report.records, report.keys, report.duplicates), (1_600_000, 700_000, 900_000));
    let index = Index::load(&path).unwrap();
    for (at, (key, value)) in pairs.iter().enumerate() {
        let last = (at / 100_000).min(3);
        let expected = [&value[..], b" of ", last.to_string().as_bytes()].concat();
        assert_eq!(index.get(key).unwrap().as_deref(), Some(&expected[..]));
    }
    assert_eq!(index.iter().count(), 700_000);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
