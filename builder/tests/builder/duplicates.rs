//! What the policies for duplicates leave gives the same bytes as those records alone.

use crate::small;
use hashlith_builder::{Builder, Compress, Error, KeyType, OnDuplicate, Origin, Report, ValueType};
use hashlith_reader::Index;
use proptest::prelude::*;
use std::{collections::BTreeMap, fs, path::Path};

/// Records with where they are from.
type Records = Vec<(Origin, Vec<u8>, Vec<u8>)>;
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// All bytes of an index or a set.
fn bytes(path: &Path) -> Vec<(String, Vec<u8>)> {
    if path.is_file() {
        return vec![(String::new(), fs::read(path).unwrap())];
    }
    let read = |name: String| (name.clone(), fs::read(path.join(name)).unwrap());
    crate::names(path).into_iter().map(read).collect()
}

/// Builds with as many feeders as sources, by turns.
fn build(path: &Path, records: &Records, mut builder: Builder) -> Result<Report, Error> {
    let sources = records.iter().map(|one| one.0.source + 1).max().unwrap_or(1);
    let mut feeders: Vec<_> = (0..sources).map(|_| builder.feeder()).collect::<Result<_, _>>()?;
    for (Origin { source, position }, key, value) in records {
        feeders[*source as usize].add_from(*source, *position, key, value)?;
    }
    feeders.into_iter().try_for_each(hashlith_builder::Feeder::finish)?;
    builder.finish(path)
}

fn alone(model: &Model) -> Records {
    let records = (0..).zip(model);
    records
        .map(|(position, (key, value))| (Origin { source: 0, position }, key.clone(), value.clone()))
        .collect()
}

/// What stays of the records.
fn kept(records: &Records, policy: OnDuplicate) -> Model {
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by_key(|one| one.0);
    let mut model = Model::new();
    for (_, key, value) in sorted {
        if policy == OnDuplicate::Last || !model.contains_key(key) {
            model.insert(key.clone(), value.clone());
        }
    }
    model
}

/// The values of each key as a JSON array.
fn collected(records: &Records, is_text: bool) -> Model {
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by_key(|one| one.0);
    let mut arrays = BTreeMap::<Vec<u8>, Vec<String>>::new();
    for (_, key, value) in sorted {
        let text = String::from_utf8(value.clone()).unwrap();
        let value = if is_text { serde_json::to_string(&text).unwrap() } else { text };
        arrays.entry(key.clone()).or_default().push(value);
    }
    arrays.into_iter().map(|(key, values)| (key, format!("[{}]", values.join(",")).into_bytes())).collect()
}

/// Compares the build of the records with that of the records that stay.
fn check(
    records: &Records,
    policy: OnDuplicate,
    builder: impl Fn() -> Builder,
    value_type: ValueType,
) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let (found, expected) = (dir.path().join("found"), dir.path().join("expected"));
    let report = build(&found, records, builder().on_duplicate(policy).value_type(value_type)).unwrap();
    let (model, value_type) = match policy {
        OnDuplicate::Collect => (collected(records, value_type == ValueType::Text), ValueType::Json),
        _ => (kept(records, policy), value_type),
    };
    build(&expected, &alone(&model), builder().value_type(value_type)).unwrap();
    assert!(bytes(&found) == bytes(&expected), "{policy}");
    let dropped = if policy == OnDuplicate::Collect { 0 } else { records.len() - model.len() };
    let counts = (report.records, report.keys, report.duplicates);
    assert_eq!(counts, (records.len() as u64, model.len() as u64, dropped as u64));
    // Neither the trial nor temporary files are left.
    assert_eq!(crate::names(dir.path()), ["expected", "found"]);
    report
}

/// Few keys, so that most occur often.
fn few_keys() -> impl Strategy<Value = Records> {
    let one = (0..3u32, prop::collection::vec(0..4u8, 0..3), "\\PC{0,12}|[\\x00-\\x1f\"\\\\]{0,6}");
    prop::collection::vec(one, 0..80).prop_map(|records| {
        let record = |(position, (source, key, value)): (u64, (u32, Vec<u8>, String))| {
            // Positions of a source need not rise.
            (Origin { source, position: position * 7919 % 1009 }, key, value.into_bytes())
        };
        (0..).zip(records).map(record).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn bytes_are_those_of_what_stays(records in few_keys(), parts in 1..4u32, left_out in any::<bool>()) {
        let keys = if left_out { KeyType::None } else { KeyType::Bytes };
        let builder = || if parts > 1 { small().parts(parts) } else { small() }.key_type(keys);
        for policy in [OnDuplicate::First, OnDuplicate::Last, OnDuplicate::Collect] {
            check(&records, policy, builder, ValueType::Text);
        }
    }

    #[test]
    fn unique_keeps_equal_copies_and_refuses_others(records in few_keys()) {
        let dir = tempfile::tempdir().unwrap();
        let model = kept(&records, OnDuplicate::First);
        let equal: Records =
            records.iter().map(|(origin, key, _)| (*origin, key.clone(), model[key].clone())).collect();
        check(&equal, OnDuplicate::Unique, small, ValueType::Text);
        let built = build(&dir.path().join("x"), &records, small().on_duplicate(OnDuplicate::Unique));
        let differ = records.iter().any(|(_, key, value)| model[key] != *value);
        match built {
            Ok(_) => prop_assert!(!differ),
            Err(Error::Duplicate { key, first, second, differ: true }) => {
                let value = |at: Origin| &records.iter().find(|one| one.0 == at && one.1 == key).unwrap().2;
                prop_assert!(first < second && value(first) != value(second));
                prop_assert_eq!(value(first), &model[&key]);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

/// Records of every length with a few copies each, from several sources; JSON values.
fn many(count: u64, copies: u64) -> Records {
    let mut random = fastrand::Rng::with_seed(count);
    let mut records = Vec::new();
    for copy in 0..copies {
        for number in 0..count {
            let len = match number % 20_011 {
                // Long records: a long value, a long key, both.
                1 => (0, 90_000),
                2 => (90_000, 1),
                3 => (70_000, 70_000),
                _ => (0, number as usize * 7 % 40),
            };
            let key =
                format!("key-{}{}", number % (count - count / 10 * copy), "k".repeat(len.0)).into_bytes();
            let value = format!("\"{copy}{}\"", "value of ".repeat(len.1 / 9)).into_bytes();
            records.push((Origin { source: random.u32(0..3), position: random.u64(0..1 << 40) }, key, value));
        }
    }
    random.shuffle(&mut records);
    records
}

/// Through temporary files, with sorted runs; for each way in which the builder stores records.
#[test]
fn spilled_records_settle_the_same() {
    let records = many(220_000, 3);
    let small = || Builder::new().threads(2).memory_limit(48 << 20);
    let large = || Builder::new().threads(3).memory_limit(2 << 30);
    let coded = || Builder::new().threads(1).memory_limit(96 << 20).compress(Compress::Fast);
    let mut spilled = false;
    for policy in [OnDuplicate::First, OnDuplicate::Last, OnDuplicate::Collect] {
        spilled |= check(&records, policy, small, ValueType::Json).spilled_bytes > 0;
    }
    assert!(spilled);
    check(&records, OnDuplicate::Collect, large, ValueType::Json);
    check(&records, OnDuplicate::Last, coded, ValueType::Json);
    check(&records, OnDuplicate::First, || small().parts(3), ValueType::Json);
    let equal: Records = records
        .iter()
        .map(|(origin, key, _)| (*origin, key.clone(), [&b"\""[..], key, b"\""].concat()))
        .collect();
    check(&equal, OnDuplicate::Unique, small, ValueType::Json);
}

/// No key occurs twice: the trial is the result.
#[test]
fn records_without_copies_are_built_once() {
    let records = many(100_000, 1);
    let policies = [OnDuplicate::First, OnDuplicate::Last, OnDuplicate::Unique];
    for policy in policies {
        let report = check(&records, policy, small, ValueType::Json);
        let phases: Vec<_> = report.phases.iter().map(|(phase, _)| phase.name()).collect();
        assert_eq!(phases, ["reading", "building", "sealing"], "{policy}");
    }
}

/// Vectors of numbers, some of them in long records, with integer keys; a long value that differs at its end.
#[test]
fn values_of_any_type_are_settled() {
    let value_type: ValueType = "float32[20000]".parse().unwrap();
    let records: Records = (0..60u64)
        .map(|number| {
            let value = vec![number as u8; 80_000];
            (
                Origin { source: 0, position: number },
                hashlith_builder::int_key(number as i64 % 25).to_vec(),
                value,
            )
        })
        .collect();
    let builder = || small().key_type(KeyType::Int);
    check(&records, OnDuplicate::First, builder, value_type);
    check(&records, OnDuplicate::Last, builder, value_type);
    let dir = tempfile::tempdir().unwrap();
    let unique = |ends: [u8; 2]| {
        let long = |end: u8| [&vec![b'v'; 3 << 20][..], &[end]].concat();
        let record = |position, end| (Origin { source: 0, position }, b"key".to_vec(), long(end));
        let records = vec![record(1, ends[0]), record(2, ends[1])];
        build(&dir.path().join("x"), &records, small().on_duplicate(OnDuplicate::Unique))
    };
    assert_eq!(unique([1, 1]).unwrap().duplicates, 1);
    assert!(matches!(unique([1, 2]), Err(Error::Duplicate { differ: true, .. })));
}

/// Only text and JSON can become JSON.
#[test]
fn other_values_are_not_collected() {
    for kind in ["bytes", "none", "int8", "float32[3]"] {
        let value_type: ValueType = kind.parse().unwrap();
        let mut builder = small().on_duplicate(OnDuplicate::Collect).value_type(value_type);
        let error = builder.add(b"key", b"v").unwrap_err();
        assert!(error.to_string().contains("must be text or JSON"), "{kind}: {error}");
    }
}

/// An array that is longer than the memory.
#[test]
fn arrays_of_any_length_are_collected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut builder = small().on_duplicate(OnDuplicate::Collect).value_type(ValueType::Text);
    let value = |number: u32| format!("{number:06}{}", "\"".repeat(if number == 77 { 3 << 20 } else { 20 }));
    for number in 0..600_000 {
        builder.add(b"one", value(number).as_bytes()).unwrap();
    }
    builder.add(b"two", b"").unwrap();
    let report = builder.finish(&path).unwrap();
    assert_eq!((report.records, report.keys, report.duplicates), (600_001, 2, 0));
    let index = Index::load(&path).unwrap();
    assert_eq!(index.get(b"two").unwrap().as_deref(), Some(&b"[\"\"]"[..]));
    let array = index.get(b"one").unwrap().unwrap();
    let found: Vec<String> = serde_json::from_slice(&array).unwrap();
    assert!(found.iter().eq((0..600_000).map(value).collect::<Vec<_>>().iter()));
}
