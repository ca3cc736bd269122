//! Integer keys, keys left out, numbers and nothing as values: builder, checker and reader agree with a map.

use hashlith_builder::{Builder, Compress, can_recut};
use hashlith_checker::{Against, AgainstOptions, Mismatch, Options, Progress, verify};
use hashlith_format::{Error, KeyHasher, KeyType, Rule, ValueType, header::seal, int_key};
use hashlith_reader::Index;
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
};

pub(crate) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// How an index is built.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) keys: KeyType,
    pub(crate) values: ValueType,
    pub(crate) check_bits: u32,
    pub(crate) siphash: bool,
    pub(crate) compress: bool,
    pub(crate) parts: u32,
    pub(crate) threads: usize,
}

impl Plan {
    pub(crate) fn build(&self, records: &Map, path: &Path) {
        let can_compress = self.keys != KeyType::Int && self.keys != KeyType::None
            || !matches!(self.values, ValueType::None | ValueType::Numbers(_));
        let mut builder = Builder::new()
            .threads(self.threads)
            .memory_limit(128 << 20)
            .key_type(self.keys)
            .value_type(self.values)
            .hasher(if self.siphash { KeyHasher::siphash(1, 2) } else { KeyHasher::xxh3(7) })
            .compress(if self.compress && can_compress { Compress::On } else { Compress::Off });
        if self.keys == KeyType::None {
            builder = builder.check_bits(self.check_bits);
        }
        if self.parts > 1 {
            builder = builder.parts(self.parts);
        }
        for (key, value) in records {
            builder.add(key, value).unwrap();
        }
        builder.finish(path).unwrap();
    }

    fn text(&self) -> bool {
        !matches!(self.values, ValueType::None | ValueType::Numbers(_))
    }
}

/// The files of an index, in order.
pub(crate) fn files(path: &Path) -> Vec<Vec<u8>> {
    if path.is_file() {
        return vec![fs::read(path).unwrap()];
    }
    let index = Index::load(path).unwrap();
    index.parts().iter().map(|part| part.as_bytes().to_vec()).collect()
}

/// What the map says of an index: every way to read it, verification, comparison.
pub(crate) fn check(plan: &Plan, records: &Map, absent: &[Vec<u8>], path: &Path) {
    let index = Index::load(path).unwrap();
    let left_out = plan.keys == KeyType::None;
    assert_eq!(index.len(), records.len() as u64);
    let keys: Vec<&Vec<u8>> = records.keys().collect();
    let many = index.get_many(&keys).unwrap();
    let mut ids = vec![false; records.len()];
    for ((key, value), found) in records.iter().zip(many) {
        assert_eq!(index.get(key).unwrap().as_deref(), Some(&value[..]));
        assert_eq!(found.as_deref(), Some(&value[..]));
        let id = index.id(key).unwrap().unwrap();
        assert!(!std::mem::replace(&mut ids[id as usize], true));
        let record = index.by_id(id).unwrap().unwrap();
        assert_eq!((record.id, &record.value[..]), (id, &value[..]));
        assert_eq!(&record.key[..], if left_out { &[] } else { &key[..] });
    }
    for key in absent.iter().filter(|key| !records.contains_key(*key)) {
        // With few check bits an absent key may look like a present one.
        assert!(left_out || index.get(key).unwrap().is_none());
    }
    let mut walked: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (number, record) in index.iter().enumerate() {
        let record = record.unwrap();
        assert_eq!(record.id, number as u64);
        walked.push((record.key.into_owned(), record.value.into_owned()));
    }
    walked.sort();
    let mut wanted: Vec<_> = records
        .iter()
        .map(|(key, value)| (if left_out { Vec::new() } else { key.clone() }, value.clone()))
        .collect();
    wanted.sort();
    assert_eq!(walked, wanted);
    for bytes in files(path) {
        let report = verify(&bytes[..], &Options { threads: 2 }, &Progress::default()).unwrap();
        assert_eq!(report.header.value_type, plan.values);
    }
    if path.is_file() {
        let file = File::open(path).unwrap();
        let against = Against::new(&file, &AgainstOptions::default()).unwrap();
        for (key, value) in records {
            against.check(key, value).unwrap();
        }
        assert!(against.finish().unwrap().agrees());
        let against = Against::new(&file, &AgainstOptions::default()).unwrap();
        if let Some((key, value)) = records.first_key_value() {
            let mut other = value.clone();
            match other.first_mut() {
                Some(byte) => *byte ^= 1,
                None if plan.text() => other.push(b'x'),
                None => return,
            }
            assert!(matches!(against.check(key, &other), Err(Mismatch::Value { .. })));
        }
    }
}

fn value_types() -> impl Strategy<Value = ValueType> {
    let names = ["text", "bytes", "none", "int8", "uint16[3]", "int64", "float32", "float64[5]", "uint8[1]"];
    prop::sample::select(names.map(|name| name.parse().unwrap()).to_vec())
}

prop_compose! {
    fn plans()(
        keys in prop::sample::select(vec![KeyType::Bytes, KeyType::Text, KeyType::Int, KeyType::None]),
        values in value_types(),
        check_bits in 8..=64u32,
        (siphash, compress) in (prop::bool::weighted(0.2), prop::bool::weighted(0.1)),
        parts in prop::sample::select(vec![1u32, 1, 1, 2, 3, 4]),
        threads in 1..3usize,
    ) -> Plan {
        Plan { keys, values, check_bits, siphash, compress, parts, threads }
    }
}

/// Keys of a plan: integers of a random width, or short strings.
fn key(plan: &Plan, raw: u64, width: u32) -> Vec<u8> {
    match plan.keys {
        KeyType::Int => int_key((raw as i64) >> (64 - width)).to_vec(),
        _ => format!("{:x}", raw % 5000).into_bytes(),
    }
}

fn value(plan: &Plan, raw: u64) -> Vec<u8> {
    match plan.values {
        ValueType::None => Vec::new(),
        ValueType::Numbers(row) => {
            raw.to_le_bytes().repeat(row.width() as usize / 8 + 1)[..row.width() as usize].to_vec()
        }
        _ => format!("value {}", raw % 1000).repeat((raw % 3) as usize).into_bytes(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_types_against_a_map(
        plan in plans(),
        raw in prop::collection::vec((any::<u64>(), any::<u64>()), 0..400),
        absent in prop::collection::vec(any::<u64>(), 0..50),
        width in 1..=64u32,
    ) {
        let records: Map = raw.iter().map(|&(k, v)| (key(&plan, k, width), value(&plan, v))).collect();
        let absent: Vec<_> = absent.iter().map(|&k| key(&plan, k, 64)).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        plan.build(&records, &path);
        check(&plan, &records, &absent, &path);

        // The same cells in other files.
        let (old, other) = (files(&path), dir.path().join("other"));
        let old: Vec<&[u8]> = old.iter().map(Vec::as_slice).collect();
        let parts = if plan.parts == 1 { 1 } else { 2 };
        if can_recut(&old, parts) {
            let mut builder = Builder::new();
            if parts > 1 {
                builder = builder.parts(parts);
            }
            builder.finish_recut(&old, &other).unwrap();
            check(&plan, &records, &absent, &other);
        }
    }
}

/// 16-bit checks: about one absent key in 65,536 is taken for a present one.
#[test]
fn the_rate_of_wrong_answers_is_that_of_the_check_bits() {
    let dir = tempfile::tempdir().unwrap();
    for (bits, values, most) in [(8, "uint8", 256), (12, "text", 4096), (16, "none", 65_536), (40, "none", 0)]
    {
        let plan = Plan {
            keys: KeyType::None,
            values: values.parse().unwrap(),
            check_bits: bits,
            siphash: false,
            compress: false,
            parts: 1,
            threads: 2,
        };
        let records: Map = (0..20_000u64).map(|i| (i.to_le_bytes().to_vec(), value(&plan, i))).collect();
        let path = dir.path().join("index");
        plan.build(&records, &path);
        let index = Index::load(&path).unwrap();
        assert_eq!(index.first_header().check_bits(), Some(bits));
        let tries = 1_000_000u64;
        let wrong =
            (20_000..20_000 + tries).filter(|i| index.contains(&i.to_le_bytes()).unwrap()).count() as u64;
        if most == 0 {
            assert_eq!(wrong, 0);
        } else {
            // Four standard deviations.
            let expected = tries as f64 / most as f64;
            assert!((wrong as f64 - expected).abs() < 4.0 * expected.sqrt(), "{bits}: {wrong} {expected}");
        }
    }
}

/// Long vectors stay on disk until they are written; a set cuts them at its parts.
#[test]
fn vectors_longer_than_a_chunk() {
    let dir = tempfile::tempdir().unwrap();
    for (keys, parts) in [(KeyType::Text, 1), (KeyType::Int, 1), (KeyType::None, 1), (KeyType::Text, 3)] {
        let plan = Plan {
            keys,
            values: "float32[20000]".parse().unwrap(),
            check_bits: 40,
            siphash: false,
            compress: false,
            parts,
            threads: 2,
        };
        let value = |i: u64| (0..20_000u64).flat_map(|j| ((i * j) as f32).to_le_bytes()).collect::<Vec<u8>>();
        let mut records: Map = (0..30).map(|i| (int_key(i).to_vec(), value(i as u64))).collect();
        if keys != KeyType::Int {
            records.insert(vec![b'k'; 100_000], value(99));
        }
        let path = dir.path().join(format!("{keys}-{parts}"));
        plan.build(&records, &path);
        check(&plan, &records, &[], &path);
    }
}

#[test]
fn what_does_not_have_the_width_of_its_type_is_refused() {
    let mut ints = Builder::new().key_type(KeyType::Int).value_type("int16[2]".parse().unwrap());
    assert_eq!(
        ints.add(b"1234567", b"1234").unwrap_err().to_string(),
        "a key of 7 bytes is no int: that has 8"
    );
    let error = ints.add(&int_key(1), b"12345").unwrap_err();
    assert_eq!(error.to_string(), "a value of 5 bytes is no int16[2]: that has 4");
    assert!(Builder::new().value_type(ValueType::None).add(b"key", b"value").is_err());
}

/// The fewest check bits of all parts say how often an answer is wrong.
#[test]
fn parts_may_have_other_check_bits() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = [(0, 64), (1, 8)]
        .map(|(part, bits)| {
            let path = dir.path().join(format!("{part}"));
            let mut builder = Builder::new().key_type(KeyType::None).check_bits(bits).part(part, 2);
            for key in (0..100u32).map(u32::to_le_bytes) {
                if KeyHasher::xxh3(0).hash(&key).part(2) == part {
                    builder.add(&key, b"v").unwrap();
                }
            }
            builder.finish(&path).unwrap();
            path
        })
        .into();
    let set = dir.path().join("set");
    hashlith_builder::commit_set(&set, &files, &Progress::default()).unwrap();
    assert_eq!(Index::load(&set).unwrap().check_bits(), Some(8));
    let mut late = Builder::new().key_type(KeyType::None);
    late.add(b"k", b"v").unwrap();
    assert!(late.check_bits(200).finish(dir.path().join("x")).is_err());
}

/// A part alone does not take keys of the other parts for its own, however few bits tell keys apart.
#[test]
fn a_part_alone_has_no_keys_of_other_parts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part");
    let mut builder = Builder::new().key_type(KeyType::None).check_bits(8).part(1, 2);
    let keys: Vec<[u8; 4]> = (0..10_000u32).map(u32::to_le_bytes).collect();
    let (own, others): (Vec<[u8; 4]>, Vec<[u8; 4]>) =
        keys.iter().partition(|key| KeyHasher::xxh3(0).hash(*key).part(2) == 1);
    own.iter().for_each(|key| builder.add(key, b"v").unwrap());
    builder.finish(&path).unwrap();
    let index = Index::load(&path).unwrap();
    assert!(index.get_many(&own).unwrap().iter().all(Option::is_some));
    assert!(index.get_many(&others).unwrap().iter().all(Option::is_none));
    assert!(others.iter().all(|key| !index.contains(key).unwrap()));
}

/// A comparison shows the keys that it misses as what they are.
#[test]
fn missed_keys_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let long = "k".repeat(100);
    let long_shown = format!("{:?}... (100 bytes)", &long[..64]);
    for (key_type, key, shown) in [
        (KeyType::Int, &int_key(-7)[..], "\"-7\""),
        (KeyType::Bytes, long.as_bytes(), &long_shown),
        (KeyType::Text, b"8 bytes.", "\"8 bytes.\""),
        (KeyType::None, b"key", "\"(left out, dense id 0)\""),
    ] {
        let path = dir.path().join(key_type.name());
        let mut builder = Builder::new().key_type(key_type);
        builder.add(key, b"v").unwrap();
        builder.finish(&path).unwrap();
        let file = File::open(&path).unwrap();
        let report = Against::new(&file, &AgainstOptions::default()).unwrap().finish().unwrap();
        assert_eq!(report.unseen_keys[0].to_string(), shown);
        let against = Against::new(&file, &AgainstOptions::default()).unwrap();
        let Err(Mismatch::Value { key: found, .. }) = against.check(key, b"w") else {
            panic!("the same value")
        };
        if key_type != KeyType::None {
            assert_eq!(found.to_string(), shown);
        }
    }
}

/// R20: a damaged cell gives ids that have no value.
#[test]
fn an_id_without_a_value_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut builder = Builder::new().value_type("int32".parse().unwrap());
    builder.add(b"key", &5i32.to_le_bytes()).unwrap();
    builder.finish(&path).unwrap();
    let mut file = fs::read(&path).unwrap();
    let header = *Index::load(&path).unwrap().first_header();
    file[header.sections.hot.offset as usize] = 9;
    seal(file.first_chunk_mut().unwrap());
    let index = Index::new(&file[..]).unwrap();
    let wanted = (Rule::R(20), header.sections.pool.offset);
    let fault = |error: Error| (error.rule(), error.offset());
    assert_eq!(fault(index.get(b"key").unwrap_err()), wanted);
    assert_eq!(fault(index.get_many(&["key"]).unwrap_err()), wanted);
    let against = Against::new(&file[..], &AgainstOptions::default()).unwrap();
    let Err(Mismatch::Index(error)) = against.check(b"key", &5i32.to_le_bytes()) else { panic!("no fault") };
    assert_eq!(error.offset(), Some(wanted.1));
}
