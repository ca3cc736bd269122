//! Random dicts: written by serde-pickle, or written by CPython and read by serde-pickle as an oracle; and random bytes.

use std::collections::BTreeMap;

use crate::support::{files, pairs, python};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::ReadOptions;
use proptest::prelude::*;
use serde_pickle::{DeOptions, HashableValue, SerOptions, Value};

fn block_sizes() -> impl Strategy<Value = usize> {
    prop_oneof![1..64usize, Just(1 << 20)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strings(
        dict in prop::collection::btree_map(any::<String>(), any::<String>(), 0..40),
        old in any::<bool>(),
        block_bytes in block_sizes(),
    ) {
        let options = if old { SerOptions::new().proto_v2() } else { SerOptions::new() };
        let pickle = serde_pickle::to_vec(&dict, options).unwrap();
        let options = ReadOptions { block_bytes, ..ReadOptions::default() };
        let found: BTreeMap<Vec<u8>, Vec<u8>> = pairs("x.pkl", &pickle, &options).unwrap().into_iter().collect();
        let wanted = dict.into_iter().map(|(k, v)| (k.into_bytes(), v.into_bytes())).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn bytes(
        dict in prop::collection::btree_map(any::<Vec<u8>>(), any::<Vec<u8>>(), 0..20),
        block_bytes in block_sizes(),
    ) {
        let value = Value::Dict(
            dict.iter().map(|(k, v)| (HashableValue::Bytes(k.clone()), Value::Bytes(v.clone()))).collect(),
        );
        let pickle = serde_pickle::value_to_vec(&value, SerOptions::new()).unwrap();
        let options = ReadOptions { key_type: KeyType::Bytes, value_type: ValueType::Bytes, block_bytes, ..ReadOptions::default() };
        let found: BTreeMap<Vec<u8>, Vec<u8>> = pairs("x.pkl", &pickle, &options).unwrap().into_iter().collect();
        prop_assert_eq!(found, dict);
    }

    #[test]
    fn any_json_value(value in json_values(), block_bytes in block_sizes()) {
        let dict = BTreeMap::from([("key".to_owned(), value)]);
        let pickle = serde_pickle::to_vec(&dict, SerOptions::new()).unwrap();
        let options = ReadOptions { value_type: ValueType::Json, block_bytes, ..ReadOptions::default() };
        let found = pairs("x.pkl", &pickle, &options).unwrap();
        let text = String::from_utf8(found[0].1.clone()).unwrap();
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &dict["key"], "{}", text);
    }

    #[test]
    fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..200), block_bytes in block_sizes()) {
        for value_type in [ValueType::Json, ValueType::Text] {
            let _ = pairs("x.pkl", &bytes, &ReadOptions { value_type, block_bytes, ..ReadOptions::default() });
        }
    }
}

/// Values whose numbers compare the same after a round trip; the oracle's parser of floats is not exact to the last
/// bit, so these are few bits long.
fn json_values() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let plain = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<i32>().prop_map(|eighths| Json::from(f64::from(eighths) / 8.0)),
        any::<String>().prop_map(Json::from),
    ];
    plain.prop_recursive(5, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Json::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Random dicts by CPython, in which objects occur many times, against serde-pickle.
#[test]
fn cpython_against_serde_pickle() {
    let directory = tempfile::tempdir().unwrap();
    python(
        r#"
import pickle, random
for seed in range(60):
    r = random.Random(seed)
    alphabet = r.choice(["ab", "aä€\U0001f600\n\\'\"", "".join(map(chr, range(0x250)))])
    word = lambda: "".join(r.choice(alphabet) for _ in range(r.choice([0, 1, 2, 5, 30, 300])))
    pool = [word() for _ in range(r.choice([1, 10, 300]))]
    d = {r.choice([word, lambda: r.choice(pool)])(): r.choice([word, lambda: r.choice(pool)])() for _ in range(r.choice([3, 50, 2000]))}
    for protocol in range(5):
        pickle.dump(d, open(f"{seed}-{protocol}.pkl", "wb"), protocol)
"#,
        directory.path(),
    );
    for path in files(directory.path(), "pkl") {
        let pickle = std::fs::read(&path).unwrap();
        let Value::Dict(wanted) = serde_pickle::value_from_slice(&pickle, DeOptions::new()).unwrap() else {
            panic!("not a dict")
        };
        let wanted: BTreeMap<Vec<u8>, Vec<u8>> = wanted
            .into_iter()
            .map(|pair| match pair {
                (HashableValue::String(key), Value::String(value)) => (key.into_bytes(), value.into_bytes()),
                other => panic!("{other:?}"),
            })
            .collect();
        for block_bytes in [17, 1 << 20] {
            let found =
                pairs("x.pkl", &pickle, &ReadOptions { block_bytes, ..ReadOptions::default() }).unwrap();
            assert_eq!(found.len(), wanted.len());
            assert!(found.into_iter().collect::<BTreeMap<_, _>>() == wanted, "{path:?}");
        }
    }
}
