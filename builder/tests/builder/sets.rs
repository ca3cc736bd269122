//! A set answers like one file of all its records.

use crate::{names, small};
use hashlith_builder::{Builder, KeyHasher, Progress, commit_set};
use hashlith_format::Manifest;
use hashlith_reader::Index;
use proptest::prelude::*;
use std::{collections::BTreeMap, fs, path::Path};

pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

pub fn build(path: &Path, pairs: &Pairs, mut builder: Builder) -> Index<Vec<u8>> {
    for (key, value) in pairs {
        builder.add(key, value).unwrap();
    }
    builder.finish(path).unwrap();
    Index::load(path).unwrap()
}

pub fn numbered(count: u32) -> Pairs {
    (0..count).map(|i| (format!("key {i}").into_bytes(), format!("value {}", i * 7).into_bytes())).collect()
}

pub fn manifest(dir: &Path) -> Manifest {
    Manifest::parse(&fs::read(dir.join("manifest.json")).unwrap()).unwrap()
}

/// The directory holds the set that its manifest names, and nothing else.
pub fn assert_clean(dir: &Path) {
    let mut expected: Vec<_> = manifest(dir).parts.into_iter().map(|part| part.file).collect();
    expected.push("manifest.json".to_owned());
    expected.sort();
    assert_eq!(names(dir), expected);
}

pub fn check(index: &Index<Vec<u8>>, model: &Pairs, absent: &[Vec<u8>]) {
    assert_eq!(index.len(), model.len() as u64);
    let mut ids = vec![false; model.len()];
    for (key, value) in model {
        let record = index.find(key).unwrap().unwrap();
        assert_eq!(*record.value, value[..]);
        assert!(!std::mem::replace(&mut ids[record.id as usize], true), "an id twice");
        assert_eq!(index.by_id(record.id).unwrap().as_ref(), Some(&record));
        let mut from = index.iter_from(record.id).unwrap();
        assert_eq!(from.next().unwrap().unwrap(), record);
        if record.id.is_multiple_of(index.len() / 20 + 1) {
            let position = from.position();
            let rest: Vec<_> = from.map(Result::unwrap).collect();
            assert_eq!(rest.len() as u64, index.len() - record.id - 1);
            assert_eq!(index.iter_at(position).map(Result::unwrap).collect::<Vec<_>>(), rest);
        }
    }
    assert_eq!(index.iter_from(index.len()).unwrap().count(), 0);
    let keys: Vec<_> = model.keys().chain(absent).collect();
    let expected: Vec<_> = keys.iter().map(|&key| model.get(key).map(|value| value.into())).collect();
    assert_eq!(index.get_many(&keys).unwrap(), expected);
    let listed: Vec<_> = index.iter().map(Result::unwrap).collect();
    assert!(listed.iter().zip(0..).all(|(record, id)| record.id == id));
    let listed: Pairs = listed.iter().map(|record| (record.key.to_vec(), record.value.to_vec())).collect();
    assert_eq!(&listed, model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A set of any number of parts answers like the model. So does a set whose parts were built one by one.
    #[test]
    fn a_set_is_a_dict(
        pairs in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..200), 0..300),
        absent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..50),
        parts in 1u32..10,
        seed in any::<u64>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let hasher = KeyHasher::xxh3(seed);
        let index = build(&path("set"), &pairs, small().hasher(hasher).parts(parts));
        check(&index, &pairs, &absent);
        assert_clean(&path("set"));
        prop_assert_eq!(index.parts().len(), parts as usize);

        let mut files = Vec::new();
        for part in (0..parts).rev() {
            let own: Pairs = pairs
                .iter()
                .filter(|(key, _)| hasher.hash(key).part(parts) == part)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let file = path(&format!("{part}.hlith"));
            let index = build(&file, &own, small().hasher(hasher).part(part, parts));
            // Opened alone, it has its own keys only.
            let others: Vec<_> = pairs.keys().filter(|key| !own.contains_key(*key)).cloned().collect();
            check(&index, &own, &others);
            files.push(file);
        }
        commit_set(&path("other"), &files, &Progress::new()).unwrap();
        check(&Index::load(path("other")).unwrap(), &pairs, &absent);
        assert_clean(&path("other"));
        prop_assert_eq!(names(dir.path()), ["other", "set"]);
    }
}
