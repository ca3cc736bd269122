//! Compressed builds: records that are longer than a block, and values that repeat their keys.

use hashlith_builder::{Builder, Compress, KeyType, ValueType};
use hashlith_checker::{Against, AgainstOptions, Options, Progress, verify};
use hashlith_format::int_key;
use hashlith_reader::Index;
use std::{collections::BTreeMap, fs::File};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Builds, verifies and compares an index. Returns the bytes of its pool and the numbers of its tables.
fn check(key_type: KeyType, value_type: ValueType, records: &Map) -> (u64, (u8, u8)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut builder = Builder::new()
        .memory_limit(128 << 20)
        .threads(2)
        .temp_dir(dir.path())
        .compress(Compress::Fast)
        .key_type(key_type)
        .value_type(value_type);
    records.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
    builder.finish(&path).unwrap();
    let file = File::open(&path).unwrap();
    verify(&file, &Options { threads: 2 }, &Progress::default()).unwrap();
    let against = Against::new(&file, &AgainstOptions::default()).unwrap();
    let index = Index::load(&path).unwrap();
    for (key, value) in records {
        against.check(key, value).unwrap();
        assert!(index.get(key).unwrap().as_deref() == Some(&value[..]));
    }
    assert!(against.finish().unwrap().agrees());
    let header = index.first_header();
    (header.sections.pool.len, (header.key_tables, header.value_tables))
}

/// Words without a pattern.
fn words(seed: usize, len: usize) -> Vec<u8> {
    let word = |i: u64| {
        let mixed = (i + seed as u64 * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40;
        ["price ", "of ", "item ", "€ ", "and ", "colour "][mixed as usize % 6]
    };
    (0..).flat_map(|i| word(i).bytes()).take(len).collect()
}

#[test]
fn long_records() {
    let lengths = [65_500, 65_536, 70_000, 131_072, 200_000, 1_000_000];
    for (key_type, value_type, tables) in [
        (KeyType::Bytes, ValueType::Bytes, (true, true)),
        (KeyType::Bytes, ValueType::None, (true, false)),
        (KeyType::Int, ValueType::Bytes, (false, true)),
    ] {
        let key =
            |i: usize| if key_type == KeyType::Int { int_key(i as i64).to_vec() } else { words(i, 40 + i) };
        let value = |i, len| if value_type == ValueType::None { Vec::new() } else { words(i, len) };
        let mut records: Map = (0..1000).map(|i| (key(i), value(i, 50 + i))).collect();
        for (i, len) in (1000..).zip(lengths) {
            records.insert(key(i), value(i, len));
            if key_type == KeyType::Bytes {
                records.insert(words(i, len), value(i, 2 * len));
            }
        }
        // Codes of more than a block: no token stands for several bytes.
        for i in 2000..2002 {
            let noise: Vec<u8> = words(i, 4_500_000)
                .chunks(3)
                .flat_map(|word| [word[0] ^ 0x90, word[0] ^ 0xa0 ^ i as u8])
                .collect();
            records.insert(key(i), if value_type == ValueType::None { Vec::new() } else { noise.clone() });
            if key_type == KeyType::Bytes {
                records.insert(noise, value(i, 10));
            }
        }
        let (_, found) = check(key_type, value_type, &records);
        assert_eq!((found.0 > 0, found.1 > 0), tables);
    }
}

/// A code stands for the key, so that it takes hardly any room a second time.
#[test]
fn values_that_repeat_their_keys() {
    let number = |i: u128| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let key = |i| format!("{:032x}", number(i) ^ number(i) >> 67).into_bytes();
    let records: Map = (0..3000).map(|i| (key(i), [&key(i)[..], b"\0\x01\0\x01"].concat())).collect();
    let (pool, tables) = check(KeyType::Bytes, ValueType::Bytes, &records);
    assert!(tables.1 > 0);
    // A digit takes half a byte.
    assert!(pool < 3000 * 24, "{pool}");
}
